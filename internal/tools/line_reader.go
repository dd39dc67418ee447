package tools

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
)

// kafkaException is an error that has no class of its own in Java.
func kafkaException(format string, args ...any) error {
	return exception{"org.apache.kafka.common.KafkaException", fmt.Sprintf(format, args...)}
}

// lineReader makes records of lines of text, as Kafka's LineMessageReader.
type lineReader struct {
	topic                                                    string
	parseKey, parseHeaders, ignoreError                      bool
	keySeparator, headersDelimiter, headersSeparator, keySep []byte // keySep is headers.key.separator
	headers                                                  *regexp.Regexp
	nullMarker                                               []byte // nil: none
	prompt                                                   func()

	scanner *bufio.Scanner
	line    int
}

// longestLine is more than any record can hold.
const longestLine = 1 << 30

func newLineReader(in io.Reader, topic string, p client.Properties, prompt func()) (*lineReader, error) {
	text := func(key, otherwise string) []byte {
		if v, ok := p[key]; ok {
			return []byte(v)
		}
		return []byte(otherwise)
	}
	is := func(key string) bool { return strings.EqualFold(strings.TrimSpace(p[key]), "true") }
	r := &lineReader{
		topic: topic, parseKey: is("parse.key"), parseHeaders: is("parse.headers"), ignoreError: is("ignore.error"),
		keySeparator: text("key.separator", "\t"), headersDelimiter: text("headers.delimiter", "\t"), headersSeparator: text("headers.separator", ","),
		keySep: text("headers.key.separator", ":"), prompt: prompt, scanner: bufio.NewScanner(in),
	}
	if marker, ok := p["null.marker"]; ok {
		r.nullMarker = []byte(marker)
	}
	r.scanner.Buffer(make([]byte, 1<<20), longestLine)
	r.scanner.Split(scanJavaLines)
	var err error
	if r.headers, err = regexp.Compile(string(r.headersSeparator)); err != nil { // Java's is a regular expression as well
		return nil, kafkaException("headers.separator is no regular expression: %v", err)
	}
	return r, r.check()
}

// check refuses separators that could not be told apart.
func (r *lineReader) check() error {
	type named struct {
		name  string
		value []byte
	}
	delimiter, separator, key := named{"headers.delimiter", r.headersDelimiter}, named{"headers.separator", r.headersSeparator}, named{"headers.key.separator", r.keySep}
	pairs := [][2]named{{delimiter, separator}, {delimiter, key}, {separator, key}}
	if r.nullMarker != nil {
		null := named{"null.marker", r.nullMarker}
		pairs = append(pairs, [2]named{null, {"key.separator", r.keySeparator}}, [2]named{null, separator}, [2]named{null, delimiter}, [2]named{null, key})
	}
	for _, p := range pairs {
		if bytes.Equal(p[0].value, p[1].value) {
			return kafkaException("%s and %s may not be equal", p[0].name, p[1].name)
		}
	}
	return nil
}

// next is the record of the next line, io.EOF behind the last.
func (r *lineReader) next() (*kgo.Record, error) {
	r.line++
	r.prompt()
	if !r.scanner.Scan() {
		err := r.scanner.Err()
		switch {
		case err == nil:
			return nil, io.EOF
		case errors.Is(err, bufio.ErrTooLong):
			return nil, kafkaException("Line %d is longer than %d bytes", r.line, longestLine)
		}
		return nil, err
	}
	return r.record(bytes.Clone(r.scanner.Bytes()))
}

// record takes a line apart; it keeps parts of it.
func (r *lineReader) record(line []byte) (*kgo.Record, error) {
	rec := &kgo.Record{Topic: r.topic}
	rest := line
	if r.parseHeaders {
		headers, after, ok := bytes.Cut(rest, r.headersDelimiter)
		switch {
		case ok:
			rest = after
			if !r.null(headers) {
				var err error
				if rec.Headers, err = r.splitHeaders(headers); err != nil {
					return nil, err
				}
			}
		case !r.ignoreError:
			return nil, kafkaException("No headers delimiter found on line number %d: '%s'", r.line, line)
		}
	}
	if r.parseKey {
		key, after, ok := bytes.Cut(rest, r.keySeparator)
		switch {
		case ok:
			rest = after
			if !r.null(key) {
				rec.Key = present(key)
			}
		case !r.ignoreError:
			return nil, kafkaException("No key separator found on line number %d: '%s'", r.line, line)
		}
	}
	if !r.null(rest) {
		rec.Value = present(rest)
	}
	return rec, nil
}

func (r *lineReader) null(text []byte) bool {
	return r.nullMarker != nil && bytes.Equal(text, r.nullMarker)
}

// present makes sure that an empty text is not taken for none.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (r *lineReader) splitHeaders(text []byte) ([]kgo.RecordHeader, error) {
	pairs := r.headers.Split(string(text), -1)
	for len(pairs) > 1 && pairs[len(pairs)-1] == "" { // Java's split drops empty ends
		pairs = pairs[:len(pairs)-1]
	}
	headers := make([]kgo.RecordHeader, 0, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, string(r.keySep))
		switch {
		case ok && r.null([]byte(key)):
			return nil, kafkaException("Header keys should not be equal to the null marker '%s' as they can't be null", r.nullMarker)
		case ok && r.null([]byte(value)):
			headers = append(headers, kgo.RecordHeader{Key: key})
		case ok:
			headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		case r.ignoreError:
			headers = append(headers, kgo.RecordHeader{Key: pair})
		default:
			return nil, kafkaException("No header key separator found in pair '%s' on line number %d", pair, r.line)
		}
	}
	return headers, nil
}

// scanJavaLines splits at "\n", "\r\n" and "\r", as Java's readLine.
func scanJavaLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case i < 0:
		return 0, nil, nil
	case data[i] == '\n':
		return i + 1, data[:i], nil
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	case i+1 < len(data) || atEOF:
		return i + 1, data[:i], nil
	}
	return 0, nil, nil // whether a "\n" follows is not known yet
}
