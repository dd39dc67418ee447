package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/server"
)

// listener is a bound socket and what clients are told about it.
type listener struct {
	config.Listener
	net        net.Listener
	also       net.Listener    // the socket of IPv6 of a listener on localhost, nil when there is none
	advertised config.Listener // the zero value when clients are not told of it
}

// probePorts finds out whether the listeners' ports can be bound, and lets go of them again.
func (n *Node) probePorts(ctx context.Context) error {
	var lc net.ListenConfig
	for _, l := range n.Config().Listeners() {
		if l.Port == 0 {
			continue
		}
		probe, err := lc.Listen(ctx, "tcp", net.JoinHostPort(l.Host, strconv.Itoa(l.Port)))
		if err != nil {
			return listenError(l, err)
		}
		if err := probe.Close(); err != nil {
			return err
		}
	}
	return nil
}

// listen binds every listener but those of the controller, which a single node does not need: it is its own controller.
func (n *Node) listen(ctx context.Context) error {
	cfg := n.Config()
	advertised := map[string]config.Listener{}
	for _, a := range cfg.AdvertisedListeners() {
		advertised[a.Name] = a
	}
	var lc net.ListenConfig
	for _, l := range cfg.Listeners() {
		nl, err := lc.Listen(ctx, "tcp", net.JoinHostPort(l.Host, strconv.Itoa(l.Port)))
		if err != nil {
			return listenError(l, err)
		}
		b := listener{Listener: l, net: nl}
		b.Port = nl.Addr().(*net.TCPAddr).Port
		b.also = n.listenIPv6Loopback(ctx, b)
		if a, ok := advertised[l.Name]; ok {
			if a.Port == 0 {
				a.Port = b.Port
			}
			b.advertised = a
		}
		n.listeners = append(n.listeners, b)
	}
	return nil
}

// listenIPv6Loopback binds the other address that localhost stands for. Clients that resolve it to ::1 first, as Node.js does, would else be refused,
// or worse, be answered by somebody else. A machine without IPv6 has none.
func (n *Node) listenIPv6Loopback(ctx context.Context, l listener) net.Listener {
	if l.Host != "localhost" || !l.net.Addr().(*net.TCPAddr).IP.Equal(net.IPv4(127, 0, 0, 1)) {
		return nil
	}
	other := l.Listener
	other.Host, other.Port = net.IPv6loopback.String(), l.Port
	var lc net.ListenConfig
	also, err := lc.Listen(ctx, "tcp6", net.JoinHostPort(other.Host, strconv.Itoa(other.Port)))
	switch {
	case err == nil:
		return also
	case errors.Is(err, errAddrInUse):
		n.log.Warn("clients on this machine that try IPv6 first reach somebody else", zap.Error(listenError(other, err)))
	default: // EADDRNOTAVAIL, EAFNOSUPPORT
		n.log.Debug("localhost is IPv4 only", zap.Error(err))
	}
	return nil
}

// listenError says why a listener could not be bound, and what to do.
func listenError(l config.Listener, err error) error {
	addr := net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
	const hint = "choose another port in `listeners`, or port 0 for any free one"
	switch {
	case errors.Is(err, errAddrInUse):
		if pid, cmd, ok := server.PortOwner(l.Port); ok {
			return fmt.Errorf("cannot listen on %s (listener %s): in use by pid %d (%s); stop that process, or %s", addr, l.Name, pid, cmd, hint)
		}
		return fmt.Errorf("cannot listen on %s (listener %s): the port is in use by another process; stop it, or %s", addr, l.Name, hint)
	case errors.Is(err, errNotPermitted):
		return fmt.Errorf("cannot listen on %s (listener %s): not permitted (ports below 1024 need privileges); %s", addr, l.Name, hint)
	case errors.Is(err, errNoSuchAddr):
		return fmt.Errorf("cannot listen on %s (listener %s): this machine has no such address; `listeners` wants an address of this machine, "+
			"`advertised.listeners` is for what clients are told", addr, l.Name)
	default:
		return fmt.Errorf("cannot listen on %s (listener %s): %w", addr, l.Name, err)
	}
}

// Addrs returns where each listener can be reached.
func (n *Node) Addrs() []Addr {
	addrs := make([]Addr, 0, len(n.listeners))
	for _, l := range n.listeners {
		a := Addr{Listener: l.Name, Protocol: l.Protocol, Bound: l.net.Addr().String(), FromConnection: l.advertised.FromConnection}
		if l.advertised.Host != "" {
			a.Advertised = net.JoinHostPort(l.advertised.Host, strconv.Itoa(l.advertised.Port))
		}
		addrs = append(addrs, a)
	}
	return addrs
}
