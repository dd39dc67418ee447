package records

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

type golden struct {
	value   []byte
	name    string
	content map[string]any
}

func readGolden(t testing.TB) []golden {
	text, err := os.ReadFile("testdata/apache.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(line, " ", 4)
		if parts[0] == "#" {
			continue
		}
		value, err := hex.DecodeString(parts[0])
		g := golden{value: value, name: parts[1] + " " + parts[2]}
		if err != nil || json.Unmarshal([]byte(parts[3]), &g.content) != nil {
			t.Fatal(line, err)
		}
		all = append(all, g)
	}
	return all
}

// TestBytesOfEveryKind decodes what Apache wrote of every kind of record, compares every field, and encodes it again.
func TestBytesOfEveryKind(t *testing.T) {
	kinds := map[int16]bool{}
	for _, g := range readGolden(t) {
		t.Run(g.name, func(t *testing.T) {
			v, err := Parse(g.value)
			if err != nil {
				t.Fatal(err)
			}
			kinds[v.APIKey()] = true
			checkFields(t, g.content, reflect.ValueOf(v.Record).Elem())
			if again := Append(nil, v); !bytes.Equal(again, g.value) {
				t.Errorf("\nApache %x\nours   %x", g.value, again)
			}
		})
	}
	for key := range uint32(64) {
		if newRecord(key) != nil && !kinds[int16(key)] {
			t.Errorf("%T is not in testdata/apache.txt", newRecord(key))
		}
	}
}

func checkFields(t *testing.T, want map[string]any, got reflect.Value) {
	t.Helper()
	for key, w := range want {
		f := got.FieldByNameFunc(func(name string) bool {
			return strings.EqualFold(name, key) || name == "QuotaKey" && key == "key"
		})
		if !f.IsValid() {
			t.Errorf("%s has no field for %s", got.Type(), key)
			continue
		}
		if g := plain(f); !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %v, want %v", key, g, w)
		}
	}
}

// plain turns a field into what encoding/json makes of Apache's text.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case [16]byte:
		return base64.RawURLEncoding.EncodeToString(x[:])
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, plain(v.Index(i)))
		}
		return list
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			m[strings.ToLower(name[:1])+name[1:]] = plain(v.Field(i))
		}
		return m
	case reflect.Bool, reflect.String:
		return v.Interface()
	case reflect.Float64:
		return v.Float()
	case reflect.Uint16:
		return float64(v.Uint())
	default:
		return float64(v.Int())
	}
}

func TestParseRefuses(t *testing.T) {
	good := readGolden(t)[4].value // a topic
	for name, value := range map[string][]byte{
		"nothing":         {},
		"frame version 2": append([]byte{2}, good[1:]...),
		"frame version 0": append([]byte{0}, good[1:]...),
		"unknown kind":    {1, 99, 0, 0},
		"unknown version": {1, 2, 1, 0},
		"endless varint":  {1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
		"bytes after":     append(bytes.Clone(good), 0),
		"cut":             good[:len(good)-3],
		"long string":     {1, 2, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'},
		"null string":     {1, 2, 0, 0},
		"tags descending": {1, 25, 0, 2, 1, 1, 0, 0, 1, 0},
	} {
		if v, err := Parse(value); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v %v", name, v, err)
		}
	}
}

// TestUnknownTagsAreSkipped reads a record of a Kafka that has added a tagged field.
func TestUnknownTagsAreSkipped(t *testing.T) {
	value := Append(nil, V0(&TopicRecord{Name: "t", TopicID: [16]byte{1}}))
	value = append(value[:len(value)-1], 1, 9, 3, 'x', 'y', 'z')
	v, err := Parse(value)
	if err != nil || v.Record.(*TopicRecord).Name != "t" {
		t.Errorf("%+v %v", v, err)
	}
}

func TestControls(t *testing.T) {
	voters := []Voter{{VoterID: 1, VoterDirectoryID: [16]byte{7}, Endpoints: []VoterEndpoint{{"CONTROLLER", "h", 9093}}, KRaftVersionFeature: KRaftVersionFeature{0, 1}}}
	for want, c := range map[string]Control{
		"0000000000010200000001000200000001" + "0000": &LeaderChangeRecord{LeaderID: 1, Voters: []LeaderChangeVoter{{VoterID: 1}}, GrantingVoters: []LeaderChangeVoter{{VoterID: 1}}},
		"0000000000000000000500":                      &SnapshotHeaderRecord{LastContainedLogTimestamp: 5},
		"000000":                                      &SnapshotFooterRecord{},
		"0000000100":                                  &KRaftVersionRecord{KRaftVersion: 1},
		"0000" + "02" + "00000001" + "07000000000000000000000000000000" + "02" + "0b434f4e54524f4c4c4552" + "0268" + "2385" + "00" + "00000001" + "00" + "00" + "00": &VotersRecord{Voters: voters},
	} {
		b := AppendControl(nil, c)
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("%T: %s, want %s", c, got, want)
		}
		again, err := ParseControl(c.Kind(), b)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%T: %+v %v", c, again, err)
		}
		if _, err := ParseControl(c.Kind(), b[:len(b)-1]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%T cut: %v", c, err)
		}
	}
	if c, err := ParseControl(77, nil); c != nil || err != nil {
		t.Errorf("unknown kind: %v %v", c, err)
	}
}

// FuzzParse decodes anything: no panic, no memory out of proportion, and what decodes encodes to a record that means the same.
func FuzzParse(f *testing.F) {
	for _, g := range readGolden(f) {
		f.Add(g.value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		v, err := Parse(value)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		ours := Append(nil, v)
		again, err := Parse(ours)
		if err != nil || !bytes.Equal(Append(nil, again), ours) {
			t.Fatalf("%x\n%x %v", ours, Append(nil, again), err)
		}
	})
}
