package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The codecs' packages and what they need, pinned for all Python clients.
var pythonCodecs = []string{"lz4==4.4.5", "python-snappy==0.7.3", "cramjam==2.14.0", "zstandard==0.25.0"}

// pythonClients are the rows in Python: kafka-python of four generations, aiokafka, and librdkafka of two through confluent-kafka.
var pythonClients = []struct {
	name, program string
	packages      []string
}{
	{"kafka-python-1.4.7", "kafka_python.py", []string{"kafka-python==1.4.7", "xxhash==4.1.0", "crc32c==2.9.post0"}},
	{"kafka-python-2.0.2", "kafka_python.py", []string{"kafka-python==2.0.2", "xxhash==4.1.0", "crc32c==2.9.post0"}},
	{"kafka-python-2.3.3", "kafka_python.py", []string{"kafka-python==2.3.3", "xxhash==4.1.0", "crc32c==2.9.post0"}},
	{"kafka-python-3.0.12", "kafka_python.py", []string{"kafka-python==3.0.12", "xxhash==4.1.0", "crc32c==2.9.post0"}},
	{"aiokafka-0.14.0", "aiokafka_client.py", []string{"aiokafka==0.14.0", "async-timeout==5.0.1", "packaging==26.3", "typing_extensions==4.16.0"}},
	{"confluent-kafka-2.0.2", "confluent.py", []string{"confluent-kafka==2.0.2"}},
	{"confluent-kafka-2.16.1", "confluent.py", []string{"confluent-kafka==2.16.1"}},
}

func clientRows() []row {
	common := sections[0].scenarios
	var all []row
	for _, c := range pythonClients {
		packages := append(c.packages, pythonCodecs...)
		r := row{
			name: c.name, section: "client", scenarios: common,
			install: func(ctx context.Context, e *env) error { return e.venv(ctx, c.name, packages) },
			run: func(ctx context.Context, e *env, r row, b broker) error {
				return e.program(ctx, r, nil, filepath.Join(e.work, c.name, "bin", "python"), filepath.Join(e.here, "python", c.program), b.addr())
			},
		}
		if c.program == "confluent.py" {
			r.notOn = map[string]map[string]string{"apache-28": {"configs": "2.8 answers INVALID_REQUEST to a wrong value"}}
		}
		all = append(all, r)
	}
	all = append(all, row{
		name: "kafkajs-2.2.4", section: "client", scenarios: common, install: installNode,
		run: func(ctx context.Context, e *env, r row, b broker) error {
			env := []string{"COMPAT_NODE=" + filepath.Join(e.work, "node"), "NODE_NO_WARNINGS=1"}
			return e.program(ctx, r, env, "node", filepath.Join(e.here, "node", "kafkajs.mjs"), b.addr())
		},
	})
	all = append(all, kcatRow())
	for _, name := range []string{"franz-go", "kafka-go", "sarama-0.8.2", "sarama-0.10.2", "sarama-1.0", "sarama-newest"} {
		r := row{
			name: name, section: "client", scenarios: common,
			run: func(ctx context.Context, e *env, r row, b broker) error {
				return e.program(ctx, r, nil, e.goClients(), name, b.addr())
			},
		}
		switch name { // what Apache Kafka 4 has dropped (KIP-896) and gokafka has not
		case "sarama-0.8.2", "sarama-0.10.2":
			r.notOn = map[string]map[string]string{"apache-4": {"": "Kafka 4 takes no message sets"}}
		case "sarama-1.0":
			r.notOn = map[string]map[string]string{"apache-4": {"configs": "Kafka 4 has no DescribeConfigs 0"}}
		}
		all = append(all, r)
	}
	return all
}

// venv makes a virtual environment with exactly these packages.
func (e *env) venv(ctx context.Context, name string, packages []string) error {
	python, err := exec.LookPath("python3.11")
	if err != nil { // older and newer ones do, as far as kafka-python 1.4 and 2.0 can be imported
		if python, err = exec.LookPath("python3"); err != nil {
			return err
		}
	}
	return e.once(name, python+"\n"+strings.Join(packages, "\n"), func(dir string) error {
		if _, err := e.command(ctx, python, "-m", "venv", dir); err != nil {
			return err
		}
		_, err := e.command(ctx, filepath.Join(dir, "bin", "python"), append([]string{"-m", "pip", "install", "--quiet", "--no-deps",
			"--disable-pip-version-check"}, packages...)...)
		return err
	})
}

func installNode(ctx context.Context, e *env) error {
	lock, err := os.ReadFile(filepath.Join(e.here, "node", "package-lock.json"))
	if err != nil {
		return err
	}
	return e.once("node", string(lock), func(dir string) error {
		for _, f := range []string{"package.json", "package-lock.json"} {
			b, err := os.ReadFile(filepath.Join(e.here, "node", f))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o644); err != nil {
				return err
			}
		}
		_, err := e.command(ctx, "npm", "ci", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts")
		return err
	})
}

func (e *env) goClients() string { return filepath.Join(e.work, "goclients") }

func (e *env) buildGoClients(ctx context.Context) error {
	_, err := e.command(ctx, "go", "build", "-o", e.goClients(), "./test/compat/goclients")
	return err
}

// needKcat finds kcat, which no registry of a language has.
func needKcat(context.Context, *env) error {
	if _, err := exec.LookPath("kcat"); err != nil {
		return errors.New("kcat is not here: apt-get install kcat")
	}
	return nil
}
