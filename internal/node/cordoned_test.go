package node

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TestCordonedLogDirs is KIP-1066 as an administrator sees it: a directory is cordoned in the file, all of them while the broker runs, and none again.
func TestCordonedLogDirs(t *testing.T) {
	d := newDisks(t, 2)
	n, stop := d.run(t, "cordoned.log.dirs", d.dirs[0])
	adm := kadm.NewClient(client(t, n))
	create := func(topic string) error {
		t.Helper()
		r, err := adm.CreateTopic(t.Context(), 2, 1, nil, topic)
		if err != nil {
			return err
		}
		return r.Err
	}
	cordon := func(value string) error {
		t.Helper()
		r, err := adm.AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cordoned.log.dirs", Value: &value}}, n.Config().NodeID())
		if err != nil {
			return err
		}
		return r[0].Err
	}
	if err := create("a"); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if dir, _ := lies(t, adm, "a", p); dir != d.dirs[1] {
			t.Errorf("partition %d lies in %s", p, dir)
		}
	}
	moved, err := adm.AlterAllReplicaLogDirs(t.Context(), kadm.AlterReplicaLogDirsReq{d.dirs[0]: kadm.TopicsSet{"a": {0: {}}}})
	if err != nil {
		t.Fatal(err)
	}
	moved.Each(func(r kadm.AlterReplicaLogDirsResponse) {
		if !errors.Is(r.Err, kerr.InvalidReplicaAssignment) {
			t.Errorf("a move into a cordoned directory: %v", r.Err)
		}
	})
	if err := cordon("/elsewhere"); !errors.Is(err, kerr.InvalidRequest) {
		t.Errorf("a directory that is none: %v", err)
	}
	if err := cordon("*"); err != nil {
		t.Fatal(err)
	}
	i := 0
	until(t, "a topic is refused", func() bool {
		i++
		return errors.Is(create(fmt.Sprint("b", i)), kerr.InvalidReplicationFactor)
	})
	if err := cordon(""); err != nil {
		t.Fatal(err)
	}
	until(t, "a topic is made", func() bool { return create("c") == nil })
	if err := stop(); err != nil {
		t.Error(err)
	}
}
