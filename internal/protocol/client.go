package protocol

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxResponseBytes bounds one response.
const maxResponseBytes = 256 << 20

// ErrClientClosed is returned by requests on a Client that was closed, or whose connection failed in an earlier request.
var ErrClientClosed = errors.New("protocol: client is closed")

// Client is one connection to a broker. It implements kmsg.Requestor and is safe for concurrent use: requests take turns, one waits
// for its response before the next is written, just as a broker serves a connection. It starts no goroutine and does not reconnect.
type Client struct {
	conn      net.Conn
	formatter *kmsg.RequestFormatter
	closing   sync.Once
	closed    chan struct{} // closed by Close

	turn chan struct{} // holds one token; its taker owns the fields below
	id   int32         // correlation id of the last request
	buf  []byte
}

var _ kmsg.Requestor = (*Client)(nil)

// Dial connects to addr with dial (such as net.Dialer.DialContext) and returns a Client that names itself clientID.
func Dial(ctx context.Context, dial func(ctx context.Context, network, addr string) (net.Conn, error), addr, clientID string) (*Client, error) {
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewClient(conn, clientID), nil
}

// NewClient returns a Client on a connection that is ready for requests, and which it owns from now on.
func NewClient(conn net.Conn, clientID string) *Client {
	c := &Client{conn: conn, formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)), closed: make(chan struct{}), turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// Request sends req in the version set on it and waits for the response. When ctx ends while it is under way, or anything fails, the connection
// is closed: what the broker made of the request is unknown then. A Produce request with acks 0, which is not answered, returns an empty response at once.
// Byte slices in the response are its own.
func (c *Client) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.closed:
		return nil, ErrClientClosed
	case <-c.turn:
	}
	defer func() { c.turn <- struct{}{} }()
	select {
	case <-c.closed: // while waiting for the turn, too
		return nil, ErrClientClosed
	default:
	}
	resp, err := c.roundTrip(ctx, req)
	if err != nil {
		_ = c.Close() // already failing
		if cause := ctx.Err(); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp, nil
}

func (c *Client) roundTrip(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	interrupt := context.AfterFunc(ctx, func() {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // long ago: reads and writes fail at once
	})
	resp, err := c.exchange(req)
	if !interrupt() && err == nil {
		err = ctx.Err() // the deadline spoils the connection for later requests
	}
	return resp, err
}

func (c *Client) exchange(req kmsg.Request) (kmsg.Response, error) {
	c.id++
	c.buf = c.formatter.AppendRequest(c.buf[:0], req, c.id)
	if _, err := c.conn.Write(c.buf); err != nil {
		return nil, err
	}
	resp := NewResponse(req)
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return resp, nil
	}
	frame, err := ReadFrame(c.conn, maxResponseBytes, nil)
	if err != nil {
		return nil, noEOF(err)
	}
	return resp, parseResponse(frame, c.id, resp)
}

// parseResponse reads the frame of a response into resp, whose version says how.
func parseResponse(frame []byte, wantID int32, resp kmsg.Response) error {
	r := wireReader{b: frame}
	id := r.int32()
	if r.bad {
		return fmt.Errorf("response header: %w", ErrTruncated)
	}
	if id != wantID {
		return fmt.Errorf("response has correlation id %d, want %d", id, wantID)
	}
	if resp.Key() == keyApiVersions {
		// A broker that lacks the version asked for answers in version 0 (KIP-511).
		if len(r.b) >= 2 && int16(binary.BigEndian.Uint16(r.b)) == kerr.UnsupportedVersion.Code {
			resp.SetVersion(0)
		}
	} else if resp.IsFlexible() {
		r.skipTags()
	}
	if r.bad {
		return fmt.Errorf("response header: %w", ErrTruncated)
	}
	return resp.ReadFrom(r.b)
}

// Close closes the connection; a request under way fails. It may be called more than once.
func (c *Client) Close() (err error) {
	c.closing.Do(func() {
		close(c.closed)
		err = c.conn.Close()
	})
	return err
}
