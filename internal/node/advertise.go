package node

import (
	"encoding/hex"
	"net/netip"
	"os"
	"strings"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/server"
)

// advertiser knows what clients of listeners without a configured address are told: the address that they have connected to, since that one
// works for them. It is immutable.
//
// A client outside a container has connected to an address of the machine around it, which a published port has turned into the container's
// own; that one may lead nowhere for it, on a desktop's virtual machine for example. Such connections come from the container's gateway; they
// are told localhost, which is right for a port published under the same number and a client on that machine.
type advertiser struct {
	fromConnection map[string]bool // by listener
	gateway        netip.Addr      // of the container's network; the zero value outside of containers
}

func (n *Node) newAdvertiser() *advertiser {
	a := &advertiser{fromConnection: map[string]bool{}, gateway: containerGateway()}
	for _, l := range n.listeners {
		if !l.advertised.FromConnection {
			continue
		}
		a.fromConnection[l.Name] = true
		fields := []zap.Field{zap.String("listener", l.Name), zap.String("registered", l.advertised.Host), zap.Int("port", l.advertised.Port)}
		if a.gateway.IsValid() {
			fields = append(fields, zap.String("told_localhost", a.gateway.String()))
		}
		n.log.Info("advertised.listeners is not set: each client is told the address of this machine that it has connected to", fields...)
	}
	return a
}

// hostFor returns the host that the client of a connection is told, "" for the registered one.
func (a *advertiser) hostFor(c server.ConnInfo) string {
	if !a.fromConnection[c.Listener] {
		return ""
	}
	if a.portMapped(c) {
		return "localhost"
	}
	local, err := netip.ParseAddrPort(c.LocalAddr.String())
	addr := local.Addr().Unmap()
	if err != nil || addr.IsLinkLocalUnicast() && addr.Is6() { // such an address needs the name of the client's own interface
		return ""
	}
	return addr.String()
}

// portMapped reports whether the connection came through a published port, from the machine around the container.
func (a *advertiser) portMapped(c server.ConnInfo) bool {
	if !a.gateway.IsValid() {
		return false
	}
	remote, err := netip.ParseAddrPort(c.RemoteAddr.String())
	return err == nil && remote.Addr().Unmap() == a.gateway
}

// containerGateway returns the address of the machine around this container, as far as an engine's port mapping makes it the source of
// connections. In Kubernetes the gateway stands for anybody, so that there is none.
func containerGateway() netip.Addr {
	_, docker := os.Stat("/.dockerenv")
	_, podman := os.Stat("/run/.containerenv")
	named := os.Getenv("container") != "" // by podman and by our images: with a read-only root there may be no file
	if docker != nil && podman != nil && !named || os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return netip.Addr{}
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return netip.Addr{}
	}
	return defaultGateway(string(routes))
}

// defaultGateway finds the gateway of the default route in the text of /proc/net/route, where addresses are hexadecimal numbers in the order of
// bytes of a little-endian machine.
func defaultGateway(routes string) netip.Addr {
	for line := range strings.Lines(routes) {
		f := strings.Fields(line) // Iface Destination Gateway …
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		if b, err := hex.DecodeString(f[2]); err == nil && len(b) == 4 {
			return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]})
		}
	}
	return netip.Addr{}
}
