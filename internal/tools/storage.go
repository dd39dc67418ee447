package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gokafka/gokafka/internal/tools/argparse"
)

// storageTool is kafka-storage. gokafka needs no formatting; scripts and images do it all the same, and what this formats Apache Kafka starts on too.
var storageTool = Tool{Name: "kafka-storage", Summary: "format log directories, and tell about them", Run: runStorage}

// storageCommand is the command line of kafka-storage.
type storageCommand struct {
	*argparse.Parser
	format, info, mapping, dependencies, uuid *argparse.Parser

	formatConfig, infoConfig, clusterID, scram, ignoreFormatted, release, feature *argparse.Argument
	standalone, noControllers, controllers                                        *argparse.Argument
	mappingRelease, dependenciesFeature                                           *argparse.Argument
}

func newStorageCommand() *storageCommand {
	c := &storageCommand{Parser: argparse.New("kafka-storage", "The Kafka storage tool.")}
	const configHelp = "The Kafka configuration file to use."
	c.info = c.Command("info", "Tell about the log directories of this node.")
	c.infoConfig = c.info.Option(configHelp, "--config", "-c").Required()

	c.format = c.Command("format", "Format the log directories of this node.")
	c.formatConfig = c.format.Option(configHelp, "--config", "-c").Required()
	c.clusterID = c.format.Option("The cluster ID to use.", "--cluster-id", "-t").Required()
	c.scram = c.format.Option("A credential to begin with, for example\n'SCRAM-SHA-256=[name=alice,password=alice-secret]'\n"+
		"'SCRAM-SHA-512=[name=alice,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]'", "--add-scram", "-S").As(argparse.Append)
	c.ignoreFormatted = c.format.Option("Leave directories that are formatted already as they are, rather than fail.", "--ignore-formatted", "-g").As(argparse.StoreTrue)
	const releaseHelp = "The minimum is 3.3-IV3; the default is 4.3-IV0"
	c.release = c.format.Option("The release whose levels the features begin with. "+releaseHelp, "--release-version", "-r")
	c.feature = c.format.Option("The level of one feature, as feature=level, for example `kraft.version=1`.", "--feature", "-f").As(argparse.Append)
	quorum := c.format.Exclusive()
	c.standalone = quorum.Option("Make this controller a quorum of one, which can grow. controller.quorum.voters must not be set then.", "--standalone", "-s").As(argparse.StoreTrue)
	c.noControllers = quorum.Option("Format without saying who the controllers are.", "--no-initial-controllers", "-N").As(argparse.StoreTrue)
	c.controllers = quorum.Option("The controllers that the quorum begins with, as id@hostname:port:directory, separated by commas: the same on all nodes. "+
		"controller.quorum.voters must not be set then.", "--initial-controllers", "-I")

	c.mapping = c.Command("version-mapping", "Show the levels of the features that belong to a release, or to the latest stable one.")
	c.mappingRelease = c.mapping.Option("The release. "+releaseHelp, "--release-version", "-r")
	c.dependencies = c.Command("feature-dependencies", "Show what levels of features need.")
	c.dependenciesFeature = c.dependencies.Option("A feature and its level, as feature=version, for example `metadata.version=5`. May be repeated.", "--feature", "-f").As(argparse.Append).Required()
	c.uuid = c.Command("random-uuid", "Print a random UUID.")
	return c
}

func runStorage(_ context.Context, env *Env, args []string) int {
	c := newStorageCommand()
	args, err := expandFiles(args)
	if err != nil {
		env.errorf("%v\n", err)
		return 1
	}
	ns, at, err := c.Parse(args)
	if errors.Is(err, argparse.ErrHelp) {
		at.PrintHelp(env.Stdout)
		return 0
	}
	var refused *argparse.Error
	if errors.As(err, &refused) {
		refused.Print(env.Stderr)
		return 1
	}
	status := 0
	switch ns.Command() {
	case "info":
		status, err = env.storageInfo(ns.Value(c.infoConfig))
	case "format":
		err = c.runFormat(env, ns)
	case "version-mapping":
		err = env.printVersionMapping(ns.Value(c.mappingRelease))
	case "feature-dependencies":
		err = storageDependencies(env, ns.Values(c.dependenciesFeature))
	case "random-uuid":
		env.println(uuidString(newUUID()))
	}
	if err != nil {
		env.errorf("%v\n", err)
		return 1
	}
	return status
}

// expandFiles puts the lines of a file in the place of "@file", as kafka-storage does.
func expandFiles(args []string) ([]string, error) {
	var all []string
	for _, a := range args {
		name, ok := strings.CutPrefix(a, "@")
		if !ok {
			all = append(all, a)
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			all = append(all, strings.TrimRight(line, "\r\n"))
		}
	}
	return all, nil
}

func storageDependencies(env *Env, features []string) error {
	for _, text := range features {
		name, number, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("Invalid feature format: %s. Expected format: 'feature=version' (e.g. 'group.version=1')", text) //nolint:staticcheck // Kafka's words
		}
		level, err := strconv.ParseInt(number, 10, 16)
		if err != nil {
			return fmt.Errorf("Invalid version format: %s for feature %s", number, name) //nolint:staticcheck // Kafka's words
		}
		if err := env.printFeatureDependencies(name, int16(level), "Feature level %d is not supported for feature %s"); err != nil {
			return err
		}
	}
	return nil
}
