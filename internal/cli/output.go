package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
)

// print writes data in the format that was asked for; text says it to a person.
func (r *remote) print(w io.Writer, data any, text func(w io.Writer)) error {
	switch r.format {
	case formatJSON:
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(data)
	case formatYAML:
		return writeYAML(w, data)
	}
	text(w)
	return nil
}

// table is text in columns; those with numbers only stand at their right edge.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

func (t *table) write(w io.Writer) {
	width := make([]int, len(t.header))
	numeric := make([]bool, len(t.header))
	for i, h := range t.header {
		width[i], numeric[i] = utf8.RuneCountInString(h), len(t.rows) > 0
		for _, row := range t.rows {
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
			numeric[i] = numeric[i] && strings.Trim(row[i], "-0123456789") == ""
		}
	}
	c := coloursFor(w)
	line := func(cells []string, colour func(string) string) {
		var b strings.Builder
		for i, cell := range cells {
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			switch {
			case numeric[i]:
				b.WriteString(gap + colour(cell))
			case i == len(cells)-1:
				b.WriteString(colour(cell))
			default:
				b.WriteString(colour(cell) + gap)
			}
			if i < len(cells)-1 {
				b.WriteString("  ")
			}
		}
		fmt.Fprintln(w, b.String())
	}
	line(t.header, c.bold)
	for _, row := range t.rows {
		line(row, func(s string) string { return s })
	}
}

// colours colour text for a terminal, or leave it alone.
type colours bool

// coloursFor asks for colours on a terminal, unless its owner does not want any (https://no-color.org).
func coloursFor(w io.Writer) colours {
	return colours(isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (c colours) with(code, s string) string {
	if !c || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (c colours) bold(s string) string   { return c.with("1", s) }
func (c colours) dim(s string) string    { return c.with("2", s) }
func (c colours) red(s string) string    { return c.with("31", s) }
func (c colours) green(s string) string  { return c.with("32", s) }
func (c colours) yellow(s string) string { return c.with("33", s) }
func (c colours) cyan(s string) string   { return c.with("36", s) }

// byteCount writes a number of bytes for a person.
func byteCount(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// ids writes a list of broker or partition numbers.
func ids(list []int32) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}

// counted is "1 record", "2 records".
func counted[N int | int32 | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// failures collects what went wrong with some of the things that a command was given, and goes on with the others.
type failures struct {
	w    io.Writer
	some bool
}

// add tells of a failure about a thing; message is what the broker said of it, if anything.
func (f *failures) add(thing string, err error, message string) {
	f.some = true
	fmt.Fprintf(f.w, "gokafka: %s: %s\n", thing, because(err, message))
}

// err is the exit status that follows.
func (f *failures) err() error {
	if f.some {
		return exitStatus(1)
	}
	return nil
}

// because says in words why a broker refused something.
func because(err error, message string) string {
	var known *kerr.Error
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return "there is no such topic or partition"
	case errors.Is(err, kerr.GroupIDNotFound):
		return "there is no such group"
	case errors.Is(err, kerr.NonEmptyGroup):
		return "the group has members: stop them first"
	case errors.Is(err, kerr.SecurityDisabled):
		return "the broker has no authorizer: set authorizer.class.name to use ACLs"
	case message != "" && !errors.As(err, &known):
		return message
	case message != "":
		return message + " (" + known.Message + ")"
	case errors.As(err, &known):
		return strings.TrimSuffix(known.Description, ".") + " (" + known.Message + ")"
	}
	return err.Error()
}

// sorted returns the keys of a map in order.
func sorted[K int32 | string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
