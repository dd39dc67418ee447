package group

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Types of groups whose protocols this package does not speak, as ListGroups names them.
const (
	typeConsumer = "consumer" // KIP-848
	typeShare    = "share"    // KIP-932
	typeStreams  = "streams"  // KIP-1071
)

// opaque is a group that Apache Kafka has written with one of the newer protocols. It is kept as it is, with its offsets, so that the directory can
// go back; what is known of it is which records it has. It takes the name: a classic member gets in only where the group is empty and Kafka would
// replace it as well.
type opaque struct {
	id   string
	kind string // typeStreams
	s    *shard

	live    map[string]int // what the records that are not tombstones are of, by key; durable
	members int            // of them, those of members
}

var _ group = (*opaque)(nil)

// opaqueKinds are the kinds of records of such groups.
var opaqueKinds = map[int16]struct {
	groupType string
	removal   int // the place of its tombstone when the group is removed: 0 first
}{
	3: {typeConsumer, ofGroup}, 4: {typeConsumer, ofRest}, 5: {typeConsumer, ofMember}, 6: {typeConsumer, ofRest}, 7: {typeConsumer, ofAssignment},
	8: {typeConsumer, ofAssignment}, 16: {typeConsumer, ofRest},
	10: {typeShare, ofMember}, 11: {typeShare, ofGroup}, 12: {typeShare, ofRest}, 13: {typeShare, ofAssignment}, 14: {typeShare, ofAssignment},
	15: {typeShare, ofRest},
	17: {typeStreams, ofGroup}, 19: {typeStreams, ofMember}, 20: {typeStreams, ofRest}, 21: {typeStreams, ofAssignment}, 22: {typeStreams, ofAssignment},
	23: {typeStreams, ofRest},
}

// What a record is of, in the order in which the tombstones of a group are written.
const (
	ofAssignment = iota
	ofMember
	ofRest
	ofGroup
)

// replayOpaque notes a record of a group that is kept as it is. A classic group that has been written is not replaced: Kafka writes its tombstone
// before it makes a group of another type under its name.
func (s *shard) replayOpaque(d decoded, r record) {
	kind := opaqueKinds[d.kind]
	key := string(r.Key)
	g, ok := s.groups[d.group].(*opaque)
	ok = ok && g.groupType() == kind.groupType
	if r.Value == nil {
		if ok {
			g.forget(key, kind.removal)
		}
		return
	}
	if c, isClassic := s.groups[d.group].(*classic); isClassic && c.stored != nil {
		return
	}
	if !ok {
		g = &opaque{id: d.group, kind: kind.groupType, s: s, live: make(map[string]int)}
		s.groups[d.group] = g
	}
	if _, had := g.live[key]; !had && kind.removal == ofMember {
		g.members++
	}
	g.live[key] = kind.removal
}

// forget replays a tombstone. That of the group itself removes it; offsets that it leaves are those of a simple group.
func (g *opaque) forget(key string, removal int) {
	if _, had := g.live[key]; had && removal == ofMember {
		g.members--
	}
	delete(g.live, key)
	if removal != ofGroup && len(g.live) > 0 {
		return
	}
	delete(g.s.groups, g.id)
	if len(g.s.offsets.byGroup[g.id]) > 0 {
		g.s.orSimple(g.id)
	}
}

// reportKept says in one line, after a load, what there is that this package does not understand.
func (s *shard) reportKept() {
	groups := make(map[string]int)
	for _, g := range s.groups {
		if g, ok := g.(*opaque); ok {
			groups[g.kind]++
		}
	}
	if len(groups) == 0 && len(s.unknown) == 0 {
		return
	}
	fields := []zap.Field{zap.Int(typeConsumer, groups[typeConsumer]), zap.Int(typeShare, groups[typeShare]), zap.Int(typeStreams, groups[typeStreams])}
	if len(s.unknown) > 0 {
		fields = append(fields, zap.Any("unknown_records_by_kind", s.unknown))
	}
	s.log.Info("groups of newer protocols are kept as they are", fields...)
}

// joinReplacing makes a classic group in the place of one that is empty, for a member that is new to it; its offsets stay.
func (g *opaque) joinReplacing(client Client, req *kmsg.JoinGroupRequest, w *joinWait) []record {
	switch {
	case g.members > 0:
		w.fail("", kerr.InconsistentGroupProtocol)
		return nil
	case req.MemberID != "":
		w.fail(req.MemberID, kerr.UnknownMemberID)
		return nil
	}
	return g.s.replaceByClassic(g.id, g, client, req, w)
}

// replaceByClassic puts a classic group in the place of an empty one of another type; its offsets stay.
func (s *shard) replaceByClassic(id string, g group, client Client, req *kmsg.JoinGroupRequest, w *joinWait) []record {
	s.log.Info("empty group replaced by a classic one", zap.String("group", id), zap.String("type", g.groupType()))
	list := append(g.tombstones(), s.joinNewGroup(client, req, w)...)
	s.env.AfterAppend(func(err error) { // after that of joinNewGroup
		if err != nil {
			s.groups[id] = g
		}
	})
	return list
}

// tombstones removes what there is of the group.
func (g *opaque) tombstones() []record {
	keys := slices.SortedFunc(maps.Keys(g.live), func(a, b string) int {
		return cmp.Or(cmp.Compare(g.live[a], g.live[b]), strings.Compare(a, b))
	})
	var list []record
	for _, k := range keys {
		list = append(list, record{Key: []byte(k)})
	}
	return list
}

func (g *opaque) groupType() string { return g.kind }

func (g *opaque) stateName() string {
	if g.members == 0 {
		return empty.String()
	}
	return stable.String()
}

// isIdle is false: the group is kept, also when it is empty and all of its offsets have expired.
func (g *opaque) isIdle() bool { return false }

func (g *opaque) loaded()  {}
func (g *opaque) removed() {}

// validateCommit lets only those commit that are not members, into an empty group.
func (g *opaque) validateCommit(c commitAs) error {
	if g.members == 0 && c.generation < 0 {
		return nil
	}
	return kerr.UnknownMemberID
}

func (g *opaque) validateOffsetDelete() error {
	return nil
}

func (g *opaque) validateDelete() error {
	if g.members > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *opaque) committing(string) {}

func (g *opaque) isSubscribed(string) bool { return g.members > 0 }

func (g *opaque) expiryBase() (func(committed) int64, bool) { return nil, false }

func (g *opaque) list() kmsg.ListGroupsResponseGroup {
	return kmsg.ListGroupsResponseGroup{Group: g.id, ProtocolType: g.kind, GroupState: g.stateName(), GroupType: g.kind}
}
