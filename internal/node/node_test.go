package node

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
)

func configured(t *testing.T, keyValues ...string) *config.Config {
	t.Helper()
	entries := []config.Entry{{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"}}
	for i := 0; i < len(keyValues); i += 2 {
		entries = append(entries, config.Entry{Key: keyValues[i], Value: keyValues[i+1], Source: "test"})
	}
	cfg, _, err := config.New(entries, config.Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run opens and runs a node; the returned function stops it and returns what Run did.
func run(t *testing.T, cfg *config.Config) (*Node, func() error) {
	t.Helper()
	n, err := Open(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return n, func() error { cancel(); return <-ended }
}

func TestSecondNodeOnTheSameDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, stop := run(t, configured(t, "log.dirs", dir))
	_, err := Open(t.Context(), configured(t, "log.dirs", dir), Options{})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "lock") {
		t.Errorf("second node: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestPortInUseIsSaidBeforeAnythingIsTouched(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	dir := t.TempDir() + "/not-made"
	_, err = Open(t.Context(), configured(t, "listeners", "PLAINTEXT://127.0.0.1:"+port, "log.dirs", dir), Options{})
	if err == nil || !strings.Contains(err.Error(), port) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("port in use: %v", err)
	}
	if _, err := Open(t.Context(), configured(t, "log.dirs", dir), Options{}); err != nil {
		t.Errorf("the failed start left something behind: %v", err)
	}
}

func TestAddressesOfSeveralListeners(t *testing.T) {
	n, stop := run(t, configured(t, "log.dirs", t.TempDir(), "listeners", "INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0",
		"listener.security.protocol.map", "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT", "inter.broker.listener.name", "INTERNAL",
		"advertised.listeners", "INTERNAL://internal.example:1234,EXTERNAL://127.0.0.1:0"))
	defer func() { _ = stop() }()
	addrs := n.Addrs()
	if len(addrs) != 2 || addrs[0].Advertised != "internal.example:1234" || addrs[1].Advertised != addrs[1].Bound || addrs[0].Bound == addrs[1].Bound {
		t.Fatalf("addresses %+v", addrs)
	}
	// A client learns the address of the listener that it asked.
	for i, want := range []string{"internal.example:1234", addrs[1].Bound} {
		resp := ask[*kmsg.MetadataResponse](t, addrs[i].Bound, kmsg.NewPtrMetadataRequest())
		got := net.JoinHostPort(resp.Brokers[0].Host, strconv.Itoa(int(resp.Brokers[0].Port)))
		if got != want {
			t.Errorf("listener %s tells its clients %s, want %s", addrs[i].Listener, got, want)
		}
	}
}

func TestDynamicConfigurationApplies(t *testing.T) {
	dir := t.TempDir()
	n, stop := run(t, configured(t, "log.dirs", dir, "log.retention.ms", "5000"))
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, ""
	for key, value := range map[string]string{"max.connections": "77", "log.retention.ms": "9000"} {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = key, &value
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	if resp := ask[*kmsg.IncrementalAlterConfigsResponse](t, n.Addrs()[0].Bound, req); resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("altering the configuration: %v", resp.Resources[0])
	}
	check := func(n *Node) {
		t.Helper()
		if got := n.limits().MaxConnections; got != 77 {
			t.Errorf("max.connections is %d", got)
		}
		if got := n.Config().Topic(nil).RetentionMs; got != 9000 {
			t.Errorf("retention.ms of topics is %d", got)
		}
	}
	check(n)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	n, stop = run(t, configured(t, "log.dirs", dir, "log.retention.ms", "5000"))
	check(n)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	n, stop := run(t, configured(t, "log.dirs", t.TempDir()))
	ask[*kmsg.ApiVersionsResponse](t, n.Addrs()[0].Bound, kmsg.NewPtrApiVersionsRequest())
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for range 3000 { // the client's own goroutines take a moment
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
}

func TestFaultEndsTheNode(t *testing.T) {
	n, err := Open(t.Context(), configured(t, "log.dirs", t.TempDir()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	n.fault <- errors.New("the metadata log failed")
	if err := n.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "the metadata log failed") {
		t.Errorf("Run returned %v", err)
	}
}

// ask sends one request to a broker with a client that others wrote.
func ask[R kmsg.Response](t *testing.T, addr string, req kmsg.Request) R {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	resp, err := c.SeedBrokers()[0].Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(R)
}

// TestDirectoryIDLost: meta.properties with another directory.id, made anew by hand or damaged, leaves the cluster with partitions in a directory that
// there is not. The broker tells where they are, and leads them. Found by test/crash.
func TestDirectoryIDLost(t *testing.T) {
	dir := t.TempDir()
	n, stop := run(t, configured(t, "log.dirs", dir))
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "t", 2, 1
	req.Topics = append(req.Topics, rt)
	if resp := ask[*kmsg.CreateTopicsResponse](t, n.Addrs()[0].Bound, req); resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("create: %v", resp.Topics[0])
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	name := dir + "/meta.properties"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`directory\.id=\S+`).ReplaceAll(text, []byte("directory.id=AAAAAAAAAAAAAAAAAAAAZg"))
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	n, stop = run(t, configured(t, "log.dirs", dir))
	defer func() { _ = stop() }()
	until(t, "leaders of the partitions", func() bool {
		led := 0
		for _, p := range n.metadata.Store().Image().Topic("t").Partitions {
			if p.Leader == n.Config().NodeID() {
				led++
			}
		}
		return led == 2
	})
}
