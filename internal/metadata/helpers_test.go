package metadata

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/vfs"
)

const testClusterID = "MkU3OEVBNTcwNTJENDM2Qg"

var testDirID = [16]byte{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}

// testNode opens and drives a Local on one file system, again and again if need be.
type testNode struct {
	t      testing.TB
	fs     vfs.FS
	dir    string
	config *config.Config
	log    *zap.Logger
	nowMs  int64
	rand   *rand.ChaCha8

	local *Local
	epoch int64 // of the broker's registration
}

func newTestNode(t testing.TB, settings ...string) *testNode {
	t.Helper()
	var seed [32]byte
	copy(seed[:], t.Name())
	n := &testNode{
		t: t, fs: vfs.NewMem(), dir: "/data", nowMs: 1_700_000_000_000, rand: rand.NewChaCha8(seed),
		config: testConfig(t, settings...), log: zap.NewNop(),
	}
	if testing.Verbose() {
		n.log = zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	}
	if err := errors.Join(n.fs.MkdirAll(n.dir), n.fs.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	return n
}

func testConfig(t testing.TB, settings ...string) *config.Config {
	t.Helper()
	entries := []config.Entry{{Key: "log.dirs", Value: "/data"}, {Key: "node.id", Value: "1"}}
	for i := 0; i < len(settings); i += 2 {
		entries = append(entries, config.Entry{Key: settings[i], Value: settings[i+1]})
	}
	c, _, err := config.New(entries, config.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (n *testNode) options() Options {
	return Options{
		FS: n.fs, Dir: n.dir, NodeID: 1, ClusterID: testClusterID, DirectoryIDs: [][16]byte{testDirID},
		Config: func() *config.Config { return n.config }, Logger: n.log, NowMs: func() int64 { return n.nowMs }, Rand: n.rand,
	}
}

func (n *testNode) tryOpen() error {
	l, err := Open(n.options())
	if err != nil {
		return err
	}
	n.local = l
	return nil
}

func (n *testNode) open() *testNode {
	n.t.Helper()
	if err := n.tryOpen(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { n.local.Close() })
	return n
}

func (n *testNode) close() {
	n.t.Helper()
	if err := n.local.Close(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNode) image() *Image { return n.local.Store().Image() }

// ask sends a request that must be answered.
func ask[R kmsg.Response](n *testNode, req kmsg.Request) R {
	n.t.Helper()
	resp, err := n.local.Controller().Request(context.Background(), req)
	if err != nil {
		n.t.Fatalf("%T: %v", req, err)
	}
	return resp.(R)
}

func registration(id int32, incarnation byte, dirs ...[16]byte) *kmsg.BrokerRegistrationRequest {
	req := at(4, kmsg.NewPtrBrokerRegistrationRequest())
	req.BrokerID, req.ClusterID, req.IncarnationID = id, testClusterID, [16]byte{incarnation}
	req.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "localhost", Port: 9092}}
	for _, f := range SupportedFeatures() {
		req.Features = append(req.Features, kmsg.BrokerRegistrationRequestFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	req.LogDirs = dirs
	return req
}

// join registers broker id and has it unfenced.
func (n *testNode) join(id int32, incarnation byte, previousEpoch int64) {
	n.t.Helper()
	dir := testDirID
	dir[0] = byte(id)
	n.joinWith(id, incarnation, previousEpoch, dir)
}

func (n *testNode) joinWith(id int32, incarnation byte, previousEpoch int64, dir [16]byte) {
	n.t.Helper()
	req := registration(id, incarnation, dir)
	req.PreviousBrokerEpoch = previousEpoch
	resp := ask[*kmsg.BrokerRegistrationResponse](n, req)
	if resp.ErrorCode != 0 {
		n.t.Fatalf("registration of broker %d: %d", id, resp.ErrorCode)
	}
	if id == 1 {
		n.epoch = resp.BrokerEpoch
	}
	if r := n.beat(id, resp.BrokerEpoch, false, false); r.ErrorCode != 0 || r.IsFenced {
		n.t.Fatalf("broker %d is not unfenced: %+v", id, r)
	}
}

func (n *testNode) beat(id int32, epoch int64, fence, shutdown bool) *kmsg.BrokerHeartbeatResponse {
	n.t.Helper()
	req := at(1, kmsg.NewPtrBrokerHeartbeatRequest())
	req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = id, epoch, n.image().Offset()
	req.WantFence, req.WantShutdown = fence, shutdown
	return ask[*kmsg.BrokerHeartbeatResponse](n, req)
}

// start opens the node and joins broker 1.
func (n *testNode) start() *testNode {
	n.t.Helper()
	n.open()
	n.join(1, 1, -1)
	return n
}

func typeName(v any) string { return fmt.Sprintf("%T", v) }

func sortFeatures(v records.Versioned) records.Versioned {
	byName := func(a, b records.Feature) int { return strings.Compare(a.Name, b.Name) }
	switch r := v.Record.(type) {
	case *records.RegisterBrokerRecord:
		slices.SortFunc(r.Features, byName)
	case *records.RegisterControllerRecord:
		slices.SortFunc(r.Features, byName)
	}
	return v
}
