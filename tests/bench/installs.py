"""The peers and the tools that the loads call, as Debian's packages, and a newer nbdkit."""

import os
import shutil
import subprocess

import targets

PACKAGES = {  # the program that shows that it is there, and its package
    "nbdkit": "nbdkit",
    "qemu-nbd": "qemu-utils",
    "nbd-server": "nbd-server",
    "fio": "fio",
    "nbdfuse": "libnbd-bin",
    "fusermount3": "fuse3",
    "mkfs.ext4": "e2fsprogs",
    "git": "git",
    "pgbench": "postgresql-client-common postgresql postgresql-contrib",
}
MODULES = {"nbd": "python3-libnbd", "matplotlib": "python3-matplotlib"}


def _missing():
    packages = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    for module, package in MODULES.items():
        try:
            __import__(module)
        except ImportError:
            packages.append(package)
    return " ".join(packages).split()


def install(say):
    packages = _missing()
    if not packages:
        return
    if os.geteuid() != 0:
        raise RuntimeError(f"not root, so install these first (or say --no-install): apt-get install {' '.join(packages)}")
    say(f"installing {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *words]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        if ran.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {ran.stderr.strip()}")


def newer_nbdkit(build):
    """The path of nbdkit 1.42, or None: only built when that is wanted (some three minutes, once)."""
    tool = targets.REPO / "tests/lib/nbdkit142"
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    built = os.path.join(cache, "varve/nbdkit-trixie/root/sbin/nbdkit")
    if os.access(built, os.X_OK):
        return built
    if not build:
        return None
    ran = subprocess.run([tool], stdout=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        raise RuntimeError("nbdkit 1.42 cannot be built; --no-install does without it")
    return ran.stdout.strip()
