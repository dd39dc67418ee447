package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

const (
	// readBufferBytes is what a connection holds while requests come: enough for several small ones in one read.
	readBufferBytes = 8 << 10
	// maxBehindBytes bounds the requests that are handled while the response of an earlier one is held back, so that it is late by a tenth of a
	// millisecond at most.
	maxBehindBytes = 64 << 10
	// writeChunkBytes bounds what one write deadline covers, so that a slow reader that makes progress is not cut off.
	writeChunkBytes = 1 << 20
	// quietAfter is how long a connection may wait for a request before it lets go of what it needs for one: see conn.park.
	quietAfter = 200 * time.Millisecond
)

// conn is one connection; all but interruptRead and cancel runs on one goroutine at a time.
type conn struct {
	server  *Server
	net     net.Conn
	cancel  context.CancelFunc // ends the request under way
	info    ConnInfo
	session Session // nil until the first bytes of a request have come

	held    [16]byte // what park has read
	numHeld int
	reading deadline
	writing deadline

	out    *buffer // responses that are not written yet, nil when there is none: see respond
	behind int     // bytes of the requests that were handled since the first of them
	now    nowReader
	// pipelined is above 0 while more was often there to read when a response was held back.
	pipelined int
	writeErr  error // of Flush; the connection ends with it

	turns   atomic.Uint64 // odd while a request is handled
	watched uint64        // guarded by Server.mu: turns at the last look
}

// readBuffers has the buffers of connections that wait for their next request.
var readBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBufferBytes) }}

// errQuiet says that no request has come for quietAfter.
var errQuiet = errors.New("quiet")

// interruptRead ends a wait for the next request. It may be called from any goroutine; the loop sees the server's context ended and leaves.
func (c *conn) interruptRead() { _ = c.net.SetReadDeadline(time.Unix(1, 0)) }

// park waits for the first bytes of a request, as long as it takes. A request's handler has grown the stack of its goroutine to 8 KiB and more, which
// the garbage collector gives back late if at all; a connection that was quiet for a while waits here, on a new goroutine and without a buffer.
func (c *conn) park(ctx context.Context) {
	n, err := 0, c.await(ctx, c.server.limits().MaxIdle)
	if err == nil {
		n, err = c.net.Read(c.held[:])
	}
	if c.numHeld = n; n == 0 && err != nil {
		c.logEnd(ctx, err)
		c.end()
		return
	}
	c.serve(ctx)
}

// Read implements io.Reader: what park has read, then the connection. Before it waits it writes the responses that are held back.
func (c *conn) Read(p []byte) (int, error) {
	if c.numHeld == 0 {
		if c.out != nil {
			if n := c.now.Read(p); n > 0 {
				c.pipelined = min(c.pipelined+2, 16)
				return n, nil
			}
			c.pipelined = max(c.pipelined-1, 0)
			if c.Flush(); c.writeErr != nil {
				return 0, c.writeErr
			}
		}
		return c.net.Read(p)
	}
	n := copy(p, c.held[:c.numHeld])
	c.numHeld = copy(c.held[:], c.held[n:c.numHeld])
	return n, nil
}

// serve runs the request loop until the peer leaves, a request or the limits end the connection, or ctx ends. When nothing comes for a while it goes
// on in park.
func (c *conn) serve(ctx context.Context) {
	quiet := false
	r := readBuffers.Get().(*bufio.Reader)
	r.Reset(c)
	defer func() {
		if p := recover(); p != nil {
			c.server.log.Error("panic while serving a connection, which is closed", zap.Any("panic", p),
				zap.Stringer("remote", c.info.RemoteAddr), zap.ByteString("stack", debug.Stack()))
		}
		r.Reset(nil)
		readBuffers.Put(r)
		c.Flush()
		if quiet {
			go c.park(ctx)
			return
		}
		c.end()
	}()
	if c.session == nil {
		c.now.of(c.net)
		c.session = c.server.handler.NewSession(c.info)
	}
	for ctx.Err() == nil {
		if err := c.serveOne(ctx, c.session, r); err != nil {
			if quiet = err == errQuiet; !quiet {
				c.logEnd(ctx, err)
			}
			return
		}
	}
}

// end closes the connection and has the server forget it.
func (c *conn) end() {
	_ = c.net.Close()
	if c.session != nil {
		c.session.Close()
	}
	c.server.ended(c)
}

// serveOne reads a request, has it handled and writes the response.
func (c *conn) serveOne(ctx context.Context, session Session, r *bufio.Reader) error {
	limits := c.server.limits()
	prefix, err := c.awaitPrefix(ctx, r, limits.MaxIdle)
	if err != nil {
		return err
	}
	in := takeBuffer(int(prefix[0])<<24 | int(prefix[1])<<16 | int(prefix[2])<<8 | int(prefix[3]))
	defer func() { in.release() }()
	// The frame itself arrives under a deadline of its own, renewed while bytes come, so that a slow sender is not an idle one.
	frame, err := protocol.ReadFrame(&patientReader{r: r, conn: c, ctx: ctx, idle: limits.MaxIdle}, limits.RequestMaxBytes, in.bytes)
	if err != nil {
		return err
	}
	if cap(frame) > cap(in.bytes) {
		in.release()
		in = &buffer{}
	}
	in.bytes = frame

	c.turns.Add(1)
	response, err := session.Handle(ctx, frame)
	c.turns.Add(1)
	if err == nil {
		err = c.writeErr
	}
	if err != nil || response == nil && c.out == nil {
		return err
	}
	c.behind += len(frame)
	return c.respond(response, r, limits.MaxIdle)
}

// respond writes a response, nil for a request that has none. Small ones are held back while there is more to read from a client that does not wait
// for its answers, so that several go out with one write: it costs as much as all else that a small request takes. Whatever is about to wait, Read or
// the session, writes them first.
func (c *conn) respond(response Response, r *bufio.Reader, idle time.Duration) error {
	if response != nil {
		if closer, ok := response.(io.Closer); ok {
			defer func() { _ = closer.Close() }()
		}
		size := 0
		if hint, ok := response.(interface{ SizeHint() int }); ok {
			size = hint.SizeHint()
		}
		if c.out != nil && len(c.out.bytes)+size > smallBufferBytes {
			if c.Flush(); c.writeErr != nil {
				return c.writeErr
			}
		}
		if large, ok := response.(Streamer); ok && size > mediumBufferBytes {
			buf := streamBuffers.Get().(*[streamBufferBytes]byte)
			defer streamBuffers.Put(buf)
			return large.Stream(buf[:], func(piece []byte) error { return c.write(piece, idle) })
		}
		if c.out == nil {
			c.out = takeBuffer(size)
		}
		c.out.bytes = response.AppendTo(c.out.bytes)
	}
	if len(c.out.bytes) >= smallBufferBytes/2 || c.behind >= maxBehindBytes || !c.moreIsLikely(r) {
		c.Flush()
	}
	return c.writeErr
}

// moreIsLikely says whether it is worth looking for a next request before the responses are written. A look costs a tenth of a small request: for a
// client that waits for each answer it is taken now and then only.
func (c *conn) moreIsLikely(r *bufio.Reader) bool {
	return wholeFrameIn(r) || c.now.able() && (c.pipelined > 0 || r.Buffered() > 0 || c.turns.Load()%32 == 0)
}

// wholeFrameIn says whether the next request has arrived as a whole.
func wholeFrameIn(r *bufio.Reader) bool {
	if r.Buffered() < 4 {
		return false
	}
	prefix, _ := r.Peek(4)
	size := int32(binary.BigEndian.Uint32(prefix))
	return size >= 0 && int(size) <= r.Buffered()-4
}

// Flush writes the responses that respond holds back. It is [ConnInfo.Flush].
func (c *conn) Flush() {
	if c.out == nil {
		return
	}
	out := c.out
	c.out, c.behind = nil, 0
	defer out.release()
	if c.writeErr == nil {
		c.writeErr = c.write(out.bytes, c.server.limits().MaxIdle)
	}
}

// awaitPrefix waits for the size of the next frame.
func (c *conn) awaitPrefix(ctx context.Context, r *bufio.Reader, idle time.Duration) ([]byte, error) {
	if r.Buffered() >= 4 {
		return r.Peek(4)
	}
	quiet := c.numHeld == 0 && r.Buffered() == 0 && (idle <= 0 || idle > quietAfter)
	wait := idle
	if quiet {
		wait = quietAfter
	}
	if err := c.await(ctx, wait); err != nil {
		return nil, err
	}
	prefix, err := r.Peek(4)
	if err == nil || !quiet || ctx.Err() != nil || !isTimeout(err) {
		return prefix, err
	}
	if r.Buffered() == 0 {
		return nil, errQuiet
	}
	if err := c.await(ctx, idle); err != nil {
		return nil, err
	}
	return r.Peek(4)
}

// await prepares the wait for a request's first bytes. Shutdown sets a deadline in the past; a deadline set here after that would undo it, hence
// the second look at ctx.
func (c *conn) await(ctx context.Context, idle time.Duration) error {
	if err := c.reading.renew(c.net.SetReadDeadline, idle); err != nil {
		return err
	}
	return ctx.Err()
}

// deadline is one of a connection, as far as it was set by renew.
type deadline struct {
	at   time.Time
	idle time.Duration
	set  bool
}

// renew sets the deadline to idle from now, none when idle is 0 or less. Setting one costs as much as much of a small request, so that one which was set
// for the same time but a moment ago is left: deadlines come up to an eighth of idle early.
func (d *deadline) renew(set func(time.Time) error, idle time.Duration) error {
	idle = max(idle, 0)
	if idle == 0 {
		if d.set && d.idle == 0 {
			return nil
		}
		*d = deadline{set: true}
		return set(time.Time{})
	}
	now := time.Now()
	if d.idle == idle && d.at.Sub(now) > idle-idle/8 {
		return nil
	}
	*d = deadline{now.Add(idle), idle, true}
	return set(d.at)
}

// write sends b in chunks, each of which the peer must take within the idle limit: a client that never reads does not hold us for ever.
func (c *conn) write(b []byte, idle time.Duration) error {
	for len(b) > 0 {
		n := min(len(b), writeChunkBytes)
		if idle > 0 {
			if err := c.writing.renew(c.net.SetWriteDeadline, idle); err != nil {
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
	switch {
	case ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err):
		log.Debug("connection ended", zap.Error(err))
	case isTimeout(err):
		log.Debug("connection idle too long, closing it")
	default:
		log.Warn("closing the connection", zap.Error(err))
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// patientReader renews the read deadline with each read that follows the first bytes of a frame.
type patientReader struct {
	r    *bufio.Reader
	conn *conn
	ctx  context.Context
	idle time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	if p.r.Buffered() == 0 {
		if err := p.conn.await(p.ctx, p.idle); err != nil {
			return 0, err
		}
	}
	return p.r.Read(b)
}
