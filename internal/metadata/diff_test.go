package metadata

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"testing"
)

// TestDiffFindsEveryChange compares trees that share history with what maps say has changed between them.
func TestDiffFindsEveryChange(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	before, was := newTree[int, int](cmp.Compare[int]), map[int]int{}
	for range 300 {
		after, is := before, maps.Clone(was)
		for range rng.IntN(8) {
			if key := rng.IntN(200); rng.IntN(3) == 0 {
				after = after.remove(key)
				delete(is, key)
			} else {
				value := rng.Int()
				after = after.put(key, value)
				is[key] = value
			}
		}
		seen, last := map[int]bool{}, -1
		for a, b := range diff(before, after) {
			n := b
			if n == nil {
				n = a
			}
			if n.key <= last {
				t.Fatalf("key %d after %d", n.key, last)
			}
			last = n.key
			if _, ok := was[n.key]; ok != (a != nil) || ok && was[n.key] != a.value {
				t.Fatalf("key %d: was %v, wrongly", n.key, a)
			}
			if _, ok := is[n.key]; ok != (b != nil) || ok && is[n.key] != b.value {
				t.Fatalf("key %d: is %v, wrongly", n.key, b)
			}
			seen[n.key] = true
		}
		for key := range 200 {
			a, wasThere := was[key]
			b, isThere := is[key]
			if (wasThere != isThere || a != b) && !seen[key] {
				t.Fatalf("change of key %d not found", key)
			}
		}
		before, was = after, is
	}
}

// TestDiffCostsWhatChanged makes sure that one change in a large tree does not walk the tree.
func TestDiffCostsWhatChanged(t *testing.T) {
	tree := newTree[int, int](cmp.Compare[int])
	for i := range 10_000 {
		tree = tree.put(i, i)
	}
	visited := 0
	for range diff(tree, tree.put(5_000, -1)) {
		visited++
	}
	if visited > 40 {
		t.Fatalf("one change visited %d nodes of 10,000", visited)
	}
}
