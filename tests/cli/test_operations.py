#!/usr/bin/python3
"""Long requests say how far they are, and can be cancelled: through the door, by a signal, with a server and without."""
# timeout: 300

import json
import os
import pty
import select
import signal
import subprocess
import threading
import time

import nbd

from command import BUSY, CANCELLED, DONE, NO_ANSWER, NOT_FOUND, VARVE, Store, run_cases

SIZE = 1 << 30
PIECE = 32 << 20
SECONDS = 30


class Slow(threading.Thread):
    """Lets a process run for a small part of the time only, so that a moment's work takes a while."""

    STOPPED = 0.04  # seconds
    RUNNING = 0.0015

    def __init__(self, pid):
        super().__init__()
        self.pid, self.over = pid, False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()

    def run(self):
        while not self.over:
            try:
                os.kill(self.pid, signal.SIGSTOP)
                time.sleep(self.STOPPED)
                os.kill(self.pid, signal.SIGCONT)
            except ProcessLookupError:  # it came to its end, and was waited for
                return
            time.sleep(self.RUNNING)


store = Store(init=False)
store.done("init", str(store.path), "--limit", "3G")


def fill():
    store.done("volumes", "create", "demo", "--size", str(SIZE))
    client = nbd.NBD()
    client.connect_uri(f"nbd+unix:///demo?socket={store.path}/nbd.sock")
    piece = os.urandom(PIECE)
    for offset in range(0, SIZE, PIECE):
        client.pwrite(piece, offset)
    client.flush()
    client.shutdown()


def start_check(*words, stderr=subprocess.PIPE):
    return subprocess.Popen(
        [VARVE, "check", "--data", *words],
        env=store.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def running():
    """What runs now, once there is something."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        operations = store.json("operations", "list")["operations"]
        if operations:
            return operations
    raise AssertionError(f"nothing runs after {SECONDS} s")


def ended(process, code, says=""):
    printed, said = process.communicate(timeout=SECONDS)
    assert process.returncode == code, f"{process.returncode}, not {code}: {printed}{said}"
    assert says in said, said
    return printed, said


def first_line(process):
    """What it says first on its way, as soon as it says it."""
    assert select.select([process.stderr], [], [], SECONDS)[0], f"nothing is said within {SECONDS} s"
    return process.stderr.readline()


def none_runs():
    assert store.run("operations", "list").stderr == "Nothing runs long now.\n"
    store.refused(NOT_FOUND, "operations", "cancel", "varve-0", says="varve-0")


def cancelled_through_the_door():
    process = start_check()
    with Slow(store.server.pid):
        (operation,) = running()
        assert operation["what"] == f"check of {store.path}", operation
        assert operation["unit"] == "bytes" and 0 <= operation["done"] <= operation["total"], operation
        assert operation["total"] >= SIZE and not operation["cancelled"], operation
        assert operation["token"] in store.done("operation", "list")
        assert store.done("operations", "cancel", operation["token"]) == f"Cancelled operation: {operation['token']}\n"
    printed, _ = ended(process, CANCELLED, "was cancelled")
    assert printed == "", printed
    none_runs()


def cancelled_by_a_signal():
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start_check()
        with Slow(store.server.pid):
            running()
            process.send_signal(number)
            ended(process, CANCELLED, "was cancelled")
        none_runs()


def the_second_signal_ends_the_command():
    """The first is noted, and its cancelling takes a while; the request does not outlive the cancelling."""
    process = start_check()
    with Slow(store.server.pid):
        running()
        os.kill(store.server.pid, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    assert process.returncode in (-signal.SIGINT, CANCELLED), process.returncode


def a_command_that_is_killed_leaves_its_request():
    process = start_check()
    with Slow(store.server.pid):
        (operation,) = running()
        process.kill()
        process.communicate()
        time.sleep(0.5)
        (still,) = running()
        assert still["token"] == operation["token"] and not still["cancelled"], still
        store.refused(BUSY, "check", says="running")
        store.done("operations", "cancel", operation["token"])
    end = time.monotonic() + SECONDS
    while store.json("operations", "list")["operations"]:
        assert time.monotonic() < end


def lines_without_a_terminal():
    process = start_check()
    with Slow(store.server.pid):
        running()
        time.sleep(1)
    assert ended(process, DONE)[1] == "", "nothing is said unless it is asked for"
    process = start_check("--progress")
    with Slow(store.server.pid):
        said = first_line(process)
    said += ended(process, DONE)[1]
    assert "checking data: " in said and " of 1.0 GiB, " in said and " %" in said, said
    assert "\r" not in said and "\033" not in said, said


def a_line_on_a_terminal():
    """It is drawn in place and taken away at the end."""
    ours, theirs = pty.openpty()
    process = start_check("--json", stderr=theirs)
    os.close(theirs)
    with Slow(store.server.pid):
        assert select.select([ours], [], [], SECONDS)[0], f"nothing is drawn within {SECONDS} s"
        drawn = os.read(ours, 65536)
    while select.select([ours], [], [], SECONDS)[0]:
        try:
            drawn += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    printed, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == DONE and json.loads(printed)["problems"] == 0, printed
    assert b"\rchecking data: " in drawn and b"\n" not in drawn, drawn
    assert drawn.endswith(b"\r\033[K"), drawn


def a_stop_of_the_server_cancels():
    process = start_check()
    with Slow(store.server.pid):
        running()
    began = time.monotonic()
    assert store.stop() == 0
    assert time.monotonic() - began < 10
    process.communicate(timeout=SECONDS)
    assert process.returncode in (CANCELLED, NO_ANSWER, DONE), process.returncode


def without_a_server():
    store.refused(NO_ANSWER, "operations", "list", says="nobody serves")
    process = start_check("--progress")
    with Slow(process.pid):
        said = first_line(process)
        process.send_signal(signal.SIGINT)
        ended(process, CANCELLED, "was cancelled")
    assert said.startswith("checking data: "), said
    assert "Problems: 0" in store.done("check")


store.start()
fill()
run_cases(
    [
        none_runs,
        cancelled_through_the_door,
        cancelled_by_a_signal,
        the_second_signal_ends_the_command,
        a_command_that_is_killed_leaves_its_request,
        lines_without_a_terminal,
        a_line_on_a_terminal,
        a_stop_of_the_server_cancels,
        without_a_server,
    ]
)
