package metadata

import "iter"

// tree is an immutable, sorted map: put and remove return a new tree that shares all but O(log n) nodes with the
// old one. It is what makes a new Image cheap however many topics there are, and what keeps an old Image readable
// without a lock for as long as somebody holds it. Inside it is an AVL tree with path copying.
//
// A tree needs its comparison function, so make one with newTree; values are never modified once put.
type tree[K, V any] struct {
	root *treeNode[K, V]
	cmp  func(a, b K) int
	n    int
}

type treeNode[K, V any] struct {
	key         K
	value       V
	left, right *treeNode[K, V]
	height      int8
}

func newTree[K, V any](cmp func(a, b K) int) tree[K, V] { return tree[K, V]{cmp: cmp} }

func (t tree[K, V]) len() int { return t.n }

func (t tree[K, V]) get(key K) (V, bool) {
	for n := t.root; n != nil; {
		switch c := t.cmp(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	var zero V
	return zero, false
}

func (t tree[K, V]) put(key K, value V) tree[K, V] {
	root, added := t.insert(t.root, key, value)
	t.root = root
	if added {
		t.n++
	}
	return t
}

func (t tree[K, V]) remove(key K) tree[K, V] {
	if _, ok := t.get(key); !ok {
		return t
	}
	t.root = t.delete(t.root, key)
	t.n--
	return t
}

// all yields the entries in ascending order of their keys.
func (t tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.root.walk(yield) }
}

func (n *treeNode[K, V]) walk(yield func(K, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (t tree[K, V]) insert(n *treeNode[K, V], key K, value V) (_ *treeNode[K, V], added bool) {
	if n == nil {
		return &treeNode[K, V]{key: key, value: value, height: 1}, true
	}
	c := *n
	switch d := t.cmp(key, n.key); {
	case d < 0:
		c.left, added = t.insert(n.left, key, value)
	case d > 0:
		c.right, added = t.insert(n.right, key, value)
	default:
		c.value = value
		return &c, false
	}
	return balance(&c), added
}

// delete removes key, which is present, below n.
func (t tree[K, V]) delete(n *treeNode[K, V], key K) *treeNode[K, V] {
	c := *n
	switch d := t.cmp(key, n.key); {
	case d < 0:
		c.left = t.delete(n.left, key)
	case d > 0:
		c.right = t.delete(n.right, key)
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	default:
		next := n.right
		for next.left != nil {
			next = next.left
		}
		c.key, c.value = next.key, next.value
		c.right = t.delete(n.right, next.key)
	}
	return balance(&c)
}

func (n *treeNode[K, V]) h() int8 {
	if n == nil {
		return 0
	}
	return n.height
}

func (n *treeNode[K, V]) fix() *treeNode[K, V] {
	n.height = max(n.left.h(), n.right.h()) + 1
	return n
}

// balance restores the AVL condition at n, a node that nobody else can see yet. Its children may be shared, so a
// rotation copies the child that it lifts.
func balance[K, V any](n *treeNode[K, V]) *treeNode[K, V] {
	switch d := n.left.h() - n.right.h(); {
	case d > 1:
		if n.left.left.h() < n.left.right.h() {
			left := *n.left
			n.left = rotateLeft(&left)
		}
		return rotateRight(n)
	case d < -1:
		if n.right.right.h() < n.right.left.h() {
			right := *n.right
			n.right = rotateRight(&right)
		}
		return rotateLeft(n)
	}
	return n.fix()
}

func rotateLeft[K, V any](n *treeNode[K, V]) *treeNode[K, V] {
	up := *n.right
	n.right = up.left
	up.left = n.fix()
	return up.fix()
}

func rotateRight[K, V any](n *treeNode[K, V]) *treeNode[K, V] {
	up := *n.left
	n.left = up.right
	up.right = n.fix()
	return up.fix()
}
