/* Unnamed temporary files: where a try's result lies until it counts. They vanish with their last descriptor. */
#ifndef STOOK_FANOUT_SPOOL_H
#define STOOK_FANOUT_SPOOL_H

#include "lib/base/err.h"

#include <stddef.h>

int spool_open(const char *tmpdir, int *ret, struct err *e) nodiscard; /* tmpdir NULL: $TMPDIR, else /tmp */
int spool_write(int fd, const void *p, size_t n, struct err *e) nodiscard;
const char *spool_dir(const char *tmpdir);

#endif
