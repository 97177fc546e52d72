/* distinct~: how many different values, about: HyperLogLog (P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, 2007) with 2^14
 * registers and the estimator of O. Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), whose
 * standard error is 1.04 / sqrt(2^14) = 0.81 % at every size and which needs no tables of corrections.
 *
 * A value's hash (placement_hash(): fixed for ever) picks a register by its upper 14 bits; the register keeps the highest place
 * of the first one among the others. Registers depend on the set of values alone, so any cut gives the same estimate. A group
 * with few registers in use keeps a list of them. State column: bytes, 4 for each register in use (number * 64 + place, little
 * endian, ascending). */
#include "lib/agg/agg.h"

#include <math.h>
#include <stdlib.h>

#define BITS 14
#define REGISTERS (1u << BITS)
#define MAX_PLACE (64 - BITS + 1)
#define LIST_MAX (REGISTERS / 4) /* entries after which the registers are smaller than the list */

static const char *const states[] = { "hll14", "hll14.num", "hll14.text", "hll14.nat", "hll14.fold", "hll14.time" };

struct state {
	uint32_t n, cap; /* list */
	uint32_t *list;  /* number * 64 + place; may repeat numbers until it is tidied */
	uint8_t *places; /* or all registers */
};

static int hll_bind(struct agg *a, bool merge, struct err *e)
{
	int rc = merge ? agg_state_kind(a, &states[a->spec.reading], 1, e) : agg_check_key(a, a->schema, a->cols[0], e);

	if (rc < 0)
		return rc;
	if (a->spec.reading != KEY_AUTO && a->spec.reading != KEY_NUM && a->spec.reading != KEY_TEXT)
		return err_set(e, ST_USAGE, "-a %.*s: distinct~ reads num or text only", STR_ARG(a->spec.text));
	a->need[0] = AGG_HASHES;
	if ((rc = agg_add_result(a, a->spec.out, TYPE_INT64, false, e)) < 0)
		return rc;
	a->results[0].error = "standard error 0.81 %";
	return agg_add_state(a, states[a->spec.reading], TYPE_BINARY, false, e);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Sorted, each register once, with its highest place. */
static void tidy(struct state *s)
{
	uint32_t n = 0;

	if (!s->n)
		return;
	qsort(s->list, s->n, sizeof *s->list, compare);
	for (uint32_t i = 1; i < s->n; i++) {
		if (s->list[i] >> 6 != s->list[n] >> 6)
			n++;
		s->list[n] = s->list[i];
	}
	s->n = n + 1;
}

static int spread(struct state *s, size_t *heap)
{
	s->places = calloc(REGISTERS, 1);
	if (!s->places)
		return -1;
	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t *p = &s->places[s->list[i] >> 6], v = s->list[i] & 63;

		*p = v > *p ? v : *p;
	}
	*heap += REGISTERS - s->cap * sizeof *s->list;
	free(s->list);
	s->list = NULL;
	s->n = s->cap = 0;
	return 0;
}

/* The list is full: tidied, then either longer or registers. */
static int grow(struct state *s, size_t *heap)
{
	uint32_t cap = s->cap ? s->cap * 2 : 8, *p;

	tidy(s);
	if (s->n <= s->cap / 2 && s->n < s->cap)
		return 0;
	if (s->n >= LIST_MAX)
		return spread(s, heap);
	p = realloc(s->list, cap * sizeof *p);
	if (!p)
		return -1;
	*heap += (cap - s->cap) * sizeof *p;
	s->list = p;
	s->cap = cap;
	return 0;
}

static int put(struct state *s, uint32_t entry, size_t *heap)
{
	if (!s->places && s->n == s->cap && grow(s, heap))
		return -1;
	if (!s->places) {
		s->list[s->n++] = entry;
	} else {
		uint8_t *p = &s->places[entry >> 6], v = entry & 63;

		*p = v > *p ? v : *p;
	}
	return 0;
}

static uint32_t entry_of(uint64_t hash)
{
	uint64_t rest = hash << BITS | (UINT64_C(1) << (BITS - 1));

	return (uint32_t)(hash >> (64 - BITS)) << 6 | (uint32_t)(__builtin_clzll(rest) + 1);
}

static int hll_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct agg_arg *arg = &b->args[0];

	if (arg->col->type->id == T_NULL)
		return 0;
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] != NO_GROUP && !column_is_null(arg->col, i) &&
		    put(AGG_STATE(a, struct state, b->ids[i]), entry_of(arg->hashes[i]), &a->heap))
			return err_oom(e);
	return 0;
}

/* Ertl's sigma and tau: power series by additions, multiplications and square roots alone. */
static double sigma(double x)
{
	double y = 1, z = x, last;

	if (x == 1)
		return HUGE_VAL;
	do {
		x *= x;
		last = z;
		z += x * y;
		y += y;
	} while (z != last);
	return z;
}

static double tau(double x)
{
	double y = 1, z = 1 - x, last;

	if (x == 0 || x == 1)
		return 0;
	do {
		x = sqrt(x);
		last = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z != last);
	return z / 3;
}

static int64_t estimate(struct state *s)
{
	uint32_t counts[MAX_PLACE + 1] = { 0 };
	const double m = REGISTERS;
	double z;

	tidy(s);
	counts[0] = s->places ? 0 : REGISTERS - s->n;
	for (uint32_t i = 0; s->places && i < REGISTERS; i++)
		counts[s->places[i]]++;
	for (uint32_t i = 0; i < s->n; i++)
		counts[s->list[i] & 63]++;
	z = m * tau(1 - counts[MAX_PLACE] / m);
	for (int k = MAX_PLACE - 1; k >= 1; k--)
		z = 0.5 * (z + counts[k]);
	z += m * sigma(counts[0] / m);
	return llround(m * m / (2 * 0.6931471805599453 * z));
}

static int hll_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		int64_t v = estimate(AGG_STATE(a, struct state, g));

		rc = builder_fixed(out, &v, e);
	}
	return rc;
}

static int put_entry(struct buf *b, uint32_t entry)
{
	uint8_t bytes[4] = { (uint8_t)entry, (uint8_t)(entry >> 8), (uint8_t)(entry >> 16), (uint8_t)(entry >> 24) };

	return buf_add(b, bytes, sizeof bytes);
}

static int hll_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		struct state *s = AGG_STATE(a, struct state, g);

		b.n = 0;
		tidy(s);
		for (uint32_t i = 0; i < s->n && !rc; i++)
			rc = put_entry(&b, s->list[i]);
		for (uint32_t i = 0; s->places && i < REGISTERS && !rc; i++)
			rc = s->places[i] ? put_entry(&b, i << 6 | s->places[i]) : 0;
		rc = rc ? err_oom(e) : builder_str(out, buf_view(&b), e);
	}
	return rc;
}

/* Adds what hll_dump() wrote. 1: damaged. */
static int load_state(struct state *s, struct str text, size_t *heap)
{
	uint32_t before = 0;

	if (text.n % 4)
		return 1;
	for (size_t i = 0; i < text.n; i += 4) {
		const uint8_t *p = (const uint8_t *)text.p + i;
		uint32_t entry = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

		if ((i && entry >> 6 <= before) || entry >> 6 >= REGISTERS || (entry & 63) < 1 || (entry & 63) > MAX_PLACE)
			return 1;
		before = entry >> 6;
		if (put(s, entry, heap))
			return -1;
	}
	return 0;
}

static int hll_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *c = &b->cols[a->state_col];

	if (c->type->id != T_BINARY)
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		int rc = column_is_null(c, i) ? 1 : load_state(AGG_STATE(a, struct state, ids[i]), column_str(c, i), &a->heap);

		if (rc)
			return rc < 0 ? err_oom(e) : agg_bad_state(a, b, i, 0, e);
	}
	return 0;
}

static void hll_drop(struct agg *a)
{
	for (uint32_t g = 0; g < a->ngroups; g++) {
		free(AGG_STATE(a, struct state, g)->list);
		free(AGG_STATE(a, struct state, g)->places);
	}
}

const struct agg_family agg_distinct_sketch = {
	.name = "distinct~",
	.min_fields = 1,
	.max_fields = 1,
	.reads = true,
	.size = sizeof(struct state),
	.signature = "distinct~:FIELD[:num|text]",
	.example = "distinct~:id",
	.help = "number of different values, about: HyperLogLog, standard error 0.81 %, in 16 KiB a group at most",
	.bind = hll_bind,
	.update = hll_update,
	.finish = hll_finish,
	.dump = hll_dump,
	.load = hll_load,
	.drop = hll_drop,
};
