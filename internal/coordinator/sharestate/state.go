package sharestate

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// Key names a share partition.
type Key struct {
	Group     string
	TopicID   [16]byte
	Partition int32
}

// String is the key as FindCoordinator has it.
func (k Key) String() string {
	return k.Group + ":" + base64.RawURLEncoding.EncodeToString(k.TopicID[:]) + ":" + strconv.Itoa(int(k.Partition))
}

// ParseKey parses the text of a key. The group may have colons in it.
func ParseKey(s string) (Key, error) {
	rest, partition, ok := cutLast(s)
	group, topic, ok2 := cutLast(rest)
	if !ok || !ok2 || strings.TrimSpace(group) == "" {
		return Key{}, fmt.Errorf("%q is not GROUP:TOPIC-ID:PARTITION", s)
	}
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil {
		return Key{}, fmt.Errorf("%q has no partition number", s)
	}
	id, err := base64.RawURLEncoding.DecodeString(topic)
	if err != nil || len(id) != 16 {
		return Key{}, fmt.Errorf("%q has no topic id", s)
	}
	return Key{group, [16]byte(id), int32(p)}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// Values that stand for nothing known.
const (
	NoOffset      = -1 // the group has not begun to read the partition
	noLeaderEpoch = -1
	noCount       = -1
)

// state is what is kept of a share partition. It is replaced, never changed.
type state struct {
	snapshotEpoch, stateEpoch, leaderEpoch int32
	startOffset                            int64
	complete                               int32 // how many records from startOffset on are done with; noCount when that was not told
	batches                                []records.StateBatch
	createdMs                              int64

	updates    int   // since the snapshot
	snapshotAt int64 // offset of the snapshot in the log
}

// update returns the state after a write.
func (s state) update(leaderEpoch int32, startOffset int64, complete int32, batches []records.StateBatch) state {
	s.leaderEpoch = max(s.leaderEpoch, leaderEpoch)
	if startOffset != NoOffset {
		s.startOffset = startOffset
	}
	if complete != noCount {
		s.complete = complete
	}
	s.batches = combine(s.batches, batches, s.startOffset)
	return s
}

// combine lays newer batches over older ones and leaves out what is before start. The result is in order, its batches do not overlap, and neighbours that
// are alike are one.
func combine(older, newer []records.StateBatch, start int64) []records.StateBatch {
	all := slices.Clone(older)
	for _, n := range newer {
		all = overlay(all, n)
	}
	var out []records.StateBatch
	for _, b := range all {
		if b.LastOffset < start {
			continue
		}
		b.FirstOffset = max(b.FirstOffset, start)
		if n := len(out) - 1; n >= 0 && out[n].LastOffset+1 == b.FirstOffset && out[n].DeliveryState == b.DeliveryState && out[n].DeliveryCount == b.DeliveryCount {
			out[n].LastOffset = b.LastOffset
			continue
		}
		out = append(out, b)
	}
	return out
}

func overlay(all []records.StateBatch, n records.StateBatch) []records.StateBatch {
	out := make([]records.StateBatch, 0, len(all)+2)
	for _, b := range all {
		if b.LastOffset < n.FirstOffset || b.FirstOffset > n.LastOffset {
			out = append(out, b)
			continue
		}
		if left := b; b.FirstOffset < n.FirstOffset {
			left.LastOffset = n.FirstOffset - 1
			out = append(out, left)
		}
		if right := b; b.LastOffset > n.LastOffset {
			right.FirstOffset = n.LastOffset + 1
			out = append(out, right)
		}
	}
	i, _ := slices.BinarySearchFunc(out, n.FirstOffset, func(b records.StateBatch, first int64) int {
		if b.FirstOffset < first {
			return -1
		}
		return 1
	})
	return slices.Insert(out, i, n)
}
