#!/bin/busybox sh
# Debian's virtio and ext4 are modules: bring them in, mount the disk, hand over.
/bin/busybox mkdir -p /dev /proc /sys /target
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
while read -r module; do
    /bin/busybox insmod "/modules/$module"
done </modules/order
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
read -r access init </modules/init
/bin/busybox mount -t ext4 -o "$access,noatime" /dev/vda /target
for folder in dev proc sys; do /bin/busybox mount -o move /$folder /target/$folder; done
# shellcheck disable=SC2086 # a program and its arguments
exec /bin/busybox switch_root /target $init
