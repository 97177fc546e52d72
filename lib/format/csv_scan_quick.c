/* CSV structure with SIMD: separators of plain text at several bytes a cycle.
 *
 * Blocks of 64 bytes become bit masks (after Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019): a prefix XOR
 * of the quote bits gives what lies inside quotes, and the bits of unquoted separators become positions. That reading is right
 * only when every opening quote begins a field and every closing quote ends one; the masks say whether it is so, and when it is
 * not, or a record has another number of fields, or lines end in other ways than LF or CRLF, the answer is false and the
 * careful scanner decides.
 *
 * Where few columns are wanted, their separators alone become positions: the masks' bits are counted, and the n-th one is found by depositing a bit (Pandey, Bender, Johnson, "A fast x86 implementation of select", 2017). */
#include "lib/format/csv.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define BLOCK 64
#define WINDOW 64 /* blocks whose masks are made at a time */

struct masks {
	uint64_t sep, lf, cr, quote; /* sep: the delimiter */
};

struct needles {
	uint8_t sep, quote;
	bool quotes;
};

/* Masks of nblocks blocks; returns whether some byte is above 0x7F. */
typedef bool find_masks(const struct needles *k, const uint8_t *text, size_t nblocks, struct masks *m);

static void masks_of_block(const struct needles *k, const uint8_t *t, struct masks *m, bool *high)
{
	*m = (struct masks){ 0, 0, 0, 0 };
	for (int i = 0; i < BLOCK; i++) {
		m->sep |= (uint64_t)(t[i] == k->sep) << i;
		m->lf |= (uint64_t)(t[i] == '\n') << i;
		m->cr |= (uint64_t)(t[i] == '\r') << i;
		m->quote |= (uint64_t)(k->quotes && t[i] == k->quote) << i;
		*high |= t[i] > 0x7F;
	}
}

static bool find_plain(const struct needles *k, const uint8_t *text, size_t nblocks, struct masks *m)
{
	bool high = false;

	for (size_t b = 0; b < nblocks; b++)
		masks_of_block(k, text + b * BLOCK, &m[b], &high);
	return high;
}

#if defined(__x86_64__)
static uint64_t match16(const __m128i v[4], uint8_t c)
{
	const __m128i x = _mm_set1_epi8((char)c);
	uint64_t m = 0;

	for (int i = 0; i < 4; i++)
		m |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v[i], x)) << (16 * i);
	return m;
}

static bool find_sse2(const struct needles *k, const uint8_t *text, size_t nblocks, struct masks *m)
{
	const uint64_t quotes = k->quotes ? UINT64_MAX : 0;
	__m128i all = _mm_setzero_si128();

	for (size_t b = 0; b < nblocks; b++) {
		__m128i v[4];

		for (int i = 0; i < 4; i++) {
			v[i] = _mm_loadu_si128((const __m128i *)(const void *)(text + b * BLOCK + 16 * i));
			all = _mm_or_si128(all, v[i]);
		}
		m[b] = (struct masks){ match16(v, k->sep), match16(v, '\n'), match16(v, '\r'), match16(v, k->quote) & quotes };
	}
	return _mm_movemask_epi8(all) != 0;
}

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

AVX2 static inline uint64_t match32(__m256i lo, __m256i hi, uint8_t c)
{
	const __m256i x = _mm256_set1_epi8((char)c);

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(lo, x)) |
	       (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hi, x)) << 32;
}

AVX2 static bool find_avx2(const struct needles *k, const uint8_t *text, size_t nblocks, struct masks *m)
{
	const uint64_t quotes = k->quotes ? UINT64_MAX : 0;
	__m256i all = _mm256_setzero_si256();

	for (size_t b = 0; b < nblocks; b++) {
		const __m256i *p = (const __m256i *)(const void *)(text + b * BLOCK);
		__m256i lo = _mm256_loadu_si256(p), hi = _mm256_loadu_si256(p + 1);

		all = _mm256_or_si256(all, _mm256_or_si256(lo, hi));
		m[b] = (struct masks){ match32(lo, hi, k->sep), match32(lo, hi, '\n'), match32(lo, hi, '\r'),
				       match32(lo, hi, k->quote) & quotes };
	}
	return _mm256_movemask_epi8(all) != 0;
}
#elif defined(__aarch64__)
/* One bit a byte: each keeps the bit of its place among eight, and neighbours are added up until 64 are left. */
static inline uint64_t match64(const uint8x16_t v[4], uint8_t c)
{
	static const uint8_t places[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
	const uint8x16_t x = vdupq_n_u8(c), place = vld1q_u8(places);
	uint8x16_t m[4];

	for (int i = 0; i < 4; i++)
		m[i] = vandq_u8(vceqq_u8(v[i], x), place);
	m[0] = vpaddq_u8(vpaddq_u8(m[0], m[1]), vpaddq_u8(m[2], m[3]));
	return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(m[0], m[0])), 0);
}

static bool find_neon(const struct needles *k, const uint8_t *text, size_t nblocks, struct masks *m)
{
	const uint64_t quotes = k->quotes ? UINT64_MAX : 0;
	uint8x16_t all = vdupq_n_u8(0);

	for (size_t b = 0; b < nblocks; b++) {
		uint8x16_t v[4];

		for (int i = 0; i < 4; i++) {
			v[i] = vld1q_u8(text + b * BLOCK + 16 * i);
			all = vorrq_u8(all, v[i]);
		}
		m[b] = (struct masks){ match64(v, k->sep), match64(v, '\n'), match64(v, '\r'), match64(v, k->quote) & quotes };
	}
	return vmaxvq_u8(all) > 0x7F;
}
#endif

/* What one block leaves to the next. */
struct carry {
	uint64_t inside;     /* all ones inside quotes */
	uint64_t boundary;   /* 1: the byte before was a separator or a quote, or there was none */
	uint64_t closed, cr; /* 1: it was a closing quote; an unquoted CR */
	uint64_t bad;        /* some bit: the text is not plain */
	uint64_t any_quote, any_cr;
	int64_t seps, lines; /* so far */
	const struct csv_keep *keep; /* NULL: all separators */
	int kept;            /* the number among keep's of the one that is looked for, */
	int64_t next;        /* and of the separators that come before it in the next block */
};

static inline uint64_t prefix_xor(uint64_t m)
{
	for (int i = 1; i < 64; i *= 2)
		m ^= m << i;
	return m;
}

/* Takes the quoted parts out of the masks, and checks that quotes are where fields begin and end. */
static inline void apply_quotes(struct masks *m, struct carry *c)
{
	uint64_t inside = prefix_xor(m->quote) ^ c->inside, opening = m->quote & inside, closing = m->quote & ~inside;
	uint64_t ends = m->sep | m->lf | m->cr, boundary;

	boundary = (ends & ~inside) | m->quote;
	c->bad |= opening & ~(boundary << 1 | c->boundary);
	c->bad |= (closing << 1 | c->closed) & ~(ends | m->quote);
	c->closed = closing >> 63;
	c->boundary = boundary >> 63;
	c->inside = 0 - (inside >> 63);
	c->any_quote |= m->quote;
	m->sep &= ~inside;
	m->lf &= ~inside;
	m->cr &= ~inside;
}

static inline uint64_t put_two(uint32_t *to, uint64_t m, uint32_t base)
{
	to[0] = base + (uint32_t)__builtin_ctzll(m | 1ull << 63);
	m &= m - 1;
	to[1] = base + (uint32_t)__builtin_ctzll(m | 1ull << 63);
	return m & (m - 1);
}

/* Eight at a time, without a loop for them: beyond the last one values that are overwritten. */
static inline uint32_t *put_positions(uint32_t *to, uint64_t m, uint32_t base)
{
	uint32_t *end = to + __builtin_popcountll(m);

	for (; m; to += 8) {
		m = put_two(to, m, base);
		m = put_two(to + 2, m, base);
		m = put_two(to + 4, m, base);
		m = put_two(to + 6, m, base);
	}
	return end;
}

/* A block's masks without what is quoted; what is found is noted in *c. */
static inline __attribute__((always_inline)) struct masks take_block(const struct masks *m, struct carry *c)
{
	struct masks x = *m;

	if (x.quote | c->inside | c->closed) {
		apply_quotes(&x, c);
	} else {
		c->boundary = (x.sep | x.lf | x.cr) >> 63;
	}
	c->bad |= (x.cr << 1 | c->cr) & ~x.lf; /* a CR without its LF */
	c->cr = x.cr >> 63;
	c->any_cr |= x.cr;
	c->lines += __builtin_popcountll(x.lf);
	return x;
}

/* Appends the separators' positions of one window; returns the new end. */
static inline __attribute__((always_inline)) uint32_t *flatten(const struct masks *m, size_t nblocks, uint32_t base, uint32_t *to,
							       struct carry *c)
{
	uint32_t *from = to;

	for (size_t b = 0; b < nblocks; b++, base += BLOCK) {
		struct masks x = take_block(&m[b], c);

		to = put_positions(to, x.sep | x.lf, base);
	}
	c->seps += to - from;
	return to;
}

static uint32_t *flatten_any(const struct masks *m, size_t nblocks, uint32_t base, uint32_t *to, struct carry *c)
{
	return flatten(m, nblocks, base, to, c);
}

#if defined(__x86_64__)
AVX2 static uint32_t *flatten_avx2(const struct masks *m, size_t nblocks, uint32_t base, uint32_t *to, struct carry *c)
{
	return flatten(m, nblocks, base, to, c);
}

/* The positions of those that are kept. The n-th bit of a mask is found by depositing a single one among the mask's. */
AVX2 static uint32_t *select_bmi2(const struct masks *m, size_t nblocks, uint32_t base, uint32_t *to, struct carry *c)
{
	const struct csv_keep *keep = c->keep;
	int64_t next = c->next;
	int kept = c->kept;

	for (size_t b = 0; b < nblocks; b++, base += BLOCK) {
		struct masks x = take_block(&m[b], c);
		uint64_t seps = x.sep | x.lf;
		int64_t count = __builtin_popcountll(seps);

		for (; next < count; next += keep->gaps[kept], kept = kept + 1 == keep->n ? 0 : kept + 1)
			*to++ = base + (uint32_t)__builtin_ctzll(_pdep_u64(1ull << next, seps));
		next -= count;
		c->seps += count;
	}
	c->next = next;
	c->kept = kept;
	return to;
}
#endif

typedef uint32_t *flatten_fn(const struct masks *m, size_t nblocks, uint32_t base, uint32_t *to, struct carry *c);

/* keep NULL: all separators, which it becomes where finding some is not worth it. */
static void choose(enum vectors v, find_masks **find, flatten_fn **flat, const struct csv_keep **keep)
{
	bool some = false;

	*flat = flatten_any;
	*find = find_plain;
#if defined(__x86_64__)
	if (v != VECTORS_NONE)
		*find = find_sse2;
	if (v == VECTORS_BEST && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
		some = *keep && !__builtin_cpu_is("znver1") && !__builtin_cpu_is("znver2"); /* to deposit takes these a cycle a bit */
		*find = find_avx2;
		*flat = some ? select_bmi2 : flatten_avx2;
	}
#elif defined(__aarch64__)
	if (v != VECTORS_NONE)
		*find = find_neon;
#endif
	(void)v;
	if (!some)
		*keep = NULL;
}

void csv_keep_wanted(struct csv_keep *k, const bool *unwanted, int ncols)
{
	k->n = 0;
	for (int i = 0; i < ncols; i++) {
		k->slots[i] = k->n;
		if (i + 1 == ncols || !unwanted[i] || !unwanted[i + 1])
			k->gaps[k->n++] = i; /* for now */
	}
	k->first = k->n ? k->gaps[0] : 0;
	for (int i = 0; i < k->n; i++)
		k->gaps[i] = (i + 1 < k->n ? k->gaps[i + 1] : k->first + ncols) - k->gaps[i];
	if (k->n * 3 > ncols * 2) /* finding one takes half as long again as taking the next one */
		k->n = 0;
}

static bool room(struct fields *f, size_t have, size_t more)
{
	size_t cap = f->cap[1] < 4096 ? 4096 : f->cap[1];
	uint32_t *p;

	if (f->cap[1] >= have + more)
		return true;
	while (cap < have + more)
		cap *= 2;
	if (!(p = realloc(f->space[1], cap * sizeof *p)))
		return false;
	f->space[1] = p;
	f->cap[1] = cap;
	return true;
}

/* The last, partial block is copied so that what lies behind the text does not count. */
static size_t find_tail(find_masks *find, const struct needles *k, const uint8_t *text, size_t n, struct masks *m, bool *high)
{
	uint8_t block[BLOCK] = { 0 };

	if (n == 0)
		return 0;
	memcpy(block, text, n);
	*high |= find(k, block, 1, m);
	m->sep &= UINT64_MAX >> (BLOCK - n);
	m->quote &= UINT64_MAX >> (BLOCK - n);
	return 1;
}

/* What the reader will not want only some fields of. */
static bool too_odd(const struct carry *c)
{
	return c->keep && c->keep->plain && (c->any_quote | c->any_cr);
}

/* Positions into f->space[1], from entry 1 on; entry 0 stands for the byte before the text. false: out of memory. */
static bool find_positions(const struct needles *k, const uint8_t *text, size_t n, find_masks *find, flatten_fn *flat, struct fields *f,
			   struct carry *c)
{
	struct masks m[WINDOW];
	size_t count = 1, blocks;
	bool high = false;

	for (size_t at = 0; at < n && !c->bad && !too_odd(c); at += blocks * BLOCK) {
		blocks = (n - at) / BLOCK < WINDOW ? (n - at) / BLOCK : WINDOW;
		if (!room(f, count, WINDOW * BLOCK + 8))
			return false;
		high |= find(k, text + at, blocks, m);
		if (blocks == 0)
			blocks = find_tail(find, k, text + at, n - at, m, &high);
		count = (size_t)(flat(m, blocks, (uint32_t)at, f->space[1] + count, c) - f->space[1]);
	}
	f->space[1][0] = UINT32_MAX;
	f->ascii = !high;
	return true;
}

/* Every ncols-th separator, and no other, is a line end. */
static bool check_records(const uint8_t *text, const uint32_t *end, size_t stride, int64_t nrows)
{
	uint32_t ok = 1;

	for (int64_t r = 1; r <= nrows; r++)
		ok &= text[end[(size_t)r * stride - 1]] == '\n';
	return ok;
}

/* LFs of text[from .. n): those of the record that is not complete. */
static int64_t count_lf(const uint8_t *text, size_t n)
{
	int64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Whether the quick scanner knows the dialect, as far as this text uses it. */
static bool quick_enough(const struct dialect *d, const uint8_t *text, size_t n)
{
	return (int64_t)n <= d->max_field && (d->comment < 0 || !memchr(text, d->comment, n)) &&
	       (d->escape < 0 || d->escape == d->quote || !memchr(text, d->escape, n));
}

/* The index is in f->space[1]. Says whether it is one of whole records, and completes it. */
static bool complete(const uint8_t *text, int ncols, const struct carry *c, struct fields *f)
{
	f->stride = (size_t)(c->keep ? c->keep->n : ncols);
	f->slots = c->keep ? c->keep->slots : NULL;
	f->end = f->space[1] + 1;
	f->begin1 = f->space[1];
	if (c->bad || c->seps / ncols < c->lines || !check_records(text, f->end, f->stride, c->lines))
		return false;
	f->nrows = c->lines;
	f->irregular = false;
	f->quotes = c->any_quote != 0;
	f->cr = c->any_cr != 0;
	f->lf = !f->cr;
	f->used = f->nrows ? f->end[(size_t)f->nrows * f->stride - 1] + 1u : 0;
	f->lines = f->quotes ? count_lf(text, f->used) : f->nrows;
	f->lead = 0;
	return true;
}

bool csv_scan_quick(const struct dialect *d, const uint8_t *text, size_t n, int ncols, const struct csv_keep *keep, enum vectors v,
		    struct fields *f, bool *nomem)
{
	struct needles k = { d->delimiter, (uint8_t)(d->quote >= 0 ? d->quote : 0), d->quote >= 0 };
	struct carry c;
	find_masks *find;
	flatten_fn *flat;

	*nomem = false;
	if (n == 0 || !quick_enough(d, text, n))
		return false;
	if (keep && !keep->n)
		keep = NULL;
	do {
		choose(v, &find, &flat, &keep);
		c = (struct carry){ .boundary = 1, .keep = keep, .next = keep ? keep->first : 0 };
		*nomem = !find_positions(&k, text, n, find, flat, f, &c);
		keep = NULL;
	} while (!*nomem && too_odd(&c));
	return !*nomem && complete(text, ncols, &c, f);
}
