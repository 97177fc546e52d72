/* Writing to the temporary files (lib/io/temp.h) where a try's result lies until it counts. */
#ifndef STOOK_FANOUT_SPOOL_H
#define STOOK_FANOUT_SPOOL_H

#include "lib/base/err.h"

#include <stddef.h>

int spool_write(int fd, const void *p, size_t n, struct err *e) nodiscard; /* all of it */

#endif
