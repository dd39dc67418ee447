package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// file is one entry of an archive; a mode of 0 is 0644.
type file struct {
	name    string
	mode    fs.FileMode
	content []byte
}

func byName(a, b file) int { return cmp.Compare(a.name, b.name) }

func (f file) permissions() fs.FileMode { return cmp.Or(f.mode, 0o644) }

// archive writes the tar.gz, or for Windows the zip, of a platform.
func (j *job) archive(p platform, files []file) error {
	name := fmt.Sprintf("gokafka_%s_%s_%s", j.version, p.os, p.arch)
	make, suffix := tarball, ".tar.gz"
	if p.os == "windows" {
		make, suffix = zipped, ".zip"
	}
	content, err := make(prefix(name, files), j.time)
	if err != nil {
		return err
	}
	return j.write(name+suffix, content)
}

// prefix puts files into a folder, sorted.
func prefix(dir string, files []file) []file {
	out := slices.Clone(files)
	for i := range out {
		out[i].name = dir + "/" + out[i].name
	}
	slices.SortFunc(out, byName)
	return out
}

func tarball(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: int64(f.permissions()), Size: int64(len(f.content)), ModTime: at, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func zipped(files []file, at time.Time) ([]byte, error) {
	if first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); at.Before(first) {
		at = first // a zip knows no earlier one
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at.UTC()}
		h.SetMode(f.permissions())
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func gzipped(content []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
