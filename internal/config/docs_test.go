package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/configuration.md anew")

// TestDocumentation keeps docs/configuration.md the same as the table.
func TestDocumentation(t *testing.T) {
	const name = "../../docs/configuration.md"
	want := document()
	if *rewrite {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says: run go generate ./internal/config", name)
	}
}

const preamble = `# Configuration

<!-- Generated from the table in internal/config by go generate ./internal/config. Do not edit. -->

gokafka reads Apache Kafka's ` + "`server.properties`" + `: the same keys, types, defaults and rules of precedence as Kafka 4.3.1, and the keys of Kafka 2.8 and 3.x
that 4.x no longer has. All mistakes in a file are reported at once, each with its line. Nothing is dropped silently: a key that is set and not
honoured yet, or not known, is named at the start.

    gokafka server [FILE] [--override key=value]…      # later ones win: FILE, then KAFKA_… variables, then --override
    gokafka config check FILE

A variable ` + "`KAFKA_LOG_DIRS`" + ` sets ` + "`log.dirs`" + ` by the rules of Kafka's image: prefix off, lower case, ` + "`___` → `-`, `__` → `_`, `_` → `.`; `KAFKA_CFG_`" + ` is taken for a
prefix too. The scripts' own variables (` + "`KAFKA_HEAP_OPTS`" + ` …) and the links that Kubernetes injects (` + "`KAFKA_PORT=tcp://…`" + `) are skipped. Without a file the node
listens on localhost:9092 only, keeps one copy of internal topics, and ` + "`group.initial.rebalance.delay.ms`" + ` and
` + "`group.consumer.assignment.interval.ms`" + ` are 0.

**What becomes of a key that you set**

| | |
|---|---|
| yes | does what it does in Kafka |
| not yet | accepted, and named in the notice at the start; the feature is planned |
| no effect | accepted, and named in the notice at the start; there is nothing to set in gokafka |
| refused | an error unless it has its default value: the feature would silently be absent |
| class | a Java class: those that stand for what gokafka does anyway are accepted, others are refused where ignoring them would be unsafe |

**dynamic**: may be changed while the broker runs (` + "`kafka-configs.sh --alter`" + `), *cluster* for the whole cluster or one broker, *broker* for one broker only.
` + "`ssl.*` and `sasl.*`" + ` keys may stand behind ` + "`listener.name.<name>.`" + `.
`

func document() string {
	var b strings.Builder
	b.WriteString(preamble)
	b.WriteString("\n## Topics\n\nSet per topic; the default comes from the broker key.\n\n| key | type | default | broker key | allowed | honoured | |\n|---|---|---|---|---|---|---|\n")
	for i := range topicTable {
		k := &topicTable[i]
		if k.flags&internal != 0 {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", k.Name, typeName(k.Type), defaultText(&k.Key), codes(k.Synonyms), k.check.valid, status(&k.Key), k.Doc)
	}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| key | type | default | allowed | dynamic | honoured | |\n|---|---|---|---|---|---|---|\n", s.title)
		for i := range s.keys {
			k := &s.keys[i]
			if k.flags&internal != 0 {
				continue
			}
			dynamic := ""
			if k.PerBroker() {
				dynamic = "broker"
			} else if k.Dynamic() {
				dynamic = "cluster"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", k.Name, typeName(k.Type), defaultText(k), k.check.valid, dynamic, status(k), k.Doc)
		}
	}
	return b.String()
}

func typeName(t Type) string { return strings.ToLower(t.String()) }

func status(k *Key) string {
	return map[flags]string{honour: "yes", later: "not yet", accept: "no effect", class: "class", refuse: "refused", zookeeper: "no effect"}[k.flags&(honour|later|accept|class|refuse|zookeeper)]
}

func defaultText(k *Key) string {
	switch d := k.DefaultValue(); {
	case d == nil:
		return ""
	case *d == "":
		return "empty"
	case *d == "9223372036854775807" || *d == "2147483647" || *d == "1.7976931348623157E308":
		return "unlimited"
	default:
		return "`" + *d + "`"
	}
}

func codes(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
