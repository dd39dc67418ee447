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

	"github.com/twmb/franz-go/pkg/kmsg"
)

// golden is what Apache Kafka has made of one key and one value, see test/golden.
type golden struct {
	log, kind, version string
	key                bool
	bytes              []byte
	content            map[string]any
}

func readGolden(t testing.TB) []golden {
	text, err := os.ReadFile("testdata/apache.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(line, " ", 6)
		if parts[0] == "#" {
			continue
		}
		g := golden{log: parts[0], kind: parts[1], version: parts[2], key: parts[3] == "key"}
		if g.bytes, err = hex.DecodeString(parts[4]); err != nil {
			t.Fatal(line, err)
		}
		if err := json.Unmarshal([]byte(parts[5]), &g.content); err != nil {
			t.Fatal(line, err)
		}
		all = append(all, g)
	}
	return all
}

// ofKmsg are the kinds that kmsg has.
func ofKmsg(g golden) bool {
	return g.log == "transaction" || g.log == "group" && (g.kind == "0" || g.kind == "1" || g.kind == "2")
}

// TestBytesOfEveryKind decodes what Apache wrote of every kind of record, compares every field, and encodes it again.
func TestBytesOfEveryKind(t *testing.T) {
	parsers := map[string]func(key, value []byte) (Key, Value, error){"group": ParseGroup, "share": ParseShare}
	seen := map[string]int{}
	var key []byte
	for _, g := range readGolden(t) {
		if ofKmsg(g) {
			continue
		}
		seen[g.log]++
		t.Run(g.log+" "+g.kind+" "+g.version, func(t *testing.T) {
			if g.key {
				key = g.bytes
				k, v, err := parsers[g.log](g.bytes, nil)
				if err != nil || v != nil {
					t.Fatal(v, err)
				}
				checkFields(t, g.content, reflect.ValueOf(k).Elem())
				if ours := AppendKey(nil, k); !bytes.Equal(ours, g.bytes) {
					t.Errorf("\nApache %x\nours   %x", g.bytes, ours)
				}
				return
			}
			k, v, err := parsers[g.log](key, g.bytes)
			if err != nil {
				t.Fatal(err)
			}
			if k.Kind() != v.Kind() {
				t.Errorf("%T with %T", k, v)
			}
			checkFields(t, g.content, reflect.ValueOf(v).Elem())
			if ours := AppendValue(nil, v); !bytes.Equal(ours, g.bytes) {
				t.Errorf("\nApache %x\nours   %x", g.bytes, ours)
			}
		})
	}
	if seen["group"] != 5*19 || seen["share"] != 5*2 {
		t.Errorf("%v golden lines", seen)
	}
}

func checkFields(t *testing.T, want map[string]any, got reflect.Value) {
	t.Helper()
	for key, w := range want {
		f := got.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, key) })
		if !f.IsValid() {
			t.Errorf("%s has no field for %s", got.Type(), key)
			continue
		}
		checkField(t, key, w, f)
	}
}

func checkField(t *testing.T, key string, want any, got reflect.Value) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		if got.Kind() == reflect.Pointer {
			got = got.Elem()
		}
		checkFields(t, w, got)
	case []any:
		if got.Len() != len(w) {
			t.Errorf("%s: %d elements, want %d", key, got.Len(), len(w))
			return
		}
		for i := range w {
			checkField(t, key, w[i], got.Index(i))
		}
	default:
		if g := plain(got); g != want {
			t.Errorf("%s: %v, want %v", key, g, want)
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
	case string:
		return x
	}
	switch {
	case (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice) && v.IsNil():
		return nil
	case v.Kind() == reflect.Pointer:
		return plain(v.Elem())
	case v.CanUint():
		return float64(v.Uint())
	default:
		return float64(v.Int())
	}
}

// TestBytesOfKmsg checks that kmsg writes the kinds that this package leaves to it as Apache does.
func TestBytesOfKmsg(t *testing.T) {
	type codec interface {
		ReadFrom([]byte) error
		AppendTo([]byte) []byte
	}
	n := 0
	for _, g := range readGolden(t) {
		if !ofKmsg(g) || g.log == "group" && g.kind == "0" && !g.key { // the value of kind 0 is that of kind 1 in version 0
			continue
		}
		n++
		m := map[string]codec{
			"group 0 true":        new(kmsg.OffsetCommitKey),
			"group 1 true":        new(kmsg.OffsetCommitKey),
			"group 1 false":       new(kmsg.OffsetCommitValue),
			"group 2 true":        new(kmsg.GroupMetadataKey),
			"group 2 false":       new(kmsg.GroupMetadataValue),
			"transaction 0 true":  new(kmsg.TxnMetadataKey),
			"transaction 0 false": new(kmsg.TxnMetadataValue),
		}[g.log+" "+g.kind+" "+map[bool]string{true: "true", false: "false"}[g.key]]
		if err := m.ReadFrom(g.bytes); err != nil {
			t.Errorf("%+v: %v", g, err)
		} else if ours := m.AppendTo(nil); !bytes.Equal(ours, g.bytes) {
			t.Errorf("%s %s %s\nApache %x\nkmsg   %x", g.log, g.kind, g.version, g.bytes, ours)
		}
	}
	if n < 30 {
		t.Errorf("%d golden lines", n)
	}
}

// TestDefaultsOfTags has what Apache leaves out, and what it writes although it is null.
func TestDefaultsOfTags(t *testing.T) {
	for want, v := range map[string]Value{
		"0000" + "00" + "00" + "01" + "01" + "01" + "00" + "ffffffff" + "00" + "01000100": &ConsumerGroupMemberMetadataValue{RebalanceTimeoutMs: -1},
		"0000" + "00" + "00" + "01" + "01" + "01" + "00" + "ffffffff" + "00" + "00":       &ConsumerGroupMemberMetadataValue{RebalanceTimeoutMs: -1, ClassicMemberMetadata: &ClassicMemberMetadata{}},
		"0000" + "00000003" + "00":                                            &ConsumerGroupMetadataValue{Epoch: 3},
		"0000" + "00000003" + "0000000000000000" + "00":                       &StreamsGroupMetadataValue{Epoch: 3, ValidatedTopologyEpoch: -1, LastAssignmentConfigs: []KeyValue{}},
		"0000" + "00000003" + "00000000" + "0000000000000000" + "01" + "00":   &ShareUpdateValue{SnapshotEpoch: 3, DeliveryCompleteCount: -1},
		"0000" + "00000003" + "0000000000000000" + "01" + "00" + "0400000005": &StreamsGroupMetadataValue{Epoch: 3, ValidatedTopologyEpoch: 5, LastAssignmentConfigs: []KeyValue{}},
		"0000" + "00000003" + "00000002" + "00" + "01" + "01" + "00":          &ConsumerGroupCurrentMemberAssignmentValue{MemberEpoch: 3, PreviousMemberEpoch: 2},
	} {
		if got := hex.EncodeToString(AppendValue(nil, v)); got != want {
			t.Errorf("%T: %s, want %s", v, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	key := AppendKey(nil, &ConsumerGroupMetadataKey{GroupID: "g"})
	value := AppendValue(nil, &ConsumerGroupMetadataValue{Epoch: 1, MetadataHash: 2})
	for name, c := range map[string]struct {
		key, value []byte
		want       error
	}{
		"no key":         {nil, value, ErrMalformed},
		"no kind":        {key[:1], value, ErrMalformed},
		"kind of kmsg":   {[]byte{0, 1, 0, 0}, value, ErrUnknownKind},
		"kind 18":        {[]byte{0, 18, 0, 0}, value, ErrUnknownKind},
		"kind -1":        {[]byte{0xff, 0xff}, value, ErrUnknownKind},
		"key cut":        {key[:len(key)-1], value, ErrMalformed},
		"null in key":    {[]byte{0, 3, 0xff, 0xff}, value, ErrMalformed},
		"no version":     {key, []byte{}, ErrMalformed},
		"version 1":      {key, append([]byte{0, 1}, value[2:]...), ErrMalformed},
		"version -1":     {key, append([]byte{0xff, 0xff}, value[2:]...), ErrMalformed},
		"value cut":      {key, value[:len(value)-1], ErrMalformed},
		"many elements":  {AppendKey(nil, &StreamsGroupTopologyKey{}), []byte{0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}, ErrMalformed},
		"tags backwards": {key, []byte{0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0}, ErrMalformed},
	} {
		if k, v, err := ParseGroup(c.key, c.value); !errors.Is(err, c.want) || k != nil || v != nil {
			t.Errorf("%s: %+v %+v %v", name, k, v, err)
		}
	}
}

// TestParseTakes what newer Kafkas may write: tags that we do not know, and bytes after the end, which Kafka does not look at.
func TestParseTakes(t *testing.T) {
	key := append(AppendKey(nil, &ConsumerGroupMetadataKey{GroupID: "g"}), 9)
	k, v, err := ParseGroup(key, []byte{0, 0, 0, 0, 0, 7, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5, 9, 2, 'x', 'y', 1})
	if err != nil || k.(*ConsumerGroupMetadataKey).GroupID != "g" || *v.(*ConsumerGroupMetadataValue) != (ConsumerGroupMetadataValue{7, 5}) {
		t.Errorf("%+v %+v %v", k, v, err)
	}
	if kind, ok := KindOf(key); kind != 3 || !ok {
		t.Error(kind, ok)
	}
	if id, err := GroupID(key); id != "g" || err != nil {
		t.Error(id, err)
	}
	if _, err := GroupID([]byte{0, 1, 0, 5, 'x'}); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, ok := KindOf(key[:1]); ok {
		t.Error("a kind of one byte")
	}
}

// FuzzParse decodes anything: no panic, no memory out of proportion, and what decodes encodes to a record that means the same.
func FuzzParse(f *testing.F) {
	var key []byte
	for _, g := range readGolden(f) {
		if g.key {
			key = g.bytes
		} else {
			f.Add(g.log == "share", key, g.bytes)
		}
	}
	f.Fuzz(func(t *testing.T, share bool, key, value []byte) {
		parse := ParseGroup
		if share {
			parse = ParseShare
		}
		k, v, err := parse(key, value)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknownKind) {
				t.Fatal(err)
			}
			return
		}
		ourKey := AppendKey(nil, k)
		var ours []byte
		if v != nil {
			ours = AppendValue(nil, v)
		}
		k2, v2, err := parse(ourKey, ours)
		if err != nil || !bytes.Equal(AppendKey(nil, k2), ourKey) || (v == nil) != (v2 == nil) {
			t.Fatalf("%x %x %v", ourKey, ours, err)
		}
		if v != nil && !bytes.Equal(AppendValue(nil, v2), ours) {
			t.Fatalf("%x\n%x", ours, AppendValue(nil, v2))
		}
	})
}
