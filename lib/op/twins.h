/* Which of many records have a hash that another one has too. All others are surely alone with their key.
 *
 *     twins_open(&t, memory, tmpdir, e);
 *     twins_add(&t, hash, e);                      // record t.n, for all records; t.worth: whether to go on
 *     twins_find(&t, pool, threads, &bits, &n, e); // bit i: record i has a twin; n of them have
 *     twins_close(&t);
 *
 * Hashes and numbers of records lie on disk, by the upper bits of the hash, and are read back a bucket at a time. Hashes must be seeded:
 * then only a repeated key can make a bucket much larger than others. One thread calls. */
#ifndef STOOK_OP_TWINS_H
#define STOOK_OP_TWINS_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/pool.h"

#include <stdbool.h>

struct twins { /* zeroed is closed */
	uint32_t n;
	bool worth; /* few records have a twin, as far as samples tell, and finding them will not take more than about memory / 4 */
	uint32_t most, bucket_most; /* records for that */
	int fd;
	bool open;
	struct twin_bucket *buckets;
	struct buf blocks;        /* struct twin_block, in the order of the file */
	int64_t bytes;            /* in the file */
	uint64_t *recent;         /* hashes seen lately: of keys that come often */
	uint64_t *sample;         /* some hashes, of all that came: open addressing */
	uint32_t sample_n, sample_size, sampled, repeated, again;
};

int twins_open(struct twins *t, int64_t memory, const char *tmpdir, struct err *e) nodiscard;
int twins_add(struct twins *t, uint64_t hash, struct err *e) nodiscard;
/* *ret is malloc'ed, a bit a record; NULL when *n = 0. */
int twins_find(struct twins *t, struct pool *pool, int threads, uint8_t **ret, uint32_t *n, struct err *e) nodiscard;
void twins_close(struct twins *t);

#endif
