#!/usr/bin/env bash
# timeout: 300
# A disk with a GPT: FAT, btrfs and ext4, filled with a real tree of files, part of it trimmed and filled
# again; kill -9; every file compared.
. "$(dirname "$0")/block_device.sh"
. "$(dirname "$0")/file_tree.sh"
need mkfs.fat fsck.fat mcopy mkfs.btrfs btrfs mkfs.ext4 e2fsck
export VARVE_STORE=$store
# The kernel of a test machine may lack FAT, so mtools writes and reads it.
export MTOOLS_SKIP_CHECK=1

make_store
start_server
"$VARVE" volumes create disk --size 8G
choose_tree 15000

echo "1. partition, format, fill"
attach_block disk
partition 'size=300M, type=U, name=esp' 'size=3G, name=data' 'size=3G, name=spare'
mkfs.fat -F 32 -n ESP "${device}p1" >/dev/null
mkfs.btrfs -q -L data "${device}p2" >/dev/null
mkfs.ext4 -q -L spare "${device}p3"
# FAT knows no two names that differ only in case, so its files are numbered.
mkdir "$work/fat"
head -n 600 "$tree_list" | {
    number=0
    while read -r path; do
        number=$((number + 1))
        mkdir -p "$work/fat/$((number / 100))"
        cp "/$path" "$work/fat/$((number / 100))/f$number"
    done
}
mcopy -Q -s -i "${device}p1" "$work/fat" ::
mount_partition 2 "$work/data" -o compress=zstd:1
mount_partition 3 "$work/spare"
copy_tree "$work/data"
copy_tree "$work/spare"
rm -rf "$work/spare/usr"
fstrim "$work/spare"
copy_tree "$work/spare"
btrfs subvolume snapshot -r "$work/data" "$work/data/before" >/dev/null
unmount "$work/data"
unmount "$work/spare"
detach_block

echo "2. kill -9, start again, attach again"
kill_server
start_server
attach_block disk
show_partitions 3

echo "3. fsck is clean, before anything is mounted"
fsck.fat -n "${device}p1" >"$work/fsck" 2>&1 || fail "fsck.fat: $(tail -n 5 "$work/fsck")"
btrfs check --check-data-csum "${device}p2" >"$work/fsck" 2>&1 || fail "btrfs check: $(tail -n 5 "$work/fsck")"
e2fsck -fn "${device}p3" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -n 5 "$work/fsck")"

echo "4. every file"
mkdir "$work/fat.copy"
mcopy -Q -s -n -i "${device}p1" ::fat "$work/fat.copy/"
diff -r "$work/fat" "$work/fat.copy/fat"
mount_partition 2 "$work/data" -o ro
mount_partition 3 "$work/spare" -o ro
compare_tree "$work/data/before"
compare_tree "$work/spare"
unmount "$work/data"
unmount "$work/spare"
detach_block
stop_server
"$VARVE" check --data
