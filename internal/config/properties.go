package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Entry is one key with its value, and where it was written.
type Entry struct {
	Key, Value string
	Source     string // "config/server.properties:12", "--override", "env KAFKA_LOG_DIRS"

	weak bool // counts only when no other entry sets the key
}

// Parse reads a Java .properties file: comments, continued lines, the three separators, escapes. name is what errors and Entry.Source call
// it. A key that occurs twice yields two entries. Values are not expanded: ${…} stays as it is. Bytes that are not UTF-8 are taken for Latin-1,
// as Java does. The error joins all lines that cannot be read; the entries of the others are returned with it.
func Parse(name string, text []byte) ([]Entry, error) {
	var (
		entries []Entry
		errs    []error
	)
	lines := newLineReader(text)
	for {
		line, number, ok := lines.next()
		if !ok {
			return entries, errors.Join(errs...)
		}
		source := name + ":" + strconv.Itoa(number)
		rawKey, rawValue := splitLine(line)
		key, err := unescape(rawKey)
		if err == nil {
			var value string
			if value, err = unescape(rawValue); err == nil {
				entries = append(entries, Entry{Key: key, Value: value, Source: source})
				continue
			}
		}
		errs = append(errs, fmt.Errorf("%s: %w", source, err))
	}
}

// lineReader yields logical lines: without comments, blank lines and leading space, continued lines joined.
type lineReader struct {
	rest   string
	number int // of the natural line read last, from 1
}

func newLineReader(text []byte) *lineReader {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if utf8.Valid(text) {
		return &lineReader{rest: string(text)}
	}
	latin1 := make([]rune, len(text))
	for i, b := range text {
		latin1[i] = rune(b)
	}
	return &lineReader{rest: string(latin1)}
}

// next returns the next logical line and the number of the natural line it begins on.
func (r *lineReader) next() (line string, number int, ok bool) {
	for {
		natural, ok := r.natural()
		if !ok {
			return "", 0, false
		}
		natural = trimSpaceLeft(natural)
		if natural == "" || natural[0] == '#' || natural[0] == '!' || natural == `\` {
			// A lone backslash continues nothing. (At the very end of a file java.util.Properties makes an empty key of it.)
			continue
		}
		number := r.number
		var logical strings.Builder
		for endsInBackslash(natural) {
			logical.WriteString(natural[:len(natural)-1])
			// A comment sign at the start of a continuation is part of the value.
			if natural, ok = r.natural(); !ok {
				break
			}
			natural = trimSpaceLeft(natural)
		}
		logical.WriteString(natural)
		return logical.String(), number, true
	}
}

// natural returns the text up to the next \n, \r or \r\n; false when there is none left.
func (r *lineReader) natural() (string, bool) {
	if r.rest == "" {
		return "", false
	}
	r.number++
	end := strings.IndexAny(r.rest, "\r\n")
	if end < 0 {
		line := r.rest
		r.rest = ""
		return line, true
	}
	line, skip := r.rest[:end], end+1
	if strings.HasPrefix(r.rest[end:], "\r\n") {
		skip++
	}
	r.rest = r.rest[skip:]
	return line, true
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\f' }

func trimSpaceLeft(s string) string { return strings.TrimLeft(s, " \t\f") }

// endsInBackslash reports whether a line goes on: an even number of backslashes at its end are escaped ones.
func endsInBackslash(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// splitLine cuts a logical line at the first separator that is not escaped: '=', ':' or space, with any space around it.
func splitLine(line string) (key, value string) {
	end := 0
	for end < len(line) && line[end] != '=' && line[end] != ':' && !isSpace(line[end]) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(line) {
		return line, ""
	}
	key, value = line[:end], trimSpaceLeft(line[end:])
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = trimSpaceLeft(value[1:])
	}
	return key, value
}

// unescape resolves \t \n \r \f and \uXXXX; a backslash before anything else is dropped.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break // a lone backslash at the end of the file
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if len(s) < i+5 {
				return "", fmt.Errorf(`malformed \u escape in %q: four hexadecimal digits must follow`, s)
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`malformed \u escape in %q: four hexadecimal digits must follow`, s)
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
