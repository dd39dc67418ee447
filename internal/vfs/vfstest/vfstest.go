// Package vfstest is the suite of tests that every vfs.FS must pass.
package vfstest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/gokafka/gokafka/internal/vfs"
)

// Run tests the file systems that build returns, each with the name of an empty
// directory to work in.
func Run(t *testing.T, build func(t *testing.T) (fsys vfs.FS, root string)) {
	for name, test := range map[string]func(t *testing.T, fsys vfs.FS, root string){
		"ReadAndWrite":    readAndWrite,
		"Truncate":        truncate,
		"Missing":         missing,
		"Rename":          rename,
		"Remove":          remove,
		"List":            list,
		"OpenAfterRemove": openAfterRemove,
		"WriteFileAtomic": writeFileAtomic,
		"Lock":            lock,
		"Usage":           usage,
		"Closed":          closed,
	} {
		t.Run(name, func(t *testing.T) {
			fsys, root := build(t)
			test(t, fsys, root)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, fsys vfs.FS, name, content string) {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	_, err = f.Write([]byte(content))
	must(t, err)
	must(t, f.Close())
}

func wantContent(t *testing.T, fsys vfs.FS, name, want string) {
	t.Helper()
	got, err := fsys.ReadFile(name)
	must(t, err)
	if string(got) != want {
		t.Fatalf("%s holds %q, want %q", name, got, want)
	}
}

func readAndWrite(t *testing.T, fsys vfs.FS, root string) {
	name := root + "/f"
	f, err := fsys.Create(name)
	must(t, err)
	for _, s := range []string{"hello", " ", "world"} {
		if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if n, err := f.WriteAt([]byte("W"), 6); n != 1 || err != nil {
		t.Fatalf("WriteAt = %d, %v", n, err)
	}
	if _, err := f.Write([]byte("!")); err != nil { // WriteAt does not move the position
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if n, err := f.ReadAt(buf, 6); n != 5 || err != nil || string(buf) != "World" {
		t.Fatalf("ReadAt = %d, %v, %q", n, err, buf)
	}
	if n, err := f.ReadAt(buf, 10); n != 2 || err != io.EOF || string(buf[:n]) != "d!" {
		t.Fatalf("ReadAt across the end = %d, %v, %q", n, err, buf[:n])
	}
	if n, err := f.ReadAt(buf, 100); n != 0 || err != io.EOF {
		t.Fatalf("ReadAt beyond the end = %d, %v", n, err)
	}
	if size, err := f.Size(); size != 12 || err != nil {
		t.Fatalf("Size = %d, %v", size, err)
	}
	must(t, f.Sync())
	must(t, f.Close())
	must(t, fsys.SyncDir(root))

	again, err := fsys.Open(name)
	must(t, err)
	if _, err := again.WriteAt([]byte("!"), 14); err != nil { // leaves a hole of zeros
		t.Fatal(err)
	}
	must(t, again.Close())
	wantContent(t, fsys, name, "hello World!\x00\x00!")

	readOnly, err := fsys.OpenRead(name)
	must(t, err)
	if _, err := readOnly.WriteAt([]byte("x"), 0); err == nil {
		t.Fatal("a file opened for reading could be written")
	}
	must(t, readOnly.Close())
	write(t, fsys, name, "new") // Create empties
	wantContent(t, fsys, name, "new")
}

func truncate(t *testing.T, fsys vfs.FS, root string) {
	f, err := fsys.Create(root + "/f")
	must(t, err)
	defer f.Close()
	_, err = f.Write([]byte("0123456789"))
	must(t, err)
	must(t, f.Truncate(3))
	must(t, f.Truncate(5))
	wantContent(t, fsys, root+"/f", "012\x00\x00")
}

func missing(t *testing.T, fsys vfs.FS, root string) {
	name := root + "/missing"
	_, openErr := fsys.Open(name)
	_, readErr := fsys.OpenRead(name)
	_, fileErr := fsys.ReadFile(name)
	_, statErr := fsys.Stat(name)
	_, listErr := fsys.List(name)
	_, createErr := fsys.Create(name + "/f")
	for i, err := range []error{openErr, readErr, fileErr, statErr, listErr, createErr, fsys.Remove(name), fsys.Rename(name, root+"/x"), fsys.SyncDir(name)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("call %d: %v is not fs.ErrNotExist", i, err)
		}
	}
	must(t, fsys.RemoveAll(name))
}

func rename(t *testing.T, fsys vfs.FS, root string) {
	write(t, fsys, root+"/a", "a")
	write(t, fsys, root+"/b", "b")
	must(t, fsys.Rename(root+"/a", root+"/b"))
	wantContent(t, fsys, root+"/b", "a")
	if _, err := fsys.Stat(root + "/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the old name is still there: %v", err)
	}
	must(t, fsys.MkdirAll(root+"/d/e"))
	write(t, fsys, root+"/d/e/f", "deep")
	must(t, fsys.Rename(root+"/d", root+"/g"))
	wantContent(t, fsys, root+"/g/e/f", "deep")
}

func remove(t *testing.T, fsys vfs.FS, root string) {
	must(t, fsys.MkdirAll(root+"/d"))
	must(t, fsys.MkdirAll(root+"/d")) // again is fine
	write(t, fsys, root+"/d/f", "x")
	if err := fsys.Remove(root + "/d"); err == nil {
		t.Fatal("a directory with a file in it could be removed")
	}
	must(t, fsys.Remove(root+"/d/f"))
	must(t, fsys.Remove(root+"/d"))
	must(t, fsys.MkdirAll(root+"/t/u"))
	write(t, fsys, root+"/t/u/f", "x")
	must(t, fsys.RemoveAll(root+"/t"))
	if _, err := fsys.Stat(root + "/t"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("RemoveAll left %v", err)
	}
	write(t, fsys, root+"/file", "")
	if err := fsys.MkdirAll(root + "/file/d"); err == nil {
		t.Fatal("made a directory below a file")
	}
}

func list(t *testing.T, fsys vfs.FS, root string) {
	write(t, fsys, root+"/b", "12345")
	write(t, fsys, root+"/a", "")
	must(t, fsys.MkdirAll(root+"/c"))
	infos, err := fsys.List(root)
	must(t, err)
	if len(infos) != 3 || infos[0].Name != "a" || infos[1].Name != "b" || infos[1].Size != 5 || infos[1].Dir || !infos[2].Dir || infos[1].ModTime.IsZero() {
		t.Fatalf("List = %+v", infos)
	}
	info, err := fsys.Stat(root + "/b")
	if err != nil || info.Name != "b" || info.Size != 5 || info.Dir {
		t.Fatalf("Stat = %+v, %v", info, err)
	}
	if _, err := fsys.List(root + "/a"); err == nil {
		t.Fatal("listed a file")
	}
}

func openAfterRemove(t *testing.T, fsys vfs.FS, root string) {
	write(t, fsys, root+"/f", "still here")
	f, err := fsys.OpenRead(root + "/f")
	must(t, err)
	must(t, fsys.Remove(root+"/f"))
	buf := make([]byte, 10)
	if _, err := f.ReadAt(buf, 0); err != nil || !bytes.Equal(buf, []byte("still here")) {
		t.Fatalf("ReadAt after Remove = %v, %q", err, buf)
	}
	must(t, f.Close())
}

func writeFileAtomic(t *testing.T, fsys vfs.FS, root string) {
	must(t, fsys.WriteFileAtomic(root+"/f", []byte("one"), true))
	must(t, fsys.WriteFileAtomic(root+"/f", []byte("two"), false))
	wantContent(t, fsys, root+"/f", "two")
	infos, err := fsys.List(root)
	must(t, err)
	if len(infos) != 1 {
		t.Fatalf("left behind: %+v", infos)
	}
	if err := fsys.WriteFileAtomic(root+"/none/f", nil, false); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("in a missing directory: %v", err)
	}
}

func lock(t *testing.T, fsys vfs.FS, root string) {
	name := root + "/.lock"
	l, err := fsys.Lock(name)
	must(t, err)
	_, err = fsys.Lock(name)
	var held *vfs.LockedError
	if !errors.Is(err, vfs.ErrLocked) || !errors.As(err, &held) || held.PID <= 0 {
		t.Fatalf("second lock: %v", err)
	}
	must(t, l.Close())
	if _, err := fsys.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the lock file is still there: %v", err)
	}
	must(t, l.Close())       // twice is harmless
	write(t, fsys, name, "") // left behind by a killed process
	l, err = fsys.Lock(name)
	must(t, err)
	must(t, l.Close())
}

func usage(t *testing.T, fsys vfs.FS, root string) {
	total, free, err := fsys.Usage(root)
	if err != nil || total <= 0 || free < 0 || free > total {
		t.Fatalf("Usage = %d, %d, %v", total, free, err)
	}
	if _, _, err := fsys.Usage(root + "/missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Usage of a missing directory: %v", err)
	}
}

func closed(t *testing.T, fsys vfs.FS, root string) {
	f, err := fsys.Create(root + "/f")
	must(t, err)
	must(t, f.Close())
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("WriteAt after Close: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Close after Close: %v", err)
	}
}
