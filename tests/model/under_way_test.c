/*
 * A checkpoint that freezes while a batch of the journal is under way, or is written and not synced
 * because it was begun early. Such a batch stands behind the journal's new start, with records that
 * the checkpoint contains. The place of a block inside it may hold newer data by then, which no
 * batch carries: the recovery that finds the batch must not put the old block there.
 */
#include "base/le.h"
#include "format/journal_batch.h"
#include "small_store.h"

enum {
    BLOCKS = 128,
    LATER = 64,
    PART = 8,
    WRITES_MAX = 120,
    BESIDE = 18,
    OVERWRITTEN = BESIDE,
    PUTS_MAX = 1000
};

static const struct store_options options = {
    .extent_slots = 2, .extent_blocks = PART, .inline_bytes = 8192, .early_after = 1};

/* When the checkpoint comes. */
enum moment {
    DURING_A_COMMIT,      /* while its batch is being written */
    DURING_EARLY_WRITE,   /* the same, of a batch that is begun early */
    BEHIND_AN_EARLY_BATCH /* when that is written and waits for its flush */
};

/* Block b of the image holds the number of the last write to it, all over. */
struct state {
    unsigned char block[BLOCKS];
};

static struct {
    enum moment moment;
    struct store *store;
    struct store_image *image;
    struct state after[WRITES_MAX + 1]; /* each write; whole at each of them */
    unsigned issued, flushed;
    bool armed, seen; /* the batch is to come, has come */
    uint64_t batch;   /* where it begins in the journal */
    bool freed;       /* the checkpoint is finished */
    struct put {
        uint64_t offset, length;
    } puts[PUTS_MAX]; /* what was written to the extents since */
    unsigned put_count, cuts;
} test;

static void write_blocks(unsigned first, unsigned count)
{
    static unsigned char bytes[BLOCKS * BLOCK_SIZE];
    unsigned number = test.issued + 1;

    CHECK(number <= WRITES_MAX);
    test.after[number] = test.after[number - 1];
    memset(test.after[number].block + first, (int)number, count);
    memset(bytes, (int)number, (size_t)count * BLOCK_SIZE);
    test.issued = number;
    CHECK_EQ(store_write(test.store, test.image, bytes, (size_t)count * BLOCK_SIZE,
                         (uint64_t)first * BLOCK_SIZE, 0),
             0);
}

static void flush(void)
{
    unsigned issued = test.issued;

    CHECK_EQ(store_flush(test.store), 0);
    test.flushed = issued;
}

static struct state read_state(struct store *store)
{
    static unsigned char bytes[BLOCKS * BLOCK_SIZE];
    struct state found;

    small_store_read(store, 1, bytes, sizeof bytes);
    for (unsigned b = 0; b < BLOCKS; b++) {
        const unsigned char *block = bytes + (size_t)b * BLOCK_SIZE;

        CHECK(memcmp(block, block + 1, BLOCK_SIZE - 1) == 0);
        found.block[b] = block[0];
    }
    return found;
}

/* The state after one of the writes from the last that was flushed on; the write behind that may be
 * there in part. */
static void state_is_legal(const struct state *found)
{
    for (unsigned n = test.flushed; n <= test.issued; n++) {
        const struct state *next = &test.after[n < test.issued ? n + 1 : n];
        unsigned b = 0;

        while (b < BLOCKS &&
               (found->block[b] == test.after[n].block[b] || found->block[b] == next->block[b]))
            b++;
        if (b == BLOCKS)
            return;
    }
    check_failed(__FILE__, __LINE__, "none of the states after writes %u to %u", test.flushed,
                 test.issued);
}

/* What a power cut leaves, now, on a copy. */
static void cut_here(struct sim_disk *disk, enum sim_outcome outcome, uint64_t seed)
{
    struct sim_disk *copy = sim_disk_copy(disk, seed);
    struct store *store;

    sim_disk_cut(copy, outcome);
    sim_disk_reboot(copy);
    store = small_store_open(copy, &options);
    struct state found = read_state(store);
    state_is_legal(&found);
    CHECK_EQ(store_settle(store), 0);
    found = read_state(store);
    state_is_legal(&found);
    store_close(store);
    sim_disk_free(copy);
    test.cuts++;
}

/* The batch holds one block: where that belongs says the batch. */
static uint64_t place_in_batch(struct sim_disk *disk, uint64_t offset)
{
    unsigned char bytes[4 * BLOCK_SIZE];
    struct journal_batch batch;

    sim_disk_peek(disk, IO_JOURNAL, offset, bytes, sizeof bytes);
    CHECK(journal_batch_decode(bytes, sizeof bytes / BLOCK_SIZE, &batch) == NULL);
    CHECK_EQ(batch.inline_blocks, 1);
    return le64_load(bytes + journal_batch_addresses_at(&batch)) << BLOCK_SHIFT;
}

/* Was anything written there after the checkpoint that freed it? */
static bool place_was_taken(uint64_t place)
{
    for (unsigned i = 0; i < test.put_count; i++) {
        if (test.puts[i].offset <= place && place < test.puts[i].offset + test.puts[i].length)
            return true;
    }
    return false;
}

/* The block inside the batch is overwritten, as are those beside it, a checkpoint frees its place,
 * and so many more are written that they take it, and go to their places before any batch. */
static void checkpoint_and_reuse(void)
{
    write_blocks(0, OVERWRITTEN + 2);
    CHECK_EQ(store_checkpoint(test.store), 0);
    test.freed = true;
    while (test.issued < WRITES_MAX - 1)
        write_blocks(LATER + test.issued % 4 * PART, PART);
}

static void at_event(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    bool is_batch = event->kind == SIM_WRITE && event->file == IO_JOURNAL;
    bool is_early = is_batch && (event->flags & IO_EARLY) != 0;

    (void)opaque;
    if (test.armed && is_batch && is_early == (test.moment != DURING_A_COMMIT)) {
        test.armed = false;
        test.seen = true;
        test.batch = event->offset;
        if (test.moment != BEHIND_AN_EARLY_BATCH)
            checkpoint_and_reuse();
    }
    if (test.freed && event->kind == SIM_WRITE && event->file == IO_EXTENTS) {
        CHECK(test.put_count < PUTS_MAX);
        test.puts[test.put_count++] = (struct put){event->offset, event->length};
    }
    if (test.seen && (event->kind & SIM_CHANGES) != 0) {
        cut_here(disk, SIM_NONE, event->number);
        cut_here(disk, SIM_ALL, event->number);
        cut_here(disk, SIM_SOME, event->number);
    }
}

static void play(enum moment moment)
{
    struct sim_disk *disk = small_store_disk(3, STORE_LIMIT_MIN);

    memset(&test, 0, sizeof test);
    test.moment = moment;
    test.store = small_store_open(disk, &options);
    test.image = small_store_image(test.store, MIB);
    CHECK_EQ(store_checkpoint(test.store), 0);
    for (unsigned b = 0; b < BESIDE; b++) /* a run of places that become free with it */
        write_blocks(b, 1);
    flush();
    /* a write and its flush, twice: after the next write another is expected */
    for (unsigned i = 0; moment != DURING_A_COMMIT && i < 2; i++) {
        write_blocks(OVERWRITTEN + 1, 1);
        flush();
    }
    test.armed = true;
    sim_disk_set_hook(disk, at_event, NULL);
    write_blocks(OVERWRITTEN, 1);
    if (moment == BEHIND_AN_EARLY_BATCH)
        checkpoint_and_reuse();
    flush();
    CHECK(test.seen); /* else nothing was tried */
    CHECK(place_was_taken(place_in_batch(disk, test.batch)));
    write_blocks(0, 1);
    flush();
    sim_disk_set_hook(disk, NULL, NULL);
    cut_here(disk, SIM_NONE, 1);
    CHECK_EQ(store_shutdown(test.store), 0);
    store_image_close(test.store, test.image);
    store_close(test.store);
    sim_disk_free(disk);
    printf("%u cuts\n", test.cuts);
}

static void during_a_commit(void)
{
    play(DURING_A_COMMIT);
}

static void during_an_early_write(void)
{
    play(DURING_EARLY_WRITE);
}

static void behind_an_early_batch(void)
{
    play(BEHIND_AN_EARLY_BATCH);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a checkpoint while a batch is written", during_a_commit},
        {"a checkpoint while a batch is written early", during_an_early_write},
        {"a checkpoint behind a batch that was begun early", behind_an_early_batch},
    };

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
