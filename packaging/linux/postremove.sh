#!/bin/sh
# The records in /var/lib/gokafka stay, whatever is removed or purged, and with them the user that owns them.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
