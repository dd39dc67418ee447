package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListeners(t *testing.T) {
	type lists struct{ Bound, Advertised string }
	for _, tc := range []struct {
		name, text string
		hostname   string
		want       lists
	}{
		{"Kafka's default", "", "", lists{"PLAINTEXT://:9092", "PLAINTEXT://localhost:9092"}},
		{"host name of the machine", "", "box", lists{"PLAINTEXT://:9092", "PLAINTEXT://box:9092"}},
		{"all interfaces are no address", "listeners=PLAINTEXT://0.0.0.0:9092", "box", lists{"PLAINTEXT://0.0.0.0:9092", "PLAINTEXT://box:9092"}},
		{"nor in IPv6", "listeners=PLAINTEXT://[::]:9092", "box", lists{"PLAINTEXT://[::]:9092", "PLAINTEXT://box:9092"}},
		{"port 0", "listeners=PLAINTEXT://127.0.0.1:0", "", lists{"PLAINTEXT://127.0.0.1:0", "PLAINTEXT://127.0.0.1:0"}},
		{"lower case, spaces and a trailing comma", "listeners = plaintext://a:1 , ", "", lists{"PLAINTEXT://a:1", "PLAINTEXT://a:1"}},
		{"several", "listeners=IN://0.0.0.0:1,OUT://0.0.0.0:2\nlistener.security.protocol.map=in:PLAINTEXT,Out:plaintext,\ninter.broker.listener.name=in\n" +
			"advertised.listeners=OUT://example.com:30000,IN://kafka:1,", "", lists{"IN://0.0.0.0:1 OUT://0.0.0.0:2", "IN://kafka:1 OUT://example.com:30000"}},
		{"one of them not advertised", "listeners=PLAINTEXT://:1,OUT://:2\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,OUT:PLAINTEXT\nadvertised.listeners=PLAINTEXT://h:1", "",
			lists{"PLAINTEXT://:1 OUT://:2", "PLAINTEXT://h:1"}},
		{"advertised without host", "advertised.listeners=PLAINTEXT://:7", "box", lists{"PLAINTEXT://:9092", "PLAINTEXT://box:7"}},
		{"IPv4 and IPv6 on one port", "listeners=A://127.0.0.1:1,B://[::1]:1\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\ninter.broker.listener.name=A", "",
			lists{"A://127.0.0.1:1 B://[::1]:1", "A://127.0.0.1:1 B://[::1]:1"}},
		{"controller by default map", "listeners=PLAINTEXT://:1,CTL://0.0.0.0:2\ncontroller.listener.names=CTL", "", lists{"PLAINTEXT://:1", "PLAINTEXT://localhost:1"}},
		{"an encrypted controller is not opened either", "listeners=PLAINTEXT://:1,CTL://:2\ncontroller.listener.names=ctl\nlistener.security.protocol.map=CTL:SSL,PLAINTEXT:PLAINTEXT", "",
			lists{"PLAINTEXT://:1", "PLAINTEXT://localhost:1"}},
		{"keys of 2.8", "host.name=127.0.0.1\nport=9093\nadvertised.host.name=example.com\nadvertised.port=1", "", lists{"PLAINTEXT://127.0.0.1:9093", "PLAINTEXT://example.com:1"}},
		{"which count less", "listeners=PLAINTEXT://a:1\nport=9093", "", lists{"PLAINTEXT://a:1", "PLAINTEXT://a:1"}},
	} {
		c, _, err := load(t, tc.text, Defaults{Hostname: tc.hostname})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		join := func(list []Listener) string {
			var s []string
			for _, e := range list {
				if e.Protocol != "PLAINTEXT" {
					t.Errorf("%s: %v has protocol %q", tc.name, e, e.Protocol)
				}
				s = append(s, e.String())
			}
			return strings.Join(s, " ")
		}
		if diff := cmp.Diff(tc.want, lists{join(c.Listeners()), join(c.AdvertisedListeners())}); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", tc.name, diff)
		}
	}
}

func TestWhoIsToldTheAddressOfTheConnection(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                     true,
		"listeners=PLAINTEXT://:9092":          true,
		"listeners=PLAINTEXT://0.0.0.0:9092":   true,
		"listeners=PLAINTEXT://[::]:9092":      true,
		"advertised.port=9":                    true, // that is about the port alone
		"listeners=PLAINTEXT://127.0.0.1:9092": false,
		"listeners=PLAINTEXT://box:9092":       false,
		"advertised.listeners=PLAINTEXT://:1":  false, // Kafka's rule for an empty host: the machine's name
		"advertised.listeners=PLAINTEXT://a:1": false,
		"advertised.host.name=a":               false,
		"host.name=127.0.0.1":                  false,
	} {
		c, _, err := load(t, text, Defaults{Hostname: "box"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.AdvertisedListeners()[0].FromConnection; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestListenersRefused(t *testing.T) {
	const two = "\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,A:PLAINTEXT"
	for _, tc := range []struct{ text, want string }{
		{"listeners=localhost:9092", `f:1: listeners: "localhost:9092" is not a listener (write NAME://host:port`},
		{"listeners=PLAINTEXT://localhost", `f:1: listeners: "PLAINTEXT://localhost" is not a listener`},
		{"listeners=PLAINTEXT://:90920", `f:1: listeners: "PLAINTEXT://:90920": "90920" is not a port (0 … 65535)`},
		{"listeners=PLAINTEXT://a b:1", `f:1: listeners: "PLAINTEXT://a b:1": "a b" is not a host name`},
		{"listeners=PLAINTEXT://[x]:1", `f:1: listeners: "PLAINTEXT://[x]:1": "x" is not an IPv6 address`},
		{"listeners=PLAINTEXT://:1,plaintext://:2", "f:1: listeners: names listener PLAINTEXT twice"},
		{"listeners=PLAINTEXT://:1,A://:1" + two, "f:1: listeners: PLAINTEXT://:1 and A://:1 have the same port"},
		{"listeners=SSL://:1\nsecurity.inter.broker.protocol=SSL", "f:1: listeners: listener SSL is SSL: TLS is not there yet, only PLAINTEXT listeners can be opened"},
		{"listeners=PLAINTEXT://:1,A://:2\nlistener.security.protocol.map=A:SASL_SSL,PLAINTEXT:PLAINTEXT", "f:1: listeners: listener A is SASL_SSL: TLS and SASL are not there yet"},
		{"listener.security.protocol.map=A:TLS", `f:1: listener.security.protocol.map: "TLS" is not a security protocol`},
		{"listener.security.protocol.map=A", `f:1: listener.security.protocol.map: "A" is not NAME:PROTOCOL`},
		{"listeners=CONTROLLER://:1\ncontroller.listener.names=CONTROLLER", "f:1: listeners: no listener is left for clients"},
		{"advertised.listeners=PLAINTEXT://0.0.0.0:1", "f:1: advertised.listeners: cannot use the nonroutable meta-address 0.0.0.0"},
		{"advertised.listeners=PLAINTEXT://a:1,B://b:2", "f:1: advertised.listeners: B is not a listener (the listeners are PLAINTEXT)"},
		{"advertised.listeners=PLAINTEXT://a:1,PLAINTEXT://b:2", "f:1: advertised.listeners: names listener PLAINTEXT twice"},
		{"advertised.listeners=CONTROLLER://a:1", "f:1: advertised.listeners: no listener for clients is advertised"},
		{"inter.broker.listener.name=B", "f:1: inter.broker.listener.name: B is not an advertised listener (set inter.broker.listener.name to one of PLAINTEXT)"},
		{"listeners=A://:1\nlistener.security.protocol.map=A:PLAINTEXT", "inter.broker.listener.name: PLAINTEXT is not an advertised listener (set inter.broker.listener.name to one of A)"},
		{"inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT", "f:1: inter.broker.listener.name: is set, and so is security.inter.broker.protocol"},
	} {
		_, _, err := load(t, tc.text, Defaults{})
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v; want only %s…", tc.text, err, tc.want)
		}
	}
}

func FuzzParseListener(f *testing.F) {
	for _, s := range []string{"PLAINTEXT://:9092", "a://[::1]:0", "X://h_1.b-c:65535", " ://:0", "a://::1:0", "0://::0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseListener(text)
		if err != nil {
			return
		}
		again, err := parseListener(e.String())
		if err != nil || again != e {
			t.Fatalf("%q is %v, written and read again %v, %v", text, e, again, err)
		}
	})
}
