#!/usr/bin/env bash
# timeout: 120
# A volume of 1 TiB costs nothing until it is written, and then what was written.
. "$(dirname "$0")/../lib/server.sh"
need nbdinfo nbdcopy qemu-io mkfs.ext4 jq
export VARVE_STORE=$store

disk_kib() { du -sk "$store" | cut -f1; }

make_store
start_server
# the store's file grows in steps of some MiB: the first step is not the large volume's
"$VARVE" volumes create first --size 1M
# nor are the catalog's two copies, which the first two changes make
"$VARVE" volumes create second --size 1M
used() {
    "$VARVE" stats --json | jq '.space.used_bytes - .space.catalog_bytes'
}

echo "1. creating it takes no time and no space"
before=$(disk_kib)
used_before=$(used)
started=$(date +%s%N)
"$VARVE" volumes create large --size 1T
took=$((($(date +%s%N) - started) / 1000000))
grown=$(($(disk_kib) - before))
used=$(($(used) - used_before))
echo "   $took ms, $grown KiB on disk, $used bytes of the store"
[ "$took" -lt 2000 ] || fail "creating 1 TiB took $took ms"
[ "$grown" -le 1024 ] || fail "creating 1 TiB took $grown KiB of disk"
[ "$used" -le 65536 ] || fail "creating 1 TiB took $used bytes of the store"
[ "$(nbdinfo --size "$(uri large)")" = $((1 << 40)) ] || fail "its size is wrong"

echo "2. its map is one hole, told at once"
[ "$(nbdinfo --map --totals "$(uri large)" | awk '{print $1, $NF}')" = "$((1 << 40)) hole,zero" ] ||
    fail "the map is: $(nbdinfo --map --totals "$(uri large)")"

echo "3. blocks at both ends and in the middle, and trimming nearly all of it, are cheap"
started=$SECONDS
qemu-io -f raw "$(uri large)" -c 'write -P 1 0 64k' -c 'write -P 2 512G 64k' \
    -c "write -P 3 $(((1 << 40) - 65536)) 64k" -c 'flush' >"$work/io"
/usr/bin/python3 -m nbd -u "$(uri large)" -c '
for start in range(1 << 20, 1023 << 30, 1 << 30):
    h.trim(1 << 30, start)
assert h.pread(4096, 512 << 30) == bytes(4096), "trimmed, but not zero"
assert h.pread(4096, 0) == b"\1" * 4096
assert h.pread(4096, (1 << 40) - 4096) == b"\3" * 4096'
[ $((SECONDS - started)) -le 20 ] || fail "that took $((SECONDS - started)) s"

echo "4. an ext4 file system over all of it"
"$VARVE" volumes create formatted --size 1T
before=$(disk_kib)
truncate -s 1T "$work/image"
mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=1 "$work/image"
nbdcopy --destination-is-zero "$work/image" "$(uri formatted)"
grown=$(($(disk_kib) - before))
echo "   $grown KiB on disk"
[ "$grown" -le 65536 ] || fail "formatting took $grown KiB"
stop_server
"$VARVE" check --data
