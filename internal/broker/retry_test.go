package broker

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/vfs"
)

// TestTopicCreatedOnAFullDisk: the metadata of the topic still fitted, its partitions did not. They come when there is room, without a restart.
// Found by test/crash.
func TestTopicCreatedOnAFullDisk(t *testing.T) {
	var full atomic.Bool
	f := open(t, vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
		if full.Load() && strings.Contains(name, "/full-") && (op == vfs.OpMkdir || op == vfs.OpCreate) {
			return syscall.ENOSPC
		}
		return nil
	}))
	defer f.close()
	full.Store(true)
	f.create("full", 2)
	if _, err := f.Partition("full", 0); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("partition on a full disk: %v", err)
	}
	f.retryFull()
	if _, err := f.Partition("full", 0); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("the disk is still full: %v", err)
	}
	full.Store(false)
	f.retryFull()
	for i := range int32(2) {
		p := f.partition("full", i)
		f.append(p, "a")
		if got := fmt.Sprint(read(t, p, 0)); got != "[0=a]" {
			t.Errorf("partition %d: %s", i, got)
		}
	}
}
