#include <varve/server.h>

#include "volume/catalog_copy.h"
#include "volume/served_store.h"

static double checkpoint_age(struct varve *varve, const struct store_stats *s)
{
    uint64_t now = varve->io->ops->now(varve->io);

    if (s->checkpoint_time == 0)
        return -1; /* none by this process: the clock says nothing of what was before */
    return now > s->checkpoint_time ? (double)(now - s->checkpoint_time) / 1e9 : 0.0;
}

/* The two are not looked at in one moment. */
static uint64_t without(uint64_t bytes, uint64_t part)
{
    return bytes > part ? bytes - part : 0;
}

void varve_get_stats(struct varve *varve, struct varve_stats *ret_stats)
{
    struct store_stats s;

    store_get_stats(varve->store, &s);
    *ret_stats = (struct varve_stats){
        .limit_bytes = s.limit_bytes,
        .file_bytes = s.file_bytes,
        .logical_bytes = without(s.logical_bytes, catalog_copy_size(varve->copy)),
        .mapped_bytes = without(s.mapped_bytes, catalog_copy_mapped(varve->copy)),
        .used_bytes = s.used_bytes,
        .free_bytes = s.free_bytes,
        .held_bytes = s.held_bytes,
        .reserve_bytes = s.reserve_bytes,
        .metadata_bytes = s.metadata_bytes,
        .catalog_bytes = catalog_copy_mapped(varve->copy),
        .reads = s.reads,
        .read_bytes = s.read_bytes,
        .writes = s.writes,
        .write_bytes = s.write_bytes,
        .flushes = s.flushes,
        .trims = s.zeroes,
        .trim_bytes = s.zero_bytes,
        .device_write_bytes = s.device_write_bytes,
        .journal_bytes = s.journal_bytes,
        .journal_used_bytes = s.journal_used_bytes,
        .commits = s.commits,
        .checkpoints = s.checkpoints,
        .checkpoint_age = checkpoint_age(varve, &s),
        .dirty_bytes = s.dirty_bytes,
        .reclaim_pending = s.reclaim_pending,
        .checksum_errors = s.checksum_errors,
        .cache_bytes = s.cache_bytes,
        .failed = s.failed,
    };
}
