# Sourced by tests that need a kernel of their own: boots one under QEMU's software emulation.
#
#   . "$(dirname "$0")/guest.sh"
#   in_guest SECONDS SCRIPT [QEMU ARG…]   runs the shell script SCRIPT as root in a guest that has
#       the host's root, read-only with a tmpfs above it, and its own /run, /mnt and /dev/shm.
#       Fails unless the script ended with 0 in that time. The console is in $console.
#   start_guest SCRIPT [QEMU ARG…]        the same in the background; sets $guest_pid
#   wait_guest SECONDS                    … and its end
#   guest_says TEXT                       true when the console has shown that line
#   tell_guest NAME, await_guest SECONDS NAME   the two halves of a rendezvous with a running script,
#                                         which has `tell NAME`, `await NAME` and the folder $shared
#   boot_machine QEMU ARG…                a machine that boots from what the arguments bring, in the
#                                         background; sets $guest_pid
#
# In the guest 10.0.2.2 is the host's 127.0.0.1. Without KVM a boot takes about 10 seconds.
# shellcheck shell=bash
# shellcheck source=../lib/cleanup.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/cleanup.sh"

need qemu-system-x86_64 busybox cpio depmod
need_root
guest_kernel=$("$top/tests/guest/kernel.sh") || fail "there is no guest kernel"
console=$work/console
shared=$work/shared
guest_pid=

boot_machine() {
    : >"$console"
    qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
        -display none -monitor none -no-reboot -serial "file:$console" \
        -device virtio-rng-pci "$@" </dev/null >"$work/qemu.log" 2>&1 &
    guest_pid=$!
    at_end end_guest "$guest_pid"
}

start_guest() {
    local script=$1
    shift
    rm -rf "$shared"
    mkdir "$shared"
    guest_program "$script" >"$work/guest.program"
    chmod +x "$work/guest.program"
    boot_machine -kernel "$guest_kernel/vmlinuz" -initrd "$guest_kernel/initrd.gz" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off guest.script=$work/guest.program" \
        -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=host,mount_tag=hostroot \
        -fsdev "local,id=shared,path=$shared,security_model=none" \
        -device virtio-9p-pci,fsdev=shared,mount_tag=shared \
        -netdev user,id=net -device virtio-net-pci,netdev=net "$@"
}

# The guest's first program: the verdict goes over the console as one marked line, and before it the line that
# made it a bad one.
guest_program() {
    cat <<END
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mkdir -p /run/tmp /run/shared
export TMPDIR=/run/tmp shared=/run/shared
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none shared /run/shared
tell() { touch "/run/shared/\$1"; }
await() { until [ -e "/run/shared/\$1" ]; do sleep 0.2; done; }
export -f tell await
cd /run
said() { [ "\$BASH_SUBSHELL" != 0 ] || echo "line \$1 failed: \$2"; }
export -f said
bash -eEu -o pipefail -c 'trap "said \\\$LINENO \"\\\$BASH_COMMAND\" >&2" ERR; . "\$0"' \
    $(printf %q "$1") </dev/null >/dev/console 2>&1
echo "guest verdict \$?" >/dev/console
sync & # which hangs when the script left a device without its server behind
for _ in {1..50}; do
    ! kill -0 \$! 2>/dev/null || sleep 0.2
done
echo o >/proc/sysrq-trigger
sleep 60
END
}

tell_guest() {
    touch "$shared/$1"
}

await_guest() {
    try_for "$1" guest_came_to "$2" || {
        show_console
        fail "the guest did not come to '$2' within $1 seconds"
    }
}

guest_came_to() {
    [ -e "$shared/$1" ] || kill -0 "$guest_pid" 2>/dev/null || {
        show_console
        fail "the guest ended before it came to '$1'"
    }
    [ -e "$shared/$1" ]
}

wait_guest() {
    local deadline=$((SECONDS + $1))
    while kill -0 "$guest_pid" 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || {
            show_console
            fail "the guest did not end within $1 seconds"
        }
        sleep 0.2
    done
    wait "$guest_pid" || {
        cat "$work/qemu.log" >&2
        show_console
        fail "QEMU ended with an error"
    }
    guest_pid=
}

in_guest() {
    local seconds=$1
    shift
    start_guest "$@"
    wait_guest "$seconds"
    show_console
    guest_says 'guest verdict 0' || fail "the script failed in the guest"
}

guest_says() {
    tr -d '\r' <"$console" | grep -qxF -- "$1"
}

show_console() {
    sed 's/\r//g; s/^/guest: /' "$console"
}

end_guest() {
    [ "$guest_pid" = "$1" ] || return 0
    kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    return 0
}
