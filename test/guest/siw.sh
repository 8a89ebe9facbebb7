#!/bin/sh
# SPDX-License-Identifier: MIT
# siw.sh KO [DEVICE]: makes siw0, a software RDMA device (iWARP), of siw.ko on a network device of the
# guest: dummy0 (the default, made if need be) or eth0. lo does not do: the connection manager makes no
# connections on it.
set -e
module=$1
device=${2:-dummy0}
modprobe crc32c_generic
modprobe -a libcrc32c ib_uverbs rdma_ucm
insmod "$module"
# Addresses of this machine are reached through it, dummy0's as well.
ip link set lo up
if [ "$device" = dummy0 ]; then
  modprobe dummy numdummies=0
  [ -e /sys/class/net/dummy0 ] || ip link add dummy0 type dummy
  ip addr replace 10.78.0.1/24 dev dummy0
fi
ip link set "$device" up
rdma link add siw0 type siw netdev "$device"
