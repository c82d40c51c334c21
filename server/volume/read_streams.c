#include "volume/read_streams.h"

#include <stddef.h>

#include "base/block.h"

/* Requests of one stream that may come before or after their turn. */
enum { OUT_OF_TURN = 4 };

static uint64_t whole_blocks(uint64_t bytes)
{
    return blocks_for(bytes) << BLOCK_SHIFT;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* How far from where a stream should go on a read may be and still belong to it. */
static uint64_t slack_of(uint64_t length)
{
    return max_u64(READ_WINDOW_MIN, min_u64(OUT_OF_TURN * length, READ_WINDOW_MAX));
}

static struct read_stream *find(struct read_streams *streams, uint64_t offset, uint64_t slack)
{
    struct read_stream *nearest = NULL;

    for (unsigned i = 0; i < READ_STREAMS; i++) {
        struct read_stream *stream = &streams->stream[i];
        uint64_t away = distance(offset, stream->next);

        if (stream->used > 0 && away <= slack &&
            (nearest == NULL || away < distance(offset, nearest->next)))
            nearest = stream;
    }
    return nearest;
}

static void begin_in_place_of_oldest(struct read_streams *streams, uint64_t offset, uint64_t length)
{
    struct read_stream *oldest = &streams->stream[0];

    for (unsigned i = 1; i < READ_STREAMS; i++)
        if (streams->stream[i].used < oldest->used)
            oldest = &streams->stream[i];
    *oldest = (struct read_stream){.from = offset,
                                   .next = offset + length,
                                   .got = length,
                                   .begun = offset + length,
                                   .used = streams->reads};
}

/* Strides and the odd neighbour are no stream: of what lies behind the reader three quarters must
 * have been read. */
static bool goes_on(const struct read_stream *stream, uint64_t length)
{
    uint64_t span = stream->next - stream->from;

    return stream->got >= span - span / 4 && stream->got > length &&
           (stream->window > 0 || stream->got >= READ_WINDOW_MIN);
}

static void judge_anew(struct read_stream *stream, uint64_t offset, uint64_t length)
{
    stream->from = offset;
    stream->got = length;
}

/* Fills the window up when no more than half of it is left. */
static bool fill_up(struct read_stream *stream, uint64_t length, struct read_piece *ret_piece)
{
    uint64_t left = stream->begun > stream->next ? stream->begun - stream->next : 0;
    uint64_t start, end;

    if (left > stream->window / 2)
        return false;
    stream->window = stream->window > 0 ? 2 * stream->window : max_u64(length, READ_WINDOW_MIN);
    stream->window = min_u64(stream->window, READ_WINDOW_MAX);
    start = whole_blocks(stream->next + left);
    end = whole_blocks(stream->next + stream->window);
    *ret_piece =
        (struct read_piece){.offset = start, .length = min_u64(end - start, READ_PIECE_MAX)};
    stream->begun = start + ret_piece->length;
    return true;
}

bool read_streams_note(struct read_streams *streams, uint64_t offset, uint64_t length,
                       struct read_piece *ret_piece)
{
    uint64_t slack = slack_of(length);
    struct read_stream *stream = find(streams, offset, slack);

    streams->reads++;
    if (stream == NULL) {
        begin_in_place_of_oldest(streams, offset, length);
        return false;
    }
    stream->used = streams->reads;
    stream->got += length;
    if (offset + length <= stream->next)
        return false; /* came late, or again, or goes backwards */
    stream->next = offset + length;
    if (!goes_on(stream, length)) {
        if (stream->next - stream->from > 2 * slack)
            judge_anew(stream, offset, length);
        return false;
    }
    if (!fill_up(stream, length, ret_piece))
        return false;
    ret_piece->stream = (unsigned)(stream - streams->stream);
    judge_anew(stream, offset, length);
    return true;
}

void read_streams_told(struct read_streams *streams, const struct read_piece *piece, bool needless)
{
    struct read_stream *stream = &streams->stream[piece->stream];

    if (stream->begun != piece->offset + piece->length)
        return; /* another stream took its place meanwhile */
    stream->skip = needless ? min_u64(2 * stream->skip + piece->length, READ_SKIP_MAX) : 0;
    stream->begun += stream->skip;
}
