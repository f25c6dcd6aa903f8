#!/bin/sh
# A camera that announces itself through avahi. It runs in a mount namespace of its own, so it has its own /run.
# Usage: avahi.sh HOSTNAME NAME SERVICE PORT [TXT…]
set -eu
host=$1; shift
mount -t tmpfs none /run
mkdir -p /run/dbus /run/avahi-daemon
dbus-daemon --system --nofork --nopidfile &
until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
cat >/run/avahi.conf <<END
[server]
host-name=$host
allow-interfaces=eth0
[publish]
publish-workstation=no
publish-hinfo=no
END
avahi-daemon --file /run/avahi.conf --no-drop-root --no-chroot --no-rlimits &
until [ -S /run/avahi-daemon/socket ]; do sleep 0.05; done
exec avahi-publish --service "$@"
