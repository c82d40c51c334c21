#!/usr/bin/env bash
# QEMU logs every write of a guest whose server keeps its store on the guest's disk; the log is replayed to its flushes, and to
# moments between them with a part of the unflushed writes lost or torn. VARVE_REPLAYS is the number of such points for each of
# VARVE_POWER_KINDS (those of store_script).
# timeout: 900
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/disk_store.sh"

points=${VARVE_REPLAYS:-60}
operations=${VARVE_REPLAY_OPERATIONS:-400}
seed=${VARVE_SEED:-$RANDOM}

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
    "$guest_tests/replay_log.py" --seed "$seed" --points "$points" "$work/before" "$work/log"
    rm "$work/disk" "$work/before" "$work/log"
done
