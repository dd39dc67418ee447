package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster: key 60, versions 0–2.
//
// Behaviour: brokers and controller as in Metadata, for the listener the request came in on.
//
// Version notes:
//   - v1: endpoint type (KIP-919): this listener is one of brokers (1), so that of controllers (2) is
//     MISMATCHED_ENDPOINT_TYPE, any other UNSUPPORTED_ENDPOINT_TYPE.
//   - v2: fenced brokers when asked for (KIP-1073).

const (
	brokerEndpoint     = 1
	controllerEndpoint = 2
)

func (s *session) describeCluster(_ context.Context, req *kmsg.DescribeClusterRequest) (*kmsg.DescribeClusterResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.EndpointType = brokerEndpoint
	resp.ControllerID = -1
	resp.ClusterAuthorizedOperations = notRequested
	if req.Version >= 1 && req.EndpointType != brokerEndpoint {
		var msg string
		if req.EndpointType == controllerEndpoint {
			resp.ErrorCode = kerr.MismatchedEndpointType.Code
			msg = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
		} else {
			resp.ErrorCode = kerr.UnsupportedEndpointType.Code
			msg = fmt.Sprintf("Unsupported endpoint type %d", req.EndpointType)
		}
		resp.ErrorMessage = &msg
		return resp, nil
	}
	image := s.api.Metadata.Image()
	for _, b := range image.Brokers() {
		at, ok := s.endpoint(&b)
		if !ok || b.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		rb := kmsg.NewDescribeClusterResponseBroker()
		rb.NodeID, rb.Host, rb.Port, rb.Rack, rb.IsFenced = b.ID, at.Host, int32(at.Port), b.Rack, b.Fenced
		resp.Brokers = append(resp.Brokers, rb)
	}
	resp.ClusterID = s.api.ClusterID
	resp.ControllerID = s.adminBroker(image)
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = allClusterOperations
	}
	return resp, nil
}
