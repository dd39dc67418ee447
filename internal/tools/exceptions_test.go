package tools

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestExceptionOf(t *testing.T) {
	text := "Group nope not found."
	for _, c := range []struct {
		err  error
		want string
	}{
		{answered(69, &text), kafkaErrors + "GroupIdNotFoundException: Group nope not found."},
		{answered(69, nil), kafkaErrors + "GroupIdNotFoundException: The group id does not exist."},
		{fmt.Errorf("asking: %w", kerr.NonEmptyGroup), kafkaErrors + "GroupNotEmptyException: The group is not empty."},
		{kerr.InvalidTopicException, kafkaErrors + "InvalidTopicException: The request attempted to perform an operation on an invalid topic."},
		{answered(29, nil), kafkaErrors + "TopicAuthorizationException: Topic authorization failed."},
		{context.DeadlineExceeded, kafkaErrors + "TimeoutException: Timed out waiting for a node assignment."},
	} {
		if got := exceptionOf(c.err).String(); got != c.want {
			t.Errorf("exceptionOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
	if err := answered(0, nil); err != nil {
		t.Errorf("answered(0) = %v", err)
	}
	if err := answered(69, &text); !errors.Is(err, kerr.GroupIDNotFound) || errors.Is(err, kerr.NonEmptyGroup) {
		t.Errorf("%v is not told by errors.Is", err)
	}
}
