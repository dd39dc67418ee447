package metadata

import (
	"sync"
	"sync/atomic"
)

// Store holds the current Image and tells subscribers about every new one. Image is safe for concurrent use and
// takes no lock.
type Store struct {
	image atomic.Pointer[Image]

	mu          sync.Mutex // held while subscribers run: they see images one after another
	subscribers []func(prev, next *Image)
}

// NewStore returns a store that holds first.
func NewStore(first *Image) *Store {
	s := &Store{}
	s.image.Store(first)
	return s
}

// Image returns the newest published image.
func (s *Store) Image() *Image { return s.image.Load() }

// Subscribe adds fn, to be called for every image published from now on, in the order of subscription, one call at
// a time. It is called at once, on the caller's goroutine, with an empty image as prev and the current one as next,
// so that a subscriber misses nothing and needs no start of its own. The reply of a controller request is released
// only after all subscribers have returned for its records: fn must not wait for a controller request itself.
func (s *Store) Subscribe(fn func(prev, next *Image)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, fn)
	current := s.image.Load()
	fn(newImage(current.clusterID), current)
}

// publish makes next the current image and returns when every subscriber has seen it. One goroutine calls it.
func (s *Store) publish(next *Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prev := s.image.Swap(next)
	for _, fn := range s.subscribers {
		fn(prev, next)
	}
}
