#!/usr/bin/env bash
# timeout: 180
# fio's nbd engine with verification: mixed block sizes at depth, then read again after kill -9.
. "$(dirname "$0")/../lib/server.sh"
need fio
export VARVE_STORE=$store

make_store
start_server
"$VARVE" volumes create random --size 256M
"$VARVE" volumes create sequential --size 256M

fio_on() {
    local volume=$1
    shift
    fio --ioengine=nbd --uri="$(uri "$volume")" --name="$volume" --thread --verify_fatal=1 \
        --verify_state_save=0 "$@" >"$work/fio.log" 2>&1 || {
        tail -n 30 "$work/fio.log" >&2
        fail "fio on $volume: $*"
    }
}

# Every block is written once, in an order that the seed decides, with sizes that no block aligns to.
random=(--rw=randwrite --bsrange=512-96k --bs_unaligned=0 --blockalign=512 --iodepth=32
    --randseed=7 --verify=crc32c-intel)
sequential=(--rw=write --bs=1m --iodepth=4 --verify=xxhash)

echo "1. written and verified at once"
fio_on random "${random[@]}" --do_verify=1
fio_on sequential "${sequential[@]}" --do_verify=1

echo "2. overwritten and verified while it is written, with flushes"
fio_on random --rw=randwrite --bs=4k --iodepth=32 --fsync=64 --verify=crc32c-intel \
    --verify_backlog=1024 --io_size=128M --randseed=9

echo "3. the sequential volume again, after kill -9"
kill_server
start_server
fio_on sequential "${sequential[@]}" --verify_only
stop_server
"$VARVE" check --data
