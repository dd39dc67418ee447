package metadata

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
)

// rejection is a refusal with the text that the client is to see.
type rejection struct {
	err     *kerr.Error
	message *string
}

func (e *rejection) Error() string {
	if e.message == nil {
		return e.err.Error()
	}
	return e.err.Message + ": " + *e.message
}

func (e *rejection) Unwrap() error { return e.err }

// refuse returns an error with Kafka's text.
func refuse(err *kerr.Error, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return &rejection{err, &message}
}

// refuseBare returns an error for which Kafka sends no text.
func refuseBare(err *kerr.Error) error { return &rejection{err: err} }

// refuseDefault returns an error for which Kafka sends the text that belongs to the code.
func refuseDefault(err *kerr.Error) error { return refuse(err, "%s", err.Description) }

// codeOf returns what a response says about err: code and text, 0 and nil for nil.
func codeOf(err error) (int16, *string) {
	var r *rejection
	if errors.As(err, &r) {
		return r.err.Code, r.message
	}
	if err == nil {
		return 0, nil
	}
	return protocol.ErrorCode(err), protocol.ErrorMessage(err)
}
