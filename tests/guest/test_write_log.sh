#!/usr/bin/env bash
# QEMU logs every write of a guest whose server keeps its store on the guest's disk; the log is replayed to its flushes, and to
# moments between them with a part of the unflushed writes lost or torn.
#
#   test_write_log.sh [--count N] [--seed N]    N such points (VARVE_REPLAYS) for each of VARVE_POWER_KINDS (see store_script)
#
# timeout: 900
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/disk_store.sh"

count=${VARVE_REPLAYS:-54}
operations=400 # of each writer
read_options "$@"

for kind in ${VARVE_POWER_KINDS:-files buffered}; do
    echo "the store's extents: $kind; seed $seed"
    make_disk "$work/disk"
    cp --sparse=always "$work/disk" "$work/before"
    truncate -s 0 "$work/log"
    store_script "$kind" /dev/vda3 --seed "$seed" --operations "$operations" >"$work/script"
    in_guest 400 "$work/script" \
        -blockdev "driver=file,filename=$work/disk,node-name=disk-file,cache.no-flush=on" \
        -blockdev "driver=raw,file=disk-file,node-name=disk" \
        -blockdev "driver=file,filename=$work/log,node-name=log-file,cache.no-flush=on" \
        -blockdev "driver=raw,file=log-file,node-name=log" \
        -blockdev "driver=blklogwrites,file=disk,log=log,node-name=logged" \
        -device virtio-blk-pci,drive=logged
    "$guest_tests/replay_log.py" --seed "$seed" --points "$count" "$work/before" "$work/log"
    rm "$work/disk" "$work/before" "$work/log"
done
