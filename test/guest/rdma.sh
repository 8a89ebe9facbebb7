#!/bin/sh
# SPDX-License-Identifier: MIT
# rdma.sh [DEVICE [NAME]]: makes rxe0 (NAME), a software RDMA device (RoCE v2), on a network device of the guest:
# lo (the default), eth0 between two guests, or dummy0/veth, which are made if need be. GID index 1
# is the IPv4 one. librdmacm does not work on lo; take dummy0 for it.
set -e
device=${1:-lo}
name=${2:-rxe0}
# rxe looks these up by a name that no module alias answers; without them `rdma link add` says
# 'No such file or directory'. Newer kernels (6.16) have no such modules, and rxe needs none.
modprobe -q crc32_generic || :
modprobe -q crc32c_generic || :
modprobe -a rdma_rxe ib_uverbs rdma_ucm
if [ "$device" = dummy0 ]; then
  modprobe dummy numdummies=0
  ip link add dummy0 type dummy
  ip addr add 10.78.0.1/24 dev dummy0
fi
ip link set "$device" up
rdma link add "$name" type rxe netdev "$device"
