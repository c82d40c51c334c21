"""Reads the log of writes that QEMU's blklogwrites and the kernel's dm-log-writes make (Documentation/admin-guide/
device-mapper/log-writes.rst), and replays it.

All numbers are little-endian. Sector 0 is the superblock: magic (8 bytes), version (8, is 1), entries (8), sector size (4).
Then come the entries: a sector with first sector (8), sectors (8), flags (8), length of what follows (8), and, unless it is a
discard, the sectors that were written. An entry stands in the log when its I/O was complete, so what was complete before a
flush was asked for stands before that flush.
"""

import os
import struct

MAGIC, VERSION = 0x6A736677736872, 1
SUPER, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Entry:
    """Offset and size on the disk are bytes; `at` is where its data lies in the log."""

    def __init__(self, offset, size, flags, at):
        self.offset, self.size, self.flags, self.at = offset, size, flags, at

    @property
    def flushes(self):
        return bool(self.flags & FLUSH)


class WriteLog:
    def __init__(self, path):
        self.file = open(path, "rb")
        self.entries = list(self._read())

    def _read(self):
        magic, version, count, sector = SUPER.unpack(self.file.read(SUPER.size))
        if (magic, version) != (MAGIC, VERSION) or sector < 512 or sector & (sector - 1):
            raise ValueError(f"this is not a log of writes: magic {magic:#x}, version {version}, sectors of {sector}")
        self.sector = sector
        at = sector
        end = os.fstat(self.file.fileno()).st_size
        for number in range(count):
            self.file.seek(at)
            head = self.file.read(ENTRY.size)
            if len(head) != ENTRY.size:
                raise ValueError(f"the log ends in entry {number} of {count}")
            first, sectors, flags, extra = ENTRY.unpack(head)
            size = sectors * sector
            at += sector
            has_data = not flags & (DISCARD | MARK)
            if flags & ~(FLUSH | FUA | DISCARD | MARK) or (has_data and at + size > end):
                raise ValueError(f"entry {number} at byte {at - sector} of the log is damaged")
            yield Entry(first * sector, size, flags, at)
            at += size if has_data else extra

    def data(self, entry):
        self.file.seek(entry.at)
        return self.file.read(entry.size)

    def apply(self, entry, disk, torn=None):
        """Writes it to a disk image that is open for writing. `torn` says which of its sectors of 512 bytes arrived."""
        if entry.flags & MARK or entry.size == 0:
            return
        data = bytes(entry.size) if entry.flags & DISCARD else self.data(entry)
        if torn is None:
            disk.seek(entry.offset)
            disk.write(data)
            return
        for start in range(0, entry.size, 512):
            if torn(start // 512):
                disk.seek(entry.offset + start)
                disk.write(data[start : start + 512])
