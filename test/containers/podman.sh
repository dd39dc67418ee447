#!/bin/bash
# podman.sh COMMAND…   runs COMMAND with a podman of its own: its images and settings are below .compat/podman, those of the machine are left alone.
# It works as root, also inside a container without systemd. When it cannot work it says why and ends with status 77.
set -euo pipefail
cd "$(dirname "$0")/../.."
lacking() { echo "$*" >&2; exit 77; }
[ "$(uname -s)" = Linux ] || lacking "podman runs containers on Linux only"
[ "$(id -u)" = 0 ] || lacking "podman is used as root here"
for c in podman runc conmon iptables; do
  command -v $c > /dev/null || lacking "$c is missing: apt-get install buildah podman runc netavark aardvark-dns iptables slirp4netns"
done
for c in netavark aardvark-dns; do
  command -v "$c" > /dev/null || [ -x "/usr/lib/podman/$c" ] || [ -x "/usr/libexec/podman/$c" ] || lacking "$c is missing: apt-get install $c"
done
home=$PWD/.compat/podman
mkdir -p "$home/networks"
cat > "$home/containers.conf" << EOF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=4096:4096"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "$home/networks"
EOF
cat > "$home/storage.conf" << EOF
[storage]
driver = "vfs"
runroot = "$home/run"
graphroot = "$home/graph"
EOF
export CONTAINERS_CONF=$home/containers.conf CONTAINERS_STORAGE_CONF=$home/storage.conf
why=$(podman info 2>&1 > /dev/null) || lacking "podman does not work here: ${why##*$'\n'}"
podman images > /dev/null 2>&1 || rm -rf "$home/graph" "$home/run" # left behind by a run that was killed
podman rm -f -a -v -t 0 > /dev/null 2>&1 || true
exec "$@"
