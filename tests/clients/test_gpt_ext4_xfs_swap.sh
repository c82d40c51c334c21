#!/usr/bin/env bash
# timeout: 300
# A disk with a GPT: ext4, xfs and swap, filled with a real tree of files; kill -9; every file compared.
. "$(dirname "$0")/block_device.sh"
. "$(dirname "$0")/file_tree.sh"
need mkfs.ext4 e2fsck mkfs.xfs xfs_repair mkswap blkid
export VARVE_STORE=$store

make_store
start_server
"$VARVE" volumes create disk --size 8G
choose_tree 30000

echo "1. partition, format, mount, fill"
attach_block disk
partition 'size=3G, name=root' 'size=3G, name=home' 'size=512M, type=S, name=swap'
mkfs.ext4 -q -L root "${device}p1"
mkfs.xfs -q -L home "${device}p2"
mkswap -q -L swap "${device}p3"
mount_partition 1 "$work/root"
mount_partition 2 "$work/home"
copy_tree "$work/root"
copy_tree "$work/home"
unmount "$work/root"
unmount "$work/home"
detach_block

echo "2. kill -9, start again, attach again"
kill_server
start_server
attach_block disk
show_partitions 3
sfdisk --quiet --verify "$device"
[ "$(blkid -o value -s TYPE "${device}p3")" = swap ] || fail "the swap area is gone"

echo "3. fsck is clean, before anything is mounted"
e2fsck -fn "${device}p1" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -n 5 "$work/fsck")"
xfs_repair -n "${device}p2" >"$work/fsck" 2>&1 || fail "xfs_repair: $(tail -n 5 "$work/fsck")"

echo "4. every file"
mount_partition 1 "$work/root" -o ro
mount_partition 2 "$work/home" -o ro
compare_tree "$work/root"
compare_tree "$work/home"
unmount "$work/root"
unmount "$work/home"
detach_block
stop_server
"$VARVE" check --data
