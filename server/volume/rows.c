#include "volume/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

enum { FIRST_ROOM = 16 };

int rows_add(struct rows *rows, const void *row)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? FIRST_ROOM : rows->room * 2;
        void *grown = reallocarray(rows->rows, room, rows->size);

        if (grown == NULL)
            return varve_no_memory("a list");
        rows->rows = grown;
        rows->room = room;
    }
    memcpy((char *)rows->rows + rows->count * rows->size, row, rows->size);
    rows->count++;
    return 0;
}

void *rows_at(const struct rows *rows, size_t i)
{
    assert(i < rows->count);
    return (char *)rows->rows + i * rows->size;
}
