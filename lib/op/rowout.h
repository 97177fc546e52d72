/* Packed rows that are in order, on their way on: as batches, or as blocks for a temporary file or a merge.
 *
 * A row stream gives them piece by piece; the pieces are made by jobs, several at once, and come in order. */
#ifndef STOOK_OP_ROWOUT_H
#define STOOK_OP_ROWOUT_H

#include "lib/op/rowstore.h"
#include "lib/table/stream.h"

/* Rows one after another, ROW_PADDING readable bytes behind them unless stored compressed. */
struct row_block {
	uint8_t *p;           /* malloc() */
	size_t stored, plain; /* bytes at p, bytes of the rows; equal: not compressed */
	int64_t rows;
	uint64_t hash;        /* XXH3 of the stored bytes, when made for a file */
};

/* What a stream's rows become. */
struct row_form {
	const struct schema *schema; /* batches of it; NULL: blocks */
	bool lines;                  /* the rows are lines: batches of it with these and no columns */
	int64_t batch_rows;          /* most rows of a batch */
	size_t block_bytes;          /* about so many a block, before compression */
	bool pack;                   /* blocks are compressed and hashed */
};

/* One piece of a stream. Zeroed, then rowout_make() any number of times. */
struct rowout {
	struct rows rows;
	bool ready;                  /* rows has been initialised */
	struct batch **batches;
	struct row_block *blocks;
	int n, at, cap;              /* of batches or blocks; the first `at` have been taken */
};

int rowout_make(struct rowout *o, const struct row_form *f, const struct entry *v, int64_t n, struct err *e) nodiscard;
void rowout_free(struct rowout *o);

struct rowstream {
	/* The next piece that is not empty, what was not taken of it included; NULL at the end. It is the stream's. */
	int (*next)(struct rowstream *s, struct rowout **ret, struct err *e);
	void (*close)(struct rowstream *s);
};

static inline void rowstream_close(struct rowstream *s)
{
	if (s)
		s->close(s);
}

/* A stream of batches as a source, `limit` rows (< 0: all). Takes the stream, also when it fails. */
int rowstream_source(struct rowstream *from, const struct schema *schema, int64_t limit, struct source **ret, struct err *e) nodiscard;

#endif
