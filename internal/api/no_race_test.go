//go:build !race

package api

// raceDetector is whether it watches.
const raceDetector = false
