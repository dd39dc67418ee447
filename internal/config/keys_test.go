package config

import (
	"strings"
	"testing"
)

func TestTableIsSound(t *testing.T) {
	seen := make(map[string]bool)
	status := honour | later | accept | class | refuse | zookeeper
	check := func(k *Key) {
		if f := k.flags & status; f == 0 || f&(f-1) != 0 {
			t.Errorf("%s: must say exactly once what becomes of it", k.Name)
		}
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: has no sentence that explains it", k.Name)
		}
		if k.flags&cl != 0 && k.flags&pb != 0 {
			t.Errorf("%s: is dynamic for the cluster and only for a broker", k.Name)
		}
		if k.Default == null {
			return
		}
		v, bad := parseValue(k.Type, k.Default)
		if bad == nil {
			bad = k.check.run(k.Name, v)
		}
		if bad != nil {
			t.Errorf("%s: default: %s", k.Name, bad.message(k.Name))
		}
		if v != nil && formatValue(v) != k.Default {
			t.Errorf("%s: default %q is written %q", k.Name, k.Default, formatValue(v))
		}
	}
	for _, s := range sections {
		for i := range s.keys {
			k := &s.keys[i]
			if seen[k.Name] {
				t.Errorf("%s is in the table twice", k.Name)
			}
			seen[k.Name] = true
			check(k)
		}
	}
	for i := range topicTable {
		k := &topicTable[i]
		check(&k.Key)
		for j, s := range k.Synonyms {
			b := byName[s]
			if b == nil {
				t.Errorf("%s: synonym %s is not in the table", k.Name, s)
				continue
			}
			if j == 0 && b.Type != k.Type || b.Honoured() != k.Honoured() {
				t.Errorf("%s: differs from its synonym %s", k.Name, s)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"log.retention.hour": "log.retention.hours", "log.dris": "log.dirs", "Broker.Id": "broker.id", "adverised.listeners": "advertised.listeners",
		"segment.bytes": "log.segment.bytes", "max.message.bytes": "message.max.bytes", "completely.different": "",
	} {
		if got := nearest(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNumbersAsJavaWritesThem(t *testing.T) {
	for f, want := range map[float64]string{0: "0.0", 2: "2.0", 0.5: "0.5", -1.25: "-1.25", 1e7: "1.0E7", 1e-4: "1.0E-4", 1.7976931348623157e308: "1.7976931348623157E308", 123456.75: "123456.75"} {
		if got := formatDouble(f); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
}
