/* Numbers of groups in blocks, and selection among them: see values.h. */
#include "lib/agg/values.h"

#include "lib/base/dec.h"

#define FIRST_BLOCK 16
#define FEW 32 /* so many are sorted */
#define BUCKETS 256

static int add_block(struct values *s, uint32_t form, struct arena *a)
{
	uint32_t cap = s->last && s->form == form ? s->last->cap * 2 : FIRST_BLOCK;
	struct value_block *b;

	cap = cap < VALUES_BLOCK ? cap : VALUES_BLOCK;
	b = arena_alloc(a, sizeof *b + cap * (sizeof *b->v + 1));
	if (!b)
		return -1;
	*b = (struct value_block){ .prev = s->last, .before = values_count(s), .cap = cap, .form = form };
	*s = (struct values){ .last = b, .at = b->v, .of = (uint8_t *)(b->v + cap), .left = cap, .form = form };
	return 0;
}

/* v * 10^places, in 64 bits. */
static bool scale_up(int64_t v, uint32_t places, int64_t *ret)
{
	*ret = 0;
	return !v || dec_scale_i64(v, (int32_t)places, ret);
}

int values_add_slow(struct values *s, uint32_t group, int64_t v, uint32_t form, struct arena *a)
{
	int64_t scaled;

	if (s->last && form < s->form && s->form != VALUES_OTHER && scale_up(v, s->form - form, &scaled)) {
		v = scaled;
		form = s->form;
	}
	if ((!s->left || s->form != form) && add_block(s, form, a))
		return -1;
	return values_add(s, group, v, form, a);
}

void sorted_values_free(struct sorted_values *s)
{
	buf_free(&s->v);
	buf_free(&s->room);
	buf_free(&s->forms);
}

static int64_t *room_for(struct buf *b, int64_t n, size_t width)
{
	b->n = 0;
	return buf_reserve(b, (size_t)n * width + 1) ? NULL : (int64_t *)(void *)b->p;
}

static const uint8_t *owners(const struct value_block *b)
{
	return (const uint8_t *)(b->v + b->cap);
}

/* Counts values by group and finds the largest scale. at[g] becomes the end of group g. */
static void find_ends(const struct values *s, struct sorted_values *ret, int64_t *at)
{
	int64_t end = values_count(s);

	ret->form = 0;
	memset(ret->starts, 0, sizeof ret->starts);
	for (const struct value_block *b = s->last; b; end = b->before, b = b->prev) {
		const uint8_t *of = owners(b);

		for (int64_t i = 0; i < end - b->before; i++)
			ret->starts[of[i] + 1]++;
		ret->form = b->form > ret->form ? b->form : ret->form;
	}
	for (int g = 0; g < VALUES_SHARE; g++)
		at[g] = ret->starts[g + 1] += ret->starts[g];
}

/* One block's values to where they belong, from its last to its first; false: some do not fit at this scale. */
static bool put_scaled(const struct value_block *b, int64_t n, uint32_t form, int64_t *v, int64_t *at)
{
	const uint8_t *of = owners(b);

	if (b->form == form)
		for (int64_t i = n; i-- > 0;)
			v[--at[of[i]]] = b->v[i];
	else
		for (int64_t i = n; i-- > 0;)
			if (!scale_up(b->v[i], form - b->form, &v[--at[of[i]]]))
				return false;
	return true;
}

static void put_as_they_are(const struct value_block *b, int64_t n, int64_t *v, uint32_t *forms, int64_t *at)
{
	const uint8_t *of = owners(b);

	for (int64_t i = n; i-- > 0;) {
		v[--at[of[i]]] = b->v[i];
		forms[at[of[i]]] = b->form;
	}
}

int values_sort(const struct values *s, struct sorted_values *ret)
{
	int64_t n = values_count(s), end = n, at[VALUES_SHARE], *v = room_for(&ret->v, n, sizeof *v);
	const struct value_block *b;
	uint32_t *forms;

	if (!v)
		return -1;
	find_ends(s, ret, at);
	for (b = s->last; b && ret->form != VALUES_OTHER; end = b->before, b = b->prev)
		if (!put_scaled(b, end - b->before, ret->form, v, at))
			ret->form = VALUES_OTHER;
	if (ret->form != VALUES_OTHER)
		return 0;
	forms = (uint32_t *)(void *)room_for(&ret->forms, n, sizeof *forms);
	if (!forms)
		return -1;
	memcpy(at, ret->starts + 1, sizeof at);
	for (b = s->last, end = n; b; end = b->before, b = b->prev)
		put_as_they_are(b, end - b->before, v, forms, at);
	return 0;
}

static void min_max(const int64_t *v, int64_t n, int64_t *min, int64_t *max)
{
	int64_t lo = v[0], hi = v[0];

	for (int64_t i = 1; i < n; i++) {
		lo = v[i] < lo ? v[i] : lo;
		hi = v[i] > hi ? v[i] : hi;
	}
	*min = lo;
	*max = hi;
}

static uint64_t bucket_of(int64_t v, int64_t lo, int shift)
{
	return ((uint64_t)v - (uint64_t)lo) >> shift;
}

/* Bits below the topmost 8 of those in which lo and hi differ. */
static int low_bits(int64_t lo, int64_t hi)
{
	int bits = 64 - __builtin_clzll((uint64_t)hi - (uint64_t)lo);

	return bits > 8 ? bits - 8 : 0;
}

/* The values of one bucket, to `to`, which may be where they are and has room for one more; returns the smallest value behind the
 * bucket. */
static int64_t take_bucket(const int64_t *v, int64_t n, int64_t lo, int shift, uint64_t bucket, int64_t *to)
{
	int64_t least = INT64_MAX;

	for (int64_t i = 0; i < n; i++) {
		int64_t x = v[i];
		uint64_t b = bucket_of(x, lo, shift);

		*to = x;
		to += b == bucket;
		x = b > bucket ? x : INT64_MAX;
		least = x < least ? x : least;
	}
	return least;
}

static void sort_few(int64_t *v, int64_t n)
{
	for (int64_t i = 1; i < n; i++) {
		int64_t x = v[i], k = i;

		for (; k > 0 && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

int values_select(const int64_t *v, int64_t n, int64_t k, struct buf *room, int64_t *kth, int64_t *next)
{
	int64_t few[FEW], above = INT64_MAX, least, lo, hi;

	while (n > FEW) {
		int64_t counts[BUCKETS] = { 0 }, *to;
		uint64_t bucket = 0;
		int shift;

		min_max(v, n, &lo, &hi);
		if (lo == hi) {
			*kth = lo;
			*next = k + 1 < n ? lo : above;
			return 0;
		}
		shift = low_bits(lo, hi);
		for (int64_t i = 0; i < n; i++)
			counts[bucket_of(v[i], lo, shift)]++;
		for (; k >= counts[bucket]; bucket++)
			k -= counts[bucket];
		if (!(to = room_for(room, counts[bucket] + 1, sizeof *to))) /* moves nothing when the values are there */
			return -1;
		least = take_bucket(v, n, lo, shift, bucket, to);
		above = least < above ? least : above;
		v = to;
		n = counts[bucket];
	}
	memcpy(few, v, (size_t)n * sizeof *v);
	sort_few(few, n);
	*kth = few[k];
	*next = k + 1 < n ? few[k + 1] : above;
	return 0;
}
