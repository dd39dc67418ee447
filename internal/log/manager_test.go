package log

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

type testManager struct {
	*Manager
	t    testing.TB
	fs   vfs.FS
	o    ManagerOptions
	topc config.Topic
	logs *observer.ObservedLogs
}

func testConfig(t testing.TB, overrides ...string) *config.Config {
	t.Helper()
	var entries []config.Entry
	for _, o := range overrides {
		key, value, _ := strings.Cut(o, "=")
		entries = append(entries, config.Entry{Key: key, Value: value, Source: "test"})
	}
	c, _, err := config.New(entries, config.Defaults{NoFile: true})
	must(t, err)
	return c
}

func managerOptions(t testing.TB, fsys vfs.FS, overrides ...string) ManagerOptions {
	c := testConfig(t, overrides...)
	return ManagerOptions{FS: fsys, Dirs: []string{"/d1", "/d2"}, NodeID: 1, Config: func() *config.Config { return c }}
}

func openManager(t testing.TB, o ManagerOptions) *testManager {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	o.Logger = zap.New(core)
	m, err := OpenDirs(o)
	must(t, err)
	tm := &testManager{Manager: m, t: t, fs: o.FS, o: o, topc: kafkaTopic(), logs: logs}
	must(t, m.Load(context.Background(), func(string) config.Topic { return tm.topc }))
	return tm
}

func tp(topic string, partition int32) protocol.TopicPartition {
	return protocol.TopicPartition{Topic: topic, Partition: partition}
}

func (tm *testManager) create(tp protocol.TopicPartition, id byte) *Log {
	tm.t.Helper()
	l, err := tm.Create(tp, [16]byte{id}, tm.topc)
	must(tm.t, err)
	return l
}

func addTo(t testing.TB, l *Log, n int) {
	t.Helper()
	_, err := l.Append(plainBatch(t, n, 1000), AppendOptions{})
	must(t, err)
	l.SetHighWatermark(l.EndOffset())
}

func TestManagerKeepsEverythingOverACleanStop(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	m := openManager(t, o)
	for i := range int32(6) {
		addTo(t, m.create(tp("a-b", i), 7), int(i)+1)
	}
	per := map[string]int{}
	for tp, l := range m.All() {
		per[strings.TrimSuffix(l.Dir(), "/"+tp.String())]++
	}
	if diff := cmp.Diff(map[string]int{"/d1": 3, "/d2": 3}, per); diff != "" {
		t.Errorf("placement (-want +got):\n%s", diff)
	}
	l, _ := m.Get(tp("a-b", 5))
	_, err := l.DeleteRecordsTo(3)
	must(t, err)
	m.SetBrokerEpoch(14)
	cluster, id1, id2 := m.ClusterID(), m.DirectoryID("/d1"), m.DirectoryID("/d2")
	if len(cluster) != 22 || id1 == id2 || id1 == [16]byte{} {
		t.Errorf("cluster %q, directories %x and %x", cluster, id1, id2)
	}
	must(t, m.Close())
	must(t, m.Close())
	if text, err := disk.ReadFile("/d1/" + cleanShutdownFile); err != nil || string(text) != `{"version":0,"brokerEpoch":14}` {
		t.Errorf("clean shutdown file: %q, %v", text, err)
	}
	starts, err := readOffsets(disk, l.Dir()[:3]+"/"+startOffsetFile)
	if diff := cmp.Diff(offsets{tp("a-b", 5): 3}, starts); diff != "" || err != nil {
		t.Errorf("log start checkpoint, %v (-want +got):\n%s", err, diff)
	}
	if _, ok := files(t, disk, "/d1")[lockFile]; ok {
		t.Error("the lock file is still there")
	}

	m = openManager(t, o)
	if m.ClusterID() != cluster || m.DirectoryID("/d1") != id1 || !m.WasClean() {
		t.Errorf("cluster %q, directory %x, clean %v", m.ClusterID(), m.DirectoryID("/d1"), m.WasClean())
	}
	if _, ok := files(t, disk, "/d1")[cleanShutdownFile]; ok {
		t.Error("the mark of the clean stop is still there")
	}
	n := int32(0)
	for p, l := range m.All() {
		wantStart := int64(0)
		if p.Partition == 5 {
			wantStart = 3
		}
		if p != tp("a-b", n) || l.EndOffset() != int64(n)+1 || l.HighWatermark() != int64(n)+1 || l.StartOffset() != wantStart || l.TopicID() != [16]byte{7} {
			t.Errorf("%s: [%d, %d), high watermark %d, topic id %x", p, l.StartOffset(), l.EndOffset(), l.HighWatermark(), l.TopicID())
		}
		n++
	}
	if n != 6 {
		t.Errorf("%d logs", n)
	}
	must(t, m.Close())
}

// TestStartThatFailsKeepsTheMark: a port in use must not cost a recovery.
func TestStartThatFailsKeepsTheMark(t *testing.T) {
	o := managerOptions(t, vfs.NewMem())
	m := openManager(t, o)
	addTo(t, m.create(tp("t", 0), 1), 5)
	must(t, m.Close())
	first, err := OpenDirs(o)
	must(t, err)
	must(t, first.Close())
	m = openManager(t, o)
	if l, ok := m.Get(tp("t", 0)); !m.WasClean() || !ok || l.EndOffset() != 5 {
		t.Errorf("clean %v, %v", m.WasClean(), l)
	}
	must(t, m.Close())
}

func TestManagerErrorsSayWhatToDo(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	m := openManager(t, o)
	cluster := m.ClusterID()
	check := func(name string, edit func(o *ManagerOptions), want ...string) {
		t.Helper()
		o := o
		edit(&o)
		again, err := OpenDirs(o)
		if err == nil {
			again.Close()
			t.Errorf("%s: no error", name)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
	check("locked", func(*ManagerOptions) {}, "log directory /d1 is in use", "/d1/.lock is already locked by this process", "log.dirs")
	must(t, m.Close())
	check("other node", func(o *ManagerOptions) { o.NodeID = 2 }, "/d1/meta.properties belongs to node.id 1", "configured as 2", "node.id=1")
	check("other cluster", func(o *ManagerOptions) { o.ClusterID = "MkU3OEVBNTcwNTJENDM2Qk" }, "/d1/meta.properties belongs to cluster "+cluster, "the configuration says MkU3OEVBNTcwNTJENDM2Qk")
	check("twice", func(o *ManagerOptions) { o.Dirs = []string{"/d1", "/d1/"} }, "log.dirs names /d1 twice")
	check("none", func(o *ManagerOptions) { o.Dirs = nil }, "log.dirs names no directory")
	check("unwritable", func(o *ManagerOptions) {
		o.FS = vfs.Fault(disk, func(op vfs.Op, name string) error {
			if op == vfs.OpLock {
				return syscall.EACCES
			}
			return nil
		})
	}, "open the log directory /d1", "permission denied")
	must(t, disk.WriteFileAtomic("/d2/"+metaPropertiesFile, []byte("version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=1\n"), false))
	check("directories of two clusters", func(*ManagerOptions) {}, "/d2/meta.properties belongs to cluster AAAAAAAAAAAAAAAAAAAAAA", "/d1/meta.properties says "+cluster)
	must(t, disk.WriteFileAtomic("/d2/"+metaPropertiesFile, []byte("version=9\n"), false))
	check("unknown version", func(*ManagerOptions) {}, "/d2/meta.properties", `version "9"`)
	must(t, disk.WriteFileAtomic("/d2/"+metaPropertiesFile, []byte("version=1\nnode.id=one\n"), false))
	check("bad node id", func(*ManagerOptions) {}, "/d2/meta.properties", `node.id "one"`)
}

// TestZooKeeperDirectory: one of Kafka 2.8, whose mark of a clean stop is empty.
func TestZooKeeperDirectory(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	o.Dirs = o.Dirs[:1]
	must(t, disk.MkdirAll("/d1"))
	must(t, disk.WriteFileAtomic("/d1/"+metaPropertiesFile, []byte("#\n#Thu Jan 01\nversion=0\nbroker.id=1\ncluster.id=vPeOCWypqUOSepEvx0cbog\n"), false))
	must(t, disk.WriteFileAtomic("/d1/"+cleanShutdownFile, nil, false))
	m := openManager(t, o)
	if m.ClusterID() != "vPeOCWypqUOSepEvx0cbog" || !m.WasClean() {
		t.Errorf("cluster %s, clean %v", m.ClusterID(), m.WasClean())
	}
	text, err := disk.ReadFile("/d1/" + metaPropertiesFile)
	must(t, err)
	meta, err := parseMetaProperties("f", text)
	if want := (metaProperties{1, "vPeOCWypqUOSepEvx0cbog", 1, m.DirectoryID("/d1")}); err != nil || meta != want {
		t.Errorf("%+v, %v; want %+v", meta, err, want)
	}
	must(t, m.Close())
}

func TestOneBadDirectoryDoesNotStopTheOthers(t *testing.T) {
	bad := map[string]bool{}
	disk := vfs.NewMem()
	o := managerOptions(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
		if bad["all"] && strings.HasPrefix(name, "/d1") || bad["writes"] && op == vfs.OpWrite && strings.HasPrefix(name, "/d1/") {
			return syscall.EIO
		}
		return nil
	}))
	m := openManager(t, o)
	a, b := m.create(tp("t", 0), 1), m.create(tp("t", 1), 1)
	if !strings.HasPrefix(a.Dir(), "/d1") {
		a, b = b, a
	}
	addTo(t, a, 1)
	addTo(t, b, 1)
	bad["writes"] = true
	if _, err := a.Append(plainBatch(t, 1, 1), AppendOptions{}); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("append to a broken disk: %v", err)
	}
	bad["writes"] = false
	if _, err := a.Read(0, 1, 1, true); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("read from a log directory that failed: %v", err)
	}
	addTo(t, b, 1)
	if l := m.create(tp("t", 2), 1); !strings.HasPrefix(l.Dir(), "/d2/") {
		t.Errorf("a new partition went to %s", l.Dir())
	}
	if dirs := m.Dirs(); !slices.Equal(dirs, []string{"/d2"}) {
		t.Errorf("working directories: %v", dirs)
	}
	usage := m.DirUsage()
	if usage[0].Err == nil || usage[1].Err != nil || usage[1].Total <= 0 || len(usage[1].Partitions) != 2 {
		t.Errorf("usage: %+v", usage)
	}
	if f := <-m.Failures(); f.Dir != "/d1" || f.ID != m.DirectoryID("/d1") || !errors.Is(f.Err, kerr.KafkaStorageError) {
		t.Errorf("told of %+v", f)
	}
	must(t, m.Close()) // the failure was told, and the others are closed
	if _, ok := files(t, disk, "/d1")[cleanShutdownFile]; ok {
		t.Error("a directory that failed was marked as closed")
	}

	bad["all"] = true
	m = openManager(t, o)
	if l, ok := m.Get(tp("t", 2)); !ok || l.EndOffset() != 0 {
		t.Errorf("the other directory: %v", l)
	}
	if n := m.logs.FilterMessage("log directory is offline").Len(); n != 1 {
		t.Errorf("%v", m.logs.All())
	}
	must(t, m.Close())
}

func TestDamagedPartitionStaysOfflineAndIsNotReplaced(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	m := openManager(t, o)
	l := m.create(tp("t", 0), 1)
	for range 3 {
		addTo(t, l, 5)
	}
	addTo(t, m.create(tp("t", 1), 1), 5)
	name := l.Dir() + "/00000000000000000000.log"
	must(t, m.Close())
	for _, dir := range o.Dirs {
		must(t, disk.Remove(dir+"/"+cleanShutdownFile))
		must(t, disk.Remove(dir+"/"+recoveryPointFile))
	}
	corruptByte(t, disk, name, 100)
	for range 2 {
		m = openManager(t, o)
		if _, ok := m.Get(tp("t", 0)); ok {
			t.Fatal("a damaged log was opened")
		}
		if _, ok := m.Get(tp("t", 1)); !ok {
			t.Fatal("the other log was not opened")
		}
		var damage *CorruptionError
		if err := m.Damaged()[tp("t", 0)]; !errors.As(err, &damage) || damage.File != name {
			t.Fatalf("Damaged: %v", err)
		}
		if _, err := m.Create(tp("t", 0), [16]byte{1}, kafkaTopic()); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("Create: %v", err)
		}
		must(t, m.Close()) // must not make the next start trust it
	}
	corruptByte(t, disk, name, 100) // repaired
	m = openManager(t, o)
	if l, ok := m.Get(tp("t", 0)); !ok || l.EndOffset() != 15 {
		t.Error("the repaired log was not opened")
	}
	must(t, m.Close())
}

func TestDeleteAndStray(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	o.Dirs = o.Dirs[:1]
	m := openManager(t, o)
	long := strings.Repeat("x", 249)
	l := m.create(tp(long, 0), 1)
	addTo(t, l, 3)
	region, err := l.Read(0, 3, 1000, true)
	must(t, err)
	must(t, m.Delete(tp(long, 0)))
	must(t, m.Delete(tp(long, 0)))
	if _, ok := m.Get(tp(long, 0)); ok {
		t.Error("a deleted log is still there")
	}
	if _, err := l.Append(plainBatch(t, 1, 1), AppendOptions{}); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("append to a deleted log: %v", err)
	}
	if b, err := region.AppendTo(nil); err != nil || len(b) == 0 {
		t.Errorf("a region of a deleted log: %v", err)
	}
	region.Release()
	if again := m.create(tp(long, 0), 2); again.EndOffset() != 0 || again.TopicID() != [16]byte{2} {
		t.Errorf("a new partition of the name: end %d", again.EndOffset())
	}
	addTo(t, m.create(tp("stray", 0), 3), 1)
	must(t, m.MarkStray(tp("stray", 0)))
	var deleted, stray int
	for name := range files(t, disk, "/d1") {
		if len(name) > 255 {
			t.Errorf("a name of %d bytes", len(name))
		}
		if hasSuffix(name, suffixDelete) {
			deleted++
		}
		if hasSuffix(name, suffixStray) {
			stray++
		}
		if hasSuffix(name, suffixDelete) || hasSuffix(name, suffixStray) {
			// Kafka recovers a directory without indexes, and calls that an error.
			in := files(t, disk, "/d1/"+name)
			for _, ext := range []string{extIndex, extTimeIndex} {
				_, hasLog := in["00000000000000000000"+extLog]
				if _, ok := in["00000000000000000000"+ext]; hasLog && !ok {
					t.Errorf("%s has no %s", name, ext)
				}
			}
		}
	}
	if deleted != 1 || stray != 1 {
		t.Errorf("%d deleted, %d stray: %v", deleted, stray, files(t, disk, "/d1"))
	}
	must(t, m.Close())
	// A stop before the delay is over leaves the removal to the next start.
	m = openManager(t, o)
	m.doQueued()
	for name := range files(t, disk, "/d1") {
		if hasSuffix(name, suffixDelete) {
			t.Errorf("%s is still there", name)
		}
	}
	if n := len(maps.Collect(m.All())); n != 1 {
		t.Errorf("%d logs", n)
	}
	must(t, m.Close())
}

// TestHousekeeping runs the real loop in a bubble: everything happens at its time.
func TestHousekeeping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		o := managerOptions(t, disk, "log.retention.check.interval.ms=5000", "replica.high.watermark.checkpoint.interval.ms=1000",
			"log.flush.offset.checkpoint.interval.ms=2000", "log.flush.start.offset.checkpoint.interval.ms=2000", "log.flush.scheduler.interval.ms=500")
		o.Dirs = o.Dirs[:1]
		m := openManager(t, o)
		m.topc.RetentionMs, m.topc.FileDeleteDelayMs, m.topc.FlushMs, m.topc.SegmentBytes = 10_000, 3000, 700, 300
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		l := m.create(tp("t", 0), 1)
		add := func() {
			t.Helper()
			_, err := l.Append(plainBatch(t, 2, time.Now().UnixMilli()), AppendOptions{})
			must(t, err)
			l.SetHighWatermark(l.EndOffset())
		}
		until := func(at time.Duration) {
			time.Sleep(at - time.Since(time.UnixMilli(946684800000))) // a bubble begins in 2000
			synctest.Wait()
		}
		add()
		if l.RecoveryPoint() != 0 {
			t.Errorf("flushed at once: %d", l.RecoveryPoint())
		}
		until(1100 * time.Millisecond)
		if l.RecoveryPoint() != 2 {
			t.Errorf("not flushed after flush.ms: %d", l.RecoveryPoint())
		}
		read := func(file string) int64 {
			t.Helper()
			o, err := readOffsets(disk, "/d1/"+file)
			must(t, err)
			return o[tp("t", 0)]
		}
		if hw := read(highWatermarkFile); hw != 2 {
			t.Errorf("high watermark checkpoint %d", hw)
		}
		until(2100 * time.Millisecond)
		if p := read(recoveryPointFile); p != 2 {
			t.Errorf("recovery point checkpoint %d", p)
		}
		for range 4 {
			add() // rolls, which flushes what was rolled
		}
		synctest.Wait()
		if l.RecoveryPoint() < 8 {
			t.Errorf("a rolled segment was not flushed: %d", l.RecoveryPoint())
		}
		_, err := l.DeleteRecordsTo(5)
		must(t, err)
		until(5100 * time.Millisecond) // retention
		if start := read(startOffsetFile); start != 5 {
			t.Errorf("log start checkpoint %d", start)
		}
		count := func(suffix string) (n int) {
			for name := range files(t, disk, l.Dir()) {
				if strings.HasSuffix(name, suffix) {
					n++
				}
			}
			return n
		}
		if n := count(extDeleted); n == 0 {
			t.Errorf("retention removed nothing: %v", files(t, disk, l.Dir()))
		}
		until(8200 * time.Millisecond)
		if n := count(extDeleted); n != 0 {
			t.Errorf("%d removed files are still there after file.delete.delay.ms", n)
		}
		until(16 * time.Second)
		if l.StartOffset() != 10 || len(l.view.Load().segments) != 1 {
			t.Errorf("log start %d after retention.ms", l.StartOffset())
		}
		m.removeLater([]string{"/d1/none"}, 1e6) // a pending removal does not hold up the end
		stop()
		must(t, <-done)
		must(t, m.Close())
	})
}

func TestIdleFilesAreClosedAndOpenedAgain(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 300, 10 })
	open := func() (n int) {
		for _, s := range tl.view.Load().segments {
			for _, f := range []*file{&s.log, &s.offsets.file, &s.times.file} {
				if f.open.Load() != nil {
					n++
				}
			}
		}
		return n
	}
	for i := range 10 {
		tl.add(plainBatch(t, 2, int64(i)))
	}
	want := tl.contents()
	tl.CloseIdleFiles()
	tl.CloseIdleFiles()
	if open() == 0 {
		t.Error("files with unsynced records were closed")
	}
	must(t, tl.Flush())
	tl.CloseIdleFiles()
	tl.CloseIdleFiles()
	if n := open(); n != 0 {
		t.Errorf("%d files are open", n)
	}
	if diff := cmp.Diff(want, tl.contents()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	tl.add(plainBatch(t, 2, 1))
	tl = tl.reopen(nil)
	if n := open(); n != 0 {
		t.Errorf("a log nobody uses has %d files open", n)
	}
}

// TestCreateIsCheap bounds the calls that a new partition costs: creating the 50
// partitions of __consumer_offsets must not be felt, and must not fsync.
func TestCreateIsCheap(t *testing.T) {
	var calls []string
	o := managerOptions(t, vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
		calls = append(calls, fmt.Sprint(op, " ", name))
		return nil
	}))
	o.Dirs = o.Dirs[:1]
	m := openManager(t, o)
	calls = nil
	m.create(tp("t", 0), 1)
	want := []string{
		"stat /d1/t-0", "mkdir /d1/t-0",
		"create /d1/t-0/partition.metadata", "write /d1/t-0/partition.metadata", "close /d1/t-0/partition.metadata",
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	must(t, m.Close())
}

// TestLongRecoveryTellsItsProgress: few large logs, or many small ones, whoever waits
// for the start of a broker sees that it goes on.
func TestLongRecoveryTellsItsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		m := openManager(t, managerOptions(t, disk))
		l := m.create(tp("t", 0), 1)
		c := kafkaTopic()
		c.SegmentBytes = 400
		l.SetConfig(c)
		for range 40 {
			addTo(t, l, 3)
		}
		must(t, m.Close())
		must(t, disk.Remove("/d1/"+cleanShutdownFile)) // as if it had been killed
		must(t, disk.Remove("/d1/"+recoveryPointFile))
		slow := vfs.Fault(disk, func(op vfs.Op, name string) error {
			if op == vfs.OpRead && strings.HasSuffix(name, extLog) {
				time.Sleep(time.Second)
			}
			return nil
		})
		again := openManager(t, managerOptions(t, slow))
		lines := again.logs.FilterMessage("loading logs").All()
		if len(lines) < 2 || lines[len(lines)-1].ContextMap()["scanned_bytes"].(int64) == 0 {
			t.Errorf("%d lines: %v", len(lines), lines)
		}
		must(t, again.Close())
	})
}
