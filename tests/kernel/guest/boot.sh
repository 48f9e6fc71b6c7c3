#!/bin/sh
# What a distribution's services do at boot, as far as kmodtui can see the difference.
# Nothing is written to the disk: `/` is read-only until tests/kernel/vm.py makes it writable.
export PATH=/usr/sbin:/usr/bin LC_ALL=C

mount -t tmpfs -o mode=755,nosuid,nodev run /run
mount -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
mkdir -p /dev/pts /dev/shm /run/sshd /run/lock /run/sudo
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs -o mode=700 debugfs /sys/kernel/debug
mount -t tracefs -o mode=700 tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
mkdir -m 1777 /run/screen

hostname debian
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up

# udev's coldplug without udev: a module for every device that is there. It is
# not kept running, because it opens new block devices and so makes a module
# busy for a moment, at a time that no test can know.
find /sys/devices -name modalias -exec cat {} + | sort -u | xargs -d '\n' modprobe -abq --
grep -v '^#' /etc/modules | xargs -r modprobe -ab --
