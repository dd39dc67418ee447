package server

import (
	"net"
	"os"
	"testing"
)

func TestPortOwnerIsThisProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	pid, cmd, ok := PortOwner(port)
	if !ok || pid != os.Getpid() || cmd == "" {
		t.Errorf("PortOwner(%d) = %d, %q, %v; want this process, %d", port, pid, cmd, ok, os.Getpid())
	}
	l.Close()
	if pid, cmd, ok := PortOwner(port); ok {
		t.Errorf("PortOwner of a closed listener = %d, %q", pid, cmd)
	}
}

func TestListeningInodesSkipsOtherStatesAndPorts(t *testing.T) {
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:2384 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 00000000:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: garbage
`
	if got := listeningInodes(table, 9092); len(got) != 1 || got[0] != "11" {
		t.Errorf("got %v, want [11]", got)
	}
}
