/* Atomic files: bytes are written to a file without a name (O_TMPFILE; else a hidden ".NAME.stook-XXXXXX") in the folder of the
 * final name, and get that name by link or rename. A process killed before that leaves nothing, or a hidden file that the next
 * writer of the same name removes: such files are locked while their writer lives. */
#ifndef STOOK_IO_PLACE_H
#define STOOK_IO_PLACE_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* A hidden folder ".stook-XXXXXXXX" for files that are complete but must wait for their names while descriptors are short. It is
 * locked while its process lives; what a killed process left is removed by the next that opens one in the same place. */
struct stage {
	int parent, dir; /* -1: not open */
	char *name;
	uint32_t n;      /* files so far */
};

struct place {
	int dir;        /* the folder, -1: parked */
	char *folder;   /* its path */
	char *base;     /* the final name in it */
	char *hidden;   /* the hidden name, NULL: none now */
	int stage;      /* parked: the folder of `hidden`, borrowed */
	bool replaces;  /* something has the final name already */
	struct stat old;
};

/* Follows symbolic links of `path` to the file that will be replaced. Returns the descriptor to write to, or an error.
 * tidy: removes what killed writers of the same name left. */
int place_open(struct place *p, const char *path, bool tidy, struct err *e) nodiscard;

/* Flushes fd to disk (`flush`: else somebody has) and gives it the final name, with the permissions of the file it replaces. The folder is on disk after
 * place_sync(). A parked file has no descriptor (-1). */
int place_commit(struct place *p, int fd, bool flush, struct err *e) nodiscard;
int place_sync(const struct place *p, struct err *e) nodiscard;

/* The complete file goes to the stage; its descriptor may then be closed. */
int place_park(struct place *p, int fd, struct stage *s, struct err *e) nodiscard;

int stage_open(struct stage *s, const char *folder, struct err *e) nodiscard;
int stage_flush(const struct stage *s, struct err *e) nodiscard; /* everything parked is on disk */
void stage_close(struct stage *s); /* removes what is still parked */

/* Frees; removes the hidden file if there is one. */
void place_close(struct place *p);

#endif
