#!/bin/sh
# After unpacking, of the deb ("configure", and the old version when it is an upgrade) and of the rpm (the number of installed versions).
# DPKG_ROOT is set by dpkg --root: the system that is being made is not the one that runs.
set -e
root=${DPKG_ROOT:-}

if ! grep -q '^gokafka:' "$root/etc/passwd" 2> /dev/null; then
  useradd --system --user-group --no-create-home --home-dir /var/lib/gokafka --shell /usr/sbin/nologin ${root:+--prefix "$root"} gokafka
fi
ids=$(sed -n 's/^gokafka:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1:\2/p' "$root/etc/passwd")
chown "$ids" "$root/var/lib/gokafka"
chmod 0750 "$root/var/lib/gokafka"

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart gokafka.service || true # an upgrade, and it runs
fi
if { [ "$1" = configure ] && [ -z "${2:-}" ]; } || [ "$1" = 1 ]; then
  echo "gokafka is installed and not started: systemctl enable --now gokafka; its settings are in /etc/gokafka/server.properties"
fi
