package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
)

// IncrementalAlterConfigs: key 44, versions 0–1.
//
// Behaviour:
//   - set, delete, append, subtract; each resource succeeds or fails as a whole, in the order of the request;
//   - topics, brokers, groups and telemetry subscriptions are stored by the controller, which validates them; changes of this broker are
//     validated here before, other brokers' are refused;
//   - loggers are changed here at once, and forgotten at a restart.
//
// Version notes:
//   - v1: flexible.
func (s *session) incrementalAlterConfigs(ctx context.Context, req *kmsg.IncrementalAlterConfigsRequest) (*kmsg.IncrementalAlterConfigsResponse, error) {
	keys := make([]resourceKey, len(req.Resources))
	for i, r := range req.Resources {
		keys[i] = resourceKey{r.ResourceType, r.ResourceName}
	}
	twice := repeated(keys)
	results := map[resourceKey]outcome{}
	forward := *req
	forward.Resources = nil
	for i, r := range req.Resources {
		if err := s.checkIncremental(r, twice[keys[i]], req.ValidateOnly); err != nil {
			results[keys[i]] = outcomeOf(err)
			continue
		}
		if int8(r.ResourceType) == metadata.ResourceBrokerLogger {
			results[keys[i]] = outcome{}
			continue
		}
		forward.Resources = append(forward.Resources, r)
	}
	if len(forward.Resources) > 0 {
		resp, err := ask[*kmsg.IncrementalAlterConfigsResponse](ctx, s.api.Controller, &forward)
		if err != nil {
			return nil, err
		}
		for _, r := range resp.Resources {
			results[resourceKey{r.ResourceType, r.ResourceName}] = outcome{r.ErrorCode, r.ErrorMessage}
		}
	}
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, k := range keys {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
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

// checkIncremental checks one resource and, for loggers, makes the change.
func (s *session) checkIncremental(r kmsg.IncrementalAlterConfigsRequestResource, twice, validateOnly bool) error {
	if twice {
		return errResourceTwice
	}
	ops := make([]alterOp, len(r.Configs))
	for i, c := range r.Configs {
		ops[i] = alterOp{c.Op, c.Name, c.Value}
	}
	if err := checkOps(ops); err != nil {
		return err
	}
	switch int8(r.ResourceType) {
	case metadata.ResourceBrokerLogger:
		return s.changeLoggers(r.ResourceName, ops, validateOnly)
	case metadata.ResourceBroker:
		return s.checkBrokerChange(r.ResourceName, ops, false)
	case metadata.ResourceTopic, metadata.ResourceClientMetrics, metadata.ResourceGroup:
		return nil
	}
	return unknownResourceType(r.ResourceType)
}
