package api

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gokafka/gokafka/internal/server"
)

// frameOf returns a frame with header v1.
func frameOf(key, version int16, body string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 42)
	b = binary.BigEndian.AppendUint16(b, 4)
	return append(append(b, "frag"...), body...)
}

// TestRequestsThatCloseTheConnection: the error names client, api and version, for the log.
func TestRequestsThatCloseTheConnection(t *testing.T) {
	a := &API{Log: zap.NewNop()}
	for _, tc := range []struct {
		name  string
		frame []byte
		want  []string
	}{
		{"nothing", nil, nil},
		{"short header", []byte{0, 3, 0}, nil},
		{"unknown api", frameOf(999, 0, ""), []string{"999", `"frag"`}},
		{"negative api", frameOf(-1, 0, ""), []string{"-1"}},
		{"not served", frameOf(4, 1, ""), []string{"LeaderAndISR", `"frag"`}},
		{"version too high", frameOf(3, 99, ""), []string{"Metadata", "version 99", `"frag"`, "0 to 13"}},
		{"negative version", frameOf(3, -1, ""), []string{"Metadata", "version -1"}},
		{"body does not parse", frameOf(3, 1, "\x00\x00\x00\x05ab"), []string{"Metadata", "version 1", `"frag"`}},
	} {
		s := a.NewSession(server.ConnInfo{})
		resp, err := s.Handle(t.Context(), tc.frame)
		if err == nil || resp != nil {
			t.Errorf("%s: answered with %v", tc.name, resp)
			continue
		}
		for _, part := range tc.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %s", tc.name, err, part)
			}
		}
	}
}

func TestPanicClosesOneConnection(t *testing.T) {
	core, logged := observer.New(zap.ErrorLevel)
	a := &API{Log: zap.New(core)} // without metadata: the handler of Metadata panics
	s := a.NewSession(server.ConnInfo{})
	resp, err := s.Handle(t.Context(), frameOf(3, 1, "\x00\x00\x00\x00"))
	if err == nil || resp != nil {
		t.Fatalf("after a panic: %v, %v", resp, err)
	}
	if logged.Len() != 1 {
		t.Fatalf("%d log entries, want 1", logged.Len())
	}
	fields := logged.All()[0].ContextMap()
	if fields["api"] != "Metadata" || fields["client_id"] != "frag" || fields["correlation_id"] != int64OrInt32(42) ||
		!strings.Contains(string(bytesOf(fields["stack"])), "metadata") {
		t.Errorf("logged %v", fields)
	}
}

func int64OrInt32(n int32) any { return n }

func bytesOf(v any) []byte {
	switch v := v.(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// The answers are kept, but not longer than the image that they tell of.
func TestApiVersionsFollowTheImage(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "franz-go", "v1.2.3"
	epochs := []int64{}
	for _, topic := range []string{"", "one", "two"} {
		if topic != "" {
			tb.createTopic(topic, 1)
		}
		for range 2 {
			resp := answer[*kmsg.ApiVersionsResponse](c, req)
			if want := tb.api.Metadata.Image().Offset(); resp.FinalizedFeaturesEpoch != want {
				t.Errorf("epoch %d, want that of the image, %d", resp.FinalizedFeaturesEpoch, want)
			}
			epochs = append(epochs, resp.FinalizedFeaturesEpoch)
		}
	}
	if epochs[0] == epochs[5] {
		t.Errorf("the image has not changed: %v", epochs)
	}
}

func TestApiVersions(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	for version := int16(0); version <= 4; version++ {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "franz-go", "v1.2.3"
		resp := answer[*kmsg.ApiVersionsResponse](c, req)
		ranges := map[int16][2]int16{}
		for _, k := range resp.ApiKeys {
			ranges[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
		}
		if resp.ErrorCode != 0 || ranges[0] != [2]int16{0, 13} || ranges[1] != [2]int16{0, 18} || ranges[18] != [2]int16{0, 4} {
			t.Errorf("v%d: error %d, ranges %v", version, resp.ErrorCode, ranges)
		}
		if version < 3 {
			continue
		}
		if len(resp.FinalizedFeatures) == 0 || len(resp.SupportedFeatures) == 0 || resp.FinalizedFeaturesEpoch < 0 {
			t.Errorf("v%d: features %+v %+v", version, resp.SupportedFeatures, resp.FinalizedFeatures)
		}
		if !slices.ContainsFunc(resp.FinalizedFeatures, func(f kmsg.ApiVersionsResponseFinalizedFeature) bool {
			return f.Name == "kraft.version" && f.MaxVersionLevel == 1
		}) {
			t.Errorf("v%d: kraft.version is not finalized: %+v", version, resp.FinalizedFeatures)
		}
		for _, f := range resp.SupportedFeatures {
			if version < 4 && f.MinVersion == 0 {
				t.Errorf("v3 lists feature %s with lowest level 0", f.Name)
			}
		}
		for _, bad := range []string{"", "-a", "a b", "a-", "ä"} {
			req.ClientSoftwareName = bad
			if resp := answer[*kmsg.ApiVersionsResponse](c, req); resp.ErrorCode != kerr.InvalidRequest.Code || len(resp.ApiKeys) != 0 {
				t.Errorf("v%d: software name %q: error %d, %d keys", version, bad, resp.ErrorCode, len(resp.ApiKeys))
			}
		}
	}
}

// TestApiVersionsOfAVersionToCome: the answer is in version 0 and has the range of this API alone (KIP-511).
func TestApiVersionsOfAVersionToCome(t *testing.T) {
	a := &API{Log: zap.NewNop()}
	for _, version := range []int16{5, 99, -1} {
		s := a.NewSession(server.ConnInfo{})
		frame, err := s.Handle(context.Background(), frameOf(18, version, "\x00whatever this is"))
		if err != nil {
			t.Fatal(err)
		}
		b := frame.AppendTo(nil)
		if id := binary.BigEndian.Uint32(b[4:]); id != 42 {
			t.Errorf("version %d: correlation id %d", version, id)
		}
		resp := kmsg.NewPtrApiVersionsResponse()
		if err := resp.ReadFrom(b[8:]); err != nil {
			t.Fatal(err)
		}
		if resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 || resp.ApiKeys[0].MaxVersion != 4 {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
}
