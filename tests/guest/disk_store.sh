# Sourced after guest.sh by tests of a store on a guest's own disk (cut_disk.py says how that is laid out).
#
#   make_disk FILE                      a disk for a guest
#   store_script KIND RECORDS ARG…      prints a script that makes a store on it, serves it, and lets the writers of
#                                       write_sequence.py loose with ARG…; KIND is files, device (extents on a bare
#                                       partition) or buffered (so, through the page cache)
#   read_options ARG…                   sets $seed (--seed N, else by chance) and $count (--count N, else as it was)
# shellcheck shell=bash
# shellcheck source=guest.sh
. "$(dirname "${BASH_SOURCE[0]}")/guest.sh"
need sfdisk mkfs.ext4 losetup
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"

guest_tests=$top/tests/guest

make_disk() {
    "$guest_tests/verify_cut.py" --make "$1"
}

store_script() {
    local kind=$1 records=$2
    shift 2
    local init='' serve=''
    [ "$kind" = files ] || init='--device /dev/vda2'
    [ "$kind" != buffered ] || serve=--buffered
    # a small journal, so that checkpoints are many
    cat <<END
mkdir /mnt/disk
mount /dev/vda1 /mnt/disk
export VARVE_STORE=/mnt/disk/store
"$VARVE" init \$VARVE_STORE --limit 128M --journal 4M $init
"$VARVE" volumes create target --size 24M
"$VARVE" serve $serve >/run/server.log 2>&1 &
server=\$!
for _ in \$(seq 200); do
    ! grep -q '^varve: serving' /run/server.log || break
    sleep 0.1
done
"$guest_tests/write_sequence.py" --uri "nbd+unix:///target?socket=\$VARVE_STORE/nbd.sock" \
    --varve "$VARVE" --records $records $* || { cat /run/server.log; exit 1; }
kill -TERM \$server
wait \$server
umount /mnt/disk
END
}

# both are read by those who source this file
# shellcheck disable=SC2034
read_options() {
    seed=$RANDOM
    while [ $# -gt 0 ]; do
        case $1 in
        --seed) seed=$2 ;;
        --count) count=$2 ;;
        *) fail "unknown option '$1'" ;;
        esac
        shift 2
    done
}
