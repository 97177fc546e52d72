/* Spilling: a sorted run or a partition that does not fit goes to an unnamed temporary file and comes back as a source.
 *
 * The file has no name (O_TMPFILE, or unlinked at once), so it vanishes with the process whatever ends it. What lies in it is our
 * own Arrow stream with zstd bodies: compressed, checksummed, end marker included, so damage on the way is ST_STREAM, never wrong
 * rows. */
#ifndef STOOK_OP_SPILL_H
#define STOOK_OP_SPILL_H

#include "lib/table/stream.h"

/* Writes all of `from` (not closed) to a temporary file in `tmpdir` (NULL: $TMPDIR, else /tmp) and opens it for reading. */
int spill_source(struct source *from, const char *tmpdir, struct source **ret, struct err *e) nodiscard;

/* The same in pieces: write batches, then read them back. */
struct spill {
	struct sink *sink;
	int fd;         /* the same file, for reading; -1 once it is owned by the source */
	int64_t rows;
};

int spill_open(struct spill *s, const struct schema *schema, const char *tmpdir, struct err *e) nodiscard;
int spill_write(struct spill *s, struct batch *b, struct err *e) nodiscard;
int spill_end(struct spill *s, struct err *e) nodiscard;   /* ends the writing; the others do it too */
int spill_read(struct spill *s, struct source **ret, struct err *e) nodiscard;
int spill_again(struct spill *s, struct source **ret, struct err *e) nodiscard; /* to be read again: one source at a time */
void spill_close(struct spill *s); /* what has not been turned into a source is gone */

#endif
