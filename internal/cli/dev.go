package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// devDir is where --keep keeps data, in the working directory.
const devDir = ".gokafka"

// devOptions are the flags of dev.
type devOptions struct {
	topics []string
	port   int
	dir    string
	keep   bool
	log    bool
	quiet  bool
}

func newDev(version string, environ []string) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a Kafka for development: one word, and it is there",
		Long: "Runs a broker on localhost until Ctrl-C. Its data is gone then, unless --keep keeps it in " + devDir + " of this directory, or --dir in another one.\n" +
			"Topics are made by those who first ask for them, groups start without delay, and each topic has one partition unless told otherwise.\n" +
			"KAFKA_… variables of the environment are not looked at: that is what gokafka server is for.",
		Example: "  gokafka dev\n  gokafka dev --topics orders:3,payments\n  gokafka dev --keep --port 19092",
		Args:    noArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return o.run(version, environ, cmd)
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.topics, "topics", "t", nil, "make these `topics`, name or name:partitions")
	f.IntVarP(&o.port, "port", "p", 9092, "listen on this `port`; 0 for any free one")
	f.StringVar(&o.dir, "dir", "", "keep the data in this `directory`")
	f.BoolVar(&o.keep, "keep", false, "keep the data in "+devDir+" of this directory")
	f.BoolVar(&o.log, "log", false, "show the broker's log, not only warnings")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the address only")
	return cmd
}

// run starts a server with settings that suit somebody who is trying something out.
func (o *devOptions) run(version string, environ []string, cmd *cobra.Command) (err error) {
	if o.port < 0 || o.port > 65535 {
		return usageError{fmt.Errorf("--port %d: a port is 0 … 65535", o.port)}
	}
	topics, err := parseTopics(strings.Join(o.topics, ","), ",")
	if err != nil {
		return usageError{errors.New("--topics" + strings.TrimPrefix(err.Error(), topicsVariable))}
	}
	dir, kept := o.dir, true
	switch {
	case dir == "" && o.keep:
		dir = devDir
	case dir == "":
		kept = false
		if dir, err = os.MkdirTemp("", "gokafka-dev-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	return runServer(cmd.Context(), serverOptions{
		source: configSource{overrides: []string{
			"listeners=PLAINTEXT://localhost:" + strconv.Itoa(o.port), "log.dirs=" + dir, "auto.create.topics.enable=true",
			"offsets.topic.num.partitions=4",
		}},
		topics: topics, quiet: !o.log, version: version, environ: withoutKafka(environ),
		banner: func(s started) {
			if o.quiet {
				fmt.Fprintln(cmd.OutOrStdout(), s.bootstrap())
				return
			}
			printDev(cmd.OutOrStdout(), s, topics, kept)
		},
	}, cmd.InOrStdin(), cmd.ErrOrStderr(), cmd.ErrOrStderr())
}

// withoutKafka leaves the settings of a broker out of an environment.
func withoutKafka(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasPrefix(v, "KAFKA_") })
}

// snippets are the first lines of a program, by client.
var snippets = []struct{ client, code string }{
	{"shell", "gokafka produce %[2]s hello -b %[1]s && gokafka consume %[2]s -e -b %[1]s"},
	{"kcat", "echo hello | kcat -b %[1]s -t %[2]s -P && kcat -b %[1]s -t %[2]s -C -e"},
	{"Java", "props.put(\"bootstrap.servers\", \"%[1]s\");  // kafka-clients"},
	{"Spring", "spring.kafka.bootstrap-servers=%[1]s"},
	{"Python", "KafkaProducer(bootstrap_servers=\"%[1]s\").send(\"%[2]s\", b\"hello\").get()  # kafka-python\n" +
		"Producer({\"bootstrap.servers\": \"%[1]s\"}).produce(\"%[2]s\", b\"hello\")  # confluent-kafka"},
	{"Node.js", "new Kafka({ brokers: [\"%[1]s\"] }).producer()  // kafkajs"},
	{"Go", "kgo.NewClient(kgo.SeedBrokers(\"%[1]s\"), kgo.ConsumeTopics(\"%[2]s\"))  // franz-go"},
	{".NET", "new ProducerBuilder<string, string>(new ProducerConfig { BootstrapServers = \"%[1]s\" }).Build()"},
	{"Rust", "ClientConfig::new().set(\"bootstrap.servers\", \"%[1]s\").create()  // rdkafka"},
}

// printDev says where the broker is and how to begin.
func printDev(w io.Writer, s started, topics []topicSpec, kept bool) {
	c := coloursFor(w)
	fmt.Fprintf(w, "\nKafka is at %s (ready in %s)\n\n", c.bold(s.bootstrap()), s.took.Round(time.Millisecond))
	data := s.logDirs[0] + ", gone when this ends (--keep keeps it)"
	if kept {
		data = s.logDirs[0]
	}
	fmt.Fprintf(w, "  data    %s\n", data)
	if len(topics) > 0 {
		names := make([]string, len(topics))
		for i, t := range topics {
			names[i] = t.name
		}
		fmt.Fprintf(w, "  topics  %s\n", strings.Join(names, ", "))
	} else {
		fmt.Fprintf(w, "  topics  come into being when they are used\n")
	}
	topic := "test"
	if len(topics) > 0 {
		topic = topics[0].name
	}
	fmt.Fprintln(w)
	for _, s2 := range snippets {
		code := fmt.Sprintf(s2.code+"%[3]s", s.bootstrap(), topic, "")
		for i, line := range strings.Split(code, "\n") {
			name := s2.client
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(w, "  %s%s %s\n", c.cyan(name), strings.Repeat(" ", 7-len(name)), line)
		}
	}
	if _, port, err := net.SplitHostPort(s.bootstrap()); err == nil && port != "9092" {
		fmt.Fprintf(w, "\n  export GOKAFKA_BOOTSTRAP=%s  %s\n", s.bootstrap(), c.dim("# saves -b"))
	}
	fmt.Fprintf(w, "\n%s\n", c.dim("Ctrl-C ends it."))
}
