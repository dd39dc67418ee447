package group

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

type record = protocol.Record

// Versions of keys, which are the kinds of records, and of values as Kafka 4.3.1 writes them.
const (
	keyOffsetCommitOld = 0
	keyOffsetCommit    = 1
	keyGroupMetadata   = 2

	valueOffsetCommit           = 4
	valueOffsetCommitWithExpiry = 1 // the only version with an expire timestamp
	valueGroupMetadata          = 3
)

// noTimestamp is Kafka's "not set" of timestamps and retention times.
const noTimestamp = -1

// committed is one committed offset.
type committed struct {
	offset      int64
	leaderEpoch int32 // of the last record consumed, -1 unknown
	metadata    string
	commitMs    int64
	expireMs    int64    // noTimestamp: by retention
	topicID     [16]byte // zero when the commit did not know it
	logOffset   int64    // where the commit lies in the log; not part of the record
}

// stored is a group as it was last written to the log.
type stored struct {
	protocolType string // "" for a group that has never had members
	protocol     *string
	generation   int32
	leader       *string
	stateSinceMs int64
	members      []storedMember
}

type storedMember struct {
	memberID           string
	instanceID         *string
	clientID           string
	clientHost         string
	rebalanceTimeoutMs int32
	sessionTimeoutMs   int32
	subscription       []byte
	assignment         []byte
}

func appendOffsetKey(dst []byte, groupID, topic string, partition int32) []byte {
	k := kmsg.OffsetCommitKey{Version: keyOffsetCommit, Group: groupID, Topic: topic, Partition: partition}
	return k.AppendTo(dst)
}

func offsetRecord(groupID, topic string, partition int32, c committed) record {
	var e offsetEncoder
	return e.record(groupID, topic, partition, c)
}

// offsetEncoder lays the bytes of a commit's records side by side, in one allocation for a guess of how many it will be.
type offsetEncoder struct{ buf []byte }

// offsetRecordBytes is about what a record has beside the names and the metadata.
const offsetRecordBytes = 64

func newOffsetEncoder(records, namesBytes int) offsetEncoder {
	return offsetEncoder{make([]byte, 0, records*offsetRecordBytes+namesBytes)}
}

func (e *offsetEncoder) record(groupID, topic string, partition int32, c committed) record {
	v := kmsg.OffsetCommitValue{
		Version:         valueOffsetCommit,
		Offset:          c.offset,
		LeaderEpoch:     c.leaderEpoch,
		Metadata:        c.metadata,
		CommitTimestamp: c.commitMs,
		ExpireTimestamp: c.expireMs,
		TopicID:         c.topicID,
	}
	if c.expireMs != noTimestamp {
		v.Version = valueOffsetCommitWithExpiry
	}
	from := len(e.buf)
	e.buf = appendOffsetKey(e.buf, groupID, topic, partition)
	value := len(e.buf)
	e.buf = v.AppendTo(e.buf)
	return record{Key: e.buf[from:value:value], Value: e.buf[value:len(e.buf):len(e.buf)]}
}

func offsetTombstone(groupID, topic string, partition int32) record {
	return record{Key: appendOffsetKey(nil, groupID, topic, partition)}
}

func groupKey(groupID string) []byte {
	k := kmsg.GroupMetadataKey{Version: keyGroupMetadata, Group: groupID}
	return k.AppendTo(nil)
}

func groupRecord(groupID string, g stored) record {
	v := kmsg.GroupMetadataValue{
		Version:               valueGroupMetadata,
		ProtocolType:          g.protocolType,
		Generation:            g.generation,
		Protocol:              g.protocol,
		Leader:                g.leader,
		CurrentStateTimestamp: g.stateSinceMs,
	}
	for _, m := range g.members {
		v.Members = append(v.Members, kmsg.GroupMetadataValueMember{
			MemberID:               m.memberID,
			InstanceID:             m.instanceID,
			ClientID:               m.clientID,
			ClientHost:             m.clientHost,
			RebalanceTimeoutMillis: m.rebalanceTimeoutMs,
			SessionTimeoutMillis:   m.sessionTimeoutMs,
			Subscription:           m.subscription,
			Assignment:             m.assignment,
		})
	}
	return record{Key: groupKey(groupID), Value: v.AppendTo(nil)}
}

func groupTombstone(groupID string) record { return record{Key: groupKey(groupID)} }

// decoded is one record of the log in terms of this package: exactly one of the kinds.
type decoded struct {
	kind int16 // the version of the key

	group     string
	topic     string     // offset commits
	partition int32      // offset commits
	commit    *committed // nil: removed
	metadata  *stored    // nil: removed
}

// decode reads a record. Nothing of the result aliases r. Kinds of the newer protocols come back with their group, unknown kinds with
// their kind alone.
func decode(r record) (decoded, error) {
	if len(r.Key) < 2 {
		return decoded{}, fmt.Errorf("record key of %d bytes has no version", len(r.Key))
	}
	d := decoded{kind: int16(binary.BigEndian.Uint16(r.Key))}
	var err error
	switch d.kind {
	case keyOffsetCommitOld, keyOffsetCommit:
		var o offsetCommit
		if o, err = decodeOffset(r); err != nil {
			return d, err
		}
		d.group, d.topic, d.partition = strings.Clone(o.group), strings.Clone(o.topic), o.partition
		if !o.removed {
			d.commit = &o.commit
		}
	case keyGroupMetadata:
		var k kmsg.GroupMetadataKey
		if err := k.ReadFrom(r.Key); err != nil {
			return d, fmt.Errorf("group metadata key: %w", err)
		}
		d.group = k.Group
		if r.Value != nil {
			d.metadata, err = decodeGroup(r.Value)
		}
	default:
		if _, ok := groupKinds[d.kind]; ok {
			if d.group, err = records.GroupID(r.Key); err != nil {
				return d, fmt.Errorf("key of kind %d: %w", d.kind, err)
			}
		}
	}
	return d, err
}

func valueVersion(b []byte, newest int16) (int16, error) {
	if len(b) < 2 {
		return 0, fmt.Errorf("value of %d bytes has no version", len(b))
	}
	v := int16(binary.BigEndian.Uint16(b))
	if v < 0 || v > newest {
		return 0, fmt.Errorf("value version %d is not supported", v)
	}
	return v, nil
}

func isOffsetCommit(r record) bool {
	return len(r.Key) >= 2 && r.Key[0] == 0 && (r.Key[1] == keyOffsetCommitOld || r.Key[1] == keyOffsetCommit)
}

// offsetCommit is a record of an offset. The names alias the record's bytes: a log has many such records, and seldom a new name.
type offsetCommit struct {
	group, topic string
	partition    int32
	removed      bool
	commit       committed
}

func decodeOffset(r record) (offsetCommit, error) {
	var k kmsg.OffsetCommitKey
	if err := k.UnsafeReadFrom(r.Key); err != nil {
		return offsetCommit{}, fmt.Errorf("offset commit key: %w", err)
	}
	o := offsetCommit{group: k.Group, topic: k.Topic, partition: k.Partition, removed: r.Value == nil}
	var err error
	if !o.removed {
		o.commit, err = decodeOffsetValue(r.Value)
	}
	return o, err
}

// decodeOffsetValue returns nothing that aliases b.
func decodeOffsetValue(b []byte) (committed, error) {
	version, err := valueVersion(b, 4)
	if err != nil {
		return committed{}, fmt.Errorf("offset commit: %w", err)
	}
	var v kmsg.OffsetCommitValue
	if err := v.UnsafeReadFrom(b); err != nil {
		return committed{}, fmt.Errorf("offset commit value version %d: %w", version, err)
	}
	c := committed{
		offset:      v.Offset,
		leaderEpoch: -1,
		metadata:    strings.Clone(v.Metadata),
		commitMs:    v.CommitTimestamp,
		expireMs:    noTimestamp,
		topicID:     v.TopicID,
	}
	if version >= 3 {
		c.leaderEpoch = v.LeaderEpoch
	}
	if version == valueOffsetCommitWithExpiry {
		c.expireMs = v.ExpireTimestamp
	}
	return c, nil
}

func decodeGroup(b []byte) (*stored, error) {
	version, err := valueVersion(b, 4)
	if err != nil {
		return nil, fmt.Errorf("group metadata: %w", err)
	}
	var v kmsg.GroupMetadataValue
	if err := v.ReadFrom(b); err != nil {
		return nil, fmt.Errorf("group metadata value version %d: %w", version, err)
	}
	g := &stored{
		protocolType: v.ProtocolType,
		protocol:     v.Protocol,
		generation:   v.Generation,
		leader:       v.Leader,
		stateSinceMs: v.CurrentStateTimestamp,
	}
	for _, m := range v.Members {
		if m.RebalanceTimeoutMillis < 0 { // version 0 has none
			m.RebalanceTimeoutMillis = m.SessionTimeoutMillis
		}
		g.members = append(g.members, storedMember{
			memberID:           m.MemberID,
			instanceID:         m.InstanceID,
			clientID:           m.ClientID,
			clientHost:         m.ClientHost,
			rebalanceTimeoutMs: m.RebalanceTimeoutMillis,
			sessionTimeoutMs:   m.SessionTimeoutMillis,
			subscription:       slices.Clone(m.Subscription),
			assignment:         slices.Clone(m.Assignment),
		})
	}
	return g, nil
}
