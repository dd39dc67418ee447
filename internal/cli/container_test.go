package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/config"
)

// containerRoot makes the root of a container with these files.
func containerRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"/opt/kafka/config", "/etc/kafka"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func openTestContainer(t *testing.T, root, layout string, environ, args []string) *container {
	t.Helper()
	c, err := openContainer(root, layout, environ, args)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// effective are the entries that count.
func effective(t *testing.T, c *container) map[string]string {
	t.Helper()
	entries, mistakes := c.entries()
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	m := map[string]string{}
	for _, e := range entries {
		m[e.Key] = e.Value
	}
	return m
}

// TestContainerConfiguration: what a user sets lies over the image's defaults key by key, and from which place.
func TestContainerConfiguration(t *testing.T) {
	for _, tc := range []struct {
		name    string
		files   map[string]string
		environ []string
		args    []string
		want    map[string]string // "-": not set
	}{
		{
			name: "nothing",
			want: map[string]string{"listeners": "PLAINTEXT://:9092", "advertised.listeners": "-", "log.dirs": "/var/lib/kafka/data", "offsets.topic.replication.factor": "1"},
		},
		{
			name: "one variable keeps the defaults (KAFKA-17953)", environ: []string{"KAFKA_NUM_PARTITIONS=3"},
			want: map[string]string{"num.partitions": "3", "listeners": "PLAINTEXT://:9092", "log.dirs": "/var/lib/kafka/data"},
		},
		{
			name: "advertised alone gives the listeners", environ: []string{"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://a:19092"},
			want: map[string]string{"listeners": "PLAINTEXT://0.0.0.0:19092"},
		},
		{
			name: "the old address", environ: []string{"KAFKA_ADVERTISED_HOST_NAME=a", "KAFKA_ADVERTISED_PORT=19092"},
			want: map[string]string{"listeners": "-"},
		},
		{
			name: "mounted file, variable, argument", files: map[string]string{"/mnt/shared/config/server.properties": "num.partitions=1\nnode.id=7\nlog.dirs=/data\n"},
			environ: []string{"KAFKA_NUM_PARTITIONS=2", "KAFKA_NODE_ID=8"}, args: []string{"KAFKA_NUM_PARTITIONS=3"},
			want: map[string]string{"num.partitions": "3", "node.id": "8", "log.dirs": "/data"},
		},
		{
			name: "Bitnami's file", files: map[string]string{"/bitnami/kafka/config/server.properties": "num.partitions=4\n"},
			want: map[string]string{"num.partitions": "4"},
		},
		{
			name: "from a file", files: map[string]string{"/run/secrets/n": "5\n"},
			environ: []string{"KAFKA_NUM_PARTITIONS_FILE=/run/secrets/n", "KAFKA_CFG_LOG_RETENTION_HOURS_FILE=/run/secrets/n"},
			want:    map[string]string{"num.partitions": "5", "log.retention.hours": "5"},
		},
		{
			name: "a key that ends so itself", environ: []string{"KAFKA_SASL_OAUTHBEARER_ASSERTION_FILE=/x"},
			want: map[string]string{"sasl.oauthbearer.assertion.file": "/x"},
		},
		{
			name: "not for the broker", environ: []string{"KAFKA_CREATE_TOPICS=a", "KAFKA_CREATE_TOPICS_SEPARATOR=;", "KAFKA_REST_PORT=1", "KAFKA_PORT=tcp://x:1", "KAFKA_OPTS=-Dx"},
			want: map[string]string{"create.topics": "-", "create.topics.separator": "-", "rest.port": "-", "port": "-", "opts": "-"},
		},
		{
			name: "cluster ids", environ: []string{"CLUSTER_ID=test-cluster"}, want: map[string]string{"cluster.id": "-"},
		},
		{
			name: "a good cluster id", environ: []string{"CLUSTER_ID=MkU3OEVBNTcwNTJENDM2Qk"}, want: map[string]string{"cluster.id": "MkU3OEVBNTcwNTJENDM2Qk"},
		},
		{
			name: "data of Apache's image", files: map[string]string{"/tmp/kraft-combined-logs/meta.properties": "version=1\n"},
			want: map[string]string{"log.dirs": "/tmp/kraft-combined-logs"},
		},
		{
			name: "a volume where Bitnami's image has its data", files: map[string]string{"/proc/self/mountinfo": "1 2 3:4 / /bitnami/kafka rw - ext4 /dev/x rw\n"},
			want: map[string]string{"log.dirs": "/bitnami/kafka/data"},
		},
		{
			name: "a volume for all temporary files is none for data", files: map[string]string{"/proc/self/mountinfo": "1 2 3:4 / /tmp rw - tmpfs tmpfs rw\n"},
			want: map[string]string{"log.dirs": "/var/lib/kafka/data"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := openTestContainer(t, containerRoot(t, tc.files), "apache", tc.environ, tc.args)
			entries, mistakes := c.entries()
			if len(mistakes) > 0 {
				t.Fatal(mistakes)
			}
			cfg, _, err := config.New(entries, config.Defaults{Hostname: "h"})
			if err != nil {
				t.Fatal(err)
			}
			got := effective(t, c)
			for _, key := range slices.Sorted(maps.Keys(tc.want)) {
				value, set := got[key]
				switch {
				case !set:
					value = "-"
				case key == "log.dirs":
					value = strings.Join(cfg.LogDirs(), ",")
				}
				if value != tc.want[key] {
					t.Errorf("%s is %q, want %q", key, value, tc.want[key])
				}
			}
		})
	}
}

// TestContainerFile: configure and launch are the two halves of run, and what others write between them counts.
func TestContainerFile(t *testing.T) {
	environ := []string{"KAFKA_NUM_PARTITIONS=2", `KAFKA_LISTENER_NAME_A_SASL_JAAS_CONFIG=x y="a\b";`}
	root := containerRoot(t, nil)
	configure := openTestContainer(t, root, "confluent", environ, nil)
	if err := configure.write(); err != nil {
		t.Fatal(err)
	}
	launch := openTestContainer(t, root, "confluent", []string{"KAFKA_NUM_PARTITIONS=9"}, nil)
	launch.written = true
	if diff := cmp.Diff(effective(t, configure), effective(t, launch)); diff != "" {
		t.Error("the file says something else than the environment it was made from:\n" + diff)
	}
	name := filepath.Join(root, "/etc/kafka/kafka.properties")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(text, "num.partitions=3\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := effective(t, launch)["num.partitions"]; got != "3" {
		t.Errorf("num.partitions is %s after somebody has changed the file", got)
	}
	elsewhere := openTestContainer(t, containerRoot(t, nil), "confluent", environ, nil)
	elsewhere.written = true // as after a configure on a read-only file system
	if got := effective(t, elsewhere)["num.partitions"]; got != "2" {
		t.Errorf("num.partitions is %s without a file", got)
	}
}

func TestContainerMistakes(t *testing.T) {
	if _, err := openContainer("/", "bitnami", nil, nil); err == nil {
		t.Error("an unknown layout is taken")
	}
	if _, err := openContainer("/", "apache", nil, []string{"word"}); err == nil {
		t.Error("an argument that is no variable is taken")
	}
	c := openTestContainer(t, containerRoot(t, nil), "apache", []string{"KAFKA_NUM_PARTITIONS_FILE=/none"}, nil)
	if _, mistakes := c.entries(); len(mistakes) != 1 || !strings.Contains(mistakes[0].Error(), "env KAFKA_NUM_PARTITIONS_FILE: open ") {
		t.Errorf("a file that is missing: %v", mistakes)
	}
	noFolder := openTestContainer(t, t.TempDir(), "apache", nil, nil)
	if err := noFolder.write(); !readOnly(err) {
		t.Errorf("a folder that is missing keeps the broker from starting: %v", err)
	}
}

func TestTopicsVariable(t *testing.T) {
	for _, tc := range []struct {
		text, separator string
		want            []topicSpec
		err             string
	}{
		{"", "", nil, ""},
		{"a:3:1,b:1:2:compact", ",", []topicSpec{{"a", 3, 1, ""}, {"b", 1, 2, "compact"}}, ""},
		{" a : 3 : 1 ,, b", ",", []topicSpec{{"a", 3, 1, ""}, {"b", -1, -1, ""}}, ""},
		{"a:2:1\nb::1\n", "\n", []topicSpec{{"a", 2, 1, ""}, {"b", -1, 1, ""}}, ""},
		{"a:0", ",", nil, `"a:0": "0" is no number of partitions`},
		{"a:1:many", ",", nil, `"many" is no number of replicas`},
		{"a:1:1:compact:x", ",", nil, "write name:partitions:replicas:cleanup.policy"},
	} {
		got, err := parseTopics(tc.text, tc.separator)
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(topicSpec{})); diff != "" {
			t.Errorf("%q:\n%s", tc.text, diff)
		}
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: error %v, want %q", tc.text, err, tc.err)
		}
	}
	for in, want := range map[string]string{`$'\n'`: "\n", ";": ";", `\n`: "\n"} {
		if got := unquoteSeparator(in); got != want {
			t.Errorf("separator %q is %q", in, got)
		}
	}
}
