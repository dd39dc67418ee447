package group

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
)

// member is one member of a classic group. Byte slices are never changed after they have been set: responses share them.
type member struct {
	id                 string
	instanceID         *string // of a static member (KIP-345)
	clientID           string
	clientHost         string
	rebalanceTimeoutMs int32
	sessionTimeoutMs   int32
	protocols          []memberProtocol // in the member's order of preference
	assignment         []byte
	held               []byte // the last assignment in the log: what the member may still have while another is made

	// isNew is set until the first rebalance that the member takes part in is done. It does not know its id yet and sends no heartbeats,
	// so it may expire even while its join waits.
	isNew bool
	join  *joinWait // not nil: a JoinGroup waits for the end of the rebalance
	sync  *syncWait // not nil: a SyncGroup waits for the leader's assignment

	sessionTimer string
	expire       func() []record
}

type memberProtocol struct {
	name     string
	metadata []byte
}

// joinWait is a JoinGroup request that is to be answered.
type joinWait struct {
	version int16
	reply   *coordinator.Reply[*kmsg.JoinGroupResponse]
}

// syncWait is a SyncGroup request that is to be answered.
type syncWait struct {
	version int16
	reply   *coordinator.Reply[*kmsg.SyncGroupResponse]
}

// protocolsOf clones the protocols of a request. Of two with the same name the first counts.
func protocolsOf(req *kmsg.JoinGroupRequest) []memberProtocol {
	ps := make([]memberProtocol, 0, len(req.Protocols))
	for _, p := range req.Protocols {
		if slices.ContainsFunc(ps, func(q memberProtocol) bool { return q.name == p.Name }) {
			continue
		}
		ps = append(ps, memberProtocol{name: p.Name, metadata: bytes.Clone(p.Metadata)})
	}
	return ps
}

// matches reports whether the protocols are those of the member, metadata and order included.
func (m *member) matches(ps []memberProtocol) bool {
	return slices.EqualFunc(m.protocols, ps, func(a, b memberProtocol) bool {
		return a.name == b.name && bytes.Equal(a.metadata, b.metadata)
	})
}

// metadata is the member's subscription under the protocol, empty when it does not support it.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.name == protocol {
			return p.metadata
		}
	}
	return nil
}

func (m *member) isStatic() bool { return m.instanceID != nil }

func (m *member) session() time.Duration { return milliseconds(m.sessionTimeoutMs) }

// satisfiesHeartbeat reports whether the member is alive without heartbeats: its connection is busy waiting for us.
func (m *member) satisfiesHeartbeat() bool {
	return !m.isNew && (m.join != nil || m.sync != nil)
}

func (m *member) stored(protocol string, assignment []byte) storedMember {
	return storedMember{
		memberID:           m.id,
		instanceID:         m.instanceID,
		clientID:           m.clientID,
		clientHost:         m.clientHost,
		rebalanceTimeoutMs: m.rebalanceTimeoutMs,
		sessionTimeoutMs:   m.sessionTimeoutMs,
		subscription:       m.metadata(protocol),
		assignment:         assignment,
	}
}

func (m *member) describe() kmsg.DescribeGroupsResponseGroupMember {
	return kmsg.DescribeGroupsResponseGroupMember{
		MemberID:         m.id,
		InstanceID:       m.instanceID,
		ClientID:         m.clientID,
		ClientHost:       m.clientHost,
		MemberAssignment: m.assignment,
	}
}
