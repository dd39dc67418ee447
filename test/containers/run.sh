#!/bin/bash
# run.sh [go test's flags]   the images are built and tested; called by `make compat-containers` inside podman.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
ENGINE=podman VERSION=8.0.0 container/build.sh
exec env GOKAFKA_CONTAINERS=1 go test -count=1 -timeout 30m -v "$@" ./test/containers
