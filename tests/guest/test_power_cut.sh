#!/usr/bin/env bash
# The power goes while a server in a guest writes to the guest's own disk: what its page cache and memory held is lost. What
# was flushed is there afterwards, and the rest is a prefix of what was answered.
#
#   test_power_cut.sh [--count N] [--seed N]    N cuts (VARVE_POWER_CUTS) for each of VARVE_POWER_KINDS (see store_script)
#
# timeout: 900
. "$(dirname "$0")/../lib/server.sh"
. "$(dirname "$0")/disk_store.sh"

count=${VARVE_POWER_CUTS:-10}
read_options "$@"
echo "seed $seed (the moments of the cuts differ all the same)"
: >"$work/verified"

# The guest and the machine below it are one process: when it stands still, its disk is what a kill leaves.
stand_still() {
    kill -STOP "$guest_pid"
    try_for 10 all_threads_stopped || fail "QEMU does not stop"
}

all_threads_stopped() {
    # the name in the second field may hold anything but a ')'
    ! sed 's/.*) //' /proc/"$guest_pid"/task/*/stat | grep -qv '^[Tt]'
}

verify() {
    "$guest_tests/verify_cut.py" --seed "$seed" "$1" "$2" || fail "after power cut $n of a guest with $kind, seed $seed"
    echo >>"$work/verified"
    rm -f "$1" "$2"
}

cut_power() {
    kind=$1
    make_disk "$work/disk"
    store_script "$kind" "\$shared/records" --seed "$seed" >"$work/script"
    # the host lives on, so what the guest's disk has taken is on it: no need to wait for the host's own disk
    began=$SECONDS
    start_guest "$work/script" -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe"
    : >"$shared/records"
    try_for 200 test -s "$shared/records" || {
        show_console
        fail "nothing was written"
    }
    echo "the guest writes after $((SECONDS - began)) s"
    for ((n = 1; n < count; n++)); do
        sleep "0.$((RANDOM % 900 + 100))"
        kill -0 "$guest_pid" 2>/dev/null || {
            show_console
            fail "the guest ended by itself"
        }
        stand_still
        cp --sparse=always "$work/disk" "$work/cut"
        cp "$shared/records" "$work/records"
        kill -CONT "$guest_pid"
        verify "$work/cut" "$work/records"
    done
    sleep "0.$((RANDOM % 900 + 100))"
    kill -KILL "$guest_pid"
    wait "$guest_pid" || true
    guest_pid=
    cp "$shared/records" "$work/records"
    verify "$work/disk" "$work/records"
}

for kind in ${VARVE_POWER_KINDS:-files buffered}; do
    echo "the store's extents: $kind"
    cut_power "$kind"
done
echo "count: power cuts of a guest $(wc -l <"$work/verified")"
