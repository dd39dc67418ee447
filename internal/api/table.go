package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/server"
)

// entry is one served API: its version range, both ends inclusive, and its handler.
type entry struct {
	min, max int16
	serve    func(ctx context.Context, s *session, req kmsg.Request) (server.Response, error)
}

func (e entry) served() bool { return e.serve != nil }

// table lists what this broker serves, by API key. Dispatch, the version check and the ApiVersions answer come from it:
// an API is listed only with the versions in which it works. It is filled in init because the ApiVersions handler reads
// it.
var table [93]entry

func init() {
	table = [93]entry{
		0:  handle(0, 13, (*session).produce),
		1:  handleRaw(0, 18, (*session).fetch),
		2:  handle(0, 11, (*session).listOffsets),
		3:  handle(0, 13, (*session).metadata),
		8:  handle(0, 10, (*session).offsetCommit),
		9:  handle(0, 10, (*session).offsetFetch),
		10: handle(0, 6, (*session).findCoordinator),
		11: handle(0, 9, (*session).joinGroup),
		12: handle(0, 4, (*session).heartbeat),
		13: handle(0, 5, (*session).leaveGroup),
		14: handle(0, 5, (*session).syncGroup),
		15: handle(0, 6, (*session).describeGroups),
		16: handle(0, 5, (*session).listGroups),
		17: handle(0, 1, (*session).saslHandshake),
		18: handleRaw(0, 4, (*session).apiVersions),
		19: handle(0, 7, (*session).createTopics),
		20: handle(0, 6, (*session).deleteTopics),
		21: handle(0, 2, (*session).deleteRecords),
		22: handle(0, 5, (*session).initProducerID),
		23: handle(0, 4, (*session).offsetForLeaderEpoch),
		24: handle(0, 5, (*session).addPartitionsToTxn),
		25: handle(0, 4, (*session).addOffsetsToTxn),
		26: handle(0, 5, (*session).endTxn),
		27: handle(0, 2, (*session).writeTxnMarkers),
		28: handle(0, 5, (*session).txnOffsetCommit),
		29: handle(0, 3, (*session).describeACLs),
		30: handle(0, 3, (*session).createACLs),
		31: handle(0, 3, (*session).deleteACLs),
		32: handle(0, 4, (*session).describeConfigs),
		33: handle(0, 2, (*session).alterConfigs),
		34: handle(0, 2, (*session).alterReplicaLogDirs),
		35: handle(0, 5, (*session).describeLogDirs),
		37: handle(0, 3, (*session).createPartitions),
		42: handle(0, 2, (*session).deleteGroups),
		43: handle(0, 2, (*session).electLeaders),
		44: handle(0, 1, (*session).incrementalAlterConfigs),
		45: handle(0, 1, (*session).alterPartitionReassignments),
		46: handle(0, 0, (*session).listPartitionReassignments),
		47: handle(0, 0, (*session).offsetDelete),
		55: handle(0, 2, (*session).describeQuorum),
		57: handle(0, 2, (*session).updateFeatures),
		60: handle(0, 2, (*session).describeCluster),
		61: handle(0, 0, (*session).describeProducers),
		64: handle(0, 0, (*session).unregisterBroker),
		65: handle(0, 0, (*session).describeTransactions),
		66: handle(0, 2, (*session).listTransactions),
		68: handle(0, 1, (*session).consumerGroupHeartbeat),
		69: handle(0, 1, (*session).consumerGroupDescribe),
		74: handle(0, 1, (*session).listConfigResources),
		75: handle(0, 0, (*session).describeTopicPartitions),
		88: handle(0, 0, (*session).streamsGroupHeartbeat),
		89: handle(0, 0, (*session).streamsGroupDescribe),
		76: handle(1, 1, (*session).shareGroupHeartbeat),
		77: handle(1, 1, (*session).shareGroupDescribe),
		78: handle(1, 2, (*session).shareFetch),
		79: handle(1, 2, (*session).shareAcknowledge),
		83: handle(0, 0, (*session).initializeShareGroupState),
		84: handle(0, 0, (*session).readShareGroupState),
		85: handle(0, 1, (*session).writeShareGroupState),
		86: handle(0, 0, (*session).deleteShareGroupState),
		87: handle(0, 1, (*session).readShareGroupStateSummary),
		90: handle(0, 1, (*session).describeShareGroupOffsets),
		91: handle(0, 0, (*session).alterShareGroupOffsets),
		92: handle(0, 0, (*session).deleteShareGroupOffsets),
	}
}

// handle makes a table entry of a typed handler. A handler that returns neither a response nor an error answers nothing
// (Produce with acks=0).
func handle[Q, R any, PQ interface {
	*Q
	kmsg.Request
}, PR interface {
	*R
	kmsg.Response
}](min, max int16, fn func(*session, context.Context, PQ) (PR, error)) entry {
	return entry{min, max, func(ctx context.Context, s *session, req kmsg.Request) (server.Response, error) {
		resp, err := fn(s, ctx, req.(PQ))
		if err != nil || resp == nil {
			return nil, err
		}
		resp.SetVersion(req.GetVersion())
		return s.reply(resp), nil
	}}
}

// handleRaw makes a table entry of a handler that encodes its own frame.
func handleRaw[Q any, PQ interface {
	*Q
	kmsg.Request
}](min, max int16, fn func(*session, context.Context, PQ) (server.Response, error)) entry {
	return entry{min, max, func(ctx context.Context, s *session, req kmsg.Request) (server.Response, error) {
		return fn(s, ctx, req.(PQ))
	}}
}

// lookup returns the entry of an API key; the zero entry when the key is not served.
func lookup(key int16) entry {
	if key < 0 || int(key) >= len(table) {
		return entry{}
	}
	return table[key]
}
