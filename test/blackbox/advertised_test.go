package blackbox_test

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestClientsAreToldAnAddressThatTheyCanReach starts a broker on all interfaces without advertised.listeners and works with it by each of its
// addresses. So that nobody outside sees it, it does so in a network of its own, with an address that is not a loopback one.
func TestClientsAreToldAnAddressThatTheyCanReach(t *testing.T) {
	t.Parallel()
	const inside = "GOKAFKA_TEST_NETWORK"
	if os.Getenv(inside) == "" {
		if runtime.GOOS != "linux" {
			t.Skip("needs network namespaces")
		}
		const script = `ip link set lo up && ip addr add 198.51.100.7/32 dev lo && ip -6 addr add 2001:db8::7/128 dev lo && exec "$@"`
		cmd := exec.Command("unshare", "--net", "--map-root-user", "sh", "-c", script, "sh", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		if err := exec.Command("unshare", "--net", "--map-root-user", "sh", "-c", "ip link set lo up").Run(); err != nil {
			t.Skip("needs network namespaces and ip: ", err)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}

	for _, listeners := range []string{"PLAINTEXT://:0", "PLAINTEXT://0.0.0.0:0"} {
		b := start(t, t.TempDir(), "listeners", listeners)
		_, port, _ := net.SplitHostPort(b.addr)
		hosts := []string{"127.0.0.1", "198.51.100.7"}
		if listeners == "PLAINTEXT://:0" {
			hosts = append(hosts, "::1", "2001:db8::7")
		}
		for _, host := range hosts {
			b.addr = net.JoinHostPort(host, port)
			cl := b.franz(t, kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"+host), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			checkTold(t, cl, host, port)
			produce(t, cl, "t", "to "+host)
			poll(t, cl, 1) // the coordinator and the leader were reached
		}
		b.stop()
	}

	b := start(t, t.TempDir(), "listeners", "PLAINTEXT://:0", "advertised.listeners", "PLAINTEXT://198.51.100.7:0")
	_, port, _ := net.SplitHostPort(b.addr)
	b.addr = net.JoinHostPort("127.0.0.1", port)
	checkTold(t, b.franz(t), "198.51.100.7", port) // what was set explicitly wins
}

// checkTold compares the address in the answers about the cluster.
func checkTold(t *testing.T, cl *kgo.Client, host, port string) {
	t.Helper()
	meta, err := cl.SeedBrokers()[0].Request(within(t), kmsg.NewPtrMetadataRequest())
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := cl.SeedBrokers()[0].Request(within(t), kmsg.NewPtrDescribeClusterRequest())
	if err != nil {
		t.Fatal(err)
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKeys = []string{"g"}
	coordinator, err := cl.SeedBrokers()[0].Request(within(t), find)
	if err != nil {
		t.Fatal(err)
	}
	m, c, f := meta.(*kmsg.MetadataResponse).Brokers[0], cluster.(*kmsg.DescribeClusterResponse).Brokers[0], coordinator.(*kmsg.FindCoordinatorResponse).Coordinators[0]
	for api, got := range map[string]string{"Metadata": at(m.Host, m.Port), "DescribeCluster": at(c.Host, c.Port), "FindCoordinator": at(f.Host, f.Port)} {
		if got != net.JoinHostPort(host, port) {
			t.Errorf("%s tells %s, want %s", api, got, net.JoinHostPort(host, port))
		}
	}
}

func at(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
