#!/bin/sh
# SPDX-License-Identifier: MIT
# The guest's /init, run by the static busybox of the initramfs. It mounts the machine's files and
# the run folder, runs the latter's copy of guest-start.sh, leaves its exit status and powers off.
# busybox applets are called by name: the only PATH is the initramfs.
export PATH=/bin

give_up() {
  echo "guest-init: $*" >/dev/console
  poweroff -f
}

mkdir -p /proc /sys /host
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null

# shellcheck disable=SC2013 # words are what is wanted
for argument in $(cat /proc/cmdline); do
  case $argument in
    guest.node=*) node=${argument#guest.node=} ;;
  esac
done

while read -r module; do
  insmod "/modules/$module" || give_up "insmod $module failed"
done </modules/order

options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,$options,cache=loose" host /host || give_up 'no host file system'
# What the machine hides under these four comes back where guest-start.sh binds it.
mkdir -p /covered
mount --bind /host/tmp /covered
mount -t proc proc /host/proc
mount -t sysfs sysfs /host/sys
mount -t devtmpfs devtmpfs /host/dev
mkdir -p /host/dev/pts /host/dev/shm
mount -t devpts devpts /host/dev/pts
for folder in /tmp /var/tmp /run /dev/shm; do
  mount -t tmpfs -o mode=1777 tmpfs "/host$folder" || give_up "no tmpfs on $folder"
done
mkdir -p /host/run/guest /host/run/covered-tmp
mount --move /covered /host/run/covered-tmp
mount -t 9p -o "rw,$options,cache=none" out /host/run/guest || give_up 'no run folder'

out=/host/run/guest/node$node
# A file, not a pipe: what was printed before a panic is on the machine already, and a process
# left in the background cannot hold the guest up.
chroot /host /bin/sh /run/guest/start "$node" >"$out/.output" 2>&1 </dev/null
status=$?
dmesg >"$out/.kernel-log"
# Renamed into place: the file is there whole or not at all.
echo "$status" >"$out/.status.new" && mv "$out/.status.new" "$out/.status"
sync
poweroff -f
