package metadata

import (
	"iter"
	"maps"
)

// TopicChanges yields every topic that differs between prev and i as it was and as it is; nil stands for not there. A topic that was deleted and
// created again under the same name comes as one change with two ids. What the images share is not walked: the cost is that of the change, not
// of the cluster.
func (i *Image) TopicChanges(prev *Image) iter.Seq2[*Topic, *Topic] {
	return func(yield func(was, is *Topic) bool) {
		for was, is := range diff(prev.topics, i.topics) {
			switch {
			case was == nil:
				if !yield(nil, is.value) {
					return
				}
			case is == nil:
				if !yield(was.value, nil) {
					return
				}
			case was.value != is.value && !yield(was.value, is.value):
				return
			}
		}
	}
}

// TopicConfigChanges yields the names of the topics whose configurations may differ between prev and i, and perhaps a few more.
func (i *Image) TopicConfigChanges(prev *Image) iter.Seq[string] {
	return func(yield func(string) bool) {
		for was, is := range diff(prev.configs, i.configs) {
			n := is
			if n == nil {
				n = was
			}
			if n.key.Type == ResourceTopic && !yield(n.key.Name) {
				return
			}
		}
	}
}

// BrokerConfigChanged says whether the configurations of the broker, or those of all brokers by default, may differ between prev and i.
func (i *Image) BrokerConfigChanged(prev *Image, id int32) bool {
	return !maps.Equal(prev.BrokerConfig(id), i.BrokerConfig(id)) || !maps.Equal(prev.BrokerConfig(-1), i.BrokerConfig(-1))
}

// diff walks two trees in the order of their keys and yields the nodes that they do not share: pairs of one key, or one with nil for a key that
// the other tree lacks. A pair may hold the same value, since putting a value copies the path to it.
func diff[K, V any](a, b tree[K, V]) iter.Seq2[*treeNode[K, V], *treeNode[K, V]] {
	return func(yield func(was, is *treeNode[K, V]) bool) {
		was, is := newDiffCursor(a.root), newDiffCursor(b.root)
		for !was.done() || !is.done() {
			wasTop, isTop := was.top(), is.top()
			switch {
			// The taller subtree is opened first: so a subtree that both hold, at whatever depth, ends up on top of both stacks at once.
			case wasTop.closed() && isTop.closed() && wasTop.node == isTop.node:
				was.pop()
				is.pop()
			case wasTop.closed() && (!isTop.closed() || wasTop.node.h() >= isTop.node.h()):
				was.open()
			case isTop.closed():
				is.open()
			default:
				more := false
				switch c := compareTops(a.cmp, wasTop.node, isTop.node); {
				case c < 0:
					was.pop()
					more = yield(wasTop.node, nil)
				case c > 0:
					is.pop()
					more = yield(nil, isTop.node)
				default:
					was.pop()
					is.pop()
					more = yield(wasTop.node, isTop.node)
				}
				if !more {
					return
				}
			}
		}
	}
}

// compareTops compares the keys of two nodes, where a cursor at its end sorts last.
func compareTops[K, V any](cmp func(a, b K) int, a, b *treeNode[K, V]) int {
	switch {
	case b == nil:
		return -1
	case a == nil:
		return 1
	default:
		return cmp(a.key, b.key)
	}
}

// diffCursor is a position in the in-order walk of a tree: a stack whose top comes next, of single nodes and of subtrees not opened yet.
type diffCursor[K, V any] struct{ stack []diffItem[K, V] }

type diffItem[K, V any] struct {
	node    *treeNode[K, V]
	subtree bool // node stands for itself and all below it
}

func (i diffItem[K, V]) closed() bool { return i.subtree }

func newDiffCursor[K, V any](root *treeNode[K, V]) *diffCursor[K, V] {
	c := &diffCursor[K, V]{}
	c.push(root, true)
	return c
}

func (c *diffCursor[K, V]) push(n *treeNode[K, V], subtree bool) {
	if n != nil {
		c.stack = append(c.stack, diffItem[K, V]{n, subtree})
	}
}

func (c *diffCursor[K, V]) done() bool { return len(c.stack) == 0 }

// top returns what comes next, the zero item at the end.
func (c *diffCursor[K, V]) top() diffItem[K, V] {
	if c.done() {
		return diffItem[K, V]{}
	}
	return c.stack[len(c.stack)-1]
}

func (c *diffCursor[K, V]) pop() { c.stack = c.stack[:len(c.stack)-1] }

// open replaces the subtree on top by its left subtree, its root and its right subtree.
func (c *diffCursor[K, V]) open() {
	n := c.top().node
	c.pop()
	c.push(n.right, true)
	c.push(n, false)
	c.push(n.left, true)
}
