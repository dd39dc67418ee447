//go:build race

package api

// raceDetector is whether it watches: pools then forget things at random, to be more thorough.
const raceDetector = true
