package tools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/argparse"
)

// featuresTool is kafka-features.
var featuresTool = Tool{Name: "kafka-features", Summary: "show, upgrade and downgrade the features of a cluster", Run: runFeatures}

// Kinds of updates in UpdateFeatures.
const (
	upgradeFeature         = 1
	safeDowngradeFeature   = 2
	unsafeDowngradeFeature = 3
)

// features is one run of kafka-features.
type features struct {
	*argparse.Parser
	env       *Env
	endpoints endpoints

	nodeID                         *argparse.Argument
	upgrade, downgrade, disable    updateOptions
	mappingRelease, dependencyList *argparse.Argument
}

// updateOptions are those of a subcommand that changes features.
type updateOptions struct{ metadata, release, feature, unsafe, dryRun *argparse.Argument }

func newFeatures(env *Env) *features {
	t := &features{Parser: argparse.New("kafka-features", "This tool manages feature flags in Kafka."), env: env}
	connection := t.Exclusive()
	t.endpoints.server = connection.Option("The brokers to ask first, as host:port, separated by commas.", "--bootstrap-server")
	t.endpoints.controller = connection.Option("The controllers to ask first, in the same form.", "--bootstrap-controller")
	t.endpoints.config = t.Option("Property file for the client.", "--command-config")
	describe := t.Command("describe", "Show the features and their levels.")
	t.nodeID = describe.Option("The node to ask; any without it.", "--node-id").As(argparse.Integer)

	update := func(name, help string) (o updateOptions) {
		c := t.Command(name, help)
		if name != "disable" {
			o.metadata = c.Option("DEPRECATED -- The release that metadata.version is set to, for example 3.3-IV3.", "--metadata")
			o.release = c.Option("The release whose levels all features are set to, for example 3.9-IV0; version-mapping shows them.", "--release-version")
		}
		o.feature = c.Option("A feature and its level, as feature=level, for example `metadata.version=5`.", "--feature").As(argparse.Append)
		if name != "upgrade" {
			o.unsafe = c.Option("Do it even if metadata may be lost for good.", "--unsafe").As(argparse.StoreTrue)
		}
		o.dryRun = c.Option("Say whether it can be done, without doing it.", "--dry-run").As(argparse.StoreTrue)
		return o
	}
	t.upgrade = update("upgrade", "Upgrade features.")
	t.downgrade = update("downgrade", "Downgrade features.")
	t.disable = update("disable", "Disable features: downgrade them to level 0.")
	mapping := t.Command("version-mapping", "Show the levels of the features that belong to a release, or to the latest stable one.")
	t.mappingRelease = mapping.Option("The release. The minimum is 3.3-IV3; the default is 4.3-IV0", "--release-version")
	dependencies := t.Command("feature-dependencies", "Show what levels of features need.")
	t.dependencyList = dependencies.Option("A feature and its level, as feature=version, for example `metadata.version=5`. May be repeated.", "--feature").As(argparse.Append).Required()
	return t
}

func runFeatures(ctx context.Context, env *Env, args []string) int {
	t := newFeatures(env)
	ns, at, err := t.Parse(args)
	var refused *argparse.Error
	switch {
	case errors.Is(err, argparse.ErrHelp):
		at.PrintHelp(env.Stdout)
		return 0
	case errors.As(err, &refused):
		env.errorf("Command line error: %s. Type --help for help.", refused.Message)
		return 1
	}
	return env.finish(ctx, t.run(ctx, ns))
}

func (t *features) run(ctx context.Context, ns *argparse.Namespace) error {
	switch ns.Command() {
	case "version-mapping":
		return t.env.printVersionMapping(ns.Value(t.mappingRelease))
	case "feature-dependencies":
		for _, text := range ns.Values(t.dependencyList) {
			name, level, err := parseFeature(text)
			if err == nil {
				err = t.env.printFeatureDependencies(name, level, "No feature:%[2]s with feature level %[1]d")
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if !ns.Has(t.endpoints.server) && !ns.Has(t.endpoints.controller) {
		t.env.errorf("Command line error: You must specify either --bootstrap-controller or --bootstrap-server.. Type --help for help.")
		return silent{}
	}
	var updates map[string]int16
	kind, op := int8(upgradeFeature), ns.Command()
	options := map[string]updateOptions{"upgrade": t.upgrade, "downgrade": t.downgrade, "disable": t.disable}[op]
	if op != "describe" {
		var err error
		if updates, err = t.updates(ns, op, options); err != nil {
			return err
		}
		if op != "upgrade" {
			kind = safeDowngradeFeature
			if ns.Has(options.unsafe) {
				kind = unsafeDowngradeFeature
			}
		}
	}
	to, err := t.endpoints.dial(ctx, ns)
	if err != nil {
		return err
	}
	defer to.client.Close()
	if op == "describe" {
		return t.describe(ctx, to, ns)
	}
	return t.update(ctx, to, op, kind, updates, ns.Has(options.dryRun))
}

// silent is an error that has been told.
type silent struct{}

func (silent) Error() string { return "" }

// describe shows the features of a node.
func (t *features) describe(ctx context.Context, to *target, ns *argparse.Namespace) error {
	var asked kmsg.Requestor = to
	if ns.Has(t.nodeID) {
		asked = to.client.Broker(int(ns.Int(t.nodeID, 0)))
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "gokafka", "tools"
	resp, err := req.RequestWith(ctx, asked)
	if err == nil {
		err = answered(resp.ErrorCode, nil)
	}
	if err != nil {
		return executionError{err}
	}
	finalized := map[string]int16{}
	for _, f := range resp.FinalizedFeatures {
		finalized[f.Name] = f.MaxVersionLevel
	}
	epoch := "-"
	if resp.FinalizedFeaturesEpoch >= 0 {
		epoch = strconv.FormatInt(resp.FinalizedFeaturesEpoch, 10)
	}
	slices.SortFunc(resp.SupportedFeatures, func(a, b kmsg.ApiVersionsResponseSupportedFeature) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for _, f := range resp.SupportedFeatures {
		t.env.printf("Feature: %-40s  SupportedMinVersion: %-15s  SupportedMaxVersion: %-15s  FinalizedVersionLevel: %-15s  Epoch: %s\n",
			f.Name, levelText(f.Name, f.MinVersion), levelText(f.Name, f.MaxVersion), levelText(f.Name, finalized[f.Name]), epoch)
	}
	return nil
}

func levelText(feature string, level int16) string {
	if feature != metadataVersionFeature {
		return strconv.Itoa(int(level))
	}
	if release, ok := metadataVersionName(level); ok {
		return release
	}
	return fmt.Sprintf("UNKNOWN [%d]", level)
}

// updates are the levels that the command line asks for.
//
//nolint:staticcheck // the errors have Kafka's words
func (t *features) updates(ns *argparse.Namespace, op string, o updateOptions) (map[string]int16, error) {
	levels := map[string]int16{}
	put := func(name string, level int16) error {
		if _, twice := levels[name]; twice {
			return fmt.Errorf("Feature %s was specified more than once.", name)
		}
		levels[name] = level
		return nil
	}
	release := o.release != nil && ns.Has(o.release)
	metadata := o.metadata != nil && ns.Has(o.metadata)
	switch {
	case release && (metadata || ns.Has(o.feature)):
		return nil, errors.New("Can not specify `release-version` with other feature flags.")
	case release:
		level, err := metadataVersionLevel(ns.Value(o.release), false)
		if err != nil {
			return nil, err
		}
		levels[metadataVersionFeature] = level
		for _, f := range knownFeatures {
			if at := f.at(level); op != "upgrade" || at > 0 {
				levels[f.name] = at
			}
		}
	case metadata:
		t.env.println(" `metadata` flag is deprecated and may be removed in a future release.")
		level, err := metadataVersionLevel(ns.Value(o.metadata), false)
		if err != nil {
			return nil, err
		}
		levels[metadataVersionFeature] = level
	}
	for _, text := range ns.Values(o.feature) {
		name, level, err := text, int16(0), error(nil)
		if op != "disable" {
			name, level, err = parseFeature(text)
		}
		if err == nil {
			err = put(name, level)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(levels) == 0 {
		return nil, errors.New("You must specify at least one feature to " + op)
	}
	return levels, nil
}

// update sets levels, and tells of each feature how it went.
func (t *features) update(ctx context.Context, to *target, op string, kind int8, levels map[string]int16, dry bool) error {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.ValidateOnly = dry
	names := slices.Sorted(maps.Keys(levels))
	for _, name := range names {
		u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		u.Feature, u.MaxVersionLevel, u.UpgradeType, u.AllowDowngrade = name, levels[name], kind, kind != upgradeFeature
		req.FeatureUpdates = append(req.FeatureUpdates, u)
	}
	resp, err := req.RequestWith(ctx, to)
	if err == nil {
		err = answered(resp.ErrorCode, resp.ErrorMessage)
	}
	each := map[string]error{}
	if err == nil {
		for _, r := range resp.Results {
			each[r.Feature] = answered(r.ErrorCode, r.ErrorMessage)
		}
	}
	failed := 0
	for _, name := range names {
		goal, past := fmt.Sprintf("%s %s to %d", op, name, levels[name]), fmt.Sprintf("%sd to %d.", op, levels[name])
		if op == "disable" {
			goal, past = "disable "+name, "disabled."
		}
		problem := err
		if problem == nil {
			problem = each[name]
		}
		switch {
		case problem != nil && dry:
			t.env.printf("Can not %s. %s\n", goal, exceptionOf(problem).message)
		case problem != nil:
			t.env.printf("Could not %s. %s\n", goal, exceptionOf(problem).message)
		case dry:
			t.env.println(name + " can be " + past)
		default:
			t.env.println(name + " was " + past)
		}
		if problem != nil {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d out of %d operation(s) failed.", failed, len(levels)) //nolint:staticcheck // Kafka's words
	}
	return nil
}
