package metadata

// The features that a cluster may finalize.
const (
	featureMetadataVersion    = "metadata.version"
	featureELR                = "eligible.leader.replicas.version"
	featureGroupVersion       = "group.version"
	featureShareVersion       = "share.version"
	featureStreamsVersion     = "streams.version"
	featureTransactionVersion = "transaction.version"
	featureKRaftVersion       = "kraft.version"
)

// SupportedFeatures returns what this node supports, as Apache Kafka 4.3.1 does.
func SupportedFeatures() []FeatureRange {
	return []FeatureRange{
		{featureELR, 0, 1},
		{featureGroupVersion, 0, 1},
		{featureKRaftVersion, 0, 1},
		{featureMetadataVersion, 7, 30},
		{featureShareVersion, 0, 1},
		{featureStreamsVersion, 0, 1},
		{featureTransactionVersion, 0, 2},
	}
}

// bootstrapFeatures are the levels that a new cluster of 4.3 begins with, in the order in which Kafka writes them.
var bootstrapFeatures = []FeatureRange{
	{featureMetadataVersion, 30, 30},
	{featureELR, 1, 1},
	{featureGroupVersion, 1, 1},
	{featureShareVersion, 1, 1},
	{featureStreamsVersion, 1, 1},
	{featureTransactionVersion, 2, 2},
}

// formats are the record versions that a metadata.version allows.
type formats struct {
	registerBroker, partition, partitionChange int16
}

// Levels of metadata.version at which record formats changed (MetadataVersion in Kafka).
const (
	levelZkMigration         = 8  // 3.4-IV0
	levelNoEpochBumpOnShrink = 12 // 3.6-IV0, KAFKA-15021
	levelDirectoryAssignment = 17 // 3.7-IV2, KIP-858
	levelELR                 = 23 // 4.0-IV1, KIP-966
	levelCordonedLogDirs     = 30 // 4.3-IV0, KIP-1066
)

func (i *Image) formats() formats {
	level := i.Feature(featureMetadataVersion)
	f := formats{registerBroker: 1} // of 3.3-IV3, the oldest level that 4.x supports
	if level >= levelZkMigration {
		f.registerBroker = 2
	}
	if level >= levelDirectoryAssignment {
		f = formats{3, 1, 1}
	}
	if level >= levelELR {
		f.partition, f.partitionChange = 2, 2
	}
	if level >= levelCordonedLogDirs {
		f.registerBroker = 4
	}
	return f
}

// elrEnabled says whether partitions keep eligible leader replicas (KIP-966).
func (i *Image) elrEnabled() bool { return i.Feature(featureELR) >= 1 }
