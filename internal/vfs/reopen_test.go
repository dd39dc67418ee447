package vfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/gokafka/gokafka/internal/vfs"
	"github.com/gokafka/gokafka/internal/vfs/vfstest"
)

// strict renames no directory in which a file is open, as Windows does not.
type strict struct {
	vfs.FS
	mu   sync.Mutex
	open map[*strictFile]os.FileInfo
}

type strictFile struct {
	vfs.File
	fsys *strict
}

func newStrict() *strict { return &strict{FS: vfs.OS(), open: map[*strictFile]os.FileInfo{}} }

func (s *strict) track(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(f.Name())
	if err != nil {
		return nil, err
	}
	sf := &strictFile{f, s}
	s.open[sf] = info
	return sf, nil
}

func (s *strict) Open(name string) (vfs.File, error)     { return s.track(s.FS.Open(name)) }
func (s *strict) OpenRead(name string) (vfs.File, error) { return s.track(s.FS.OpenRead(name)) }
func (s *strict) Create(name string) (vfs.File, error)   { return s.track(s.FS.Create(name)) }

func (s *strict) Rename(oldName, newName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := filepath.Walk(oldName, func(name string, info fs.FileInfo, err error) error {
		for _, open := range s.open {
			if err == nil && name != oldName && os.SameFile(open, info) {
				return &fs.PathError{Op: "rename", Path: name, Err: syscall.EBUSY}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.FS.Rename(oldName, newName)
}

func (f *strictFile) Close() error {
	f.fsys.mu.Lock()
	delete(f.fsys.open, f)
	f.fsys.mu.Unlock()
	return f.File.Close()
}

func TestReopening(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) { return vfs.Reopening(newStrict()), t.TempDir() })
}

// TestDirectoryMovesUnderOpenFiles reads and writes files while their directory is renamed.
func TestDirectoryMovesUnderOpenFiles(t *testing.T) {
	fsys, root := vfs.Reopening(newStrict()), t.TempDir()
	dir := filepath.Join(root, "t-0")
	must(t, fsys.MkdirAll(filepath.Join(dir, "sub")))
	create := func(name string) vfs.File {
		f, err := fsys.Create(name)
		must(t, err)
		return f
	}
	f, deep, gone, replaced, beside := create(dir+"/a"), create(dir+"/sub/b"), create(dir+"/gone"), create(dir+"/replaced"), create(root+"/t-0x")
	for _, x := range []vfs.File{f, deep, gone, replaced, beside} {
		_, err := x.Write([]byte("one"))
		must(t, err)
	}
	r, err := fsys.OpenRead(dir + "/a")
	must(t, err)
	must(t, fsys.Remove(dir+"/gone"))
	must(t, fsys.WriteFileAtomic(dir+"/replaced", []byte("new"), true))
	must(t, fsys.Rename(dir+"/a", dir+"/a.renamed"))

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := make([]byte, 3)
			for range 200 {
				if _, err := r.ReadAt(b, 0); err != nil || string(b) != "one" {
					t.Errorf("read %q %v", b, err)
					return
				}
			}
		})
	}
	name := dir
	for i := range 20 {
		next := fmt.Sprint(dir, ".", i)
		must(t, fsys.Rename(name, next))
		name = next
		_, err := f.Write([]byte{'a' + byte(i)})
		must(t, err)
	}
	wg.Wait()
	_, err = deep.Write([]byte("two"))
	must(t, err)
	for file, want := range map[string]string{"/a.renamed": "oneabcdefghijklmnopqrst", "/sub/b": "onetwo", "/replaced": "new"} {
		if got, err := fsys.ReadFile(name + file); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", file, got, err)
		}
	}
	for what, x := range map[string]vfs.File{"removed": gone, "replaced": replaced, "beside": beside} {
		b := make([]byte, 3)
		if _, err := x.ReadAt(b, 0); err != nil || string(b) != "one" {
			t.Errorf("%s: %q %v", what, b, err)
		}
	}
	for _, x := range []vfs.File{f, deep, gone, replaced, beside, r} {
		must(t, x.Close())
	}
	// What cannot be opened again fails, and does not harm the others.
	f, err = fsys.Open(name + "/a.renamed")
	must(t, err)
	must(t, os.Remove(name+"/a.renamed")) // behind its back
	must(t, fsys.Rename(name, dir))
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of what is gone: %v", err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("close of what is gone: %v", err)
	}
}
