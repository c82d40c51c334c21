#!/usr/bin/env bash
# `varve attach` of snapshots and versions: read-only, two snapshots of one file system mounted at once, a tag
# that moves while it is attached, and refs of the greatest length.
# timeout: 180
. "$(dirname "$0")/../lib/server.sh"
need nbdfuse fusermount3 losetup mkfs.ext4 jq
need_root
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"

export VARVE_STORE=$store
mkdir "$work/one" "$work/two" "$work/vol"

attach() {
    "$VARVE" attach --driver fuse "$@"
}

undo_all() {
    local each
    for each in "$work/one" "$work/two" "$work/vol"; do
        "$VARVE" detach "$each" 2>/dev/null || true
    done
    "$VARVE" detach "${long-none}" 2>/dev/null || true
}

make_store
start_server
at_end undo_all
"$VARVE" volumes create vol --size 64M
attach vol --mkfs ext4 "$work/vol"
echo first >"$work/vol/file"
sync -f "$work/vol/file"
"$VARVE" snapshots create vol@one # the file system is mounted: its journal is not replayed
echo second >"$work/vol/file"
sync -f "$work/vol/file"
"$VARVE" snapshots create vol@two

attach vol@one "$work/one"
attach vol@two "$work/two"
[ "$(cat "$work/one/file")" = first ] || fail "vol@one holds '$(cat "$work/one/file")'"
[ "$(cat "$work/two/file")" = second ] || fail "vol@two holds '$(cat "$work/two/file")'"
! touch "$work/one/x" 2>/dev/null || fail "a snapshot can be written"
! "$VARVE" snapshots delete vol@one --yes 2>/dev/null || fail "an attached snapshot was deleted"
status=0
attach vol@one --mkfs ext4 2>"$work/said" || status=$?
[ "$status" = 7 ] || fail "--mkfs on a snapshot ended with $status: $(cat "$work/said")"
"$VARVE" detach vol@one
"$VARVE" detach "$work/two"
"$VARVE" detach vol

# what was attached stays what it was when the tag moves
team=$(printf 't%.0s' {1..63}) name=$(printf 'n%.0s' {1..63}) tag=$(printf 'T%.0s' {1..128})
"$VARVE" datasets create --name "$team/$name" >/dev/null
long=$team/$name:$tag
for each in one two; do
    version=$("$VARVE" datasets versions create --id "$team/$name" --from "vol@$each" | sed 's/.*: //')
    "$VARVE" datasets versions commit "$version" --allow-dirty >/dev/null
    "$VARVE" datasets tags set --id "$version" --name "$tag" >/dev/null
    if [ "$each" = one ]; then
        attach "$long" "$work/one"
    fi
done
[ "$(cat "$work/one/file")" = first ] || fail "the version under '$work/one' changed with its tag"
"$VARVE" detach "$long"
attach "$long" "$work/one"
[ "$(cat "$work/one/file")" = second ] || fail "the tag was not followed"
"$VARVE" detach "$work/one"
left=$(find "$store/run" -mindepth 1 ! -name attach.lock)
[ -z "$left" ] || fail "left behind: $left"
echo "refs of every form can be attached"
