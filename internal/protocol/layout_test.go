package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestLayoutsFitEveryRequest(t *testing.T) {
	eachVersion(func(key, version int16) {
		l := layoutOf(key)
		if l == nil {
			t.Fatalf("no layout of %s", kmsg.NameForKey(key))
		}
		for name, req := range map[string]kmsg.Request{"full": newRequest(key, version), "default": kmsg.RequestForKey(key)} {
			req.SetVersion(version)
			body := req.AppendTo(nil)
			if !l.fits(version, body) {
				t.Errorf("%s v%d, %s: %x does not fit", kmsg.NameForKey(key), version, name, body)
			}
			// Every byte counts: what is shorter does not fit, just as kmsg cannot read it.
			for n := range body {
				if l.fits(version, body[:n]) {
					t.Errorf("%s v%d, %s: %d of %d bytes fit", kmsg.NameForKey(key), version, name, n, len(body))
					break
				}
			}
		}
	})
}

func TestParseBodyDoesNotBelieveCounts(t *testing.T) {
	many := func(prefix ...byte) []byte { return append(prefix, make([]byte, 1<<20)...) }
	for name, c := range map[string]struct {
		h    Header
		body []byte
	}{
		"four billion tags":         {Header{Key: 18, Version: 3}, []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		"tags in an element":        {Header{Key: 3, Version: 9}, []byte{2, 2, 'a', 0xff, 0xff, 0xff, 0xff, 0x0f}},
		"tags in a tag":             {Header{Key: 1, Version: 15}, append(make([]byte, 21), 1, 1, 1, 1, 1, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f)},
		"a million topics":          {Header{Key: 3, Version: 1}, many(0, 0x0f, 0xff, 0xff)},
		"a million partitions":      {Header{Key: 1, Version: 3}, many(append(make([]byte, 16), 0, 0, 0, 1, 0, 1, 't', 0, 0x0f, 0, 0)...)},
		"two billion partitions":    {Header{Key: 0, Version: 3}, many(0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff)},
		"too many that are there":   {Header{Key: 15, Version: 5}, append(append(binary.AppendUvarint(nil, maxElements+2), bytes.Repeat([]byte{1}, maxElements+1)...), 0, 0)},
		"a string longer than that": {Header{Key: 10, Version: 0}, []byte{0x7f, 0xff, 'a'}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseBody(c.h, c.body)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, kerr.InvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
		// "a million topics" are empty strings of two bytes each, half of which are there: seen, but never allocated.
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
			t.Errorf("%s: %d bytes allocated", name, got)
		}
	}
}

func TestLayoutsAreGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the generator")
	}
	want, err := os.ReadFile("layout_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "gen_layout.go", "-")
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("layout_gen.go is not what gen_layout.go makes of this kmsg: run go generate")
	}
}
