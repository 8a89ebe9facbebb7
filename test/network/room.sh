#!/bin/sh
# room.sh FOLDER DELAY_US LOSS_PPM REORDER_PPM [WIRE]: two hosts joined by a network, until stdin ends.
#
# Runs as process 1 of a pid namespace (hosts.ts starts it so): when it ends, however it ends, the kernel
# kills every process of both hosts, and with the last of them the network namespaces and the link go.
# WIRE is the built wire.c, for delays and losses where the kernel has no netem.
set -eu
folder=$1 delay=$2 loss=$3 reorder=$4 wire=${5-}

mount --bind "$folder/hosts" /etc/hosts
mkdir "$folder/cgroup"
mount --rbind /sys/fs/cgroup "$folder/cgroup"

# host NUMBER: a process that holds the namespaces. /sys shows the host's own devices, /dev/shm is its own.
host() {
  FOLDER=$folder NAME=host$1 unshare --net --uts --ipc --mount sh -euc '
    hostname "$NAME"
    mount -t sysfs sysfs /sys
    mount --rbind "$FOLDER/cgroup" /sys/fs/cgroup
    mount -t tmpfs tmpfs /dev/shm
    ip link set lo up
    echo $$ >"$FOLDER/$NAME.new"
    mv "$FOLDER/$NAME.new" "$FOLDER/$NAME.pid"
    exec sleep infinity' &
}

# within FILE: waits until it is there, as long as the process that makes it lives.
within() {
  while [ ! -e "$1" ]; do
    kill -0 "$!" || exit 1
    sleep 0.01
  done
}

host 0
within "$folder/host0.pid"
host 1
within "$folder/host1.pid"
first=$(cat "$folder/host0.pid")
second=$(cat "$folder/host1.pid")

in_host() {
  "$folder/enter" "$@"
}

by=veth
ip link add name eth0 netns "$first" type veth peer name eth0 netns "$second"
if [ "$delay $loss $reorder" != '0 0 0' ]; then
  shape="delay ${delay}us loss $(awk "BEGIN { print $loss / 1e4 }")%"
  [ "$reorder" = 0 ] || shape="$shape reorder $(awk "BEGIN { print $reorder / 1e4 }")%"
  by=netem
  for name in host0 host1; do
    # shellcheck disable=SC2086
    in_host $name tc qdisc add dev eth0 root netem limit 10000 $shape 2>"$folder/netem" || by=wire
  done
  if [ $by = wire ]; then
    in_host host0 ip link delete eth0
    "$wire" "$folder/wire.ready" "/proc/$first/ns/net" "/proc/$second/ns/net" "$delay" "$loss" "$reorder" &
    within "$folder/wire.ready"
  fi
fi
for number in 0 1; do
  in_host host$number ip address add 10.77.0.$((number + 1))/24 dev eth0
  in_host host$number ip link set eth0 up
done
# The kernel says a while later that the link runs; until then nobody takes it for a way to others.
for number in 0 1; do
  # shellcheck disable=SC2016
  in_host host$number sh -c '
    until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] && ! ip -o link show eth0 | grep -q NO-CARRIER; do
      sleep 0.01
    done'
done

umount --recursive --lazy "$folder/cgroup"
echo "ready $by"
cat >/dev/null
exec rm -rf --one-file-system "$folder"
