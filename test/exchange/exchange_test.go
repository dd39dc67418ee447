package exchange

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestFromApacheAndBack begins with Apache Kafka, goes on with gokafka, and once more.
func TestFromApacheAndBack(t *testing.T) {
	h := newHouse(t, 2)
	apache := h.apache("4")
	h.fill("a1")
	h.transact("ta", "txn-a1", "committed", kgo.TryCommit)
	h.transact("tb", "txn-a1", "aborted", kgo.TryAbort)
	h.transact("ta", "txn-a1", "committed too", kgo.TryCommit)
	p := h.newIdempotent("plain-a1")
	p.next()
	h.consume("g", "plain-a1", 20)
	h.consume("modern-g", "plain-a1", 20, kgo.ServerSideBalancer())
	h.share("modern-s", "plain-a1", 6)
	h.security(true)
	open := h.begin("tc", "txn-a1", "open")
	seen := h.see()
	apache.stop()
	open.Close()

	gokafka := h.gokafka()
	h.mustSee(seen)
	p.goOn()
	h.consume("g", "plain-a1", 5)
	h.consume("modern-g", "plain-a1", 5)
	h.fill("g1")
	h.consume("g-1", "compact-g1", 7)
	seen = h.see()
	gokafka.stop()
	h.dump()

	apache = h.apache("4")
	h.mustSee(seen)
	h.security(false)
	p.goOn()
	h.consume("g", "plain-a1", 5)
	h.consume("g-1", "compact-g1", 7)
	h.consume("modern-g", "plain-a1", 5, kgo.ServerSideBalancer())
	h.share("modern-s", "plain-a1", 6)
	h.fill("a2")
	h.transact("ta", "txn-a1", "committed in round 2", kgo.TryCommit)
	h.transact("tb", "txn-a1", "aborted in round 2", kgo.TryAbort)
	h.transact("tc", "txn-a1", "committed instead", kgo.TryCommit) // which aborts the one that was open
	committed := map[string]int{"committed": 6, "committed too": 6, "committed in round 2": 6, "committed instead": 6, "": 24}
	h.mustRead("txn-a1", committed)
	seen = h.see()
	apache.stop()

	gokafka = h.gokafka()
	h.mustSee(seen)
	h.mustRead("txn-a1", committed)
	p.goOn()
	h.consume("g", "plain-a1", 5)
	gokafka.stop()
}

// TestFromGokafkaAndBack begins with gokafka in an empty directory, without a server.properties.
func TestFromGokafkaAndBack(t *testing.T) {
	h := newHouse(t, 1)
	gokafka := h.gokafka()
	h.fill("g1")
	p := h.newIdempotent("plain-g1")
	p.next()
	h.consume("g", "plain-g1", 20)
	seen := h.see()
	gokafka.stop()
	h.dump()

	apache := h.apache("4")
	h.mustSee(seen)
	p.goOn()
	h.consume("g", "plain-g1", 10)
	h.fill("a1")
	h.transact("ta", "txn-a1", "committed", kgo.TryCommit)
	h.transact("tb", "txn-a1", "aborted", kgo.TryAbort)
	seen = h.see()
	apache.stop()

	gokafka = h.gokafka()
	h.mustSee(seen)
	p.goOn()
	h.consume("g", "plain-g1", 10)
	gokafka.stop()
}
