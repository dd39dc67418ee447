//go:build linux

package crash

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRSSKiB is more than the broker may ever need here: what it holds for a peer must not follow from what the peer only announces.
const maxRSSKiB = 600 << 10

// mayTake is maxRSSKiB, or what that is with the race detector, which takes several times as much.
func mayTake() int {
	if os.Getenv("GOKAFKA_CRASH_RACE") != "" {
		return 5 * maxRSSKiB
	}
	return maxRSSKiB
}

// abuse does something to a broker and then checks that it serves others as before, that its memory is bounded and that nothing was left open.
func abuse(t *testing.T, do func(t *testing.T, p *process), overrides ...string) {
	t.Helper()
	t.Parallel()
	p := start(t, t.TempDir()+"/data", overrides...)
	wellBehaved(t, p, "before")
	var before int
	eventually(t, func() string { // the connections of the client end
		n := p.numFDs()
		if before != n {
			before = n
			return "the number of open files does not settle"
		}
		return ""
	})
	do(t, p)
	wellBehaved(t, p, "after")
	if peak := p.status("VmHWM"); peak > mayTake() {
		t.Errorf("the memory in use reached %d MiB, want at most %d", peak>>10, mayTake()>>10)
	}
	const ofTheTopic = 6 // files of a topic that was made meanwhile
	eventually(t, func() string {
		if n := p.numFDs(); n > before+ofTheTopic {
			return fmt.Sprintf("%d files and connections are open, before there were %d", n, before)
		}
		return ""
	})
	if n := p.status("Threads"); n > 200 {
		t.Errorf("%d threads", n)
	}
	p.stop()
}

// atOnce calls fn n times, from some goroutines, and waits for all.
func atOnce(n int, fn func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 4 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// frame puts a size before bytes.
func frame(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

// header is a request header v1 without a body.
func header(key, version int16) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 7)
	return append(b, 0, 5, 'c', 'r', 'a', 's', 'h')
}

func TestGarbage(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		words := []string{
			"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x00\x00\x00\x00", "\n",
			strings.Repeat("\x00", 4096), strings.Repeat("\xff", 4096),
		}
		rng := randomFor(t)
		for range 200 {
			b := make([]byte, 1+rng.IntN(2000))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			words = append(words, string(b), string(frame(b)))
		}
		atOnce(len(words), func(i int) {
			c := dial(t, p)
			c.send([]byte(words[i]))
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("the connection stays open after %.60q", words[i])
			}
			c.Close()
		})
	})
}

func TestFrameSizes(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		for _, size := range []int32{-1, math.MinInt32, math.MaxInt32, 100<<20 + 1} {
			c := dial(t, p)
			c.send(binary.BigEndian.AppendUint32(nil, uint32(size)))
			c.isClosed(fmt.Sprint("a frame of size ", size))
		}
		p.said("invalid frame size")
		// Announced and not sent: many at once, which must cost next to nothing, and are gone when the peers are.
		var open []*peer
		for i := range 300 {
			c := dial(t, p)
			c.send(append(binary.BigEndian.AppendUint32(nil, 100<<20), make([]byte, i)...))
			open = append(open, c)
		}
		wellBehaved(t, p, "meanwhile")
		for _, c := range open {
			c.Close()
		}
	})
}

// TestTruncatedRequests cuts a request of every API and version off at every length, with a frame size that says so.
func TestTruncatedRequests(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		var frames [][]byte
		for key := int16(0); key <= kmsg.MaxKey; key++ {
			req := kmsg.RequestForKey(key)
			if req == nil {
				continue
			}
			req.SetVersion(req.MaxVersion())
			whole := request(req)
			for n := 4; n < len(whole); n += 1 + len(whole)/12 {
				frames = append(frames, frame(whole[4:n]))
			}
		}
		atOnce(len(frames), func(i int) {
			c := dial(t, p)
			c.send(frames[i])
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(patience))
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		})
	})
}

func TestSlowSenders(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		var wg sync.WaitGroup
		for range 50 {
			c := dial(t, p)
			wg.Go(func() {
				for _, b := range request(kmsg.NewPtrApiVersionsRequest()) {
					c.send([]byte{b})
					time.Sleep(5 * time.Millisecond)
				}
				if _, err := c.answer(); err != nil {
					t.Errorf("no answer to a slow request: %v", err)
				}
				c.Close()
			})
		}
		wellBehaved(t, p, "meanwhile")
		wg.Wait()
	})
}

// TestClientsThatNeverRead: what they asked for must not pile up in memory.
func TestClientsThatNeverRead(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		fill(t, p, "large", 40<<20)
		var open []*peer
		for range 30 {
			c := dial(t, p)
			if err := c.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
			c.send(request(bigFetch("large")))
			open = append(open, c)
		}
		for _, c := range open { // all are being answered
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		wellBehaved(t, p, "meanwhile")
		for _, c := range open {
			c.Close()
		}
	})
}

func TestThousandsOfIdleConnections(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		open := make([]*peer, 2000)
		for i := range open {
			open[i] = dial(t, p)
			if i%2 == 0 {
				open[i].send([]byte{0, 0}) // half a size
			}
		}
		wellBehaved(t, p, "meanwhile")
		for _, c := range open {
			c.Close()
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		var open []*peer
		for range 60 {
			open = append(open, dial(t, p))
		}
		open[59].isClosed("a connection over max.connections.per.ip")
		for _, c := range open {
			c.Close()
		}
		// The broker has to notice first that they are gone.
		for range 500 {
			c := dial(t, p)
			c.send(frame(header(int16(kmsg.ApiVersions), 0)))
			_, err := c.answer()
			c.Close()
			if err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("no room after all connections were closed")
	}, "max.connections.per.ip=50")
}

func TestUnknownAPIs(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		for _, key := range []int16{-1, math.MinInt16, math.MaxInt16, 4, 5, 6, 7, 62, 500} {
			c := dial(t, p)
			c.send(frame(header(key, 0)))
			c.isClosed(fmt.Sprint("api key ", key))
		}
		for key := int16(0); key <= kmsg.MaxKey; key++ {
			for _, version := range []int16{-1, 99, math.MaxInt16} {
				c := dial(t, p)
				c.send(frame(header(key, version)))
				if kmsg.Key(key) != kmsg.ApiVersions {
					c.isClosed(fmt.Sprintf("api key %d version %d", key, version))
					continue
				}
				// KIP-511: the answer is of version 0 and says what there is.
				b, err := c.answer()
				if err != nil || len(b) < 10 || binary.BigEndian.Uint16(b[4:]) != 35 || binary.BigEndian.Uint32(b[6:]) == 0 {
					t.Errorf("ApiVersions %d: %x, %v", version, b, err)
				}
				c.Close()
			}
		}
	})
}

// TestAbsurdCounts sends every API in every version with bodies that announce huge arrays and strings wherever one may begin.
func TestAbsurdCounts(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		var frames [][]byte
		counts := [][]byte{{0x7f, 0xff, 0xff, 0xff}, {0x00, 0x20, 0x00, 0x00}, {0xff, 0xff, 0xff, 0xff, 0x07}, {0x80, 0x80, 0x80, 0x04}, {0x80, 0x00, 0x00, 0x00}}
		for key := int16(0); key <= kmsg.MaxKey; key++ {
			req := kmsg.RequestForKey(key)
			if req == nil {
				continue
			}
			for version := int16(0); version <= req.MaxVersion(); version++ {
				req.SetVersion(version)
				h := header(key, version)
				if req.IsFlexible() {
					h = append(h, 0)
				}
				for _, count := range counts {
					for skip := range 8 {
						body := append(make([]byte, skip), count...)
						frames = append(frames, frame(append(append([]byte{}, h...), append(body, make([]byte, 256)...)...)))
					}
				}
			}
		}
		rng := rand.New(rand.NewPCG(1, 1))
		rng.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		frames = frames[:min(len(frames), 1500*rounds(t))]
		atOnce(len(frames), func(i int) {
			c := dial(t, p)
			c.send(frames[i])
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(patience))
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		})
	}, "group.max.session.timeout.ms=10000", "auto.create.topics.enable=false")
}

// TestManySmallThings sends well-formed requests that name a million nothings, or more.
func TestManySmallThings(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		for name, of := range map[string]struct {
			key, version int16
			before       string
			element      string
			after        string
		}{
			"DescribeGroups":  {15, 5, "", "\x01", "\x00\x00"},
			"Metadata":        {3, 12, "", strings.Repeat("\x00", 16) + "\x02x\x00", "\x00\x00\x00"},
			"FindCoordinator": {10, 4, "\x00", "\x01", "\x00"},
			"DeleteGroups":    {42, 2, "", "\x01", "\x00"},
		} {
			for _, n := range []int{300_000, 4 << 20} {
				body := of.before + string(binary.AppendUvarint(nil, uint64(n)+1)) + strings.Repeat(of.element, n) + of.after
				c := dial(t, p)
				c.send(frame(append(append(header(of.key, of.version), 0), body...)))
				_ = c.SetReadDeadline(time.Now().Add(patience))
				if _, err := io.CopyN(io.Discard, c, 4); err == nil && n > 1<<20 {
					t.Errorf("%s of %d nothings is answered", name, n)
				}
				c.Close()
			}
		}
	})
}

// TestPipelinedRequests: the answers come in the order of the requests.
func TestPipelinedRequests(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		c := dial(t, p)
		const n = 3000
		var all []byte
		for i := range n {
			var req kmsg.Request = kmsg.NewPtrApiVersionsRequest()
			if i%3 == 0 {
				req = kmsg.NewPtrMetadataRequest()
			}
			all = append(all, kmsg.NewRequestFormatter().AppendRequest(nil, req, int32(i))...) // it takes an empty slice for granted
		}
		go c.send(all)
		for i := range n {
			b, err := c.answer()
			if err != nil || binary.BigEndian.Uint32(b) != uint32(i) {
				t.Fatalf("answer %d: %.10x, %v", i, b, err)
			}
		}
		c.Close()
	})
}

// TestDisconnectDuringLongPolls: a peer that leaves while the broker waits on its behalf must not be waited for as long as it said.
func TestDisconnectDuringLongPolls(t *testing.T) {
	abuse(t, func(t *testing.T, p *process) {
		l := lineTo(p)
		createTopic(t, l.admin(t), "empty", 1)
		l.close()
		for range 200 {
			fetch := bigFetch("empty")
			fetch.MinBytes, fetch.MaxWaitMillis = 1, math.MaxInt32
			join := kmsg.NewPtrJoinGroupRequest()
			join.Version = 3
			join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = "polls", "consumer", 6000, math.MaxInt32
			join.Protocols = append(join.Protocols, kmsg.JoinGroupRequestProtocol{Name: "range"})
			for _, req := range []kmsg.Request{fetch, join} {
				c := dial(t, p)
				c.send(request(req))
				c.Close()
			}
		}
	})
}
