#!/usr/bin/python3
"""The door's socket: who may use it, whose it replaces, and how the command finds out who serves."""

import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

from command import NO_ANSWER, NOT_PERMITTED, VARVE, Store, run_cases

store = Store()


def mode_whatever_the_umask_is():
    before = os.umask(0)
    store.start()
    os.umask(before)
    assert stat.S_IMODE(store.door.stat().st_mode) == 0o600, oct(store.door.stat().st_mode)
    assert store.stop() == 0
    assert not store.door.exists(), "a stopped server leaves its socket behind"


def a_dead_servers_socket_is_replaced():
    store.start()
    store.kill()
    assert store.door.exists()
    store.done("volumes", "create", "a", "--size", "1M")  # nobody serves: in this process
    store.start()
    assert store.done("volumes", "list", "--names") == "a\n"
    assert store.stop() == 0


def what_is_not_a_socket_is_not_replaced():
    store.door.write_text("mine")
    ran = store.run("serve", timeout=30)
    assert ran.returncode != 0 and "not a socket" in ran.stderr, ran
    assert store.door.read_text() == "mine"
    store.door.unlink()


def a_server_that_is_stuck():
    """The server is stopped in its tracks: a command gives up with one sentence."""
    store.start()
    os.kill(store.server.pid, signal.SIGSTOP)
    try:
        store.refused(NO_ANSWER, "volumes", "list", says="does not answer", timeout=90)
    finally:
        os.kill(store.server.pid, signal.SIGCONT)
    store.done("volumes", "list")
    assert store.stop() == 0


def a_server_that_is_starting():
    """A command that comes while the store is being opened waits for the door."""
    for _ in range(5):
        server = threading.Thread(target=store.start)
        server.start()
        time.sleep(0.02)
        store.done("volumes", "list")
        server.join()
        assert store.stop() == 0


def a_door_that_is_not_ours():
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(store.door))
        other.listen()

        def talk():
            peer, _ = other.accept()
            peer.recv(1000)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            peer.close()

        thread = threading.Thread(target=talk)
        thread.start()
        store.refused(NO_ANSWER, "volumes", "list", says="not JSON")
        thread.join()
    store.door.unlink()


def another_user():
    if os.getuid() != 0:
        print("  (only root can try this)")
        return
    store.start()
    store.folder.chmod(0o755)
    mode = stat.S_IMODE(store.path.stat().st_mode)
    store.path.chmod(0o755)
    # the build folder may not be open to others
    copy = pathlib.Path(shutil.copy(VARVE, store.folder / "varve"))
    copy.chmod(0o755)
    ran = subprocess.run([copy, "volumes", "list"], env=store.environment, user=65534, group=65534,
                         extra_groups=[], capture_output=True, text=True, timeout=30, check=False)
    store.path.chmod(mode)
    assert ran.returncode == NOT_PERMITTED, ran
    assert store.stop() == 0


def a_deep_folder():
    """A store may lie deeper than a Unix address is long."""
    deep = store.folder
    for _ in range(12):
        deep = deep / ("d" * 20)
    deep.mkdir(parents=True)
    at = ["--store", str(deep / "s")]
    store.done("init", str(deep / "s"), "--limit", "64M", "--journal", "1M")
    store.done("volumes", "create", "a", "--size", "1M", *at)
    assert store.done("volumes", "list", "--names", *at) == "a\n"


def a_proxy_in_the_environment():
    store.start()
    for name in ("http_proxy", "all_proxy", "ALL_PROXY"):
        store.done("volumes", "list", env={name: "http://127.0.0.1:1"})
    assert store.stop() == 0


run_cases([
    mode_whatever_the_umask_is, a_dead_servers_socket_is_replaced, what_is_not_a_socket_is_not_replaced,
    a_server_that_is_starting, a_door_that_is_not_ours, another_user, a_deep_folder,
    a_proxy_in_the_environment, a_server_that_is_stuck,
])
