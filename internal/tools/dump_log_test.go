package tools

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	coordinator "github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// run executes a tool and returns what it wrote.
func run(tool Tool, args ...string) (stdout, stderr string, status int) {
	var out, errs strings.Builder
	env := &Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Version: "test", Now: func() time.Time { return time.Unix(1, 0) }}
	status = tool.Run(context.Background(), env, args)
	return out.String(), errs.String(), status
}

func batch(t *testing.T, o protocol.BatchOptions, list ...protocol.Record) protocol.Batch {
	t.Helper()
	b := protocol.NewBatchBuilder(o)
	for _, r := range list {
		b.Append(r)
	}
	bytes, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func write(t *testing.T, dir, name string, parts ...[]byte) string {
	t.Helper()
	name = filepath.Join(dir, name)
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	if err := os.WriteFile(name, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var crcs = regexp.MustCompile(`crc: \d+`)

// TestDumpLog has the lines of Kafka's tool, word by word.
func TestDumpLog(t *testing.T) {
	dir := t.TempDir()
	key, value := protocol.ControlMarker(protocol.ControlAbort, 7)
	first := batch(t, protocol.BatchOptions{BaseOffset: 5, ProducerID: 3, ProducerEpoch: 1, BaseSequence: 0, Transactional: true},
		protocol.Record{Offset: 5, TimestampMs: 1000, Key: []byte("k"), Value: []byte("v\xff"), Headers: []protocol.RecordHeader{{Key: "h1"}, {Key: "h2"}}},
		protocol.Record{Offset: 7, TimestampMs: 1001, Value: []byte{}})
	marker := batch(t, protocol.BatchOptions{BaseOffset: 8, ProducerID: 3, ProducerEpoch: 1, BaseSequence: -1, Transactional: true, Control: true},
		protocol.Record{Offset: 8, TimestampMs: 1002, Key: key, Value: value})
	log := write(t, dir, "00000000000000000005.log", first, marker, []byte("torn"))
	want := fmt.Sprintf(`Dumping %s
Log starting offset: 5
baseOffset: 5 lastOffset: 7 count: 2 baseSequence: 0 lastSequence: 2 producerId: 3 producerEpoch: 1 partitionLeaderEpoch: 0 isTransactional: true isControl: false deleteHorizonMs: OptionalLong.empty position: 0 CreateTime: 1001 size: %d magic: 2 compresscodec: none crc: X isvalid: true
| offset: 5 CreateTime: 1000 keySize: 1 valueSize: 2 sequence: 0 headerKeys: [h1,h2] key: k payload: v�
| offset: 7 CreateTime: 1001 keySize: -1 valueSize: 0 sequence: 2 headerKeys: [] payload: 
baseOffset: 8 lastOffset: 8 count: 1 baseSequence: -1 lastSequence: -1 producerId: 3 producerEpoch: 1 partitionLeaderEpoch: 0 isTransactional: true isControl: true deleteHorizonMs: OptionalLong.empty position: %d CreateTime: 1002 size: %d magic: 2 compresscodec: none crc: X isvalid: true
| offset: 8 CreateTime: 1002 keySize: 4 valueSize: 6 sequence: -1 headerKeys: [] endTxnMarker: ABORT coordinatorEpoch: 7
Found 4 invalid bytes at the end of 00000000000000000005.log
`, log, len(first), len(first), len(marker))
	out, errs, status := run(dumpLogTool, "--print-data-log", "--files", log)
	if got := crcs.ReplaceAllString(out, "crc: X"); got != want || status != 0 {
		t.Errorf("status %d, got\n%s\nwant\n%s", status, got, want)
	}
	if want := "Non-consecutive offsets in " + log + "\n  5 is followed by 7\n"; errs != want {
		t.Errorf("standard error:\n%s\nwant\n%s", errs, want)
	}
	if out, _, _ := run(dumpLogTool, "--files", log, "--print-data-log", "--skip-record-metadata"); !strings.Contains(out, "\n| key: k payload: v�\n| payload: \n") {
		t.Errorf("without metadata:\n%s", out)
	}

	// The indexes beside it: the entries of the second are wrong.
	entry := func(relative, position int) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(relative)), uint32(position))
	}
	index := write(t, dir, "00000000000000000005.index", entry(2, 0), entry(4, len(first)), entry(0, 0))
	out, errs, status = run(dumpLogTool, "--files", index)
	if want := fmt.Sprintf("Dumping %s\noffset: 7 position: 0\noffset: 9 position: %d\n", index, len(first)); out != want || status != 0 {
		t.Errorf("index: status %d, %s\nwant %s", status, out, want)
	}
	if want := "Mismatches in :" + index + "\n  Index offset: 9, log offset: 8\n"; errs != want {
		t.Errorf("index: %s\nwant %s", errs, want)
	}
	timed := func(ms, relative int) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(ms)), uint32(relative))
	}
	times := write(t, dir, "00000000000000000005.timeindex", timed(1001, 2), timed(1000, 3))
	out, errs, _ = run(dumpLogTool, "--files", times)
	if want := "Dumping " + times + "\ntimestamp: 1001 offset: 7\ntimestamp: 1000 offset: 8\n"; out != want {
		t.Errorf("time index: %s\nwant %s", out, want)
	}
	if !strings.Contains(errs, "Index timestamp: 1000, log timestamp: 1002") || !strings.Contains(errs, "Index timestamp: 1000, Previously indexed timestamp: 1001") {
		t.Errorf("time index: %s", errs)
	}
	if _, errs, status := run(dumpLogTool, "--files", times, "--index-sanity-check"); status != 1 || !strings.Contains(errs, "the last timestamp is 1000 which is less than the first timestamp 1001") {
		t.Errorf("sanity: status %d, %s", status, errs)
	}
}

func TestDumpLogDecodersOfKafkasOwnTopics(t *testing.T) {
	commitKey, commit := kmsg.NewOffsetCommitKey(), kmsg.NewOffsetCommitValue()
	commitKey.Version, commitKey.Group, commitKey.Topic, commitKey.Partition = 1, "g", "t", 2
	commit.Version, commit.Offset, commit.LeaderEpoch, commit.Metadata, commit.CommitTimestamp = 3, 42, 1, "m\"<", 99
	groupKey, group := kmsg.NewGroupMetadataKey(), kmsg.NewGroupMetadataValue()
	groupKey.Version, groupKey.Group = 2, "g"
	member := kmsg.NewGroupMetadataValueMember()
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Topics = []string{"t"}
	member.MemberID, member.Subscription, member.Assignment = "m1", subscription.AppendTo(nil), []byte{9, 9}
	group.Version, group.ProtocolType, group.Members = 3, "consumer", []kmsg.GroupMetadataValueMember{member}
	txnKey, txn := kmsg.NewTxnMetadataKey(), kmsg.NewTxnMetadataValue()
	txnKey.TransactionalID, txn.ProducerID = "tx", 5
	newer := &coordinator.ConsumerGroupMetadataValue{Epoch: 5}
	for _, c := range []struct {
		decode             recordDecoder
		key, value         []byte
		wantKey, wantValue string
	}{
		{decodeCoordinator("group"), commitKey.AppendTo(nil), commit.AppendTo(nil),
			`{"type":"1","data":{"group":"g","topic":"t","partition":2}}`,
			`{"version":"3","data":{"offset":42,"leaderEpoch":1,"metadata":"m\"<","commitTimestamp":99}}`},
		{decodeCoordinator("group"), groupKey.AppendTo(nil), group.AppendTo(nil),
			`{"type":"2","data":{"group":"g"}}`,
			`{"version":"3","data":{"protocolType":"consumer","generation":0,"protocol":null,"leader":null,"currentStateTimestamp":-1,"members":[{"memberId":"m1",` +
				`"groupInstanceId":null,"clientId":"","clientHost":"","rebalanceTimeout":-1,"sessionTimeout":0,"subscription":{"topics":["t"],"userData":null},"assignment":"CQk="}]}}`},
		{decodeCoordinator("group"), commitKey.AppendTo(nil), nil, `{"type":"1","data":{"group":"g","topic":"t","partition":2}}`, "<DELETE>"},
		{decodeCoordinator("group"), coordinator.AppendKey(nil, &coordinator.ConsumerGroupMetadataKey{GroupID: "g"}), coordinator.AppendValue(nil, newer),
			`{"type":"3","data":{"groupId":"g"}}`, `{"version":"0","data":{"epoch":5}}`},
		{decodeCoordinator("group"), []byte{0, 99, 0, 0}, []byte{}, "Unknown record type 99 at offset 8, skipping.", ""},
		{decodeCoordinator("group"), []byte{0}, nil, "Error at offset 8, skipping. Could not read version from key's buffer.", ""},
		{decodeCoordinator("transaction"), txnKey.AppendTo(nil), txn.AppendTo(nil),
			`{"type":"0","data":{"transactionalId":"tx"}}`,
			`{"version":"0","data":{"producerId":5,"producerEpoch":0,"transactionTimeoutMs":0,"transactionStatus":0,"transactionPartitions":null,` +
				`"transactionLastUpdateTimestampMs":0,"transactionStartTimestampMs":0}}`},
		{decodeMetadata, nil, []byte{1, 12, 0, 2, 'x', 0, 7, 0}, "", `{"type":"FEATURE_LEVEL_RECORD","version":0,"data":{"name":"x","featureLevel":7}}`},
		{decodeMetadata, nil, []byte{118, '0'}, "", "Error at 8, skipping. Could not deserialize metadata record due to unknown frame version 118(only frame version 1 is supported)"},
	} {
		key, payload := c.decode(protocol.Record{Offset: 8, Key: c.key, Value: c.value})
		if got := text(key); got != c.wantKey {
			t.Errorf("key:\n%s\nwant\n%s", got, c.wantKey)
		}
		if got := text(payload); got != c.wantValue {
			t.Errorf("payload:\n%s\nwant\n%s", got, c.wantValue)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestEveryRecordOfKafkasIsShown goes through the schemas: a decoder must know all that the codecs know.
func TestEveryRecordOfKafkasIsShown(t *testing.T) {
	for kind := range int16(24) {
		if s, m := find("key", "group", kind); kind != 9 && kind != 18 && (s == nil || m == nil) {
			t.Errorf("no key of kind %d", kind)
		} else if _, m := find("value", "group", kind); kind != 9 && kind != 18 && m == nil {
			t.Errorf("no value of kind %d", kind)
		}
	}
}
