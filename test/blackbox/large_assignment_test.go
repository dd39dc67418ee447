package blackbox_test

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestLargeAssignments: what the leader of a classic group assigns comes to the member byte by byte, also after a restart, up to what the offsets topic
// takes in one record; more is refused, and the group goes on.
func TestLargeAssignments(t *testing.T) {
	dir := t.TempDir()
	n := start(t, dir)
	cl := n.franz(t)
	join := func(member string) *kmsg.JoinGroupResponse {
		t.Helper()
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.ProtocolType, req.MemberID, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = "large", "mine", member, 30_000, 30_000
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: []byte("m")}}
		resp, err := req.RequestWith(within(t), cl)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	sync := func(member string, generation int32, assignment []byte) *kmsg.SyncGroupResponse {
		t.Helper()
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.Generation = "large", member, generation
		req.ProtocolType, req.Protocol = kmsg.StringPtr("mine"), kmsg.StringPtr("p")
		if assignment != nil {
			req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: member, MemberAssignment: assignment}}
		}
		resp, err := req.RequestWith(within(t), cl)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	pattern := func(size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i * i >> 3)
		}
		return b
	}
	member := join("").MemberID
	assign := func(assignment []byte) (int32, *kmsg.SyncGroupResponse) {
		for {
			joined := join(member)
			if err := kerr.ErrorForCode(joined.ErrorCode); err != nil {
				t.Fatal(err)
			}
			if resp := sync(member, joined.Generation, assignment); resp.ErrorCode != kerr.RebalanceInProgress.Code {
				return joined.Generation, resp
			}
		}
	}
	if _, resp := assign(pattern(2 << 20)); resp.ErrorCode == 0 {
		t.Errorf("an assignment larger than a record of the offsets topic was taken: %d bytes came back", len(resp.MemberAssignment))
	}
	want := pattern(1_000_000)
	generation, resp := assign(want)
	if resp.ErrorCode != 0 || !bytes.Equal(resp.MemberAssignment, want) {
		t.Errorf("assigned %d bytes, %v; want %d", len(resp.MemberAssignment), kerr.ErrorForCode(resp.ErrorCode), len(want))
	}
	n.stop()
	n = start(t, dir)
	cl = n.franz(t)
	if resp := sync(member, generation, nil); resp.ErrorCode != 0 || !bytes.Equal(resp.MemberAssignment, want) {
		t.Errorf("after a restart: %d bytes, %v; want %d", len(resp.MemberAssignment), kerr.ErrorForCode(resp.ErrorCode), len(want))
	}
}
