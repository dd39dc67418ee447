package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// WriteTxnMarkers: key 27, versions 0–2.
//
// Behaviour:
//   - for transaction coordinators, and for `kafka-transactions abort`: writes the marker of each transaction to its partitions, and answers when all are
//     committed;
//   - those of __consumer_offsets are the group coordinator's, which applies or drops the offsets committed in the transaction.
//
// Version notes:
//   - v2: the transaction version; a marker of version 2 is refused with INVALID_PRODUCER_EPOCH when its epoch has begun already.
func (s *session) writeTxnMarkers(ctx context.Context, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
	return s.api.WriteTxnMarkers(ctx, req)
}

// WriteTxnMarkers serves the coordinator of this node as it serves those of others. Its error is that of ctx.
func (a *API) WriteTxnMarkers(ctx context.Context, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
	resp := req.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
	timed, cancel := context.WithTimeout(ctx, time.Duration(a.Config().Int("request.timeout.ms"))*time.Millisecond)
	defer cancel()
	type written struct {
		partition *broker.Partition
		until     int64
		at        [3]int
	}
	var pending []written
	for i := range req.Markers {
		m := &req.Markers[i]
		marker := coordinator.Marker{ProducerID: m.ProducerID, Epoch: m.ProducerEpoch, CoordinatorEpoch: m.CoordinatorEpoch, Version: m.TransactionVersion, Commit: m.Committed}
		rm := kmsg.WriteTxnMarkersResponseMarker{ProducerID: m.ProducerID}
		for j := range m.Topics {
			t := &m.Topics[j]
			rt := kmsg.WriteTxnMarkersResponseMarkerTopic{Topic: t.Topic}
			for k, number := range t.Partitions {
				rp := kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: number}
				var err error
				if t.Topic == groupMetadataTopic && hasPartition(a.Metadata.Image(), t.Topic, number) {
					err = a.Groups.EndTxn(timed, number, marker)
				} else {
					var p *broker.Partition
					var until int64
					if p, until, err = a.appendMarker(t.Topic, number, marker); err == nil {
						pending = append(pending, written{p, until, [3]int{i, j, k}})
					}
				}
				rp.ErrorCode = markerCode(err)
				rt.Partitions = append(rt.Partitions, rp)
			}
			rm.Topics = append(rm.Topics, rt)
		}
		resp.Markers = append(resp.Markers, rm)
	}
	for _, w := range pending {
		if err := w.partition.WaitCommitted(timed, w.until); err != nil {
			resp.Markers[w.at[0]].Topics[w.at[1]].Partitions[w.at[2]].ErrorCode = markerCode(err)
		}
	}
	return resp, ctx.Err()
}

// appendMarker writes a marker to a partition that this node leads; it is committed when the high watermark is at until.
func (a *API) appendMarker(topic string, number int32, marker coordinator.Marker) (p *broker.Partition, until int64, err error) {
	if p, err = a.partition(topic, number); err != nil {
		return nil, 0, err
	}
	at, err := p.AppendTxnMarker(marker)
	if err != nil {
		return nil, 0, fmt.Errorf("marker of producer %d in %s-%d: %w", marker.ProducerID, topic, number, err)
	}
	return p, at.LastOffset + 1, nil
}

func markerCode(err error) int16 {
	if errors.Is(err, context.DeadlineExceeded) {
		return kerr.RequestTimedOut.Code
	}
	return protocol.ErrorCode(err)
}
