#!/usr/bin/env bash
# The kernel's nbd driver on a TCP export: partitions, file systems, several connections, discard,
# detach and attach again.
# timeout: 600
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/guest.sh"
need nbd-client sfdisk mkfs.ext4 mkfs.xfs mkfs.vfat jq

port=$(free_port)
make_store
"$VARVE" volumes create disk --size 3G
start_server --listen "127.0.0.1:$port"

mapped() {
    "$VARVE" volumes show disk --json | jq .mapped_bytes
}

cat >"$work/script" <<END
appears() {
    for _ in \$(seq 50); do
        [ ! -b "\$1" ] || return 0
        sleep 0.1
    done
    echo "\$1 does not appear"
    return 1
}

nbd-client 10.0.2.2 $port /dev/nbd0 -N disk -C 4
queue=/sys/block/nbd0/queue
[ "\$(cat /sys/block/nbd0/size)" = $((3 << 21)) ]
[ "\$(cat \$queue/fua)" = 1 ]
[ "\$(cat \$queue/discard_max_bytes)" -gt 0 ]

printf '%s\n' label:gpt size=1G size=1G size=256M | sfdisk -q /dev/nbd0
appears /dev/nbd0p3
echo partitioned
mkfs.ext4 -q /dev/nbd0p1
mkfs.xfs -q /dev/nbd0p2
mkfs.vfat /dev/nbd0p3 >/dev/null
mkdir -p /mnt/ext4 /mnt/xfs /mnt/vfat
mount /dev/nbd0p1 /mnt/ext4
mount /dev/nbd0p2 /mnt/xfs
mount /dev/nbd0p3 /mnt/vfat
for place in ext4 xfs vfat; do
    cp -rL /usr/share/zoneinfo/Europe /mnt/\$place/tree
done
echo fills
yes | head -c 64M >/mnt/ext4/large || true
sync
tell filled
await measured
rm /mnt/ext4/large
sync
fstrim -v /mnt/ext4
fstrim -v /mnt/xfs
tell trimmed
await measured-again
(cd /usr/share/zoneinfo/Europe && find . -type f -exec sha256sum {} + | sort -k 2) >/run/sums
umount /mnt/*
nbd-client -d /dev/nbd0
[ ! -e /sys/block/nbd0/pid ]

# one connection this time, and all is as it was
nbd-client 10.0.2.2 $port /dev/nbd0 -N disk
appears /dev/nbd0p3
fsck.ext4 -fn /dev/nbd0p1
xfs_repair -n /dev/nbd0p2 2>&1 | tail -n 1
fsck.vfat -n /dev/nbd0p3
mount /dev/nbd0p1 /mnt/ext4
mount /dev/nbd0p2 /mnt/xfs
mount /dev/nbd0p3 /mnt/vfat
for place in ext4 xfs vfat; do
    (cd /mnt/\$place/tree && sha256sum --quiet -c /run/sums)
done
umount /mnt/*
nbd-client -d /dev/nbd0
if dmesg | grep -E 'I/O error|nbd0: (Receive|Send) |timed out'; then exit 1; fi
END

start_guest "$work/script"
await_guest 200 filled
before=$(mapped)
tell_guest measured
await_guest 200 trimmed
after=$(mapped)
tell_guest measured-again
wait_guest 200
show_console
guest_says 'guest verdict 0' || fail "the script failed in the guest"
echo "mapped before fstrim: $before, after: $after"
[ $((before - after)) -ge $((60 << 20)) ] || fail "fstrim of 64 MiB gave back $((before - after)) bytes"

stop_server
"$VARVE" check --data || fail "varve check found problems"
