package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordJSON is a record as `consume -f json` writes it and `produce --json` reads it. A key or value that is no UTF-8 is in its _base64 field.
type recordJSON struct {
	Topic       string       `json:"topic,omitempty"`
	Partition   *int32       `json:"partition,omitempty"`
	Offset      *int64       `json:"offset,omitempty"`
	Timestamp   string       `json:"timestamp,omitempty"`
	Key         any          `json:"key"`
	KeyBase64   []byte       `json:"key_base64,omitempty"`
	Value       any          `json:"value"`
	ValueBase64 []byte       `json:"value_base64,omitempty"`
	Headers     []headerJSON `json:"headers,omitempty"`
}

type headerJSON struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"value_base64,omitempty"`
}

// asJSON is a record as text, in one line.
func asJSON(r *kgo.Record) ([]byte, error) {
	j := recordJSON{Topic: r.Topic, Partition: &r.Partition, Offset: &r.Offset, Timestamp: r.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z07:00")}
	j.Key, j.KeyBase64 = textOrBytes(r.Key)
	j.Value, j.ValueBase64 = textOrBytes(r.Value)
	for _, h := range r.Headers {
		text, raw := textOrBytes(h.Value)
		hj := headerJSON{Key: h.Key, ValueBase64: raw}
		if s, ok := text.(string); ok {
			hj.Value = &s
		}
		j.Headers = append(j.Headers, hj)
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(j)
	return []byte(out.String()), err
}

func textOrBytes(b []byte) (text any, raw []byte) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		return string(b), nil
	}
	return nil, b
}

// fromJSON reads a record. Its topic and offset, those of where it was read, do not count. A key or value that is not a text is taken as the JSON that it is.
func fromJSON(line []byte) (*kgo.Record, error) {
	var j struct {
		recordJSON
		Key   json.RawMessage `json:"key"`
		Value json.RawMessage `json:"value"`
	}
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return nil, fmt.Errorf("%w (write {\"key\": …, \"value\": …, \"headers\": [{\"key\": …, \"value\": …}], \"partition\": …, \"timestamp\": …}, or leave --json away for lines that are values)", err)
	}
	r := &kgo.Record{Partition: -1, Key: bytesOf(j.Key, j.KeyBase64), Value: bytesOf(j.Value, j.ValueBase64)}
	if j.Partition != nil && j.Offset == nil { // one that has an offset was read elsewhere, where partitions may be others
		r.Partition = *j.Partition
	}
	if j.Timestamp != "" {
		ms, err := parseTime(j.Timestamp, time.Now())
		if err != nil {
			return nil, err
		}
		r.Timestamp = time.UnixMilli(ms)
	}
	for _, h := range j.Headers {
		rh := kgo.RecordHeader{Key: h.Key, Value: h.ValueBase64}
		if h.Value != nil {
			rh.Value = []byte(*h.Value)
		}
		r.Headers = append(r.Headers, rh)
	}
	return r, nil
}

func bytesOf(text json.RawMessage, raw []byte) []byte {
	var s string
	switch {
	case raw != nil:
		return raw
	case len(text) == 0 || string(text) == "null":
		return nil
	case json.Unmarshal(text, &s) == nil:
		return []byte(s)
	}
	return text
}

// recordFormat writes records as a format says: a list of pieces, each of which appends something of the record.
type recordFormat []func(dst []byte, r *kgo.Record) []byte

const recordFormatHelp = `json, or a text with: %t topic, %p partition, %o offset, %k key, %s or %v value, %h headers (a=1,b=2), %T timestamp in ms,
%D timestamp as date and time, %K %S lengths of key and value (-1 for none), %6k %6v base64, %% a percent sign, \n \t \r \0 \\`

// parseRecordFormat reads such a text, which is kcat's with some additions.
func parseRecordFormat(text string) (recordFormat, error) {
	if text == formatJSON {
		return recordFormat{func(dst []byte, r *kgo.Record) []byte {
			line, err := asJSON(r)
			if err != nil { // it has texts, numbers and bytes only
				return append(dst, err.Error()+"\n"...)
			}
			return append(dst, line...)
		}}, nil
	}
	var f recordFormat
	literal := func(s string) {
		f = append(f, func(dst []byte, _ *kgo.Record) []byte { return append(dst, s...) })
	}
	for len(text) > 0 {
		special := strings.IndexAny(text, `%\`)
		if special < 0 {
			literal(text)
			break
		}
		if special > 0 {
			literal(text[:special])
		}
		mark, rest := text[special], text[special+1:]
		if rest == "" {
			return nil, fmt.Errorf("%q ends in the middle", text)
		}
		n := 1
		if mark == '\\' {
			s, ok := map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '0': "\x00", '\\': `\`}[rest[0]]
			if !ok {
				return nil, fmt.Errorf(`\%c is not known (\n \t \r \0 \\)`, rest[0])
			}
			literal(s)
		} else {
			if rest[0] == '6' && len(rest) > 1 {
				n = 2
			}
			piece, ok := recordPieces[rest[:n]]
			if !ok {
				return nil, fmt.Errorf("%%%s is not known (%s)", rest[:n], recordFormatHelp)
			}
			f = append(f, piece)
		}
		text = rest[n:]
	}
	return f, nil
}

var recordPieces = map[string]func(dst []byte, r *kgo.Record) []byte{
	"%": func(dst []byte, _ *kgo.Record) []byte { return append(dst, '%') },
	"t": func(dst []byte, r *kgo.Record) []byte { return append(dst, r.Topic...) },
	"p": func(dst []byte, r *kgo.Record) []byte { return strconv.AppendInt(dst, int64(r.Partition), 10) },
	"o": func(dst []byte, r *kgo.Record) []byte { return strconv.AppendInt(dst, r.Offset, 10) },
	"k": func(dst []byte, r *kgo.Record) []byte { return append(dst, r.Key...) },
	"s": func(dst []byte, r *kgo.Record) []byte { return append(dst, r.Value...) },
	"v": func(dst []byte, r *kgo.Record) []byte { return append(dst, r.Value...) },
	"h": appendHeaders,
	"T": func(dst []byte, r *kgo.Record) []byte { return strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10) },
	"D": func(dst []byte, r *kgo.Record) []byte {
		return r.Timestamp.Local().AppendFormat(dst, "2006-01-02 15:04:05.000")
	},
	"K":  func(dst []byte, r *kgo.Record) []byte { return appendLength(dst, r.Key) },
	"S":  func(dst []byte, r *kgo.Record) []byte { return appendLength(dst, r.Value) },
	"6k": func(dst []byte, r *kgo.Record) []byte { return base64.StdEncoding.AppendEncode(dst, r.Key) },
	"6v": func(dst []byte, r *kgo.Record) []byte { return base64.StdEncoding.AppendEncode(dst, r.Value) },
}

func appendLength(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "-1"...)
	}
	return strconv.AppendInt(dst, int64(len(b)), 10)
}

func appendHeaders(dst []byte, r *kgo.Record) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, h.Key...), '='), h.Value...)
	}
	return dst
}

// write writes one record.
func (f recordFormat) write(w io.Writer, r *kgo.Record) error {
	var buf []byte
	for _, piece := range f {
		buf = piece(buf, r)
	}
	_, err := w.Write(buf)
	return err
}

// headerFlags reads -H name=value.
func headerFlags(list []string) ([]kgo.RecordHeader, error) {
	var headers []kgo.RecordHeader
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usageError{errors.New("--header " + text + ": write name=value")}
		}
		headers = append(headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return headers, nil
}
