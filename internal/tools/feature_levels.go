package tools

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// metadataVersionFeature is the feature that names a release.
const metadataVersionFeature = "metadata.version"

// firstMetadataVersion is the level of the first of metadataVersions; latestMetadataVersion is what 4.3.1 formats with.
const (
	firstMetadataVersion  = 7
	latestMetadataVersion = 30
)

// metadataVersions are the levels of metadata.version that Kafka 4.3.1 knows. The last one is not stable yet.
var metadataVersions = []string{
	"3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4",
	"3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0",
}

// metadataVersionName is the release of a level.
func metadataVersionName(level int16) (string, bool) {
	i := int(level) - firstMetadataVersion
	if i < 0 || i >= len(metadataVersions) {
		return "", false
	}
	return metadataVersions[i], true
}

// metadataVersionLevel finds the level of a release: "4.0-IV1", or the last one of "4.0" or "4.0.1".
func metadataVersionLevel(release string, stableOnly bool) (int16, error) {
	known := metadataVersions
	if stableOnly {
		known = known[:latestMetadataVersion-firstMetadataVersion+1]
	}
	name := release
	if parts := strings.Split(release, "."); len(parts) > 2 {
		name = strings.Join(parts[:2], ".")
	}
	for i, v := range slices.Backward(known) {
		if short, _, _ := strings.Cut(v, "-"); v == name || short == name {
			return int16(firstMetadataVersion + i), nil
		}
	}
	return 0, fmt.Errorf("Unknown metadata.version '%s'. Supported metadata.version are: %s", release, strings.Join(known, ", ")) //nolint:staticcheck // Kafka's words
}

// knownFeature is a feature besides metadata.version.
type knownFeature struct {
	name string
	max  int16
	// since are the levels that releases come with: from a metadata.version on.
	since []featureSince
	// needs is the metadata.version without which the feature cannot be above 0.
	needs int16
}

type featureSince struct{ metadataVersion, level int16 }

// knownFeatures are in the order in which Kafka's tools list them.
var knownFeatures = []knownFeature{
	{name: "kraft.version", max: 1, since: []featureSince{{21, 1}}},
	{name: "transaction.version", max: 2, since: []featureSince{{24, 2}}},
	{name: "group.version", max: 1, since: []featureSince{{22, 1}}},
	{name: "eligible.leader.replicas.version", max: 1, since: []featureSince{{26, 1}}, needs: 23},
	{name: "share.version", max: 1, since: []featureSince{{28, 1}}},
	{name: "streams.version", max: 1, since: []featureSince{{29, 1}}},
}

// at is the level that a release comes with.
func (f knownFeature) at(metadataVersion int16) (level int16) {
	for _, s := range f.since {
		if metadataVersion >= s.metadataVersion {
			level = s.level
		}
	}
	return level
}

func featureNamed(name string) (knownFeature, bool) {
	i := slices.IndexFunc(knownFeatures, func(f knownFeature) bool { return f.name == name })
	if i < 0 {
		return knownFeature{}, false
	}
	return knownFeatures[i], true
}

// parseFeature reads "name=level".
func parseFeature(text string) (name string, level int16, err error) {
	name, number, ok := strings.Cut(text, "=")
	if !ok {
		return "", 0, fmt.Errorf("Can't parse feature=level string %s: equals sign not found.", text) //nolint:staticcheck // Kafka's words
	}
	name, number = strings.TrimSpace(name), strings.TrimSpace(number)
	n, err := strconv.ParseInt(number, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("Can't parse feature=level string %s: unable to parse %s as a short.", text, number) //nolint:staticcheck // Kafka's words
	}
	return name, int16(n), nil
}

// printVersionMapping shows the levels that a release comes with.
func (e *Env) printVersionMapping(release string) error {
	if release == "" {
		release, _ = metadataVersionName(latestMetadataVersion)
	}
	level, err := metadataVersionLevel(release, false)
	if err != nil {
		return err
	}
	e.printf("%s=%d (%s)\n", metadataVersionFeature, level, release)
	for _, f := range knownFeatures {
		e.printf("%s=%d\n", f.name, f.at(level))
	}
	return nil
}

// printFeatureDependencies shows what a level of a feature needs. unsupported is how the tool tells of a level that is not known.
func (e *Env) printFeatureDependencies(name string, level int16, unsupported string) error {
	if name == metadataVersionFeature {
		release, ok := metadataVersionName(level)
		if !ok {
			return fmt.Errorf("Unknown metadata.version %d", level) //nolint:staticcheck // Kafka's words
		}
		e.printf("%s=%d (%s) has no dependencies.\n", name, level, release)
		return nil
	}
	f, ok := featureNamed(name)
	switch {
	case !ok:
		return fmt.Errorf("Unknown feature: %s", name) //nolint:staticcheck // Kafka's words
	case level < 0 || level > f.max:
		return fmt.Errorf(unsupported, level, name)
	case f.needs == 0 || level == 0:
		e.printf("%s=%d has no dependencies.\n", name, level)
	default:
		release, _ := metadataVersionName(f.needs)
		e.printf("%s=%d requires:\n    %s=%d (%s)\n", name, level, metadataVersionFeature, f.needs, release)
	}
	return nil
}
