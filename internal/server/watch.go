package server

import "time"

// watchEvery is how often requests that take long are looked after.
const watchEvery = time.Second

// watch lets go of large buffers that are not needed any more, and ends requests whose peer has left. While a request is handled nobody reads from its connection, so that only this tells that the peer is
// gone: a long poll, which a client may ask to take weeks, would hold connection and goroutine for as long.
func (s *Server) watch() {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		grownBuffers.trim()
		for _, c := range s.slow() {
			if peerLeft(c.net) {
				c.cancel()
			}
		}
	}
}

// slow returns the connections whose request was under way at the last look already.
func (s *Server) slow() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slow []*conn
	for c := range s.conns {
		turns := c.turns.Load()
		if turns%2 == 1 && turns == c.watched {
			slow = append(slow, c)
		}
		c.watched = turns
	}
	return slow
}
