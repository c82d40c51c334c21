#!/usr/bin/env bash
# timeout: 240
# What is trimmed, overwritten or deleted goes back to the file system below the store.
. "$(dirname "$0")/../lib/server.sh"
need fio jq
export VARVE_STORE=$store

disk_mib() { echo $(($(du -sk "$store/extents" | cut -f1) / 1024)); }
at_most() { [ "$(disk_mib)" -le "$1" ]; }
fill() {
    fio --ioengine=nbd --uri="$(uri "$1")" --name=fill --thread --rw=write --bs=1m --iodepth=4 \
        --end_fsync=1 >"$work/fio.log" 2>&1 || fail "fio: $(tail -n 5 "$work/fio.log")"
}

make_store
start_server
empty=$(disk_mib)
"$VARVE" volumes create one --size 256M
"$VARVE" volumes create two --size 256M

echo "1. two volumes are filled"
fill one
fill two
[ "$(disk_mib)" -ge $((empty + 512)) ] || fail "512 MiB were written, and $(disk_mib) MiB are on disk"

# Freed space waits for a checkpoint, and those may be half a minute apart.
echo "2. half of one is trimmed, a quarter zeroed: 192 MiB come back"
/usr/bin/python3 -m nbd -u "$(uri one)" -c '
h.trim(128 << 20, 0)
h.zero(64 << 20, 128 << 20)
h.flush()
assert h.pread(32 << 20, 0) == bytes(32 << 20)
assert h.pread(32 << 20, 160 << 20) == bytes(32 << 20)
assert h.pread(4096, 192 << 20) != bytes(4096)'

echo "3. many small trims that leave every second MiB: 128 MiB come back"
/usr/bin/python3 -m nbd -u "$(uri two)" -c '
for start in range(0, 256 << 20, 2 << 20):
    for part in range(4):
        h.trim(256 << 10, start + (part << 18))
h.flush()'
try_for 60 at_most $((empty + 192 + 32)) || fail "$(disk_mib) MiB are still on disk, $empty at the start"

echo "4. overwriting over and over does not make the store grow"
"$VARVE" volumes create three --size 64M
for _ in 1 2 3 4 5 6 7 8; do fill three; done
try_for 60 at_most $((empty + 256 + 64)) || fail "$(disk_mib) MiB are on disk after 8 times 64 MiB in one place"

echo "5. all volumes are deleted: all comes back, in the store and below it"
for volume in one two three; do "$VARVE" volumes delete "$volume" --yes; done
try_for 60 at_most $((empty + 16)) || fail "$(disk_mib) MiB are still on disk, $empty at the start"
stop_server
"$VARVE" check --data
