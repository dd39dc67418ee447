package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Handler makes a [Session] for each accepted connection. It must be safe for concurrent use.
type Handler interface {
	NewSession(ConnInfo) Session
}

// Session is the meaning behind one connection. Its methods are called by that connection's goroutine only, one after another.
type Session interface {
	// Handle gets one whole frame without its size prefix. The frame is valid until the response is written (or Handle returned an error):
	// whoever keeps bytes of it longer clones them. A nil Response without an error writes nothing, as Produce with acks=0 asks for; an
	// error closes the connection. Handle returns early when ctx ends: the server is stopping.
	Handle(ctx context.Context, frame []byte) (Response, error)
	// Close ends the session; the connection is closed already or about to be.
	Close()
}

// Response is an encoded or encodable answer. One that also implements [io.Closer] is closed after it was written, or could not be; one with a
// method SizeHint() int tells about how many bytes AppendTo will append, so that a large answer does not grow its buffer step by step.
type Response interface {
	// AppendTo appends the complete frame, size prefix and header included.
	AppendTo(dst []byte) []byte
}

// Streamer is a Response that can be written piece by piece. A large one is, so that a peer that reads slowly, or never, holds a buffer and not all
// that it asked for.
type Streamer interface {
	SizeHint() int
	// Stream gives the pieces of the complete frame to write, in order. It assembles them in buf, as large as that is, and returns the first error of
	// write or of its own: the frame is incomplete then.
	Stream(buf []byte, write func(piece []byte) error) error
}

// ConnInfo says which connection a session belongs to.
type ConnInfo struct {
	Listener   string // the listener's name, which decides what addresses Metadata advertises
	RemoteAddr net.Addr
	LocalAddr  net.Addr
	ID         uint64 // unique in the life of the process
	// Flush writes the responses of earlier requests, which are held back while more requests are at hand. Handle calls it before it waits for
	// anything but the disk, so that no answer waits for another request's.
	Flush func()
}

// Limits are the connection limits; they are read anew for each connection, so that they may change while the server runs.
type Limits struct {
	RequestMaxBytes       int32          // socket.request.max.bytes
	MaxConnections        int            // max.connections: at the limit new connections wait in the backlog
	MaxConnectionsPerIP   int            // max.connections.per.ip: over the limit a new connection is closed
	MaxConnectionsPerHost map[string]int // max.connections.per.ip.overrides, by IP address
	MaxCreationRate       int            // max.connection.creation.rate, per second
	MaxIdle               time.Duration  // connections.max.idle.ms; 0 or less: never
	SendBufferBytes       int            // socket.send.buffer.bytes; 0 or less: the system's
	ReceiveBufferBytes    int            // socket.receive.buffer.bytes; 0 or less: the system's
}

// Options configure a [Server].
type Options struct {
	Handler Handler
	Limits  func() Limits
	Logger  *zap.Logger
}

// Server serves connections of any number of listeners. Its methods are safe for concurrent use.
type Server struct {
	handler Handler
	limits  func() Limits
	log     *zap.Logger

	ctx    context.Context // ends when Shutdown begins: long polls return
	cancel context.CancelFunc
	admit  *admission

	mu        sync.Mutex
	listeners map[net.Listener]struct{} // guarded by mu
	conns     map[*conn]struct{}        // guarded by mu
	closing   bool                      // guarded by mu
	nextID    uint64                    // guarded by mu
	running   sync.WaitGroup            // accept loops, connection loops and the watch
	watching  sync.Once
}

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("server closed")

// New returns a server without listeners.
func New(o Options) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		handler: o.Handler, limits: o.Limits, log: o.Logger,
		ctx: ctx, cancel: cancel, admit: newAdmission(),
		listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{},
	}
}

// Serve accepts connections of l, which is the listener called name, until Shutdown or an error of the listener. It owns l from here on.
func (s *Server) Serve(name string, l net.Listener) error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		_ = l.Close()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.running.Add(1)
	s.watching.Do(func() { s.running.Go(s.watch) })
	s.mu.Unlock()
	defer s.running.Done()
	defer func() { _ = l.Close() }()

	for {
		// Kafka's acceptor stops accepting at max.connections rather than closing what it accepted; so do we.
		if err := s.admit.waitForRoom(s.ctx, s.limits); err != nil {
			return ErrServerClosed
		}
		nc, err := l.Accept()
		if err != nil {
			s.admit.leave(nil)
			if s.ctx.Err() != nil {
				return ErrServerClosed
			}
			if retryable(err) {
				s.log.Warn("accept failed, trying again", zap.String("listener", name), zap.Error(err))
				if sleep(s.ctx, 50*time.Millisecond) != nil {
					return ErrServerClosed
				}
				continue
			}
			return fmt.Errorf("accept on listener %s (%s): %w", name, l.Addr(), err)
		}
		s.start(name, nc)
	}
}

// start begins the loop of a freshly accepted connection, or closes it when its address has too many.
func (s *Server) start(listener string, nc net.Conn) {
	limits := s.limits()
	if err := s.admit.enter(nc.RemoteAddr(), limits); err != nil {
		s.log.Info("connection refused", zap.String("listener", listener), zap.Stringer("remote", nc.RemoteAddr()), zap.Error(err))
		s.admit.leave(nil)
		_ = nc.Close()
		return
	}
	tune(nc, limits)
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		s.admit.leave(nc.RemoteAddr())
		_ = nc.Close()
		return
	}
	s.nextID++
	ctx, cancel := context.WithCancel(s.ctx)
	c := &conn{
		server: s, net: nc, cancel: cancel,
		info: ConnInfo{Listener: listener, RemoteAddr: nc.RemoteAddr(), LocalAddr: nc.LocalAddr(), ID: s.nextID},
	}
	c.info.Flush = c.Flush
	s.conns[c] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()

	go c.park(ctx)
}

// ended forgets a connection that is closed.
func (s *Server) ended(c *conn) {
	c.cancel()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.admit.leave(c.info.RemoteAddr)
	s.running.Done()
}

// tune sets the socket buffers when the configuration names a size; else the system's own tuning of the window stays.
func tune(nc net.Conn, l Limits) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	if l.SendBufferBytes > 0 {
		_ = tc.SetWriteBuffer(l.SendBufferBytes)
	}
	if l.ReceiveBufferBytes > 0 {
		_ = tc.SetReadBuffer(l.ReceiveBufferBytes)
	}
}

// NumConnections returns how many connections are open.
func (s *Server) NumConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown stops accepting, ends idle connections at once, lets requests under way finish and their responses be written, and waits for all
// loops to end. Long polls end early. When ctx ends first, the remaining connections are closed under their requests, and Shutdown still waits
// for the loops, which then have nothing left to wait for but their handlers.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.cancel()
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.interruptRead()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.net.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}

// retryable says whether an accept error is one of the moment, such as no file descriptor left, after which the listener still works.
func retryable(err error) bool {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return true
	}
	return isOutOfResources(err)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
