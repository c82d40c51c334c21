#!/usr/bin/env bash
# Prints the path of a tar file of a small Debian system (systemd, no kernel) that runs
# /usr/local/sbin/at-boot on its console at each start. Made with mmdebstrap on first use, in some
# 60 seconds, and kept in the cache of kernel.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${VARVE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/varve-tests}/guest
recipe=$(sha256sum <"$here/system.sh" | cut -c 1-16)
tarball=$cache/system-$recipe.tar

mkdir -p "$cache"
exec 9>"$cache/system.lock"
flock 9
if [ ! -e "$tarball" ]; then
    echo "making $tarball" >&2
    scratch=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    trap 'exit 143' HUP INT TERM
    cat >"$scratch/at-boot.service" <<'END'
[Unit]
Description=What a test does at boot

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/at-boot
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/console
TimeoutSec=infinity

[Install]
WantedBy=multi-user.target
END
    # no network, logins or timers: they only lengthen a boot under software emulation
    mmdebstrap --quiet --mode=root --variant=minbase --include=systemd-sysv,e2fsprogs \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="copy-in $scratch/at-boot.service /etc/systemd/system" \
        --customize-hook='chroot "$1" systemctl enable at-boot.service' \
        --customize-hook='chroot "$1" systemctl mask getty.target serial-getty@ttyS0.service \
            apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
            e2scrub_reap.service systemd-timesyncd.service fstrim.timer' \
        --customize-hook='printf "/dev/vda1 / ext4 defaults 0 1\n" >"$1/etc/fstab"' \
        --customize-hook='echo varve-guest >"$1/etc/hostname"' \
        bookworm "$scratch/system.tar" >&2
    rm -f "$cache"/system-*.tar
    mv "$scratch/system.tar" "$tarball"
fi
echo "$tarball"
