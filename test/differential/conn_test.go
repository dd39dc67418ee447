package differential

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// errClosed says that the broker ended the connection instead of answering.
var errClosed = errors.New("connection closed")

// errSilent says that the broker neither answered nor closed in time.
var errSilent = errors.New("no answer")

// conn is one connection that sends requests in exactly the version they carry: no negotiation, no retry.
type conn struct {
	c       net.Conn
	timeout time.Duration
	corr    int32
}

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, 30*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, timeout: 30 * time.Second}, nil
}

func (c *conn) close() { c.c.Close() }

// request sends req and parses the answer in req's version.
func (c *conn) request(req kmsg.Request) (kmsg.Response, error) {
	c.corr++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("differential")).AppendRequest(nil, req, c.corr)
	if err := c.send(frame); err != nil {
		return nil, err
	}
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return nil, nil
	}
	body, err := c.receive()
	if err != nil {
		return nil, err
	}
	if len(body) < 4 || int32(binary.BigEndian.Uint32(body)) != c.corr {
		return nil, fmt.Errorf("answer of %d bytes to another request", len(body))
	}
	body = body[4:]
	if req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		if len(body) < 1 || body[0] != 0 {
			return nil, errors.New("response header with tags")
		}
		body = body[1:]
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("answer does not parse: %w (% x)", err, body)
	}
	return resp, nil
}

func (c *conn) send(frame []byte) error {
	c.c.SetWriteDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.c.Write(frame); err != nil {
		return errClosed
	}
	return nil
}

// receive reads one frame and returns it without its size.
func (c *conn) receive() ([]byte, error) {
	c.c.SetReadDeadline(time.Now().Add(c.timeout))
	var size [4]byte
	if _, err := io.ReadFull(c.c, size[:]); err != nil {
		return nil, closedOrSilent(err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 64<<20 {
		return nil, fmt.Errorf("answer of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.c, body); err != nil {
		return nil, closedOrSilent(err)
	}
	return body, nil
}

func closedOrSilent(err error) error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return errSilent
	}
	return errClosed
}
