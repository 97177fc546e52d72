/* Counting pairs of labels: see matrix.h.
 *
 * Two texts become two label numbers (a small direct-mapped cache in front of the hash table: labels are few and short), two
 * numbers a pair number, a pair number a counter. Labels and pairs are numbered in first-seen order, truth before prediction,
 * so that partial states written in that order and read back give the same numbers. */
#include "lib/op/matrix.h"

#include "lib/base/hash.h"
#include "lib/format/format.h"
#include "lib/op/amount.h"
#include "lib/table/partial.h"

#include <stdlib.h>

#define STATES_OF_COUNTS "confusion-matrix counts"
#define STATES_OF_WEIGHTS "confusion-matrix weights"
#define DENSE_LABELS 512 /* up to this many the table of pairs is dense */

#define SOME_ROWS 256

const char *const matrix_ratio_names[4] = { "precision", "recall", "f1", "fbeta" };
static const char *const column_names[3] = { "truth", "predicted", "count" };

static int one_field(const char *text, const struct schema *s, int *col, enum key_reading *reading, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	struct key_spec spec;
	struct key key;
	int rc;

	if ((rc = key_parse(str_of(text), &arena, &spec, e)) < 0 || (rc = key_bind(&spec, s, &arena, &key, e)) < 0)
		return rc;
	if (key.n != 1)
		return err_set(e, ST_USAGE, "\"%s\": one field is needed, not %d", text, key.n);
	*col = key.parts[0].col;
	*reading = key.parts[0].reading;
	if (*reading != KEY_AUTO && *reading != KEY_NUM && *reading != KEY_TEXT)
		return err_set(e, ST_USAGE, "\"%s\": labels are read as num or text only", text);
	return 0;
}

static bool reads_numbers(const struct schema *s, int col, enum key_reading reading)
{
	return reading == KEY_NUM || (reading == KEY_AUTO && type_is_numeric(&s->fields[col].type));
}

int matrix_field(const char *text, const struct schema *s, int *col, enum key_reading *reading, bool *numeric, struct err *e)
{
	int rc = one_field(text, s, col, reading, e);

	if (rc < 0)
		return rc;
	if (s->fields[*col].type.layout > LAY_VAR)
		return err_set(e, ST_USAGE, "field \"%.*s\" is nested: it holds no labels", STR_ARG(s->fields[*col].name));
	*numeric = reads_numbers(s, *col, *reading);
	return 0;
}

int matrix_mark(struct schema *s, bool weighted, const struct partial *fields, struct err *e)
{
	struct partial about = *fields;

	about.aggregates = weighted ? STR(STATES_OF_WEIGHTS) : STR(STATES_OF_COUNTS);
	return partial_set(s, &about, e);
}

int matrix_describe(const struct schema *s, const char *truth, const char *other, const int cols[2], const enum key_reading readings[2],
		    struct arena *a, struct partial *ret, struct err *e)
{
	struct key_bound parts[2] = { { .col = cols[0], .reading = readings[0] }, { .col = cols[1], .reading = readings[1] } };
	struct key key = { .n = 2, .parts = parts };
	cleanup_buf struct buf b = { 0 };
	char *given = arena_printf(a, "%s,%s", truth, other);

	if (!given || key_describe(&key, s, &b))
		return err_oom(e);
	*ret = (struct partial){ .group = str_of(given), .keys = { arena_dup(a, b.p, b.n), b.n } };
	return ret->keys.p ? 0 : err_oom(e);
}

int matrix_agrees(const struct partial *about, const char *truth, const char *other, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	char *given = truth && other ? arena_printf(&arena, "%s,%s", truth, other) : NULL;

	if (!truth || !other || !about->group.n)
		return 0;
	if (!given)
		return err_oom(e);
	if (str_is(about->group, given) || str_is(about->keys, given))
		return 0;
	return err_set(e, ST_DATA, "the partial states are of the fields \"%.*s\", not \"%s\"", STR_ARG(about->group), given);
}

static int bind_labels(struct matrix *m, const struct schema *s, const struct matrix_opts *o, struct err *e)
{
	const char *const texts[2] = { o->truth, o->predicted };
	bool numeric[2];
	int rc;

	for (int i = 0; i < 2; i++)
		if ((rc = matrix_field(texts[i], s, &m->cols[i], &m->reading[i], &numeric[i], e)) < 0)
			return rc;
	for (int i = 0; i < 2; i++) /* a column without any value fits every other */
		if (s->fields[m->cols[i]].type.id == T_NULL)
			numeric[i] = numeric[!i];
	m->numeric = numeric[0];
	if (numeric[0] == numeric[1])
		return matrix_describe(s, o->truth, o->predicted, m->cols, m->reading, &m->arena, &m->about, e);
	err_set(e, ST_USAGE, "the labels of \"%s\" are %s, those of \"%s\" %s", o->truth, numeric[0] ? "numbers" : "text", o->predicted,
		numeric[1] ? "numbers" : "text");
	return err_hint(e, "say how to compare them: :num or :text behind a field");
}

static int bind_merge(struct matrix *m, const struct schema *s, const struct matrix_opts *o, struct err *e)
{
	int rc = partial_get(s, &m->arena, &m->about, e);

	if (rc < 0)
		return rc;
	m->weighted = str_is(m->about.aggregates, STATES_OF_WEIGHTS);
	if (!m->weighted && !str_is(m->about.aggregates, STATES_OF_COUNTS))
		return err_set(e, ST_DATA, "the partial states hold -a %.*s, not those of confusion-matrix",
			       STR_ARG(m->about.aggregates));
	for (int i = 0; i < 3; i++) {
		m->cols[i] = schema_find(s, str_of(column_names[i]));
		if (m->cols[i] < 0 || s->fields[m->cols[i]].type.layout > LAY_VAR)
			return err_set(e, ST_DATA, "the partial states of confusion-matrix have no column \"%s\"",
				       column_names[i]);
	}
	if ((rc = matrix_agrees(&m->about, o->truth, o->predicted, e)) < 0)
		return rc;
	m->numeric = reads_numbers(s, m->cols[0], KEY_AUTO);
	if (m->numeric != reads_numbers(s, m->cols[1], KEY_AUTO))
		return err_set(e, ST_DATA, "the partial states of confusion-matrix hold text and numbers as labels");
	return 0;
}

static int read_beta(struct matrix *m, const char *text, struct err *e)
{
	struct decpool none = { 0 };

	m->nratios = text ? 4 : 3;
	if (!text || (dec_parse(str_of(text), &none, &m->beta_value) == DEC_OK && !m->beta_value.big && m->beta_value.m >= 0))
		return 0;
	decpool_free(&none);
	return err_set(e, ST_USAGE, "--beta %s: a number from 0 on is needed, of at most 18 digits", text);
}

int matrix_init(struct matrix *m, const struct schema *s, const struct matrix_opts *o, struct err *e)
{
	const char *amount = o->weight ? o->weight : o->count;
	int rc;

	*m = (struct matrix){ .cols = { -1, -1, -1 },
			      .weighted = o->weight != NULL,
			      .on_bad = o->merge ? BAD_FAIL : o->on_bad,
			      .normalize = o->normalize,
			      .beta = o->beta };
	if ((rc = read_beta(m, o->beta, e)) < 0)
		return rc;
	rc = o->merge ? bind_merge(m, s, o, e) : bind_labels(m, s, o, e);
	if (rc == 0 && amount && !o->merge)
		rc = field_resolve(str_of(amount), s, &m->cols[2], e);
	if (rc < 0 || (rc = keyset_init(&m->labels, e)) < 0 || (rc = keyset_init(&m->sparse, e)) < 0)
		return rc;
	m->stride = 16;
	m->dense = calloc((size_t)m->stride * m->stride, sizeof *m->dense);
	m->cache = calloc(LABEL_CACHE, sizeof *m->cache);
	m->recent = calloc(PAIR_CACHE, sizeof *m->recent);
	if (!m->dense || !m->cache || !m->recent)
		return err_oom(e);
	for (int i = 0; i < LABEL_CACHE; i++)
		m->cache[i].len = UINT32_MAX;
	for (int i = 0; i < PAIR_CACHE; i++)
		m->recent[i].lengths = UINT32_MAX;
	return 0;
}

void matrix_free(struct matrix *m)
{
	keyset_free(&m->labels);
	keyset_free(&m->sparse);
	buf_free(&m->text);
	buf_free(&m->ends);
	free(m->cache);
	free(m->recent);
	free(m->pairs);
	free(m->counts);
	free(m->weights);
	free(m->dense);
	free(m->classes);
	free(m->place);
	decsums_free(&m->decs);
	decpool_free(&m->scratch_digits);
	arena_free(&m->scratch);
	arena_free(&m->arena);
	*m = (struct matrix){ 0 };
}

struct str matrix_label(const struct matrix *m, uint32_t label)
{
	const size_t *ends = (const size_t *)(const void *)m->ends.p;
	size_t from;

	if (!m->numeric)
		return keyset_at(&m->labels, label);
	from = label ? ends[label - 1] : 0;
	return (struct str){ (const char *)m->text.p + from, ends[label] - from };
}

/* Up to 8 bytes as a word, zeros above; `end` bounds what may be loaded. */
static inline uint64_t load_word(const char *p, size_t n, const char *end)
{
	uint64_t w = 0;

	if (end - p >= 8) {
		memcpy(&w, p, 8);
		return n == 8 ? w : w & ((UINT64_C(1) << 8 * n) - 1);
	}
	memcpy(&w, p, n);
	return w;
}

static int label_slow(struct matrix *m, struct str s, uint32_t *ret, struct err *e)
{
	return keyset_add(&m->labels, s, keyset_hash(&m->labels, s), ret, e);
}

static inline int label_of(struct matrix *m, struct str s, const char *end, uint32_t *ret, struct err *e)
{
	struct label_slot *slot;
	uint64_t w;
	int rc;

	if (s.n > 8)
		return label_slow(m, s, ret, e);
	w = load_word(s.p, s.n, end);
	slot = &m->cache[(w + s.n) * UINT64_C(0x9e3779b97f4a7c15) >> 55];
	if (slot->word == w && slot->len == s.n) {
		*ret = slot->id;
		return 0;
	}
	if ((rc = label_slow(m, s, ret, e)) == 0)
		*slot = (struct label_slot){ w, (uint32_t)s.n, *ret };
	return rc;
}

/* Room for one more pair. */
static int grow_pairs(struct matrix *m, struct err *e)
{
	uint32_t cap = m->cap ? m->cap * 2 : 64;
	void *p;

	if (m->npairs < m->cap)
		return 0;
	if (cap < m->cap || !(p = realloc(m->pairs, cap * sizeof *m->pairs)))
		return err_oom(e);
	m->pairs = p;
	if (m->weighted) {
		if (!(p = realloc(m->weights, cap * sizeof *m->weights)))
			return err_oom(e);
		m->weights = p;
	} else {
		if (!(p = realloc(m->counts, cap * sizeof *m->counts)))
			return err_oom(e);
		m->counts = p;
	}
	m->cap = cap;
	return 0;
}

static int new_pair(struct matrix *m, uint32_t t, uint32_t p, uint32_t *ret, struct err *e)
{
	int rc = grow_pairs(m, e);

	if (rc < 0)
		return rc;
	m->pairs[m->npairs] = (struct pair){ t, p };
	if (m->weighted)
		m->weights[m->npairs] = (struct decsum){ 0 };
	else
		m->counts[m->npairs] = 0;
	*ret = m->npairs++;
	return 0;
}

static int find_sparse(struct matrix *m, uint32_t t, uint32_t p, uint32_t *ret, struct err *e)
{
	uint32_t key[2] = { t, p }, before = m->sparse.n;
	struct str s = { (const char *)key, sizeof key };
	int rc = keyset_add(&m->sparse, s, keyset_hash(&m->sparse, s), ret, e);

	if (rc < 0 || *ret != before)
		return rc;
	return new_pair(m, t, p, ret, e);
}

/* From the dense table to the hash table: pair numbers stay. */
static int go_sparse(struct matrix *m, struct err *e)
{
	uint32_t id;
	int rc = 0;

	free(m->dense);
	m->dense = NULL;
	for (uint32_t i = 0; i < m->npairs && rc == 0; i++) {
		struct str s = { (const char *)&m->pairs[i], sizeof *m->pairs };

		rc = keyset_add(&m->sparse, s, keyset_hash(&m->sparse, s), &id, e);
	}
	return rc;
}

/* Labels have outgrown the dense table. */
static int grow_dense(struct matrix *m, struct err *e)
{
	uint32_t stride = m->stride, *dense;

	while (stride < m->labels.n)
		stride *= 2;
	if (stride > DENSE_LABELS)
		return go_sparse(m, e);
	dense = calloc((size_t)stride * stride, sizeof *dense);
	if (!dense)
		return err_oom(e);
	for (uint32_t i = 0; i < m->npairs; i++)
		dense[m->pairs[i].truth * stride + m->pairs[i].predicted] = i + 1;
	free(m->dense);
	m->dense = dense;
	m->stride = stride;
	return 0;
}

static inline int pair_of(struct matrix *m, uint32_t t, uint32_t p, uint32_t *ret, struct err *e)
{
	uint32_t *cell;
	int rc;

	if (m->dense && (t >= m->stride || p >= m->stride) && (rc = grow_dense(m, e)) < 0)
		return rc;
	if (!m->dense)
		return find_sparse(m, t, p, ret, e);
	cell = &m->dense[t * m->stride + p];
	if (*cell) {
		*ret = *cell - 1;
		return 0;
	}
	if ((rc = new_pair(m, t, p, ret, e)) == 0)
		*cell = *ret + 1;
	return rc;
}

/* One batch on its way through. */
struct work {
	const struct batch *b;
	struct bad_values bad;
	struct column text[2]; /* labels as text; or numbers' spellings */
	const char *end[2];    /* of their bytes */
	struct keys keys[2];   /* numeric */
	struct numbers amounts;
};

/* The column as text, printed where it is not. */
static int spell(struct matrix *m, const struct batch *b, int k, struct work *w, struct err *e)
{
	const struct column *c = &b->cols[m->cols[k]];
	static const struct type text = TYPE_TEXT;
	struct builder out;
	cleanup_buf struct buf line = { 0 };
	int rc;

	w->text[k] = *c;
	if (c->type->layout != LAY_VAR) {
		if ((rc = builder_init(&out, &text, e)) < 0)
			return rc;
		for (int64_t i = 0; i < b->nrows && rc == 0; i++) {
			line.n = 0;
			if (column_is_null(c, i))
				rc = builder_null(&out, 1, e);
			else
				rc = value_print(c, i, &line) ? err_oom(e) : builder_str(&out, buf_view(&line), e);
		}
		if (rc == 0)
			rc = builder_column(&out, &m->scratch, &w->text[k], e);
		builder_free(&out);
		if (rc < 0)
			return rc;
		w->text[k].type = &text;
	}
	w->end[k] = (const char *)w->text[k].values + (b->nrows ? w->text[k].offsets[b->nrows] : 0);
	return 0;
}

static int encode(struct matrix *m, const struct batch *b, int k, struct work *w, struct err *e)
{
	struct key_bound part = { .col = m->cols[k], .reading = m->reading[k], .exact = true };
	struct key key = { .n = 1, .option = "", .parts = &part };
	int rc = keys_encode(&key, b, &w->bad, &m->scratch, &w->keys[k], e);

	return rc < 0 || w->bad.bad_row < 0 ? rc : -e->status;
}

static int read_amounts(struct matrix *m, const struct batch *b, struct work *w, struct err *e)
{
	int rc = read_numbers(b, m->cols[2], NULL, b->nrows, &w->bad, &m->scratch, &w->amounts, e);

	return rc < 0 || w->bad.bad_row < 0 ? rc : -e->status;
}

static int number_label(struct matrix *m, const struct work *w, int k, int64_t row, uint32_t *ret, struct err *e)
{
	struct str key = keys_at(&w->keys[k], row);
	uint32_t before = m->labels.n;
	int rc = keyset_add(&m->labels, key, keyset_hash(&m->labels, key), ret, e);

	if (rc < 0 || *ret != before)
		return rc;
	if (buf_str(&m->text, column_str(&w->text[k], row)) || buf_add(&m->ends, &m->text.n, sizeof m->text.n))
		return err_oom(e);
	return 0;
}

static bool has_label(const struct matrix *m, const struct work *w, int k, int64_t row)
{
	return !column_is_null(&w->text[k], row) && !(m->numeric && w->keys[k].has_null && w->keys[k].has_null[row]);
}

static int row_label(struct matrix *m, const struct work *w, int k, int64_t row, uint32_t *ret, struct err *e)
{
	if (m->numeric)
		return number_label(m, w, k, row, ret, e);
	return label_of(m, column_str(&w->text[k], row), w->end[k], ret, e);
}

/* The amount of a row, added to a sum of weights or counts. */
static int add_row(struct matrix *m, struct work *w, int64_t row, struct decsum *weight, int64_t *count, struct err *e)
{
	struct numbers *n = &w->amounts;
	struct dec d;
	int64_t v;
	int rc = amount_at(w->b, m->cols[2], weight != NULL, n, row, &d, e);

	if (rc < 0)
		return rc;
	if (weight)
		return decsum_add(weight, d, &n->pool, &m->decs) ? err_oom(e) : 0;
	if (dec_is_int64(d, &n->pool, &v) && !__builtin_add_overflow(*count, v, count))
		return 0;
	err_set(e, ST_DATA, AMOUNT_NOT_WHOLE);
	return batch_err_at(w->b, row, m->cols[2], e);
}

static int add_left_out(struct matrix *m, struct work *w, int64_t row, struct err *e)
{
	int64_t one = 0;

	if (m->cols[2] < 0)
		return decsum_add_i64(&m->left_out, 1, &m->decs) ? err_oom(e) : 0;
	if (m->weighted)
		return add_row(m, w, row, &m->left_out, NULL, e);
	if (add_row(m, w, row, NULL, &one, e) < 0)
		return -e->status;
	return decsum_add_i64(&m->left_out, one, &m->decs) ? err_oom(e) : 0;
}

static int count_row(struct matrix *m, struct work *w, int64_t row, struct err *e)
{
	uint32_t t, p, pair;
	int rc;

	if (w->bad.skip && bit_get(w->bad.skip, row))
		return 0;
	if (!has_label(m, w, 0, row) || !has_label(m, w, 1, row))
		return add_left_out(m, w, row, e);
	if ((rc = row_label(m, w, 0, row, &t, e)) < 0 || (rc = row_label(m, w, 1, row, &p, e)) < 0 ||
	    (rc = pair_of(m, t, p, &pair, e)) < 0)
		return rc;
	if (m->cols[2] >= 0)
		return add_row(m, w, row, m->weighted ? &m->weights[pair] : NULL, m->weighted ? NULL : &m->counts[pair], e);
	m->counts[pair]++;
	return 0;
}

static int find_pair(struct matrix *m, const struct work *w, int64_t row, uint32_t *pair, struct err *e)
{
	uint32_t t, p;
	int rc;

	if ((rc = label_of(m, column_str(&w->text[0], row), w->end[0], &t, e)) < 0 ||
	    (rc = label_of(m, column_str(&w->text[1], row), w->end[1], &p, e)) < 0)
		return rc;
	return pair_of(m, t, p, pair, e);
}

/* The first rows of a column behind whose beginning there are 8 bytes. */
static int64_t loadable(const struct column *c, int64_t n)
{
	while (n && c->offsets[n - 1] > c->offsets[c->length] - 8)
		n--;
	return n;
}

/* Labels of up to 8 bytes are words, and the pair of two words has probably been seen. */
static int find_pairs(struct matrix *m, const struct work *w, int64_t from, int64_t to, int64_t quick, uint32_t *pairs, struct err *e)
{
	static const uint64_t mask[9] = { 0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
					  UINT64_MAX };
	const uint8_t *truths = w->text[0].values, *predictions = w->text[1].values;
	const int32_t *ends[2] = { w->text[0].offsets, w->text[1].offsets };
	struct pair_slot *recent = m->recent;
	int rc;

	for (int64_t i = from; i < to; i++) {
		uint32_t tn = (uint32_t)(ends[0][i + 1] - ends[0][i]), pn = (uint32_t)(ends[1][i + 1] - ends[1][i]);
		struct pair_slot *slot = NULL;
		uint64_t t = 0, p = 0;

		if (i < quick && tn <= 8 && pn <= 8) {
			memcpy(&t, truths + ends[0][i], 8);
			memcpy(&p, predictions + ends[1][i], 8);
			t &= mask[tn];
			p &= mask[pn];
			slot = &recent[((t * UINT64_C(0x9e3779b97f4a7c15) ^ p) * UINT64_C(0xbf58476d1ce4e5b9)) >> (64 - PAIR_BITS)];
			if (slot->truth == t && slot->predicted == p && slot->lengths == (tn << 4 | pn)) {
				pairs[i - from] = slot->pair;
				continue;
			}
		}
		if ((rc = find_pair(m, w, i, &pairs[i - from], e)) < 0)
			return rc;
		if (slot)
			*slot = (struct pair_slot){ t, p, tn << 4 | pn, pairs[i - from] };
	}
	return 0;
}

/* Text labels, nothing missing, every pair counts once: the common case, some rows at a time, so that finding need not wait for
 * counting. */
static int count_plain(struct matrix *m, const struct work *w, int64_t n, struct err *e)
{
	int64_t quick = loadable(&w->text[0], loadable(&w->text[1], n));
	uint32_t pairs[SOME_ROWS];

	for (int64_t i = 0, to; i < n; i = to) {
		int rc;

		to = n - i < SOME_ROWS ? n : i + SOME_ROWS;
		if ((rc = find_pairs(m, w, i, to, quick, pairs, e)) < 0)
			return rc;
		for (int64_t k = 0; k < to - i; k++)
			m->counts[pairs[k]]++;
	}
	return 0;
}

static int count_rows(struct matrix *m, struct work *w, struct err *e)
{
	int rc = 0;

	for (int k = 0; k < 2; k++)
		if ((rc = spell(m, w->b, k, w, e)) < 0 || (m->numeric && (rc = encode(m, w->b, k, w, e)) < 0))
			return rc;
	if ((m->cols[2] >= 0 && (rc = read_amounts(m, w->b, w, e)) < 0) || (rc = bad_values_done(&w->bad, w->b, e)) < 0)
		return rc;
	if (!m->numeric && m->cols[2] < 0 && !w->text[0].null_count && !w->text[1].null_count && !w->bad.skip)
		return count_plain(m, w, w->b->nrows, e);
	for (int64_t i = 0; i < w->b->nrows && rc == 0; i++)
		rc = count_row(m, w, i, e);
	return rc;
}

int matrix_add(struct matrix *m, const struct batch *b, struct err *e)
{
	struct work w = { .b = b, .bad = { .policy = m->on_bad, .bad_row = -1 } };
	int rc;

	if (!b->nrows)
		return 0;
	rc = count_rows(m, &w, e);
	numbers_free(&w.amounts);
	arena_reset(&m->scratch);
	return rc;
}

struct decsum matrix_count(const struct matrix *m, uint32_t pair)
{
	if (m->weighted)
		return m->weights[pair];
	return (struct decsum){ .m = m->counts[pair], .any = 1 };
}

int matrix_print(const struct matrix *m, const struct decsum *s, struct buf *b)
{
	return decsum_print(s, &m->decs, b);
}
