package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
)

// errResourceTwice is the error of a resource that a request names more than once.
var errResourceTwice = reject(kerr.InvalidRequest, "Each resource must appear at most once.")

// AlterConfigs: key 33, versions 0–2.
//
// Behaviour:
//   - replaces all configurations of a resource; old clients and Terraform's provider still use it (KIP-339 deprecates it);
//   - topics and brokers, as IncrementalAlterConfigs does; loggers are refused;
//   - a resource named twice is INVALID_REQUEST for both. Kafka 4.3.1 means to answer that and never answers (its response cannot be put
//     together); gokafka answers.
//
// Version notes:
//   - v2: flexible.
func (s *session) alterConfigs(ctx context.Context, req *kmsg.AlterConfigsRequest) (*kmsg.AlterConfigsResponse, error) {
	keys := make([]resourceKey, len(req.Resources))
	for i, r := range req.Resources {
		keys[i] = resourceKey{r.ResourceType, r.ResourceName}
	}
	twice := repeated(keys)
	results := map[resourceKey]outcome{}
	forward := *req
	forward.Resources = nil
	for i, r := range req.Resources {
		if err := s.checkReplace(r, twice[keys[i]]); err != nil {
			results[keys[i]] = outcomeOf(err)
			continue
		}
		forward.Resources = append(forward.Resources, r)
	}
	if len(forward.Resources) > 0 {
		resp, err := ask[*kmsg.AlterConfigsResponse](ctx, s.api.Controller, &forward)
		if err != nil {
			return nil, err
		}
		for _, r := range resp.Resources {
			results[resourceKey{r.ResourceType, r.ResourceName}] = outcome{r.ErrorCode, r.ErrorMessage}
		}
	}
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	for _, k := range keys {
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = k.kind, k.name
		result, ok := results[k]
		if !ok {
			result = missingResult
		}
		rr.ErrorCode, rr.ErrorMessage = result.code, result.message
		resp.Resources = append(resp.Resources, rr)
	}
	return resp, nil
}

func (s *session) checkReplace(r kmsg.AlterConfigsRequestResource, twice bool) error {
	if twice {
		return errResourceTwice
	}
	ops := make([]alterOp, len(r.Configs))
	for i, c := range r.Configs {
		ops[i] = alterOp{kmsg.IncrementalAlterConfigOpSet, c.Name, c.Value}
	}
	if err := checkOps(ops); err != nil {
		return err
	}
	switch int8(r.ResourceType) {
	case metadata.ResourceBroker:
		return s.checkBrokerChange(r.ResourceName, ops, true)
	case metadata.ResourceTopic, metadata.ResourceClientMetrics, metadata.ResourceGroup:
		return nil
	}
	return unknownResourceType(r.ResourceType)
}
