#!/usr/bin/python3
"""Archives that no one should send, and transfers that break off: the version stays as it was."""
# timeout: 400

import io
import json
import os
import select
import signal
import socket
import subprocess
import tarfile
import time
import urllib.parse

from command import BUSY, CANCELLED, NO_ANSWER, NOT_PERMITTED, VARVE, Store, one_sentence, run_cases

store = Store(init=False)
store.done("init", str(store.path), "--limit", "512M", "--journal", "4M")
store.start()
PUT = ("datasets", "files", "put")


def new_version(name):
    folder = store.folder / "first"
    folder.mkdir(exist_ok=True)
    (folder / "kept").write_text("kept")
    (folder / "dir").mkdir(exist_ok=True)
    store.done("datasets", "create", "--name", name)
    made = store.done("datasets", "versions", "create", name, "--source-path", f"{folder}/", "--size", "64M", "--no-commit")
    return made.split()[-1]


def paths(ref):
    return {file["path"]: file for file in store.json("datasets", "files", "list", ref, "--recursive")["files"]}


def head(ref, path, more):
    target = f"/v1/files/{urllib.parse.quote(ref, safe='')}/content?path={urllib.parse.quote(path, safe='')}"
    return f"PUT {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()


def send(ref, body, path="/"):
    """Status and object that the door answers to an archive."""
    raw = store.http(head(ref, path, f"Content-Length: {len(body)}\r\n") + body, seconds=30)
    status, _, text = raw.partition(b"\r\n\r\n")
    assert status, "hung up on without an answer"
    return int(status.split()[1]), json.loads(text)


def archive(*entries, form=tarfile.PAX_FORMAT):
    """Of (name, type, content or target, fields)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, kind, content, fields in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o644
            for field, value in fields.items():
                setattr(info, field, value)
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                tar.addfile(info)
    return out.getvalue()


FILE, FOLDER, LINK, SAME, DEVICE = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def file(name, content=b"x", **fields):
    return (name, FILE, content, fields)


def hostile_archives():
    ref = new_version("hostile")
    before = store.digest(ref)
    first = (".", FOLDER, "", {})
    good = archive(first, file("a/b", b"b" * 5000), ("a/link", LINK, "/", {}))
    refused = {
        "a way up": archive(first, file("../up")),
        "a way up inside": archive(first, file("a/../../up")),
        "an absolute path": archive(first, file("/etc/passwd")),
        "through a link": archive(first, ("way", LINK, "/dir", {}), file("way/in")),
        "through a link up": archive(first, ("way", LINK, "../../..", {}), file("way/in")),
        "through a file": archive(first, file("kept/in")),
        "a link to a folder": archive(first, ("hard", SAME, "dir", {})),
        "a link up": archive(first, ("hard", SAME, "../../etc/passwd", {})),
        "an absolute link": archive(first, ("hard", SAME, "/kept", {})),
        "a link to nothing": archive(first, ("hard", SAME, "absent", {})),
        "a link through a link": archive(first, ("way", LINK, "dir", {}), ("hard", SAME, "way/x", {})),
        "an empty link": archive(first, ("soft", LINK, "", {})),
        "a file over a folder": archive(first, file("dir")),
        "a link over a folder": archive(first, ("dir", LINK, "x", {})),
        "a folder over a file": archive(first, ("kept", FOLDER, "", {})),
        "a name too long": archive(first, file("n" * 256)),
        "a path too long": archive(first, file("p/" * 2100 + "x")),
        "a link too long": archive(first, ("soft", LINK, "t" * 4096, {})),
        "an owner too large": archive(first, file("x", uid=1 << 40)),
        "a device too large": archive(first, ("dev", DEVICE, "", {"devmajor": 70000, "devminor": 1})),
        "a strange attribute": archive(first, file("x", pax_headers={"SCHILY.xattr.system.strange": "1"})),
        "a short ACL": archive(first, file("x", pax_headers={"SCHILY.xattr.system.posix_acl_access": "x"})),
        "an ACL as text": archive(first, file("x", pax_headers={"SCHILY.acl.access": "user::rw-,user:7:r--,group::r--,mask::r--,other::r--"})),
        "an attribute too large": archive(first, file("x", pax_headers={"SCHILY.xattr.user.large": "v" * 500000})),
        "no archive": b"hello, world" * 1000,
        "zeroes": b"\0" * 1024,
        "nothing": b"",
        "half a header": good[:700],
        "half a file": good[:3000],
        "a bit": bytes([good[0] ^ 1]) + good[1:],
        "too large": archive(first, file("x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x",
                                                            "GNU.sparse.realsize": str(1 << 60)})),
        "two files as one": None,
    }
    for what, body in refused.items():
        if body is None:
            status, said = send(ref, archive(file("x"), file("y")), "name")
        else:
            status, said = send(ref, body)
        assert 400 <= status < 500 or status in (501, 507), (what, status, said)
        line = said["error"]["message"]
        assert line and "\n" not in line and not line.endswith("."), (what, line)
        assert store.digest(ref) == before, f"{what}: {line}"
    # what is odd and yet sound
    odd = archive(first, file("./a//./b", b"one"), file("a/b", b"two" * 3000), ("a", FOLDER, "", {"mode": 0o700, "uid": 7, "mtime": 77}),
                  ("a/c", SAME, "a/b", {}), ("a/b", SAME, "a/c", {}), ("a/c", SAME, "kept", {}), file("späte", b"u"),
                  file("kept", b"new"), ("soft", LINK, "t" * 4095, {}), file("old", mtime=-5), file("late", mtime=1 << 40))
    status, said = send(ref, odd)
    assert status == 200, said
    found = paths(ref)
    assert found["a/b"]["size"] == 9000 and found["a/b"]["links"] == 1, found["a/b"]
    assert (found["a"]["mode"], found["a"]["uid"], found["a"]["modified"][:4]) == ("0700", 7, "1970"), found["a"]
    assert found["a/c"]["size"] == 4 and found["a/c"]["links"] == 1 and found["kept"]["size"] == 3, found
    assert found["soft"]["target"] == "t" * 4095 and "späte" in found and found["old"]["modified"].startswith("1969"), found
    for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        assert send(ref, archive(("d", FOLDER, "", {}), file("d/" + "n" * 90), form=form), f"form{form}")[0] == 200
    store.digest(ref)
    # a body that others would take for JSON, and one that is none
    assert store.http(head(ref, "/", "Content-Length: 0\r\n")).split()[1] == b"400"
    assert b" 405 " in store.http(head(ref, "/", "Content-Length: 0\r\n").replace(b"PUT", b"POST", 1))
    assert store.json("check")["problems"] == 0


def large_archive():
    return archive((".", FOLDER, "", {}), file("large", os.urandom(8 << 20)), file("after", b"x"))


def begin(ref, more="Transfer-Encoding: chunked\r\n"):
    door = socket.socket(socket.AF_UNIX)
    door.settimeout(30)
    door.connect(str(store.door))
    door.sendall(head(ref, "/", more))
    return door


def chunk(piece):
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def operations():
    return store.json("operations", "list")["operations"]


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "nothing comes of it"
        time.sleep(0.05)


def cut_connections():
    """Cut at any byte, by length and in chunks: nothing changes, and nothing stays behind."""
    ref = new_version("cut")
    before = store.digest(ref)
    body = large_archive()
    for at in (0, 1, 512, 100_000, 5 << 20, len(body) - 1024, len(body)):
        for chunked in (True, False):
            if at == len(body) and not chunked:
                continue  # that is all of it
            door = begin(ref) if chunked else begin(ref, f"Content-Length: {len(body)}\r\n")
            for start in range(0, at, 1 << 20):
                piece = body[start : min(at, start + (1 << 20))]
                door.sendall(chunk(piece) if chunked else piece)
            door.close()
            wait_until(lambda: not operations())
            assert store.digest(ref) == before, at
    # and then all of it
    assert send(ref, body)[0] == 200
    assert paths(ref)["large"]["size"] == 8 << 20
    store.digest(ref)


def refused_early():
    """What is refused is answered at once, not at the end of a body without one."""
    ref = new_version("early")
    before = store.digest(ref)
    for body in (archive(("..", FOLDER, "", {})), archive((".", FOLDER, "", {}), file("large", os.urandom(80 << 20)))):
        door = begin(ref)
        answer = b""
        for start in range(0, len(body), 1 << 20):
            door.sendall(chunk(body[start : start + (1 << 20)]))
        for _ in range(200):
            if not select.select([door], [], [], 0.02)[0]:
                door.sendall(chunk(body[:65536]))
        while b"\r\n\r\n{" not in answer:
            answer += door.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ") or answer.startswith(b"HTTP/1.1 507 "), answer
        for _ in range(8):
            door.sendall(chunk(body[: 1 << 20]))
        door.sendall(b"0\r\n\r\n")
        while door.recv(65536):
            pass
        door.close()
    assert store.digest(ref) == before


def one_at_a_time():
    """While one puts, others are refused; a commit meanwhile wins, and what was put is lost."""
    ref = new_version("meanwhile")
    before = store.digest(ref)
    one = store.folder / "one"
    one.write_text("1")
    door = begin(ref)
    door.sendall(chunk(large_archive()[: 1 << 20]))
    wait_until(operations)
    store.refused(BUSY, *PUT, ref, str(one), says="attached")
    store.refused(BUSY, "datasets", "files", "delete", ref, "--path", "kept", "--yes", says="attached")
    store.refused(BUSY, "datasets", "versions", "delete", ref, "--yes")
    door.close()
    wait_until(lambda: not operations())
    store.done(*PUT, ref, str(one))
    store.done("datasets", "files", "delete", ref, "--path", "one", "--yes")
    store.digest(ref)

    ref = new_version("frozen")
    before = store.digest(ref)
    body = large_archive()
    door = begin(ref)
    door.sendall(chunk(body[: 1 << 20]))
    wait_until(operations)
    committed = store.run("datasets", "versions", "commit", ref)
    door.sendall(chunk(body[1 << 20 :]) + b"0\r\n\r\n")
    answer = b""
    while piece := door.recv(65536):
        answer += piece
    door.close()
    if committed.returncode == 0:
        assert b" 403 " in answer.split(b"\r\n")[0] and b"committed meanwhile" in answer, answer
        assert store.digest(ref) == before
        store.refused(NOT_PERMITTED, *PUT, ref, str(one))
    else:
        assert committed.returncode == BUSY and b" 200 " in answer.split(b"\r\n")[0], (committed, answer)


def run_put(ref, big):
    return subprocess.Popen([VARVE, *PUT, ref, str(big)], env=store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def stopped_clients():
    """A signal in the middle: of those that can be caught, and of those that cannot."""
    ref = new_version("stopped")
    before = store.digest(ref)
    big = store.folder / "big"
    os.mkfifo(store.folder / "gate")
    big.mkdir()
    for number in range(40):
        (big / f"{number:02}").write_bytes(os.urandom(1 << 20))
    seen = set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 6:
        if number in seen:
            continue
        ran = run_put(ref, big)
        while ran.poll() is None and not operations():
            pass
        ran.send_signal(number)
        said = ran.communicate()[1]
        wait_until(lambda: not operations())
        if ran.returncode == 0:
            store.done("datasets", "files", "delete", ref, "--path", "big", "--yes")
            before = store.digest(ref)
            continue
        assert number == signal.SIGKILL or (ran.returncode == CANCELLED and one_sentence(said.splitlines()[-1] + "\n")), (ran, said)
        assert store.digest(ref) == before, number
        seen.add(number)
    assert len(seen) == 3, seen


def dead_servers():
    """The server dies in the middle: after its next start the version is as it was."""
    ref = new_version("dead")
    before = store.digest(ref)
    door = begin(ref)
    door.sendall(chunk(large_archive()[: 6 << 20]))
    wait_until(operations)
    ran = run_put(new_version("dead2"), store.folder / "big")
    store.kill()
    door.close()
    said = ran.communicate()[1]
    assert ran.returncode in (0, NO_ANSWER), (ran.returncode, said)
    store.start()
    assert store.digest(ref) == before
    assert store.json("check")["problems"] == 0
    door = begin(ref)  # it stops with a transfer that hangs
    door.sendall(chunk(large_archive()[: 1 << 20]))
    wait_until(operations)
    assert store.stop() == 0
    door.close()
    assert store.json("check", "--data")["problems"] == 0


run_cases([hostile_archives, cut_connections, refused_early, one_at_a_time, stopped_clients, dead_servers])
