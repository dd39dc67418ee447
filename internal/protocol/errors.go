package protocol

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrTruncated is wrapped by errors about bytes that end before the structure they begin:
// the torn tail of a segment, or the cut last batch of a fetch response.
var ErrTruncated = errors.New("truncated")

// ErrorCode returns the Kafka error code of err: 0 for nil, the code of the first
// *kerr.Error in its chain, else -1 (UNKNOWN_SERVER_ERROR).
func ErrorCode(err error) int16 {
	if err == nil {
		return 0
	}
	if ke, ok := errors.AsType[*kerr.Error](err); ok {
		return ke.Code
	}
	return kerr.UnknownServerError.Code
}

// ErrorMessage returns the text to send along with ErrorCode(err): nil for nil, the description
// of a bare kerr error, otherwise the message without the name and description of the kerr error it wraps.
func ErrorMessage(err error) *string {
	if err == nil {
		return nil
	}
	s := err.Error()
	if ire, ok := errors.AsType[*InvalidRecordsError](err); ok {
		s = ire.Message
	} else if ke, ok := errors.AsType[*kerr.Error](err); ok {
		if s == ke.Error() {
			s = ke.Description
		} else {
			s = stripWrapped(s, ke.Error())
		}
	}
	return &s
}

// stripWrapped removes noise, the text of a wrapped kerr error, from either end of s.
func stripWrapped(s, noise string) string {
	s = strings.TrimSuffix(s, noise)
	s = strings.TrimPrefix(s, noise)
	return strings.Trim(s, ": \n")
}
