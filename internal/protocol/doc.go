// Package protocol turns bytes into Kafka requests and record batches and back.
//
// It knows the wire format of frames and request headers, the format of record
// batches (v2) and of the message sets before them (v0, v1), their checksums and
// compressions, and the rules by which Kafka accepts a produced batch. The fields
// of requests and responses are kmsg's; a batch, which kmsg leaves opaque, is ours.
// It must not know logs, topics' metadata or connections: but for [Client], every
// function here is pure (no clock, no files, no goroutines).
//
// A frame on the wire:
//
//	size int32 | request header | request body      (size counts what follows it)
//
//	request header v0   key int16 | version int16 | correlation id int32
//	               v1   v0 | client id nullable string
//	               v2   v1 | tagged fields
//	response header v0  correlation id int32
//	                v1  v0 | tagged fields
//
// A record batch, magic 2, on the wire and on disk (see [Batch]):
//
//	 0 base offset int64            ┐ outside the CRC: the leader may
//	 8 batch length int32 (from 12) │ stamp base offset and leader epoch
//	12 partition leader epoch int32 │ without touching the rest
//	16 magic int8 = 2               │
//	17 CRC-32C uint32               ┘
//	21 attributes int16: codec 0–2 | timestamp type 3 | transactional 4 | control 5 | delete horizon 6
//	23 last offset delta int32
//	27 base timestamp int64
//	35 max timestamp int64
//	43 producer id int64
//	51 producer epoch int16
//	53 base sequence int32
//	57 number of records int32
//	61 records, compressed as one block when a codec is set
//
//	record: length varint | attributes int8 | timestamp delta varlong | offset delta varint
//	      | key length varint, key | value length varint, value | header count varint, headers
//
// A message of a message set, magic 0 and 1:
//
//	 0 offset int64
//	 8 message size int32 (from 12)
//	12 CRC-32 (IEEE) uint32 of what follows
//	16 magic int8
//	17 attributes int8: codec 0–2 | timestamp type 3 (magic 1)
//	18 timestamp int64 (magic 1 only)
//	.. key length int32, key | value length int32, value
//
// A compressed message ("wrapper") holds a whole message set as its value. In magic
// 0 the inner offsets are absolute; in magic 1 they count from zero and the wrapper
// carries the offset of its last inner message.
//
// Ownership: readers never copy. A [Batch], a [Record] of an uncompressed batch and
// the byte slices in a parsed request alias the buffer they were read from.
// Everything here is bounded before it allocates: peers send these bytes.
package protocol
