"""What the writers in a guest do, and what must be found after the power was cut: the same to both sides.

Each of WRITERS has a part of the volume of its own and does one operation after another, which follow from the seed and its
number. So what it left is the state after some number of its operations, and that number says all. A record, 512 bytes that
are written when an answer came, tells how many operations of each writer were durable then.
"""

import json
import random
import struct

BLOCK = 4096
WRITERS = 3
BLOCKS = 2048  # of each writer
SIZE = WRITERS * BLOCKS * BLOCK
RECORD = 512
LIMIT = 1_000_000  # operations that nobody does more of

# (name, weight, most blocks); writes of 64 KiB and above go another way than smaller ones
KINDS = (("write", 70, 8), ("write", 6, 64), ("fua", 5, 4), ("trim", 5, 64), ("zero", 3, 64), ("flush", 11, 0))


def operations(seed, writer):
    """Yields (kind, first block in the writer's part, count)."""
    dice = random.Random(f"{seed}/{writer}")
    weights = [weight for _, weight, _ in KINDS]
    for _ in range(LIMIT):
        kind, _, most = dice.choices(KINDS, weights)[0]
        count = dice.randint(1, most) if most else 0
        # half of them meet in a small part
        blocks = BLOCKS if dice.random() < 0.5 else BLOCKS // 16
        yield kind, dice.randrange(blocks - count + 1), count


def content(writer, block, number):
    """Of a block after operation `number` (from 1); 0 is what was never written, or trimmed."""
    return struct.pack("<II Q", writer, block, number) * (BLOCK // 16) if number else bytes(BLOCK)


def number_of(writer, block, piece):
    """The operation that a block comes from, or None when no operation left it so."""
    number = struct.unpack_from("<Q", piece, 8)[0]
    return number if piece == content(writer, block, number) else None


def pack_record(entry):
    return json.dumps(entry).encode().ljust(RECORD, b"\n")


def unpack_records(text):
    """Up to the first that is not whole."""
    for start in range(0, len(text), RECORD):
        try:
            yield json.loads(text[start : start + RECORD])
        except ValueError:
            return


def find_prefix(seed, writer, found, least, most=LIMIT):
    """How many whole operations `found`, the writer's part, is the state after: at least `least`, or raises ValueError."""
    want = []
    for block in range(BLOCKS):
        number = number_of(writer, block, found[block * BLOCK : (block + 1) * BLOCK])
        if number is None:
            raise ValueError(f"block {block} of writer {writer} holds what nobody wrote there")
        want.append(number)
    have = [0] * BLOCKS
    wrong = sum(number != 0 for number in want)
    # a state that is further than this from what was flushed would need as many answers without a flush
    last = min(max(max(want), least) + 2000, most)
    for done, (kind, first, count) in enumerate(operations(seed, writer)):
        if done >= least and wrong == 0:
            return done
        if done == last:
            break
        new = done + 1 if kind in ("write", "fua") else 0
        touched = range(first, first + count)
        if done >= least:
            # the last one may be there in part: each block is old or new
            changed = [block for block in touched if want[block] != have[block]]
            left = any(want[block] != new for block in touched)
            if left and len(changed) == wrong and all(want[block] == new for block in changed):
                print(f"operation {done + 1} of writer {writer}, {kind} of {count} at {first}: {wrong} blocks are new")
                return done
        for block in touched:
            wrong += (want[block] != new) - (want[block] != have[block])
            have[block] = new
    raise ValueError(
        f"writer {writer}: what is found is the state after no number of operations from {least} to {last}; "
        f"the newest block is from operation {max(want)}"
    )
