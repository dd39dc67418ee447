package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxKey is above every API key.
const maxKey = 100

// eachVersion calls fn with every request kmsg knows in every version.
func eachVersion(fn func(key, version int16)) {
	for key := int16(0); key < maxKey; key++ {
		if req := kmsg.RequestForKey(key); req != nil {
			for version := int16(0); version <= req.MaxVersion(); version++ {
				fn(key, version)
			}
		}
	}
}

func newRequest(key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	fill(reflect.ValueOf(req).Elem(), 3)
	req.SetVersion(version)
	return req
}

// fill puts something into every field, so that a shift by a byte is seen: arrays get two elements.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).CanSet() && name != "UnknownTags" && name != "Version" {
				fill(v.Field(i), depth)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		n := 2
		if depth == 0 {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(v.Index(i), depth-1)
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(4)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth)
		}
	}
}

func TestParseEveryRequest(t *testing.T) {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("me"))
	eachVersion(func(key, version int16) {
		t.Run(fmt.Sprintf("%s v%d", kmsg.NameForKey(key), version), func(t *testing.T) {
			req := newRequest(key, version)
			want := req.AppendTo(nil)
			frame := formatter.AppendRequest(nil, req, 1234)[4:]
			h, body, err := ParseHeader(frame)
			if err != nil {
				t.Fatal(err)
			}
			if key == keyControlledShutdown && version == 0 { // kmsg leaves the body out
				if h.ClientID != nil {
					t.Errorf("client id %q", *h.ClientID)
				}
				return
			}
			if h.ClientID == nil || *h.ClientID != "me" {
				t.Errorf("client id %v", h.ClientID)
			}
			if h.Key != key || h.Version != version || h.CorrelationID != 1234 || !bytes.Equal(body, want) {
				t.Errorf("%+v, body %x, want %x", h, body, want)
			}
			got, err := ParseBody(h, body)
			if err != nil {
				t.Fatal(err)
			}
			if again := got.AppendTo(nil); !bytes.Equal(again, want) || got.GetVersion() != version {
				t.Errorf("version %d, %x, want %x", got.GetVersion(), again, want)
			}
			for n := range frame {
				if h, body, err := ParseHeader(frame[:n]); err == nil {
					if _, err := ParseBody(h, body); err != nil && !errors.Is(err, kerr.InvalidRequest) {
						t.Errorf("first %d bytes: %v", n, err)
					}
				}
			}
		})
	})
}

func TestParseHeaderTagsAndNullClient(t *testing.T) {
	frame := []byte{0, 18, 0, 3, 0, 0, 0, 9, 0xff, 0xff, 2, 0, 1, 'x', 9, 2, 'y', 'z', 'r', 'e', 's', 't'}
	h, body, err := ParseHeader(frame)
	if err != nil || h.ClientID != nil || string(body) != "rest" {
		t.Errorf("%+v, %q, %v", h, body, err)
	}
	for n := range len(frame) - 4 {
		if _, _, err := ParseHeader(frame[:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
	endless := []byte{0, 18, 0, 3, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}
	if _, _, err := ParseHeader(endless); !errors.Is(err, ErrTruncated) {
		t.Errorf("four billion tags: %v", err)
	}
}

func TestParseHeaderOfUnknownRequests(t *testing.T) {
	for _, key := range []int16{-1, 999, 18, 0} {
		frame := binary.BigEndian.AppendUint16(nil, uint16(key))
		frame = append(frame, 0x7f, 0xff, 0, 0, 0, 5, 0, 2, 'm', 'e')
		h, _, err := ParseHeader(frame)
		if err != nil || h.Key != key || h.Version != 0x7fff || h.CorrelationID != 5 || *h.ClientID != "me" {
			t.Errorf("%+v, %v", h, err)
		}
		if _, err := ParseBody(h, nil); !errors.Is(err, kerr.UnsupportedVersion) {
			t.Errorf("key %d: %v", key, err)
		}
	}
	if _, err := ParseBody(Header{Key: 18, Version: -1}, nil); !errors.Is(err, kerr.UnsupportedVersion) {
		t.Error(err)
	}
}

func TestAppendResponseEveryVersion(t *testing.T) {
	eachVersion(func(key, version int16) {
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		resp := NewResponse(req)
		fill(reflect.ValueOf(resp).Elem(), 3)
		resp.SetVersion(version)
		frame := AppendResponse([]byte("before"), 77, resp)[len("before"):]
		if size := binary.BigEndian.Uint32(frame); int(size) != len(frame)-4 {
			t.Errorf("%s v%d: size %d of %d", kmsg.NameForKey(key), version, size, len(frame))
		}
		header := 4
		if resp.IsFlexible() && key != keyApiVersions {
			header = 5
		}
		if body := resp.AppendTo(nil); !bytes.Equal(frame[4+header:], body) {
			t.Errorf("%s v%d: body", kmsg.NameForKey(key), version)
		}
		got := NewResponse(req)
		if key == keyApiVersions { // filled with an error code of 3: not the one that changes the version
			got.SetVersion(version)
		}
		if err := parseResponse(frame[4:], 77, got); err != nil || !bytes.Equal(got.AppendTo(nil), resp.AppendTo(nil)) {
			t.Errorf("%s v%d: %v", kmsg.NameForKey(key), version, err)
		}
	})
}

func TestErrorCodeAndMessage(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		err     error
		code    int16
		message *string
	}{
		{nil, 0, nil},
		{kerr.NotLeaderForPartition, 6, text(kerr.NotLeaderForPartition.Description)},
		{fmt.Errorf("append t-1: %w", kerr.OutOfOrderSequenceNumber), 45, text("append t-1")},
		{fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", kerr.InvalidTimestamp)), 32, text("outer: inner")},
		{errors.New("disk on fire"), -1, text("disk on fire")},
		{fmt.Errorf("%w: partition 7", kerr.UnknownTopicOrPartition), 3, text("partition 7")},
		{errors.Join(errors.New("a"), kerr.CorruptMessage), 2, text("a")},
		{invalid(kerr.InvalidRecord, "three bad records"), 87, text("three bad records")},
	} {
		got := ErrorMessage(c.err)
		if ErrorCode(c.err) != c.code || (got == nil) != (c.message == nil) || got != nil && *got != *c.message {
			t.Errorf("%v: code %d, message %q", c.err, ErrorCode(c.err), *got)
		}
	}
}

func TestTopicPartition(t *testing.T) {
	tp := TopicPartition{"my-topic", 7}
	if tp.String() != "my-topic-7" || len(tp.Fields()) != 2 {
		t.Error(tp)
	}
}
