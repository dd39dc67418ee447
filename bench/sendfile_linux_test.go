package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkSend sends regions of a log file to a consumer on loopback, as a fetch of one partition does, in both ways that a broker could: pread into a
// pooled buffer and write, or sendfile. The consumer is another process, so that cpu-ms/GiB is the broker's alone (user and system).
//
//	go test ./bench -run '^$' -bench Send -benchtime 2s
//
// "warm" regions lie in the page cache; "cold" ones are dropped from it before they are sent, outside of the measurement. docs/architecture.md has the
// figures and what was chosen by them.
func BenchmarkSend(b *testing.B) {
	conn := consumer(b)
	f := bigFile(b, 256<<20)
	buf := make([]byte, 4<<20)
	ways := []struct {
		name string
		send func(off, n int64) error
	}{
		{"pread", func(off, n int64) error {
			if _, err := f.ReadAt(buf[:n], off); err != nil {
				return err
			}
			_, err := conn.Write(buf[:n])
			return err
		}},
		{"sendfile", func(off, n int64) error {
			if _, err := f.Seek(off, io.SeekStart); err != nil {
				return err
			}
			sent, err := conn.ReadFrom(&io.LimitedReader{R: f, N: n}) // sendfile(2)
			if err == nil && sent != n {
				err = io.ErrShortWrite
			}
			return err
		}},
	}
	for _, size := range []int64{16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
		for _, cold := range []bool{false, true} {
			for _, way := range ways {
				temperature := map[bool]string{false: "warm", true: "cold"}[cold]
				b.Run(fmt.Sprintf("%s/%dKiB/%s", temperature, size>>10, way.name), func(b *testing.B) {
					b.SetBytes(size)
					cpu := cpuTime()
					var dropping time.Duration
					for i := range b.N {
						off := int64(i) * size % (256 << 20)
						if cold {
							b.StopTimer()
							began := cpuTime()
							_ = unix.Fadvise(int(f.Fd()), off, size, unix.FADV_DONTNEED)
							dropping += cpuTime() - began
							b.StartTimer()
						}
						if err := way.send(off, size); err != nil {
							b.Fatal(err)
						}
					}
					used := cpuTime() - cpu - dropping
					b.ReportMetric(float64(used.Microseconds())/1000/(float64(b.N)*float64(size)/(1<<30)), "cpu-ms/GiB")
				})
			}
		}
	}
}

func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func bigFile(b *testing.B, size int) *os.File {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	chunk := make([]byte, 1<<20)
	for i := range chunk {
		chunk[i] = byte(i * 7)
	}
	for range size / len(chunk) {
		if _, err := f.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil { // only clean pages can be dropped
		b.Fatal(err)
	}
	return f
}

// consumer connects to a process that reads and forgets.
func consumer(b *testing.B) *net.TCPConn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	child := exec.Command(os.Args[0], "-test.run", "^TestConsumerProcess$")
	child.Env = append(os.Environ(), "BENCH_CONSUMES="+l.Addr().String())
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(); _ = child.Wait() })
	return conn.(*net.TCPConn)
}

// TestConsumerProcess is the consumer, when consumer has started it.
func TestConsumerProcess(t *testing.T) {
	addr := os.Getenv("BENCH_CONSUMES")
	if addr == "" {
		t.Skip("only as a child of BenchmarkSend")
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
