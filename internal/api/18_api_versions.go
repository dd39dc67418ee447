package api

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
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
// A client asks once for each connection, monitors ask all the time: the encoded answers are kept until the image changes.
//
// Version notes:
//   - v1: throttle time.
//   - v3: client software name and version (KIP-511), INVALID_REQUEST when they do not match Kafka's pattern; features
//     (KIP-584).
//   - v4: features whose lowest level is 0 are listed (KAFKA-17492: older clients cannot read them).

func (s *session) apiVersions(_ context.Context, req *kmsg.ApiVersionsRequest) (server.Response, error) {
	if req.Version >= 3 {
		if !validSoftware(req.ClientSoftwareName) || !validSoftware(req.ClientSoftwareVersion) {
			resp := protocol.NewResponse(req).(*kmsg.ApiVersionsResponse)
			resp.ErrorCode = kerr.InvalidRequest.Code
			return s.reply(resp), nil
		}
		s.software = req.ClientSoftwareName + " " + req.ClientSoftwareVersion
	}
	image := s.api.Metadata.Image()
	known := &s.api.versionsAnswers[req.Version]
	a := known.Load()
	if a == nil || a.image != image {
		resp := protocol.NewResponse(req).(*kmsg.ApiVersionsResponse)
		s.api.fillVersions(resp, image)
		a = &versionsAnswer{image: image, frame: protocol.AppendResponse(nil, 0, resp)}
		known.Store(a)
	}
	s.versions = versionsFrame{a.frame, s.header.CorrelationID}
	return &s.versions, nil
}

// versionsAnswer is the frame that answers a version of the request as long as the image is this one.
type versionsAnswer struct {
	image *metadata.Image
	frame []byte
}

// versionsFrame is that frame for one request.
type versionsFrame struct {
	frame         []byte
	correlationID int32
}

// AppendTo implements server.Response.
func (f *versionsFrame) AppendTo(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, f.frame...)
	binary.BigEndian.PutUint32(dst[at+4:], uint32(f.correlationID))
	return dst
}

// fillVersions fills in what this node serves and which features the cluster has.
func (a *API) fillVersions(resp *kmsg.ApiVersionsResponse, image *metadata.Image) {
	for key, e := range table {
		if e.served() {
			resp.ApiKeys = append(resp.ApiKeys, apiVersion(int16(key), e))
		}
	}
	if b := image.Broker(a.NodeID); b != nil {
		for _, f := range b.Features {
			if f.Min == 0 && resp.Version < 4 {
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
}

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
