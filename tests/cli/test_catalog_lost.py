#!/usr/bin/python3
"""catalog.db is lost, damaged or replaced by an older one: the next start has every name again, and says what it did."""

from command import Store, run_cases

store = Store()
catalog = store.path / "catalog.db"
store.done("volumes", "create", "first", "--size", "8M")
older = catalog.read_bytes()
store.done("volumes", "create", "demo", "--size", "8M")
store.done("snapshots", "create", "demo@monday", "--message", "before the storm")


def kept():
    """What was moved out of the way, without its journals."""
    return [path for path in store.path.glob("catalog.db.damaged-*") if not path.name.endswith("-journal")]


def names_are_there():
    assert "demo" in store.done("volumes", "list") and "first" in store.done("volumes", "list")
    assert "before the storm" in store.done("snapshots", "show", "demo@monday")
    assert "Problems: 0" in store.done("check")


def damaged(change):
    """Without a server, and served, also after a kill."""
    before = len(kept())
    change()
    names_are_there()
    store.start()
    names_are_there()
    store.kill()
    change()
    store.start()
    names_are_there()
    assert store.stop() == 0
    return len(kept()) - before


def lost():
    assert damaged(catalog.unlink) == 0


def cut_short():
    assert damaged(lambda: catalog.write_bytes(catalog.read_bytes()[:9000])) == 2


def an_older_one():
    assert damaged(lambda: catalog.write_bytes(older)) == 2
    assert any(path.read_bytes() == older for path in kept()), "what was replaced is kept"


def garbage():
    assert damaged(lambda: catalog.write_bytes(b"garbage" * 5000)) == 2


run_cases([lost, cut_short, an_older_one, garbage])
