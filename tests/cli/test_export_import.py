#!/usr/bin/python3
"""varve export and import: raw and qcow2, good and bad input, with a server and without, cancelled and failing."""
# timeout: 300

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

from command import BUSY, CANCELLED, EXISTS, FAILED, NO_SPACE, NOT_FOUND, NOT_PERMITTED, USAGE, VARVE, Store, run_cases

for tool in ("nbdcopy", "qemu-img", "qemu-nbd"):
    if shutil.which(tool) is None:
        print(f"{tool} is not installed (tools/setup --tests)")
        sys.exit(77)

MIB = 1 << 20
SIZE = 24 * MIB + 512
store = Store(init=False)
store.done("init", str(store.path), "--limit", "512M")
folder = store.folder


def make_source(path, seed):
    """Data, zeroes that are data, and holes; odd edges."""
    chance = random.Random(seed)
    content = bytearray(SIZE)
    for _ in range(12):
        start = chance.randrange(SIZE - MIB)
        length = chance.randrange(1, MIB)
        content[start : start + length] = chance.randbytes(length)
    content[-512:] = chance.randbytes(512)
    path.write_bytes(content)
    return bytes(content)


def volumes():
    return store.done("volumes", "list", "--names").split()


def nothing_is_left():
    left = [p.name for p in folder.iterdir() if p.name not in ("store", "server.log", "source.raw", "source.qcow2")]
    assert not left, left


def round_trip():
    """What goes in comes out, in each pair of formats."""
    raw, qcow2 = folder / "source.raw", folder / "source.qcow2"
    content = make_source(raw, 1)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2], check=True)
    said = store.done("import", str(raw), "a")
    assert said.startswith("Imported volume: a (24") and said.endswith(" MiB)\n"), said
    assert store.json("import", str(qcow2), "b")["size"] == SIZE
    assert volumes() == ["a", "b"]
    for name in ("a", "b"):
        out = folder / "out"
        answer = store.json("export", name, str(out))
        assert answer == {"ref": name, "file": str(out.resolve()), "format": "raw", "size": SIZE}, answer
        assert out.read_bytes() == content, name
        assert out.stat().st_blocks * 512 < SIZE * 3 // 4, "holes take space"
        assert out.stat().st_mode & 0o777 == 0o666 & ~current_umask()
        out.unlink()
        named = folder / "named.qcow2"
        assert store.json("export", name, str(named))["format"] == "qcow2"
        assert store.json("export", name, str(named), "--format", "raw", "--force")["format"] == "raw"
        named.unlink()
        store.done("export", name, str(out), "--format", "qcow2")
        info = json.loads(subprocess.run(["qemu-img", "info", "--output=json", out], capture_output=True, check=True).stdout)
        assert (info["format"], info["virtual-size"]) == ("qcow2", SIZE), info
        subprocess.run(["qemu-img", "check", "-q", out], check=True)
        subprocess.run(["qemu-img", "convert", "-O", "raw", out, folder / "back"], check=True)
        assert (folder / "back").read_bytes() == content, name
        (folder / "back").unlink()
        out.unlink()
    # larger than the image, and by another name of the format
    assert store.json("import", str(raw), "c", "--size", "32M", "--format", "raw")["size"] == 32 * MIB
    store.done("export", "c", str(folder / "c"))
    assert (folder / "c").read_bytes() == content + bytes(32 * MIB - SIZE)
    (folder / "c").unlink()
    # a qcow2 file is bytes like any other when one says so
    store.done("import", str(qcow2), "d", "--format", "raw")
    store.done("export", "d", str(folder / "d"))
    assert (folder / "d").read_bytes()[: qcow2.stat().st_size] == qcow2.read_bytes()
    (folder / "d").unlink()
    for name in volumes():
        store.done("volumes", "delete", name, "--yes")
    nothing_is_left()


def versions(dataset):
    return store.json("datasets", "versions", "list", dataset, "--all")["versions"]


def into_a_dataset():
    """The bare name of a dataset gets a new version, which is not committed; a failure leaves none."""
    raw = folder / "source.raw"
    for name in ("ds", "team/ds"):
        store.done("datasets", "create", "--name", name)
        said = store.done("import", str(raw), name, "-m", "first")
        made = versions(name)
        assert len(made) == 1 and said == f"Created dataset version: {made[0]['ref']}\n", (said, made)
        assert made[0]["message"] == "first" and made[0]["size"] == SIZE and not made[0]["committed"], made
        store.done("export", made[0]["ref"], str(folder / "out"))
        assert (folder / "out").read_bytes() == raw.read_bytes()
        (folder / "out").unlink()
        shown = store.json("import", str(raw), name, "--size", "32M")
        assert shown["size"] == 32 * MIB and shown["mapped_bytes"] > 0, shown
        store.refused(USAGE, "import", str(raw), made[0]["ref"], says="is there")
        store.refused(USAGE, "import", str(raw), name, "--size", "1M", says="less than")
        assert len(versions(name)) == 2
        store.done("datasets", "delete", name, "--yes", "--force")
    store.refused(NOT_FOUND, "import", str(raw), "team/absent", says="'team/absent'")
    store.refused(USAGE, "import", str(raw), "new", "-m", "x", says="--message")
    assert volumes() == []
    nothing_is_left()


def history():
    """Who reads the history later learns of which file a volume or version is, also of a half one that is gone."""
    raw, qcow2 = folder / "source.raw", folder / "source.qcow2"
    before = len(store.json("log", "h")["events"])
    store.done("import", os.path.relpath(raw), "h")
    lines = [(e["kind"], e["what"]) for e in store.json("log", "h")["events"]]
    (kind, what), rest = lines[0], lines[1:]
    hidden = what.removeprefix(f"imported from {raw.resolve()}; renamed from ")
    assert kind == "volume" and hidden.startswith("h.import-") and len(rest) == before, lines
    made = store.json("log", hidden)["events"]
    assert [e["what"] for e in made] == [f"created with {SIZE} bytes, to import {raw.resolve()}"], made
    assert f"  imported from {raw.resolve()}; renamed" in store.done("log", "h")
    store.done("datasets", "create", "--name", "hd")
    store.done("import", str(qcow2), "hd")
    ref = versions("hd")[0]["ref"]
    assert versions("hd")[0]["incomplete"] is False
    whats = [e["what"] for e in store.json("log", ref)["events"]]
    assert whats == [f"imported from {qcow2.resolve()}", f"created with {SIZE} bytes, to import {qcow2.resolve()}"], whats
    # a name that is no text, and one that is longer than the history keeps
    odd = pathlib.Path(os.fsdecode(bytes(folder / "odd") + b"\xff\n.raw"))
    deep = folder.joinpath(*["d" * 200] * 6)
    deep.mkdir(parents=True)
    for path, shown in ((odd, f"{folder.resolve()}/odd??.raw"), (deep / "far.raw", "far.raw")):
        shutil.copy(raw, path)
        store.done("import", str(path), "odd")
        assert store.json("log", "odd")["events"][0]["what"].startswith(f"imported from {shown}; "), path
        store.done("volumes", "delete", "odd", "--yes")
        path.unlink()
    shutil.rmtree(folder / ("d" * 200))
    store.done("datasets", "versions", "commit", ref, "--allow-dirty")
    store.done("volumes", "delete", "h", "--yes")
    store.done("datasets", "delete", "hd", "--yes", "--force")
    nothing_is_left()


def shorter_than_it_was():
    """A file that loses its end while it is read is no import; neither the volume nor the version stays."""
    big, tools = folder / "big.raw", folder / "tools"
    content = random.Random(2).randbytes(8 * MIB)
    tools.mkdir()
    copier = tools / "nbdcopy"
    store.done("datasets", "create", "--name", "ds")
    for change, code, says in (
        ("truncate --size=1M", BUSY, "changed while it was read"),
        ("truncate --size=+1M", FAILED, "the copy failed"),
        ("dd if=/dev/zero bs=4096 count=1 conv=notrunc status=none of=/dev/stdout 1<>", BUSY, "changed while it was read"),
    ):
        copier.write_text(f"#!/bin/sh\n{change} '{big}'\nexec {shutil.which('nbdcopy')} \"$@\"\n")
        copier.chmod(0o755)
        for name in ("big", "ds"):
            big.write_bytes(content)
            path = {"PATH": f"{tools}:{os.environ['PATH']}"}
            store.refused(code, "import", str(big), name, says=says, env=path)
            assert volumes() == [] and versions("ds") == []
    whats = [e["what"] for e in store.json("log")["events"]][:4]
    assert whats[0] == "deleted" and whats[1].endswith(f"to import {big.resolve()}"), whats
    assert all("imported from" not in e["what"] for e in store.json("log", "big")["events"])
    shutil.rmtree(tools)
    big.unlink()
    store.done("datasets", "delete", "ds", "--yes")
    nothing_is_left()


def what_is_frozen():
    """Snapshots, committed versions and differences, while the volume itself goes on."""
    raw, out = folder / "source.raw", folder / "out"
    content = raw.read_bytes()
    store.done("import", str(raw), "a")
    store.done("snapshots", "create", "a@old")
    store.done("volumes", "resize", "a", "--size", "32M")
    store.done("snapshots", "create", "a@new")
    store.done("datasets", "create", "--name", "ds")
    store.done("import", str(raw), "ds")
    store.done("datasets", "versions", "commit", versions("ds")[0]["ref"])
    store.done("volumes", "resize", "a", "--size", "1M", "--yes")
    for ref, wanted in (
        ("a@old", content),
        ("a@new", content + bytes(32 * MIB - SIZE)),
        ("ds:latest", content),
        ("ds", content),
        ("a", content[:MIB]),
        ("a@old..a@old", bytes(SIZE)),
    ):
        for form in ("raw", "qcow2"):
            if form == "qcow2" and ".." in ref:
                continue
            store.done("export", ref, str(out), "--format", form)
            if form == "qcow2":
                subprocess.run(["qemu-img", "convert", "-O", "raw", out, folder / "back"], check=True)
                (folder / "back").replace(out)
            assert out.read_bytes() == wanted, (ref, form)
            out.unlink()
    # the two have nothing to do with each other: all that the second has is in the difference
    store.done("export", "a@new..ds:latest", str(out))
    assert out.read_bytes() == content
    out.unlink()
    store.refused(USAGE, "export", "a..a@old", str(out), says="snapshot")
    store.refused(NOT_FOUND, "export", "a@gone", str(out))
    store.refused(NOT_FOUND, "export", "ds:gone", str(out))
    for name in ("a@old", "a@new"):
        store.done("snapshots", "delete", name, "--yes")
    store.done("datasets", "delete", "ds", "--yes", "--force")
    store.done("volumes", "delete", "a", "--yes")
    nothing_is_left()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def replacing():
    store.done("volumes", "create", "a", "--size", "1M")
    out = folder / "out"
    out.write_text("precious")
    store.refused(EXISTS, "export", "a", str(out), says="--force")
    assert out.read_text() == "precious"
    store.done("export", "a", str(out), "--force")
    assert out.read_bytes() == bytes(MIB)
    out.unlink()
    out.mkdir()
    store.refused(EXISTS, "export", "a", str(out), "--force", says="no regular file")
    out.rmdir()
    store.done("volumes", "delete", "a", "--yes")
    nothing_is_left()


def bad_input():
    raw, qcow2 = folder / "source.raw", folder / "source.qcow2"
    store.done("volumes", "create", "a", "--size", "1M")
    out = str(folder / "out")
    store.refused(NOT_FOUND, "export", "absent", out, says="'absent'")
    store.refused(USAGE, "export", "a", out, "--format", "vmdk", says="'vmdk'")
    store.refused(USAGE, "export", "a", says="FILE")
    store.refused(USAGE, "export", "A B", out)
    store.refused(USAGE, "export", "a..a", out, says="'a'")
    store.refused(USAGE, "export", "a..a", out, "--format", "qcow2", says="difference")
    store.refused(NOT_FOUND, "export", "a", str(folder / "absent/out"), says="folder")
    store.refused(NOT_FOUND, "import", str(folder / "absent"), "b", says="absent")
    store.refused(EXISTS, "import", str(raw), "a", says="'a'")
    store.refused(USAGE, "import", str(raw), "UPPER")
    store.refused(USAGE, "import", str(raw), "b", "--size", "1M", says="less than")
    store.refused(USAGE, "import", str(raw), "b", "--size", "x", says="'x'")
    store.refused(USAGE, "import", str(raw), "b", "--format", "qcow2", says="no qcow2")
    store.refused(USAGE, "import", str(raw), "b", "--format", "vdi", says="'vdi'")
    store.refused(USAGE, "import", str(folder), "b")
    (folder / "empty").touch()
    store.refused(USAGE, "import", str(folder / "empty"), "b", says="empty")
    (folder / "empty").unlink()
    # no file of the host goes into a volume because an image names it
    overlay = folder / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", qcow2, "-F", "qcow2", overlay], check=True)
    store.refused(NOT_PERMITTED, "import", str(overlay), "b", says="--allow-backing")
    store.done("import", str(overlay), "b", "--allow-backing")
    store.done("export", "b", out)
    assert pathlib.Path(out).read_bytes() == raw.read_bytes()
    pathlib.Path(out).unlink()
    overlay.unlink()
    # torn: the head is right and the rest is missing
    torn = folder / "torn.qcow2"
    torn.write_bytes(qcow2.read_bytes()[:200])
    store.refused(FAILED, "import", str(torn), "c", says="damaged")
    torn.write_bytes(qcow2.read_bytes()[: qcow2.stat().st_size // 2])
    store.refused(FAILED, "import", str(torn), "c", says="damaged")
    torn.unlink()
    assert volumes() == ["a", "b"]
    for name in volumes():
        store.done("volumes", "delete", name, "--yes")
    nothing_is_left()


def no_room():
    big = folder / "big.raw"
    with open(big, "wb") as file:
        for _ in range(40):
            file.write(os.urandom(16 * MIB))
    ran = store.run("import", str(big), "big", timeout=120)
    assert ran.returncode == NO_SPACE and "space" in ran.stderr, (ran.returncode, ran.stderr)
    assert volumes() == []
    big.unlink()
    assert store.json("check")["problems"] == 0
    nothing_is_left()


def cancelled():
    """A signal ends a copy that is under way, and nothing of it stays."""
    big = folder / "big.raw"
    with open(big, "wb") as file:
        for _ in range(15):
            file.write(os.urandom(16 * MIB))
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([VARVE, "import", str(big), "big"], env=store.environment, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: copier_of(process.pid))
        process.send_signal(number)
        message = process.communicate(timeout=60)[1]
        assert process.returncode == CANCELLED and "cancelled" in message, (process.returncode, message)
        assert volumes() == []
    big.unlink()
    store.done("volumes", "create", "huge", "--size", "8T")
    nothing_is_left()
    store.done("volumes", "delete", "huge", "--yes")


def kill_import(file, ref):
    """In the middle; what it started has ended, too."""
    process = subprocess.Popen([VARVE, "import", str(file), ref], env=store.environment, stderr=subprocess.DEVNULL)
    wait_for(lambda: copier_of(process.pid))
    copier = copier_of(process.pid)[0]
    process.kill()
    process.wait()
    wait_for(lambda: not pathlib.Path(f"/proc/{copier}").exists())


def killed():
    """kill -9 leaves a volume that is not mistaken for the whole, and nothing that runs."""
    big = folder / "big.raw"
    with open(big, "wb") as file:
        for _ in range(15):
            file.write(os.urandom(16 * MIB))
    kill_import(big, "big")
    left = volumes()
    assert len(left) == 1 and left[0].startswith("big.import-"), left
    wait_for(lambda: store.run("volumes", "delete", left[0], "--yes").returncode == 0)
    # a version has its name from the start: it says that it is not whole, and is not committed
    store.done("datasets", "create", "--name", "ds")
    kill_import(big, "ds")
    (half,) = versions("ds")
    assert half["incomplete"], half
    assert "incomplete" in store.done("datasets", "versions", "details", half["ref"])
    wait_for(lambda: "attached" not in store.run("datasets", "versions", "commit", half["ref"]).stderr)
    store.refused(BUSY, "datasets", "versions", "commit", half["ref"], says="incomplete")
    store.done("datasets", "delete", "ds", "--yes", "--force")
    big.unlink()
    nothing_is_left()


def copier_of(pid):
    """The nbdcopy that this process runs."""
    return subprocess.run(["pgrep", "-P", str(pid), "nbdcopy"], capture_output=True, text=True, check=False).stdout.split()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not begin"
        time.sleep(0.005)


def progress():
    """It says how far it is, also when the copier rests."""
    big = folder / "big.raw"
    with open(big, "wb") as file:
        for _ in range(15):
            file.write(os.urandom(16 * MIB))
    process = subprocess.Popen(
        [VARVE, "import", str(big), "p", "--progress"], env=store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: copier_of(process.pid))
    copier = int(copier_of(process.pid)[0])
    os.kill(copier, signal.SIGSTOP)
    line = process.stderr.readline()
    os.kill(copier, signal.SIGCONT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 0, rest
    assert line.startswith("import: ") and " of 240 MiB, " in line and " %" in line, line
    big.unlink()
    store.done("volumes", "delete", "p", "--yes")
    nothing_is_left()


def with_a_server():
    store.start()


def post(target, **body):
    text = json.dumps(body).encode()
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    answer = store.http(head.encode() + b"Connection: close\r\n\r\n" + text)
    return int(answer.split()[1]), answer.split(b"\r\n\r\n", 1)[1].decode()


def refused_at_the_door():
    """What the command never asks for leaves everything as it is."""
    for name in ("v", "w"):
        store.done("volumes", "create", name, "--size", "1M")
    store.done("datasets", "create", "--name", "ds", "--size", "1M")
    store.done("datasets", "versions", "create", "ds")
    ref = versions("ds")[0]["ref"]
    store.done("datasets", "versions", "commit", ref)
    events = store.json("log")["events"]
    long = "x" * 1024
    for target, body, code, says in (
        ("/v1/volumes/v/imported", {}, 400, "'name'"),
        ("/v1/volumes/v/imported", {"name": "n"}, 400, "'file'"),
        ("/v1/volumes/v/imported", {"name": "n", "file": long}, 400, "1024 bytes"),
        ("/v1/volumes/v/imported", {"name": "w", "file": "x"}, 409, "'w'"),
        ("/v1/volumes/absent/imported", {"name": "n", "file": "x"}, 404, "'absent'"),
        (f"/v1/versions/{ref}/imported", {}, 400, "'file'"),
        (f"/v1/versions/{ref}/imported", {"file": "x"}, 403, "committed"),
        ("/v1/versions/ds:absent/imported", {"file": "x"}, 404, "absent"),
        ("/v1/volumes", {"name": "n", "size": MIB, "imported_from": long}, 400, "1024 bytes"),
        ("/v1/volumes", {"name": "n", "from": "v", "imported_from": "x"}, 400, "not both"),
        ("/v1/datasets/ds/versions", {"imported_from": long}, 400, "1024 bytes"),
        ("/v1/datasets/ds/versions", {"from": "v", "imported_from": "x"}, 400, "not both"),
    ):
        status, answer = post(target, **body)
        assert status == code and says in answer, (target, body, status, answer)
    assert store.json("log")["events"] == events and volumes() == ["v", "w"] and len(versions("ds")) == 1
    for name in ("v", "w"):
        store.done("volumes", "delete", name, "--yes")
    store.done("datasets", "delete", "ds", "--yes", "--force")


def when_the_server_has_gone():
    assert store.stop() == 0
    assert store.json("check")["problems"] == 0


story = [round_trip, into_a_dataset, history, shorter_than_it_was, what_is_frozen, replacing, bad_input, no_room, cancelled, killed, progress]
run_cases([*story, with_a_server, refused_at_the_door, *story, when_the_server_has_gone])
