#!/usr/bin/env bash
# Prints a folder with `vmlinuz` and `initrd.gz` for the guests of these tests, made on first use:
# Debian's stock kernel (the package is unpacked, never installed) and an initramfs of busybox, the
# modules a guest needs, and init.sh. It lies in a cache outside the tree: VARVE_TEST_CACHE, by
# default ~/.cache/varve-tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${VARVE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/varve-tests}/guest
modules='virtio_pci virtio_net virtio_blk virtio_rng 9pnet_virtio 9p overlay nbd loop ext4 xfs vfat
    nls_ascii nls_cp437 dm_mod dm_flakey'

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
scratch=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 143' HUP INT TERM

fetch_kernel() {
    local package
    package=$(apt-cache depends linux-image-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    echo "fetching $package" >&2
    (cd "$scratch" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$package" >&2) || return 1
    dpkg -x "$scratch/$package"_*.deb "$scratch/kernel"
    mv "$scratch/kernel/boot/vmlinuz-"* "$scratch/kernel/vmlinuz"
    basename "$scratch/kernel/lib/modules/"* >"$scratch/kernel/version"
    depmod -b "$scratch/kernel" "$(cat "$scratch/kernel/version")"
    mv "$scratch/kernel" "$cache/kernel"
}

make_initrd() {
    local version root=$scratch/root module path
    version=$(cat "$cache/kernel/version")
    mkdir -p "$root"/{bin,modules,proc,sys,dev,host,layer,new}
    cp /bin/busybox "$root/bin/busybox"
    for path in sh mount umount insmod switch_root mkdir ip sed sleep tr; do
        ln -s busybox "$root/bin/$path"
    done
    for module in $modules; do
        modprobe -d "$cache/kernel" -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$scratch/list"
    # kmod answers with paths below lib/modules; the order is the order to insert them in
    while read -r path; do
        cp "$path" "$root/modules/"
        basename "$path"
    done <"$scratch/list" >"$root/modules/list"
    install -m 755 "$here/init.sh" "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$scratch/initrd.gz"
    mv "$scratch/initrd.gz" "$cache/initrd.gz"
    recipe >"$cache/recipe"
}

# What the initramfs is made from: when that changes, it is made again.
recipe() {
    cat "$cache/kernel/version"
    cat "$here/init.sh" "$here/kernel.sh" | sha256sum
}

if [ ! -e "$cache/kernel/vmlinuz" ]; then
    fetch_kernel || { apt-get -qq update >&2 && fetch_kernel; } ||
        { echo "cannot download the package that linux-image-amd64 depends on" >&2 && exit 1; }
    ln -sf kernel/vmlinuz "$cache/vmlinuz"
fi
if [ ! -e "$cache/initrd.gz" ] || ! recipe | cmp -s - "$cache/recipe"; then
    make_initrd
fi
echo "$cache"
