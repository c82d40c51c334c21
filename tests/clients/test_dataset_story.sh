#!/usr/bin/env bash
# A dataset's life as its users see it: made from a folder, committed, tagged, read by two machines at once,
# changed into a next version, compared, verified; the first version goes, the second stays; the store is
# filled, and all its space comes back.
# timeout: 300
. "$(dirname "$0")/../lib/server.sh"
need nbdfuse fusermount3 losetup nbdcopy e2fsck jq
need_root
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"

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
    # the history of it all grows
    "$VARVE" stats --json | jq '.space.used_bytes - .space.catalog_bytes'
}

attach() {
    mkdir -p "$2"
    "$VARVE" attach --driver fuse "$@" >>"$work/attached"
}

undo_all() {
    local each
    for each in photos:prod "${first:-none}" desk "${second:-none}"; do
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
"$VARVE" datasets create --name photos --description "of a trip"
versions create photos --source-path "$folder/" --size 64M --message "first edition" >"$work/said"
first=$(sed -n 's/^Created dataset version: //p' "$work/said")
[ "$(cat "$work/said")" = "Created dataset version: $first"$'\n'"Committed dataset version: $first" ] ||
    fail "said: $(cat "$work/said")"
cost=$(versions details "$first" --json | jq .mapped_bytes)
[ "$cost" -lt 4000000 ] || fail "1 MB of files costs $cost bytes"
[ "$("$VARVE" datasets files list "$first" --recursive --json | jq '[.files[] | select(.path | endswith(".bin"))] | length')" = 200 ] ||
    fail "the list of files is not that of the folder"

step "a folder that cannot be read leaves no version"
refused 3 "$folder/gone" versions create photos --source-path "$folder/sub/" --source-path "$folder/gone"
[ "$(versions list photos --all --refs)" = "$first" ] || fail "a version was left"

step "committed, tagged, and never written again"
versions commit "$first" | grep -q "already committed" || fail "a second commit does not say that it is one"
"$VARVE" datasets tags set "$first" --name prod
nbdcopy "$(uri "$first")" "$work/first.img"
! nbdcopy --flush "$work/first.img" "$(uri "$first")" 2>"$work/said" || fail "a committed version was written"

step "read by two at once"
attach photos:prod "$work/one" --read-only
attach "$first" "$work/other" --read-only
for each in one other; do
    (cd "$work/$each" && sha256sum --quiet --strict -c "$work/first.sums") || fail "the files differ"
    ! touch "$work/$each/new" 2>"$work/said" || fail "a committed version was written"
done
refused 4 "attached" versions delete "$first" --yes
"$VARVE" detach "$work/other"
"$VARVE" detach "$work/one"

step "cloned to a volume, where files change and the version does not"
"$VARVE" volumes create desk --from photos:prod
attach desk "$work/desk"
(cd "$work/desk" && sha256sum --quiet --strict -c "$work/first.sums") || fail "the files of the clone differ"
rm -r "$work/desk/sub"
"$VARVE" detach desk
versions verify "$first"
"$VARVE" volumes delete desk --yes

step "the next version begins as a clone, at no cost"
second=$(made versions create photos --from photos:latest --message "second edition")
attach "$second" "$work/two"
echo "the second edition" >"$work/two/README"
rm "$work/two/sub/1.bin"
head -c 300000 /dev/urandom >"$work/two/new.bin"
(cd "$work/two" && find . -path ./lost+found -prune -o -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/second.sums"
mkdir "$work/extra"
echo "put without a mount" >"$work/extra/notes"
seq 100000 >"$work/README"
refused 4 "attached" "$VARVE" datasets files put "$second" --source-path "$work/extra"
"$VARVE" detach "$second"

step "files are put into it, and deleted, without a mount"
"$VARVE" datasets files put "$second" --source-path "$work/extra"
"$VARVE" datasets files put "$second" --source-path "$work/README" --target-path sub/2.bin
(cd "$work" && sha256sum ./extra/notes) >>"$work/second.sums"
sed -i "s|^[0-9a-f]*  ./sub/2.bin\$|$(sha256sum <"$work/README" | cut -d' ' -f1)  ./sub/2.bin|" "$work/second.sums"
"$VARVE" datasets files delete "$second" --path sub/3.bin --yes
sed -i '/sub\/3.bin$/d' "$work/second.sums"
refused 7 "never changes" "$VARVE" datasets files put "$first" --source-path "$work/extra"
versions commit "$second"
[ "$(versions list photos --refs)" = "$second"$'\n'"$first" ] || fail "the list is not newest first"
[ "$(versions details photos --json | jq -r .ref)" = "$second" ] || fail "the second is not the latest"

step "compared, and the tag moved by one who knows where it is"
versions diff "$first" "$second" --json >"$work/diff"
jq -r '.files.paths[] | "\(.change) \(.path)"' "$work/diff" | sort >"$work/changes"
printf '%s\n' "added extra" "added extra/notes" "added new.bin" "changed README" "changed sub/2.bin" "removed sub/1.bin" \
    "removed sub/3.bin" | diff - "$work/changes" || fail "the files of the difference"
[ "$(jq .changed_bytes "$work/diff")" -ge 300000 ] || fail "the blocks of the difference: $(cat "$work/diff")"
refused 11 "${first#photos:}" "$VARVE" datasets tags set "$second" --name prod --expect "${second#photos:}"
"$VARVE" datasets tags set "$second" --name prod --expect "${first#photos:}"
[ "$("$VARVE" datasets tags history photos --name prod --json | jq '.events | length')" = 2 ] || fail "the history"

step "both digests are true"
versions verify "$first"
versions verify "$second"
for ref in "$first" "$second"; do
    wanted=$(versions details "$ref" --json | jq -r .digest)
    found=$(/usr/bin/python3 "$top/tests/digest/recompute.py" "$(uri "$ref")")
    [ "$found" = "$wanted" ] || fail "the digest of $ref is $wanted, and its bytes have $found"
done

step "on another store the same content has the same digest"
wanted=$(versions details "$second" --json | jq -r .digest)
nbdcopy "$(uri "$second")" "$work/second.img"
"$VARVE" init "$work/elsewhere" --limit 192M
"$VARVE" datasets create --store "$work/elsewhere" --name copies
"$VARVE" import "$work/second.img" copies --store "$work/elsewhere" --format raw
copy=$(versions list copies --all --refs --store "$work/elsewhere")
found=$(versions commit "$copy" --json --store "$work/elsewhere" | jq -r .digest)
[ "$found" = "$wanted" ] || fail "the digest is $wanted here, and $found there"

step "the first goes, held no longer; the second lives"
refused 4 "prod" versions delete "$second" --yes
"$VARVE" holds add "$first" --reason "until the second is proven"
refused 4 "until the second is proven" versions delete "$first" --yes --force
"$VARVE" holds release "$first"
promised=$(versions delete "$first" --dry-run --json | jq .reclaimable_bytes)
[ "$promised" -gt 0 ] || fail "nothing would come back"
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
