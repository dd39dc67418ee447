package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ask sends a request to the controller and returns its typed answer. The controller may be in this process or in another node: an error is
// one of getting there, everything else is in the answer.
func ask[R kmsg.Response](ctx context.Context, to kmsg.Requestor, req kmsg.Request) (R, error) {
	var zero R
	resp, err := to.Request(ctx, req)
	if err != nil {
		return zero, fmt.Errorf("%s to the controller: %w", kmsg.NameForKey(req.Key()), err)
	}
	typed, ok := resp.(R)
	if !ok {
		return zero, fmt.Errorf("%s to the controller: answer of type %T", kmsg.NameForKey(req.Key()), resp)
	}
	typed.SetVersion(req.GetVersion())
	return typed, nil
}
