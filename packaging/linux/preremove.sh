#!/bin/sh
# Before the files go, of the deb ("remove") and of the rpm (0: no version stays). An upgrade restarts it afterwards.
set -e
if { [ "$1" = remove ] || [ "$1" = 0 ]; } && [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  systemctl disable --now gokafka.service || true
fi
