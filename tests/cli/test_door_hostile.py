#!/usr/bin/python3
# timeout: 180
"""Hostile HTTP at the control door: each gets a 4xx or is hung up on, and nothing is done."""

import json
import os
import socket
import threading
import time

from command import Store, run_cases

store = Store()
store.start()
store.done("volumes", "create", "demo", "--size", "1M")
before = store.json("volumes", "list")


def request(method, target, headers="", body=""):
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}".encode("latin-1")


def post(target, body, method="POST"):
    return request(method, target, f"Content-Length: {len(body)}\r\n", body)


HUNG_UP = 0


def status_of(raw, seconds=5):
    head, _, body = store.http(raw, seconds).partition(b"\r\n\r\n")
    if not head:
        return HUNG_UP
    status = int(head.split()[1])
    if b"application/json" in head and body:
        assert status < 400 or json.loads(body)["error"]["message"], body
    return status


def expect(status, raw):
    found = status_of(raw)
    assert found == status, f"{raw[:100]}: {found}, not {status}"
    assert b"application/json" in store.http(request("GET", "/v1/ping")), "the door is shut"


def wrong_targets_and_methods():
    for target in ("/", "/v2/volumes", "/v1/volumes/", "*", "http://x/v1/ping", "/v1/../v1/ping"):
        expect(404, request("GET", target))
    for method in ("BREW", "HEAD", "PUT", "OPTIONS", "TRACE", "DELETE"):
        expect(405, request(method, "/v1/ping"))
    for target in ("%", "%zz", "%00", "a%00b", "%ff", "\xff\xfe", "..%2f..", "%0a"):
        assert status_of(request("GET", f"/v1/volumes/{target}")) in (400, 404), target
    assert status_of(request("GET", "/v1/" + "a" * 100000)) in (400, 413, 414, 431)
    assert status_of(request("GET", "/v1/ping?" + "a=b&" * 100)) == 400
    assert status_of(request("GET", "/v1/ping?" + "a=b&" * 2000)) in (HUNG_UP, 400, 413, 414, 431)


def bad_bodies():
    for body in (
        "{", "[]", "7", "null", '"x"', "[" * 50000, '{"name":' * 8000, "\x00", "\xff\xfe",
        '{"name":"x","size":1e999}', '{"name":"x","size":NaN}', '{"name":"\\ud800","size":512}',
        '{"name":"x","size":512}{}', '{"name":"x","name":"y","size":512}', '{"name":{},"size":512}',
        '{"name":"x","size":512,"shared":"no"}', '{"name":"x\\u0000y","size":512}',
    ):
        expect(400, post("/v1/volumes", body))


def large_bodies():
    expect(413, post("/v1/volumes", "x" * 70000))
    expect(413, request("POST", "/v1/volumes", "Content-Length: 99999999999\r\n"))
    big = f"{0x20000:x}\r\n{'x' * 0x20000}\r\n0\r\n\r\n"
    expect(413, request("POST", "/v1/volumes", "Transfer-Encoding: chunked\r\n", big))


def broken_http():
    expect(400, request("POST", "/v1/volumes", "Content-Length: -1\r\n"))
    expect(400, request("POST", "/v1/volumes", "Content-Length: ten\r\n"))
    expect(400, request("POST", "/v1/volumes", "Transfer-Encoding: chunked\r\n", "zz\r\n"))
    expect(400, b"GET /\r\n\r\n")
    assert status_of(request("GET", "/v1/ping", "X: " + "a" * 100000 + "\r\n")) in (400, 413, 431)
    assert status_of(request("GET", "/v1/ping", "".join(f"X{i}: y\r\n" for i in range(5000)))) in (400, 413, 431)


def clients_that_go_away():
    pieces = [b"", b"G", b"POST /v1/volumes HTTP/1.1\r\nContent-Length: 23\r\n\r\n", post("/v1/volumes", '{"name":"gone","size":512}')[:-1]]
    for _ in range(50):
        for piece in pieces:
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(str(store.door))
                door.sendall(piece)
    expect(404, request("GET", "/v1/nothing"))


def descriptors():
    return len(os.listdir(f"/proc/{store.server.pid}/fd"))


def slow_clients_are_hung_up_on():
    """One byte a second keeps no place for long, and a good client is served meanwhile."""
    open_before = descriptors()
    lasted = []

    def drip():
        started = time.monotonic()
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(store.door))
            try:
                while time.monotonic() - started < 40:
                    door.sendall(b"G")
                    time.sleep(1)
            except OSError:
                pass
        lasted.append(time.monotonic() - started)

    threads = [threading.Thread(target=drip) for _ in range(100)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    store.json("volumes", "list")
    assert time.monotonic() - started < 5, "a good client waits for the slow ones"
    for thread in threads:
        thread.join()
    assert len(lasted) == 100 and max(lasted) < 30, f"a slow client lasted {max(lasted)} seconds"
    end = time.monotonic() + 10
    while descriptors() > open_before and time.monotonic() < end:
        time.sleep(0.2)
    assert descriptors() <= open_before, "descriptors leak"


def too_many_clients():
    """More idle clients than there are places: the door answers again when they are gone."""
    crowd = []
    for _ in range(400):
        door = socket.socket(socket.AF_UNIX)
        door.connect(str(store.door))
        crowd.append(door)
    for door in crowd:
        door.close()
    store.json("volumes", "list")


def the_log_says_what_was_refused():
    assert "/v1/nothing: 404: there is no request" in store.log(), store.log()[-2000:]
    assert all(c == "\n" or c.isprintable() for c in store.log()), "client bytes reach the log as they are"


def nothing_was_done():
    assert store.json("volumes", "list") == before
    assert store.stop() == 0
    assert store.json("check", "--data")["problems"] == 0


run_cases([
    wrong_targets_and_methods, bad_bodies, large_bodies, broken_http, clients_that_go_away,
    slow_clients_are_hung_up_on, too_many_clients, the_log_says_what_was_refused, nothing_was_done,
])
