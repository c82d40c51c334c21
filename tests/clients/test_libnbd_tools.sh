#!/usr/bin/env bash
# timeout: 120
# nbdinfo and nbdcopy on a served store, over the Unix socket and over TCP.
. "$(dirname "$0")/../lib/server.sh"
need nbdinfo nbdcopy jq
export VARVE_STORE=$store

make_store
port=$(free_port)
start_server --listen "127.0.0.1:$port"
"$VARVE" volumes create first --size 192M
"$VARVE" volumes create second --size 1T

echo "1. nbdinfo lists every volume, with its size"
nbdinfo --list --json "$(uri '')" >"$work/list.json"
jq -r '.exports | sort_by(."export-name")[] | ."export-name" + " " + (."export-size" | tostring)' \
    "$work/list.json" >"$work/list"
diff "$work/list" - <<END
first $((192 << 20))
second $((1 << 40))
END
[ "$(nbdinfo --size "$(uri second)")" = $((1 << 40)) ] || fail "nbdinfo --size of second"

echo "2. what an export can"
for ability in write flush fua trim zero fast-zero cache multi-conn; do
    nbdinfo --can "$ability" "$(uri first)" || fail "nbdinfo --can $ability says no"
done
! nbdinfo --is rotational "$(uri first)" || fail "nbdinfo --is rotational says yes"
nbdinfo --json "$(uri first)" >"$work/info.json"
jq -e '.exports[0] | .block_size_minimum == 1 and .block_size_preferred == 4096 and .block_size_maximum == 33554432' \
    "$work/info.json" >/dev/null || fail "block sizes: $(grep block_size "$work/info.json")"

echo "3. nbdcopy in: a file with data and holes, content and holes arrive"
source=$work/source
truncate -s 192M "$source"
dd if=/dev/urandom of="$source" bs=1M count=40 conv=notrunc status=none
dd if=/dev/urandom of="$source" bs=1M count=24 seek=100 conv=notrunc status=none
nbdcopy --flush "$source" "$(uri first)"
nbdinfo --map --json "$(uri first)" >"$work/map.json"
jq -r '[.[] | select(.type == 0).length] | add' "$work/map.json" | {
    read -r mapped
    [ "$mapped" = $((64 << 20)) ] || fail "$mapped bytes are mapped, must be $((64 << 20))"
}

echo "4. nbdcopy out, over the socket and over TCP, and between two exports"
wanted=$(sha256sum <"$source")
nbdcopy "$(uri first)" "$work/copy"
[ "$(sha256sum <"$work/copy")" = "$wanted" ] || fail "the copy over the socket differs"
nbdcopy "nbd://127.0.0.1:$port/first" "$work/copy.tcp"
[ "$(sha256sum <"$work/copy.tcp")" = "$wanted" ] || fail "the copy over TCP differs"
"$VARVE" volumes create third --size 192M
nbdcopy --connections=4 "$(uri first)" "$(uri third)"
nbdcopy "$(uri third)" - | sha256sum | {
    read -r sum
    [ "$sum" = "$wanted" ] || fail "the copy from export to export differs"
}

echo "5. an export that is not there is refused, by name and by path"
for name in fourth ../first first/ '%2e%2e%2fcatalog.db'; do
    ! nbdinfo --size "$(uri "$name")" 2>"$work/refusal" || fail "the export '$name' is served"
done

echo "6. the same after kill -9"
kill_server
start_server
nbdcopy "$(uri first)" - | sha256sum | {
    read -r sum
    [ "$sum" = "$wanted" ] || fail "the content after kill -9 differs"
}
stop_server
"$VARVE" check --data
