#!/bin/bash
# build.sh   the container images, from nothing but this repository and two packages of Debian: dist/image/*.tar, and from those, with the engine at
# hand (ENGINE=podman, docker or buildah), gokafka:VERSION, :latest, :VERSION-slim and :latest-slim, and :VERSION-ARCH for each of ARCHES. Nothing is
# pulled.
#   ARCHES='amd64 arm64'  VERSION=devel  REPOSITORY=gokafka
set -euo pipefail
cd "$(dirname "$0")/.."
version=${VERSION:-$(git describe --tags --always --dirty 2> /dev/null || echo devel)}
repository=${REPOSITORY:-gokafka}
native=$(go env GOARCH)
read -ra arches <<< "${ARCHES:-amd64 arm64}"
out=dist/image
mkdir -p "$out"

for arch in "${arches[@]}"; do
  CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/gokafka-$arch" ./cmd/gokafka
  shell=$(container/shell.sh "$arch" .compat/image)
  go run ./container/rootfs -binary "$out/gokafka-$arch" -o "$out/slim-$arch.tar"
  go run ./container/rootfs -binary "$out/gokafka-$arch" -shell "$shell" -files container/files -o "$out/rootfs-$arch.tar"
  ls -l "$out/gokafka-$arch" "$out/slim-$arch.tar" "$out/rootfs-$arch.tar" | awk '{printf "%-30s %5.1f MB\n", $9, $5 / 1e6}'
done
cp container/Dockerfile container/Dockerfile.slim "$out"

engine=${ENGINE:-}
if [ -z "$engine" ]; then
  for e in docker podman buildah; do
    command -v $e > /dev/null && $e info > /dev/null 2>&1 && { engine=$e; break; }
  done
fi
if [ -z "$engine" ]; then
  echo "no docker, podman or buildah answers here: the root file systems are in $out (docker import $out/rootfs-$native.tar does for a first look)"
  exit
fi

format=()
[ "$engine" = docker ] || [[ $repository == */* ]] || repository=localhost/$repository # what the others make of it themselves, not everywhere alike
[ "$engine" = docker ] || format=(--format docker) # the other format has no HEALTHCHECK
for kind in "" -slim; do
  file=$out/Dockerfile${kind/-/.}
  for arch in "${arches[@]}"; do
    # DOCKER_BUILDKIT=0 needs no builder image; the platform is only written down, since nothing is run.
    DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-0} "$engine" build -q "${format[@]}" --platform "linux/$arch" --build-arg "TARGETARCH=$arch" \
      --label "org.opencontainers.image.title=gokafka" --label "org.opencontainers.image.version=$version" \
      -f "$file" -t "$repository:$version$kind-$arch" "$out" > /dev/null
  done
  "$engine" tag "$repository:$version$kind-$native" "$repository:$version$kind"
  "$engine" tag "$repository:$version$kind-$native" "$repository:latest$kind"
  if [ "$engine" != docker ] && [ ${#arches[@]} -gt 1 ]; then # docker makes such a list in a registry only: docker buildx build --platform …
    list=$repository:all$kind
    "$engine" manifest rm "$list" > /dev/null 2>&1 || true
    "$engine" manifest create "$list" > /dev/null
    for arch in "${arches[@]}"; do
      "$engine" manifest add "$list" "containers-storage:$repository:$version$kind-$arch" > /dev/null
    done
    rm -rf "$out/all$kind"
    "$engine" manifest push -q --all --format v2s2 "$list" "dir:$out/all$kind" > /dev/null
    "$engine" manifest rm "$list" > /dev/null # podman 4.3 cannot list images beside it
    echo "$out/all$kind holds the image for ${arches[*]}: skopeo copy --all dir:$out/all$kind docker://…"
  fi
done
"$engine" images | awk -v r="$repository" 'NR == 1 || $1 == r'
