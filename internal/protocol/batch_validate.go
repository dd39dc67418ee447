package protocol

// ValidateOptions are the rules of the topic and of the request by which Validate judges.
type ValidateOptions struct {
	TopicPartition TopicPartition // for messages only
	// ProduceVersion is the version of the Produce request. Below 3, message sets of magic 0 and 1 are allowed and converted up;
	// from 3 on the records must be exactly one batch of magic 2.
	ProduceVersion int16
	// TimestampType is message.timestamp.type. With LogAppendTime every record's time becomes NowMs.
	TimestampType        TimestampType
	TimestampBeforeMaxMs int64  // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64  // message.timestamp.after.max.ms
	Codec                *Codec // compression.type; nil = the producer's
	Level                int    // compression.*.level of Codec; 0 = its default
	KeyRequired          bool   // cleanup.policy includes compact
	MaxBatchBytes        int32  // max.message.bytes; <= 0 = no limit
	NowMs                int64
}

// Validated is what may be appended to the log.
type Validated struct {
	// Records are v2 batches, their base offsets 0, n, … still to be stamped. They alias Validate's input unless a rewrite was needed; where only header fields
	// had to change (timestamps), they were changed in place.
	Records        []byte
	NumRecords     int
	MaxTimestampMs int64
	// OffsetOfMaxTimestamp is relative to the first record: the offset of the last record of the batch that has the largest timestamp (as Kafka notes it in the time index).
	OffsetOfMaxTimestamp int64
	LogAppendTimeMs      int64 // NowMs with LogAppendTime, else -1
	Converted            bool  // rewritten: other magic, other codec, or message-set offsets put right
}

// Validate judges the records of one partition of a Produce request as Kafka's LogValidator (and ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords) do.
// Every error is an *InvalidRecordsError. It may write to records (timestamps, CRC).
func Validate(records []byte, o ValidateOptions) (Validated, error) {
	return Validated{}, errNotYet
}

// InvalidRecordsError says why records were refused, in the terms of a Produce response.
type InvalidRecordsError struct {
	Err     error // the kerr error
	Message string
	Records []RecordError // Produce v8+: record_errors
}

// RecordError names one record at fault.
type RecordError struct {
	Index   int32 // within the batch
	Message string
}

// Error returns Message with Kafka's name for the error.
func (e *InvalidRecordsError) Error() string { return e.Message + ": " + e.Err.Error() }

// Unwrap returns the kerr error.
func (e *InvalidRecordsError) Unwrap() error { return e.Err }
