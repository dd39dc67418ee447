package group

import (
	"encoding/hex"
	"math/rand"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestPartitionForIsJavasHash(t *testing.T) {
	for _, c := range []struct {
		group      string
		partitions int32
		want       int32
	}{
		{"", 50, 0},
		{"g", 50, 3},
		{"test-group", 50, 12},
		{"polygenelubricants", 50, 0}, // its hash is Integer.MIN_VALUE
		{"console-consumer-12345", 50, 6},
		{"grüße", 50, 23},
		{"😀 group", 7, 5},
	} {
		if got := PartitionFor(c.group, c.partitions); got != c.want {
			t.Errorf("PartitionFor(%q, %d) = %d, want %d", c.group, c.partitions, got, c.want)
		}
	}
}

func TestRecordsAreKafkasBytes(t *testing.T) {
	c := committed{offset: 5, leaderEpoch: 3, metadata: "m", commitMs: 7, expireMs: noTimestamp, topicID: [16]byte{1}}
	withExpiry := c
	withExpiry.expireMs = 9
	leader, range_ := "m1", "range"
	for name, tc := range map[string]struct {
		r          record
		key, value string
	}{
		"offset": {offsetRecord("g", "t", 2, c), "0001000167000174" + "00000002",
			"0004" + "0000000000000005" + "00000003" + "026d" + "0000000000000007" + "01" + "0010" + "01000000000000000000000000000000"},
		"offset with expiry": {offsetRecord("g", "t", 2, withExpiry), "0001000167000174" + "00000002",
			"0001" + "0000000000000005" + "00016d" + "0000000000000007" + "0000000000000009"},
		"offset removed": {offsetTombstone("g", "t", 2), "0001000167000174" + "00000002", ""},
		"group": {groupRecord("g", stored{protocolType: "consumer", protocol: &range_, generation: 1, leader: &leader, stateSinceMs: 2,
			members: []storedMember{{memberID: "m1", clientID: "c", clientHost: "/h", rebalanceTimeoutMs: 3, sessionTimeoutMs: 4,
				subscription: []byte{0xaa}, assignment: []byte{0xbb}}}}),
			"0002000167",
			"0003" + "0008636f6e73756d6572" + "00000001" + "000572616e6765" + "00026d31" + "0000000000000002" +
				"00000001" + "00026d31" + "ffff" + "000163" + "00022f68" + "00000003" + "00000004" + "00000001aa" + "00000001bb"},
		"empty group":   {groupRecord("g", stored{stateSinceMs: 2}), "0002000167", "0003" + "0000" + "00000000" + "ffff" + "ffff" + "0000000000000002" + "00000000"},
		"group removed": {groupTombstone("g"), "0002000167", ""},
	} {
		if got := hex.EncodeToString(tc.r.Key); got != tc.key {
			t.Errorf("%s: key\n got %s\nwant %s", name, got, tc.key)
		}
		if got := hex.EncodeToString(tc.r.Value); got != tc.value || (tc.value == "") != (tc.r.Value == nil) {
			t.Errorf("%s: value\n got %s\nwant %s", name, got, tc.value)
		}
	}
}

func TestOldValueVersionsAreRead(t *testing.T) {
	key := kmsg.OffsetCommitKey{Version: 0, Group: "g", Topic: "t", Partition: 1}
	for version := int16(0); version <= 4; version++ {
		v := kmsg.OffsetCommitValue{Version: version, Offset: 5, LeaderEpoch: 6, Metadata: "m", CommitTimestamp: 7, ExpireTimestamp: 8}
		d, err := decode(record{Key: key.AppendTo(nil), Value: v.AppendTo(nil)})
		if err != nil {
			t.Fatal(err)
		}
		want := committed{offset: 5, leaderEpoch: -1, metadata: "m", commitMs: 7, expireMs: noTimestamp}
		if version >= 3 {
			want.leaderEpoch = 6
		}
		if version == 1 {
			want.expireMs = 8
		}
		if *d.commit != want || d.group != "g" || d.topic != "t" || d.partition != 1 {
			t.Errorf("version %d: %+v, want %+v", version, *d.commit, want)
		}
	}
	for version := int16(0); version <= 4; version++ {
		v := kmsg.NewGroupMetadataValue()
		v.Version, v.ProtocolType, v.Generation = version, "consumer", 3
		m := kmsg.NewGroupMetadataValueMember()
		m.MemberID, m.InstanceID, m.RebalanceTimeoutMillis, m.SessionTimeoutMillis = "m", kmsg.StringPtr("i"), 20, 10
		v.Members = append(v.Members, m)
		d, err := decode(record{Key: groupKey("g"), Value: v.AppendTo(nil)})
		if err != nil {
			t.Fatal(err)
		}
		got := d.metadata.members[0]
		wantRebalance := int32(20)
		if version == 0 {
			wantRebalance = 10
		}
		if got.rebalanceTimeoutMs != wantRebalance || (got.instanceID != nil) != (version >= 3) {
			t.Errorf("version %d: %+v", version, got)
		}
	}
}

func TestUnknownKindsAreLeftAlone(t *testing.T) {
	s := bareShard()
	for kind := byte(9); kind < 30; kind++ {
		if _, ok := groupKinds[int16(kind)]; ok {
			continue // these are understood
		}
		if err := s.Replay(0, record{Key: []byte{0, kind, 0, 1, 'g' + kind}, Value: []byte{9}}); err != nil {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
	if len(s.unknown) != 8 || len(s.groups) != 0 {
		t.Errorf("unknown kinds %v, groups %v", s.unknown, s.groupIDs())
	}
}

// FuzzDecode: no bytes of a log make the shard panic or keep a piece of the buffer.
func FuzzDecode(f *testing.F) {
	p := "range"
	for _, r := range []record{
		offsetRecord("g", "t", 1, committed{metadata: "m", expireMs: noTimestamp}),
		offsetRecord("g", "t", 1, committed{metadata: "m", expireMs: 5}),
		offsetTombstone("g", "t", 1),
		groupRecord("g", stored{protocolType: "consumer", protocol: &p, members: []storedMember{{memberID: "m", subscription: subscription("t"), assignment: []byte("a")}}}),
		groupTombstone("g"),
		{Key: []byte{0, 9}},
		{Key: []byte{0, 5, 0, 1, 'g', 0, 1, 'm'}, Value: []byte{0}},
	} {
		f.Add(r.Key, r.Value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r := record{Key: key, Value: value}
		d, err := decode(r)
		if err != nil {
			return
		}
		if d.metadata != nil {
			topics := make(map[string]struct{})
			for _, m := range d.metadata.members {
				_ = addSubscribedTopics(topics, m.subscription)
			}
			// What was read can be written and read again.
			again, err := decode(groupRecord(d.group, *d.metadata))
			if err != nil || again.metadata.generation != d.metadata.generation || len(again.metadata.members) != len(d.metadata.members) {
				t.Fatalf("%+v, written and read: %+v, %v", d.metadata, again.metadata, err)
			}
		}
		if d.commit != nil {
			before := *d.commit
			dirty(value)
			dirty(key)
			if !reflect.DeepEqual(before, *d.commit) {
				t.Fatal("a commit aliases the record")
			}
		}
	})
}

// FuzzReplay: a log of arbitrary records is loaded without a panic, whatever groups come out of it.
func FuzzReplay(f *testing.F) {
	f.Add(int64(1), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, seed int64, noise []byte) {
		rng := rand.New(rand.NewSource(seed))
		s := bareShard()
		for i := range 20 {
			r := offsetRecord("g", "t", int32(rng.Intn(3)), committed{expireMs: noTimestamp})
			if rng.Intn(2) == 0 {
				r = groupRecord("g", stored{generation: int32(i)})
			}
			if rng.Intn(3) == 0 {
				r.Value = nil
			}
			if r.Value != nil && len(noise) > 0 && rng.Intn(3) == 0 {
				r.Value[rng.Intn(len(r.Value))] = noise[rng.Intn(len(noise))]
			}
			switch rng.Intn(4) {
			case 0:
				_ = s.ReplayTxn(int64(i), int64(rng.Intn(2)), 0, r)
			case 1:
				_ = s.ReplayTxnMarker(int64(rng.Intn(2)), 0, rng.Intn(2) == 0)
			default:
				_ = s.Replay(int64(i), r)
			}
		}
		if got := s.offsets.partitions("g"); len(got) > 3 {
			t.Fatalf("partitions %v", got)
		}
	})
}
