package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// deadState is what DescribeGroups calls a group that does not exist.
const deadState = "Dead"

// DescribeGroups describes classic groups, versions 0-6. One that does not exist is "Dead", since version 6 with GROUP_ID_NOT_FOUND.
func (c *Coordinator) DescribeGroups(ctx context.Context, _ Client, req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		d, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[kmsg.DescribeGroupsResponseGroup]) []record {
			reply.Done(s.describe(id, req.Version))
			return nil
		})
		if err != nil {
			d = kmsg.NewDescribeGroupsResponseGroup()
			d.Group, d.ErrorCode = id, protocol.ErrorCode(err)
		}
		resp.Groups = append(resp.Groups, d)
	}
	return resp
}

func (s *shard) describe(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	if g, ok := s.groups[id].(*classic); ok {
		return g.describe()
	}
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.Group, d.State = id, deadState
	if version >= 6 {
		d.ErrorCode, d.ErrorMessage = kerr.GroupIDNotFound.Code, kmsg.StringPtr(fmt.Sprintf("Group %s not found.", id))
		if s.groups[id] != nil {
			d.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("Group %s is not a classic group.", id))
		}
	}
	return d
}

// ListGroups lists the groups of the partitions that this node leads, versions 0-5, by state since version 4 and by type since version 5.
func (c *Coordinator) ListGroups(ctx context.Context, _ Client, req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	resp := kmsg.NewPtrListGroupsResponse()
	resp.Version = req.Version
	states, types := lowered(req.StatesFilter), lowered(req.TypesFilter)
	for _, partition := range c.rt.Partitions() {
		groups, err := coordinator.Do(ctx, c.rt, partition, func(s *shard, reply *coordinator.Reply[[]kmsg.ListGroupsResponseGroup]) []record {
			reply.Done(s.list(states, types))
			return nil
		})
		switch {
		case errors.Is(err, kerr.NotCoordinator): // unloaded meanwhile: another node lists these
		case err != nil:
			resp.ErrorCode, resp.Groups = protocol.ErrorCode(coordinator.ClientError(err)), nil
			return resp
		default:
			resp.Groups = append(resp.Groups, groups...)
		}
	}
	return resp
}

func lowered(filter []string) []string {
	var l []string
	for _, f := range filter {
		l = append(l, strings.ToLower(strings.TrimSpace(f)))
	}
	return l
}

// list returns the groups in one of the states and of one of the types; an empty filter lets all pass.
func (s *shard) list(states, types []string) []kmsg.ListGroupsResponseGroup {
	groups := []kmsg.ListGroupsResponseGroup{}
	for _, id := range s.groupIDs() {
		g := s.groups[id].list()
		if len(states) > 0 && !slices.Contains(states, strings.ToLower(g.GroupState)) ||
			len(types) > 0 && !slices.Contains(types, g.GroupType) {
			continue
		}
		groups = append(groups, g)
	}
	return groups
}

// DeleteGroups removes groups without members and their offsets, versions 0-2.
func (c *Coordinator) DeleteGroups(ctx context.Context, _ Client, req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		err := c.deleteShareState(ctx, id)
		if err != nil {
			resp.Groups = append(resp.Groups, kmsg.DeleteGroupsResponseGroup{Group: id, ErrorCode: protocol.ErrorCode(err)})
			continue
		}
		_, err = do(ctx, c, id, func(s *shard, reply *coordinator.Reply[struct{}]) []record {
			records, err := s.deleteGroup(id)
			if err != nil {
				reply.Fail(err)
				return nil
			}
			reply.Done(struct{}{})
			return records
		})
		resp.Groups = append(resp.Groups, kmsg.DeleteGroupsResponseGroup{Group: id, ErrorCode: protocol.ErrorCode(err)})
	}
	return resp
}
