package argparse

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// sample has one of everything; what Kafka's tools print for the same arguments is in the tests.
type sample struct {
	*Parser
	format, cluster             *Parser
	config, id, scram, feature  *Argument
	standalone, none, initial   *Argument
	number, server, controllers *Argument
}

func newSample() sample {
	s := sample{Parser: New("kafka-storage", "Formats.")}
	s.format = s.Command("format", "Format the directories")
	s.config = s.format.Option("The file to use", "--config", "-c").Required()
	s.id = s.format.Option("The cluster ID to use.", "--cluster-id", "-t").Required()
	s.scram = s.format.Option("Credentials", "--add-scram", "-S").As(Append)
	s.format.Option("Skip", "--ignore-formatted", "-g").As(StoreTrue)
	s.format.Option("Version", "--release-version", "-r")
	s.feature = s.format.Option("Feature", "--feature", "-f").As(Many)
	g := s.format.Exclusive()
	s.standalone = g.Option("One", "--standalone", "-s").As(StoreTrue)
	s.none = g.Option("None", "--no-initial-controllers", "-N").As(StoreTrue)
	s.initial = g.Option("Some", "--initial-controllers", "-I")
	s.cluster = s.Command("unregister", "Forget a broker")
	s.number = s.cluster.Option("The broker", "--id", "-i").As(Integer)
	must := s.cluster.Exclusive().Required()
	s.server = must.Option("Brokers", "--bootstrap-server", "-b")
	s.controllers = must.Option("Controllers", "--bootstrap-controller", "-C")
	return s
}

func TestParse(t *testing.T) {
	s := newSample()
	n, _, err := s.Parse(strings.Fields("form -c file --cluster-id=abc -S a -Sb --feature x=1 y=2 -gs"))
	if err != nil {
		t.Fatal(err)
	}
	if n.Command() != "format" || n.Value(s.config) != "file" || n.Value(s.id) != "abc" || !n.Has(s.standalone) || n.Has(s.none) {
		t.Errorf("found %+v", n)
	}
	if got := n.Values(s.scram); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("--add-scram: %q", got)
	}
	if got := n.Values(s.feature); !slices.Equal(got, []string{"x=1", "y=2"}) {
		t.Errorf("--feature: %q", got)
	}
	n, _, err = s.Parse(strings.Fields("unregister -b localhost:9092 -i -3"))
	if err != nil || n.Int(s.number, 0) != -3 || n.Value(s.server) != "localhost:9092" {
		t.Errorf("%+v, %v", n, err)
	}
	if _, at, err := s.Parse([]string{"format", "-h"}); !errors.Is(err, ErrHelp) || at != s.format {
		t.Errorf("format -h: %v", err)
	}
}

// TestErrors has what Kafka's tools print on standard error, justified as they are.
func TestErrors(t *testing.T) {
	usage := `usage: kafka-storage format [-h] --config CONFIG --cluster-id CLUSTER_ID
                     [--add-scram ADD_SCRAM] [--ignore-formatted]
                     [--release-version RELEASE_VERSION]
                     [--feature FEATURE [FEATURE ...]] [--standalone |
                     --no-initial-controllers |
                     --initial-controllers INITIAL_CONTROLLERS]
`
	for _, c := range []struct{ args, want string }{
		{"format", usage + "kafka-storage: error: argument --cluster-id/-t is required\n"},
		{"format -c", usage + "kafka-storage: error: argument --config/-c: expected one argument\n"},
		{"format -c x -t y -s -N", usage + "kafka-storage: error:  argument  --no-initial-controllers/-N:  not  allowed\nwith argument --standalone/-s\n"},
		{"bogus", "usage: kafka-storage [-h] {format,unregister} ...\n" +
			"kafka-storage:  error:  invalid  choice:  'bogus'  (choose  from  'format',\n'unregister')\n"},
		{"--bogus", "usage: kafka-storage [-h] {format,unregister} ...\nkafka-storage: error: unrecognized arguments: '--bogus'\n"},
		{"", "usage: kafka-storage [-h] {format,unregister} ...\nkafka-storage: error: too few arguments\n"},
	} {
		_, _, err := newSample().Parse(strings.Fields(c.args))
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		var b strings.Builder
		refused.Print(&b)
		if got := b.String(); got != c.want {
			t.Errorf("%q: got\n%swant\n%s", c.args, got, c.want)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"unregister -i 5", "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required"},
		{"unregister -b x -i abc", `argument --id/-i: could not convert 'abc' to Integer (For input string: "abc")`},
		{"unregister -b x extra more", "unrecognized arguments: 'extra more'"},
		{"unregister --bootstrap x", "ambiguous option: --bootstrap could match --bootstrap-controller, --bootstrap-server"},
	} {
		if _, _, err := newSample().Parse(strings.Fields(c.args)); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.args, err, c.want)
		}
	}
}

func TestHelp(t *testing.T) {
	p := New("kafka-cluster", "The Kafka cluster tool.")
	p.Command("cluster-id", "Get information about the Kafka log directories on this node.")
	list := p.Command("list-endpoints", "List endpoints")
	list.Section("Old brokers", "Only for these").Option("How it is", "--old")
	var b strings.Builder
	p.PrintHelp(&b)
	const want = `usage: kafka-cluster [-h] {cluster-id,list-endpoints} ...

The Kafka cluster tool.

positional arguments:
  {cluster-id,list-endpoints}
    cluster-id           Get information about  the  Kafka  log directories
                         on this node.
    list-endpoints       List endpoints

optional arguments:
  -h, --help             show this help message and exit
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.Reset()
	list.PrintHelp(&b)
	const section = `usage: kafka-cluster list-endpoints [-h] [--old OLD]

optional arguments:
  -h, --help             show this help message and exit

Old brokers:
  Only for these

  --old OLD              How it is
`
	if got := b.String(); got != section {
		t.Errorf("got\n%s\nwant\n%s", got, section)
	}
}
