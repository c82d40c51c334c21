"""Creates, deletes, snapshots and commits beside a load, and the log of what was answered.

Like answered.py for the data: the test's own memory of what there must be. The one verb that the death of the server
left without an answer is in doubt, and settled by what is found.
"""

import hashlib
import threading
import time

import nbd

import answered
import served

DATASET = "ds"
VERSION_SIZE = 4 * served.MIB
KEPT = 2  # snapshots, and versions


class Version:
    """A version of DATASET, and the bytes that answered writes left in it."""

    def __init__(self, ref):
        self.ref = ref
        self.content = bytearray(VERSION_SIZE)
        self.doubt = None  # (offset, piece) of a write without an answer
        self.digest = None  # of a commit that was answered

    def settle(self, found):
        if self.doubt:
            offset, piece = self.doubt
            self.doubt = None
            for start in range(0, len(piece), answered.BLOCK):
                span = slice(offset + start, offset + start + answered.BLOCK)
                if found[span] == piece[start : start + answered.BLOCK]:
                    self.content[span] = found[span]
        return found == self.content


class Namer:
    """Remembers over all rounds; `begin` and `end` bracket the life of one server."""

    def __init__(self, store, volume, dice):
        self.store, self.volume, self.dice = store, volume, dice
        self.volumes = set()
        self.snapshots = {}  # name: answered.Watch, later the digest of what was found to be right
        self.versions = {}  # ref: Version
        self.number = 0
        self.verbs = 0  # answered
        self.doubt = None  # (verb, name)
        store.run("datasets", "create", "--name", DATASET, "--size", str(VERSION_SIZE))

    def begin(self):
        self.stopping = threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def end(self):
        """A command in flight may take the store itself once the server is gone: waits for its end."""
        self.stopping.set()
        self.thread.join()

    def _run(self):
        verbs = (self._volume, self._volume, self._snapshot, self._version)
        while not self.stopping.is_set():
            self.number += 1
            try:
                self.dice.choice(verbs)()
                self.verbs += 1
            except (served.Refused, nbd.Error) as refusal:
                self._excuse(refusal)
                return

    def _excuse(self, refusal):
        """Only a server that was killed is one, and who killed it may still wait for its end."""
        until = time.monotonic() + 5
        while self.store.server is not None:
            if time.monotonic() > until:
                self.problem = f"refused by a server that lives: {refusal}"
                return
            time.sleep(0.01)

    def _do(self, verb, name, *words):
        self.doubt = (verb, name)
        answer = self.store.run(*words)
        self.doubt = None
        return answer

    def _volume(self):
        name = f"side{self.number % 5}"
        if name in self.volumes:
            self._do("volume", name, "volumes", "delete", name, "--yes")
        else:
            self._do("volume", name, "volumes", "create", name, "--size", "1G")
        self.volumes ^= {name}

    def _snapshot(self):
        if len(self.snapshots) >= KEPT:
            name = min(self.snapshots, key=lambda name: int(name[1:]))
            self._do("snapshot gone", name, "snapshots", "delete", f"target@{name}", "--yes")
            del self.snapshots[name]
            return
        name = f"s{self.number}"
        watch = self.snapshots[name] = self.volume.watch()
        self._do("snapshot", name, "snapshots", "create", f"target@{name}")
        self.volume.unwatch(watch)

    def _version(self):
        if len(self.versions) >= KEPT:
            ref = next(iter(self.versions))
            self._do("version gone", ref, "datasets", "versions", "delete", ref, "--yes")
            del self.versions[ref]
            return
        # without an answer nobody knows the name: such a version is not looked for
        ref = self.store.json("datasets", "versions", "create", DATASET)["ref"]
        version = self.versions[ref] = Version(ref)
        handle = self.store.connect(ref)
        for _ in range(self.dice.randrange(8)):
            piece = self.dice.randbytes(self.dice.choice((1, 16)) * answered.BLOCK)
            offset = self.dice.randrange(0, VERSION_SIZE - len(piece), answered.BLOCK)
            version.doubt = (offset, piece)
            handle.pwrite(piece, offset)
            version.doubt = None
            version.content[offset : offset + len(piece)] = piece
        handle.shutdown()
        self._do("commit", ref, "datasets", "versions", "commit", ref)
        version.digest = self.store.json("datasets", "versions", "details", ref)["digest"]

    # after the next start

    def compare(self):
        """Returns None, or what is wrong."""
        verb, name = self.doubt or (None, None)
        self.doubt = None
        return (
            self.problem
            or self._compare_volumes(verb, name)
            or self._compare_snapshots(verb, name)
            or self._compare_versions(verb, name)
        )

    def _compare_volumes(self, verb, name):
        found = set(self.store.names()) - {"target"}
        wrong = (found ^ self.volumes) - ({name} if verb == "volume" else set())
        self.volumes = found
        return f"volumes {sorted(wrong)} are there or not against what was answered" if wrong else None

    def _compare_snapshots(self, verb, name):
        found = {entry["name"] for entry in self.store.json("snapshots", "list", "target")["snapshots"]}
        wrong = (found ^ set(self.snapshots)) - ({name} if verb in ("snapshot", "snapshot gone") else set())
        if wrong:
            return f"snapshots {sorted(wrong)} are there or not against what was answered"
        for gone in set(self.snapshots) - found:
            self.volume.unwatch(self.snapshots.pop(gone))
        for there, picture in self.snapshots.items():
            content = self._read(f"target@{there}")
            digest = hashlib.sha256(content).digest()
            if isinstance(picture, answered.Watch):
                self.volume.unwatch(picture)
                if problem := picture.compare(content):
                    return f"snapshot {there}: {problem}"
                self.snapshots[there] = digest
            elif digest != picture:
                return f"snapshot {there} is not what it was"
        return None

    def _compare_versions(self, verb, name):
        for ref, version in list(self.versions.items()):
            try:
                details = self.store.json("datasets", "versions", "details", ref)
            except served.Refused as refusal:
                if (verb, name) != ("version gone", ref):
                    return f"version {ref} is not there: {refusal}"
                del self.versions[ref]
                continue
            if not version.settle(self._read(ref)):
                return f"version {ref} does not hold what was written"
            if version.digest and details["digest"] != version.digest:
                return f"version {ref} has the digest {details['digest']}, and had {version.digest}"
            if details["committed"]:
                self.store.run("datasets", "versions", "verify", ref)
                version.digest = details["digest"]
        return None

    def _read(self, ref):
        handle = self.store.connect(ref)
        content = answered.read_all(handle, handle.get_size())
        handle.shutdown()
        return content
