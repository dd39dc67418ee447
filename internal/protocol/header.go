package protocol

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyControlledShutdown = 7
	keyApiVersions        = 18
)

// Header is the header of a request, whichever of its three versions it came in.
type Header struct {
	Key, Version  int16
	CorrelationID int32
	ClientID      *string // nil = null
}

// ParseHeader splits a frame into its request header and the body after it, which aliases frame.
// Key and version need not be known: then the header is taken for v1 and the body is what follows the client id,
// so that the caller can say who asked for what. It returns an error, and the fields read so far, when the frame
// is too short for the header.
func ParseHeader(frame []byte) (Header, []byte, error) {
	if len(frame) < 8 {
		return Header{}, nil, fmt.Errorf("request header: %w: %d bytes", ErrTruncated, len(frame))
	}
	h := Header{
		Key:           int16(binary.BigEndian.Uint16(frame)),
		Version:       int16(binary.BigEndian.Uint16(frame[2:])),
		CorrelationID: int32(binary.BigEndian.Uint32(frame[4:])),
	}
	r := wireReader{b: frame[8:]}
	// The one request with header v0. Its later versions have v1.
	if h.Key == keyControlledShutdown && h.Version == 0 {
		return h, r.b, nil
	}
	h.ClientID = r.nullableString()
	if flexible(h.Key, h.Version) {
		r.skipTags()
	}
	if r.bad {
		return h, nil, fmt.Errorf("request header (key %d, version %d): %w", h.Key, h.Version, ErrTruncated)
	}
	return h, r.b, nil
}

// flexible reports whether kmsg knows version of the API key as one with tagged fields (KIP-482).
func flexible(key, version int16) bool {
	if key < 0 || int(key) >= len(flexibleVersions) {
		return false
	}
	v := flexibleVersions[key]
	return version >= v.first && version <= v.last
}

// flexibleVersions are the flexible versions of each API key, asked of kmsg once; none where first is above last.
var flexibleVersions = func() (table [kmsg.MaxKey + 1]struct{ first, last int16 }) {
	for key := range table {
		v := &table[key]
		v.last = -1
		req := kmsg.RequestForKey(int16(key))
		if req == nil {
			continue
		}
		for v.last = req.MaxVersion(); v.first <= v.last; v.first++ {
			if req.SetVersion(v.first); req.IsFlexible() {
				break
			}
		}
	}
	return table
}()

// ParseBody decodes the body of the request that h announces. Strings are copied; []byte fields alias body:
// whoever keeps one beyond the request clones it. A key or version that kmsg does not know gives an error wrapping
// kerr.UnsupportedVersion, a body that ends early one wrapping kerr.InvalidRequest. Bytes behind the body are ignored, as Kafka does.
func ParseBody(h Header, body []byte) (kmsg.Request, error) {
	req := kmsg.RequestForKey(h.Key)
	if req == nil {
		return nil, fmt.Errorf("api key %d: %w", h.Key, kerr.UnsupportedVersion)
	}
	if h.Version < 0 || h.Version > req.MaxVersion() {
		return nil, fmt.Errorf("%s version %d: %w", kmsg.NameForKey(h.Key), h.Version, kerr.UnsupportedVersion)
	}
	if l := layoutOf(h.Key); l == nil || !l.fits(h.Version, body) {
		return nil, fmt.Errorf("%s version %d: %d bytes do not have what they announce, or more than %d elements: %w", kmsg.NameForKey(h.Key), h.Version, len(body), maxElements, kerr.InvalidRequest)
	}
	req.SetVersion(h.Version)
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%s version %d: %v: %w", kmsg.NameForKey(h.Key), h.Version, err, kerr.InvalidRequest)
	}
	return req, nil
}

// NewResponse returns the response that answers req, in req's version and with kmsg's defaults.
func NewResponse(req kmsg.Request) kmsg.Response {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	return resp
}

// AppendResponse appends the whole frame of a response, size and header included, to dst.
// The header is v1 where r is flexible, but always v0 for ApiVersions: a client that asked in a version
// the broker lacks must be able to read the answer (KIP-511).
func AppendResponse(dst []byte, correlationID int32, r kmsg.Response) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if r.IsFlexible() && r.Key() != keyApiVersions {
		dst = append(dst, 0)
	}
	dst = r.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
