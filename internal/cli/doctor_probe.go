package cli

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// defaultDoctorPatience is how long one step of the network may take.
const defaultDoctorPatience = 3 * time.Second

// connects resolves a name and connects to each of its addresses.
func (d *doctor) connects(ctx context.Context, host, port string) bool {
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		d.add(levelProblem, "name", nameMend(host), "%s cannot be resolved: %v", host, err)
		return false
	}
	if net.ParseIP(host) == nil {
		d.add(levelOK, "name", "", "%s is %s", host, strings.Join(addrs, ", "))
	}
	var reached, failed []string
	var why error
	for _, a := range addrs {
		conn, err := d.dial(ctx, net.JoinHostPort(a, port))
		if err != nil {
			failed, why = append(failed, a), err
			continue
		}
		_ = conn.Close()
		reached = append(reached, a)
	}
	switch {
	case len(reached) == 0:
		d.add(levelProblem, "connection", connectMend(host, port, why), "nobody accepts a connection at %s: %s", net.JoinHostPort(host, port), d.dialError(why))
		return false
	case len(failed) > 0:
		d.add(levelWarning, "connection", "Write "+net.JoinHostPort(reached[0], port)+" in the clients, or have the broker listen on the other address, too.",
			"of the addresses of %s, %s is served and %s is not (%s): clients that try that one first are slow or fail", host,
			strings.Join(reached, ", "), strings.Join(failed, ", "), d.dialError(why))
	default:
		d.add(levelOK, "connection", "", "%s accepts connections", net.JoinHostPort(host, port))
	}
	return true
}

func (d *doctor) resolve(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	var dns *net.DNSError
	if errors.As(err, &dns) {
		err = errors.New(dns.Err)
	}
	return addrs, err
}

func (d *doctor) dial(ctx context.Context, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.patience}
	return dialer.DialContext(ctx, "tcp", addr)
}

func (d *doctor) dialError(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %s", d.patience)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	}
	return err.Error()
}

func nameMend(host string) string {
	if !strings.Contains(host, ".") {
		return "A name without dots is often that of a container or a compose service, which is known inside of its network only. From outside, use the address\n" +
			"under which the port is published, such as localhost:9092."
	}
	return "Is it spelled right? Does this machine know the name (DNS, /etc/hosts)?"
}

func connectMend(host, port string, err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		mend := "Is the broker running, and is " + port + " the port of one of its listeners?"
		if isLoopbackHost(host) {
			return mend + " In a container the port must be published: -p " + port + ":" + port + ".\ngokafka dev starts a broker at once."
		}
		return mend + " A listener on localhost is not reached from other machines: listeners=PLAINTEXT://0.0.0.0:" + port
	}
	return "Is there a firewall between, or a network that this machine is not in? Addresses of containers (172.17…, 10.88…) are reached from their host only, if at all."
}

func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// aWebServer is what many mistake for the broker.
const aWebServer = "a web server answers"

// voice is what a listener turned out to speak.
type voice struct {
	kafka      bool
	tls        *tls.ConnectionState // nil without TLS
	mechanisms []string             // of SASL; nil when none is asked for
	other      string               // what it speaks if not Kafka
}

// speaks finds out what the listener speaks and compares that with what the client is configured for.
func (d *doctor) speaks(ctx context.Context, host, port string) bool {
	v := d.listen(ctx, host, net.JoinHostPort(host, port))
	protocol := strings.ToUpper(strings.TrimSpace(d.config.Properties["security.protocol"]))
	wantTLS, wantSASL := strings.HasSuffix(protocol, "SSL"), strings.HasPrefix(protocol, "SASL_")
	name := map[[2]bool]string{{false, false}: "PLAINTEXT", {true, false}: "SSL", {false, true}: "SASL_PLAINTEXT", {true, true}: "SASL_SSL"}
	is := name[[2]bool{v.tls != nil, v.mechanisms != nil}]
	file := "security.protocol=" + is
	if v.mechanisms != nil {
		file += "\nsasl.mechanism=" + v.mechanisms[0] + "\nsasl.jaas.config=…"
	}
	if v.tls != nil && !wantTLS {
		file += "\nssl.truststore.location=… (or ssl.ca.location for librdkafka)"
	}
	switch {
	case !v.kafka && v.tls != nil:
		d.add(levelProblem, "protocol", "Is this the port of a Kafka listener? One that asks for client certificates needs ssl.keystore.location in --command-config.",
			"TLS is spoken there, and no Kafka within it")
		return false
	case !v.kafka:
		d.add(levelProblem, "protocol", "Is this the port of a Kafka listener for clients? That of a controller, of ZooKeeper, or of a web page is another one.", "no Kafka is spoken there: %s", v.other)
		return false
	case (v.tls != nil) != wantTLS || (v.mechanisms != nil) != wantSASL:
		mechanisms := ""
		if v.mechanisms != nil {
			mechanisms = " with " + strings.Join(v.mechanisms, ", ")
		}
		d.add(levelProblem, "protocol", "In the client's properties (--command-config):\n"+file,
			"the listener is %s%s, and the client is configured for %s", is, mechanisms, orPlaintext(protocol))
		return false
	case v.mechanisms != nil:
		if m := d.config.Properties["sasl.mechanism"]; m != "" && !slices.Contains(v.mechanisms, m) {
			d.add(levelProblem, "protocol", "sasl.mechanism="+v.mechanisms[0], "the listener takes %s, and the client is configured for %s", strings.Join(v.mechanisms, ", "), m)
			return false
		}
	}
	d.add(levelOK, "protocol", "", "Kafka, %s", is)
	if v.tls != nil {
		d.certificate(v.tls, host)
	}
	return true
}

func orPlaintext(protocol string) string {
	if protocol == "" {
		return "PLAINTEXT"
	}
	return protocol
}

// certificateNotice is how long before its end a certificate is worth a warning.
const certificateNotice = 14 * 24 * time.Hour

func (d *doctor) certificate(state *tls.ConnectionState, host string) {
	if len(state.PeerCertificates) == 0 {
		return
	}
	cert := state.PeerCertificates[0]
	left := time.Until(cert.NotAfter)
	switch {
	case left < 0:
		d.add(levelProblem, "certificate", "Renew it: ssl.keystore.location of the listener.", "it has expired on %s", cert.NotAfter.Format(time.DateOnly))
	case left < certificateNotice:
		d.add(levelWarning, "certificate", "Renew it: ssl.keystore.location of the listener.", "it expires on %s", cert.NotAfter.Format(time.DateOnly))
	}
	if err := cert.VerifyHostname(host); err != nil {
		d.add(levelProblem, "certificate", "A certificate with that name, clients that use a name which it has, or, where that is safe, ssl.endpoint.identification.algorithm= (empty).",
			"it is not for %s: %v", host, err)
	}
}

// listen tries plain Kafka, and TLS when that is answered with anything else.
func (d *doctor) listen(ctx context.Context, host, addr string) voice {
	conn, err := d.dial(ctx, addr)
	if err != nil {
		return voice{other: err.Error()}
	}
	mechanisms, other := d.askKafka(conn)
	_ = conn.Close()
	if other == "" {
		return voice{kafka: true, mechanisms: mechanisms}
	}
	if conn, err = d.dial(ctx, addr); err != nil {
		return voice{other: other}
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(d.patience))
	// It is not trusted with anything: the question is only whether it speaks TLS. A real client checks the certificate.
	secure := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := secure.HandshakeContext(ctx); err != nil {
		// A web server waits for the end of a line, which the bytes of TLS have somewhere.
		if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && strings.HasPrefix(string(header.RecordHeader[:]), "HTTP/") {
			other = aWebServer
		}
		return voice{other: other}
	}
	state := secure.ConnectionState()
	mechanisms, other = d.askKafka(secure)
	return voice{kafka: other == "", tls: &state, mechanisms: mechanisms, other: other}
}

// askKafka asks for the versions of the APIs and then for the mechanisms of SASL. other says what came instead of an answer.
func (d *doctor) askKafka(conn net.Conn) (mechanisms []string, other string) {
	_ = conn.SetDeadline(time.Now().Add(d.patience))
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version = 0
	if _, other = d.roundTrip(conn, versions, 1); other != "" {
		return nil, other
	}
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Version = 1
	handshake.Mechanism = "WHICH-ARE-THERE" // none that exists, so that the answer lists those that do
	body, failed := d.roundTrip(conn, handshake, 2)
	if failed != "" {
		return nil, "" // it is Kafka all the same
	}
	resp := handshake.ResponseKind().(*kmsg.SASLHandshakeResponse)
	if resp.ReadFrom(body) != nil || resp.ErrorCode == kerr.IllegalSaslState.Code || len(resp.SupportedMechanisms) == 0 {
		return nil, ""
	}
	return resp.SupportedMechanisms, ""
}

// roundTrip sends a request and returns the answer's body, or what came instead.
func (d *doctor) roundTrip(conn net.Conn, req kmsg.Request, correlation int32) (body []byte, other string) {
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("gokafka-doctor")).AppendRequest(nil, req, correlation)); err != nil {
		return nil, "the connection was closed"
	}
	head := make([]byte, 8)
	n, err := io.ReadFull(conn, head)
	const maxAnswer = 1 << 20
	size := binary.BigEndian.Uint32(head)
	switch {
	case n >= 2 && head[0] == 0x15 && head[1] == 0x03:
		return nil, "it answers with an alert of TLS"
	case n >= 5 && strings.HasPrefix(string(head), "HTTP/"):
		return nil, aWebServer
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return nil, "the connection was closed"
	case err != nil:
		return nil, fmt.Sprintf("no answer within %s", d.patience)
	case size < 4 || size > maxAnswer || int32(binary.BigEndian.Uint32(head[4:])) != correlation:
		return nil, fmt.Sprintf("it answers with %q", head)
	}
	body = make([]byte, size-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, "the answer is cut off"
	}
	return body, ""
}
