/* sum and mean, exact: decimals and integers through decsum.h, doubles through floatsum.h, one rounding at the end.
 *
 * State columns: the exact sum as text (null: nothing was added) and, for mean, the count. The kind of sum is part of the
 * column's name, so states of unlike inputs are never mixed up. */
#include "lib/agg/agg.h"
#include "lib/agg/floatsum.h"

#include <stdlib.h>

enum kind { SUM_INT, SUM_DEC, SUM_FLOAT };

static const char *const sum_states[] = { "sum.int64", "sum.num", "sum.float64" };
static const char *const mean_states[] = { "mean.int64", "mean.num", "mean.float64" };

/* What a group holds: one of these, and in a mean an int64 count behind it. */
struct state {
	union {
		struct decsum dec;
		struct floatsum flt;
	} u;
};

struct sum_more {
	struct decsums decs;
	struct floatsums floats;
	struct decpool scratch;
	struct floatpart *parts; /* of one batch; NULL: not needed yet */
};

#define FEW_GROUPS 1024 /* whose parts are in the nearest cache, and added up after some rows each */

static bool is_mean(const struct agg *a)
{
	return a->family == &agg_mean;
}

static struct state *state_of(const struct agg *a, uint32_t g)
{
	return (struct state *)(void *)(a->groups + g * a->size);
}

static int64_t *count_of(const struct agg *a, uint32_t g)
{
	return (int64_t *)(void *)(a->groups + (g + UINT64_C(1)) * a->size - sizeof(int64_t));
}

static int number_kind(const struct agg *a, struct err *e)
{
	const struct type *t = &a->schema->fields[a->cols[0]].type;

	if (type_is_float(t))
		return SUM_FLOAT;
	if (type_is_int(t) && t->id != T_UINT64)
		return SUM_INT;
	if (t->id == T_UTF8 || type_is_numeric(t) || t->id == T_NULL)
		return SUM_DEC;
	return agg_bad_type(a, 0, e);
}

static int sum_bind(struct agg *a, bool merge, struct err *e)
{
	const char *const *names = is_mean(a) ? mean_states : sum_states;
	struct type result = TYPE_FLOAT64;
	int rc;

	a->kind = merge ? agg_state_kind(a, names, 3, e) : number_kind(a, e);
	if (a->kind < 0)
		return a->kind;
	a->need[0] = AGG_NUMBERS;
	a->size = (a->kind == SUM_FLOAT ? sizeof(struct floatsum) : sizeof(struct decsum)) + (is_mean(a) ? sizeof(int64_t) : 0);
	if (!is_mean(a) && a->kind != SUM_FLOAT)
		result = a->kind == SUM_INT ? TYPE_INT64 : TYPE_NUM;
	if ((rc = agg_add_result(a, a->spec.out, result, true, e)) < 0 ||
	    (rc = agg_add_state(a, names[a->kind], a->kind == SUM_FLOAT ? TYPE_TEXT : TYPE_NUM, true, e)) < 0)
		return rc;
	return is_mean(a) ? agg_add_state(a, "n", TYPE_INT64, false, e) : 0;
}

#define AHEAD 16 /* rows whose states are fetched early */

/* Rows of `nums` that count, group by group: `add` is an expression over g (state) and i (row) that is 0 or fails. */
#define EACH_ROW(add)                                                                     \
	for (int64_t i = 0; i < b->n; i++) {                                              \
		struct state *g;                                                          \
		if (i + AHEAD < b->n && b->ids[i + AHEAD] != NO_GROUP)                    \
			__builtin_prefetch(base + b->ids[i + AHEAD] * size, 1);           \
		if (b->ids[i] == NO_GROUP || (nums->valid && !bit_get(nums->valid, i)))   \
			continue;                                                         \
		g = (struct state *)(void *)(base + b->ids[i] * size);                    \
		if (mean)                                                                 \
			*(int64_t *)(void *)((uint8_t *)g + size - sizeof(int64_t)) += 1; \
		if (add)                                                                  \
			return err_oom(e);                                                \
	}                                                                                 \
	return 0

static int update_i64(struct agg *a, const struct agg_batch *b, struct sum_more *more, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;
	uint8_t *base = a->groups;
	size_t size = a->size;
	bool mean = is_mean(a);

	EACH_ROW(decsum_add_i64(&g->u.dec, nums->i64[i], &more->decs));
}

static int update_f64_one_by_one(struct agg *a, const struct agg_batch *b, struct sum_more *more, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;
	uint8_t *base = a->groups;
	size_t size = a->size;
	bool mean = is_mean(a);

	EACH_ROW(floatsum_add(&g->u.flt, nums->f64[i], &more->floats));
}

/* Rows [from, to) to the parts of their groups, what does not fit one by one. Inlined for constant `mean` and `valid`. */
static inline __attribute__((always_inline)) int add_rows(struct agg *a, const struct agg_batch *b, int64_t from, int64_t to, bool mean,
							  const uint8_t *valid)
{
	struct sum_more *more = a->more;
	const double *v = b->args[0].nums->f64;
	const struct floatwindow w = floatwindow_of(v + from, to - from);
	struct floatpart *parts = more->parts;
	const uint32_t *ids = b->ids;

	for (int64_t i = from; i < to; i++) {
		uint32_t g = ids[i];

		if (g == NO_GROUP || (valid && !bit_get(valid, i)))
			continue;
		if (mean)
			parts[g].n++;
		if (!floatpart_add(&parts[g], v[i], &w) && floatsum_add(&state_of(a, g)->u.flt, v[i], &more->floats))
			return -1;
	}
	return 0;
}

static int take_part(struct agg *a, uint32_t g, struct floatpart *p)
{
	struct sum_more *more = a->more;
	int rc = 0;

	if (floatpart_any(p))
		rc = floatsum_add(&state_of(a, g)->u.flt, p->high, &more->floats) ||
		     floatsum_add(&state_of(a, g)->u.flt, p->low, &more->floats);
	if (is_mean(a))
		*count_of(a, g) += p->n;
	*p = FLOATPART_NONE;
	return rc;
}

/* Rows [from, to), FLOATPART_ROWS at most, of at most FEW_GROUPS groups. */
static int add_part(struct agg *a, const struct agg_batch *b, int64_t from, int64_t to)
{
	struct sum_more *more = a->more;
	const uint8_t *valid = b->args[0].nums->valid;
	int rc;

	if (valid)
		rc = add_rows(a, b, from, to, true, valid);
	else
		rc = is_mean(a) ? add_rows(a, b, from, to, true, NULL) : add_rows(a, b, from, to, false, NULL);
	for (uint32_t g = 0; g < a->ngroups && !rc; g++)
		rc = take_part(a, g, &more->parts[g]);
	return rc;
}

static int make_parts(struct sum_more *more, struct err *e)
{
	more->parts = malloc(FEW_GROUPS * sizeof *more->parts);
	for (uint32_t g = 0; more->parts && g < FEW_GROUPS; g++)
		more->parts[g] = FLOATPART_NONE;
	return more->parts ? 0 : err_oom(e);
}

static int update_f64(struct agg *a, const struct agg_batch *b, struct sum_more *more, struct err *e)
{
	if (a->ngroups > FEW_GROUPS)
		return update_f64_one_by_one(a, b, more, e);
	if (!more->parts && make_parts(more, e) < 0)
		return -e->status;
	for (int64_t i = 0; i < b->n; i += FLOATPART_ROWS)
		if (add_part(a, b, i, b->n - i < FLOATPART_ROWS ? b->n : i + FLOATPART_ROWS))
			return err_oom(e);
	return 0;
}

static int add_dec(struct decsum *s, const struct numbers *nums, int64_t i, struct sum_more *more)
{
	if (nums->special && nums->special[i]) {
		decsum_add_special(s, special_of(nums->f64[i]));
		return 0;
	}
	return decsum_add(s, nums->dec[i], &nums->pool, &more->decs);
}

static int update_dec(struct agg *a, const struct agg_batch *b, struct sum_more *more, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;
	uint8_t *base = a->groups;
	size_t size = a->size;
	bool mean = is_mean(a);

	EACH_ROW(add_dec(&g->u.dec, nums, i, more));
}

static int sum_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;

	if (nums->nulls == nums->n)
		return 0;
	switch (nums->kind) {
	case NUMS_I64:
		return update_i64(a, b, a->more, e);
	case NUMS_F64:
		return update_f64(a, b, a->more, e);
	case NUMS_DEC:
		return update_dec(a, b, a->more, e);
	}
	return err_set(e, ST_BUG, "sum: unknown kind of numbers");
}

static int put_int(const struct agg *a, const struct decsum *s, const struct sum_more *more, struct builder *out, struct err *e)
{
	int64_t v;

	if (!dec_is_int64(decsum_dec(s), &more->decs.pool, &v))
		return err_set(e, ST_DATA, "the sum \"%.*s\" does not fit int64 (read the field as num: --type %.*s=num)",
			       STR_ARG(a->spec.out), STR_ARG(a->spec.fields[0]));
	return builder_fixed(out, &v, e);
}

static int put_text(const struct agg *a, const struct state *s, const struct sum_more *more, struct builder *out, struct err *e)
{
	struct buf *b = &out->values;

	if (a->kind == SUM_FLOAT ? floatsum_print(&s->u.flt, &more->floats, b) : decsum_print(&s->u.dec, &more->decs, b))
		return err_oom(e);
	return builder_printed(out, e);
}

static bool is_empty(const struct agg *a, const struct state *s)
{
	return a->kind == SUM_FLOAT ? !s->u.flt.any : !s->u.dec.any;
}

static int sum_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	const struct sum_more *more = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = state_of(a, g);
		double v;

		if (is_empty(a, s)) {
			rc = builder_null(out, 1, e);
		} else if (a->kind == SUM_FLOAT) {
			v = floatsum_round(&s->u.flt, &more->floats);
			rc = builder_fixed(out, &v, e);
		} else {
			rc = a->kind == SUM_INT ? put_int(a, &s->u.dec, more, out, e) : put_text(a, s, more, out, e);
		}
	}
	return rc;
}

static int mean_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	const struct sum_more *more = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = state_of(a, g);
		int64_t count = *count_of(a, g);
		double v;

		if (!count) {
			rc = builder_null(out, 1, e);
			continue;
		}
		v = a->kind == SUM_FLOAT ? floatsum_mean(&s->u.flt, count, &more->floats)
					 : decsum_mean(&s->u.dec, count, &more->decs);
		rc = builder_fixed(out, &v, e);
	}
	return rc;
}

static int sum_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = state_of(a, g);

		rc = is_empty(a, s) ? builder_null(&out[0], 1, e) : put_text(a, s, a->more, &out[0], e);
		if (rc == 0 && is_mean(a))
			rc = builder_fixed(&out[1], count_of(a, g), e);
	}
	return rc;
}

static enum dec_read load_one(const struct agg *a, struct state *s, struct str text)
{
	struct sum_more *more = a->more;

	if (a->kind == SUM_FLOAT)
		return floatsum_add_text(&s->u.flt, text, &more->floats);
	return decsum_add_text(&s->u.dec, text, &more->scratch, &more->decs);
}

static int sum_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *sum = &b->cols[a->state_col], *n = is_mean(a) ? sum + 1 : NULL;

	if (sum->type->id != T_UTF8 || (n && n->type->id != T_INT64))
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		struct state *s = state_of(a, ids[i]);
		enum dec_read why = column_is_null(sum, i) ? DEC_OK : load_one(a, s, column_str(sum, i));

		if (why == DEC_NOMEM)
			return err_oom(e);
		if (why != DEC_OK)
			return agg_bad_state(a, b, i, 0, e);
		if (n && (column_is_null(n, i) || (column_i64(n, i) > 0) == column_is_null(sum, i) || column_i64(n, i) < 0 ||
			  __builtin_add_overflow(*count_of(a, ids[i]), column_i64(n, i), count_of(a, ids[i]))))
			return agg_bad_state(a, b, i, 1, e);
	}
	return 0;
}

static size_t sum_memory(const struct agg *a)
{
	const struct sum_more *more = a->more;

	return more->decs.pool.n * DECSUM_BIG + more->floats.n * sizeof(struct superacc);
}

static void sum_drop(struct agg *a)
{
	struct sum_more *more = a->more;

	decsums_free(&more->decs);
	floatsums_free(&more->floats);
	decpool_free(&more->scratch);
	free(more->parts);
}

const struct agg_family agg_sum = {
	.name = "sum",
	.min_fields = 1,
	.max_fields = 1,
	.more = sizeof(struct sum_more),
	.signature = "sum:FIELD",
	.example = "total=sum:price",
	.help = "exact sum: of text and num decimal, with the scale of the longest fraction; of int64 int64, and an error "
		"beyond its range; of float64 rounded once, whatever the order of the records",
	.bind = sum_bind,
	.update = sum_update,
	.finish = sum_finish,
	.dump = sum_dump,
	.load = sum_load,
	.memory = sum_memory,
	.drop = sum_drop,
};

const struct agg_family agg_mean = {
	.name = "mean",
	.min_fields = 1,
	.max_fields = 1,
	.more = sizeof(struct sum_more),
	.signature = "mean:FIELD",
	.example = "mean:price",
	.help = "arithmetic mean, rounded once from the exact sum and count",
	.bind = sum_bind,
	.update = sum_update,
	.finish = mean_finish,
	.dump = sum_dump,
	.load = sum_load,
	.memory = sum_memory,
	.drop = sum_drop,
};
