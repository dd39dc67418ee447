package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

const (
	// readBufferBytes is what an idle connection holds: enough for a small request in one read.
	readBufferBytes = 2 << 10
	// writeChunkBytes bounds what one write deadline covers, so that a slow reader that makes progress is not cut off.
	writeChunkBytes = 1 << 20
)

// conn is one connection; all but interruptRead and cancel runs on its own goroutine.
type conn struct {
	server *Server
	net    net.Conn
	cancel context.CancelFunc // ends the request under way
	info   ConnInfo

	turns   atomic.Uint64 // odd while a request is handled
	watched uint64        // guarded by Server.mu: turns at the last look
}

// interruptRead ends a wait for the next request. It may be called from any goroutine; the loop sees the server's context ended and leaves.
func (c *conn) interruptRead() { _ = c.net.SetReadDeadline(time.Unix(1, 0)) }

// serve runs the request loop until the peer leaves, a request or the limits end the connection, or ctx ends.
func (c *conn) serve(ctx context.Context) {
	session := c.server.handler.NewSession(c.info)
	defer func() {
		if p := recover(); p != nil {
			c.server.log.Error("panic while serving a connection, which is closed", zap.Any("panic", p),
				zap.Stringer("remote", c.info.RemoteAddr), zap.ByteString("stack", debug.Stack()))
		}
		_ = c.net.Close()
		session.Close()
	}()
	r := bufio.NewReaderSize(c.net, readBufferBytes)
	for ctx.Err() == nil {
		if err := c.serveOne(ctx, session, r); err != nil {
			c.logEnd(ctx, err)
			return
		}
	}
}

// serveOne reads a request, has it handled and writes the response.
func (c *conn) serveOne(ctx context.Context, session Session, r *bufio.Reader) error {
	limits := c.server.limits()
	if err := c.await(ctx, limits.MaxIdle); err != nil {
		return err
	}
	prefix, err := r.Peek(4)
	if err != nil {
		return err
	}
	in := takeBuffer(int(prefix[0])<<24 | int(prefix[1])<<16 | int(prefix[2])<<8 | int(prefix[3]))
	defer in.release()
	// The frame itself arrives under a deadline of its own, renewed while bytes come, so that a slow sender is not an idle one.
	frame, err := protocol.ReadFrame(&patientReader{r: r, conn: c.net, ctx: ctx, idle: limits.MaxIdle}, limits.RequestMaxBytes, in.bytes)
	if err != nil {
		return err
	}
	in.bytes = frame

	c.turns.Add(1)
	response, err := session.Handle(ctx, frame)
	c.turns.Add(1)
	if err != nil {
		return err
	}
	if response == nil {
		return nil
	}
	if closer, ok := response.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	if large, ok := response.(Streamer); ok && large.SizeHint() > mediumBufferBytes {
		out := takeBuffer(mediumBufferBytes)
		defer out.release()
		return large.Stream(out.bytes[:cap(out.bytes)], func(piece []byte) error { return c.write(piece, limits.MaxIdle) })
	}
	size := 0
	if hint, ok := response.(interface{ SizeHint() int }); ok {
		size = hint.SizeHint()
	}
	out := takeBuffer(size)
	defer out.release()
	out.bytes = response.AppendTo(out.bytes[:0])
	return c.write(out.bytes, limits.MaxIdle)
}

// await prepares the wait for a request's first byte. Shutdown sets a deadline in the past; a deadline set here after that would undo it, hence
// the second look at ctx.
func (c *conn) await(ctx context.Context, idle time.Duration) error {
	var deadline time.Time
	if idle > 0 {
		deadline = time.Now().Add(idle)
	}
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return nil
}

// write sends b in chunks, each of which the peer must take within the idle limit: a client that never reads does not hold us for ever.
func (c *conn) write(b []byte, idle time.Duration) error {
	for len(b) > 0 {
		n := min(len(b), writeChunkBytes)
		if idle > 0 {
			if err := c.net.SetWriteDeadline(time.Now().Add(idle)); err != nil {
				return err
			}
		}
		if _, err := c.net.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// logEnd says why a connection ended: quietly for what peers and shutdowns do, loudly for what they should not.
func (c *conn) logEnd(ctx context.Context, err error) {
	log := c.server.log.With(zap.String("listener", c.info.Listener), zap.Stringer("remote", c.info.RemoteAddr))
	var ne net.Error
	switch {
	case ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err):
		log.Debug("connection ended", zap.Error(err))
	case errors.As(err, &ne) && ne.Timeout():
		log.Debug("connection idle too long, closing it")
	default:
		log.Warn("closing the connection", zap.Error(err))
	}
}

// patientReader renews the read deadline with each read that follows the first bytes of a frame.
type patientReader struct {
	r    *bufio.Reader
	conn net.Conn
	ctx  context.Context
	idle time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	if p.r.Buffered() == 0 {
		if p.idle > 0 {
			if err := p.conn.SetReadDeadline(time.Now().Add(p.idle)); err != nil {
				return 0, err
			}
		}
		if p.ctx.Err() != nil {
			return 0, p.ctx.Err()
		}
	}
	return p.r.Read(b)
}
