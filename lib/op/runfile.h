/* Sorted rows in an unnamed temporary file: what a sort puts away when its memory is full.
 *
 * The file holds blocks of packed rows (rowout.h), LZ4 where that makes them smaller. Where they lie, how long they are and their
 * XXH3 is kept in memory, so that damage, a block cut off or in another's place is found before a byte of it is used: ST_IO. */
#ifndef STOOK_OP_RUNFILE_H
#define STOOK_OP_RUNFILE_H

#include "lib/base/pool.h"
#include "lib/op/rowout.h"

struct runfile;

#define LARGE_BLOCK ((size_t)4 << 20) /* a block that is larger is one long row: fewer are held at once */

/* Writes all of `from` (form: packed blocks; closed in any case); at most `limit` rows if that is not negative. */
int runfile_write(struct rowstream *from, int64_t limit, const char *tmpdir, struct runfile **ret, struct err *e) nodiscard;
void runfile_free(struct runfile *f); /* NULL is fine */
int64_t runfile_bytes(const struct runfile *f); /* of the file */
size_t runfile_block(const struct runfile *f);  /* of the largest block, plain */
void runfile_rows(const struct runfile *f, int64_t *rows, int64_t *bytes); /* adds how many there are, and their bytes as they are packed */

/* Reading it once, from front to back, blocks ahead by the pool's jobs. Takes the file, also when it fails. */
struct runreader;
int runreader_open(struct runfile *f, struct pool *pool, struct runreader **ret, struct err *e) nodiscard;
/* The next block, plain, which becomes the caller's; p = NULL at the end. */
int runreader_next(struct runreader *r, struct row_block *ret, struct err *e) nodiscard;
void runreader_close(struct runreader *r); /* NULL is fine */

#endif
