/* Temporary files without a name: they vanish with the last descriptor, whatever ends the process. */
#ifndef STOOK_IO_TEMP_H
#define STOOK_IO_TEMP_H

#include "lib/base/err.h"

/* Opens a new, empty file for reading and writing (0600, close-on-exec) in `dir` (NULL: $TMPDIR, else /tmp). ST_CANTCREAT naming the
 * directory when it cannot be. */
int temp_open(const char *dir, int *fd, struct err *e) nodiscard;

/* What has been read of one is not what was written: ST_IO. Returns -e->status. */
int temp_damaged(struct err *e);

/* That directory: `dir`, or $TMPDIR, or /tmp. */
const char *temp_dir(const char *dir);

#endif
