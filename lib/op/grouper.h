/* Groups: rows -> dense group numbers, in first-seen order.
 *
 *     grouper_init(&g, spec, schema, nslices, e);
 *     grouper_cut(&g, nrows, &keys, skip, &arena, &rows, e);  // a batch's rows by slice: any thread
 *     grouper_begin(&g, slice);                               // when all rows looked up before are numbered
 *     grouper_look_up(&g, slice, &rows, e);                   // each slice by one thread at a time, batch by batch
 *     grouper_number(&g, &rows, e);                           // when all slices have seen the batch: rows.ids, rows.fresh
 *     grouper_keep(&g, batch, &rows, e);                      // its new groups' keys
 *     grouper_seal(&g, e);                                    // after the last row
 *     grouper_emit(&g, from, n, builders, e);                 // the key columns of groups [from, from + n)
 *
 * Two rows are of one group when their encoded keys (lib/table/key.h) are equal; a group shows its key in the spelling that was
 * seen first: text is had back from the encoded key, other columns are kept beside it. Nulls are equal to each other. Without key
 * fields there is one group, also when there are no rows. Slices cut the keys by their hash, so that threads can look up the rows of
 * a batch at once; the numbers do not depend on how many there are. */
#ifndef STOOK_OP_GROUPER_H
#define STOOK_OP_GROUPER_H

#include "lib/agg/agg.h"
#include "lib/op/grouptab.h"

#define GROUPER_SLICES 16 /* at most */

struct grouper {
	struct key key;
	uint64_t seed;         /* of the keys' hashes; the low `bits` of a hash say the slice */
	unsigned bits;
	struct slice {
		struct grouptab tab;
		uint32_t named;    /* of the fresh keys, which are numbered in the order of their rows */
	} slices[GROUPER_SLICES];
	uint32_t *where;       /* by group: the key's place in its slice, and in the low bits the slice */
	size_t where_cap;
	uint32_t n;            /* groups */
	bool text;             /* keys_decode() gives the key columns: none are kept */
	struct schema *fields; /* the key columns alone */
	struct rows fresh;      /* key columns of the newest groups */
	struct batch **batches; /* of older ones; of all once sealed */
	int64_t *starts;        /* first group of each batch; starts[nbatches] = first of `fresh` */
	int nbatches;
	size_t reps;          /* bytes of the batches */
	struct arena arena;   /* the bound key */
};

/* Rows of a batch. */
struct grouper_rows {
	int64_t n;
	struct grouptab_rows keys;
	uint32_t *same;  /* NULL, or by row an earlier one of its group that is looked up for it, or itself */
	uint32_t *rows;  /* those that are looked up, slice by slice */
	int64_t from[GROUPER_SLICES + 1]; /* slice k: rows[from[k] .. from[k + 1]) */
	uint32_t *ids;   /* by row: its group, or NO_GROUP */
	uint32_t *fresh; /* the rows that are the first of their groups: these are the groups [ngroups - nfresh, ngroups) */
	uint32_t nfresh, ngroups;
};

/* The hash of row i's key. */
static inline uint64_t grouper_hash(const struct grouper_rows *r, int64_t i)
{
	return r->keys.hash[r->same ? r->same[i] : i];
}

/* Binds key parts (borrowed only during the call; names live in the schema). nslices: a power of two. */
int grouper_init(struct grouper *g, const struct key_spec *spec, const struct schema *s, int nslices, struct err *e) nodiscard;
void grouper_free(struct grouper *g);
int grouper_clear(struct grouper *g, struct err *e) nodiscard; /* no groups again, memory given back; rows that are cut stay so */
static inline int grouper_slices(const struct grouper *g) { return 1 << g->bits; }

/* `keys` are encoded keys of n rows (unused when there are no key fields) and live as long as *ret. Rows whose bit is set in `skip`
 * (NULL: none) do not count. */
int grouper_cut(const struct grouper *g, int64_t n, const struct keys *keys, const uint8_t *skip, struct arena *a,
		struct grouper_rows *ret, struct err *e) nodiscard;
void grouper_begin(struct grouper *g, int slice);
int grouper_look_up(struct grouper *g, int slice, struct grouper_rows *r, struct err *e) nodiscard;
int grouper_number(struct grouper *g, struct grouper_rows *r, struct err *e) nodiscard;
int grouper_keep(struct grouper *g, const struct batch *b, const struct grouper_rows *r, struct err *e) nodiscard;

bool grouper_is_full(const struct grouper *g); /* few more groups can have a number and a place */
uint32_t grouper_count(const struct grouper *g);
size_t grouper_memory(const struct grouper *g); /* bytes held, about */
struct str grouper_key(const struct grouper *g, uint32_t group); /* encoded; valid until the next look-up */
int grouper_seal(struct grouper *g, struct err *e) nodiscard;
int grouper_emit(const struct grouper *g, uint32_t from, uint32_t n, struct builder *out, struct err *e) nodiscard;
int grouper_emit_encoded(const struct grouper *g, uint32_t from, uint32_t n, struct builder *out, struct err *e) nodiscard; /* one column */

/* Group numbers in key order (malloc'ed, the caller frees). */
int grouper_order(const struct grouper *g, uint32_t **ret, struct err *e) nodiscard;

#endif
