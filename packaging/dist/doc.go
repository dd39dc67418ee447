// Command dist makes what gokafka is released as: make dist.
//
//	dist/gokafka_1.2.3_linux_amd64.tar.gz          the static binary, its configuration, completions, licences; zip for windows
//	dist/gokafka_1.2.3_linux_amd64.cdx.json        what the binary is built from (CycloneDX), read from the binary itself
//	dist/gokafka_1.2.3_amd64.deb, .x86_64.rpm      with a systemd unit; made by nfpm, a pinned program of others that is no dependency of ours
//	dist/gokafka-1.2.3-py3-none-….whl              the binary for pip, with a context manager and a pytest fixture
//	dist/gokafka-1.2.3.tgz, gokafka-cli-….tgz      the same for npm: the package, and the binary for each platform
//	dist/SHA256SUMS
//
// The same commit gives the same bytes, whoever builds it, wherever and whenever: times are SOURCE_DATE_EPOCH (the commit's when it is not set), paths
// are trimmed, entries sorted. Only the Go version must be the same; it is in the SBOM.
package main
