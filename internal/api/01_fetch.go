package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/server"
)

// Fetch: key 1, versions 0–18.
//
// Behaviour:
//   - answers when min_bytes are there, when a partition has an error or a diverging epoch, or when max_wait is over; a
//     partition that the cluster does not know is not such an error, so that a client which insists does not spin;
//   - at most max_bytes and fetch.max.bytes in all and partition_max_bytes for each partition, but always one whole batch
//     for the first partition that has any, however large; only whole batches are sent;
//   - reads up to the high watermark, or with isolation level 1 to the last stable offset, with the aborted transactions;
//   - replica id ≥ 0: as for a replica that the partition does not have, UNKNOWN_LEADER_EPOCH when the request names a
//     leader epoch, else NOT_LEADER_OR_FOLLOWER (partitions have one replica as yet).
//
// Version notes:
//   - v0–v3: batches are converted down to message sets of magic 0 (v0, v1) or 1 (v2, v3): no headers, no control batches.
//   - v3: max_bytes. v4: isolation level. v5: log start offset; before v6 KAFKA_STORAGE_ERROR is NOT_LEADER_OR_FOLLOWER.
//   - v7: fetch sessions (KIP-227), see fetch_session.go. v9: current leader epoch (KIP-320).
//   - v10: zstd (KIP-110); before, UNSUPPORTED_COMPRESSION_TYPE for a topic with compression.type=zstd (and, in v0–v3, for a
//     batch that would have to be converted). Batches that producers compressed go out as they are, as in KafkaApis.scala:
//     kafka-python 2.0 fetches with v4 and reads zstd well.
//   - v11: rack and preferred read replica (KIP-392): always −1, the leader. v12: last fetched epoch, diverging epoch.
//   - v13: topic ids (KIP-516). v15: replica state. v16: current leader and its address with NOT_LEADER_OR_FOLLOWER and
//     FENCED_LEADER_EPOCH (KIP-951). v17: replica directory id. v18: high watermark of the replica (KIP-1166).
//
// Knowingly missing: followers, which come with the cluster.

// fetchScratch is kept by a session from one Fetch request to the next.
type fetchScratch struct {
	frame   fetchFrame
	targets []fetchTarget
}

// fetchResult is what one partition has to say.
type fetchResult struct {
	target    *fetchTarget
	unchanged bool // left out of an incremental response

	code                                            int16
	highWatermark, lastStableOffset, logStartOffset int64
	diverging                                       *broker.EpochEnd
	leader, leaderEpoch                             int32 // for whom it is not here; −1
	aborted                                         []log.AbortedTxn
	hasAborted                                      bool // the list is sent, be it empty

	region    log.Region
	hasRegion bool // region is to be released
	converted []byte
}

// fetchLimits are the request's, and what is left of them.
type fetchLimits struct {
	bytes    int32
	minBytes int32
	wait     time.Duration
}

func isFollower(req *kmsg.FetchRequest) bool { return fetchReplica(req) >= 0 }

func fetchReplica(req *kmsg.FetchRequest) int32 {
	if req.Version >= 15 {
		return req.ReplicaState.ID
	}
	return req.ReplicaID
}

func (s *session) fetch(ctx context.Context, req *kmsg.FetchRequest) (resp server.Response, err error) {
	f := &s.fetchScratch.frame
	f.reset(s, req)
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	fc, targets := s.api.fetchSessions.open(req, s.api.Metadata.Image(), s.fetchScratch.targets[:0])
	s.fetchScratch.targets = targets
	if fc.err != nil {
		f.code = fc.err.Code
		return f, nil
	}
	for i := range targets {
		f.results = append(f.results, fetchResult{target: &targets[i]})
	}
	if err := s.poll(ctx, req, f.results); err != nil {
		return nil, err
	}
	s.convertDown(req, f.results)
	sessionID, sessionErr := s.api.fetchSessions.close(fc, req, f.results)
	f.sessionID = sessionID
	if sessionErr != nil {
		f.code = sessionErr.Code
	}
	if req.Version >= 16 {
		s.pointFetchToLeaders(f)
	}
	return f, nil
}

// poll reads all partitions, again and again, until there is something to answer or the time is over. The waiter is
// registered after a first look that found too little and before the second, so that nothing is missed between a look and
// the wait, and a fetch that finds enough at once does not pay for it.
func (s *session) poll(ctx context.Context, req *kmsg.FetchRequest, results []fetchResult) error {
	limits := s.fetchLimits(req)
	if s.readAll(req, limits, results) {
		return nil
	}
	over := time.NewTimer(limits.wait)
	defer over.Stop()
	w := broker.NewWaiter()
	for i := range results {
		t := results[i].target
		if p, err := s.api.Broker.Partition(t.topic, t.partition); err == nil {
			defer p.Watch(w)()
		}
	}
	for {
		if s.readAll(req, limits, results) {
			return nil
		}
		if woken, err := w.WaitUntil(ctx, over.C); !woken { // nothing has come since the last look, or the connection is closed
			return err
		}
	}
}

func (s *session) fetchLimits(req *kmsg.FetchRequest) fetchLimits {
	bytes := int32(min(s.api.Config().Int("fetch.max.bytes"), math.MaxInt32))
	if req.Version >= 3 {
		bytes = max(0, min(bytes, req.MaxBytes))
	}
	return fetchLimits{bytes: bytes, minBytes: min(req.MinBytes, bytes), wait: time.Duration(req.MaxWaitMillis) * time.Millisecond}
}

// readAll looks at every partition once and says whether that is enough for an answer.
func (s *session) readAll(req *kmsg.FetchRequest, limits fetchLimits, results []fetchResult) bool {
	left, total := limits.bytes, int64(0)
	urgent, known := false, false
	for i := range results {
		r := &results[i]
		r.release()
		r.clear()
		err := s.read(req, r, left, total == 0)
		n := r.region.Len()
		total += int64(n)
		left = max(0, left-int32(min(n, math.MaxInt32)))
		switch {
		case err == nil:
			known = true
			urgent = urgent || r.diverging != nil
		case errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID):
			r.code = protocol.ErrorCode(err)
		default:
			known, urgent = true, true
			r.code = s.code(err)
			if r.code == kerr.KafkaStorageError.Code && req.Version <= 5 {
				r.code = kerr.NotLeaderForPartition.Code
			}
		}
	}
	return urgent || !known || limits.wait <= 0 || total >= int64(limits.minBytes)
}

// read looks at one partition.
func (s *session) read(req *kmsg.FetchRequest, r *fetchResult, maxBytes int32, minOne bool) error {
	t := r.target
	if t.topic == "" && req.Version >= 13 {
		return kerr.UnknownTopicID
	}
	p, err := s.api.partition(t.topic, t.partition)
	if err != nil {
		return err
	}
	if t.topicID != noTopicID && t.topicID != p.TopicID() {
		return fmt.Errorf("%s-%d has another topic id now: %w", t.topic, t.partition, kerr.InconsistentTopicID)
	}
	if isFollower(req) {
		if err := p.CheckLeaderEpoch(t.currentLeaderEpoch); err != nil {
			return err
		}
		if t.currentLeaderEpoch >= 0 {
			return fmt.Errorf("node %d has no replica of %s-%d: %w", fetchReplica(req), t.topic, t.partition, kerr.UnknownLeaderEpoch)
		}
		return fmt.Errorf("node %d has no replica of %s-%d: %w", fetchReplica(req), t.topic, t.partition, kerr.NotLeaderForPartition)
	}
	readCommitted := req.IsolationLevel == 1
	result, err := p.Read(broker.ReadOptions{
		Offset: t.fetchOffset, MaxBytes: max(0, min(t.maxBytes, maxBytes)), MinOne: minOne,
		LeaderEpoch: t.currentLeaderEpoch, LastFetchedEpoch: t.lastFetchedEpoch, ReadCommitted: readCommitted,
	})
	if err != nil {
		return err
	}
	if req.Version < 10 && p.Config().CompressionType == "zstd" {
		result.Region.Release()
		return fmt.Errorf("%s-%d is compressed with zstd: %w", t.topic, t.partition, kerr.UnsupportedCompressionType)
	}
	r.region, r.hasRegion = result.Region, true
	r.highWatermark, r.lastStableOffset, r.logStartOffset = result.HighWatermark, result.LastStableOffset, result.LogStartOffset
	r.aborted, r.hasAborted, r.diverging = result.Aborted, readCommitted, result.Diverging
	return nil
}

// clear makes r the result of a partition that has nothing to say.
func (r *fetchResult) clear() {
	*r = fetchResult{target: r.target, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, leader: -1, leaderEpoch: -1}
}

func (r *fetchResult) release() {
	if r.hasRegion {
		r.region.Release()
		r.region, r.hasRegion = log.Region{}, false
	}
}

// convertDown turns batches into message sets for versions 0 to 3.
func (s *session) convertDown(req *kmsg.FetchRequest, results []fetchResult) {
	if req.Version > 3 {
		return
	}
	for i := range results {
		r := &results[i]
		for r.region.Len() > 0 && r.code == 0 && len(r.converted) == 0 {
			if err := s.convertRegion(req, r); err != nil {
				r.release()
				r.code = s.code(err)
			}
		}
	}
}

// convertRegion converts what was read of a partition. Where nothing is left of it for an old consumer, who could not know
// where to go on (control batches, records that compaction removed), it reads on behind it instead.
func (s *session) convertRegion(req *kmsg.FetchRequest, r *fetchResult) error {
	batches, err := r.region.AppendTo(nil)
	if err != nil {
		return err
	}
	r.converted, err = protocol.DownConvert(batches, int8(req.Version/2), r.target.fetchOffset)
	if err != nil || len(r.converted) > 0 {
		return err
	}
	next := r.region.EndOffset()
	r.release()
	p, err := s.api.partition(r.target.topic, r.target.partition)
	if err != nil {
		return err
	}
	more, err := p.Read(broker.ReadOptions{Offset: next, MaxBytes: r.target.maxBytes, MinOne: true, LeaderEpoch: -1, LastFetchedEpoch: -1})
	if err != nil {
		return err
	}
	r.region, r.hasRegion = more.Region, true
	return nil
}

// pointFetchToLeaders names the leader where the client's idea of it is wrong (KIP-951).
func (s *session) pointFetchToLeaders(f *fetchFrame) {
	for i := range f.results {
		r := &f.results[i]
		if r.code != kerr.NotLeaderForPartition.Code && r.code != kerr.FencedLeaderEpoch.Code {
			continue
		}
		leader, epoch, b := s.currentLeader(r.target.topic, r.target.partition)
		r.leader, r.leaderEpoch = leader, epoch
		if b == nil || f.follower { // a replica knows the brokers
			continue
		}
		if at, ok := s.aliveEndpoint(b); ok {
			f.addBroker(b.ID, at.Host, int32(at.Port), b.Rack)
		}
	}
}
