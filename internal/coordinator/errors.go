package coordinator

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ClientError translates errors of the log under a coordinator into those that its clients expect, and know how to retry; others stay as they are.
func ClientError(err error) error {
	switch {
	case err == nil:
		return nil
	case isAny(err, kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut,
		context.Canceled, context.DeadlineExceeded):
		return kerr.CoordinatorNotAvailable
	case isAny(err, kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch):
		return kerr.NotCoordinator
	case isAny(err, kerr.MessageTooLarge, kerr.RecordListTooLarge):
		return kerr.UnknownServerError
	}
	return err
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
