package wire

import (
	"encoding/hex"
	"strings"
	"testing"
)

const sample = `
struct Part
	ID int32
	Racks []string since 1

record 3 Sample 0-2 flexible 1
	TopicID uuid
	ISR ?[]int32
	Old int16 until 0
	Note ?string tag 0
	Parts []Part
	Value float64
	Blob bytes
	Maybe ?Part tag 1
`

func TestJSON(t *testing.T) {
	s := MustSchema(sample)
	m := s.Find("record", "", 3)
	id := strings.Repeat("00", 15) + "01"
	for _, c := range []struct {
		version int16
		bytes   string
		want    string
	}{
		{0, id + "ffffffff" + "0005" + "00000001" + "00000007" + "3ff0000000000000" + "0000000201ff",
			`{"topicId":"AAAAAAAAAAAAAAAAAAAAAQ","isr":null,"old":5,"parts":[{"id":7}],"value":1.0,"blob":"Af8="}`},
		{2, id + "02" + "00000009" + "02" + "00000007" + "0203" + "613c" + "00" + "40c3880000000000" + "01" + "02" + "0003" + "03c3bc" + "0107" + "01" + "00000008" + "0100",
			`{"topicId":"AAAAAAAAAAAAAAAAAAAAAQ","isr":[9],"note":"ü","parts":[{"id":7,"racks":["a<"]}],"value":10000.0,"blob":"","maybe":{"id":8,"racks":[]}}`},
	} {
		b, err := hex.DecodeString(c.bytes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.JSON(m, c.version, NewReader(b))
		if err != nil || got != c.want {
			t.Errorf("version %d: %v\n%s\nwant\n%s", c.version, err, got, c.want)
		}
		for n := range b {
			if _, err := s.JSON(m, c.version, NewReader(b[:n])); err == nil {
				t.Errorf("version %d: cut to %d bytes and taken", c.version, n)
			}
		}
	}
	for name, want := range map[string]string{"ProducerIDsRecord": "PRODUCER_IDS_RECORD", "ClearELRRecord": "CLEAR_ELR_RECORD", "NoOpRecord": "NO_OP_RECORD"} {
		if got := (&Message{Name: name}).TypeName(); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for v, want := range map[float64]string{0: "0.0", 1.5: "1.5", 1e7: "1.0E7", 12345678.5: "1.23456785E7", 1e-4: "1.0E-4", -2: "-2.0"} {
		if got := javaDouble(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
