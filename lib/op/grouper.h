/* Groups: rows -> dense group numbers, in first-seen order.
 *
 *     grouper_init(&g, key_text, schema, e);
 *     grouper_add(&g, batch, skip, ids, e);      // ids[i] = group of row i; new groups are numbered as they come
 *     grouper_seal(&g, e);                       // after the last row
 *     grouper_emit(&g, from, n, builders, e);    // the key columns of groups [from, from + n)
 *
 * Two rows are of one group when their encoded keys (lib/table/key.h) are equal; a group shows its key in the spelling that was
 * seen first. Nulls are equal to each other. The hash is seeded (lib/agg/keyset.h). Without key fields there is one group, also
 * when there are no rows. */
#ifndef STOOK_OP_GROUPER_H
#define STOOK_OP_GROUPER_H

#include "lib/agg/agg.h"
#include "lib/agg/keyset.h"

struct grouper {
	struct key key;
	struct keyset set;
	struct schema *fields;  /* the key columns alone */
	struct rows fresh;      /* key columns of the newest groups */
	struct batch **batches; /* of older ones; of all once sealed */
	int64_t *starts;        /* first group of each batch; starts[nbatches] = first of `fresh` */
	int nbatches;
	size_t reps;          /* bytes of the batches */
	struct arena arena;   /* the bound key */
	struct arena scratch; /* of one batch */
};

/* Binds key parts (borrowed only during the call; names live in the schema). */
int grouper_init(struct grouper *g, const struct key_spec *spec, const struct schema *s, struct err *e) nodiscard;
void grouper_free(struct grouper *g);

/* Groups of b's rows into ids[0 .. nrows). Rows whose bit is set in `skip` (NULL: none) get NO_GROUP. `keys` are b's encoded
 * keys (NULL when there are no key fields). */
int grouper_add(struct grouper *g, const struct batch *b, const struct keys *keys, const uint8_t *skip, uint32_t *ids,
		struct err *e) nodiscard;

uint32_t grouper_count(const struct grouper *g);
size_t grouper_memory(const struct grouper *g); /* bytes held, about */
int grouper_seal(struct grouper *g, struct err *e) nodiscard;
int grouper_emit(const struct grouper *g, uint32_t from, uint32_t n, struct builder *out, struct err *e) nodiscard;

/* Group numbers in key order (malloc'ed, the caller frees). */
int grouper_order(const struct grouper *g, uint32_t **ret, struct err *e) nodiscard;

#endif
