package tools

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/wire"
)

// coordinatorFormatter shows the records of a coordinator's topic as JSON: those of some types, or all. As in Java, nothing stands between two of them.
func coordinatorFormatter(log string, types ...int16) messageFormatter {
	return func(out []byte, r *kgo.Record) ([]byte, error) {
		if r.Key == nil {
			return out, nil
		}
		in := wire.NewReader(r.Key)
		kind := in.Int16()
		if in.Err() != nil || len(types) > 0 && !slices.Contains(types, kind) {
			return out, nil
		}
		key, err := keyJSON(log, kind, in)
		if err != nil || key == "" {
			return out, nil // Java leaves out what it does not know
		}
		value, err := coordinatorValue(log, kind, r.Value)
		if err != nil {
			return out, err
		}
		return fmt.Appendf(out, `{"key":{"type":%d,"data":%s},"value":%s}`, kind, key, value), nil
	}
}

func coordinatorValue(log string, kind int16, value []byte) (string, error) {
	if value == nil {
		return "null", nil
	}
	in := wire.NewReader(value)
	version := in.Int16()
	s, m := find("value", log, kind)
	text := `"unknown"`
	if in.Err() == nil && version >= 0 && int(version) <= m.MaxVersion {
		var err error
		if text, err = s.JSON(m, version, in); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf(`{"version":%d,"data":%s}`, version, text), in.Err()
}
