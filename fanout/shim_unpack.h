/* Unpacks a tar+zstd archive that arrives in pieces into one flat, fresh directory.
 *
 * Stricter than tar has any need to be: regular files with plain names ([A-Za-z0-9._-], not beginning with a dot, at most 100
 * bytes, no folder), none twice, each created anew; header checksums and the archive's end must be there. Anything else is refused, whoever sent it. Source of the format: POSIX.1-2017 pax, "ustar Interchange Format", with
 * GNU's base-256 sizes. */
#ifndef STOOK_FANOUT_SHIM_UNPACK_H
#define STOOK_FANOUT_SHIM_UNPACK_H

#include "lib/base/err.h"

#include <stddef.h>

struct unpack;

#define UNPACK_FILES 10000
#define UNPACK_BYTES (INT64_C(1) << 42)

/* dirfd is borrowed and must stay open. */
int unpack_new(struct unpack **ret, int dirfd, struct err *e) nodiscard;
int unpack_feed(struct unpack *u, const void *p, size_t n, struct err *e) nodiscard;
int unpack_end(struct unpack *u, struct err *e) nodiscard; /* fails unless the archive was whole */
void unpack_free(struct unpack *u);

#endif
