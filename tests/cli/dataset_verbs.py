"""Every verb of datasets, versions and tags with good and bad input; with a server and without one."""

import re

from command import BUSY, EXISTS, NOT_FOUND, NOT_PERMITTED, STALE, USAGE


def refs(store, dataset):
    return store.done("datasets", "versions", "list", dataset, "--all", "--refs").split()


def good(store):
    """Each verb does what it says, for people and for programs."""
    ran = store.run("datasets", "list")
    assert ran.returncode == 0 and ran.stdout == "" and "datasets create" in ran.stderr, ran
    assert store.json("datasets", "list") == {"datasets": []}

    made = store.done("datasets", "create", "--name", "images", "--description", "cats", "--size", "10M")
    assert re.fullmatch(r"Created dataset: ds[0-9a-z]{13}\n", made), made
    id_ = made.split()[-1]
    other = store.json("dataset", "create", "vision/images", "--set", "licence=CC", "--set", "a=b=c")
    assert other["team"] == "vision" and other["full_name"] == "vision/images", other
    assert store.json("datasets", "details", "vision/images")["metadata"] == {"licence": "CC", "a": "b=c"}
    assert store.done("datasets", "list", "--names") == "images\nvision/images\n"
    table = store.done("datasets", "list").splitlines()
    assert table[0].split() == ["NAME", "ID", "VERSIONS", "OPEN", "LATEST", "TAGS", "DESCRIPTION"], table
    assert not any(line != line.rstrip() for line in table), "no blanks at the ends of lines"
    assert store.json("datasets", "details", "--id", id_)["name"] == "images"
    page = store.done("datasets", "details", "vision/images")
    assert "licence=CC" in page and "Id:" in page, page
    assert store.done("datasets", "update", id_, "--name", "pictures", "--set", "k=v") == "Updated dataset: pictures\n"
    store.done("datasets", "update", "pictures", "--unset", "k", "--description", "dogs", "--size", "8M")
    shown = store.json("datasets", "details", "pictures")
    assert (shown["description"], shown["size"], shown["metadata"]) == ("dogs", 8 << 20, {}), shown

    line = store.done("datasets", "versions", "create", "--id", id_, "--message", "first")
    assert re.fullmatch(r"Created dataset version: pictures:[0-9][0-9a-z]{6}\n", line), line
    first = line.split()[-1]
    clone = store.json("datasets", "versions", "create", "vision/images", "--from", first, "--size", "20M", "--hold", "audit")
    assert (clone["parent"], clone["size"], clone["holds"]) == (first, 20 << 20, 1), clone
    assert clone["committed"] is False and clone["sequence"] is None, clone
    ran = store.run("datasets", "versions", "list", "pictures")
    assert ran.stdout == "" and "--all" in ran.stderr, "uncommitted versions are not listed"
    assert refs(store, "pictures") == [first]
    listed = store.done("datasets", "versions", "list", "pictures", "--isCommitted", "false")
    assert "uncommitted" in listed and "first" in listed, listed
    assert store.done("dataset", "version", "update", first, "--message", "better", "--set", "k=v").startswith("Updated")
    shown = store.json("datasets", "versions", "details", "--id", first)
    assert (shown["message"], shown["metadata"], shown["tags"]) == ("better", {"k": "v"}, []), shown
    page = store.done("datasets", "versions", "details", first)
    assert "better" in page and "Reclaimable:" in page and shown["unique_bytes"] == 0, (page, shown)
    assert store.done("datasets", "versions", "release", first) == f"Nobody writes to dataset version: {first}\n"
    assert store.done("datasets", "versions", "release", first, "--force") == f"Released dataset version: {first}\n"
    by_id = f"{id_}:{first.split(':')[1]}"
    assert store.json("datasets", "versions", "show", by_id)["ref"] == first

    assert store.json("datasets", "tags", "list", "pictures") == {"tags": []}
    assert store.json("datasets", "tags", "history", "--id", "pictures") == {"events": []}

    store.refused(BUSY, "datasets", "versions", "delete", clone["ref"], "--yes", says="audit")
    store.refused(BUSY, "datasets", "delete", "vision/images", "--yes", says="audit")
    store.refused(BUSY, "datasets", "versions", "delete", clone["ref"], "--yes", "--force", says="holds release")
    store.refused(BUSY, "datasets", "delete", "vision/images", "--yes", "--force", says="holds release")
    assert [v["holds"] for v in store.json("datasets", "versions", "list", "vision/images", "--all")["versions"]] == [1]
    store.done("holds", "add", clone["ref"], "--reason", "and again")
    table = [line.split() for line in store.done("datasets", "versions", "list", "vision/images", "--all").splitlines()]
    assert table[0][-3:] == ["HOLDS", "TAGS", "MESSAGE"] and table[1][-3:] == ["2", "-", "-"], table
    events = [event["what"] for event in store.json("log", clone["ref"])["events"]]
    assert events == ["held: and again", "held: audit", f"cloned from {first}"], events
    store.done("holds", "release", clone["ref"])
    gone = store.done("datasets", "versions", "delete", clone["ref"], "--yes", "--force")
    assert gone == f"Deleted dataset version: {clone['ref']}\n", gone
    assert store.json("datasets", "versions", "delete", first, "-y")["deleted"] == first
    assert store.done("datasets", "delete", id_, "--yes") == "Deleted dataset: pictures\n"
    assert store.json("datasets", "delete", "vision/images", "--yes")["deleted"] == "vision/images"
    assert store.json("datasets", "list") == {"datasets": []}
    assert store.json("check")["problems"] == 0


def bad(store):
    """Each verb refuses bad input with its exit code and one sentence, and nothing changes."""
    store.done("volumes", "create", "vol", "--size", "1M")
    store.done("datasets", "create", "--name", "data", "--size", "1M")
    version = store.done("datasets", "versions", "create", "data").split()[-1]
    before = store.json("datasets", "list"), store.json("datasets", "versions", "list", "data", "--all")

    for name in ("UPPER", "-x", ".x", "a/b/c", "../x", "a b", "é", "a\nb", "x" * 64, "a:b", "a@b", "a..b", "/x", "x/", "ds0123456789abc"):
        store.refused(USAGE, "datasets", "create", f"--name={name}")
        store.refused(USAGE, "datasets", "update", "data", f"--name={name}")
    store.refused(USAGE, "datasets", "create", says="--name")
    store.refused(USAGE, "datasets", "create", "x", "--name", "x", says="once")
    store.refused(EXISTS, "datasets", "create", "--name", "data", says="'data'")
    store.refused(EXISTS, "datasets", "create", "--name", "vol", says="volume 'vol'")
    store.refused(EXISTS, "volumes", "create", "data", "--size", "1M", says="dataset 'data'")
    store.refused(EXISTS, "volumes", "rename", "vol", "data", says="dataset 'data'")
    store.refused(EXISTS, "datasets", "update", "data", "--name", "vol", says="volume 'vol'")
    store.refused(USAGE, "datasets", "create", "x", "--description", "x" * 1024, says="1024")
    for setting in ("novalue", "=v", "a b=c", "k" * 129 + "=v", "k=" + "v" * 4096):
        store.refused(USAGE, "datasets", "create", "x", "--set", setting)
        store.refused(USAGE, "datasets", "versions", "create", "data", "--set", setting)
        store.refused(USAGE, "datasets", "versions", "update", version, "--set", setting)
    store.refused(NOT_FOUND, "datasets", "update", "data", "--unset", "absent", says="'absent'")
    store.refused(USAGE, "datasets", "update", "data", says="--name")
    store.refused(USAGE, "datasets", "versions", "update", version, says="--message")
    for size in ("G", "-1", "ten", "1000", "17P"):
        store.refused(USAGE, "datasets", "create", "x", f"--size={size}")
        store.refused(USAGE, "datasets", "versions", "create", "data", f"--size={size}")

    for verb in ("details", "update --description=x", "delete --yes", "versions list", "versions create", "tags list", "tags history",
                 "tags delete --name t --yes"):
        store.refused(NOT_FOUND, "datasets", *verb.split(), "absent", says="'absent'")
        store.refused(USAGE, "datasets", *verb.split(), version)
        store.refused(USAGE, "datasets", *verb.split(), says="which one")
        store.refused(USAGE, "datasets", *verb.split(), "data", "--id", "data", says="once")
    for verb in ("details", "update --message=x", "release --force", "delete --yes"):
        for ref in ("data:0000000", "data:absent", "absent:latest", "data:latest", "data:~1"):
            store.refused(NOT_FOUND, "datasets", "versions", *verb.split(), ref)
        for ref in ("data:", "data:a b", "data:~x", "data@snap", "a..b", "a/b/c:d"):
            store.refused(USAGE, "datasets", "versions", *verb.split(), ref)
    for verb in ("update --message=x", "release", "delete --yes"):
        store.refused(USAGE, "datasets", "versions", *verb.split(), "data", says="which version")
    store.refused(NOT_FOUND, "datasets", "versions", "create", "data", "--from", "absent")
    store.refused(USAGE, "datasets", "versions", "create", "data", "--from", "a..b")
    store.refused(USAGE, "datasets", "versions", "create", "data", "--from", version, "--size", "512", says="fit")
    store.refused(USAGE, "datasets", "versions", "list", "data", "--isCommitted", "maybe", says="'maybe'")

    store.refused(NOT_PERMITTED, "datasets", "tags", "set", version, "--name", "prod", says="commit")
    store.refused(NOT_FOUND, "datasets", "tags", "set", "data", "--name", "prod")
    store.refused(USAGE, "datasets", "tags", "set", version, says="--name")
    for tag in ("latest", "1234567", "-x", "a b", "a..b", "é", "x" * 129):
        store.refused(USAGE, "datasets", "tags", "set", version, f"--name={tag}")
    store.refused(USAGE, "datasets", "tags", "set", version, "--name", "t", "--expect", "prod", says="'prod'")
    store.refused(NOT_FOUND, "datasets", "tags", "delete", "data", "--name", "t", "--yes", says="'t'")

    # destructive ones ask, and there is no terminal here
    store.refused(USAGE, "datasets", "delete", "data", says="--yes")
    store.refused(USAGE, "datasets", "versions", "delete", version, says="--yes")
    store.refused(USAGE, "datasets", "tags", "delete", "data", "--name", "t", says="--yes")
    after = store.json("datasets", "list"), store.json("datasets", "versions", "list", "data", "--all")
    assert after == before, "something changed"
    store.done("datasets", "delete", "data", "--yes")
    store.done("volumes", "delete", "vol", "--yes")


def committed(store, *words):
    ref = store.json("datasets", "versions", "create", "team/data", *words)["ref"]
    store.done("datasets", "versions", "commit", "--id", ref)
    return ref


def tags(store):
    """Tags of committed versions, and every way to name a version."""
    id_ = store.json("datasets", "create", "--name", "team/data", "--size", "1M")["id"]
    early = store.json("datasets", "versions", "create", id_)["ref"]
    first = committed(store, "-m", "one")
    second = committed(store, "--from", first, "-m", "two")
    one, two = (ref.split(":")[1] for ref in (first, second))

    def points_at(wanted, *names):
        for name in names:
            for dataset in ("team/data", id_):
                shown = store.json("datasets", "versions", "details", f"{dataset}:{name}" if name else dataset)
                assert shown["ref"] == wanted, (dataset, name, shown)

    points_at(first, one, "~1")
    points_at(second, two, "~0", "latest", "")
    store.refused(NOT_FOUND, "datasets", "versions", "details", "team/data:~2", says="'~2'")
    store.refused(NOT_FOUND, "datasets", "versions", "details", "team/data:prod", says="no version or tag 'prod'")
    store.done("datasets", "versions", "commit", early)  # made first, committed last
    points_at(early, "latest", "")
    points_at(second, "~1")
    points_at(first, "~2")
    assert refs(store, id_) == [early, second, first]

    listed = store.json("datasets", "versions", "list", "team/data")["versions"]
    assert [v["sequence"] for v in listed] == [3, 2, 1] and [v["latest"] for v in listed] == [True, False, False], listed
    assert all(v["committed"] and re.fullmatch("[0-9a-f]{64}", v["digest"]) and v["committer"] for v in listed), listed
    assert len({v["digest"] for v in listed}) == 1, "all hold the same zeroes"
    table = store.done("datasets", "versions", "list", "team/data").splitlines()
    assert table[0].split()[:3] == ["VERSION", "SEQ", "STATE"] and table[1].split()[1:3] == ["3", "committed"], table
    page = store.done("datasets", "versions", "details", "team/data")
    assert "committed, the latest" in page and listed[0]["digest"] in page, page

    set_, delete = ("datasets", "tags", "set"), ("datasets", "tags", "delete")
    assert store.done(*set_, "--id", first, "--name", "prod") == f"Set dataset tag: team/data:prod to version {one}\n"
    points_at(first, "prod")
    store.refused(STALE, *set_, second, "--name", "prod", "--expect", two, says=one)
    store.refused(STALE, *set_, second, "--name", "prod", "--expect", "none", says=one)
    store.refused(STALE, *set_, second, "--name", "fresh", "--expect", one, says="'fresh'")
    points_at(first, "prod")
    moved = store.json(*set_, f"{id_}:~1", "--name", "prod", "--expect", one)
    assert (moved["ref"], moved["version"]) == ("team/data:prod", two), moved
    points_at(second, "prod")
    store.done(*set_, "team/data:prod", "--name", "V1.0_rc-2", "--expect", "none")
    listed = store.json("datasets", "tags", "list", id_)["tags"]
    assert {(t["name"], t["version"]) for t in listed} == {("prod", two), ("V1.0_rc-2", two)}, listed
    assert store.json("datasets", "versions", "details", second)["tags"] == ["V1.0_rc-2", "prod"]
    assert "V1.0_rc-2, prod" in store.done("datasets", "versions", "list", "team/data")
    store.refused(BUSY, "datasets", "versions", "delete", second, "--yes", says="tagged")

    store.refused(STALE, *delete, "team/data", "--name", "prod", "--expect", one, "--yes", says=two)
    gone = store.done(*delete, "--id", id_, "--name", "prod", "--expect", two, "--yes")
    assert gone == "Deleted dataset tag: team/data:prod\n", gone
    store.refused(NOT_FOUND, "datasets", "versions", "details", "team/data:prod", says="'prod'")
    events = store.json("datasets", "tags", "history", "team/data", "--name", "prod")["events"]
    assert [(e["before"], e["version"]) for e in events] == [(None, one), (one, two), (two, None)], events
    assert all(e["who"] and e["time"].endswith("Z") and e["tag"] == "prod" for e in events), events
    assert len(store.json("datasets", "tags", "history", id_)["events"]) == 4
    table = store.done("datasets", "tags", "history", "team/data", "--name", "prod").splitlines()
    assert len(table) == 4 and table[-1].split()[1:4] == ["prod", two, "(deleted)"], table

    for ref in (first, f"{id_}:~1", "team/data:V1.0_rc-2", "team/data"):
        assert store.json("inspect", ref)["blank"] is True, ref
    volume = store.json("volumes", "create", "copy", "--from", "team/data:V1.0_rc-2")
    assert volume["size"] == 1 << 20, volume
    store.done("volumes", "delete", "copy", "--yes")
    assert store.done("datasets", "versions", "delete", f"{id_}:V1.0_rc-2", "--yes", "--force").split()[-1] == second
    assert store.json("datasets", "tags", "list", "team/data") == {"tags": []}
    points_at(first, "~1")
    assert store.json("datasets", "versions", "verify", first)["sound"] is True
    store.done("datasets", "delete", "team/data", "--yes")
