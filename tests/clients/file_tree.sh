# Sourced by tests that fill a file system with a real tree of this machine and compare it later.
#
#   choose_tree LIMIT        picks up to LIMIT files below /usr, small ones, and notes their digests
#   copy_tree DIRECTORY      copies them there, with their folders, owners, modes and times
#   compare_tree DIRECTORY   every file is there with the bytes that were noted, and no other
#
# shellcheck shell=bash
# shellcheck source=../lib/cleanup.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/cleanup.sh"

tree_list=$work/tree.list
tree_digests=$work/tree.sha256

choose_tree() {
    # head ends the pipe early and a signal tells find so: that is no failure
    (set +o pipefail; find /usr/share /usr/lib -xdev -type f -size -128k -readable 2>/dev/null |
        grep -v "[\\\\']" | head -n "$1" | sed 's|^/||') >"$tree_list"
    (cd / && xargs -d '\n' sha256sum) <"$tree_list" >"$tree_digests"
    # a machine with little more on it than the tests' needs has 14,000
    [ "$(wc -l <"$tree_list")" -ge $(($1 < 12000 ? $1 : 12000)) ] ||
        fail "only $(wc -l <"$tree_list") files below /usr, $1 are wanted"
    echo "   a tree of $(wc -l <"$tree_list") files"
}

copy_tree() {
    tar -C / -cf - --no-recursion -T "$tree_list" | tar -C "$1" -xf - --same-owner -p
}

compare_tree() {
    local found
    (cd "$1" && sha256sum --quiet --strict -c "$tree_digests") >"$work/differs" 2>&1 || {
        head -n 10 "$work/differs" >&2
        fail "$(wc -l <"$work/differs") files below $1 differ"
    }
    found=$(find "$1" -type f | wc -l)
    [ "$found" = "$(wc -l <"$tree_list")" ] || fail "$found files below $1, $(wc -l <"$tree_list") were copied"
}
