package coordinator

import (
	"encoding/hex"
	"fmt"
	"io"
	"sync"
)

// UUIDs returns a generator of random UUIDs (version 4, text form) from the bytes of r, which must not fail. It is safe for concurrent use.
func UUIDs(r io.Reader) func() string {
	var mu sync.Mutex
	return func() string {
		var b [16]byte
		mu.Lock()
		_, err := io.ReadFull(r, b[:])
		mu.Unlock()
		if err != nil {
			panic(fmt.Sprintf("coordinator: no randomness for a UUID: %v", err))
		}
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		var text [36]byte
		hex.Encode(text[0:8], b[0:4])
		hex.Encode(text[9:13], b[4:6])
		hex.Encode(text[14:18], b[6:8])
		hex.Encode(text[19:23], b[8:10])
		hex.Encode(text[24:36], b[10:16])
		text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
		return string(text[:])
	}
}
