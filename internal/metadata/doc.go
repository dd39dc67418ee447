// Package metadata holds what the cluster looks like, and the only way to change it.
package metadata
