# Sourced by tests that need an export as a local block device, made with stock tools: nbdfuse shows the
# export as a file and a loop device makes a disk of it, with its partitions.
#
#   attach_block NAME   sets $device (/dev/loopN); partitions are ${device}p1…
#   detach_block        undoes it; all that was written is on the server then
#   partition LINE…     writes a GPT with one partition for each line of sfdisk's script
#   show_partitions N   makes the N partitions appear
#   mount_partition N DIRECTORY [OPTION…]
#   unmount DIRECTORY
#
# shellcheck shell=bash
# shellcheck source=../lib/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/server.sh"
need nbdfuse fusermount3 losetup sfdisk
need_root
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"

device=
nbdfuse_pid=
fuse_file=$work/fuse/disk

attach_block() {
    mkdir -p "$work/fuse"
    nbdfuse "$fuse_file" "$(uri "$1")" 2>>"$work/nbdfuse.log" &
    nbdfuse_pid=$!
    at_end leave_fuse "$nbdfuse_pid"
    try_for 10 test -f "$fuse_file" || fail "nbdfuse shows no file: $(cat "$work/nbdfuse.log")"
    device=$(losetup --find --show --partscan "$fuse_file")
    at_end leave_loop "$device"
}

leave_loop() {
    [ "$device" = "$1" ] || return 0
    partx --delete "$1" 2>/dev/null || true
    losetup --detach "$1"
    device=
    # The kernel lets go of the file a moment later, and fusermount refuses until then.
    try_for 10 test ! -e "/sys/block/$(basename "$1")/loop/backing_file"
}

leave_fuse() {
    [ "$nbdfuse_pid" = "$1" ] || return 0
    try_for 10 fusermount3 -q -u "$work/fuse" || umount --lazy "$work/fuse"
    wait "$1" || true
    nbdfuse_pid=
}

detach_block() {
    leave_loop "$device"
    leave_fuse "$nbdfuse_pid"
}

partition() {
    (
        echo "label: gpt"
        printf '%s\n' "$@"
    ) | sfdisk --quiet "$device"
    show_partitions $#
}

# Kernels of small virtual machines are built without partition tables: then partx reads the table.
show_partitions() {
    [ -b "${device}p$1" ] || partx --add "$device"
    try_for 10 test -b "${device}p$1" || fail "the partitions of $device do not appear"
}

mount_partition() {
    local number=$1 directory=$2
    shift 2
    mkdir -p "$directory"
    mount "$@" "${device}p$number" "$directory"
    at_end leave_mount "$directory"
}

leave_mount() {
    ! mountpoint -q "$1" || umount "$1" || umount --lazy "$1"
}

unmount() {
    umount "$1"
}
