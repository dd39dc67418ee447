package api

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/server"
)

// session is one connection. Only the connection's goroutine touches it.
type session struct {
	api  *API
	conn server.ConnInfo
	// host is where this client reaches this broker; empty when that is the registered address.
	host string
	peer string // the client's address as groups show it; empty until it is asked for

	// header is the request being served.
	header protocol.Header
	// software is what the client said of itself in ApiVersions 3+ ("librdkafka v2.11.0"); empty until then.
	software string

	sharedBy bool // there may be share sessions of this connection

	// Reused from request to request: the answer to a request is written before the next request is read.
	frame          kmsgFrame
	versions       versionsFrame
	produceScratch produceScratch
	fetchScratch   fetchScratch
}

// Handle serves one frame. See server.Session for the contract. The error for a request that cannot be answered says which
// request of which client it was: the server logs it when it closes the connection.
func (s *session) Handle(ctx context.Context, frame []byte) (resp server.Response, err error) {
	s.header = protocol.Header{}
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, s.panicked(p)
		}
	}()
	h, body, err := protocol.ParseHeader(frame)
	s.header = h
	if err != nil {
		return nil, err
	}
	e := lookup(h.Key)
	switch {
	case !e.served():
		return nil, s.refuse(errors.New("this broker does not serve this api"))
	case h.Version < e.min || h.Version > e.max:
		if h.Key == int16(kmsg.ApiVersions) {
			return s.apiVersionsUnsupported(), nil
		}
		return nil, s.refuse(fmt.Errorf("this broker serves versions %d to %d of this api", e.min, e.max))
	}
	req, err := protocol.ParseBody(h, body)
	if err != nil {
		return nil, s.refuse(err)
	}
	if ce := s.api.Log.Check(zapcore.DebugLevel, "request"); ce != nil {
		ce.Write(append(s.fields(), zap.Int("bytes", len(frame)))...)
	}
	if h.Key != int16(kmsg.Produce) { // which is the one that clients send without waiting, and knows itself when it waits
		s.flush()
	}
	resp, err = e.serve(ctx, s, req)
	if err != nil {
		return nil, s.refuse(err)
	}
	return resp, nil
}

// flush has the answers to earlier requests written before this one waits.
func (s *session) flush() {
	if s.conn.Flush != nil {
		s.conn.Flush()
	}
}

// Close is called once, after the last Handle. Fetch sessions stay: a client may go on with one on a new connection
// (KIP-227), and the cache bounds their number. Share sessions end with their connection, and what they had acquired is for others.
func (s *session) Close() {
	if s.sharedBy {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.api.Shares.Disconnected(ctx, s.conn.ID)
	}
}

// fields describe the request being served, for a log line.
func (s *session) fields() []zap.Field {
	return []zap.Field{
		zap.String("api", kmsg.NameForKey(s.header.Key)),
		zap.Int16("api_version", s.header.Version),
		zap.Int32("correlation_id", s.header.CorrelationID),
		zap.String("client_id", s.clientID()),
		zap.String("software", s.software),
		zap.Uint64("connection", s.conn.ID),
	}
}

// refuse returns the error that closes the connection, with the request that brought it about.
func (s *session) refuse(cause error) error {
	return fmt.Errorf("%s (key %d) version %d from client %q %s: %w",
		kmsg.NameForKey(s.header.Key), s.header.Key, s.header.Version, s.clientID(), s.software, cause)
}

// panicked logs a panic of a handler with its request and returns the error that closes the connection.
func (s *session) panicked(p any) error {
	s.api.Log.Error("panic while serving a request",
		append(s.fields(), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))...)
	return s.refuse(errors.New("panic while serving the request"))
}

// code returns the Kafka code for err. An error without one is a surprise of ours: the client is told
// UNKNOWN_SERVER_ERROR, and the log everything.
func (s *session) code(err error) int16 {
	code := protocol.ErrorCode(err)
	if code == kerr.UnknownServerError.Code {
		s.api.Log.Error("request met an unexpected error", append(s.fields(), zap.Error(err))...)
	}
	return code
}

// clientID is the client.id of the request being served; empty when the client sent none.
func (s *session) clientID() string {
	if s.header.ClientID == nil {
		return ""
	}
	return *s.header.ClientID
}

// reply wraps a kmsg response as the answer to the request being served.
func (s *session) reply(resp kmsg.Response) server.Response {
	s.frame = kmsgFrame{session: s, resp: resp}
	return &s.frame
}

// kmsgFrame is a response frame encoded by kmsg.
type kmsgFrame struct {
	session *session
	resp    kmsg.Response
}

// AppendTo implements server.Response.
func (f *kmsgFrame) AppendTo(dst []byte) []byte {
	dst = protocol.AppendResponse(dst, f.session.header.CorrelationID, f.resp)
	f.resp = nil
	return dst
}
