#!/usr/bin/env bash
# timeout: 120
# qemu-img and qemu-io: convert in and out, compare, and an internal qcow2 image on a volume.
. "$(dirname "$0")/../lib/server.sh"
need qemu-img qemu-io jq
export VARVE_STORE=$store

make_store
start_server
"$VARVE" volumes create raw --size 128M
"$VARVE" volumes create image --size 160M

echo "1. a raw image and a qcow2 image are converted into a volume and compared"
dd if=/dev/urandom of="$work/source" bs=1M count=50 status=none
truncate -s 128M "$work/source"
qemu-img convert -q -f raw -O qcow2 "$work/source" "$work/source.qcow2"
for format in raw qcow2; do
    from=$work/source
    [ $format = raw ] || from=$work/source.qcow2
    qemu-img convert -q -n -f $format -O raw "$from" "$(uri raw)"
    qemu-img compare -f $format -F raw "$from" "$(uri raw)"
    [ $format = qcow2 ] || qemu-io -f raw "$(uri raw)" -c 'discard 0 128M' >"$work/io"
done

echo "2. a volume is converted out"
qemu-img convert -q -f raw -O qcow2 "$(uri raw)" "$work/out.qcow2"
qemu-img compare -f qcow2 -F raw "$work/out.qcow2" "$work/source"
[ "$(qemu-img info --output=json "$work/out.qcow2" | jq '."actual-size"')" -lt $((60 << 20)) ] ||
    fail "the holes of the volume were copied as data"

echo "3. a qcow2 image inside a volume"
qemu-img create -q -f qcow2 "$(uri image)" 128M
qemu-img convert -q -n -f raw -O qcow2 "$work/source" "$(uri image)"
qemu-img check -q -f qcow2 "$(uri image)"
qemu-img compare -f raw -F qcow2 "$work/source" "$(uri image)"

echo "4. patterns of qemu-io: write, write zeroes, discard, read back"
qemu-io -f raw "$(uri raw)" \
    -c 'write -P 0xa5 1M 3M' -c 'write -P 0x5a 1537k 9k' -c 'write -z 2M 64k' -c 'discard 3M 512k' \
    -c 'flush' >"$work/io"
qemu-io -r -f raw "$(uri raw)" \
    -c 'read -P 0xa5 1M 513k' -c 'read -P 0x5a 1537k 9k' -c 'read -P 0xa5 1546k 502k' \
    -c 'read -P 0 2M 64k' -c 'read -P 0 3M 512k' -c 'read -P 0xa5 3584k 512k' >>"$work/io"
! grep -iE 'verification failed|error' "$work/io" || fail "qemu-io read something else"

echo "5. the same after kill -9"
kill_server
start_server
qemu-img compare -f raw -F qcow2 "$work/source" "$(uri image)"
stop_server
"$VARVE" check --data
