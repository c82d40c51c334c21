#!/usr/bin/env bash
# A dataset's life as its users see it: made from a folder, committed, tagged, read by two machines at once,
# changed into a next version, compared, verified; the first version goes, the second stays; the store is
# filled, and all its space comes back.
# timeout: 300
. "$(dirname "$0")/../lib/server.sh"
need nbdfuse fusermount3 losetup nbdcopy mke2fs e2fsck jq
need_root
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"
"$VARVE" datasets versions commit --help >"$work/help" 2>&1 || skip "this build cannot commit"

step() {
    echo "== $*"
}

versions() {
    "$VARVE" datasets versions "$@"
}

# refused CODE TEXT COMMAND…: it ends with that code and says so
refused() {
    local code=$1 text=$2 status=0
    shift 2
    "$@" >"$work/printed" 2>"$work/said" || status=$?
    [ "$status" = "$code" ] || fail "$* ended with $status, not $code: $(cat "$work/said")"
    grep -qF -- "$text" "$work/said" || fail "$* does not say '$text': $(cat "$work/said")"
}

# made COMMAND…: what stands behind the colon of the line it prints
made() {
    "$@" | sed -n 's/^Created dataset version: //p'
}

used() {
    "$VARVE" stats --json | jq .space.used_bytes
}

attach() {
    mkdir -p "$2"
    "$VARVE" attach --driver fuse "$@" >>"$work/attached"
}

undo_all() {
    local each
    for each in photos:prod desk "${second:-none}"; do
        "$VARVE" detach "$each" 2>/dev/null || true
    done
}

make_store --limit 192M --journal 4M
start_server
at_end undo_all
"$VARVE" volumes create warmup --size 1M
"$VARVE" volumes delete warmup --yes
empty=$(used)

step "a dataset from a folder"
folder=$work/folder
mkdir -p "$folder/sub"
for i in $(seq 1 200); do
    head -c $((i * 37)) /dev/urandom >"$folder/sub/$i.bin"
done
echo "the first edition" >"$folder/README"
(cd "$folder" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/first.sums"
mke2fs -q -t ext4 -d "$folder" "$work/disk.img" 64M
"$VARVE" datasets create --name photos --description "of a trip" --size 64M
first=$(made versions create photos --message "first edition")
nbdcopy --flush "$work/disk.img" "$(uri "$first")"

step "committed and tagged"
refused 7 "not committed" "$VARVE" datasets tags set "$first" --name prod
versions commit "$first" >"$work/committed"
grep -qx "Committed dataset version: $first" "$work/committed" || fail "said: $(cat "$work/committed")"
versions commit "$first" | grep -q "already committed" || fail "a second commit does not say that it is one"
"$VARVE" datasets tags set "$first" --name prod
! nbdcopy --flush "$work/disk.img" "$(uri "$first")" 2>"$work/said" || fail "a committed version was written"

step "read by two at once"
attach photos:prod "$work/one" --read-only
(cd "$work/one" && sha256sum --quiet --strict -c "$work/first.sums") || fail "the files differ"
nbdcopy "$(uri photos:prod)" "$work/second-reader.img"
cmp "$work/disk.img" "$work/second-reader.img"
refused 4 "attached" versions delete "$first" --yes
"$VARVE" detach photos:prod

if "$VARVE" volumes create --help | grep -q -- --from; then
    step "cloned to a volume, where files change and the version does not"
    "$VARVE" volumes create desk --from photos:prod
    attach desk "$work/desk"
    (cd "$work/desk" && sha256sum --quiet --strict -c "$work/first.sums") || fail "the files of the clone differ"
    rm -r "$work/desk/sub"
    "$VARVE" detach desk
    versions verify "$first"
    "$VARVE" volumes delete desk --yes
fi

step "the next version begins as a clone, at no cost"
second=$(made versions create photos --from photos:latest --message "second edition")
attach "$second" "$work/two"
echo "the second edition" >"$work/two/README"
rm "$work/two/sub/1.bin"
head -c 300000 /dev/urandom >"$work/two/new.bin"
(cd "$work/two" && find . -path ./lost+found -prune -o -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/second.sums"
"$VARVE" detach "$second"
versions commit "$second"
[ "$(versions list photos --refs)" = "$second"$'\n'"$first" ] || fail "the list is not newest first"
[ "$(versions details photos --json | jq -r .ref)" = "$second" ] || fail "the second is not the latest"

step "compared, and the tag moved by one who knows where it is"
versions diff "$first" "$second" --json >"$work/diff"
refused 11 "${first#photos:}" "$VARVE" datasets tags set "$second" --name prod --expect "${second#photos:}"
"$VARVE" datasets tags set "$second" --name prod --expect "${first#photos:}"
[ "$("$VARVE" datasets tags history photos --name prod --json | jq '.events | length')" = 2 ] || fail "the history"

step "both digests are true; then the first goes, and the second lives"
versions verify "$first"
versions verify "$second"
for ref in "$first" "$second"; do
    wanted=$(versions details "$ref" --json | jq -r .digest)
    found=$(/usr/bin/python3 "$top/tests/digest/recompute.py" "$(uri "$ref")")
    [ "$found" = "$wanted" ] || fail "the digest of $ref is $wanted, and its bytes have $found"
done
refused 4 "prod" versions delete "$second" --yes
versions delete "$first" --yes
versions verify photos:prod
nbdcopy "$(uri photos:prod)" "$work/second.img"
e2fsck -fn "$work/second.img" >"$work/fsck" 2>&1 || fail "the second version is not clean: $(cat "$work/fsck")"
attach photos:prod "$work/one" --read-only
(cd "$work/one" && sha256sum --quiet --strict -c "$work/second.sums") || fail "the files of the second differ"
"$VARVE" detach photos:prod

step "the store is filled, and what was promised still holds"
"$VARVE" volumes create big --size 1G
! /usr/bin/python3 - "$(uri big)" <<'P' 2>"$work/said" || fail "the store never became full"
import os, sys, nbd
handle = nbd.NBD()
handle.connect_uri(sys.argv[1])
for at in range(0, 1 << 30, 1 << 20):
    handle.pwrite(os.urandom(1 << 20), at)
handle.flush()
P
grep -qi "space" "$work/said" || fail "it failed otherwise: $(cat "$work/said")"
versions verify photos:prod
"$VARVE" volumes delete big --yes
"$VARVE" datasets delete photos --yes

step "all space is back"
all_back() {
    [ "$(used)" -le "$empty" ]
}
try_for 60 all_back || fail "$(used) bytes are in use, $empty were at the start"
"$VARVE" check --data
stop_server
