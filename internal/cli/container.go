package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gokafka/gokafka/internal/config"
)

// What the images' scripts call (container/files): `run` is all that Apache's /etc/kafka/docker/run does; `configure` and `launch` are its two
// halves, between which the scripts of Confluent's image let others change the file.

func newContainer(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "container",
		Short: "Be the broker of a container image",
		Long: "What the scripts of gokafka's container images call. The configuration comes from KAFKA_… variables by the rules of Kafka's images, over the\n" +
			"file that is mounted as /mnt/shared/config/server.properties, over defaults with which a single node works.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var layout string
	add := func(use, short string, run func(cmd *cobra.Command, c *container) error) *cobra.Command {
		sub := &cobra.Command{
			Use: use, Short: short,
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := openContainer("/", layout, environ, args)
				if err != nil {
					return err
				}
				return run(cmd, c)
			},
		}
		sub.Flags().StringVar(&layout, "layout", "apache", "whose image: apache (writes "+layouts["apache"]+") or confluent ("+layouts["confluent"]+")")
		cmd.AddCommand(sub)
		return sub
	}
	o := serverOptions{version: version}
	serve := func(cmd *cobra.Command, c *container) error {
		o.environ = c.environ
		o.source = configSource{container: c}
		var err error
		if o.topics, err = c.topics(); err != nil {
			return err
		}
		return runServer(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	run := add("run [NAME=value]…", "Write the configuration and run the broker; arguments are added to the environment", func(cmd *cobra.Command, c *container) error {
		if err := c.write(); err != nil && !readOnly(err) {
			return err
		}
		return serve(cmd, c)
	})
	launch := add("launch", "Run the broker with the file that configure wrote, as it is now", func(cmd *cobra.Command, c *container) error {
		c.written = true
		return serve(cmd, c)
	})
	for _, sub := range []*cobra.Command{run, launch} {
		sub.Flags().StringVar(&o.logFormat, "log-format", formatKafka, "`format` of the log on standard output: text, json or kafka")
	}
	add("configure", "Write the configuration that follows from the environment", func(_ *cobra.Command, c *container) error {
		if err := c.write(); err != nil && !readOnly(err) {
			return err
		}
		return nil
	})
	add("health", "Ask the broker of this container whether it serves; exit status 1 if not", func(cmd *cobra.Command, c *container) error {
		return c.health(cmd.Context())
	})
	return cmd
}

// layouts says where each image keeps the configuration that its broker runs with.
var layouts = map[string]string{
	"apache":    "/opt/kafka/config/server.properties",
	"confluent": "/etc/kafka/kafka.properties",
}

// container is the configuration of a broker in a container.
type container struct {
	root    string   // "/", or another folder in tests
	file    string   // where the configuration is written
	environ []string // with the arguments
	written bool     // file is what counts, when it is there
	hints   []string // what the user should be told, see config.Notices
}

func openContainer(root, layout string, environ, args []string) (*container, error) {
	file, ok := layouts[layout]
	if !ok {
		return nil, usageError{fmt.Errorf("--layout %s: write apache or confluent", layout)}
	}
	for _, a := range args {
		if !strings.Contains(a, "=") {
			return nil, usageError{fmt.Errorf("unexpected argument %q: write NAME=value", a)}
		}
	}
	return &container{root: root, file: file, environ: slices.Concat(environ, args)}, nil
}

// mounted are the places of a configuration that a user hands in, Apache's first.
var mounted = []string{"/mnt/shared/config/server.properties", "/bitnami/kafka/config/server.properties"}

// entries are the configuration; the errors are those of a file.
func (c *container) entries() (entries []config.Entry, mistakes []error) {
	if c.written {
		text, err := os.ReadFile(path.Join(c.root, c.file))
		if err == nil {
			return parsed(c.file, text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, []error{err}
		}
	}
	for _, name := range mounted {
		text, err := os.ReadFile(path.Join(c.root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, []error{err}
		}
		entries, mistakes = parsed(name, text)
		break
	}
	variables, err := c.variables()
	if err != nil {
		mistakes = append(mistakes, err)
	}
	entries = append(entries, config.FromEnviron(variables)...)
	return append(c.defaults(entries), entries...), mistakes
}

func parsed(name string, text []byte) ([]config.Entry, []error) {
	entries, err := config.Parse(name, text)
	if err != nil {
		return entries, []error{err}
	}
	return entries, nil
}

// defaults lie under what a user sets, key by key; Kafka's image drops all of its own as soon as one variable is set (KAFKA-17953).
func (c *container) defaults(over []config.Entry) []config.Entry {
	set := func(keys ...string) bool {
		return slices.ContainsFunc(over, func(e config.Entry) bool { return slices.Contains(keys, e.Key) })
	}
	var under []config.Entry
	add := func(key, value string) {
		if k, known := config.LookupKey(key); known && k.Honoured() { // nobody wants to hear what became of a default
			under = append(under, config.Entry{Key: key, Value: value, Source: "the image"})
		}
	}
	if !set("listeners", "advertised.listeners", "host.name", "port", "advertised.host.name", "advertised.port") {
		add("listeners", "PLAINTEXT://:9092") // and each client is told the address that it has connected to
	}
	if !set("log.dirs", "log.dir") {
		add("log.dirs", c.dataDir())
	}
	for _, key := range []string{
		"offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr",
		"share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr",
	} {
		add(key, "1")
	}
	add("group.initial.rebalance.delay.ms", "0")
	return under
}

// dataDirs are where the images of others keep their data: one of them is used when there are data in it already, or when a user has mounted something
// there. The last one is the images' declared volume, which is always mounted.
var dataDirs = []string{"/tmp/kraft-combined-logs", "/bitnami/kafka/data", "/var/lib/kafka/data"}

func (c *container) dataDir() string {
	for _, d := range dataDirs {
		if _, err := os.Stat(path.Join(c.root, d, "meta.properties")); err == nil {
			return d
		}
	}
	points := mountPoints(c.root)
	for _, d := range dataDirs[:len(dataDirs)-1] {
		if slices.Contains(points, d) || path.Dir(d) != "/tmp" && slices.Contains(points, path.Dir(d)) {
			return d
		}
	}
	return dataDirs[len(dataDirs)-1]
}

// mountPoints are the folders at which something is mounted; none where that cannot be told.
func mountPoints(root string) []string {
	text, err := os.ReadFile(path.Join(root, "/proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, fields[4])
		}
	}
	return points
}

// quiet are variables of images that are no configuration of the broker: Confluent's REST proxy, and ours.
var quiet = []string{"KAFKA_REST_", topicsVariable}

// variables is the environment as [config.FromEnviron] takes it: each name once, the last value counts; NAME_FILE replaced by what stands in the file,
// unless it is a key by itself.
func (c *container) variables() ([]string, error) {
	values := map[string]string{}
	var names []string
	for _, v := range c.environ {
		name, value, ok := strings.Cut(v, "=")
		if !ok || slices.ContainsFunc(quiet, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = value
	}
	var errs []error
	out := make([]string, 0, len(names))
	for _, name := range names {
		short, isFile := strings.CutSuffix(name, "_FILE")
		if name == "CLUSTER_ID" && !isClusterID(values[name]) {
			c.hints = append(c.hints, fmt.Sprintf("CLUSTER_ID=%s is not used: an id is 22 characters of URL-safe base64, as kafka-storage random-uuid prints", values[name]))
			continue
		}
		if isFile && !isKey(name) && isKey(short) {
			text, err := os.ReadFile(path.Join(c.root, values[name]))
			if err != nil {
				errs = append(errs, fmt.Errorf("env %s: %w", name, err))
				continue
			}
			out = append(out, short+"="+strings.TrimRight(string(text), "\r\n"))
			continue
		}
		out = append(out, name+"="+values[name])
	}
	return out, errors.Join(errs...)
}

// isClusterID reports whether Kafka takes a text for a cluster id. Confluent's scripts never look at what users of Testcontainers write there ("test-cluster").
func isClusterID(text string) bool {
	id, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(id) == 16
}

// isKey reports whether a variable sets a key that Kafka has.
func isKey(name string) bool {
	entries := config.FromEnviron([]string{name + "=x"})
	if len(entries) == 0 {
		return false
	}
	key := entries[len(entries)-1].Key
	_, known := config.LookupKey(key)
	return known || strings.HasPrefix(key, "listener.name.")
}

// write puts the configuration into the file that the image's broker runs with and that people look at. Mistakes in it are left to the broker.
func (c *container) write() error {
	entries, mistakes := c.entries()
	if len(mistakes) > 0 {
		return &configError{errors.Join(mistakes...)}
	}
	var b strings.Builder
	b.WriteString("# Written by gokafka at the start of the container, from the image's defaults, the mounted file and the environment.\n")
	last := map[string]int{}
	for i, e := range entries {
		last[e.Key] = i
	}
	for i, e := range entries {
		if last[e.Key] == i {
			b.WriteString(escape(e.Key, true) + "=" + escape(e.Value, false) + "\n")
		}
	}
	return os.WriteFile(path.Join(c.root, c.file), []byte(b.String()), 0o640) // it may hold passwords
}

// escape writes a key or a value as Java's Properties reads it.
func escape(s string, key bool) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	if key {
		return strings.NewReplacer(" ", `\ `, "=", `\=`, ":", `\:`, "#", `\#`, "!", `\!`).Replace(s)
	}
	if strings.HasPrefix(s, " ") {
		return `\` + s
	}
	return s
}

// readOnly reports whether a file could not be written because the container's user or its root file system does not allow it: then the broker
// takes its configuration from the environment without leaving a copy.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnlyFS) || errors.Is(err, fs.ErrNotExist)
}

// health asks the broker of this container over the first of its listeners that needs no authentication.
func (c *container) health(ctx context.Context) error {
	for _, file := range layouts {
		if _, err := os.Stat(path.Join(c.root, file)); err == nil {
			c.file, c.written = file, true
		}
	}
	source := configSource{container: c}
	cfg, _, err := source.load(nil)
	if err != nil {
		return reportConfig(io.Discard, err)
	}
	return askHealth(ctx, cfg.Listeners())
}
