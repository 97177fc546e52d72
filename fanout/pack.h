/* Packing what is shipped: tar inside zstd, through libarchive; deterministic (no times, no owners). shim_unpack.h is the other end. */
#ifndef STOOK_FANOUT_PACK_H
#define STOOK_FANOUT_PACK_H

#include "lib/base/err.h"

#include <stdbool.h>

struct pack;

/* The archive is written to descriptor fd (borrowed). */
int pack_open(struct pack **ret, int fd, struct err *e) nodiscard;
/* The bytes of an open file, from its start, as entry `name`. */
int pack_add(struct pack *p, const char *name, int fd, bool executable, struct err *e) nodiscard;
int pack_finish(struct pack *p, struct err *e) nodiscard;
void pack_free(struct pack *p);

#endif
