// Command rootfs writes the root file system of gokafka's container images as one tar file, from which an image is built without a base image:
//
//	rootfs -binary bin/gokafka -o slim.tar
//	rootfs -binary bin/gokafka -shell DIR -files container/files -o full.tar
//
// DIR holds the unpacked Debian packages busybox-static and bash-static. The same input gives the same bytes: no times and no owners are taken from
// the machine that builds. What is in the images is one table each, in slim.go and full.go.
package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "", "the static gokafka `file`")
	flag.StringVar(&o.shell, "shell", "", "`folder` with busybox-static and bash-static, unpacked; without it the slim image")
	flag.StringVar(&o.files, "files", "", "`folder` with the scripts of the full image")
	out := flag.String("o", "", "the tar `file` to write")
	flag.Parse()
	if err := run(o, *out); err != nil {
		fmt.Fprintln(os.Stderr, "rootfs:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, shell, files string
}

func run(o options, out string) error {
	if o.binary == "" || out == "" {
		return errors.New("-binary and -o are needed")
	}
	entries := slim(o)
	if o.shell != "" {
		more, err := full(o)
		if err != nil {
			return err
		}
		entries = append(entries, more...)
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(write(w, entries), w.Flush(), f.Close())
}

// entry is a file, a symbolic link or a folder of the image.
type entry struct {
	name  string // absolute; of a folder with a slash at its end
	mode  int64
	owner int    // its group is 0, which a container with an arbitrary user id has (OpenShift); writable for it is what must be
	link  string // target of a symbolic link
	from  string // file to copy
	text  string // or the content itself
}

// user is who runs in the images, as in those of Apache and Confluent.
const user = 1000

func dir(name string, mode int64, owner int) entry {
	return entry{name: name + "/", mode: mode, owner: owner}
}
func link(name, target string) entry { return entry{name: name, link: target, mode: 0o777} }
func copied(name, from string, mode int64) entry {
	return entry{name: name, from: from, mode: mode}
}

// write writes the entries in the order of their names, and before each the folders above it that nobody has described.
func write(w io.Writer, entries []entry) error {
	described := map[string]bool{"/": true}
	for _, e := range entries {
		if described[e.name] {
			return fmt.Errorf("%s is there twice", e.name)
		}
		described[e.name] = true
	}
	for _, e := range slices.Clone(entries) {
		for up := above(e.name); !described[up]; up = above(up) {
			described[up] = true
			entries = append(entries, dir(strings.TrimSuffix(up, "/"), 0o755, 0))
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	t := tar.NewWriter(w)
	for _, e := range entries {
		if err := writeEntry(t, e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return t.Close()
}

// above returns the folder that holds name, with a slash at its end.
func above(name string) string {
	up := path.Dir(strings.TrimSuffix(name, "/"))
	if up == "/" {
		return up
	}
	return up + "/"
}

func writeEntry(t *tar.Writer, e entry) error {
	h := &tar.Header{Name: strings.TrimPrefix(e.name, "/"), Mode: e.mode, Uid: e.owner, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	content := []byte(e.text)
	switch {
	case strings.HasSuffix(e.name, "/"):
		h.Typeflag = tar.TypeDir
	case e.link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	default:
		h.Typeflag = tar.TypeReg
		if e.from != "" {
			var err error
			if content, err = os.ReadFile(e.from); err != nil {
				return err
			}
		}
		h.Size = int64(len(content))
	}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}
