package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ConnectTimeout is how long Connect looks for a broker.
const ConnectTimeout = 4500 * time.Millisecond

// Config is how a program reaches a cluster.
type Config struct {
	Bootstrap  string     // host:port, several separated by commas; overrides the property bootstrap.servers
	Properties Properties // of Kafka's Java clients
}

// servers are the addresses to try first.
func (c Config) servers() []string {
	text := c.Bootstrap
	if text == "" {
		text = c.Properties["bootstrap.servers"]
	}
	var servers []string
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			servers = append(servers, s)
		}
	}
	return servers
}

// Connect makes a client and waits until a broker has answered it, no longer than ConnectTimeout. The options come after those that the properties ask for.
func Connect(ctx context.Context, c Config, opts ...kgo.Opt) (*kgo.Client, error) {
	all, err := Options(c)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return nil, err
	}
	pingCtx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	if err := cl.Ping(pingCtx); err != nil {
		cl.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unreachable(c, err)
	}
	return cl, nil
}

// UnreachableError is that no broker answered.
type UnreachableError struct {
	Servers []string
	Cause   string // what most likely is the matter, and what to do
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no Kafka broker answers at %s: %s", strings.Join(e.Servers, ", "), e.Cause)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

func unreachable(c Config, err error) error {
	e := &UnreachableError{Servers: c.servers(), Err: err}
	var dns *net.DNSError
	var first *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Cause = "connection refused: nothing listens there; is the broker running, and is this its address? `gokafka server` starts one on localhost:9092"
	case errors.As(err, &dns):
		e.Cause = fmt.Sprintf("the name %s cannot be resolved: is it spelled right, and known on this machine?", dns.Name)
	case errors.As(err, &first), errors.Is(err, syscall.ECONNRESET), strings.Contains(err.Error(), "tls:"):
		e.Cause = "the connection was closed or garbled at once: does the listener speak TLS or SASL (security.protocol in --command-config), or is it no Kafka? (" + err.Error() + ")"
	case errors.Is(err, context.DeadlineExceeded):
		e.Cause = fmt.Sprintf("no answer within %s: is a firewall between, or is this not the address of a Kafka listener?", ConnectTimeout)
	default:
		e.Cause = err.Error()
	}
	return e
}
