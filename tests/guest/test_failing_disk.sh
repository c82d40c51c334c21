#!/usr/bin/env bash
# The disk below the real server fails reads, writes and flushes, and comes back: clients get EIO, nobody gets wrong data, and what
# was flushed is there after a restart.
# timeout: 900
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/disk_store.sh"
need dmsetup

make_disk "$work/disk"
echo "DM_DISABLE_UDEV=1 TMPDIR=/run $(printf '%q ' "$guest_tests/failing_disk.py" "$@")" >"$work/script"
in_guest 800 "$work/script" -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe"
# the console's lines are marked as the guest's
sed -n 's/\r//; s/^count: /count: /p' "$console"
