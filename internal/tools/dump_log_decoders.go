package tools

import (
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"

	coordinator "github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/wire"
)

//go:embed dump_log_schema.txt
var dumpSchemaText string

// What the records of Kafka's own logs consist of.
var (
	metadataSchema    = sync.OnceValue(records.Schema)
	coordinatorSchema = sync.OnceValue(coordinator.Schema)
	olderSchema       = sync.OnceValue(func() *wire.Schema { return wire.MustSchema(dumpSchemaText) })
)

// A recordDecoder shows key and value of a record. Nil is nothing to show.
type recordDecoder func(r protocol.Record) (key, payload *string)

func shown(format string, args ...any) *string {
	s := fmt.Sprintf(format, args...)
	return &s
}

// decodeMetadata shows the records of __cluster_metadata, which have no keys.
func decodeMetadata(r protocol.Record) (_, payload *string) {
	in := wire.NewReader(r.Value)
	if frame := in.Uvarint(); in.Err() == nil && frame != 1 {
		return nil, shown("Error at %d, skipping. Could not deserialize metadata record due to unknown frame version %d(only frame version 1 is supported)", r.Offset, frame)
	}
	key, version := in.Uvarint(), in.Uvarint()
	switch m := metadataSchema().Find("record", "", int16(min(key, math.MaxInt16))); {
	case in.Err() != nil:
		return nil, shown("Error at %d, skipping. Error while reading frame version, api key and version: %v", r.Offset, in.Err())
	case m == nil:
		return nil, shown("Error at %d, skipping. Unknown metadata id %d", r.Offset, key)
	case int(version) > m.MaxVersion:
		return nil, shown("Error at %d, skipping. Version %d of %s is of a newer Kafka", r.Offset, version, m.TypeName())
	default:
		text, err := metadataSchema().JSON(m, int16(version), in)
		if err != nil {
			return nil, shown("Error at %d, skipping. %v", r.Offset, err)
		}
		return nil, shown(`{"type":"%s","version":%d,"data":%s}`, m.TypeName(), version, text)
	}
}

// decodeCoordinator shows the records of a coordinator's log.
func decodeCoordinator(log string) recordDecoder {
	return func(r protocol.Record) (key, payload *string) {
		if r.Key == nil {
			return shown("Error at offset %d, skipping. The record has no key", r.Offset), nil
		}
		in := wire.NewReader(r.Key)
		kind := in.Int16()
		if in.Err() != nil {
			return shown("Error at offset %d, skipping. Could not read version from key's buffer.", r.Offset), nil
		}
		keyText, err := keyJSON(log, kind, in)
		if err != nil {
			return shown("Error at offset %d, skipping. Could not read record with version %d from key's buffer due to: %v.", r.Offset, kind, err), nil
		}
		if keyText == "" {
			return shown("Unknown record type %d at offset %d, skipping.", kind, r.Offset), nil
		}
		key = shown(`{"type":"%d","data":%s}`, kind, keyText)
		if r.Value == nil {
			return key, shown("<DELETE>")
		}
		in = wire.NewReader(r.Value)
		version := in.Int16()
		valueText, err := valueJSON(log, kind, version, in)
		if err != nil {
			return shown("Error at offset %d, skipping. Could not read record with version %d from value's buffer due to: %v.", r.Offset, version, err), nil
		}
		return key, shown(`{"version":"%d","data":%s}`, version, valueText)
	}
}

// find looks a message up among those of the coordinators' records, and those that kmsg knows.
func find(message, log string, kind int16) (*wire.Schema, *wire.Message) {
	for _, s := range []*wire.Schema{coordinatorSchema(), olderSchema()} {
		if m := s.Find(message, log, kind); m != nil {
			return s, m
		}
	}
	return nil, nil
}

// keyJSON is "" for an unknown kind.
func keyJSON(log string, kind int16, in *wire.Reader) (string, error) {
	s, m := find("key", log, kind)
	if m == nil {
		return "", in.Err()
	}
	return s.JSON(m, 0, in)
}

func valueJSON(log string, kind, version int16, in *wire.Reader) (string, error) {
	s, m := find("value", log, kind)
	switch {
	case in.Err() != nil:
		return "", in.Err()
	case version < 0 || int(version) > m.MaxVersion:
		return "", fmt.Errorf("version %d is of a newer Kafka", version)
	}
	text, err := s.JSON(m, version, in)
	if err == nil && log == "group" && kind == groupMetadataKind && strings.HasPrefix(text, `{"protocolType":"consumer"`) {
		text = inner.ReplaceAllStringFunc(text, showInner)
	}
	return text, err
}

const groupMetadataKind = 2

// inner finds what members of a group have sent. Within strings of JSON there are no bare quotation marks.
var inner = regexp.MustCompile(`"(subscription|assignment)":"([^"]*)"`)

// showInner shows the consumers' own protocol instead of its bytes, where these can be understood.
func showInner(field string) string {
	parts := inner.FindStringSubmatch(field)
	b, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(b) < 2 {
		return field
	}
	kind := int16(0)
	if parts[1] == "assignment" {
		kind = 1
	}
	version := int16(binary.BigEndian.Uint16(b))
	m := olderSchema().Find("value", "consumer", kind)
	if version < 0 || int(version) > m.MaxVersion {
		return field
	}
	text, err := olderSchema().JSON(m, version, wire.NewReader(b[2:]))
	if err != nil {
		return field
	}
	return strconv.Quote(parts[1]) + ":" + text
}

// decoderClasses are those of Kafka's own Decoders that can be had without Java.
var decoderClasses = map[string]func([]byte) string{
	"StringDecoder": javaString,
	"LongDecoder": func(b []byte) string {
		return number(b, 8, func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) })
	},
	"IntegerDecoder": func(b []byte) string {
		return number(b, 4, func(b []byte) int64 { return int64(int32(binary.BigEndian.Uint32(b))) })
	},
}

// number shows bytes as one number when they are as many as it needs.
func number(b []byte, size int, read func([]byte) int64) string {
	if len(b) != size {
		return fmt.Sprintf("<%d bytes are no number of %d>", len(b), size)
	}
	return strconv.FormatInt(read(b), 10)
}

// javaString is how Java reads UTF-8: what is none becomes U+FFFD.
func javaString(b []byte) string { return string([]rune(string(b))) }

// decodeWith shows keys and values with decoders for the class names of Kafka's.
func decodeWith(keyClass, valueClass string) (recordDecoder, error) {
	var decoders [2]func([]byte) string
	for i, class := range []string{keyClass, valueClass} {
		name := class
		for _, known := range []string{"org.apache.kafka.tools.api.", "kafka.serializer."} {
			name = strings.TrimPrefix(name, known)
		}
		if decoders[i] = decoderClasses[name]; decoders[i] == nil {
			return nil, fmt.Errorf("%s is a class of Java, which this tool cannot run: it has org.apache.kafka.tools.api.StringDecoder, LongDecoder and IntegerDecoder", class)
		}
	}
	show := func(b []byte, decode func([]byte) string) *string {
		if b == nil {
			return nil
		}
		s := decode(b)
		return &s
	}
	return func(r protocol.Record) (key, payload *string) {
		return show(r.Key, decoders[0]), show(r.Value, decoders[1])
	}, nil
}

// describeControl shows what a control record says.
func describeControl(r protocol.Record) (string, error) {
	kind, epoch, err := protocol.ParseControlMarker(r)
	if err != nil {
		return "", err
	}
	switch kind {
	case protocol.ControlAbort:
		return fmt.Sprintf(" endTxnMarker: ABORT coordinatorEpoch: %d", epoch), nil
	case protocol.ControlCommit:
		return fmt.Sprintf(" endTxnMarker: COMMIT coordinatorEpoch: %d", epoch), nil
	}
	label, ok := controlLabels[kind]
	if !ok {
		return fmt.Sprintf(" controlType: UNKNOWN(%d)", kind), nil
	}
	m := metadataSchema().Find("control", "", int16(kind))
	in := wire.NewReader(r.Value)
	if len(r.Value) < 2 {
		return "", wire.ErrMalformed
	}
	text, err := metadataSchema().JSON(m, int16(binary.BigEndian.Uint16(r.Value)), in)
	return " " + label + " " + text, err
}

var controlLabels = map[protocol.ControlType]string{
	protocol.ControlLeaderChange: "LeaderChange:", protocol.ControlSnapshotHeader: "SnapshotHeader", protocol.ControlSnapshotFooter: "SnapshotFooter",
	protocol.ControlKRaftVersion: "KRaftVersion", protocol.ControlKRaftVoters: "KRaftVoters",
}
