#!/usr/bin/env bash
# A device of `varve attach` on the kernel's nbd driver outlives its server: fio that verifies on one, a mounted
# ext4 with writes on another, and ten times kill -9 and a new server. No request fails and nothing is lost.
# timeout: 900
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/guest.sh"
need fio mkfs.ext4 fsck.ext4 pgrep

truncate -s 2G "$work/disk"
mkfs.ext4 -q "$work/disk"

cat >"$work/script" <<END
varve() {
    "$VARVE" "\$@"
}
serve() {
    "$VARVE" serve "\$@" >/run/server.log 2>&1 &
    server=\$!
    for _ in \$(seq 300); do
        ! grep -q '^varve: serving' /run/server.log || return 0
        sleep 0.1
    done
    cat /run/server.log
    return 1
}
END
cat >>"$work/script" <<'END'
check() {
    "$@" || { echo "not true: $*" && return 1; }
}
# A process that has ended is seen until somebody has waited for it.
watchers_are() {
    for _ in $(seq 50); do
        [ "$(pgrep -c varve-attach)" != "$1" ] || return 0
        sleep 0.1
    done
    pgrep -a varve-attach
    return 1
}
# kill_watcher PID
kill_watcher() {
    kill -KILL "$1"
    while [ -e "/proc/$1" ]; do sleep 0.1; done
}
kill_server() {
    kill -KILL $server
    wait $server || true
}
# log_comes_to NAME TEXT: what the watcher of that volume writes
log_comes_to() {
    local log=$VARVE_STORE/run/attach-$1/log
    for _ in $(seq 100); do
        ! grep -q "$2" "$log" || return 0
        sleep 0.1
    done
    cat "$log"
    return 1
}
# others_write NAME: the server goes, and before the next one comes somebody writes to that volume
others_write() {
    kill_server
    (
        serve --socket /run/other.sock
        qemu-io -f raw -c 'write -P 7 0 4k' "nbd+unix:///$1?socket=/run/other.sock"
        kill -TERM $server
        wait $server
    )
    serve
    log_comes_to "$1" 'others wrote'
}
# fio and files, until /run/stop is there
verify_device() {
    local runs=0
    while [ ! -e /run/stop ]; do
        fio --name=verify --filename="$1" --rw=randrw --bsrange=4k-64k --size=16M --ioengine=libaio --iodepth=8 \
            --direct=1 --fsync=32 --verify=crc32c --verify_fatal=1 --allow_mounted_write=1 --randseed=$runs \
            --output=/run/fio.log >/run/fio.errors 2>&1 || { cat /run/fio.log /run/fio.errors; return 1; }
        runs=$((runs + 1))
    done
    echo "fio verified $runs times"
}
write_files() {
    local n
    for ((n = 1; ; n++)); do
        [ ! -e /run/stop ] || break
        yes "$n" | head -c 30000 >"/mnt/volume/$n"
        [ $((n % 5)) != 0 ] || sync -f "/mnt/volume/$n"
    done 2>/dev/null
    echo $((n - 1)) >/run/files
}
mkdir /mnt/disk /mnt/volume
mount /dev/vda /mnt/disk
export VARVE_STORE=/mnt/disk/store
varve init $VARVE_STORE
serve
varve volumes create one --size 64M
varve volumes create two --size 512M
device=$(varve attach one --retry 3 | tail -n 1)
varve attach two --retry 3 --mkfs ext4 /mnt/volume
check watchers_are 2

verify_device "$device" &
fio=$!
(set +o pipefail; write_files) &
files=$!
for round in 1 2 3 4 5 6 7 8 9 10; do
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    kill_server
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    serve
    echo "killed $round times"
done
# A stop that is not a death is no different for the device, also when the server comes back later.
for round in 1 2 3; do
    kill -TERM $server
    wait $server
    sleep $((round * 2 - 2))
    serve
    sleep 2
done
kill -TERM $server
wait $server
sleep 5
serve
sleep 5
touch /run/stop
wait $fio
wait $files
count=$(cat /run/files)
echo "$count files"
check [ "$count" -gt 20 ]

umount /mnt/volume
mount "$(sed -n 's/.*"device": "\(.*\)".*/\1/p' $VARVE_STORE/run/attach-two/state)" /mnt/volume
for ((n = 1; n <= count; n++)); do
    (yes "$n" || true) | head -c 30000 | cmp - "/mnt/volume/$n"
done
cat $VARVE_STORE/run/attach-two/log
check grep -q 'made anew' $VARVE_STORE/run/attach-two/log
if dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|Buffer I/O'; then exit 1; fi

# somebody else wrote in between, where the device could not come back: it would mix old with new
others_write one

# the volume is another one than before: the device is not given to it
kill_server
varve detach one --force
varve volumes delete one --yes
varve volumes create one --size 64M
serve
sleep 2
device=$(varve attach one --hold 60 --retry 3 | tail -n 1)
dd if=/dev/urandom of="$device" bs=1M count=1 oflag=direct status=none
kill_server
varve volumes delete one --yes
varve volumes create one --size 64M
serve
log_comes_to one 'no longer what was attached'
check [ "$(varve volumes show one --json | sed -n 's/.*"mapped_bytes": \([0-9]*\).*/\1/p')" = 0 ]
kill_server
varve detach one --force
serve

# the wait has an end, and what comes after it is served again
device=$(varve attach one --hold 2 --retry 2 | tail -n 1)
kill_server
if dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; then exit 1; fi
echo "the wait had an end"
serve
for _ in $(seq 60); do
    ! dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null || break
    sleep 0.5
done
dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct status=none
varve detach one

# the watcher is killed: attach starts another
check watchers_are 1
kill_watcher "$(pgrep varve-attach)"
varve attach two
check watchers_are 1
kill_server
serve
echo after >/mnt/volume/after
sync -f /mnt/volume/after

# … and what is written through the connections that the killed one left is nobody else's
varve volumes create three --size 64M
device=$(varve attach three --hold 60 --retry 3 | tail -n 1)
kill_watcher "$(pgrep -n varve-attach)"
varve attach three
sleep 2
dd if=/dev/urandom of="$device" bs=4k count=1 oflag=direct status=none
kill_server
serve
dd if=/dev/urandom of="$device" bs=4k count=1 oflag=direct status=none
# … but once these are gone it is known again who writes
others_write three
kill_server
varve detach three --force
serve

varve detach two
check watchers_are 0
check [ -z "$(ls -d $VARVE_STORE/run/attach-* 2>/dev/null)" ]
kill -TERM $server
wait $server
varve check --data
umount /mnt/disk
END

in_guest 800 "$work/script" -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe"
