package metadata

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTreeIsAMap compares random trees with Go's maps, and looks that what was shared does not change.
func TestTreeIsAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	tr, m := newTree[int, int](cmp.Compare[int]), map[int]int{}
	old, oldMap := tr, maps.Clone(m)
	for i := range 20000 {
		k := rng.IntN(500)
		if rng.IntN(3) == 0 {
			tr = tr.remove(k)
			delete(m, k)
		} else {
			tr = tr.put(k, i)
			m[k] = i
		}
		if i%1000 == 0 {
			checkTree(t, old, oldMap)
			old, oldMap = tr, maps.Clone(m)
		}
	}
	checkTree(t, tr, m)
	for k := range m {
		tr = tr.remove(k)
	}
	checkTree(t, tr, nil)
}

func checkTree(t *testing.T, tr tree[int, int], m map[int]int) {
	t.Helper()
	if tr.len() != len(m) {
		t.Fatalf("%d entries, want %d", tr.len(), len(m))
	}
	keys := slices.Sorted(maps.Keys(m))
	i := 0
	for k, v := range tr.all() {
		if k != keys[i] || v != m[k] {
			t.Fatalf("entry %d is %d: %d, want %d: %d", i, k, v, keys[i], m[keys[i]])
		}
		i++
	}
	checkHeight(t, tr.root)
}

func checkHeight(t *testing.T, n *treeNode[int, int]) int8 {
	if n == nil {
		return 0
	}
	l, r := checkHeight(t, n.left), checkHeight(t, n.right)
	if n.height != max(l, r)+1 || l-r > 1 || r-l > 1 {
		t.Fatalf("node %d: height %d over %d and %d", n.key, n.height, l, r)
	}
	return n.height
}
