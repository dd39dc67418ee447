// Package containers tests gokafka's container images for real, with podman: what is in them, how they start with the settings that people use with the
// images of Apache, Confluent and Bitnami, and that the Kafka modules of Testcontainers take them for those.
//
// The images are those of `make image`; nothing is pulled. It runs only with GOKAFKA_CONTAINERS=1 and inside podman.sh, which gives it a podman of its own:
// `make compat-containers` does all that. The folders java, go, python and node hold the programs with the real Testcontainers, each with one line
// "ok SCENARIO" for what has worked; they are installed below .compat/.
package containers
