package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// position is a place in a partition as people write it.
type position struct {
	kind  positionKind
	value int64 // offset, distance, or ms since the epoch
}

type positionKind int

const (
	atStart   positionKind = iota
	atEnd                  // behind the last record
	atOffset               // value
	beforeEnd              // value records before the end
	forward                // value records on from the present one; backward when it is negative. Only of groups
	atTime                 // the first record from then on
)

const positionHelp = "start, end, an offset, -N (N before the end), or @TIME: @2026-11-22T15:00:00, @1767000000000 (ms), @15m (ago)"

// parsePosition reads what positionHelp explains.
func parsePosition(text string, now time.Time) (position, error) {
	switch strings.ToLower(text) {
	case "start", "beginning", "earliest", "oldest":
		return position{kind: atStart}, nil
	case "end", "latest", "newest":
		return position{kind: atEnd}, nil
	}
	if at, ok := strings.CutPrefix(text, "@"); ok {
		ms, err := parseTime(at, now)
		return position{kind: atTime, value: ms}, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return position{}, fmt.Errorf("%q is no position (%s)", text, positionHelp)
	case strings.HasPrefix(text, "+"):
		return position{kind: forward, value: n}, nil
	case n < 0 || text == "-0":
		return position{kind: beforeEnd, value: -n}, nil
	}
	return position{kind: atOffset, value: n}, nil
}

// parseTime reads a point in time: milliseconds since the epoch, a date with or without time of day and zone, or how long ago.
func parseTime(text string, now time.Time) (int64, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return ms, nil
	}
	if ago, err := time.ParseDuration(strings.TrimPrefix(text, "-")); err == nil {
		return now.Add(-ago).UnixMilli(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time (write milliseconds since 1970, 2026-11-22T15:00:00, or 15m for a quarter of an hour ago)", text)
}

// offset is the position as a consumer understands it. There is no forward for a consumer.
func (p position) offset() (kgo.Offset, error) {
	o := kgo.NewOffset()
	switch p.kind {
	case atStart:
		return o.AtStart(), nil
	case atEnd:
		return o.AtEnd(), nil
	case atOffset:
		return o.At(p.value), nil
	case beforeEnd:
		return o.AtEnd().Relative(-p.value), nil
	case atTime:
		return o.AfterMilli(p.value), nil
	}
	return o, fmt.Errorf("+%d: a consumer has no place to go on from (%s)", p.value, positionHelp)
}
