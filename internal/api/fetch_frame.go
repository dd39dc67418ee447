package api

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

// fetchFrame is the frame of a Fetch response. It is encoded here, not by kmsg, so that records go from the log's file
// straight into the connection's buffer: a kmsg struct would hold a second copy of them.
//
//	size correlation_id [tags]
//	throttle_ms(v1) [error session_id](v7) topics: name|id(v13) partitions:
//	    index error high_watermark last_stable(v4) log_start(v5) aborted(v4) preferred_replica(v11) records [tags]
//	[tags: 0 brokers(v16)]
//
// It holds regions of the log until Close.
type fetchFrame struct {
	session       *session
	version       int16
	correlationID int32
	follower      bool // a replica asks

	code      int16
	sessionID int32
	results   []fetchResult
	brokers   []kmsg.FetchResponseBroker

	streaming bool
	holes     []hole // while streaming
}

// hole is where in the encoded frame the bytes of a region belong.
type hole struct {
	at     int
	result *fetchResult
}

// maxKeptResults bounds what a session keeps of a large fetch.
const maxKeptResults = 1024

func (f *fetchFrame) reset(s *session, req *kmsg.FetchRequest) {
	*f = fetchFrame{session: s, version: req.Version, correlationID: s.header.CorrelationID, follower: isFollower(req), results: f.results[:0], holes: f.holes[:0]}
}

// Close releases the log's segments. The server calls it when the frame has been written.
func (f *fetchFrame) Close() error {
	for i := range f.results {
		f.results[i].release()
		f.results[i] = fetchResult{}
	}
	f.results = f.results[:0]
	if cap(f.results) > maxKeptResults {
		f.results, f.holes, f.session.fetchScratch.targets = nil, nil, nil
	}
	return nil
}

func (f *fetchFrame) addBroker(id int32, host string, port int32, rack *string) {
	for i := range f.brokers {
		if f.brokers[i].NodeID == id {
			return
		}
	}
	b := kmsg.NewFetchResponseBroker()
	b.NodeID, b.Host, b.Port, b.Rack = id, host, port, rack
	f.brokers = append(f.brokers, b)
}

func (f *fetchFrame) flexible() bool { return f.version >= 12 }

// SizeHint returns about how many bytes AppendTo appends.
func (f *fetchFrame) SizeHint() int {
	const head, perPartition = 64, 96
	n := head
	for i := range f.results {
		r := &f.results[i]
		if r.unchanged {
			continue
		}
		n += perPartition + len(r.target.topic) + len(r.converted) + 16*len(r.aborted)
		if len(r.converted) == 0 {
			n += r.region.Len()
		}
	}
	return n
}

// AppendTo implements server.Response.
func (f *fetchFrame) AppendTo(dst []byte) []byte {
	if n := f.SizeHint(); cap(dst)-len(dst) < n {
		dst = append(make([]byte, 0, len(dst)+n), dst...)
	}
	return f.encode(dst)
}

// Stream implements server.Streamer: it encodes all but the records, and puts them in between while it writes. When they cannot be read the frame ends
// early: its size and the partition's error code are out already.
func (f *fetchFrame) Stream(buf []byte, write func(piece []byte) error) error {
	f.streaming, f.holes = true, f.holes[:0]
	frame := f.encode(nil)
	f.streaming = false
	size := len(frame) - 4
	for _, h := range f.holes {
		size += h.result.region.Len()
	}
	binary.BigEndian.PutUint32(frame, uint32(size))

	used, done := 0, 0
	put := func(n int, read func(p []byte) error) error {
		for n > 0 {
			p := buf[used:min(len(buf), used+n)]
			if err := read(p); err != nil {
				return err
			}
			used, n = used+len(p), n-len(p)
			if used == len(buf) {
				if err := write(buf); err != nil {
					return err
				}
				used = 0
			}
		}
		return nil
	}
	encoded := func(p []byte) error {
		done += copy(p, frame[done:])
		return nil
	}
	for _, h := range f.holes {
		if err := put(h.at-done, encoded); err != nil {
			return err
		}
		at := int64(0)
		err := put(h.result.region.Len(), func(p []byte) error {
			n, err := h.result.region.ReadAt(p, at)
			at += int64(n)
			if n == len(p) {
				return nil
			}
			f.logReadError(h.result, err)
			return fmt.Errorf("the records of a fetch cannot be read: %w", err)
		})
		if err != nil {
			return err
		}
	}
	if err := put(len(frame)-done, encoded); err != nil {
		return err
	}
	return write(buf[:used])
}

func (f *fetchFrame) encode(dst []byte) []byte {
	start := len(dst)
	dst = kbin.AppendInt32(dst, 0)
	dst = kbin.AppendInt32(dst, f.correlationID)
	dst = f.appendNoTags(dst)
	if f.version >= 1 {
		dst = kbin.AppendInt32(dst, 0) // throttle time
	}
	if f.version >= 7 {
		dst = kbin.AppendInt16(dst, f.code)
		dst = kbin.AppendInt32(dst, f.sessionID)
	}
	dst = f.appendTopics(dst)
	dst = f.appendBrokers(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// appendTopics writes the results; neighbours of the same topic share an entry.
func (f *fetchFrame) appendTopics(dst []byte) []byte {
	groups := 0
	for i := f.next(0); i < len(f.results); i = f.groupEnd(i) {
		groups++
	}
	dst = f.appendArrayLen(dst, groups)
	for i := f.next(0); i < len(f.results); {
		end := f.groupEnd(i)
		t := f.results[i].target
		switch {
		case f.version >= 13:
			dst = append(dst, t.topicID[:]...)
		case f.flexible():
			dst = kbin.AppendCompactString(dst, t.topic)
		default:
			dst = kbin.AppendString(dst, t.topic)
		}
		n := 0
		for j := i; j < end; j = f.next(j + 1) {
			n++
		}
		dst = f.appendArrayLen(dst, n)
		for j := i; j < end; j = f.next(j + 1) {
			dst = f.appendPartition(dst, &f.results[j])
		}
		dst = f.appendNoTags(dst)
		i = end
	}
	return dst
}

// next returns the index of the first result to send from i on.
func (f *fetchFrame) next(i int) int {
	for i < len(f.results) && f.results[i].unchanged {
		i++
	}
	return i
}

// groupEnd returns the index of the first result to send after i that is of another topic.
func (f *fetchFrame) groupEnd(i int) int {
	t := f.results[i].target
	for i = f.next(i + 1); i < len(f.results); i = f.next(i + 1) {
		other := f.results[i].target
		if other.topicID != t.topicID || other.topic != t.topic {
			break
		}
	}
	return i
}

func (f *fetchFrame) appendPartition(dst []byte, r *fetchResult) []byte {
	dst = kbin.AppendInt32(dst, r.target.partition)
	codeAt := len(dst)
	dst = kbin.AppendInt16(dst, r.code)
	dst = kbin.AppendInt64(dst, r.highWatermark)
	if f.version >= 4 {
		dst = kbin.AppendInt64(dst, r.lastStableOffset)
	}
	if f.version >= 5 {
		dst = kbin.AppendInt64(dst, r.logStartOffset)
	}
	if f.version >= 4 {
		dst = f.appendAborted(dst, r)
	}
	if f.version >= 11 {
		dst = kbin.AppendInt32(dst, -1) // preferred read replica: the leader
	}
	dst, code := f.appendRecords(dst, r)
	if code != 0 {
		binary.BigEndian.PutUint16(dst[codeAt:], uint16(code))
	}
	return f.appendPartitionTags(dst, r)
}

func (f *fetchFrame) appendAborted(dst []byte, r *fetchResult) []byte {
	if f.flexible() {
		dst = kbin.AppendCompactNullableArrayLen(dst, len(r.aborted), !r.hasAborted)
	} else {
		dst = kbin.AppendNullableArrayLen(dst, len(r.aborted), !r.hasAborted)
	}
	for _, a := range r.aborted {
		dst = kbin.AppendInt64(dst, a.ProducerID)
		dst = kbin.AppendInt64(dst, a.FirstOffset)
		dst = f.appendNoTags(dst)
	}
	return dst
}

// appendRecords writes the records with their length. The code is that of a partition whose records cannot be sent after
// all; they are empty then.
func (f *fetchFrame) appendRecords(dst []byte, r *fetchResult) (_ []byte, code int16) {
	start := len(dst)
	if len(r.converted) > 0 || r.region.Len() == 0 {
		return append(f.appendBytesLen(dst, len(r.converted)), r.converted...), 0
	}
	dst = f.appendBytesLen(dst, r.region.Len())
	if f.streaming {
		f.holes = append(f.holes, hole{len(dst), r})
		return dst, 0
	}
	from := len(dst)
	dst, err := r.region.AppendTo(dst)
	if err == nil && len(dst)-from != r.region.Len() {
		err = protocol.ErrTruncated
	}
	if err != nil {
		f.logReadError(r, err)
		return f.appendBytesLen(dst[:start], 0), kerr.KafkaStorageError.Code
	}
	return dst, 0
}

func (f *fetchFrame) logReadError(r *fetchResult, err error) {
	f.session.api.Log.Error("reading records for a fetch failed", append(f.session.fields(), zap.String("topic", r.target.topic),
		zap.Int32("partition", r.target.partition), zap.Int64("offset", r.target.fetchOffset), zap.Error(err))...)
}

func (f *fetchFrame) appendPartitionTags(dst []byte, r *fetchResult) []byte {
	if !f.flexible() {
		return dst
	}
	const divergingTag, leaderTag = 0, 1
	hasLeader := r.leader != -1 || r.leaderEpoch != -1
	n := uint32(0)
	if r.diverging != nil {
		n++
	}
	if hasLeader {
		n++
	}
	dst = kbin.AppendUvarint(dst, n)
	if d := r.diverging; d != nil {
		dst = kbin.AppendUvarint(dst, divergingTag)
		dst = kbin.AppendUvarint(dst, 4+8+1)
		dst = kbin.AppendInt32(dst, d.Epoch)
		dst = kbin.AppendInt64(dst, d.EndOffset)
		dst = f.appendNoTags(dst)
	}
	if hasLeader {
		dst = kbin.AppendUvarint(dst, leaderTag)
		dst = kbin.AppendUvarint(dst, 4+4+1)
		dst = kbin.AppendInt32(dst, r.leader)
		dst = kbin.AppendInt32(dst, r.leaderEpoch)
		dst = f.appendNoTags(dst)
	}
	return dst
}

// appendBrokers writes the tags of the response, which are the addresses of leaders.
func (f *fetchFrame) appendBrokers(dst []byte) []byte {
	if len(f.brokers) == 0 {
		return f.appendNoTags(dst)
	}
	const brokersTag = 0
	var b []byte
	b = kbin.AppendCompactArrayLen(b, len(f.brokers))
	for i := range f.brokers {
		b = kbin.AppendInt32(b, f.brokers[i].NodeID)
		b = kbin.AppendCompactString(b, f.brokers[i].Host)
		b = kbin.AppendInt32(b, f.brokers[i].Port)
		b = kbin.AppendCompactNullableString(b, f.brokers[i].Rack)
		b = f.appendNoTags(b)
	}
	dst = kbin.AppendUvarint(dst, 1)
	dst = kbin.AppendUvarint(dst, brokersTag)
	dst = kbin.AppendUvarint(dst, uint32(len(b)))
	return append(dst, b...)
}

func (f *fetchFrame) appendNoTags(dst []byte) []byte {
	if f.flexible() {
		return append(dst, 0)
	}
	return dst
}

func (f *fetchFrame) appendArrayLen(dst []byte, n int) []byte {
	if f.flexible() {
		return kbin.AppendCompactArrayLen(dst, n)
	}
	return kbin.AppendArrayLen(dst, n)
}

// appendBytesLen writes the length of a bytes field that is not null.
func (f *fetchFrame) appendBytesLen(dst []byte, n int) []byte {
	if f.flexible() {
		return kbin.AppendUvarint(dst, uint32(n)+1)
	}
	return kbin.AppendInt32(dst, int32(n))
}
