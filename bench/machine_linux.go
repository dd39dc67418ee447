package main

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// touchMemory writes to each page of the memory that is free. A virtual machine is given its memory page by page as it first uses it, and that costs
// several times what filling a page costs: without this, who first fills the page cache pays for it (writes of 1 MiB took three times the CPU).
func touchMemory() error {
	const piece, spare = 256 << 20, 2 << 30 // spare is for whoever else needs some meanwhile
	var held [][]byte
	defer func() {
		for _, b := range held {
			_ = unix.Munmap(b)
		}
	}()
	for {
		free, err := freeMemory()
		if err != nil || free < spare+piece {
			return err
		}
		b, err := unix.Mmap(-1, 0, piece, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
		if err != nil {
			return err
		}
		held = append(held, b)
	}
}

// freeMemory returns the bytes of memory that nothing uses, not even as a cache.
func freeMemory() (int, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(b), "MemFree:")
	line, _, _ := strings.Cut(after, "\n")
	kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "kB")))
	return kib << 10, err
}

// settleDisk has what earlier work wrote brought to the disk, so that it does not compete with what comes.
func settleDisk() { unix.Sync() }

// dropCache has the kernel forget what it holds of a file that is on the disk.
func dropCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // removed meanwhile
	}
	defer func() { _ = f.Close() }()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
