package api

import (
	"context"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

func findCoordinatorOf(version int16, kind int8, keys ...string) *kmsg.FindCoordinatorRequest {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorType, req.CoordinatorKeys = version, kind, keys
	if version < 4 {
		req.CoordinatorKey = keys[0]
	}
	return req
}

// TestFindCoordinatorCreatesTheOffsetsTopic: the first consumer of a new broker must not have to ask twice.
func TestFindCoordinatorCreatesTheOffsetsTopic(t *testing.T) {
	for version := int16(0); version <= 6; version++ {
		tb := newTestBroker(t, "offsets.topic.segment.bytes", "2097152")
		resp := answer[*kmsg.FindCoordinatorResponse](tb.client(), findCoordinatorOf(version, 0, "g"))
		got := kmsg.FindCoordinatorResponseCoordinator{NodeID: resp.NodeID, Host: resp.Host, Port: resp.Port, ErrorCode: resp.ErrorCode}
		if version >= 4 {
			got = resp.Coordinators[0]
			if got.Key != "g" {
				t.Errorf("version %d: key %q", version, got.Key)
			}
		}
		if got.ErrorCode != 0 || got.NodeID != testNode || got.Host != "127.0.0.1" || got.Port != 9092 {
			t.Errorf("version %d: %+v", version, got)
		}
		image := tb.api.Metadata.Image()
		if n := len(image.Topic(groupMetadataTopic).Partitions); n != 4 {
			t.Errorf("%d partitions", n)
		}
		want := map[string]string{"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "2097152"}
		if diff := cmp.Diff(want, image.TopicConfig(groupMetadataTopic)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFindCoordinatorRefusesKeys(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	for _, tc := range []struct {
		version int16
		kind    int8
		want    *kerr.Error
	}{
		{6, coordinatorShare, kerr.InvalidRequest}, // the key is not one of a share partition
		{5, coordinatorShare, kerr.InvalidRequest},
		{5, 9, kerr.InvalidRequest},
	} {
		resp := answer[*kmsg.FindCoordinatorResponse](c, findCoordinatorOf(tc.version, tc.kind, "x"))
		code := resp.ErrorCode
		if tc.version >= 4 {
			code = resp.Coordinators[0].ErrorCode
		}
		if code != tc.want.Code {
			t.Errorf("version %d type %d: %v, want %v", tc.version, tc.kind, kerr.ErrorForCode(code), tc.want)
		}
	}
}

// TestGroupLivesOverTheHandlers joins, syncs, commits and fetches through the session, in the oldest and newest versions.
func TestGroupLivesOverTheHandlers(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	c := tb.client()
	answer[*kmsg.FindCoordinatorResponse](c, findCoordinatorOf(6, 0, "old", "new"))
	for _, tc := range []struct {
		group                            string
		join, sync, commit, fetch, leave int16
	}{{"old", 0, 0, 0, 0, 0}, {"new", 9, 5, 10, 10, 5}} {
		join := kmsg.NewPtrJoinGroupRequest()
		join.Version, join.Group, join.ProtocolType = tc.join, tc.group, "consumer"
		join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 10000, 10000
		join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 0, 0, 0, 0, 0}}}
		joined := answer[*kmsg.JoinGroupResponse](c, join)
		if joined.ErrorCode == kerr.MemberIDRequired.Code {
			join.MemberID = joined.MemberID
			joined = answer[*kmsg.JoinGroupResponse](c, join)
		}
		if joined.ErrorCode != 0 || joined.LeaderID != joined.MemberID {
			t.Fatalf("%s: join: %+v", tc.group, joined)
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version, sync.Group, sync.MemberID, sync.Generation = tc.sync, tc.group, joined.MemberID, joined.Generation
		sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
		sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: joined.MemberID, MemberAssignment: []byte("mine")}}
		if synced := answer[*kmsg.SyncGroupResponse](c, sync); synced.ErrorCode != 0 || string(synced.MemberAssignment) != "mine" {
			t.Fatalf("%s: sync: %+v", tc.group, synced)
		}
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Version, commit.Group = tc.commit, tc.group
		if tc.commit > 0 {
			commit.MemberID, commit.Generation = joined.MemberID, joined.Generation
		}
		commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", TopicID: id, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 7, LeaderEpoch: -1, Metadata: kmsg.StringPtr("m"), Timestamp: -1}}}}
		wantCommit := int16(0)
		if tc.commit == 0 {
			wantCommit = kerr.UnknownMemberID.Code // version 0 has no member to be, and the group has one
		}
		if got := answer[*kmsg.OffsetCommitResponse](c, commit).Topics[0].Partitions[0].ErrorCode; got != wantCommit {
			t.Fatalf("%s: commit: %v", tc.group, kerr.ErrorForCode(got))
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Version, leave.Group, leave.MemberID = tc.leave, tc.group, joined.MemberID
		leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: joined.MemberID}}
		if left := answer[*kmsg.LeaveGroupResponse](c, leave); left.ErrorCode != 0 {
			t.Fatalf("%s: leave: %v", tc.group, kerr.ErrorForCode(left.ErrorCode))
		}
		if tc.commit == 0 { // with nobody in the group, the commit without a member is a simple consumer's
			if got := answer[*kmsg.OffsetCommitResponse](c, commit).Topics[0].Partitions[0].ErrorCode; got != 0 {
				t.Fatalf("%s: commit to the empty group: %v", tc.group, kerr.ErrorForCode(got))
			}
		}
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Version, fetch.Group = tc.fetch, tc.group
		fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		fetch.Groups = []kmsg.OffsetFetchRequestGroup{{Group: tc.group, MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{TopicID: id, Partitions: []int32{0}}}}}
		fetched := answer[*kmsg.OffsetFetchResponse](c, fetch)
		var offset int64
		if tc.fetch < 8 {
			offset = fetched.Topics[0].Partitions[0].Offset
		} else {
			offset = fetched.Groups[0].Topics[0].Partitions[0].Offset
		}
		if offset != 7 {
			t.Errorf("%s: fetched %d, committed 7", tc.group, offset)
		}
	}
	described := kmsg.NewPtrDescribeGroupsRequest()
	described.Version, described.IncludeAuthorizedOperations, described.Groups = 5, true, []string{"old"}
	if g := answer[*kmsg.DescribeGroupsResponse](c, described).Groups[0]; g.State != "Empty" || g.AuthorizedOperations != allGroupOperations {
		t.Errorf("%+v", g)
	}
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Version, del.Groups = 2, []string{"old", "old", "none"}
	got := answer[*kmsg.DeleteGroupsResponse](c, del).Groups
	if len(got) != 2 || got[0].ErrorCode != 0 || got[1].ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("%+v", got)
	}
}

func TestDeleteTopicsDisabledByVersion(t *testing.T) {
	tb := newTestBroker(t, "delete.topic.enable", "false")
	id := tb.createTopic("t", 1)
	for version := int16(0); version <= 6; version++ {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.TopicNames = version, []string{"t"}
		want := kerr.TopicDeletionDisabled.Code
		switch {
		case version < 3:
			want = kerr.InvalidRequest.Code
		case version >= 6:
			req.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: id}}
		}
		got := answer[*kmsg.DeleteTopicsResponse](tb.client(), req).Topics
		if len(got) != 1 || got[0].ErrorCode != want {
			t.Errorf("version %d: %+v", version, got)
		}
	}
	if tb.api.Metadata.Image().Topic("t") == nil {
		t.Error("the topic was deleted")
	}
}

// TestTopicsAreReadyWhenAnswered: a client may produce right after CreateTopics and CreatePartitions.
func TestTopicsAreReadyWhenAnswered(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	for version := int16(0); version <= 7; version++ {
		name := "t" + string(rune('0'+version))
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.TimeoutMillis = version, 1000
		req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: name, NumPartitions: 1, ReplicationFactor: 1}}
		if got := answer[*kmsg.CreateTopicsResponse](c, req).Topics[0]; got.ErrorCode != 0 {
			t.Fatalf("version %d: %+v", version, got)
		}
		grow := kmsg.NewPtrCreatePartitionsRequest()
		grow.Version, grow.TimeoutMillis = min(version, 3), 1000
		grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: name, Count: 2}}
		if got := answer[*kmsg.CreatePartitionsResponse](c, grow).Topics[0]; got.ErrorCode != 0 {
			t.Fatalf("version %d: %+v", version, got)
		}
		c.mustProduce(name, 1, batch(t, protocol.BatchOptions{}, "a"))
	}
}

func TestDescribeLogDirsFiltersPartitions(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("a", 2)
	tb.createTopic("b", 1)
	c := tb.client()
	c.mustProduce("a", 1, batch(t, protocol.BatchOptions{}, "hello"))
	for version := int16(0); version <= 5; version++ {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Version = version
		all := answer[*kmsg.DescribeLogDirsResponse](c, req)
		if n := len(all.Dirs[0].Topics); len(all.Dirs) != 1 || all.Dirs[0].Dir != "/data" || n != 2 {
			t.Errorf("version %d: %+v", version, all)
		}
		if got := all.Dirs[0]; version >= 4 && (got.TotalBytes <= 0 || got.UsableBytes <= 0) || version < 4 && got.TotalBytes != -1 {
			t.Errorf("version %d: volume of %d, %d usable", version, got.TotalBytes, got.UsableBytes)
		}
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 9}}, {Topic: "none", Partitions: []int32{0}}}
		got := answer[*kmsg.DescribeLogDirsResponse](c, req).Dirs[0].Topics
		if len(got) != 1 || len(got[0].Partitions) != 1 || got[0].Partitions[0].Partition != 1 || got[0].Partitions[0].Size == 0 {
			t.Errorf("version %d: %+v", version, got)
		}
	}
}

// TestWithoutSecurity has the answers that clients probe for before they show SASL and ACL pages.
func TestWithoutSecurity(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	hs := kmsg.NewPtrSASLHandshakeRequest()
	hs.Version, hs.Mechanism = 1, "PLAIN"
	if got := answer[*kmsg.SASLHandshakeResponse](c, hs); got.ErrorCode != kerr.IllegalSaslState.Code || len(got.SupportedMechanisms) != 0 {
		t.Errorf("%+v", got)
	}
	describe := kmsg.NewPtrDescribeACLsRequest()
	describe.Version = 3
	if got := answer[*kmsg.DescribeACLsResponse](c, describe); got.ErrorCode != kerr.SecurityDisabled.Code || *got.ErrorMessage != "No Authorizer is configured on the broker" {
		t.Errorf("%+v", got)
	}
	create := kmsg.NewPtrCreateACLsRequest()
	create.Version, create.Creations = 1, make([]kmsg.CreateACLsRequestCreation, 2)
	if got := answer[*kmsg.CreateACLsResponse](c, create); len(got.Results) != 2 || got.Results[1].ErrorCode != kerr.SecurityDisabled.Code {
		t.Errorf("%+v", got)
	}
	del := kmsg.NewPtrDeleteACLsRequest()
	del.Version, del.Filters = 1, make([]kmsg.DeleteACLsRequestFilter, 1)
	if got := answer[*kmsg.DeleteACLsResponse](c, del); len(got.Results) != 1 || got.Results[0].ErrorCode != kerr.SecurityDisabled.Code {
		t.Errorf("%+v", got)
	}
}

// failing is a controller that cannot be reached.
type failing struct{}

func (failing) Request(context.Context, kmsg.Request) (kmsg.Response, error) {
	return nil, net.ErrClosed
}

// TestControllerOutOfReach: no answer can be true, so the connection ends, and the client asks again on a new one.
func TestControllerOutOfReach(t *testing.T) {
	tb := newTestBroker(t)
	tb.api.Controller = failing{}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}
	if resp, err := tb.client().send(t.Context(), req); err == nil {
		t.Errorf("answered %+v", resp)
	}
	if got := answer[*kmsg.FindCoordinatorResponse](tb.client(), findCoordinatorOf(3, 0, "g")); got.ErrorCode != kerr.CoordinatorNotAvailable.Code {
		t.Errorf("%+v", got)
	}
}

func TestClientHost(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:5": "/127.0.0.1", "[::1]:9": "/::1"} {
		a, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := clientHost(a); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
