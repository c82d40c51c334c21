"""What of the file `extents` of a store is in the kernel's page cache."""

import ctypes
import mmap
import os
import time

BLOCK = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class PageCache:
    def __init__(self, extents):
        self.extents = extents

    def forget(self):
        """Drops what is there. Not every file system does."""
        descriptor = os.open(self.extents, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    def places(self, blocks):
        """Where in the file each of these blocks lies, by its content."""
        wanted, found = set(blocks), {}
        with open(self.extents, "rb") as extents:
            for number, block in enumerate(iter(lambda: extents.read(BLOCK), b"")):
                if block in wanted:
                    found[block] = number
        return [found[block] for block in blocks]

    def resident(self, places):
        """How many of these blocks are in the page cache; looking brings none there."""
        length = self.extents.stat().st_size
        pages = ctypes.create_string_buffer(-(-length // BLOCK))
        descriptor = os.open(self.extents, os.O_RDONLY)
        address = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        os.close(descriptor)
        assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
        result = _libc.mincore(address, length, pages)
        _libc.munmap(address, length)
        assert result == 0, os.strerror(ctypes.get_errno())
        return sum(pages.raw[place] & 1 for place in places)

    def await_resident(self, places):
        """How many of what was begun are there, in the end."""
        deadline = time.monotonic() + 2
        while self.resident(places) < len(places) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.resident(places)
