package tools

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/client"
)

// Where Java's exceptions live.
const (
	kafkaErrors     = "org.apache.kafka.common.errors."
	illegalArgument = "java.lang.IllegalArgumentException"
)

// exception is an error by the name that Kafka's tools print for it.
type exception struct{ class, message string }

func (e exception) Error() string { return e.message }

// String is how Java prints it.
func (e exception) String() string { return e.class + ": " + e.message }

// Is lets errors.Is find the error of the protocol behind an exception.
func (e exception) Is(target error) bool {
	k, ok := target.(*kerr.Error)
	return ok && e.class == exceptionClass(k)
}

// answered is the error of a broker's answer; nil for code 0. Kafka's own words stand in for a message that it did not send.
func answered(code int16, message *string) error {
	err := kerr.TypedErrorForCode(code)
	if err == nil {
		return nil
	}
	e := exception{exceptionClass(err), exceptionMessage(err)}
	if message != nil && *message != "" {
		e.message = *message
	}
	return e
}

// exceptionOf finds out what Java would have called an error.
func exceptionOf(err error) exception {
	var e exception
	var k *kerr.Error
	var unreachable *client.UnreachableError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &unreachable):
		return exception{kafkaErrors + "TimeoutException", unreachable.Error()}
	case errors.As(err, &k):
		return exception{exceptionClass(k), exceptionMessage(k)}
	case isUnsupported(err):
		return exception{kafkaErrors + "UnsupportedVersionException", "The node does not support this request."}
	case errors.Is(err, context.DeadlineExceeded):
		return exception{kafkaErrors + "TimeoutException", "Timed out waiting for a node assignment."}
	}
	return exception{"org.apache.kafka.common.KafkaException", err.Error()}
}

// Names of exceptions that do not follow from the error's.
var irregular = map[string]string{
	"UNKNOWN_SERVER_ERROR":                  "UnknownServer",
	"CORRUPT_MESSAGE":                       "CorruptRecord",
	"REQUEST_TIMED_OUT":                     "Timeout",
	"MESSAGE_TOO_LARGE":                     "RecordTooLarge",
	"STALE_CONTROLLER_EPOCH":                "ControllerMoved",
	"NETWORK_EXCEPTION":                     "Network",
	"INVALID_TOPIC_EXCEPTION":               "InvalidTopic",
	"RECORD_LIST_TOO_LARGE":                 "RecordBatchTooLarge",
	"TOPIC_AUTHORIZATION_FAILED":            "TopicAuthorization",
	"GROUP_AUTHORIZATION_FAILED":            "GroupAuthorization",
	"CLUSTER_AUTHORIZATION_FAILED":          "ClusterAuthorization",
	"TOPIC_ALREADY_EXISTS":                  "TopicExists",
	"INVALID_CONFIG":                        "InvalidConfiguration",
	"OUT_OF_ORDER_SEQUENCE_NUMBER":          "OutOfOrderSequence",
	"DUPLICATE_SEQUENCE_NUMBER":             "DuplicateSequence",
	"INVALID_PRODUCER_ID_MAPPING":           "InvalidPidMapping",
	"INVALID_TRANSACTION_TIMEOUT":           "InvalidTxnTimeout",
	"TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "TransactionalIdAuthorization",
	"KAFKA_STORAGE_ERROR":                   "KafkaStorage",
	"SASL_AUTHENTICATION_FAILED":            "SaslAuthentication",
	"DELEGATION_TOKEN_AUTH_DISABLED":        "DelegationTokenDisabled",
	"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED":  "UnsupportedByAuthentication",
	"DELEGATION_TOKEN_AUTHORIZATION_FAILED": "DelegationTokenAuthorization",
	"NON_EMPTY_GROUP":                       "GroupNotEmpty",
	"FETCH_SESSION_TOPIC_ID_ERROR":          "FetchSessionTopicId",
	"PRINCIPAL_DESERIALIZATION_FAILURE":     "PrincipalDeserialization",
}

func exceptionClass(err *kerr.Error) string {
	if name, ok := irregular[err.Message]; ok {
		return kafkaErrors + name + "Exception"
	}
	var b strings.Builder
	for word := range strings.SplitSeq(err.Message, "_") {
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return kafkaErrors + b.String() + "Exception"
}

// Where the Java clients' message is not kerr's.
var irregularMessages = map[*kerr.Error]string{
	kerr.NotLeaderForPartition: "For requests intended only for the leader, this error indicates that the broker is not the current leader. " +
		"For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition.",
	kerr.InvalidGroupID:                     "The group id is invalid.",
	kerr.TopicAuthorizationFailed:           "Topic authorization failed.",
	kerr.GroupAuthorizationFailed:           "Group authorization failed.",
	kerr.TransactionalIDAuthorizationFailed: "Transactional Id authorization failed.",
	kerr.FencedLeaderEpoch:                  "The leader epoch in the request is older than the epoch on the broker.",
	kerr.UnknownLeaderEpoch:                 "The leader epoch in the request is newer than the epoch on the broker.",
	kerr.MemberIDRequired:                   "The group member needs to have a valid member id before actually entering a consumer group.",
	kerr.PreferredLeaderNotAvailable:        "The preferred leader was not available.",
	kerr.GroupMaxSizeReached:                "The group has reached its maximum size.",
	kerr.EligibleLeadersNotAvailable:        "Eligible topic partition leaders are not available.",
	kerr.ElectionNotNeeded:                  "Leader election not needed for topic partition.",
	kerr.InvalidRecord:                      "This record has failed the validation on broker and hence will be rejected.",
}

func exceptionMessage(err *kerr.Error) string {
	if text, ok := irregularMessages[err]; ok {
		return text
	}
	return err.Description
}

// logError writes an error to standard error as the log of Kafka's tools does, without the stack.
func (e *Env) logError(err error, logger string) {
	e.errorf("%s ERROR %s\n (%s)\n", e.stamp(), exceptionOf(err).String(), logger)
}

// isUnsupported reports a request that the broker does not know; the client's errors for that have no names.
func isUnsupported(err error) bool {
	return err != nil && (errors.Is(err, kerr.UnsupportedVersion) || strings.Contains(err.Error(), "broker is too old") || strings.Contains(err.Error(), "request key is unknown"))
}

// throwsExecution is an error as Java's admin client throws it: the message of an ExecutionException names the cause with its class.
func throwsExecution(err error) error {
	if err == nil {
		return nil
	}
	return exception{"java.util.concurrent.ExecutionException", exceptionOf(err).String()}
}

// throwsRuntime is an error of the admin client that a tool of Kafka's has wrapped once more.
func throwsRuntime(err error) error {
	if err == nil {
		return nil
	}
	return exception{"java.lang.RuntimeException", "java.util.concurrent.ExecutionException: " + exceptionOf(err).String()}
}
