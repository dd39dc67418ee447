package node

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/server"
)

func TestHostForConnection(t *testing.T) {
	plain := &advertiser{fromConnection: map[string]bool{"PLAINTEXT": true}}
	container := &advertiser{fromConnection: plain.fromConnection, gateway: netip.MustParseAddr("172.17.0.1")}
	for _, tc := range []struct {
		name          string
		who           *advertiser
		listener      string
		remote, local string
		want          string
	}{
		{"this machine", plain, "PLAINTEXT", "127.0.0.1:5", "127.0.0.1:9092", "127.0.0.1"},
		{"this machine, IPv6", plain, "PLAINTEXT", "[::1]:5", "[::1]:9092", "::1"},
		{"IPv4 on a socket for both", plain, "PLAINTEXT", "[::ffff:192.0.2.9]:5", "[::ffff:192.0.2.1]:9092", "192.0.2.1"},
		{"another machine, IPv6", plain, "PLAINTEXT", "[2001:db8::9]:5", "[2001:db8::1]:9092", "2001:db8::1"},
		{"link-local addresses need a zone", plain, "PLAINTEXT", "[fe80::9%eth0]:5", "[fe80::1%eth0]:9092", ""},
		{"a listener with an address", plain, "OUTSIDE", "192.0.2.9:5", "192.0.2.1:9092", ""},
		{"another container", container, "PLAINTEXT", "172.17.0.3:5", "172.17.0.2:9092", "172.17.0.2"},
		{"published port", container, "PLAINTEXT", "172.17.0.1:5", "172.17.0.2:9092", "localhost"},
		{"published port, explicit address", container, "OUTSIDE", "172.17.0.1:5", "172.17.0.2:9092", ""},
		{"inside the container", container, "PLAINTEXT", "127.0.0.1:5", "127.0.0.1:9092", "127.0.0.1"},
	} {
		addr := func(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
		if got := tc.who.hostFor(server.ConnInfo{Listener: tc.listener, RemoteAddr: addr(tc.remote), LocalAddr: addr(tc.local)}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDefaultGateway(t *testing.T) {
	const routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\neth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if got := defaultGateway(routes); got.String() != "172.17.0.1" {
		t.Errorf("gateway %v", got)
	}
	for _, none := range []string{"", "Iface\n", "eth0\t00000000\tzz\t\n", "eth0\t00000000\t01\n"} {
		if got := defaultGateway(none); got.IsValid() {
			t.Errorf("%q: %v", none, got)
		}
	}
}

// TestLocalhostIsBothFamilies: Node.js from 17 on and some Java resolve localhost to ::1 first.
func TestLocalhostIsBothFamilies(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	_ = probe.Close()
	n, stop := run(t, configured(t, "log.dirs", t.TempDir(), "listeners", "PLAINTEXT://localhost:0"))
	defer func() { _ = stop() }()
	if len(n.Addrs()) != 1 {
		t.Errorf("listeners %v, want one", n.Addrs())
	}
	bound := n.Addrs()[0].Bound
	_, port, _ := net.SplitHostPort(bound)
	for _, at := range []string{bound, "[::1]:" + port} {
		resp := ask[*kmsg.MetadataResponse](t, at, kmsg.NewPtrMetadataRequest())
		if len(resp.Brokers) != 1 || resp.Brokers[0].Host != "localhost" {
			t.Errorf("%s: %+v", at, resp.Brokers)
		}
	}
}

// TestSaysWhatClientsAreTold: the listener that has no address says so in the log, once.
func TestSaysWhatClientsAreTold(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	n := &Node{log: zap.New(core), listeners: []listener{
		{Listener: config.Listener{Name: "IN"}, advertised: config.Listener{Name: "IN", Host: "box", Port: 1, FromConnection: true}},
		{Listener: config.Listener{Name: "OUT"}, advertised: config.Listener{Name: "OUT", Host: "box", Port: 2}},
	}}
	n.newAdvertiser()
	if logs.Len() != 1 || !strings.HasPrefix(logs.All()[0].Message, "advertised.listeners is not set") || logs.All()[0].ContextMap()["listener"] != "IN" {
		t.Errorf("log: %v", logs.All())
	}
}
