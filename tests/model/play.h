/*
 * A store on a simulated disk beside the model: every operation is done to both and compared. A
 * difference ends the program with what is needed to repeat it.
 */
#ifndef MODEL_PLAY_H
#define MODEL_PLAY_H

#include "chance.h"
#include "model_history.h"
#include "sim_disk.h"
#include "store/store.h"

struct play {
    struct sim_disk *disk;
    struct store *store; /* NULL while it is closed */
    struct store_options options;
    struct model_history *history;
    struct chance chance;
    uint64_t operation; /* number of the last one, which is also in the bytes it writes */
    bool verbose;
    bool forgiving;     /* faults are about: EIO and ENOMEM are legal answers */
    bool refused_now;   /* the last answer was ENOSPC */
    uint64_t moved;     /* bytes, by compactions */
    bool reserves;      /* every third head is a reserved image */
    const char *repeat; /* the command that repeats this */
};

/* Says what is wrong and ends the program with exit code 1. */
void play_failed(const struct play *play, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* The store is formatted on the disk, and open afterwards. */
void play_begin(struct play *play, const struct store_geometry *geometry);
/* A new disk with a store of the least size, open. */
void play_begin_small(struct play *play, uint64_t seed, bool stale_cache);
void play_end(struct play *play);

/* One operation each; true when it was answered with success. While the disk is dead nothing is an
 * answer: the operation stays under way in the history. */
bool play_write(struct play *play, uint64_t image, uint64_t offset, uint64_t length, bool fua);
bool play_zero(struct play *play, uint64_t image, uint64_t offset, uint64_t length, bool fua);
bool play_flush(struct play *play);
/* The new image's number is in *ret_image; 0 when there is none. */
bool play_create(struct play *play, uint64_t size, uint64_t *ret_image);
bool play_clone(struct play *play, uint64_t source, bool frozen, uint64_t *ret_image);
bool play_delete(struct play *play, uint64_t image);
bool play_resize(struct play *play, uint64_t image, uint64_t size);
bool play_rollback(struct play *play, uint64_t image, uint64_t source);
bool play_freeze(struct play *play, uint64_t image);
/* Moves the image's blocks together, step by step, to the end or as far as chance wants. The
 * content stays, frozen or not. */
bool play_compact(struct play *play, uint64_t image);
/* Reads that range and compares it. */
bool play_read(struct play *play, uint64_t image, uint64_t offset, uint64_t length);
/* One step of background work. */
void play_step(struct play *play, enum store_work work);
bool play_checkpoint(struct play *play);
bool play_settle(struct play *play);

/* Compares all images with the present state. */
void play_compare(struct play *play);
/* store_check with all data: no problems. */
void play_check(struct play *play);

/* store_shutdown and open again. */
void play_restart(struct play *play);
/* After the disk died, or the store failed, or the process just ended: closes, reboots, opens again
 * and compares with the legal states. With `cut_again` the opening itself may be cut, several
 * times. */
void play_recover(struct play *play, enum model_stop stop, bool cut_again);

#endif
