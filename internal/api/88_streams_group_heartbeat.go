package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Status code of an answer that says which internal topics of a topology are missing.
const statusMissingInternalTopics = 3

// StreamsGroupHeartbeat: key 88, version 0 (KIP-1071).
//
// Behaviour: joins, keeps and ends the membership in a streams group, and brings each member its tasks. All of it is the coordinator's. Internal topics of
// the topology that do not exist are created here, before the answer that says that they are missing: with the next heartbeat they are there. When one
// cannot be created, the answer says why. UNSUPPORTED_VERSION while streams.version is 0.
func (s *session) streamsGroupHeartbeat(ctx context.Context, req *kmsg.StreamsGroupHeartbeatRequest) (*kmsg.StreamsGroupHeartbeatResponse, error) {
	if err := s.api.checkStreams(req); err != nil {
		resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
		resp.ErrorCode = protocol.ErrorCode(err)
		if errors.Is(err, kerr.StreamsInvalidTopology) {
			text := strings.TrimSuffix(err.Error(), ": "+kerr.StreamsInvalidTopology.Error())
			resp.ErrorMessage = &text
		}
		return resp, nil
	}
	resp, missing := s.api.Groups.StreamsGroupHeartbeat(ctx, s.client(), req)
	if len(missing) == 0 {
		return resp, nil
	}
	if failed := s.api.createStreamsTopics(ctx, missing); len(failed) > 0 {
		for i := range resp.Status {
			if st := &resp.Status[i]; st.StatusCode == statusMissingInternalTopics {
				st.StatusDetail += "; Creation failed: " + someOf(failed) + "."
			}
		}
	}
	return resp, nil
}

// someOf joins the first three texts.
func someOf(list []string) string {
	if len(list) <= 3 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ", "), len(list)-3)
}

// streamsEnabled says whether the cluster has streams groups.
func (a *API) streamsEnabled() bool { return a.Metadata.Image().Feature("streams.version") >= 1 }

// checkStreams looks at the names of the topics in a topology.
func (a *API) checkStreams(req *kmsg.StreamsGroupHeartbeatRequest) error {
	if !a.streamsEnabled() {
		return kerr.UnsupportedVersion
	}
	if req.Topology == nil {
		return nil
	}
	var names []string
	for _, sub := range req.Topology.Subtopologies {
		names = slices.Concat(names, sub.SourceTopics, sub.RepartitionSinkTopics)
		for _, info := range slices.Concat(sub.RepartitionSourceTopics, sub.StateChangelogTopics) {
			names = append(names, info.Topic)
		}
	}
	var internal, invalid []string
	for i, name := range names {
		switch {
		case slices.Contains(names[:i], name):
		case isInternal(name):
			internal = append(internal, name)
		case checkTopicName(name) != nil:
			invalid = append(invalid, name)
		}
	}
	switch {
	case len(internal) > 0:
		return fmt.Errorf("Use of Kafka internal topics %s in a Kafka Streams topology is prohibited.: %w", strings.Join(internal, ","), kerr.StreamsInvalidTopology) //nolint:staticcheck // Kafka's text
	case len(invalid) > 0:
		return fmt.Errorf("Topic names %s are not valid topic names.: %w", strings.Join(invalid, ","), kerr.StreamsInvalidTopology) //nolint:staticcheck // Kafka's text
	}
	return nil
}

// createStreamsTopics creates internal topics of a topology and returns what went wrong, topic by topic.
func (a *API) createStreamsTopics(ctx context.Context, topics []kmsg.CreateTopicsRequestTopic) []string {
	select {
	case a.creating <- struct{}{}:
		defer func() { <-a.creating }()
	case <-ctx.Done():
		return nil
	}
	image := a.Metadata.Image()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, int32(a.Config().Int("request.timeout.ms"))
	for _, t := range topics {
		if image.Topic(t.Topic) == nil { // another member may have been faster
			req.Topics = append(req.Topics, t)
		}
	}
	if len(req.Topics) == 0 {
		return nil
	}
	resp, err := ask[*kmsg.CreateTopicsResponse](ctx, a.Controller, req)
	if err != nil {
		a.Log.Warn("internal topics of a streams group were not created", zap.Error(err))
		return []string{err.Error()}
	}
	var failed []string
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case err == nil:
			a.Log.Info("internal topic of a streams group created", zap.String("topic", t.Topic), zap.Int32("partitions", t.NumPartitions))
			continue
		case errors.Is(err, kerr.TopicAlreadyExists):
			continue
		}
		text := err.Error()
		if t.ErrorMessage != nil {
			text = *t.ErrorMessage
		}
		a.Log.Warn("internal topic of a streams group was not created", zap.String("topic", t.Topic), zap.String("why", text))
		failed = append(failed, t.Topic+" ("+text+")")
	}
	return failed
}
