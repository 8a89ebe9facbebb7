#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs inside the guest, chrooted to the machine's files (read-only): guest-init.sh calls it.
# Makes the place a script expects (network, modules, folders that can be written), then runs it.
# The run folder's `settings` (shell assignments) come from the machine: see run.ts.
node=$1
. /run/guest/settings

export HOME=/tmp TMPDIR=/tmp LANG=C.UTF-8 TERM=dumb
export PATH=/run/guest-bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export GUEST_NODE=$node GUEST_NODES GUEST_KERNEL GUEST_ROOT
export GUEST_OUT=/run/guest/node$node GUEST_SHARED=/run/guest/shared

# From here on a death is not the boot's.
: >"$GUEST_OUT/.booted"

say() { echo "guest-start: $*" >&2; }

# A checkout, script or module that lies under /tmp is hidden by the guest's own /tmp.
for folder in $guest_visible; do
  case $folder in
    /tmp/*)
      mkdir -p "$folder"
      mount --bind "/run/covered-tmp${folder#/tmp}" "$folder" || exit 125
      ;;
  esac
done

# The modules are not in the machine's /lib/modules: programs, and the kernel's own requests,
# find them through this wrapper.
mkdir -p /run/guest-bin
printf '#!/bin/sh\nexec /sbin/modprobe -d %s "$@"\n' "$guest_modules_root" >/run/guest-bin/modprobe
chmod 755 /run/guest-bin/modprobe
echo /run/guest-bin/modprobe >/proc/sys/kernel/modprobe

hostname "node$node"
ip link set lo up
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
ulimit -l unlimited
ulimit -c 0
echo 240 >/proc/sys/kernel/hung_task_timeout_secs 2>/dev/null

if [ "$GUEST_NODES" -gt 1 ]; then
  modprobe virtio_net || exit 125
  for try in 1 2 3 4 5 6 7 8 9 10; do
    [ -e /sys/class/net/eth0 ] && break
    sleep 0.1
  done
  ip link set eth0 mtu 4200 up || exit 125
  ip addr add "10.77.0.$((node + 1))/24" dev eth0 || exit 125
  export GUEST_ADDRESS=10.77.0.$((node + 1)) GUEST_PEER=10.77.0.$((2 - node))
fi

load() {
  case $1 in
    /*) insmod "$@" ;;
    *) modprobe "$@" ;;
  esac
}

while read -r module; do
  [ -n "$module" ] || continue
  # shellcheck disable=SC2086 # a module's parameters are separate words
  load $module || {
    say "module $module does not load"
    exit 125
  }
done </run/guest/modules

# What the boot itself left lying about is not the script's leak.
[ -e /sys/kernel/debug/kmemleak ] && echo clear >/sys/kernel/debug/kmemleak

cd "$GUEST_ROOT" || exit 125
eval "set -- $guest_command"
"$@"
status=$?

if [ -e /sys/kernel/debug/kmemleak ]; then
  # An object counts as leaked only when it is five seconds old and two scans missed it.
  echo scan >/sys/kernel/debug/kmemleak
  sleep 5
  echo scan >/sys/kernel/debug/kmemleak
  cat /sys/kernel/debug/kmemleak >"$GUEST_OUT/.kmemleak"
fi
exit $status
