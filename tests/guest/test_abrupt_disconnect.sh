#!/usr/bin/env bash
# The kernel's nbd driver loses its server, and the server loses its client, in the middle of writes: what
# was synced is there afterwards, and the server goes on for others.
# timeout: 600
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/../clients/block_device.sh"
. "$(dirname "$0")/guest.sh"
need nbd-client mkfs.ext4 fsck.ext4 nbdinfo

port=$(free_port)
make_store
"$VARVE" volumes create disk --size 1G
start_server --listen "127.0.0.1:$port"

# Writes files whose contents follow from their numbers, and says which of them were synced.
cat >"$work/script" <<END
nbd-client 10.0.2.2 $port /dev/nbd0 -N disk -C 2
mkfs.ext4 -q /dev/nbd0
mkdir /mnt/disk
mount /dev/nbd0 /mnt/disk

write_files() {
    local n
    for ((n = \$1; ; n++)); do
        yes "\$n" | head -c 100000 >"/mnt/disk/\$n" && sync -f "/mnt/disk/\$n" || return 0
        tell "synced-\$n"
    done 2>/dev/null
}

set +o pipefail
write_files 1
echo "the server is gone"
umount /mnt/disk || umount -l /mnt/disk
nbd-client -d /dev/nbd0
tell disconnected
await restarted
nbd-client 10.0.2.2 $port /dev/nbd0 -N disk -C 2
status=0
fsck.ext4 -p /dev/nbd0 || status=\$?
[ \$status -le 1 ]
mount /dev/nbd0 /mnt/disk
cd /mnt/disk
for name in \$(ls \$shared | sed -n s/synced-//p); do
    yes "\$name" | head -c 100000 | cmp - "\$name"
done
rm -f [0-9]*
cd /
tell checked
write_files 1000
END

start_guest "$work/script"
await_guest 200 synced-20
kill_server
await_guest 200 disconnected
start_server --listen "127.0.0.1:$port"
tell_guest restarted
await_guest 200 checked
await_guest 200 synced-1020
kill -KILL "$guest_pid"
wait "$guest_pid" || true
guest_pid=
show_console

nbdinfo --size "$(uri disk)" || fail "the server did not survive the death of its client"
attach_block disk
fsck.ext4 -p "$device" || [ $? = 1 ] || fail "the file system is damaged"
mkdir "$work/disk"
mount "$device" "$work/disk"
at_end leave_mount "$work/disk"
count=0
for mark in "$shared"/synced-1???; do
    name=${mark##*-}
    (yes "$name" || true) | head -c 100000 | cmp - "$work/disk/$name" || fail "file $name was synced and is not what was written"
    count=$((count + 1))
done
echo "$count files that were synced before the client died are there"
[ "$count" -ge 20 ] || fail "only $count files"
unmount "$work/disk"
detach_block
stop_server
"$VARVE" check --data || fail "varve check found problems"
