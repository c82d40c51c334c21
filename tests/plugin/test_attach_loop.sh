#!/usr/bin/env bash
# `varve attach` and `detach` through nbdfuse and a loop device: what they make, refuse and undo, also when
# they or the server die halfway. With the kernel's driver: guest/test_attach.
# timeout: 300
. "$(dirname "$0")/../lib/server.sh"
need nbdfuse fusermount3 losetup sfdisk mkfs.ext4 jq
need_root
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"

export VARVE_STORE=$store
place=$work/place
said=$work/said
mkdir "$place"

attach() {
    "$VARVE" attach --driver fuse "$@"
}

# refused CODE TEXT COMMAND…: it ends with that code, one sentence with the text, and nothing printed
refused() {
    local code=$1 text=$2 status=0
    shift 2
    "$@" >"$work/printed" 2>"$said" || status=$?
    [ "$status" = "$code" ] || fail "$* ended with $status, not $code: $(cat "$said")"
    [ ! -s "$work/printed" ] || fail "$* printed something: $(cat "$work/printed")"
    [ "$(wc -l <"$said")" = 1 ] || fail "$* said more than a line: $(cat "$said")"
    grep -qF -- "$text" "$said" || fail "$* does not say '$text': $(cat "$said")"
}

nothing_left() {
    local left
    left=$(find "$store/run" -mindepth 1 ! -name attach.lock)
    [ -z "$left" ] || fail "left behind: $left"
    ! losetup --list --noheadings --output BACK-FILE | grep -F "$store" || fail "a loop device is left"
    ! grep -F "$store/run" /proc/self/mountinfo || fail "a mount is left"
    ! pgrep -f "nbdfuse.*$store/run" || fail "nbdfuse is left"
}

holder=
end_holder() {
    [ -n "$holder" ] || return 0
    kill "$holder"
    wait "$holder" || true
    holder=
}

undo_all() {
    local each
    for each in one two three; do
        "$VARVE" detach "$each" 2>/dev/null || true
    done
}

make_store
start_server
at_end undo_all
for name in one two three; do
    "$VARVE" volumes create "$name" --size 256M
done

echo "== a bare device"
device=$(attach one)
[ "$(blockdev --getsize64 "$device")" = $((256 << 20)) ] || fail "$device has another size"
[ "$(blockdev --getss "$device")" = 512 ] || fail "$device has another sector"
dd if=/dev/urandom of="$work/random" bs=1M count=8 status=none
dd if="$work/random" of="$device" bs=1M seek=3 conv=notrunc,fsync status=none
cmp -n $((8 << 20)) "$work/random" "$device" 0 $((3 << 20)) || fail "other bytes come back"
refused 4 "already, as $device" attach one
"$VARVE" detach one
nothing_left
nbdcopy "$(uri one)" "$work/copy"
cmp -n $((8 << 20)) "$work/random" "$work/copy" 0 $((3 << 20)) || fail "the volume holds other bytes"

echo "== a file system, mounted"
attach two "$place" --mkfs ext4 >"$work/printed"
device=$(cat "$work/printed")
[ -b "$device" ] || fail "$device is no device"
mountpoint -q "$place" || fail "nothing is mounted"
echo kept >"$place/file"
refused 4 "$place" env -C "$place" "$VARVE" detach two
[ "$(cat "$place/file")" = kept ] || fail "a refused detach took something away"
"$VARVE" detach "$place"
nothing_left
[ -z "$(ls "$place")" ] || fail "something is mounted still"

echo "== a mountpoint that is named from where one stands"
attach two "$place" >/dev/null
(cd "$(dirname "$place")" && "$VARVE" detach "$(basename "$place")")
nothing_left

echo "== again, read-only"
attach two "$place" --read-only >/dev/null
[ "$(cat "$place/file")" = kept ] || fail "the file is not there"
! touch "$place/other" 2>/dev/null || fail "a read-only mount was written"
"$VARVE" detach two
nothing_left

echo "== mkfs spares what is there"
refused 8 "not blank" attach two --mkfs ext4
refused 8 "not blank" attach one --mkfs ext4 "$place"
nothing_left
attach one --mkfs ext4 --force "$place" >/dev/null
[ ! -e "$place/file" ] || fail "the mount is of another volume"
device=$(losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$store" | cut -d' ' -f1)
"$VARVE" detach "$device"
nothing_left

echo "== partitions"
device=$(attach three --json | jq -r .device)
printf '%s\n' label:gpt size=64M size=64M | sfdisk -q "$device"
"$VARVE" detach three
nothing_left
refused 2 "has partitions" attach three "$place"
device=$(attach three)
[ -b "${device}p1" ] && [ -b "${device}p2" ] || fail "the partitions do not appear"
mkfs.ext4 -q "${device}p2"
mount "${device}p2" "$place"
echo partition >"$place/file"
"$VARVE" detach three # unmounts what the user mounted, too
nothing_left
[ -z "$(ls "$place")" ] || fail "something is mounted still"
[ ! -e "${device}p2" ] || fail "${device}p2 is left"

echo "== several at once"
attach one "$place" >/dev/null
attach three >/dev/null
"$VARVE" detach one
"$VARVE" detach three
nothing_left

echo "== refusals"
refused 3 nope attach nope
refused 2 "$work/nowhere" attach one "$work/nowhere"
refused 2 "not a directory" attach one "$said"
refused 2 "'../x'" attach one --mkfs ../x
refused 1 "mkfs.nofs" attach one --mkfs nofs
refused 2 "--read-only" attach one --mkfs ext4 --read-only
refused 2 "--force" attach one --force
refused 2 "--hold -1" "$VARVE" attach one --hold -1
refused 2 "--hold 90000" "$VARVE" attach one --hold 90000
refused 2 "--retry 1 " "$VARVE" attach one --retry 1
refused 2 "'ndb'" "$VARVE" attach one --driver ndb
refused 3 "not attached" "$VARVE" detach one
refused 3 "$work/nowhere" "$VARVE" detach "$work/nowhere"
"$VARVE" volumes create blank --size 8M
refused 2 "add --mkfs" attach blank "$place"
refused 2 "is blank" attach blank --read-only "$place"
refused 9 "no server listens" attach one --socket "$socket.none"
nothing_left

echo "== what cannot be mounted is undone"
(yes "no file system" || true) | head -c 256M >"$work/nothing"
nbdcopy "$work/nothing" "$(uri one)"
refused 1 "$place" attach one "$place"
nothing_left

echo "== another client writes"
mkfifo "$work/never"
exec 8<>"$work/never"
/usr/bin/python3 -c '
import sys, nbd
h = nbd.NBD()
h.connect_uri(sys.argv[1])
h.pwrite(b"x", 0)
print("holds", flush=True)
sys.stdin.read()' "$(uri two)" <"$work/never" >"$work/holder" &
holder=$!
at_end end_holder
try_for 10 grep -q holds "$work/holder"
device=$(attach two 2>"$said")
grep -q "can only be read" "$said" || fail "no word of the other client: $(cat "$said")"
[ "$(blockdev --getro "$device")" = 1 ] || fail "$device can be written"
"$VARVE" detach two
attach two --mkfs ext4 --force 2>"$said" && fail "mkfs on what another client writes"
grep -q "can only be read" "$said" || fail "no word of the other client: $(cat "$said")"
nothing_left
end_holder

echo "== interrupted and killed attaches"
for delay in 0.01 0.03 0.06 0.1 0.15 0.2 0.3; do
    for signal in TERM KILL; do
        "$VARVE" attach --driver fuse one --mkfs ext4 --force "$place" >/dev/null 2>"$said" &
        attacher=$!
        sleep "$delay"
        kill -"$signal" "$attacher" 2>/dev/null || true
        status=0
        wait "$attacher" || status=$?
        case $signal,$status in
        *,0) "$VARVE" detach one ;;
        TERM,*) nothing_left ;;
        KILL,*)
            # either verb clears it away
            if [ "$delay" = 0.03 ] || [ "$delay" = 0.15 ]; then
                "$VARVE" detach one 2>"$said" || grep -q "not attached" "$said" || fail "$(cat "$said")"
            else
                attach one --mkfs ext4 --force "$place" >/dev/null 2>"$said" || fail "$(cat "$said")"
                "$VARVE" detach one
            fi
            ;;
        esac
        nothing_left
    done
done

echo "== the server dies"
attach two "$place" >/dev/null
kill_server
"$VARVE" detach two 2>"$said" || fail "$(cat "$said")"
nothing_left
refused 9 "serve" attach two
start_server
attach two "$place" >/dev/null
[ "$(cat "$place/file")" = kept ] || fail "the file is gone"
"$VARVE" detach two
nothing_left
stop_server
refused 9 "serve" attach two
