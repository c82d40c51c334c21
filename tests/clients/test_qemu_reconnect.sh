#!/usr/bin/env bash
# timeout: 180
# QEMU's NBD client with reconnect-delay goes on over kill -9 of the server, and nothing it wrote is lost.
. "$(dirname "$0")/../lib/server.sh"
need qemu-img qemu-io
export VARVE_STORE=$store

make_store
start_server
"$VARVE" volumes create disk --size 256M

reconnecting="driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=$socket,file.export=disk,file.reconnect-delay=60"
dd if=/dev/urandom of="$work/source" bs=1M count=256 status=none

end_copier() {
    [ -z "$copier" ] || kill "$copier" 2>/dev/null || true
}

echo "1. an image is copied in while the server is killed five times"
qemu-img convert -q -n -W -r 40M -f raw --target-image-opts "$work/source" "$reconnecting" &
copier=$!
at_end end_copier
for _ in 1 2 3 4 5; do
    sleep 0.6
    kill -0 "$copier" 2>/dev/null || fail "the copy ended before the server was killed five times"
    kill_server
    start_server
done
wait "$copier" || fail "qemu-img saw an error"
copier=

echo "2. all of it is there, after one more kill"
kill_server
start_server
qemu-img compare -f raw -F raw "$work/source" "$(uri disk)"
stop_server
"$VARVE" check --data
