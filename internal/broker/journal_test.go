package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// TestJournalMeetsDamage flips a bit in each byte of a batch in the middle of a coordinator's partition. The load fails with the file, the place and
// the way out, and that way works: what is not damaged is loaded, in order.
func TestJournalMeetsDamage(t *testing.T) {
	fs := vfs.NewMem()
	f := open(t, fs)
	f.create("j", 1)
	p, j := f.partition("j", 0), f.Journal("j")
	for i := range 5 {
		last, err := j.Append(t.Context(), 0, p.LeaderEpoch(), coordinator.Pending{Records: []protocol.Record{{TimestampMs: 1, Key: []byte{byte(i)}, Value: []byte("v")}}})
		ok(t, err)
		ok(t, j.WaitCommitted(t.Context(), 0, last))
	}
	size := p.log().SizeBytes() / 5
	name := p.log().Dir() + "/00000000000000000000.log"
	f.close()
	for at := 2*size + 27; at < 3*size; at++ { // what lies before decides where batches begin: the start looks at that
		if in := at - 2*size; in >= 57 && in < 61 {
			continue // so does the number of records
		}
		flip(t, fs, name, at)
		f := open(t, fs)
		load := func() (keys []byte, err error) {
			err = f.Journal("j").Load(t.Context(), 0, func(_ protocol.Batch, _ int64, r protocol.Record) error {
				keys = append(keys, r.Key[0])
				return nil
			})
			return keys, err
		}
		keys, err := load()
		damage, is := log.IsDamage(err)
		if !is || damage.File != name || damage.Position != 2*size || !errors.Is(err, kerr.KafkaStorageError) || !slices.Equal(keys, []byte{0, 1}) {
			t.Fatalf("byte %d: loaded %v, %v", at, keys, err)
		}
		for _, says := range []string{name, fmt.Sprint("byte ", 2*size), "Offsets 2 to 2", "unclean.coordinator.load.enable=true"} {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("the error does not say %q: %v", says, err)
			}
		}
		unclean, err := f.config().WithDynamic(map[string]string{"unclean.coordinator.load.enable": "true"}, nil)
		ok(t, err)
		f.Broker.config = func() *config.Config { return unclean }
		if keys, err = load(); err != nil || !slices.Equal(keys, []byte{0, 1, 3, 4}) {
			t.Fatalf("byte %d: loaded %v, %v with damage left out", at, keys, err)
		}
		f.close()
		flip(t, fs, name, at)
	}
}

// TestLoadsTakeTurns: a start loads all partitions of an internal topic, and not all of their buffers are there at once.
func TestLoadsTakeTurns(t *testing.T) {
	places := runtime.GOMAXPROCS(0)
	partitions := int32(places + 3)
	f := open(t, vfs.NewMem())
	f.create("j", partitions)
	j := f.Journal("j")
	entered, gate, loaded := make(chan struct{}, partitions), make(chan struct{}), make(chan error, partitions)
	var underWay atomic.Int32
	for i := range partitions {
		_, err := j.Append(t.Context(), i, f.partition("j", i).LeaderEpoch(), coordinator.Pending{Records: []protocol.Record{{Value: []byte("v")}}})
		ok(t, err)
		go func() {
			loaded <- j.Load(t.Context(), i, func(protocol.Batch, int64, protocol.Record) error {
				if n := underWay.Add(1); int(n) > places {
					t.Errorf("%d loads at once", n)
				}
				entered <- struct{}{}
				<-gate
				underWay.Add(-1)
				return nil
			})
		}()
	}
	for range places {
		<-entered
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Load(gone, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a load that nobody waits for any more: %v", err)
	}
	close(gate)
	for range partitions {
		ok(t, <-loaded)
	}
	f.close()
}

func flip(t *testing.T, fs vfs.FS, name string, at int64) {
	t.Helper()
	file, err := fs.Open(name)
	ok(t, err)
	var b [1]byte
	_, err = file.ReadAt(b[:], at)
	ok(t, err)
	b[0] ^= 0x10
	_, err = file.WriteAt(b[:], at)
	ok(t, err)
	ok(t, file.Close())
}
