package protocol

// BatchOptions say how a BatchBuilder builds. The zero value is not what it seems in two fields: ProducerID 0 is a producer's id,
// so set NoProducerID where there is none (then ProducerEpoch and BaseSequence are written as none too), and LeaderEpoch 0 is the first epoch.
type BatchOptions struct {
	Codec         Codec
	Level         int // of the codec, in Kafka's terms; 0 = the codec's default
	TimestampType TimestampType
	// LogAppendTimeMs is the max timestamp to write with TimestampType LogAppendTime; with CreateTime the records decide.
	LogAppendTimeMs int64
	ProducerID      int64 // NoProducerID = not idempotent
	ProducerEpoch   int16
	BaseSequence    int32
	Transactional   bool
	Control         bool
	BaseOffset      int64
	LeaderEpoch     int32
}

// BatchBuilder puts records into one batch. It is not safe for concurrent use.
type BatchBuilder struct {
	o BatchOptions
}

// NewBatchBuilder returns an empty builder.
func NewBatchBuilder(o BatchOptions) *BatchBuilder { return &BatchBuilder{o: o} }

// Append adds a record, whose bytes it copies. An Offset of 0 means the next one; any other must be above the last record's (which leaves a gap,
// as compaction does).
func (b *BatchBuilder) Append(r Record) {}

// Len returns the size of the batch so far, before compression.
func (b *BatchBuilder) Len() int { return BatchHeaderBytes }

// NumRecords returns the number of records appended.
func (b *BatchBuilder) NumRecords() int { return 0 }

// Bytes returns the finished batch in memory of its own. The builder must not be used after.
func (b *BatchBuilder) Bytes() (Batch, error) { return nil, errNotYet }
