package api

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/server"
)

// ApiVersions: key 18, versions 0–4.
//
// Behaviour:
//   - lists every API of the dispatch table with its range, before authentication too;
//   - an unsupported version is answered with a version 0 body, UNSUPPORTED_VERSION and the range of this API alone,
//     so that the client can step down (KIP-511); the response header is v0 in every version;
//   - supported features are those this node has registered, finalized ones those of the metadata image; the epoch is
//     the offset of the image.
//
// Version notes:
//   - v1: throttle time.
//   - v3: client software name and version (KIP-511), INVALID_REQUEST when they do not match Kafka's pattern; features
//     (KIP-584).
//   - v4: features whose lowest level is 0 are listed (KAFKA-17492: older clients cannot read them).

func (s *session) apiVersions(_ context.Context, req *kmsg.ApiVersionsRequest) (*kmsg.ApiVersionsResponse, error) {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	if req.Version >= 3 {
		if !validSoftware(req.ClientSoftwareName) || !validSoftware(req.ClientSoftwareVersion) {
			resp.ErrorCode = kerr.InvalidRequest.Code
			return resp, nil
		}
		s.software = req.ClientSoftwareName + " " + req.ClientSoftwareVersion
	}
	resp.ApiKeys = servedAPIs()
	image := s.api.Metadata.Image()
	if b := image.Broker(s.api.NodeID); b != nil {
		for _, f := range b.Features {
			if f.Min == 0 && req.Version < 4 {
				continue
			}
			sf := kmsg.NewApiVersionsResponseSupportedFeature()
			sf.Name, sf.MinVersion, sf.MaxVersion = f.Name, f.Min, f.Max
			resp.SupportedFeatures = append(resp.SupportedFeatures, sf)
		}
	}
	finalized := image.Features()
	if level := image.KRaftVersion(); level > 0 {
		finalized["kraft.version"] = level
	}
	for name, level := range finalized {
		ff := kmsg.NewApiVersionsResponseFinalizedFeature()
		ff.Name, ff.MinVersionLevel, ff.MaxVersionLevel = name, level, level
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, ff)
	}
	slices.SortFunc(resp.FinalizedFeatures, func(a, b kmsg.ApiVersionsResponseFinalizedFeature) int {
		return strings.Compare(a.Name, b.Name)
	})
	resp.FinalizedFeaturesEpoch = image.Offset()
	return resp, nil
}

// servedAPIs lists the dispatch table. All answers share the list, which nobody changes: a client asks once for each connection, monitors all the time.
var servedAPIs = sync.OnceValue(func() []kmsg.ApiVersionsResponseApiKey {
	var all []kmsg.ApiVersionsResponseApiKey
	for key, e := range table {
		if e.served() {
			all = append(all, apiVersion(int16(key), e))
		}
	}
	return slices.Clip(all)
})

// apiVersionsUnsupported answers an ApiVersions request of a version that this broker does not know.
func (s *session) apiVersionsUnsupported() server.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = 0
	resp.ErrorCode = protocol.ErrorCode(kerr.UnsupportedVersion)
	key := int16(kmsg.ApiVersions)
	resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{apiVersion(key, lookup(key))}
	return s.reply(resp)
}

func apiVersion(key int16, e entry) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = key, e.min, e.max
	return k
}

// validSoftware says whether a client's name or version matches Kafka's pattern
// [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? (ApiVersionsRequest.java).
func validSoftware(s string) bool {
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
	if s == "" || !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alnum(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
