package server

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// admission counts connections against the limits of the configuration.
type admission struct {
	mu     sync.Mutex
	total  int            // guarded by mu: admitted connections and accepts under way
	byIP   map[string]int // guarded by mu: only addresses with a connection
	freed  chan struct{}  // guarded by mu: closed and replaced when total falls
	second int64          // guarded by mu: the second that created counts for
	made   int            // guarded by mu: connections created in that second
}

func newAdmission() *admission {
	return &admission{byIP: map[string]int{}, freed: make(chan struct{})}
}

// waitForRoom reserves a place under max.connections, waiting while all are taken, and paces accepts to max.connection.creation.rate. The place
// is given back by leave.
func (a *admission) waitForRoom(ctx context.Context, limits func() Limits) error {
	for {
		l := limits()
		a.mu.Lock()
		if a.total < l.MaxConnections || l.MaxConnections <= 0 {
			wait := a.pace(l.MaxCreationRate, time.Now())
			if wait == 0 {
				a.total++
				a.mu.Unlock()
				return nil
			}
			a.mu.Unlock()
			if err := sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		freed := a.freed
		a.mu.Unlock()
		// The limit may also be raised while we wait, so look again now and then.
		t := time.NewTimer(time.Second)
		select {
		case <-freed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// pace returns how long to wait before the next connection may be created, 0 for at once. The caller holds mu.
func (a *admission) pace(perSecond int, now time.Time) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	if s := now.Unix(); s != a.second {
		a.second, a.made = s, 0
	}
	if a.made < perSecond {
		a.made++
		return 0
	}
	return now.Truncate(time.Second).Add(time.Second).Sub(now)
}

// enter counts a connection against its address's limit; an error means that it is over it and was not counted.
func (a *admission) enter(remote net.Addr, l Limits) error {
	ip := addrIP(remote)
	a.mu.Lock()
	defer a.mu.Unlock()
	limit, special := l.MaxConnectionsPerHost[ip]
	if !special {
		limit = l.MaxConnectionsPerIP
	}
	if (special || limit > 0) && a.byIP[ip] >= limit {
		return fmt.Errorf("%s has %d connections, max.connections.per.ip allows %d", ip, a.byIP[ip], limit)
	}
	a.byIP[ip]++
	return nil
}

// leave gives back the place of waitForRoom and, when remote is not nil, that of enter.
func (a *admission) leave(remote net.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	close(a.freed)
	a.freed = make(chan struct{})
	if remote == nil {
		return
	}
	ip := addrIP(remote)
	if a.byIP[ip]--; a.byIP[ip] <= 0 {
		delete(a.byIP, ip)
	}
}

func addrIP(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP.String()
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
