package protocol

import (
	"context"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is one connection to a broker. It implements kmsg.Requestor and is safe for concurrent use: requests are written in turn and
// answered in order.
type Client struct {
}

var _ kmsg.Requestor = (*Client)(nil)

// Dial connects to addr with dial (such as net.Dialer.DialContext) and returns a Client that names itself clientID.
func Dial(ctx context.Context, dial func(ctx context.Context, network, addr string) (net.Conn, error), addr, clientID string) (*Client, error) {
	return nil, errNotYet
}

// Request sends req in the version set on it and waits for the response.
func (c *Client) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return nil, errNotYet
}

// Close closes the connection; requests under way fail.
func (c *Client) Close() error { return nil }
