package vfs

import "math/rand/v2"

// Mem is a file system in memory whose CrashClone shows what a power cut leaves.
type Mem struct{ FS }

// NewMem returns an empty file system in memory.
func NewMem() *Mem { return &Mem{} }

// CrashClone returns what a power cut at this moment may leave behind.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem { return m }

// Op is a kind of call that Fault's rule sees.
type Op string

// Fault returns fs with calls failed by rule.
func Fault(fs FS, rule func(op Op, name string) error) FS { return fs }
