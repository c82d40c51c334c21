#!/usr/bin/env bash
# timeout: 600
# A full backup and three increments with stock tools, and their restore, on real file systems: the commands
# of server/volume/INCREMENTAL.md.
. "$(dirname "$0")/block_device.sh"
need nbdinfo nbdcopy qemu-img qemu-nbd jq mkfs.ext4 mkfs.xfs resize2fs xfs_growfs xfs_repair
export VARVE_STORE=$store

size=$((400 << 20))
grown=$((480 << 20))
mnt=$work/mnt
backup=$work/backup
mkdir -p "$mnt" "$backup"

take() {
    "$VARVE" snapshots create "disk@$1"
}

grow_ext4() { # some kernels grow only what is not mounted
    attach_block disk
    e2fsck -fp "$device" >/dev/null
    resize2fs "$device" 2>/dev/null
    detach_block
}

mounted() { # COMMAND…: with the volume's file system mounted on $mnt
    attach_block disk
    mount "$device" "$mnt"
    at_end leave_mount "$mnt"
    "$@"
    sync -f "$mnt"
    umount "$mnt"
    detach_block
}

# N files of random bytes, from 1 byte to 256 KiB
add_files() {
    local i
    mkdir -p "$mnt/$1"
    for ((i = 0; i < $2; i++)); do
        head -c $((1 + RANDOM * 8)) /dev/urandom >"$mnt/$1/$i"
    done
}

begin() {
    add_files old 300
    head -c 24M /dev/urandom >"$mnt/large"
    head -c 8M /dev/urandom >"$mnt/gone"
    head -c 64K /dev/zero >"$mnt/zeroes"
}

change_1() { # new files, deleted ones, parts of a file, and what was deleted is trimmed
    add_files new 50
    rm -r "$mnt"/old/1? "$mnt/gone"
    head -c 70000 /dev/urandom | dd of="$mnt/large" bs=1000 seek=3000 conv=notrunc status=none
    fstrim "$mnt" || echo "   (no trim here)"
}

change_2() { # data becomes zeroes, in place
    dd if=/dev/zero of="$mnt/large" bs=1M seek=4 count=6 conv=notrunc,fdatasync status=none
}

change_3() { # the disk has grown, and the file system with it
    [ "$1" = ext4 ] || xfs_growfs -d "$mnt" >/dev/null
    add_files newest 30
}

data_bytes() {
    jq '[.[] | select(.type == 0).length] | add // 0' "$1"
}

# The sparse file has data where the map says so, and nowhere else.
compare_maps() { # FILE MAP
    qemu-img map --output=json -f raw "$1" | jq -c '.[] | select(.data) | [.start, .length]' >"$work/in.file"
    jq -c '.[] | select(.type == 0) | [.offset, .length]' "$2" >"$work/in.map"
    diff "$work/in.map" "$work/in.file" || fail "the holes of $1 are not those of the difference"
}

back_up_increment() { # N: what disk@N has that disk@N-1 has not
    local n=$1 from=disk@$(($1 - 1)) to=disk@$1
    local change
    change=$(uri "$from..$to")
    # as an overlay on what there is
    qemu-img create -q -f qcow2 -b "$(basename "$(readlink "$backup/last.qcow2")")" -F qcow2 \
        "$backup/$n.qcow2" "$(nbdinfo --size "$change")"
    nbdcopy --destination-is-zero --sparse=0 --request-size=4096 --flush -- "$change" [ qemu-nbd -f qcow2 "$backup/$n.qcow2" ]
    ln -sfn "$n.qcow2" "$backup/last.qcow2"
    # as a sparse file, with its map
    nbdcopy --sparse=0 --request-size=4096 "$change" "$backup/$n.raw"
    nbdinfo --map --json "$change" >"$backup/$n.map"
    compare_maps "$backup/$n.raw" "$backup/$n.map"
    echo "   increment $n: $(($(data_bytes "$backup/$n.map") >> 10)) KiB of data"
}

apply_map() { # N FILE
    truncate -s "$(stat -c %s "$backup/$1.raw")" "$2"
    jq -r '.[] | select(.type == 0) | "\(.offset) \(.length)"' "$backup/$1.map" |
        while read -r offset length; do
            dd if="$backup/$1.raw" of="$2" bs=1M iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc \
                status=none skip="$offset" seek="$offset" count="$length"
        done
}

check_file_system() { # FS FILE
    if [ "$1" = ext4 ]; then
        e2fsck -fn "$2" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -n 5 "$work/fsck")"
    else
        xfs_repair -n -f "$2" >"$work/fsck" 2>&1 || fail "xfs_repair: $(tail -n 5 "$work/fsck")"
    fi
}

restore() { # FS N: in three ways, and each is what disk@N is
    local fs=$1 n=$2 i
    nbdcopy "$(uri "disk@$n")" "$work/wanted"
    # a chain of qcow2 files is what any of its members says
    qemu-img convert -f qcow2 -O raw "$backup/$n.qcow2" "$work/restored"
    cmp "$work/wanted" "$work/restored" || fail "the qcow2 chain up to $n is not disk@$n"
    # the maps' data, put onto the full backup one after another
    cp --sparse=always "$backup/0.raw" "$work/restored"
    for ((i = 1; i <= n; i++)); do
        apply_map "$i" "$work/restored"
    done
    cmp "$work/wanted" "$work/restored" || fail "the maps up to $n do not make disk@$n"
    check_file_system "$fs" "$work/restored"
    rm "$work/restored" "$work/wanted"
}

restore_to_volume() { # FS N: the file system is used after it
    "$VARVE" volumes create restored --size "$(stat -c %s "$backup/$2.raw")"
    nbdcopy --destination-is-zero "$backup/0.raw" "$(uri restored)"
    for ((i = 1; i <= $2; i++)); do
        nbdcopy --destination-is-zero --sparse=0 --request-size=4096 "$backup/$i.raw" "$(uri restored)"
    done
    nbdcopy "$(uri restored)" - | cmp - <(nbdcopy "$(uri "disk@$2")" -) || fail "the restored volume is not disk@$2"
    attach_block restored
    mount "$device" "$mnt"
    at_end leave_mount "$mnt"
    [ "$(find "$mnt/newest" -type f | wc -l)" = 30 ] || fail "files are missing on the restored volume"
    [ ! -e "$mnt/gone" ] || fail "a deleted file is back on the restored volume"
    umount "$mnt"
    detach_block
    "$VARVE" volumes delete restored --yes
}

story() {
    local fs=$1 exact sparse
    echo "$fs: a full backup"
    "$VARVE" volumes create disk --size $size
    attach_block disk
    "mkfs.$fs" -q "$device"
    detach_block
    mounted begin
    take 0
    nbdcopy "$(uri disk@0)" "$backup/0.raw"
    qemu-img convert -f raw -O qcow2 "$(uri disk@0)" "$backup/0.qcow2"
    ln -sfn 0.qcow2 "$backup/last.qcow2"

    echo "$fs: increments"
    mounted change_1
    take 1
    back_up_increment 1
    mounted change_2
    take 2
    back_up_increment 2
    "$VARVE" volumes resize disk --size $grown
    [ "$fs" != ext4 ] || grow_ext4
    mounted change_3 "$fs"
    take 3
    back_up_increment 3

    for n in 1 2 3; do
        [ "$(data_bytes "$backup/$n.map")" -lt $((96 << 20)) ] || fail "increment $n holds more than what changed"
        [ "$(data_bytes "$backup/$n.map")" -gt 0 ] || fail "increment $n is empty"
    done
    # The second one is zeroes for the most part, and they count. Without --sparse=0 they would be left out.
    [ "$(data_bytes "$backup/2.map")" -ge $((6 << 20)) ] || fail "zeroes that were written are not in the map"
    nbdcopy "$(uri disk@1..disk@2)" "$work/sparse"
    exact=$(stat -c %b "$backup/2.raw") sparse=$(stat -c %b "$work/sparse")
    [ $((exact - sparse)) -ge $((5 << 11)) ] || fail "$exact sectors with the zeroes, $sparse without"
    rm "$work/sparse"

    echo "$fs: restored to each point"
    for n in 1 2 3; do
        restore "$fs" "$n"
    done
    restore_to_volume "$fs" 3

    echo "$fs: over several snapshots at once, and with varve export"
    nbdcopy --sparse=0 --request-size=4096 "$(uri disk@0..disk@3)" "$backup/all.raw"
    "$VARVE" export disk@0..disk@3 "$backup/exported.raw"
    cmp "$backup/all.raw" "$backup/exported.raw" || fail "varve export and nbdcopy differ"
    nbdinfo --map --json "$(uri disk@0..disk@3)" >"$backup/all.map"
    compare_maps "$backup/exported.raw" "$backup/all.map"
    cp --sparse=always "$backup/0.raw" "$work/restored"
    truncate -s $grown "$work/restored"
    nbdcopy --destination-is-zero --sparse=0 --request-size=4096 --flush -- "$backup/exported.raw" [ qemu-nbd -f raw "$work/restored" ]
    nbdcopy "$(uri disk@3)" - | cmp - "$work/restored" || fail "disk@0 with disk@0..disk@3 on it is not disk@3"

    for n in 0 1 2 3; do
        "$VARVE" snapshots delete "disk@$n" --yes
    done
    "$VARVE" volumes delete disk --yes
    rm -r "$backup" "$work/restored"
    mkdir "$backup"
}

make_store
start_server
story ext4
story xfs
stop_server
"$VARVE" check --data
