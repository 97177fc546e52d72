/* Pieces: sorted rows in memory, a few MiB each. A run is made of them; each is made by a job of its own. */
#ifndef STOOK_OP_PIECE_H
#define STOOK_OP_PIECE_H

#include "lib/base/pool.h"
#include "lib/op/rowstore.h"
#include "lib/table/badlog.h"

enum unique { UNIQUE_NONE, UNIQUE_FIRST, UNIQUE_LAST }; /* which row of each key is kept */

/* Packed rows in order, next to each other. */
struct sorted {
	uint8_t *p;
	size_t bytes, mapped;
	size_t gone;         /* bytes at p whose pages have been given back */
	int64_t n;
	struct entry *index; /* rows 0, INDEX_STEP, 2 INDEX_STEP, ... */
	int64_t nindex;
};

#define INDEX_STEP 64

/* The rows v names, `bytes` long together, copied, in that order. */
int sorted_make(const struct entry *v, int64_t n, size_t bytes, struct sorted *ret, struct err *e) nodiscard;
size_t rows_size(const struct entry *v, int64_t n);
void sorted_free(struct sorted *s);

/* What all pieces of a run have in common. */
struct piece_rules {
	const struct schema *schema; /* of the rows as they are kept; borrowed */
	const struct line_form *lines;   /* they are kept as such lines, in the one column of `schema`; NULL: column by column */
	struct key key;              /* borrowed parts */
	enum on_bad on_bad;
	enum unique unique;
	int64_t limit;               /* the first rows only; < 0: all */
	bool bounded;                /* rows that come behind `bound` are not wanted, those equal to it neither unless UNIQUE_LAST */
	struct buf bound;
	uint64_t bound_word;
};

struct piece {
	struct job job;
	const struct piece_rules *rules;
	struct batch **batches;      /* until the job has run */
	int nbatches, cap;
	int64_t rows, data, held;    /* of the batches; held: memory */
	struct sorted sorted;        /* afterwards; or: */
	struct bad_found bad;        /* and, for the log */
	int rc;
	struct err e;
};

/* An empty piece; batches are added (references are taken), then its job may run. */
int piece_new(const struct piece_rules *rules, struct piece **ret, struct err *e) nodiscard;
int piece_add(struct piece *p, struct batch *b, struct err *e) nodiscard;
void piece_free(struct piece *p); /* NULL is fine; not while the job runs */

/* Sorts v[0 .. n) stably, whatever order it is in; applies `unique`; returns how many are left or a negative status. */
int64_t entries_sort(struct entry *v, int64_t n, enum unique unique, struct err *e) nodiscard;

#endif
