// Package group is the group coordinator: classic consumer groups and committed offsets, over the shards of __consumer_offsets.
package group
