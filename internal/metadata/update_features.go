package metadata

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// Upgrade types of UpdateFeatures.
const (
	upgradeOnly     int8 = 1
	safeDowngrade   int8 = 2
	unsafeDowngrade int8 = 3
)

// changedAt are the levels of metadata.version that brought new records: going back below one of them would lose metadata.
var changedAt = []int16{8, 11, 13, 14, 15, 17, 23, 30}

// updateFeatures answers UpdateFeatures 0–2: all updates or none.
func (s *step) updateFeatures(req *kmsg.UpdateFeaturesRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.UpdateFeaturesResponse](req)
	levels := s.img.Features()
	for _, u := range req.FeatureUpdates {
		levels[u.Feature] = u.MaxVersionLevel
	}
	for _, u := range req.FeatureUpdates {
		kind := u.UpgradeType
		if req.Version == 0 {
			if kind = upgradeOnly; u.AllowDowngrade {
				kind = safeDowngrade
			}
		}
		if err := s.updateFeature(u.Feature, u.MaxVersionLevel, kind, levels); err != nil {
			s.records = nil
			_, text := codeOf(err)
			resp.ErrorCode, resp.ErrorMessage = codeOf(refuse(kerr.InvalidUpdateVersion,
				"The update failed for all features since the following feature had an error: %s", *text))
			return resp, nil
		}
		if req.Version <= 1 {
			r := kmsg.NewUpdateFeaturesResponseResult()
			none := "NONE" // so says Kafka 4.3.1
			r.Feature, r.ErrorMessage = u.Feature, &none
			resp.Results = append(resp.Results, r)
		}
	}
	if req.ValidateOnly {
		s.records = nil
	}
	return resp, nil
}

func (s *step) updateFeature(name string, level int16, kind int8, levels map[string]int16) error {
	invalid := func(format string, args ...any) error {
		args = append([]any{level, name}, args...)
		return refuse(kerr.InvalidUpdateVersion, "Invalid update version %d for feature %s. "+format, args...)
	}
	if kind < upgradeOnly || kind > unsafeDowngrade {
		return invalid("The controller does not support the given upgrade type.")
	}
	if level < 0 {
		return invalid("A feature version cannot be less than 0.")
	}
	if why := s.notSupported(name, level); why != "" {
		return invalid("%s", why)
	}
	if !slices.ContainsFunc(SupportedFeatures(), func(f FeatureRange) bool { return f.Name == name }) {
		return invalid("Feature %[2]s not found.")
	}
	current := s.img.Feature(name)
	if name == featureKRaftVersion {
		switch current = s.img.kraftVersion; {
		case level < current:
			return invalid("Can't downgrade the version of this feature.")
		case level > current:
			return invalid("This node is the only voter of a static quorum, and stays so.")
		}
		return nil
	}
	switch {
	case level < current && kind == upgradeOnly:
		return invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case level > current && kind != upgradeOnly:
		return invalid("Can't downgrade to a newer version.")
	}
	if name == featureMetadataVersion {
		return s.updateMetadataVersion(current, level, kind)
	}
	if name == featureELR && level > 0 && levels[featureMetadataVersion] < levelELR {
		return invalid("%s could not be set to %d because it depends on %s level %d", name, level, featureMetadataVersion, levelELR)
	}
	s.add(records.V0(&records.FeatureLevelRecord{Name: name, FeatureLevel: level}))
	if name == featureELR && level > current {
		s.makeELRSafe()
	}
	return nil
}

func (s *step) updateMetadataVersion(current, level int16, kind int8) error {
	if level < current && slices.ContainsFunc(changedAt, func(at int16) bool { return at > level && at <= current }) {
		why := "Refusing to perform the requested downgrade because it might delete metadata information."
		if kind == unsafeDowngrade {
			why = "Unsafe metadata downgrade is not supported in this version."
		}
		return refuse(kerr.InvalidUpdateVersion, "Unsupported metadata.version downgrade from %d to %d. %s", current, level, why)
	}
	s.add(records.V0(&records.FeatureLevelRecord{Name: featureMetadataVersion, FeatureLevel: level}))
	return nil
}

// notSupported says why a node does not support the level, or nothing.
func (s *step) notSupported(name string, level int16) string {
	find := func(list []FeatureRange) *FeatureRange {
		if i := slices.IndexFunc(list, func(f FeatureRange) bool { return f.Name == name }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	reason := func(who string, r *FeatureRange) string {
		switch {
		case r == nil && level == 0, r != nil && level >= r.Min && level <= r.Max:
			return ""
		case r == nil:
			return who + " does not support this feature."
		}
		return fmt.Sprintf("%s only supports versions %d-%d", who, r.Min, r.Max)
	}
	if why := reason(fmt.Sprintf("Local controller %d", s.nodeID), find(SupportedFeatures())); why != "" {
		return why
	}
	for _, b := range s.img.brokers.all() {
		if why := reason(fmt.Sprintf("Broker %d", b.ID), find(b.Features)); why != "" {
			return why
		}
	}
	return ""
}

// makeELRSafe gives all brokers one min.insync.replicas, before partitions begin to keep eligible leader replicas by it (KIP-966).
func (s *step) makeELRSafe() {
	if _, ok := s.img.BrokerConfig(-1)[minInsyncReplicas]; !ok {
		value := fmt.Sprintf("%d", s.config().Int(minInsyncReplicas))
		s.add(records.V0(&records.ConfigRecord{ResourceType: ResourceBroker, Name: minInsyncReplicas, Value: &value}))
	}
	for _, b := range s.img.brokers.all() {
		if _, ok := s.img.BrokerConfig(b.ID)[minInsyncReplicas]; ok {
			s.add(records.V0(&records.ConfigRecord{ResourceType: ResourceBroker, ResourceName: brokerResourceName(b.ID), Name: minInsyncReplicas}))
		}
	}
}
