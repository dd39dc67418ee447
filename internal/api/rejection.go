package api

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
)

// rejection is an error with a text that clients get to see word for word: Kafka's.
type rejection struct {
	kind *kerr.Error
	text string
}

func (r *rejection) Error() string { return r.text }
func (r *rejection) Unwrap() error { return r.kind }

func reject(kind *kerr.Error, format string, args ...any) error {
	return &rejection{kind, fmt.Sprintf(format, args...)}
}

// outcome is a result as answers carry it: a code, and a text when there is something to say.
type outcome struct {
	code    int16
	message *string
}

func outcomeOf(err error) outcome {
	if r, ok := errors.AsType[*rejection](err); ok {
		return outcome{r.kind.Code, &r.text}
	}
	return outcome{protocol.ErrorCode(err), protocol.ErrorMessage(err)}
}
