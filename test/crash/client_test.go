//go:build linux

package crash

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// line leads clients to the broker of the moment, which gets another port at each start. While there is none a dial fails at once; dialing the port
// that it had could meet another process there, or the dialing socket itself.
type line struct {
	mu      sync.Mutex
	addr    string        // guarded by mu
	clients []*kgo.Client // guarded by mu: all that were made
}

// close closes the clients, and with them their connections.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.clients {
		c.Close()
	}
}

func (l *line) set(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr = addr
}

func (l *line) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	l.mu.Lock()
	addr := l.addr
	l.mu.Unlock()
	if addr == "" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// client makes a client that is closed with the test at the latest.
func (l *line) client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(patientOptions(l.dial), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	l.mu.Lock()
	l.clients = append(l.clients, c)
	l.mu.Unlock()
	return c
}

// patientOptions are those of clients that get over the loss of their broker, at once when it is back.
func patientOptions(dial func(ctx context.Context, network, host string) (net.Conn, error)) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers("gokafka.invalid:9092"), kgo.Dialer(dial), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MetadataMinAge(20 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}
}

func (l *line) admin(t testing.TB) *kadm.Client { return kadm.NewClient(l.client(t)) }

// lineTo leads to one process only.
func lineTo(p *process) *line {
	l := &line{}
	l.set(p.addr())
	return l
}

// patient is a context that ends when patience does.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// randomFor returns a generator whose seed a failing test prints.
func randomFor(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("GOKAFKA_CRASH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GOKAFKA_CRASH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// createTopic makes a topic; config is key, value, ….
func createTopic(t testing.TB, admin *kadm.Client, topic string, partitions int32, config ...string) {
	t.Helper()
	c := map[string]*string{}
	for i := 0; i < len(config); i += 2 {
		c[config[i]] = &config[i+1]
	}
	if _, err := admin.CreateTopic(patient(t), partitions, 1, c, topic); err != nil {
		t.Fatalf("create %s: %v", topic, err)
	}
}

// readAll reads the partitions of a topic from their start to their end, and gives each record to fn.
func (l *line) readAll(t testing.TB, topic string, fn func(*kgo.Record)) {
	t.Helper()
	ctx := patient(t)
	admin := l.admin(t)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		s, _ := starts.Lookup(topic, o.Partition)
		if s.Offset < o.Offset {
			from[o.Partition], left[o.Partition] = kgo.NewOffset().At(s.Offset), o.Offset
		}
	})
	if len(left) == 0 {
		return
	}
	c := l.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	defer c.Close()
	for len(left) > 0 {
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("read %s: %v (partitions left, with their ends: %v)", topic, err, left)
		}
		for r := range fs.RecordsAll() {
			end, ok := left[r.Partition]
			if !ok {
				continue
			}
			if r.Offset < end {
				fn(r)
			}
			if r.Offset >= end-1 {
				delete(left, r.Partition)
			}
		}
	}
}
