#!/usr/bin/env bash
# A machine whose system drive is a volume: a Debian system with kernel and boot loader is installed on a
# partition of it, and the machine's firmware boots it over NBD. While the machine writes, the server is killed and started again: the
# machine sees no error. It shuts down, boots again, and what it wrote is there.
# timeout: 600
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/../clients/block_device.sh"
. "$(dirname "$0")/guest.sh"
need mkfs.ext4 fsck.ext4 sfdisk extlinux mmdebstrap tar
system=$("$top/tests/guest/system.sh") || fail "there is no system to install"

make_store
"$VARVE" volumes create drive --size 2G
start_server

install_system() {
    local root=$work/root
    attach_block drive
    # the firmware runs the first sector, that the active partition, that extlinux, that the kernel
    printf '%s\n' label:dos 'size=1500M, type=83, bootable' | sfdisk -q "$device"
    dd if=/usr/lib/EXTLINUX/mbr.bin of="$device" bs=440 count=1 conv=notrunc status=none
    show_partitions 1
    mkfs.ext4 -q -O ^64bit,^metadata_csum "${device}p1" # what extlinux can read
    mount_partition 1 "$root"
    tar -C "$root" -xpf "$system" --numeric-owner
    install -m 755 "$work/at-boot" "$root/usr/local/sbin/at-boot"
    cp -L "$guest_kernel/vmlinuz" "$guest_kernel/initrd.gz" "$root/boot/"
    cat >"$root/boot/extlinux.conf" <<'END'
DEFAULT linux
LABEL linux
    LINUX vmlinuz
    INITRD initrd.gz
    APPEND console=ttyS0 quiet panic=-1 mitigations=off root=/dev/vda1 systemd.show_status=0
END
    extlinux --install "$root/boot" >"$work/extlinux" 2>&1 || fail "$(cat "$work/extlinux")"
    unmount "$root"
    detach_block
}

boot_from_volume() {
    local drive=driver=raw,if=virtio,discard=unmap,file.driver=nbd,file.server.type=unix
    boot_machine \
        -drive "$drive,file.server.path=$store/nbd.sock,file.export=drive,file.reconnect-delay=60"
}

# What the machine does: the first time it writes for a while and remembers sums, the second time
# it compares. A word on the console says how far it is.
cat >"$work/at-boot" <<'END'
#!/bin/bash
finish() {
    if dmesg | grep -E 'I/O error|EXT4-fs error|Buffer I/O'; then set -- 1; fi
    echo "machine verdict $1"
    systemctl --no-block start poweroff.target
    exit 0
}
trap 'finish $?' EXIT
set -eu
cd /var/lib
if [ -e sums ]; then
    sha256sum --quiet -c sums
    echo "machine found $(wc -l <sums) files"
    exit
fi
mkdir written
n=0
while [ $n -lt 150 ]; do
    n=$((n + 1))
    [ $((n % 50)) != 1 ] || echo "machine writes $n"
    head -c 200000 /dev/urandom >written/$n
    [ $((n % 5)) != 0 ] || sync
done
sync
sha256sum written/* >sums
sync
echo 3 >/proc/sys/vm/drop_caches
sha256sum --quiet -c sums
echo "machine wrote $(wc -l <sums) files"
END

install_system

boot_from_volume
for n in 1 51 101; do
    try_for 200 guest_says "machine writes $n" || {
        show_console
        fail "the machine did not write file $n"
    }
    kill_server
    sleep 1
    start_server
done
wait_guest 200
show_console
guest_says 'machine verdict 0' || fail "the machine saw an error when the server was restarted"

boot_from_volume
wait_guest 200
show_console
guest_says 'machine verdict 0' || fail "the second boot did not find what the first wrote"

attach_block drive
show_partitions 1
fsck.ext4 -fn "${device}p1"
detach_block
stop_server
"$VARVE" check --data || fail "varve check found problems"
