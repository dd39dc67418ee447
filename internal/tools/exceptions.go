package tools

import (
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

// answered is the error of a broker's answer; nil for code 0. Kafka's own words stand in for a message that it did not send.
func answered(code int16, message *string) error {
	err := kerr.TypedErrorForCode(code)
	if err == nil {
		return nil
	}
	e := exception{exceptionClass(err), err.Description}
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
		return exception{exceptionClass(k), k.Description}
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

// logError writes an error to standard error as the log of Kafka's tools does, without the stack.
func (e *Env) logError(err error, logger string) {
	e.errorf("%s ERROR %s\n (%s)\n", e.stamp(), exceptionOf(err), logger)
}
