package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
)

// healthTimeout is below what health checks are usually given.
const healthTimeout = 4 * time.Second

// askHealth asks the broker behind the listeners, on this machine, for its metadata. It takes the first listener that anybody may use; when there is none,
// one that accepts a connection has to do.
func askHealth(ctx context.Context, listeners []config.Listener) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if len(listeners) == 0 {
		return errors.New("there is no listener")
	}
	chosen := listeners[0]
	for _, l := range listeners {
		if l.Protocol == "PLAINTEXT" {
			chosen = l
			break
		}
	}
	host := chosen.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	addr := net.JoinHostPort(cmp.Or(host, "localhost"), strconv.Itoa(chosen.Port))
	var d net.Dialer
	c, err := protocol.Dial(ctx, d.DialContext, addr, "gokafka-health")
	if err != nil {
		return err
	}
	if chosen.Protocol == "PLAINTEXT" {
		err = askMetadata(ctx, c)
	}
	return errors.Join(err, c.Close())
}

func askMetadata(ctx context.Context, c *protocol.Client) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	req.Topics = []kmsg.MetadataRequestTopic{} // none, and not all
	answer, err := c.Request(ctx, req)
	if err != nil {
		return err
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(resp.Brokers) == 0 {
		return fmt.Errorf("no broker is registered: %w", kerr.BrokerNotAvailable)
	}
	return nil
}
