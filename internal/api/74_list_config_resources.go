package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
)

// ListConfigResources: key 74, versions 0–1.
//
// Behaviour: the names of the resources that have configurations: all topics and brokers, and the groups and telemetry subscriptions with
// settings of their own. A type that is none of these is UNSUPPORTED_VERSION for the whole request.
//
// Version notes:
//   - v0: ListClientMetricsResources of KIP-1000: telemetry subscriptions only.
//   - v1: types to list, none for all (KIP-1142).
func (s *session) listConfigResources(_ context.Context, req *kmsg.ListConfigResourcesRequest) (*kmsg.ListConfigResourcesResponse, error) {
	resp := req.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	all := []int8{metadata.ResourceTopic, metadata.ResourceBroker, metadata.ResourceBrokerLogger, metadata.ResourceClientMetrics, metadata.ResourceGroup}
	types := req.ResourceTypes
	switch {
	case req.Version == 0:
		types = []int8{metadata.ResourceClientMetrics}
	case len(types) == 0:
		types = all
	}
	if slices.ContainsFunc(types, func(t int8) bool { return !slices.Contains(all, t) }) {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, nil
	}
	image := s.api.Metadata.Image()
	add := func(kind int8, name string) {
		if slices.Contains(types, kind) {
			r := kmsg.NewListConfigResourcesResponseConfigResource()
			r.Type, r.Name = kind, name
			resp.ConfigResources = append(resp.ConfigResources, r)
		}
	}
	for r := range image.ConfigResources() {
		if r.Type == metadata.ResourceGroup || r.Type == metadata.ResourceClientMetrics {
			add(r.Type, r.Name)
		}
	}
	if slices.Contains(types, metadata.ResourceTopic) {
		for t := range image.Topics() {
			add(metadata.ResourceTopic, t.Name)
		}
	}
	for _, b := range image.Brokers() {
		id := strconv.Itoa(int(b.ID))
		add(metadata.ResourceBroker, id)
		add(metadata.ResourceBrokerLogger, id)
	}
	return resp, nil
}
