package tools

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
)

// readAll shows the records of lines, and the error that ended them.
func readAll(in io.Reader, p client.Properties) string {
	r, err := newLineReader(in, "t", p, func() {})
	if err != nil {
		return "ERROR " + err.Error()
	}
	var b strings.Builder
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			return b.String() + "ERROR " + err.Error()
		}
		b.WriteString(showRecord(rec))
	}
}

func showRecord(r *kgo.Record) string {
	text := func(b []byte) string {
		if b == nil {
			return "nil"
		}
		return fmt.Sprintf("%q", b)
	}
	s := text(r.Key) + "=" + text(r.Value)
	for _, h := range r.Headers {
		s += "," + h.Key + ":" + text(h.Value)
	}
	return "[" + s + "]"
}

func TestLineReader(t *testing.T) {
	keyed := client.Properties{"parse.key": "true", "key.separator": "="}
	all := keyed.With(client.Properties{"parse.headers": " TRUE ", "headers.delimiter": "|", "null.marker": "NIL"})
	for _, c := range []struct {
		in   string
		p    client.Properties
		want string
	}{
		{"a\nb\r\nc\rd", nil, `[nil="a"][nil="b"][nil="c"][nil="d"]`},
		{"\n\n", nil, `[nil=""][nil=""]`},
		{"a=b=c\n=v\nk=", keyed, `["a"="b=c"][""="v"]["k"=""]`},
		{"a=1\nb\nc=3", keyed, `["a"="1"]ERROR No key separator found on line number 2: 'b'`},
		{"a=1\nb", keyed.With(client.Properties{"ignore.error": "true"}), `["a"="1"][nil="b"]`},
		{"h1:v1,h2:NIL|k=v\nNIL|NIL=NIL", all, `["k"="v",h1:"v1",h2:nil][nil=nil]`},
		{"h|k=v", all, `ERROR No header key separator found in pair 'h' on line number 1`},
		{"NIL:v|k=v", all, `ERROR Header keys should not be equal to the null marker 'NIL' as they can't be null`},
		{"k=v", all, `ERROR No headers delimiter found on line number 1: 'k=v'`},
		{"x", client.Properties{"headers.delimiter": ","}, `ERROR headers.delimiter and headers.separator may not be equal`},
		{"x", client.Properties{"null.marker": "\t"}, `ERROR null.marker and key.separator may not be equal`},
	} {
		for _, in := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			if got := readAll(in, c.p); got != c.want {
				t.Errorf("%q with %v: %s, want %s", c.in, c.p, got, c.want)
			}
		}
	}
}

func TestLineReaderTellsOfAnUnreadableInput(t *testing.T) {
	if got := readAll(iotest.ErrReader(errors.New("gone")), nil); got != "ERROR gone" {
		t.Error(got)
	}
}

func TestPromptComesBeforeEachLine(t *testing.T) {
	prompts := 0
	r, err := newLineReader(strings.NewReader("a\nb\n"), "t", nil, func() { prompts++ })
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := r.next(); err != nil {
			break
		}
	}
	if prompts != 3 {
		t.Errorf("%d prompts for two lines and the end", prompts)
	}
}
