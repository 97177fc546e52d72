/* Lists for explode: each kernel writes the items of all rows into one column and, for each row, which of them are its own. */
#include "lib/base/letters.h"
#include "lib/base/utf8.h"
#include "lib/expr/fn.h"
#include "lib/expr/kernel.h"
#include "lib/expr/program.h"

#define RANGE_MAX (INT64_C(1) << 24) /* most items that range() makes of a batch */

static const struct type text_type = { .id = T_UTF8, .layout = LAY_VAR };
static const struct type int_type = { .id = T_INT64, .layout = LAY_FIXED, .width = 8 };

/* Text items: room is known before, for items are parts of their rows. */
struct items {
	char *values;
	int32_t *offsets;
	int64_t n;
	size_t bytes;
};

static int items_room(struct eval *ev, struct items *it, size_t bytes, size_t count, struct err *e)
{
	if (bytes > VAR_BYTES_MAX || count >= UINT32_MAX)
		return err_set(e, ST_DATA, "the items of one batch would pass 2 GiB");
	*it = (struct items){ .values = eval_text(ev, bytes + 64), .offsets = arena_alloc(&ev->lv->arena, (count + 1) * 4 + 8) };
	if (!it->values || !it->offsets)
		return err_oom(e);
	it->offsets[0] = 0;
	return 0;
}

static inline void items_end(struct items *it, size_t bytes)
{
	it->bytes += bytes;
	it->offsets[++it->n] = (int32_t)it->bytes;
}

static inline void items_add(struct items *it, struct str s)
{
	if (s.n)
		memcpy(it->values + it->bytes, s.p, s.n);
	items_end(it, s.n);
}

static int items_column(struct eval *ev, const struct items *it, struct vec *ret, struct err *e)
{
	struct column *c = arena_new(&ev->lv->arena, struct column);

	if (!c)
		return err_oom(e);
	*c = (struct column){ .type = &text_type, .length = it->n, .values = (const uint8_t *)it->values, .offsets = it->offsets };
	ret->items = c;
	return 0;
}

static size_t total_bytes(const struct vec *v, struct sel sel)
{
	size_t n = 0;

	EACH(sel, i, n += v->s[i & v->mask].n;);
	return n;
}

static void split_one(struct items *it, struct str s, struct str sep)
{
	const char *p;

	while (sep.n && (p = memmem(s.p, s.n, sep.p, sep.n))) {
		items_add(it, (struct str){ s.p, (size_t)(p - s.p) });
		s = str_from(s, (size_t)(p - s.p) + sep.n);
	}
	items_add(it, s);
}

KERNEL(split)
{
	size_t bytes = total_bytes(&args[0], sel);
	struct items it;
	int rc = items_room(ev, &it, bytes, bytes + (size_t)sel.n, e);

	(void)x;
	if (rc < 0)
		return rc;
	EACH(sel, i,
		int64_t from = it.n;

		split_one(&it, ARG(0, s, i), ARG(1, s, i));
		ret->r[i] = (struct span){ (uint32_t)from, (uint32_t)(it.n - from) };
	);
	return items_column(ev, &it, ret, e);
}

/* 1: a letter, digit or _ of ASCII; 2: not ASCII. */
static const uint8_t *word_table(void)
{
	static const uint8_t table[256] = { ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['_'] = 1, [128 ... 255] = 2 };

	return table;
}

static void words_any(struct items *it, struct str s)
{
	const uint8_t *table = word_table();
	const char *p = s.p, *end = s.p + s.n;
	char *to = it->values + it->bytes, *start = to;
	size_t len;

	while (p < end) {
		uint8_t kind = table[(unsigned char)*p];

		if (kind == 1) {
			*to++ = *p++;
			continue;
		}
		len = 1;
		if (kind == 2 && letter_in_word(utf8_decode(p, (size_t)(end - p), &len))) {
			to = mempcpy(to, p, len);
		} else if (to > start) {
			items_end(it, (size_t)(to - start));
			start = to;
		}
		p += len;
	}
	if (to > start)
		items_end(it, (size_t)(to - start));
}

#ifdef __SSE2__
#include <emmintrin.h>

/* Bit k: byte k belongs to a word. ASCII only: bytes from 128 on are negative here and fall out. */
static inline uint32_t word_bits(__m128i v)
{
	__m128i letter = _mm_or_si128(v, _mm_set1_epi8(0x20));
	__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));

	letter = _mm_and_si128(_mm_cmpgt_epi8(letter, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(letter, _mm_set1_epi8('z' + 1)));
	letter = _mm_or_si128(letter, digit);
	letter = _mm_or_si128(letter, _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
	return (uint32_t)_mm_movemask_epi8(letter);
}

/* A text with its last bytes once more where 16 can be loaded from each of them: zeros follow. */
struct padded {
	struct str s;
	size_t tail_at; /* of the text, where the copy begins */
	char tail[32];
};

static inline __m128i load_at(const struct padded *t, size_t at)
{
	const char *p = at + 16 <= t->s.n ? t->s.p + at : t->tail + (at - t->tail_at);

	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Appends bytes [from, to); words are short, so 16 bytes are copied. The room behind the items allows it. */
static inline void add_word(struct items *it, const struct padded *t, size_t from, size_t to)
{
	size_t n = to - from;
	char *dst = it->values + it->bytes;

	if (n <= 16)
		_mm_storeu_si128((__m128i *)(void *)dst, load_at(t, from));
	else
		memcpy(dst, t->s.p + from, n);
	items_end(it, n);
}

/* The bits of 64 bytes, beyond the end zeros. */
static inline uint64_t word_bits64(const struct padded *t, size_t at)
{
	uint64_t bits = 0;

	for (unsigned k = 0; k < 64 && at + k < t->s.n; k += 16)
		bits |= (uint64_t)word_bits(load_at(t, at + k)) << k;
	return bits;
}

/* 64 bytes at a time: where the bits of neighbours differ a word begins or ends. False, with nothing done, when s is not ASCII. */
static bool words_ascii(struct items *it, struct str s)
{
	struct padded t = { .s = s, .tail_at = s.n < 16 ? 0 : s.n - 16 };
	bool inside = false;
	size_t start = 0;

	if (!text_is_ascii(s))
		return false;
	if (s.n)
		memcpy(t.tail, s.p + t.tail_at, s.n - t.tail_at);
	for (size_t at = 0; at < s.n; at += 64) {
		uint64_t bits = word_bits64(&t, at), before = bits << 1 | inside;
		uint64_t starts = bits & ~before, ends = before & ~bits;

		for (; ends; ends &= ends - 1, inside = false) {
			if (!inside) {
				start = at + (size_t)__builtin_ctzll(starts);
				starts &= starts - 1;
			}
			add_word(it, &t, start, at + (size_t)__builtin_ctzll(ends));
		}
		if (starts)
			start = at + (size_t)__builtin_ctzll(starts);
		inside |= starts != 0;
	}
	if (inside)
		add_word(it, &t, start, s.n);
	return true;
}
#else
static bool words_ascii(struct items *it, struct str s)
{
	(void)it, (void)s;
	return false;
}
#endif

static void words_one(struct items *it, struct str s)
{
	if (!words_ascii(it, s))
		words_any(it, s);
}

KERNEL(words)
{
	size_t bytes = total_bytes(&args[0], sel);
	struct items it;
	int rc = items_room(ev, &it, bytes, bytes / 2 + (size_t)sel.n + 1, e);

	(void)x;
	if (rc < 0)
		return rc;
	EACH(sel, i,
		int64_t from = it.n;

		words_one(&it, ARG(0, s, i));
		ret->r[i] = (struct span){ (uint32_t)from, (uint32_t)(it.n - from) };
	);
	return items_column(ev, &it, ret, e);
}

KERNEL(chars)
{
	size_t bytes = total_bytes(&args[0], sel), len;
	struct items it;
	int rc = items_room(ev, &it, bytes, bytes, e);

	(void)x;
	if (rc < 0)
		return rc;
	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		int64_t from = it.n;

		for (size_t at = 0; at < s.n; at += len) {
			utf8_decode(s.p + at, s.n - at, &len);
			items_add(&it, (struct str){ s.p + at, len });
		}
		ret->r[i] = (struct span){ (uint32_t)from, (uint32_t)(it.n - from) };
	);
	return items_column(ev, &it, ret, e);
}

/* How many whole numbers there are from a to b. */
static int64_t range_count(int64_t a, int64_t b)
{
	return b < a ? 0 : (uint64_t)b - (uint64_t)a >= (uint64_t)RANGE_MAX ? RANGE_MAX + 1 : b - a + 1;
}

KERNEL(range)
{
	struct column *c = arena_new(&ev->lv->arena, struct column);
	int64_t total = 0, *v, n = 0;
	int rc;

	EACH(sel, i,
		const int64_t more = range_count(ARG(0, i, i), ARG(1, i, i));

		ret->r[i] = (struct span){ 0, 0 };
		if (total + more <= RANGE_MAX) {
			ret->r[i] = (struct span){ (uint32_t)total, (uint32_t)more };
			total += more;
		} else if ((rc = eval_bad(ev, ret, i, NULL, e, "range(%lld, %lld) has too many items (of a batch at most 16,777,216)",
					  (long long)ARG(0, i, i), (long long)ARG(1, i, i))) < 0) {
			return rc;
		}
	);
	if (!c || !(v = arena_alloc(&ev->lv->arena, (size_t)total * 8 + 64)))
		return err_oom(e);
	EACH(sel, i,
		for (int64_t k = 0; k < ret->r[i].n; k++)
			v[n++] = ARG(0, i, i) + k;
	);
	(void)x;
	*c = (struct column){ .type = &int_type, .length = total, .values = (const uint8_t *)v };
	ret->items = c;
	return 0;
}

KERNEL(count_items)
{
	UNUSED_KERNEL_ARGS;
	EACH(sel, i, ret->i[i] = ARG(0, r, i).n;);
	return 0;
}

const struct fn fns_list[] = {
	{ "split", "ss", 'l', { split }, NULL, "split(s, sep)", "the parts of s between separators; at least one", NULL },
	{ "words", "s", 'l', { words }, NULL, "words(s)",
	  "the runs of letters, marks, digits (Unicode categories L, M, N) and _", NULL },
	{ "chars", "s", 'l', { chars }, NULL, "chars(s)", "the characters", NULL },
	{ "range", "ii", 'L', { range }, NULL, "range(a, b)", "the whole numbers from a to b", NULL },
	{ "items", "l", 'i', { count_items }, NULL, "items(list)", "number of items in a list", NULL },
	{ 0 },
};
