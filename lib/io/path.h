/* Names of inputs: patterns become the files that match. */
#ifndef STOOK_IO_PATH_H
#define STOOK_IO_PATH_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

/* Each name that holds * ? or [ and is no file itself is replaced by the files that match it, in byte order; one that matches nothing is
 * ST_NOINPUT. Others stay as they are. *ret has *count names, allocated in `a`. */
int path_expand(int n, char *const *names, struct arena *a, char ***ret, int *count, struct err *e) nodiscard;

/* Bytes of the regular file of that name; -1: it is none, or there is none. */
int64_t path_size(const char *name);

#endif
