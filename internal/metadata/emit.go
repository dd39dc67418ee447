package metadata

import (
	"github.com/gokafka/gokafka/internal/metadata/records"
)

// records calls emit with records that make this image out of an empty one, in Kafka's order: features first, since they decide how the rest is
// written. It is what a snapshot holds.
func (i *Image) records(emit func(records.Versioned)) {
	i.emitFeatures(emit)
	i.emitCluster(emit)
	i.emitTopics(emit)
	for res, values := range i.configs.all() {
		for _, name := range sortedKeys(values) {
			value := values[name]
			emit(records.V0(&records.ConfigRecord{ResourceType: res.Type, ResourceName: res.Name, Name: name, Value: &value}))
		}
	}
	i.security.emitQuotas(emit)
	if i.producerIDs != nil {
		emit(records.V0(i.producerIDs))
	}
	i.security.emit(emit)
}

func (i *Image) emitFeatures(emit func(records.Versioned)) {
	if level, ok := i.features.get(featureMetadataVersion); ok {
		emit(records.V0(&records.FeatureLevelRecord{Name: featureMetadataVersion, FeatureLevel: level}))
	}
	for name, level := range i.features.all() {
		if name != featureMetadataVersion {
			emit(records.V0(&records.FeatureLevelRecord{Name: name, FeatureLevel: level}))
		}
	}
}

func (i *Image) emitCluster(emit func(records.Versioned)) {
	for _, b := range i.brokers.all() {
		emit(records.Versioned{Version: i.formats().registerBroker, Record: &records.RegisterBrokerRecord{
			BrokerID: b.ID, IsMigratingZkBroker: b.migratingZk, IncarnationID: b.IncarnationID, BrokerEpoch: b.Epoch,
			EndPoints: endpointRecords(b.Endpoints), Features: featureRecords(b.Features), Rack: b.Rack,
			Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, LogDirs: b.LogDirs, CordonedLogDirs: b.CordonedLogDirs,
		}})
	}
	for _, c := range i.controllers.all() {
		emit(records.V0(&records.RegisterControllerRecord{
			ControllerID: c.ID, IncarnationID: c.IncarnationID, ZkMigrationReady: c.ZkMigrationReady,
			EndPoints: endpointRecords(c.Endpoints), Features: featureRecords(c.Features),
		}))
	}
}

func (i *Image) emitTopics(emit func(records.Versioned)) {
	for t := range i.Topics() {
		emit(records.V0(&records.TopicRecord{Name: t.Name, TopicID: t.ID}))
		for id := range t.Partitions {
			emit(t.Partitions[id].record(i, t.ID, int32(id)))
		}
	}
}

// record returns the record that makes p out of nothing.
func (p *Partition) record(i *Image, topicID [16]byte, id int32) records.Versioned {
	r := &records.PartitionRecord{
		PartitionID: id, TopicID: topicID, Replicas: p.Replicas, ISR: p.ISR, RemovingReplicas: p.Removing, AddingReplicas: p.Adding,
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, Directories: p.Directories,
		EligibleLeaderReplicas: nilIfEmpty(p.ELR), LastKnownELR: nilIfEmpty(p.LastKnownELR),
	}
	if p.Recovering {
		r.LeaderRecoveryState = 1
	}
	return records.Versioned{Record: r, Version: i.formats().partition}
}
