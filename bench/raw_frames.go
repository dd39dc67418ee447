package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
)

var be = binary.BigEndian

// request frames a body. All responses come in the order of the requests, so that the correlation id need not differ.
func request(key, version int16, body []byte) []byte {
	f := be.AppendUint32(nil, 0)
	f = be.AppendUint16(f, uint16(key))
	f = be.AppendUint16(f, uint16(version))
	f = be.AppendUint32(f, 0)
	f = appendString(f, "bench")
	f = append(f, body...)
	be.PutUint32(f, uint32(len(f)-4))
	return f
}

func appendString(b []byte, s string) []byte { return append(be.AppendUint16(b, uint16(len(s))), s...) }

func apiVersionsFrame() []byte { return request(18, 2, nil) }

// records returns a batch of about batchBytes, at least one record, and what the producers of idempotent batches need to count on in it.
func records(recordBytes, batchBytes int, codec protocol.Codec, producerID int64) []byte {
	builder := protocol.NewBatchBuilder(protocol.BatchOptions{Codec: codec, ProducerID: producerID, LeaderEpoch: -1, BaseSequence: sequenceStart(producerID)})
	rng, now := rand.New(rand.NewPCG(5, 6)), time.Now().UnixMilli()
	words := make([][]byte, 256)
	for i := range words {
		words[i] = make([]byte, 8)
		be.PutUint64(words[i], rng.Uint64())
	}
	for builder.NumRecords() == 0 || builder.Len()+recordBytes+16 <= batchBytes {
		value := make([]byte, 0, recordBytes+8)
		for len(value) < recordBytes { // compresses by about a half with lz4, as records of people do
			value = append(value, words[rng.IntN(len(words))]...)
			be.PutUint32(value[len(value)-4:], uint32(rng.Uint32()))
		}
		builder.Append(protocol.Record{TimestampMs: now, Value: value[:recordBytes]})
	}
	b, err := builder.Bytes()
	if err != nil {
		panic(err)
	}
	return b
}

func sequenceStart(producerID int64) int32 {
	if producerID < 0 {
		return -1
	}
	return 0
}

// produceFrame is a Produce request of version 7 that is sent over and over.
type produceFrame struct {
	frame   []byte
	payload int        // bytes of batches
	batches []int      // where each begins
	effects [32]uint32 // what each bit of the base sequence does to the CRC
	records int32      // of a batch
}

// produceFrames encodes a request with one batch for each of the partitions.
func newProduceFrame(topic string, partitions []int32, batch []byte, acks int16) *produceFrame {
	p := &produceFrame{records: protocol.Batch(batch).NumRecords()}
	body := be.AppendUint16(nil, 0xffff) // no transaction
	body = be.AppendUint16(body, uint16(acks))
	body = be.AppendUint32(body, 30_000)
	body = be.AppendUint32(body, 1)
	body = appendString(body, topic)
	body = be.AppendUint32(body, uint32(len(partitions)))
	head := len(request(0, 7, nil))
	for _, index := range partitions {
		body = be.AppendUint32(body, uint32(index))
		body = be.AppendUint32(body, uint32(len(batch)))
		p.batches = append(p.batches, head+len(body))
		body = append(body, batch...)
		p.payload += len(batch)
	}
	p.frame = request(0, 7, body)
	if protocol.Batch(batch).ProducerID() >= 0 {
		// A CRC is affine: flipping a bit of the message changes it by what depends on the bit's place alone.
		covered := append([]byte(nil), batch[crcFrom:]...)
		sum := crc32.Checksum(covered, castagnoli)
		for bit := range p.effects {
			at := sequenceAt - crcFrom + 3 - bit/8
			covered[at] ^= 1 << (bit % 8)
			p.effects[bit] = crc32.Checksum(covered, castagnoli) ^ sum
			covered[at] ^= 1 << (bit % 8)
		}
	}
	return p
}

const (
	crcAt      = 17
	crcFrom    = 21
	sequenceAt = 53
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sequence puts the next base sequence into the only batch.
func (p *produceFrame) sequence(sequence int32) {
	at := p.batches[0]
	changed := be.Uint32(p.frame[at+sequenceAt:]) ^ uint32(sequence)
	sum := be.Uint32(p.frame[at+crcAt:])
	for bit := range p.effects {
		if changed&(1<<bit) != 0 {
			sum ^= p.effects[bit]
		}
	}
	be.PutUint32(p.frame[at+sequenceAt:], uint32(sequence))
	be.PutUint32(p.frame[at+crcAt:], sum)
}

// produced checks the response of version 7 to a request for one topic.
func produced(response []byte) (int, error) {
	at := 4 + 4
	at += 2 + int(be.Uint16(response[at:]))
	n := int(be.Uint32(response[at:]))
	for at += 4; n > 0; n, at = n-1, at+30 {
		if code := int16(be.Uint16(response[at+4:])); code != 0 {
			return 0, fmt.Errorf("produce to partition %d: %w", be.Uint32(response[at:]), kerr.ErrorForCode(code))
		}
	}
	return 0, nil
}

// producedBase is the base offset in a response for one partition.
func producedBase(response []byte) int64 {
	at := 4 + 4
	at += 2 + int(be.Uint16(response[at:])) + 4
	return int64(be.Uint64(response[at+6:]))
}

// fetchFrame is a Fetch request of version 11, without a session, whose offsets move on with the responses.
type fetchFrame struct {
	frame   []byte
	offsets []int           // where in the frame
	slot    map[int32]int   // partition to index in offsets
	ends    map[int32]int64 // where to begin again; nil: never
	stayed  bool            // nothing came with the last response
}

func newFetchFrame(topic string, partitions []int32, maxBytes, partitionBytes int32, minBytes, waitMs int32, ends map[int32]int64) *fetchFrame {
	f := &fetchFrame{slot: map[int32]int{}, ends: ends}
	body := be.AppendUint32(nil, 0xffffffff) // a consumer
	body = be.AppendUint32(body, uint32(waitMs))
	body = be.AppendUint32(body, uint32(minBytes))
	body = be.AppendUint32(body, uint32(maxBytes))
	body = append(body, 0)                   // read uncommitted
	body = be.AppendUint32(body, 0)          // session id
	body = be.AppendUint32(body, 0xffffffff) // session epoch
	body = be.AppendUint32(body, 1)
	body = appendString(body, topic)
	body = be.AppendUint32(body, uint32(len(partitions)))
	head := len(request(1, 11, nil))
	for i, index := range partitions {
		f.slot[index] = i
		body = be.AppendUint32(body, uint32(index))
		body = be.AppendUint32(body, 0xffffffff) // leader epoch
		f.offsets = append(f.offsets, head+len(body))
		body = be.AppendUint64(body, 0)
		body = be.AppendUint64(body, 0xffffffffffffffff) // log start
		body = be.AppendUint32(body, uint32(partitionBytes))
	}
	body = be.AppendUint32(body, 0) // forgotten topics
	body = appendString(body, "")   // rack
	f.frame = request(1, 11, body)
	return f
}

func (f *fetchFrame) seek(partition int32, offset int64) {
	be.PutUint64(f.frame[f.offsets[f.slot[partition]]:], uint64(offset))
}

// fetched walks a response of version 11, moves the offsets on, and returns the bytes of records.
func (f *fetchFrame) fetched(r []byte) (int, error) {
	at, total := 4+4, 0
	if code := int16(be.Uint16(r[at:])); code != 0 {
		return 0, fmt.Errorf("fetch: %w", kerr.ErrorForCode(code))
	}
	at += 2 + 4
	topics := int(be.Uint32(r[at:]))
	for at += 4; topics > 0; topics-- {
		at += 2 + int(be.Uint16(r[at:]))
		partitions := int(be.Uint32(r[at:]))
		for at += 4; partitions > 0; partitions-- {
			index := int32(be.Uint32(r[at:]))
			if code := int16(be.Uint16(r[at+4:])); code != 0 {
				return 0, fmt.Errorf("fetch of partition %d: %w", index, kerr.ErrorForCode(code))
			}
			at += 4 + 2 + 8 + 8 + 8
			if aborted := int32(be.Uint32(r[at:])); aborted > 0 {
				at += int(aborted) * 16
			}
			at += 4 + 4
			n := int(int32(be.Uint32(r[at:])))
			at += 4
			if n > 0 {
				f.advance(index, r[at:at+n])
				at += n
				total += n
			}
		}
	}
	f.stayed = total == 0
	return total, nil
}

// advance walks over the batches that came.
func (f *fetchFrame) advance(partition int32, batches []byte) {
	next := int64(-1)
	for len(batches) >= 61 {
		size := 12 + int(be.Uint32(batches[8:]))
		if size > len(batches) {
			break
		}
		next = int64(be.Uint64(batches)) + int64(be.Uint32(batches[23:])) + 1
		batches = batches[size:]
	}
	if next < 0 {
		return
	}
	if end, ok := f.ends[partition]; ok && next >= end {
		next = 0
	}
	f.seek(partition, next)
}
