/* Counts of bins: see bins.h. Invariant: v[0 .. n) ascends strictly, every count is above 0. */
#include "lib/agg/bins.h"

#include <stdlib.h>

#define COUNT_MAX (INT64_C(1) << 43) /* of one bin of a state that is read: sums of millions of them do not overflow */

/* The first bin at or above `at`. */
static uint32_t find(const struct bins *b, int64_t at)
{
	uint32_t lo = 0, hi = b->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (b->v[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int grow(struct bins *b, size_t *heap)
{
	uint32_t cap = b->cap ? b->cap * 2 : 8;
	struct bin *v = cap > b->cap ? realloc(b->v, cap * sizeof *v) : NULL;

	if (!v)
		return -1;
	*heap += (cap - b->cap) * sizeof *v;
	b->v = v;
	b->cap = cap;
	return 0;
}

int bins_add(struct bins *b, int64_t at, int64_t n, size_t *heap)
{
	uint32_t i = b->hint;

	if (i >= b->n || b->v[i].at != at)
		i = find(b, at);
	if (i == b->n || b->v[i].at != at) {
		if (b->n == b->cap && grow(b, heap))
			return -1;
		memmove(b->v + i + 1, b->v + i, (b->n - i) * sizeof *b->v);
		b->v[i] = (struct bin){ .at = at };
		b->n++;
	}
	b->v[i].n += n;
	b->hint = i;
	return 0;
}

void bins_free(struct bins *b)
{
	free(b->v);
	*b = (struct bins){ 0 };
}

void bins_map(struct bins *b, int64_t (*map)(int64_t at, int64_t arg), int64_t arg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		int64_t at = bin_is_special(b->v[i].at) ? b->v[i].at : map(b->v[i].at, arg), count = b->v[i].n;

		if (n && b->v[n - 1].at == at)
			b->v[n - 1].n += count;
		else
			b->v[n++] = (struct bin){ at, count };
	}
	b->n = n;
	b->hint = 0;
}

void bins_finite(const struct bins *b, uint32_t *from, uint32_t *to)
{
	*from = b->n && b->v[0].at == BIN_NEG_INF;
	*to = b->n;
	while (*to > *from && bin_is_special(b->v[*to - 1].at))
		--*to;
}

int64_t bins_total(const struct bins *b)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < b->n; i++)
		sum += b->v[i].n;
	return sum;
}

int bins_add_states(struct agg *a, const char *name, struct err *e)
{
	struct field *item = arena_array(&a->arena, struct field, 1);
	struct type list = { .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = item };
	int rc;

	if (!item)
		return err_oom(e);
	*item = (struct field){ .name = STR("item"), .nullable = true, .type = TYPE_INT64 };
	rc = agg_add_state(a, name, list, false, e);
	return rc < 0 ? rc : agg_add_state(a, "n", list, false, e);
}

static int put_list(const struct bins *b, bool counts, struct builder *out, struct err *e)
{
	int32_t end;
	int rc = 0;

	for (uint32_t i = 0; i < b->n && rc == 0; i++)
		rc = builder_fixed(&out->children[0], counts ? &b->v[i].n : &b->v[i].at, e);
	end = (int32_t)out->children[0].n;
	if (rc == 0 && out->children[0].n > INT32_MAX)
		rc = err_set(e, ST_DATA, "the bins of one batch of groups pass 2^31");
	if (rc == 0 && buf_add(&out->offsets, &end, sizeof end))
		rc = err_oom(e);
	out->n++;
	return rc;
}

int bins_dump(const struct bins *b, struct builder out[2], struct err *e)
{
	int rc = put_list(b, false, &out[0], e);

	return rc < 0 ? rc : put_list(b, true, &out[1], e);
}

bool bins_are_states(const struct column *cols)
{
	for (int k = 0; k < 2; k++)
		if (cols[k].type->id != T_LIST || cols[k].type->children[0].type.id != T_INT64)
			return false;
	return true;
}

bool bins_state(const struct column *cols, int64_t i, const int64_t **at, const int64_t **n, uint32_t *len)
{
	const struct column *items[] = { &cols[0].children[0], &cols[1].children[0] };
	int32_t from[] = { cols[0].offsets[i], cols[1].offsets[i] };

	*len = (uint32_t)(cols[0].offsets[i + 1] - from[0]);
	if (column_is_null(&cols[0], i) || column_is_null(&cols[1], i) || (uint32_t)(cols[1].offsets[i + 1] - from[1]) != *len)
		return false;
	*at = (const int64_t *)(const void *)items[0]->values + from[0];
	*n = (const int64_t *)(const void *)items[1]->values + from[1];
	for (int64_t k = 0; k < *len; k++)
		if (column_is_null(items[0], from[0] + k) || column_is_null(items[1], from[1] + k) || (*n)[k] < 1 ||
		    (*n)[k] > COUNT_MAX || (k && (*at)[k] <= (*at)[k - 1]))
			return false;
	return true;
}
