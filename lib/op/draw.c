/* Drawing on disk: see draw.h. Nothing of a record is carried but its class and its number. Sorted by class they are numbered and
 * hashed; sorted by hash, the first of each class are taken (taker.h); these are sorted back. */
#include "lib/op/draw.h"

#include "lib/base/hash.h"
#include "lib/op/sorter.h"
#include "lib/op/tag.h"
#include "lib/op/taker.h"

#include <stdlib.h>

enum { CLASS = 1, ROW = DRAWN_ROW + 1, HASH }; /* the columns, from 1 */

struct ballots {
	struct source source;
	struct source *from;
	const struct draw *d;
	int64_t rows;
	struct arena scratch;
};

static int classes_of(struct ballots *b, struct batch *from, uint64_t **ret, struct err *e)
{
	struct bad_values bad = { .policy = b->d->on_bad, .bad_row = -1 };
	int rc;

	arena_reset(&b->scratch);
	if (b->d->class->n) {
		rc = placement_hash(b->d->class, from, b->d->seed, &bad, &b->scratch, ret, e);
		return rc == 0 && bad.bad_row >= 0 ? -e->status : rc;
	}
	if (!(*ret = arena_array(&b->scratch, uint64_t, (size_t)from->nrows)))
		return err_oom(e);
	for (int64_t i = 0; i < from->nrows; i++)
		(*ret)[i] = b->d->seed;
	return 0;
}

/* Class and number of each record. */
static int ballots_next(struct source *s, struct batch **ret, struct err *e)
{
	struct ballots *b = (struct ballots *)s;
	cleanup_batch struct batch *from = NULL, *to = NULL;
	uint64_t *classes;
	int64_t *v[2];
	int rc = source_next(b->from, &from, e);

	if (rc < 0 || !from || (rc = classes_of(b, from, &classes, e)) < 0)
		return rc;
	if (!(to = batch_new(s->schema, from->nrows)))
		return err_oom(e);
	for (int i = 0; i < 2; i++) {
		if (!(v[i] = arena_array(&to->arena, int64_t, (size_t)to->nrows)))
			return err_oom(e);
		to->cols[i].values = (const uint8_t *)v[i];
	}
	for (int64_t i = 0; i < to->nrows; i++) {
		v[0][i] = (int64_t)classes[i];
		v[1][i] = b->rows++;
	}
	*ret = to;
	to = NULL;
	return 0;
}

static void ballots_close(struct source *s)
{
	struct ballots *b = (struct ballots *)s;

	source_close(b->from);
	arena_free(&b->scratch);
	schema_unref(s->schema);
	free(b);
}

static int ballots_open(struct source *from, const struct draw *d, struct ballots **ret, struct err *e)
{
	struct ballots *b = calloc(1, sizeof *b);
	struct schema *schema = b ? schema_new() : NULL;
	int rc = schema ? schema_add(schema, STR("class"), &TYPE_INT64, false, e) : err_oom(e);

	if (rc == 0)
		rc = schema_add(schema, STR("row"), &TYPE_INT64, false, e);
	if (rc < 0) {
		source_close(from);
		schema_unref(schema);
		free(b);
		return rc;
	}
	*b = (struct ballots){ .source = { .schema = schema, .next = ballots_next, .close = ballots_close }, .from = from, .d = d };
	*ret = b;
	return 0;
}

/* Those of a class come one after another. The hash is stored so that its order is that of unsigned numbers. */
static void hash_numbers(void *context, const struct batch *from, int64_t row, int64_t *const *to)
{
	const uint64_t *classes = (const uint64_t *)(const void *)from->cols[CLASS - 1].values;
	struct draw *d = context;

	(void)row;
	for (int64_t i = 0; i < from->nrows; i++) {
		if (classes[i] != d->last)
			d->seen = 0;
		d->last = classes[i];
		to[0][i] = (int64_t)(hash64_number(d->seen++, d->last) ^ (uint64_t)1 << 63);
	}
}

static int first_of_each(struct source *from, struct draw *d, struct source **ret, struct err *e)
{
	const struct take_opts take = { .limit = d->n, .every = 1, .last = -1, .sample = -1, .groups = &d->classes,
					.memory = d->memory / 2, .tmpdir = d->tmpdir, .threads = d->threads };

	d->part = (struct key_part){ .at = CLASS };
	d->classes = (struct key_spec){ 1, &d->part };
	return take_open(from, &take, ret, e);
}

int draw_open(struct source *from, struct draw *d, struct source **ret, struct err *e)
{
	const struct sort_opts sort = { .limit = -1, .memory = d->memory / 4, .tmpdir = d->tmpdir, .threads = d->threads };
	struct ballots *b;
	struct source *s;
	int rc = ballots_open(from, d, &b, e);

	if (rc < 0 || (rc = tag_sort(&b->source, CLASS, &sort, &s, e)) < 0 || (rc = tag_open(s, 1, hash_numbers, d, &s, e)) < 0 ||
	    (rc = tag_sort(s, HASH, &sort, &s, e)) < 0 || (rc = first_of_each(s, d, &s, e)) < 0)
		return rc;
	return tag_sort(s, ROW, &sort, ret, e);
}
