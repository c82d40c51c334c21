#!/usr/bin/python3
"""The verbs of snapshots, without a server and with one."""

import subprocess
import time

import snapshot_verbs
from command import Store, run_cases

offline, served = Store(), Store()
stage = served.folder / "stage"
stage.mkdir()
served.environment["VARVE_STAGE_DIR"] = str(stage)
served.start()


def good_offline():
    snapshot_verbs.good(offline)


def bad_offline():
    snapshot_verbs.bad(offline)


def good_served():
    snapshot_verbs.good(served)


def bad_served():
    snapshot_verbs.bad(served)


def schedules_offline():
    snapshot_verbs.schedule(offline)


def schedules_served():
    snapshot_verbs.schedule(served)


def reserved_offline():
    snapshot_verbs.reserved(offline)


def reserved_served():
    snapshot_verbs.reserved(served)


def the_server_takes_what_is_scheduled():
    """Every second, and only the newest two stay; what a person took stays too."""
    served.done("volumes", "create", "often", "--size", "1M")
    served.done("snapshots", "create", "often@mine")
    served.done("snapshots", "schedule", "often", "--every", "1s", "--keep", "2")
    end = time.monotonic() + 60
    seen = set()
    while len(seen) < 5:
        assert time.monotonic() < end, f"only {seen} were taken: {served.log()}"
        seen.update(snapshot_verbs.names(served, "often"))
        time.sleep(0.1)
    served.done("snapshots", "schedule", "often", "--remove")
    left = served.json("snapshots", "list", "often")["snapshots"]
    assert left[0]["ref"] == "often@mine" and left[0]["schedule"] is None, left
    assert len(left) <= 4, "one may be taken and not yet thinned out"
    assert all(s["schedule"] == 1 and s["who"] == "schedule" for s in left[1:]), left
    for snapshot in left:
        served.done("snapshots", "delete", snapshot["ref"], "--yes")
    served.done("volumes", "delete", "often", "--yes")


def scheduled(volume):
    (found,) = served.json("snapshots", "schedules", volume)["schedules"]
    return found


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, served.log()
        time.sleep(0.1)


def a_schedule_that_fails_says_why():
    """A reserved volume in a full store: what there is stays, one sees why no more come, and it goes on by itself."""
    for name in ("tight", "filler"):
        served.done("volumes", "create", name, "--size", "16M", *(["--reserved"] if name == "tight" else []))
        data = served.folder / "data"
        data.write_bytes(b"\1" * (16 << 20))
        uri = f"nbd+unix:///{name}?socket={served.path}/nbd.sock"
        subprocess.run(["nbdcopy", "--flush", str(data), uri], check=True, timeout=60)
        if name == "tight":
            served.done("snapshots", "schedule", "tight", "--every", "1s", "--keep", "1")
            wait_until(lambda: snapshot_verbs.names(served, "tight"))
            assert scheduled("tight")["failed"] is None and scheduled("tight")["failure"] is None
            served.done("snapshots", "schedule", "tight", "--remove")
            for each in snapshot_verbs.names(served, "tight"):
                served.done("snapshots", "delete", each, "--yes")
    served.done("volumes", "create", "rest", "--size", "20M", "--reserved")
    served.done("snapshots", "schedule", "tight", "--every", "1s", "--keep", "1")
    wait_until(lambda: scheduled("tight")["failed"])
    why = scheduled("tight")["failure"]
    assert "reserved" in why and "bytes" in why, why
    assert scheduled("tight")["last"] is None and snapshot_verbs.names(served, "tight") == []
    assert why[:40] in served.done("snapshots", "schedules", "tight")
    served.done("volumes", "delete", "rest", "--yes")
    served.done("volumes", "delete", "filler", "--yes")
    wait_until(lambda: scheduled("tight")["failed"] is None and scheduled("tight")["last"])
    served.done("snapshots", "schedule", "tight", "--remove")
    for each in snapshot_verbs.names(served, "tight"):
        served.done("snapshots", "delete", each, "--yes")
    served.done("volumes", "delete", "tight", "--yes")


def the_file_that_outlives_a_server_has_the_name_of_the_manual():
    """By the manual's command one tells which file of a killed server belongs to which store."""
    command = "stat -c '%Hd %Ld %i %W' \"$0\" | xargs printf 'varve-%x-%x-%x-%x\\n'"
    name = subprocess.run(["sh", "-c", command, str(served.path / "journal")], check=True, capture_output=True, text=True).stdout
    assert (stage / name.strip()).is_file(), (name, list(stage.iterdir()))


def snapshots_survive_the_server():
    served.done("volumes", "create", "kept", "--size", "1M")
    served.done("snapshots", "create", "kept@a")
    served.kill()
    assert snapshot_verbs.names(served) == ["kept@a"]


run_cases(
    [
        good_offline,
        bad_offline,
        schedules_offline,
        reserved_offline,
        good_served,
        bad_served,
        schedules_served,
        reserved_served,
        the_server_takes_what_is_scheduled,
        a_schedule_that_fails_says_why,
        the_file_that_outlives_a_server_has_the_name_of_the_manual,
        snapshots_survive_the_server,
    ]
)
