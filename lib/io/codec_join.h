/* Fast deflate for the gzip codec. */
#ifndef STOOK_IO_CODEC_JOIN_H
#define STOOK_IO_CODEC_JOIN_H

#include "lib/base/buf.h"

#include <stdbool.h>

/* Appends blocks of raw deflate, none of them the last, that end on a byte. `other` does the same for a piece that cannot be joined.
 * 0 or -1 (memory). The bytes depend on those of `plain` alone. */
int deflate_pieces(struct str plain, struct buf *to, int (*other)(struct str plain, struct buf *to));

#endif
