package group

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// foreign are the records of a group of each type, with one member or with none.
func foreign(groupType, id string, member bool) []record {
	var list []record
	put := func(k records.Key, v records.Value) {
		r := record{Key: records.AppendKey(nil, k)}
		if v != nil {
			r.Value = records.AppendValue(nil, v)
		}
		list = append(list, r)
	}
	owned := []records.OwnedPartitions{{TopicID: topicID("t1"), Partitions: []int32{0}, AssignmentEpochs: []int32{1}}}
	switch groupType {
	case typeConsumer:
		put(&records.ConsumerGroupMemberMetadataKey{GroupID: id, MemberID: "m"}, &records.ConsumerGroupMemberMetadataValue{RebalanceTimeoutMs: -1})
		put(&records.ConsumerGroupMetadataKey{GroupID: id}, &records.ConsumerGroupMetadataValue{Epoch: 1})
		put(&records.ConsumerGroupTargetAssignmentMemberKey{GroupID: id, MemberID: "m"}, &records.ConsumerGroupTargetAssignmentMemberValue{})
		put(&records.ConsumerGroupTargetAssignmentMetadataKey{GroupID: id}, &records.ConsumerGroupTargetAssignmentMetadataValue{AssignmentEpoch: 1})
		put(&records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: id, MemberID: "m"}, &records.ConsumerGroupCurrentMemberAssignmentValue{AssignedPartitions: owned})
		if !member {
			put(&records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: id, MemberID: "m"}, nil)
			put(&records.ConsumerGroupTargetAssignmentMemberKey{GroupID: id, MemberID: "m"}, nil)
			put(&records.ConsumerGroupMemberMetadataKey{GroupID: id, MemberID: "m"}, nil)
		}
	case typeShare:
		put(&records.ShareGroupMetadataKey{GroupID: id}, &records.ShareGroupMetadataValue{Epoch: 1})
		if member {
			put(&records.ShareGroupMemberMetadataKey{GroupID: id, MemberID: "m"}, &records.ShareGroupMemberMetadataValue{})
		}
	case typeStreams:
		put(&records.StreamsGroupMetadataKey{GroupID: id}, &records.StreamsGroupMetadataValue{Epoch: 1, ValidatedTopologyEpoch: -1})
		put(&records.StreamsGroupTopologyKey{GroupID: id}, &records.StreamsGroupTopologyValue{Epoch: 1})
		if member {
			put(&records.StreamsGroupMemberMetadataKey{GroupID: id, MemberID: "m"}, &records.StreamsGroupMemberMetadataValue{RebalanceTimeoutMs: -1})
		}
	}
	return list
}

// write appends records as another broker has written them, and loads them.
func (h *harness) write(records []record) {
	h.t.Helper()
	if _, err := h.journal.AppendBatch(0, h.epoch, protocol.BatchOptions{ProducerID: protocol.NoProducerID}, records); err != nil {
		h.t.Fatal(err)
	}
	h.restart()
}

func joinRequest(id, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = 3, id, member, 10_000, 10_000, "consumer"
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription("t1")}}
	return req
}

// TestClassicMemberMeetsNewerGroup: as in Kafka, an empty consumer or streams group gives way to a classic one and leaves its offsets; others do not.
func TestClassicMemberMeetsNewerGroup(t *testing.T) {
	for _, groupType := range []string{typeConsumer, typeShare, typeStreams} {
		for _, member := range []bool{false, true} {
			t.Run(fmt.Sprint(groupType, " ", member), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHarness(t, 1)
					written := foreign(groupType, "g", member)
					h.write(append(written, offsetRecord("g", "t1", 2, committed{offset: 7, expireMs: noTimestamp})))
					replaced := groupType != typeShare && !member
					want := kerr.InconsistentGroupProtocol.Code
					if groupType == typeConsumer {
						want = 0 // it becomes a member, or the group a classic one
					}
					if replaced {
						if got := h.c.JoinGroup(t.Context(), Client{}, joinRequest("g", "who")).ErrorCode; got != kerr.UnknownMemberID.Code {
							t.Errorf("join with a member id: %v", kerr.ErrorForCode(got))
						}
						h.journal.FailAppends(kerr.KafkaStorageError)
						if got := h.c.JoinGroup(t.Context(), Client{}, joinRequest("g", "")).ErrorCode; got != kerr.NotCoordinator.Code {
							t.Errorf("join while appends fail: %v", kerr.ErrorForCode(got))
						}
						h.journal.FailAppends(nil)
						h.check() // it is what it was
						want = 0
					}
					if got := h.c.JoinGroup(t.Context(), Client{}, joinRequest("g", "")).ErrorCode; got != want {
						t.Errorf("join: %v, want code %d", kerr.ErrorForCode(got), want)
					}
					h.check()
					wantType := groupType
					if replaced {
						wantType = "classic"
					}
					for range 2 {
						if groups := h.c.ListGroups(t.Context(), Client{}, kmsg.NewPtrListGroupsRequest()).Groups; len(groups) != 1 || groups[0].GroupType != wantType {
							t.Errorf("groups %+v", groups)
						}
						h.inspect(func(_ int32, s *shard) {
							if c, ok := s.offsets.get("g", "t1", 2); !ok || c.offset != 7 {
								t.Errorf("offset %+v", c)
							}
						})
						h.restart()
						h.check()
					}
				})
			})
		}
	}
}

// TestNewerGroupIsAdministered: deletion, commits and descriptions of groups of the newer protocols.
func TestNewerGroupIsAdministered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		var all []record
		for _, groupType := range []string{typeConsumer, typeShare, typeStreams} {
			all = append(all, foreign(groupType, groupType+"-empty", false)...)
			all = append(all, foreign(groupType, groupType+"-busy", true)...)
		}
		h.write(all)
		for id, want := range map[string]*kerr.Error{
			"consumer-empty": nil, "consumer-busy": kerr.UnknownMemberID, "share-empty": kerr.GroupIDNotFound, "share-busy": kerr.GroupIDNotFound,
			"streams-empty": nil, "streams-busy": kerr.UnknownMemberID,
		} {
			if got := commitCode(h, id); kerr.ErrorForCode(got) != asError(want) {
				t.Errorf("commit to %s: %v, want %v", id, kerr.ErrorForCode(got), want)
			}
		}
		describe := kmsg.NewPtrDescribeGroupsRequest()
		describe.Version, describe.Groups = 6, []string{"consumer-busy"}
		if d := h.c.DescribeGroups(t.Context(), Client{}, describe).Groups[0]; d.ErrorCode != kerr.GroupIDNotFound.Code || *d.ErrorMessage != "Group consumer-busy is not a classic group." {
			t.Errorf("described as %+v", d)
		}
		del := kmsg.NewPtrDeleteGroupsRequest()
		for _, groupType := range []string{typeConsumer, typeShare, typeStreams} {
			del.Groups = append(del.Groups, groupType+"-empty", groupType+"-busy")
		}
		for _, g := range h.c.DeleteGroups(t.Context(), Client{}, del).Groups {
			want := error(nil)
			if slices.Contains([]string{"consumer-busy", "share-busy", "streams-busy"}, g.Group) {
				want = kerr.NonEmptyGroup
			}
			if got := kerr.ErrorForCode(g.ErrorCode); got != want {
				t.Errorf("delete %s: %v, want %v", g.Group, got, want)
			}
		}
		h.check()
		h.restart()
		h.inspect(func(_ int32, s *shard) {
			if ids := s.groupIDs(); !slices.Equal(ids, []string{"consumer-busy", "share-busy", "streams-busy"}) {
				t.Errorf("groups %v", ids)
			}
		})
	})
}

func asError(err *kerr.Error) error {
	if err == nil {
		return nil
	}
	return err
}

func commitCode(h *harness, id string) int16 {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 7, id, -1
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t1", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 5}}}}
	return h.c.OffsetCommit(h.t.Context(), Client{}, req).Topics[0].Partitions[0].ErrorCode
}

// TestUnknownKindsAreOneLine: what is not understood is no warning, and one line of the log.
func TestUnknownKindsAreOneLine(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	s := bareShard()
	s.log = zap.New(core)
	for _, r := range []record{{Key: []byte{0, 99}, Value: []byte{1}}, {Key: []byte{0, 18}}} {
		if err := s.Replay(0, r); err != nil {
			t.Fatal(err)
		}
	}
	s.Loaded()
	if logs.Len() != 1 || logs.All()[0].Level != zap.InfoLevel {
		t.Errorf("%+v", logs.All())
	}
	if err := s.Replay(0, record{Key: []byte{0, 3, 0, 9, 'x'}}); err == nil {
		t.Error("a key that ends too soon was taken")
	}
}
