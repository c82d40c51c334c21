#!/usr/bin/env bash
# `varve attach` and `detach` with the kernel's nbd driver: the store, its server and its client are
# all in the guest, on a disk of its own.
# timeout: 600
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/guest.sh"
need pgrep sfdisk mkfs.ext4 mkfs.xfs jq

truncate -s 3G "$work/disk"
mkfs.ext4 -q "$work/disk"

cat >"$work/script" <<END
VARVE=$VARVE
varve() {
    "\$VARVE" "\$@"
}
refuses() {
    if "\$@" >/run/refusal 2>&1; then
        echo "went through, and should not have: \$*"
        return 1
    fi
    echo "refused: \$(cat /run/refusal)"
}
check() {
    "\$@" || { echo "not true: \$*" && return 1; }
}
# not through the function: \$! is to be the server itself
serve() {
    "\$VARVE" serve >/run/server.log 2>&1 &
    server=\$!
    for _ in \$(seq 100); do
        ! grep -q '^varve: serving' /run/server.log || break
        sleep 0.1
    done
}
END
cat >>"$work/script" <<'END'
mkdir /mnt/disk /mnt/volume
mount /dev/vda /mnt/disk
export VARVE_STORE=/mnt/disk/store
varve init $VARVE_STORE
serve
varve volumes create one --size 1G
varve volumes create two --size 1G

# a bare device: the kernel's driver, with partitions that appear by themselves
device=$(varve attach one | tail -n 1)
check [ "${device#/dev/nbd}" != "$device" ]
printf '%s\n' label:gpt size=400M size=400M | sfdisk -q "$device"
for _ in $(seq 50); do [ -b "${device}p2" ] || sleep 0.1; done
mkfs.ext4 -q "${device}p1"
mkfs.xfs -q "${device}p2"
mount "${device}p2" /mnt/volume
cp -rL /usr/share/zoneinfo/Europe /mnt/volume/tree
refuses varve volumes delete one
umount /mnt/volume
varve detach one
check [ ! -e "/sys/block/${device#/dev/}/pid" ]

# several at once, and the partitions of a table that was there before
device=$(varve attach one | tail -n 1)
varve attach two --mkfs ext4 /mnt/volume
check mountpoint -q /mnt/volume
echo kept >/mnt/volume/file
for _ in $(seq 50); do [ -b "${device}p2" ] || sleep 0.1; done
mkdir /mnt/xfs
mount -o ro "${device}p2" /mnt/xfs
diff -r /usr/share/zoneinfo/Europe /mnt/xfs/tree
umount /mnt/xfs
varve detach one
varve detach two
check [ -z "$(ls /mnt/volume)" ]

# read-only: a mount shows the file and takes no other
varve attach two --read-only /mnt/volume
check [ "$(cat /mnt/volume/file)" = kept ]
refuses touch /mnt/volume/other
varve detach /mnt/volume
check [ -z "$(ls /mnt/volume)" ]

# what is frozen can be attached beside the volume that goes on
varve attach two /mnt/volume
refuses varve attach two
varve snapshots create two@then
varve attach two@then /mnt/xfs
check [ "$(cat /mnt/xfs/file)" = kept ]
refuses touch /mnt/xfs/other
echo more >/mnt/volume/more
check [ ! -e /mnt/xfs/more ]
cd /mnt
varve detach xfs
cd /run
varve detach two

# attach is killed at any point: the next one clears up
for tenths in 2 4 6 8 10 13 16 20; do
    timeout -s KILL "$((tenths / 10)).$((tenths % 10))" "$VARVE" attach one >/dev/null 2>&1 || true
    [ $((tenths % 4)) != 0 ] || varve detach one >/dev/null 2>&1 || true
done
varve detach one >/dev/null 2>&1 || true
varve attach one
varve detach one
check [ -z "$(cat /sys/block/nbd*/backend 2>/dev/null)" ]
check [ -z "$(pgrep varve-attach || true)" ]
check [ -z "$(ls -d $VARVE_STORE/run/attach-* 2>/dev/null)" ]

# the server dies below an attached volume: what is not written yet waits, and gets there when it is back
varve attach two --retry 3 /mnt/volume
echo late >/mnt/volume/late
kill -KILL $server
wait $server || true
refuses varve detach two
check mountpoint -q /mnt/volume
serve
varve detach two
check [ -z "$(ls /mnt/volume)" ]

# ... or is given up
varve attach two /mnt/volume
check [ "$(cat /mnt/volume/late)" = late ]
echo lost >/mnt/volume/lost
kill -KILL $server
wait $server || true
varve detach two --force
check [ -z "$(ls /mnt/volume)" ]
for n in /sys/block/nbd*; do check [ ! -e "$n/pid" ]; done
check [ -z "$(ls -d $VARVE_STORE/run/attach-* 2>/dev/null)" ]
check [ -z "$(pgrep varve-attach || true)" ]
serve
varve attach two --hold 0 /mnt/volume
check [ "$(cat /mnt/volume/file)" = kept ]
check [ -z "$(pgrep varve-attach || true)" ]

# with the client still attached, the server stops in time
began=$SECONDS
kill -TERM $server
wait $server
check [ $((SECONDS - began)) -le 10 ]
varve detach two
check [ -z "$(ls -d $VARVE_STORE/run/attach-* 2>/dev/null)" ]
varve check --data
umount /mnt/disk
END

in_guest 400 "$work/script" -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe"
