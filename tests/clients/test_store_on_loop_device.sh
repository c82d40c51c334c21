#!/usr/bin/env bash
# timeout: 120
# A store whose extents lie on a block device: a loop device over a file.
. "$(dirname "$0")/../lib/server.sh"
need losetup nbdcopy mkfs.ext4 jq
need_root
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"
export VARVE_STORE=$store

truncate -s 512M "$work/disk"
device=$(losetup --find --show "$work/disk")
at_end losetup --detach "$device"

echo "1. a device that holds something is not taken without --force"
mkfs.ext4 -q "$device"
! "$VARVE" init "$store" --device "$device" 2>"$work/refusal" || fail "init took a device with ext4 on it"
grep -q ext4 "$work/refusal" || fail "the refusal does not name ext4: $(cat "$work/refusal")"
[ ! -e "$store" ] || fail "the refused init left $store behind"
e2fsck -fn "$device" >/dev/null 2>&1 || fail "the refused init changed the device"

echo "2. init --force, serve, write, read back after kill -9"
"$VARVE" init "$store" --device "$device" --force
start_server
"$VARVE" volumes create disk --size 1G
dd if=/dev/urandom of="$work/source" bs=1M count=200 status=none
truncate -s 1G "$work/source"
nbdcopy "$work/source" "$(uri disk)"
kill_server
start_server
nbdcopy "$(uri disk)" - | cmp - "$work/source"

echo "3. the limit is the device: the store is full before the volume is"
[ "$("$VARVE" stats --json | jq .space.limit_bytes)" -le $((512 << 20)) ] || fail "the limit is above the device"
"$VARVE" volumes create more --size 1G
! dd if=/dev/urandom bs=1M count=500 status=none | nbdcopy - "$(uri more)" 2>"$work/full" ||
    fail "500 MiB more fit on a device of 512 MiB"
"$VARVE" volumes delete more --yes
nbdcopy "$(uri disk)" - | cmp - "$work/source"

echo "4. a trimmed volume gives its blocks back to the file below the device"
before=$(du -sk "$work/disk" | cut -f1)
/usr/bin/python3 -m nbd -u "$(uri disk)" -c 'h.trim(1 << 30, 0)' -c 'h.flush()'
smaller() { [ "$(du -sk "$work/disk" | cut -f1)" -le $((before - 150 * 1024)) ]; }
try_for 60 smaller || fail "the file below had $before KiB and has $(du -sk "$work/disk" | cut -f1)"
stop_server
"$VARVE" check --data

echo "5. the device is held while the store is: a second server is refused"
start_server
! timeout 20 "$VARVE" serve --store "$store" --socket "$work/second.sock" 2>"$work/refusal" </dev/null ||
    fail "a second server took the store"
kill_server
