#!/usr/bin/python3
"""Holds keep things from being deleted, and the log says who did what: with a server and without."""

from command import BUSY, NOT_FOUND, USAGE, Store, run_cases

store = Store()


def good():
    store.done("volumes", "create", "demo", "--size", "1M")
    store.done("volumes", "create", "700", "--size", "1M")
    assert store.json("holds", "list") == {"holds": []}
    said = store.done("holds", "add", "demo", "--reason", "audit until March")
    assert said.startswith("Held volume: demo (hold "), said
    first = store.json("holds", "list", "demo")["holds"]
    assert len(first) == 1 and first[0]["reason"] == "audit until March", first
    assert first[0]["ref"] == "demo" and first[0]["kind"] == "volume" and first[0]["who"], first
    second = store.json("hold", "add", "demo", "-r", "ü'\"; drop")
    assert second["reason"] == "ü'\"; drop" and second["number"] > first[0]["number"], second
    assert store.json("holds", "list", "700") == {"holds": []}
    table = store.done("holds", "list").splitlines()
    assert len(table) == 3 and "audit until March" in table[1], table

    store.refused(BUSY, "volumes", "delete", "demo", "--yes", says="audit until March")
    store.done("volumes", "rename", "demo", "archive")
    assert [h["ref"] for h in store.json("holds", "list")["holds"]] == ["archive", "archive"]
    assert store.done("holds", "release", str(first[0]["number"])) == "Released 1 hold\n"
    store.refused(BUSY, "volumes", "delete", "archive", "--yes", says="drop")
    store.done("holds", "add", "archive", "--reason", "x")
    assert store.json("holds", "release", "archive") == {"released": 2}

    store.done("holds", "add", "700", "--reason", "named like a number")
    assert store.json("holds", "release", "700") == {"released": 1}
    for name in ("archive", "700"):
        store.done("volumes", "delete", name, "--yes")
    assert store.json("holds", "list") == {"holds": []}


def bad():
    store.done("volumes", "create", "demo", "--size", "1M")
    store.done("holds", "add", "demo", "--reason", "keep")
    before = store.json("holds", "list")
    store.refused(USAGE, "holds", "add", "demo", says="--reason")
    for reason in ("", "  ", "\n", "x" * 256):
        store.refused(USAGE, "holds", "add", "demo", "--reason", reason)
    store.refused(USAGE, "holds", "add", "--reason", "x", says="REF")
    store.refused(USAGE, "holds", "add", "a", "b", "--reason", "x", says="'b'")
    store.refused(USAGE, "holds", "release", says="NUMBER|REF")
    store.refused(NOT_FOUND, "holds", "add", "absent", "--reason", "x", says="'absent'")
    store.refused(NOT_FOUND, "holds", "list", "absent", says="'absent'")
    store.refused(NOT_FOUND, "holds", "release", "absent", says="'absent'")
    for number in ("0", "999999", "9" * 40):
        store.refused(NOT_FOUND, "holds", "release", number)
    for ref in ("", "A", "a..b", "../x"):
        store.refused(USAGE, "holds", "add", ref, "--reason", "x")
    assert store.json("holds", "list") == before, "something changed"
    store.done("holds", "release", "demo")
    store.refused(NOT_FOUND, "holds", "release", "demo", says="nothing holds")
    store.done("volumes", "delete", "demo", "--yes")


def history():
    """Newest first, with what the cases before did."""
    store.done("volumes", "create", "log-me", "--size", "1M")
    store.done("volumes", "create", "log-me-not", "--size", "1M")
    store.done("volumes", "resize", "log-me", "--size", "2M")
    store.done("holds", "add", "log-me", "--reason", "of weight")
    events = store.json("log", "log-me")["events"]
    assert {e["object"] for e in events} == {"log-me"}, events
    numbers = [e["number"] for e in events]
    assert numbers == sorted(numbers, reverse=True), events
    assert ["held: of weight", "resized", "created"] == [e["what"] if "held" in e["what"] else e["what"].split()[0] for e in events[:3]], events
    assert all(e["who"] and e["time"].endswith("Z") for e in events), events
    assert len(store.json("log")["events"]) > len(events)
    assert len(store.json("log", "--limit", "2")["events"]) == 2
    assert store.json("log", "--kind", "volume", "log-me", "-n", "1")["events"] == events[:1]
    assert store.json("log", "--kind", "nothing") == {"events": []}
    assert store.json("log", "absent") == {"events": []}
    table = store.done("log", "log-me", "--limit", "1").splitlines()
    assert len(table) == 2 and "of weight" in table[1], table
    store.done("holds", "release", "log-me")
    store.done("volumes", "delete", "log-me", "--yes")
    assert store.json("log", "log-me", "-n", "1")["events"][0]["what"].startswith("deleted")
    store.done("volumes", "delete", "log-me-not", "--yes")
    store.refused(USAGE, "log", "a", "b", says="'b'")
    for limit in ("x", "-3", "1.5"):
        store.refused(USAGE, "log", "--limit", limit)


def while_served():
    store.start()
    good()
    bad()
    history()
    assert store.stop() == 0


run_cases([good, bad, history, while_served])
