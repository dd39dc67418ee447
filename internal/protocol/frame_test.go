package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"
	"testing/iotest"
)

func frameOf(content []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...)
}

func TestReadFrame(t *testing.T) {
	for _, n := range []int{0, 1, 100, frameChunkBytes, frameChunkBytes + 1, 5*frameChunkBytes + 7} {
		content := pattern(n)
		for name, r := range map[string]io.Reader{
			"whole":        bytes.NewReader(frameOf(content)),
			"byte by byte": iotest.OneByteReader(bytes.NewReader(frameOf(content))),
			"in halves":    iotest.HalfReader(bytes.NewReader(frameOf(content))),
			"with EOF":     iotest.DataErrReader(bytes.NewReader(frameOf(content))),
		} {
			if got, err := ReadFrame(r, 1<<20, nil); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %s: %d bytes, %v", n, name, len(got), err)
			}
		}
	}
}

func TestReadFrameReusesItsBuffer(t *testing.T) {
	buf := make([]byte, 0, 100)
	got, err := ReadFrame(bytes.NewReader(frameOf(pattern(100))), 1<<20, buf)
	if err != nil || &got[0] != &buf[:1][0] {
		t.Error("a new buffer for what would fit", err)
	}
	got, err = ReadFrame(bytes.NewReader(frameOf(pattern(101))), 1<<20, buf)
	if err != nil || !bytes.Equal(got, pattern(101)) {
		t.Error(err)
	}
}

func TestReadFrameRefuses(t *testing.T) {
	size := func(n int32) io.Reader { return bytes.NewReader(binary.BigEndian.AppendUint32(nil, uint32(n))) }
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"nothing":          {bytes.NewReader(nil), io.EOF},
		"half a size":      {bytes.NewReader([]byte{0, 0}), io.ErrUnexpectedEOF},
		"a size only":      {size(10), io.ErrUnexpectedEOF},
		"negative":         {size(-1), ErrFrameSize},
		"most negative":    {size(math.MinInt32), ErrFrameSize},
		"above the limit":  {size(1001), ErrFrameSize},
		"HTTP":             {bytes.NewReader([]byte("GET / HTTP/1.1\r\n")), ErrFrameSize},
		"a TLS hello":      {bytes.NewReader([]byte{0x16, 3, 1, 0, 0x80}), ErrFrameSize},
		"cut off":          {bytes.NewReader(frameOf(pattern(100))[:50]), io.ErrUnexpectedEOF},
		"a broken network": {io.MultiReader(bytes.NewReader(frameOf(pattern(100))[:50]), iotest.ErrReader(io.ErrClosedPipe)), io.ErrClosedPipe},
	} {
		if _, err := ReadFrame(c.r, 1000, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadFrame(bytes.NewReader(nil), 1000, nil); err != io.EOF {
		t.Errorf("the end of a connection is not bare io.EOF: %v", err)
	}
}

func TestReadFrameDoesNotTrustTheSize(t *testing.T) {
	// 1 GiB announced, 10 bytes sent: the buffer must stay small.
	r := io.MultiReader(bytes.NewReader(binary.BigEndian.AppendUint32(nil, 1<<30)), bytes.NewReader(make([]byte, 10)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadFrame(r, math.MaxInt32, nil)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, io.ErrUnexpectedEOF) || got > 4*frameChunkBytes {
		t.Errorf("%d bytes allocated, %v", got, err)
	}
}
