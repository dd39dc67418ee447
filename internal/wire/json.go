package wire

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Schema shows encoded messages as JSON, in the form of Kafka's own tools.
type Schema struct {
	messages []*Message
	structs  map[string]*Message
}

// MustSchema makes a Schema of a text in the program; it panics when that is not well-formed.
func MustSchema(text string) *Schema {
	messages, err := ParseSchema(text)
	if err != nil {
		panic(err)
	}
	s := &Schema{messages: messages, structs: map[string]*Message{}}
	for _, m := range messages {
		if m.Kind == "struct" {
			s.structs[m.Name] = m
		}
	}
	return s
}

// Find returns the message of a kind (record, control, key, value) with a key, in a log ("" outside of the coordinators' ones); nil when there is none.
func (s *Schema) Find(kind, log string, key int16) *Message {
	for _, m := range s.messages {
		if m.Kind == kind && m.Log == log && m.Key == int(key) {
			return m
		}
	}
	return nil
}

// JSON reads the fields of a message and shows them: fields in the order of the schema, without those that the version lacks and tagged ones that are not
// there; bytes in base64.
func (s *Schema) JSON(m *Message, version int16, r *Reader) (string, error) {
	d := dumper{s: s, r: r, version: int(version), flexible: m.Kind != "key" && int(version) >= m.Flexible}
	d.message(m)
	return d.out.String(), r.Err()
}

// dumper goes through one message.
type dumper struct {
	s        *Schema
	r        *Reader
	out      bytes.Buffer
	version  int
	flexible bool
	tagged   bool // in the value of a tagged field
}

// message shows a struct. Tagged fields come last on the wire but where the schema has them in the JSON.
func (d *dumper) message(m *Message) {
	shown := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		if d.has(f) && f.Tag < 0 {
			shown[i] = d.capture(d.r, f)
		}
	}
	if d.flexible {
		d.r.Tags(func(tag uint32, r *Reader) bool {
			for i, f := range m.Fields {
				if f.Tag == int(tag) && d.has(f) {
					was := d.tagged
					d.tagged = true
					shown[i] = d.capture(r, f)
					d.tagged = was
					return true
				}
			}
			return false
		})
	}
	d.out.WriteByte('{')
	first := true
	for i, f := range m.Fields {
		if shown[i] == "" {
			continue
		}
		if !first {
			d.out.WriteByte(',')
		}
		first = false
		d.out.WriteString(strconv.Quote(f.jsonName()) + ":" + shown[i])
	}
	d.out.WriteByte('}')
}

// has reports whether the version has the field.
func (d *dumper) has(f Field) bool {
	return d.version >= f.Since && (f.Until < 0 || d.version <= f.Until)
}

// capture shows the value of a field that r is at.
func (d *dumper) capture(r *Reader, f Field) string {
	sub := dumper{s: d.s, r: r, version: d.version, flexible: d.flexible, tagged: d.tagged}
	sub.field(f)
	return sub.out.String()
}

func (d *dumper) field(f Field) {
	switch {
	case f.Array:
		n, ok := d.length(4)
		if !ok {
			d.out.WriteString("null")
			return
		}
		d.out.WriteByte('[')
		for i := range n {
			if d.r.Err() != nil {
				return
			}
			if i > 0 {
				d.out.WriteByte(',')
			}
			element := f
			element.Array, element.Nullable = false, false
			d.field(element)
		}
		d.out.WriteByte(']')
	case f.IsStruct():
		if f.Nullable {
			present := d.r.Present
			if d.tagged {
				present = d.r.TaggedPresent
			}
			if !present() {
				d.out.WriteString("null")
				return
			}
		}
		d.tagged = false
		d.message(d.s.structs[f.Type])
	default:
		d.scalar(f.Type)
	}
}

func (d *dumper) scalar(kind string) {
	switch kind {
	case "bool":
		d.out.WriteString(strconv.FormatBool(d.r.Bool()))
	case "int8":
		d.number(int64(d.r.Int8()))
	case "int16":
		d.number(int64(d.r.Int16()))
	case "uint16":
		d.number(int64(d.r.Uint16()))
	case "int32":
		d.number(int64(d.r.Int32()))
	case "int64":
		d.number(d.r.Int64())
	case "float64":
		d.out.WriteString(javaDouble(d.r.Float64()))
	case "uuid":
		id := d.r.Uuid()
		d.text(base64.RawURLEncoding.EncodeToString(id[:]))
	case "string":
		if n, ok := d.length(2); ok {
			d.text(string(d.r.take(n)))
		} else {
			d.out.WriteString("null")
		}
	case "bytes":
		if n, ok := d.length(4); ok {
			d.text(base64.StdEncoding.EncodeToString(d.r.take(n)))
		} else {
			d.out.WriteString("null")
		}
	}
}

// length reads the length of something; in versions that are not flexible it has size bytes, and is negative for null.
func (d *dumper) length(size int) (n int, ok bool) {
	switch {
	case d.flexible:
		return d.r.Length()
	case size == 2:
		n = int(d.r.Int16())
	default:
		n = int(d.r.Int32())
	}
	if n > d.r.Len() {
		d.r.Fail("a length beyond the end")
	}
	return n, n >= 0
}

func (d *dumper) number(n int64) { d.out.WriteString(strconv.FormatInt(n, 10)) }

// text writes a string as Java's Jackson does, which escapes what must be.
func (d *dumper) text(s string) {
	d.out.WriteByte('"')
	for _, c := range s {
		if short, ok := escapes[c]; ok {
			d.out.WriteString(short)
		} else if c < ' ' {
			fmt.Fprintf(&d.out, `\u%04X`, c)
		} else {
			d.out.WriteRune(c)
		}
	}
	d.out.WriteByte('"')
}

var escapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

// javaDouble is a number as Java prints it: with a fraction always.
func javaDouble(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if abs := max(v, -v); abs != 0 && (abs < 1e-3 || abs >= 1e7) {
		s = strings.Replace(strconv.FormatFloat(v, 'E', -1, 64), "E+", "E", 1)
		mantissa, exponent, _ := strings.Cut(s, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent)
		return mantissa + "E" + strconv.Itoa(n)
	}
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// jsonName is the field's name in Kafka's JSON: "BrokerID" is "brokerId".
func (f Field) jsonName() string {
	name := strings.NewReplacer("ID", "Id", "ISR", "Isr", "ELR", "Elr").Replace(f.Name)
	return strings.ToLower(name[:1]) + name[1:]
}

// TypeName is what Kafka calls the type of a record: "RegisterBrokerRecord" is "REGISTER_BROKER_RECORD".
func (m *Message) TypeName() string {
	name := strings.NewReplacer("IDs", "Ids", "ID", "Id", "ISR", "Isr", "ELR", "Elr").Replace(m.Name)
	var b strings.Builder
	for i, c := range name {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToUpper(b.String())
}
