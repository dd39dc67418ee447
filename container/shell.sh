#!/bin/bash
# shell.sh ARCH DIR   Debian's busybox-static and bash-static for ARCH (amd64, arm64), unpacked below DIR; prints that folder. A second run does nothing.
# apt-get fetches and checks them, with lists of its own, so that neither a foreign architecture nor anything else changes on this machine.
set -euo pipefail
arch=$1 dir=$2
packages=(busybox-static bash-static)
out=$dir/shell-$arch
[ -f "$out/.done" ] && { echo "$out"; exit; }
command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || { echo "shell.sh: the full image needs apt-get and dpkg-deb (Debian)" >&2; exit 1; }
rm -rf "$out"
mkdir -p "$out" "$dir/apt-$arch"/{lists/partial,cache/archives/partial,debs}
state=$(cd "$dir/apt-$arch" && pwd)
touch "$state/status"
apt=(apt-get -q -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State::lists=$state/lists" -o "Dir::State::status=$state/status"
  -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root -o Acquire::Retries=5)
{
  "${apt[@]}" update
  rm -f "$state"/debs/*
  (cd "$state/debs" && "${apt[@]}" download "${packages[@]}")
  for deb in "$state"/debs/*.deb; do dpkg-deb -x "$deb" "$out"; done
} >&2
touch "$out/.done"
echo "$out"
