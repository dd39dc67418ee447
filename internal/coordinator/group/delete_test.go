package group

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestDeleteGroupWithoutAName: Kafka deletes it if there is one, as offsets can be committed for it, and says that there is none else.
func TestDeleteGroupWithoutAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, []string{""}
		resp := h.c.DeleteGroups(t.Context(), Client{}, req)
		if code := resp.Groups[0].ErrorCode; code != kerr.GroupIDNotFound.Code {
			t.Errorf("%v", kerr.ErrorForCode(code))
		}
	})
}
