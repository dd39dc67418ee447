package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gokafka/gokafka/internal/client"
)

func newDoctor(environ []string) *cobra.Command {
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "doctor [HOST:PORT]",
		Short: "Find out why clients cannot work with a broker, and say how to mend it",
		Long: "Does what a client does, step by step: resolves the name, connects, finds out whether TLS or SASL is spoken there, reads which addresses the\n" +
			"brokers advertise, and tries each of them from this machine, since that is where most mistakes are. Then it looks at clocks, disks and\n" +
			"partitions. It changes nothing. Exit status 1 when there is a problem.",
		Example: "  gokafka doctor localhost:9092\n  gokafka doctor kafka.example.com:9093 --command-config client.properties\n  gokafka doctor --format json",
		Args:    atMost(1),
	}
	r := newRemote(cmd, environ)
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			r.bootstrap = args[0]
		}
		config, err := r.config()
		if err != nil {
			return err
		}
		d := doctor{config: config, remote: r, patience: patience}
		for server := range strings.SplitSeq(r.servers(), ",") {
			if server = strings.TrimSpace(server); server != "" {
				d.examine(ctx, server)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.print(cmd.OutOrStdout(), d.findings, func(w io.Writer) { printFindings(w, d.findings) }); err != nil {
			return err
		}
		if slices.ContainsFunc(d.findings, func(f finding) bool { return f.Level == levelProblem }) {
			return exitStatus(1)
		}
		return nil
	})
	cmd.Flags().DurationVar(&patience, "timeout", defaultDoctorPatience, "wait this `time` for each answer")
	r.formatFlag(cmd)
	return cmd
}

// The levels of findings.
const (
	levelOK      = "ok"
	levelWarning = "warning" // works from here and now
	levelProblem = "problem"
)

// finding is one thing that was looked at.
type finding struct {
	Level string `json:"level"`
	Check string `json:"check"`
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"`
}

// doctor examines a cluster.
type doctor struct {
	config   client.Config
	remote   *remote
	patience time.Duration // how long one step of the network may take
	findings []finding
}

func (d *doctor) add(level, check, mend, format string, args ...any) {
	d.findings = append(d.findings, finding{Level: level, Check: check, Text: fmt.Sprintf(format, args...), Mend: mend})
}

// examine looks at a cluster from one of its addresses on. Each step needs the one before.
func (d *doctor) examine(ctx context.Context, server string) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = strings.Trim(server, "[]"), "9092"
	}
	if !d.connects(ctx, host, port) || !d.speaks(ctx, host, port) {
		return
	}
	config := d.config
	config.Bootstrap = net.JoinHostPort(host, port)
	adm, err := (&remote{bootstrap: config.Bootstrap, commandConfig: d.remote.commandConfig, properties: d.remote.properties}).admin(ctx)
	if err != nil {
		d.add(levelProblem, "log-in", "", "%v", err)
		return
	}
	defer adm.Close()
	meta, err := adm.BrokerMetadata(ctx)
	if err != nil {
		d.add(levelProblem, "cluster", "", "the broker does not tell about the cluster: %s", because(err, ""))
		return
	}
	d.add(levelOK, "cluster", "", "cluster %s with %s", meta.Cluster, counted(len(meta.Brokers), "broker"))
	if len(meta.Brokers) == 0 {
		d.add(levelProblem, "cluster", "look into the broker's log: it has not joined the cluster, or the listener that you have asked is not one for clients", "no broker is registered")
		return
	}
	if !d.advertised(ctx, host, port, meta) {
		return // what follows needs all brokers
	}
	d.clocks(ctx, adm)
	d.disks(ctx, adm)
	d.partitions(ctx, adm)
}

func printFindings(w io.Writer, findings []finding) {
	c := coloursFor(w)
	problems, warnings := 0, 0
	for _, f := range findings {
		mark := c.green("✓")
		switch f.Level {
		case levelWarning:
			mark = c.yellow("!")
			warnings++
		case levelProblem:
			mark = c.red("✗")
			problems++
		}
		fmt.Fprintf(w, "%s %s: %s\n", mark, c.bold(f.Check), f.Text)
		for line := range strings.Lines(f.Mend) {
			fmt.Fprintf(w, "    %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	switch {
	case problems > 0:
		fmt.Fprintf(w, "\n%s, %s\n", counted(problems, "problem"), counted(warnings, "warning"))
	case warnings > 0:
		fmt.Fprintf(w, "\nno problems, %s\n", counted(warnings, "warning"))
	default:
		fmt.Fprintln(w, "\nno problems")
	}
}
