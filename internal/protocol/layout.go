package protocol

//go:generate go run gen_layout.go

// layout says how the body of a request lies on the wire in each version: which lengths are where. ParseBody walks a body by it before kmsg decodes it.
// kmsg believes the counts it reads: it allocates arrays of structs, some 60 bytes for each byte that is left, before it has seen an element, and turns four billion
// times on the number of tags that a request of 12 bytes may announce. A body that passes the walk really has the elements and tags it says.
//
// The table (layout_gen.go) is made from kmsg's source; a test holds every request in every version against it.
type layout struct {
	flexible int16 // the first version with tagged fields and compact lengths
	fields   []field
}

type fieldKind uint8

const (
	fixed    fieldKind = iota // size bytes
	str                       // int16 length, compact: uvarint, 0 = null
	bytesOf                   // int32 length, compact: uvarint, 0 = null
	array                     // int32 count, compact: uvarint, 0 = null; then as many times of
	optional                  // int8, -1 = null; else of
	tags                      // uvarint count, then tag, size, bytes each; only in flexible versions
)

// field is one field, or the elements of an array, or the tagged fields of a struct.
type field struct {
	kind          fieldKind
	size          int
	since, before int16 // the versions that have it: from since on, and below before unless that is 0
	of            []field
	known         []tagged
}

// tagged is a tagged field that kmsg knows, and thus reads into.
type tagged struct {
	tag    uint32
	fields []field
}

// walker goes over a body of one version.
type walker struct {
	wireReader
	version  int16
	flexible bool
	left     int // elements that may still come
}

// maxElements is how many array elements a request may have in all. An element may be one byte on the wire and becomes some hundred bytes in memory,
// with its answer: a request of the allowed 100 MiB that names nothing but empty strings would take tens of gigabytes. The largest requests of real
// clients, for all partitions of a large cluster, have some hundred thousand.
const maxElements = 1 << 20

// layoutOf returns the layout of a request, nil for one that kmsg does not know.
func layoutOf(key int16) *layout {
	if key < 0 || int(key) >= len(requestLayouts) || requestLayouts[key].fields == nil {
		return nil
	}
	return &requestLayouts[key]
}

// fits reports whether body has all that its lengths and counts announce, and no more than maxElements of it. Bytes behind the body do not matter.
func (l *layout) fits(version int16, body []byte) bool {
	w := walker{wireReader: wireReader{b: body}, version: version, flexible: version >= l.flexible, left: maxElements}
	w.walk(l.fields)
	return !w.bad
}

func (w *walker) walk(fields []field) {
	for i := range fields {
		f := &fields[i]
		if w.version < f.since || f.before != 0 && w.version >= f.before {
			continue
		}
		switch f.kind {
		case fixed:
			w.span(f.size)
		case str:
			w.sized(w.length(2))
		case bytesOf:
			w.sized(w.length(4))
		case array:
			w.elements(f.of, w.length(4))
		case optional:
			if present := w.span(1); len(present) == 1 && int8(present[0]) != -1 {
				w.walk(f.of)
			}
		case tags:
			if w.flexible {
				w.tags(f.known)
			}
		}
		if w.bad {
			return
		}
	}
}

// length takes the length of a string, bytes or an array, which is wide bytes where it is not compact. Null is -1.
func (w *walker) length(wide int) int {
	switch {
	case w.flexible:
		return int(w.uvarint()) - 1
	case wide == 2:
		return int(w.int16())
	}
	return int(w.int32())
}

func (w *walker) sized(n int) {
	if n > 0 {
		w.span(n)
	}
}

func (w *walker) elements(of []field, n int) {
	if n <= 0 {
		return
	}
	// kmsg's rule: an element is a byte or more.
	if n > len(w.b) || n > w.left {
		w.fail()
		return
	}
	w.left -= n
	if len(of) == 1 && of[0].kind == fixed {
		w.span(n * of[0].size)
		return
	}
	for ; n > 0 && !w.bad; n-- {
		w.walk(of)
	}
}

func (w *walker) tags(known []tagged) {
	for n := w.uvarint(); n > 0 && !w.bad; n-- {
		tag := w.uvarint()
		content := w.span(int(w.uvarint()))
		for i := range known {
			if known[i].tag == tag && !w.bad {
				inner := walker{wireReader: wireReader{b: content}, version: w.version, flexible: w.flexible, left: w.left}
				if inner.walk(known[i].fields); inner.bad {
					w.fail()
				}
				w.left = inner.left
			}
		}
	}
}
