package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Field is one field of a message.
type Field struct {
	Name, Type   string
	Array        bool
	Nullable     bool
	Since, Until int // versions that have it; Until is -1 for all later ones
	Tag          int // -1: not tagged
	Default      string
}

// Message is a record, or a part of records.
type Message struct {
	Kind       string // record, control, struct, key or value
	Log        string // of keys and values
	Name       string // with Record, Key or Value at its end
	Key        int
	MaxVersion int
	Flexible   int // the first version with compact lengths and tagged fields
	Fields     []Field
}

// scalars are the types that are no structs.
var scalars = map[string]bool{
	"bool": true, "int8": true, "int16": true, "uint16": true, "int32": true, "int64": true, "float64": true, "string": true, "uuid": true, "bytes": true,
}

// IsStruct reports whether the field's type, or that of its elements, is another message.
func (f Field) IsStruct() bool { return !scalars[f.Type] }

// suffixes are what the names of the types end with.
var suffixes = map[string]string{"record": "Record", "control": "Record", "key": "Key", "value": "Value"}

// ParseSchema reads a schema in the notation that the package's comment describes.
func ParseSchema(text string) ([]*Message, error) {
	var messages []*Message
	logName := ""
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case line[0] == '\t':
			f, err := parseField(words)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			m := messages[len(messages)-1]
			m.Fields = append(m.Fields, f)
		case words[0] == "struct" && len(words) == 2:
			messages = append(messages, &Message{Kind: words[0], Name: words[1]})
		case words[0] == "log" && len(words) == 2:
			logName = words[1]
		case suffixes[words[0]] != "" && len(words) >= 3:
			m, err := parseHead(words)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			m.Log = logName
			messages = append(messages, m)
		default:
			return nil, fmt.Errorf("line %d: what is %q", i+1, line)
		}
	}
	return messages, nil
}

// parseHead reads the line that begins a message: KIND KEY NAME VERSIONS, and the first flexible version.
func parseHead(words []string) (*Message, error) {
	m := &Message{Kind: words[0], Name: words[2] + suffixes[words[0]]}
	var err error
	if m.Key, err = strconv.Atoi(words[1]); err == nil && len(words) > 3 {
		m.MaxVersion, err = strconv.Atoi(strings.TrimPrefix(words[3], "0-"))
	}
	if err == nil && len(words) == 6 && words[4] == "flexible" {
		m.Flexible, err = strconv.Atoi(words[5])
	} else if err == nil && len(words) > 4 {
		err = fmt.Errorf("what is %q", words[4:])
	}
	return m, err
}

func parseField(words []string) (Field, error) {
	f := Field{Name: words[0], Tag: -1, Until: -1}
	if len(words) < 2 {
		return f, fmt.Errorf("%s: no type", f.Name)
	}
	f.Type, f.Nullable = strings.CutPrefix(words[1], "?")
	f.Type, f.Array = strings.CutPrefix(f.Type, "[]")
	for rest := words[2:]; len(rest) > 0; rest = rest[2:] {
		if len(rest) < 2 {
			return f, fmt.Errorf("%s: odd words", f.Name)
		}
		var err error
		switch rest[0] {
		case "since":
			f.Since, err = strconv.Atoi(rest[1])
		case "until":
			f.Until, err = strconv.Atoi(rest[1])
		case "tag":
			f.Tag, err = strconv.Atoi(rest[1])
		case "=":
			f.Default = rest[1]
		default:
			err = fmt.Errorf("what is %q", rest[0])
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}
