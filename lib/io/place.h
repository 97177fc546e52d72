/* Atomic files: bytes are written to a file without a name (O_TMPFILE; else a hidden ".NAME.stook-XXXXXX") in the folder of the
 * final name, and get that name by link or rename. A process killed before that leaves nothing, or a hidden file that the next
 * writer of the same name removes: such files are locked while their writer lives. */
#ifndef STOOK_IO_PLACE_H
#define STOOK_IO_PLACE_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

struct place {
	int dir;        /* the folder */
	char *base;     /* the final name in it */
	char *hidden;   /* the hidden name, NULL: none now */
	bool replaces;  /* something has the final name already */
	struct stat old;
};

/* Follows symbolic links of `path` to the file that will be replaced. Returns the descriptor to write to, or an error. */
int place_open(struct place *p, const char *path, struct err *e) nodiscard;

/* Flushes fd to disk and gives it the final name, with the permissions of the file it replaces. */
int place_commit(struct place *p, int fd, struct err *e) nodiscard;

/* Frees; removes the hidden file if there is one. */
void place_close(struct place *p);

#endif
