// Package records knows the records of the coordinators' logs that kmsg lacks, bit for bit as Apache Kafka 4.3.1 writes them: in
// __consumer_offsets those of KIP-848 consumer groups (kinds 3 to 8 and 16), share groups (10 to 15) and streams groups (17 to 23); in
// __share_group_state the snapshots and updates of a share partition (0, 1). It knows nothing of what they mean. Committed offsets and classic groups
// (kinds 0 to 2) and the transaction log are kmsg's: OffsetCommitKey, GroupMetadataKey, TxnMetadataKey and their values.
//
//	key:   kind (int16) | fields, strings with a length of two bytes
//	value: version (int16) | fields, compact lengths, tagged fields; null for a tombstone
//
// A kind is a pair of types, XKey and XValue; all values have version 0 only, and what newer Kafkas have added are tagged fields, which are left out
// when they have their default. To write:
//
//	key := &records.ConsumerGroupMetadataKey{GroupID: id}
//	r := protocol.Record{Key: records.AppendKey(nil, key), Value: records.AppendValue(nil, &records.ConsumerGroupMetadataValue{Epoch: 5})}
//
// To read, switch on the type of the key; the value is of the type that belongs to it, or nil:
//
//	key, value, err := records.ParseGroup(r.Key, r.Value)
//	switch k := key.(type) {
//	case *records.ConsumerGroupMetadataKey:
//		v, _ := value.(*records.ConsumerGroupMetadataValue) // nil for a tombstone
//
// A struct that is made by hand must set the defaults that are not zero itself (RebalanceTimeoutMs, ValidatedTopologyEpoch, DeliveryCompleteCount:
// -1), and write an empty list or struct, not nil, where a comment says that the default is empty: nil is written as null. (Kafka does write null for
// the ClassicMemberMetadata of a member that is not a classic one.) The types and their codecs are generated from schema.txt (go generate; package wire). The package is pure and starts no goroutine.
package records

import (
	_ "embed"

	"github.com/gokafka/gokafka/internal/wire"
)

//go:generate go run ../../wire/gen

//go:embed schema.txt
var schema string

// Schema describes the records, for tools that show them.
func Schema() *wire.Schema { return wire.MustSchema(schema) }
