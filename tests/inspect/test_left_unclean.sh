#!/usr/bin/env bash
# timeout: 240
# Whether a file system was left clean, as `varve inspect` says: file systems of the host's own kernel, copied into
# volumes as they are while mounted (which is what a power cut leaves) and after the unmount.
. "$(dirname "$0")/../lib/server.sh"
need losetup nbdcopy mkfs.ext4 mkfs.xfs mkfs.btrfs
need_root
export VARVE_STORE=$store

# What inspect says of a volume: TYPE, LABEL and CLEAN.
verdict() {
    "$VARVE" inspect "$1" --json | /usr/bin/python3 -c '
import json, sys
content = json.load(sys.stdin)["content"]
print(content["type"], content["label"], content["clean"])'
}

expect() {
    local found
    found=$(verdict "$1")
    [ "$found" = "$2" ] || fail "inspect $1 says '$found', not '$2'"
}

unmount_left() {
    ! mountpoint -q "$work/mnt" || umount "$work/mnt"
}

make_store
start_server
mkdir "$work/mnt"
at_end unmount_left
for type in ext4 xfs btrfs; do
    grep -qw "$type" /proc/filesystems || modprobe "$type" 2>/dev/null ||
        skip "this kernel has no $type"
    echo "$type"
    image=$work/$type.img
    truncate -s 400M "$image"
    case $type in
    ext4) mkfs.ext4 -q -L "on-$type" "$image" ;;
    *) "mkfs.$type" -q -L "on-$type" "$image" >/dev/null ;;
    esac
    "$VARVE" volumes create "$type" --size 400M
    [ "$("$VARVE" inspect "$type" --json | grep -c '"blank": *true')" = 1 ] ||
        fail "a new volume is not blank"

    mount -o loop "$image" "$work/mnt"
    cp -r /etc/init.d "$work/mnt/some"
    echo synced >"$work/mnt/file"
    sync "$work/mnt/file"
    nbdcopy "$image" "$(uri "$type")"
    expect "$type" "$type on-$type not clean"

    umount "$work/mnt"
    nbdcopy "$image" "$(uri "$type")"
    expect "$type" "$type on-$type clean"
done
stop_server
echo "without a server"
expect xfs "xfs on-xfs clean"
