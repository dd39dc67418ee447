package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/node"
)

// advertising starts a broker that tells its clients another address, and returns its own.
func advertising(t *testing.T, advertised string) string {
	t.Helper()
	cfg, _, err := config.New([]config.Entry{
		{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"}, {Key: "log.dirs", Value: t.TempDir()},
		{Key: "advertised.listeners", Value: "PLAINTEXT://" + advertised},
	}, config.Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), cfg, node.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return n.Addrs()[0].Bound
}

// ask runs the doctor and checks what it says.
func ask(t *testing.T, status int, args string, want ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run("test", append([]string{"doctor", "--timeout", "500ms"}, strings.Fields(args)...), &stdout, &stderr, nil); got != status {
		t.Errorf("doctor %s: status %d, want %d", args, got, status)
	}
	for _, w := range want {
		if !strings.Contains(stdout.String(), w) {
			t.Errorf("doctor %s: no %q in\n%s%s", args, w, &stdout, &stderr)
		}
	}
}

func TestDoctorFindsAdvertisedAddressesThatDoNotWork(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	addr := advertising(t, "0123456789ab:9092")
	ask(t, 1, addr, "✓ protocol: Kafka, PLAINTEXT", "✗ advertised address: broker 1 advertises 0123456789ab:9092", "the id of a container",
		"advertised.listeners=PLAINTEXT://"+addr, "INTERNAL://kafka:29092,EXTERNAL://"+addr)
	ask(t, 1, advertising(t, "kafka-1:9092"), "it looks like that of a container or a compose service", "INTERNAL://kafka-1:29092")
	ask(t, 1, advertising(t, "kafka.invalid:9092"), "this machine does not know the name")
	ask(t, 1, advertising(t, closed.Addr().String()), "connection refused; it leads every client to the machine that the client runs on")
	ask(t, 1, advertising(t, advertising(t, "127.0.0.1:0")), "a broker of another cluster answers there")
	ask(t, 0, advertising(t, "127.0.0.1:0"), "which works from here (and only from this machine)", "✓ clock: ", "✓ disks: ", "✓ partitions: ", "no problems")
}

func TestDoctorHearsWhatIsSpoken(t *testing.T) {
	web := httptest.NewServer(nil)
	defer web.Close()
	ask(t, 1, web.Listener.Addr().String(), "no Kafka is spoken there: a web server answers")
	secureWeb := httptest.NewTLSServer(nil)
	defer secureWeb.Close()
	ask(t, 1, secureWeb.Listener.Addr().String(), "TLS is spoken there, and no Kafka within it")

	// Kafka behind TLS: a proxy that takes it off, with the certificate of httptest, which is for example.com and 127.0.0.1.
	kafka := advertising(t, "127.0.0.1:0")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: secureWeb.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go proxy(l, kafka)
	ask(t, 1, l.Addr().String(), "the listener is SSL, and the client is configured for PLAINTEXT", "security.protocol=SSL\n")
	ask(t, 1, kafka+" -X security.protocol=SSL", "the listener is PLAINTEXT, and the client is configured for SSL")
	ask(t, 1, l.Addr().String()+" -X security.protocol=SSL", "✓ protocol: Kafka, SSL", "✗ log-in: ") // nobody trusts that certificate

	ask(t, 1, "no-such-name.invalid:9092", "✗ name: no-such-name.invalid cannot be resolved")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	ask(t, 1, silent.Addr().String(), "no Kafka is spoken there: the connection was closed")
}

// proxy copies each connection of l to and from addr.
func proxy(l net.Listener, addr string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			to, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer to.Close()
			go io.Copy(to, c)
			io.Copy(c, to)
		}()
	}
}

func TestDoctorKnowsWhenCertificatesEnd(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	cert := *web.Certificate()
	for days, want := range map[int]string{-1: levelProblem, 3: levelWarning, 300: ""} {
		cert.NotAfter = time.Now().AddDate(0, 0, days)
		d := doctor{}
		d.certificate(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{&cert}}, "example.com")
		got := ""
		if len(d.findings) > 0 {
			got = d.findings[0].Level
		}
		if got != want {
			t.Errorf("%d days: %q, want %q", days, got, want)
		}
	}
}
