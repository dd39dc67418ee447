// Package log keeps one partition's records: a sequence of batches in segment files.
package log
