package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The pages of documentation are run by test/docs; here it finds the clients that they speak of.

var docScenarios = []string{"clients", "testing"}

func docsRow() row {
	r := row{
		name: "docs", section: "documentation", scenarios: docScenarios, ownBroker: true,
		notOn: map[string]map[string]string{"apache-4": {"": "about gokafka"}, "apache-28": {"": "about gokafka"}},
		run: func(ctx context.Context, e *env, r row, _ broker) error {
			do := map[string]func(context.Context) error{}
			for _, page := range docScenarios {
				do[page] = func(ctx context.Context) error { return e.runPage(ctx, page) }
			}
			return each(ctx, e, r, do)
		},
	}
	r.install = func(ctx context.Context, e *env) error {
		for _, c := range clientRows() {
			if _, ok := docClients[c.name]; ok && c.install != nil {
				if err := c.install(ctx, e); err != nil {
					return err
				}
			}
		}
		if err := e.venv(ctx, "packages-pip", pipPackages); err != nil {
			return err
		}
		_, err := e.command(ctx, filepath.Join(e.here, "kafka", "fetch.sh"))
		return err
	}
	return r
}

// docClients are the rows whose clients the pages use, by the name that the pages give them.
var docClients = map[string]string{
	"kafka-python-3.0.12": "kafka-python", "confluent-kafka-2.16.1": "confluent-kafka", "aiokafka-0.14.0": "aiokafka", "kafkajs-2.2.4": "kafkajs",
}

func (e *env) runPage(ctx context.Context, page string) error {
	cache := os.Getenv("KAFKA_PEER_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		cache = filepath.Join(dir, "kafka-peer")
	}
	with := []string{"go=GOFLAGS:-mod=mod", "java=KAFKA_HOME:" + filepath.Join(cache, "kafka-4"), "kcat=LC_ALL:C", "kafkajs=NODE_PATH:" + filepath.Join(e.work, "node", "node_modules")}
	for row, name := range docClients {
		if name != "kafkajs" {
			with = append(with, name+"=PATH:"+filepath.Join(e.work, row, "bin"))
		}
	}
	if page == "testing" {
		dist, err := e.dist(ctx)
		if err != nil {
			return err
		}
		if err := pipInstall(ctx, e, dist); err != nil {
			return err
		}
		if err := npmInstall(ctx, e, dist); err != nil {
			return err
		}
		with = append(with, "pip=PATH:"+filepath.Dir(e.pip("python")), "npm=NODE_PATH:"+filepath.Join(e.npmDir(), "node_modules"))
	}
	if _, err := exec.LookPath("kcat"); err != nil {
		return needKcat(ctx, e)
	}
	if err := exec.CommandContext(ctx, "sh", "-c", "echo '#include <librdkafka/rdkafka.h>' | cc -E - > /dev/null 2>&1").Run(); err != nil {
		return fmt.Errorf("librdkafka's headers are not here: apt-get install librdkafka-dev (%w)", err)
	}
	with = append(with, "librdkafka=LC_ALL:C")
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-run", "TestPages/docs_"+page+".md", "./test/docs")
	cmd.Env = append(os.Environ(), "GOKAFKA_DOCS_WITH="+strings.Join(with, " "))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out[max(0, len(out)-3000):])
	}
	return nil
}
