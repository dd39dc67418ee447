//go:build !unix

package cli

import "io/fs"

// errReadOnlyFS: images have another system than this.
var errReadOnlyFS = fs.ErrPermission
