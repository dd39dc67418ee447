package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Types of groups of the newer protocols, as ListGroups names them.
const (
	typeConsumer = "consumer" // KIP-848
	typeShare    = "share"    // KIP-932
	typeStreams  = "streams"  // KIP-1071
)

// groupKinds says of which type of group the records of a kind are.
var groupKinds = map[int16]string{
	3: typeConsumer, 4: typeConsumer, 5: typeConsumer, 6: typeConsumer, 7: typeConsumer, 8: typeConsumer, 16: typeConsumer,
	10: typeShare, 11: typeShare, 12: typeShare, 13: typeShare, 14: typeShare, 15: typeShare,
	17: typeStreams, 19: typeStreams, 20: typeStreams, 21: typeStreams, 22: typeStreams, 23: typeStreams,
}

// reportUnknown says in one line, after a load, what there is that this package does not understand.
func (s *shard) reportUnknown() {
	if len(s.unknown) > 0 {
		s.log.Info("records of unknown kinds are left alone", zap.Any("unknown_records_by_kind", s.unknown))
	}
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
