"""Random requests on a volume over several connections, and the log of what was answered.

The log is the test's own memory of the volume: what an answered request wrote is there, and what a request
wrote that was never answered is in doubt, block by block. Requests in flight never overlap by a byte,
but they do share blocks: two of them patch one block at the same time.
"""

import dataclasses
import errno
import random
import select
import struct

import nbd

BLOCK = 4096
DEPTH = 16  # requests in flight on each connection
SIZES = (1, 17, 512, 1000, BLOCK, BLOCK, BLOCK, 3 * BLOCK, 5000, 65536, 70000, 300000)


@dataclasses.dataclass(eq=False)
class Request:
    number: int
    kind: str
    offset: int
    content: bytes  # what the range reads as afterwards; b"" of a flush
    flags: int = 0

    @property
    def end(self):
        return self.offset + len(self.content)

    def __str__(self):
        fua = " fua" if self.flags else ""
        return f"#{self.number} {self.kind} [{self.offset}, {self.end}){fua}"


def read_all(handle, size):
    step = 64 << 10  # larger ones cost Python a mapping and its page faults each
    found = bytearray(size)
    for offset in range(0, size, step):
        found[offset : offset + step] = handle.pread(min(step, size - offset), offset)
    return found


class Volume:
    """What the volume must hold, and what is in doubt."""

    def __init__(self, size):
        self.size = size
        self.content = bytearray(size)
        self.doubtful = []
        self.history = []  # answered requests since the last comparison, in the order of their answers
        self.numbers = 0
        self.noise = random.Random(1).randbytes(1 << 20)
        self.flying = {}  # requests without an answer so far; a dict, since its keys are copied in one step
        self.watches = []

    def bytes_of(self, length):
        """Bytes that no other request writes."""
        start = self.numbers * 7919 % (len(self.noise) - length)
        return (struct.pack("<Q", self.numbers) + self.noise[start : start + length])[:length]

    def answered(self, request):
        self.content[request.offset : request.end] = request.content
        self.history.append(request)

    def sent(self, request):
        self.flying[request] = None
        for watch in self.watches:
            watch.requests.append(request)

    def ended(self, request):
        """After `answered`, so that a watch sees it in the one place or the other."""
        self.flying.pop(request, None)

    def watch(self):
        """What a snapshot must hold that is asked for from now until `unwatch`. May be called by another thread."""
        watch = Watch()
        self.watches.append(watch)
        watch.requests.extend(list(self.flying))
        watch.base = bytes(self.content)
        return watch

    def unwatch(self, watch):
        if watch in self.watches:
            self.watches.remove(watch)

    def compare(self, found):
        """Returns None, or what is wrong. What was in doubt is settled by what was found."""
        for request in self.doubtful:
            self._settle(request, found)
        self.doubtful = []
        if found == self.content:
            self.history = []
            return None
        first = next(i for i in range(self.size) if found[i] != self.content[i])
        start = first - first % BLOCK
        wrote = [str(r) for r in self.history if r.offset < start + BLOCK and r.end > start]
        return (
            f"byte {first} is {found[first]:#04x}, must be {self.content[first]:#04x}; "
            f"its block was last written by: {'; '.join(wrote[-5:]) or 'nothing in this round'}"
        )

    def _settle(self, request, found):
        """Each block of an unanswered request is old or new, never a mix."""
        start = request.offset
        while start < request.end:
            end = min(start - start % BLOCK + BLOCK, request.end)
            new = request.content[start - request.offset : end - request.offset]
            if found[start:end] == new:
                self.content[start:end] = new
            start = end


class Watch:
    """The content when it began, and all requests that were under way at some time since."""

    def __init__(self):
        self.base = b""
        self.requests = []

    def compare(self, found):
        """Each piece of a block is as it was, or what one of the requests wrote; returns None, or what is wrong."""
        edges = {0, len(self.base)}
        for request in self.requests:
            edges.update((request.offset, request.end))
            edges.update(range(request.offset - request.offset % BLOCK, request.end, BLOCK))
        edges = sorted(edge for edge in edges if edge >= 0)
        for start, end in zip(edges, edges[1:]):
            piece = found[start:end]
            if piece != self.base[start:end] and not any(
                r.offset <= start and end <= r.end and r.content[start - r.offset : end - r.offset] == piece
                for r in self.requests
            ):
                return f"bytes {start} to {end} are neither what was there nor what was written meanwhile"
        return None


class Load:
    """Several connections of one client that keep requests in flight until the server is gone."""

    def __init__(self, connect, volume, dice, connections):
        self.volume, self.dice = volume, dice
        self.handles = [connect() for _ in range(connections)]
        self.flying = {handle: set() for handle in self.handles}
        self.count = 0
        self.errors = []

    def _overlaps(self, offset, end):
        return any(offset < r.end and end > r.offset for flying in self.flying.values() for r in flying)

    def _draw_range(self, largest):
        length = min(self.dice.choice(SIZES), largest)
        # half of the requests meet in a small part, so that blocks are overwritten many times
        span = self.volume.size if self.dice.random() < 0.5 else self.volume.size // 32
        offset = self.dice.randrange(0, span - length)
        if self.dice.random() < 0.5:
            offset -= offset % BLOCK
        return offset, length

    def _draw(self):
        self.volume.numbers += 1
        number = self.volume.numbers
        kind = self.dice.choices(("write", "trim", "zero", "flush"), (90, 4, 4, 2))[0]
        if kind == "flush":
            return Request(number, kind, 0, b"")
        for _ in range(20):
            offset, length = self._draw_range(self.volume.size // 64)
            if self._overlaps(offset, offset + length):
                continue
            content = self.volume.bytes_of(length) if kind == "write" else bytes(length)
            flags = nbd.CMD_FLAG_FUA if self.dice.random() < 0.02 else 0
            return Request(number, kind, offset, content, flags)
        return None

    def _send(self, handle, request):
        flying = self.flying[handle]

        def done(error):
            flying.discard(request)
            if error.value == 0:
                self.volume.answered(request)
                self.volume.ended(request)
                self.count += 1
            else:
                self.volume.doubtful.append(request)
                if error.value != errno.ENOTCONN:
                    self.errors.append(f"{request}: error {error.value}")
            return 1

        flying.add(request)
        self.volume.sent(request)
        size = len(request.content)
        try:
            if request.kind == "write":
                buffer = nbd.Buffer.from_bytearray(bytearray(request.content))
                handle.aio_pwrite(buffer, request.offset, done, request.flags)
            elif request.kind == "trim":
                handle.aio_trim(size, request.offset, done, request.flags)
            elif request.kind == "zero":
                handle.aio_zero(size, request.offset, done, request.flags)
            else:
                handle.aio_flush(done)
        except nbd.Error:
            # the connection is gone; whether the request was sent is not known
            if request in flying:
                flying.discard(request)
                self.volume.doubtful.append(request)

    def _alive(self):
        return [h for h in self.handles if h.aio_is_ready() or h.aio_is_processing()]

    def _fill_queues(self):
        for handle in self._alive():
            while len(self.flying[handle]) < DEPTH and handle.aio_is_ready():
                request = self._draw()
                if request is None:
                    return
                self._send(handle, request)

    def _wait(self):
        poller = select.poll()
        by_fd = {}
        for handle in self._alive():
            direction = handle.aio_get_direction()
            events = (select.POLLIN if direction & nbd.AIO_DIRECTION_READ else 0) | (
                select.POLLOUT if direction & nbd.AIO_DIRECTION_WRITE else 0
            )
            by_fd[handle.aio_get_fd()] = handle
            poller.register(handle.aio_get_fd(), events)
        for fd, events in poller.poll(1000):
            handle = by_fd[fd]
            try:
                # answers that lie in the socket count, also when the server is dead: read first
                if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    handle.aio_notify_read()
                elif events & select.POLLOUT:
                    handle.aio_notify_write()
            except nbd.Error:
                pass  # the state says it: the connection is dead

    def run(self, go_on):
        """Sends and collects until all connections are dead; `go_on()` is called between."""
        while self._alive():
            if go_on():
                self._fill_queues()
            self._wait()
        for handle, flying in self.flying.items():
            self.volume.doubtful.extend(flying)
            flying.clear()
        self.volume.flying.clear()
