#!/bin/sh
# The first program of a guest, in the initramfs. The kernel's command line decides what it does:
#
#   guest.script=PATH   the host's root over virtio-9p, read-only, below a tmpfs; then PATH in it
#   root=DEVICE         that device is the root: a system of its own, booted the usual way
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

while read -r module; do
    insmod "/modules/$module" || echo "init: cannot insert $module"
done </modules/list

argument() {
    tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

# host_root PROGRAM
host_root() {
    mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 hostroot /host || return 1
    mount -t tmpfs tmpfs /layer
    mkdir /layer/upper /layer/work
    mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /new || return 1
    for place in proc sys dev; do
        mount -o move "/$place" "/new/$place"
    done
    mkdir -p /new/dev/pts /new/dev/shm
    for place in run mnt dev/shm; do
        mount -t tmpfs tmpfs "/new/$place"
    done
    ip link set lo up
    ip link set eth0 up
    ip addr add 10.0.2.15/24 dev eth0
    ip route add default via 10.0.2.2
    exec switch_root /new "$1"
}

# disk_root DEVICE
disk_root() {
    tries=0
    until [ -b "$1" ] || [ $tries -ge 20 ]; do
        sleep 0.5
        tries=$((tries + 1))
    done
    mount -o rw "$1" /new || return 1
    for place in proc sys dev; do
        mount -o move "/$place" "/new/$place"
    done
    exec switch_root /new /sbin/init
}

root=$(argument root)
if [ -n "$root" ]; then
    disk_root "$root"
else
    host_root "$(argument guest.script)"
fi
echo "init: cannot mount the root"
echo o >/proc/sysrq-trigger
sleep 60
