/* Each batch's rows are given part numbers, sorted by part (counting, so stable), and appended to the parts' buffers; a buffer
 * that is full goes to its file. Files are held until all are on disk, then named one after another: only the naming itself can
 * still fail halfway, and nothing is written then. */
#include "lib/op/splitter.h"

#include "lib/base/hash.h"
#include "lib/io/meter.h"
#include "lib/op/grow.h"
#include "lib/op/keytab.h"
#include "lib/op/pick.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#define NAME_CUT 150
#define ROWS_DIGITS 5 /* --rows: 00000, 00001, ... */

struct part {
	struct sink *sink;
	struct out *out;    /* lives in the sink */
	struct rows rows;
	int64_t bytes;      /* in rows, about */
};

struct splitter {
	const struct split_opts *opts;
	const struct schema *schema;
	struct arena arena, scratch;
	struct key key;
	struct keytab values;  /* SPLIT_VALUE: part numbers */
	struct part *parts;
	uint32_t nparts, cap;
	uint64_t *limits;      /* SPLIT_WEIGHTS: hashes below limits[i] go to part i or before */
	int64_t seen;          /* records */
};

/* Names. */

static bool safe_byte(unsigned char c, bool first)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80)
		return true;
	return c && strchr("_-+,=@.", c) && !(first && c == '.');
}

int split_name(struct str value, struct buf *b)
{
	size_t keep = value.n > NAME_CUT ? NAME_CUT : value.n;
	int rc = value.n ? 0 : buf_puts(b, "%empty");

	while (keep < value.n && keep > 0 && ((unsigned char)value.p[keep] & 0xc0) == 0x80)
		keep--; /* not inside a character */
	for (size_t i = 0; i < keep && !rc; i++) {
		unsigned char c = (unsigned char)value.p[i];

		rc = safe_byte(c, i == 0) ? buf_byte(b, c) : buf_printf(b, "%%%02X", c);
	}
	if (!rc && keep < value.n)
		rc = buf_printf(b, "%%~%016llx", (unsigned long long)hash64(value.p, value.n, 0));
	return rc;
}

/* The pattern with every {} replaced. */
static char *part_path(const char *pattern, struct str name, struct arena *a)
{
	cleanup_buf struct buf b = { 0 };

	for (const char *p = pattern; *p;) {
		bool here = p[0] == '{' && p[1] == '}';

		if (here ? buf_str(&b, name) : buf_byte(&b, (uint8_t)*p))
			return NULL;
		p += here ? 2 : 1;
	}
	return arena_strdup(a, buf_view(&b));
}

/* Parts. */

static int add_part(struct splitter *s, struct str name, struct err *e)
{
	const char *path = part_path(s->opts->pattern, name, &s->arena);
	struct part *p;
	int rc;

	if (!path)
		return err_oom(e);
	if (s->nparts == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 16;

		if ((rc = GROW(s->parts, cap, e)) < 0)
			return rc;
		s->cap = cap;
	}
	p = &s->parts[s->nparts];
	*p = (struct part){ 0 };
	if ((rc = rows_init(&p->rows, s->schema, e)) == 0)
		rc = output_open_held(path, s->opts->write, s->schema, &p->sink, &p->out, e);
	if (rc < 0) {
		rows_free(&p->rows);
		if (e->status == ST_OSERR)
			err_hint(e, "every part is an open file until all are complete: raise ulimit -n, or make fewer parts");
		return rc;
	}
	s->nparts++;
	return 0;
}

static int add_numbered(struct splitter *s, int digits, struct err *e)
{
	char name[24];
	int n = snprintf(name, sizeof name, "%0*u", digits, s->nparts);

	return add_part(s, (struct str){ name, (size_t)n }, e);
}

/* A part for the value in row `row`, whose key is new. */
static int add_value(struct splitter *s, const struct batch *b, int64_t row, struct err *e)
{
	const struct column *c = &b->cols[s->key.parts[0].col];
	cleanup_buf struct buf text = { 0 }, name = { 0 };

	if (column_is_null(c, row))
		return add_part(s, STR("%null"), e);
	if (value_print(c, row, &text) || split_name(buf_view(&text), &name))
		return err_oom(e);
	return add_part(s, buf_view(&name), e);
}

/* A share of the memory for each, so that many parts do not add up beyond it. */
static int64_t part_limit(const struct splitter *s)
{
	int64_t share = s->opts->memory > 0 ? s->opts->memory / 2 / (s->nparts + 1) : BATCH_BYTES;

	return share > BATCH_BYTES ? BATCH_BYTES : share;
}

static int flush(struct part *p, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc;

	if (p->rows.n == 0)
		return 0;
	if ((rc = rows_take(&p->rows, &b, e)) < 0)
		return rc;
	p->bytes = 0;
	return p->sink->write(p->sink, b, e);
}

static int append(struct splitter *s, struct part *p, const struct batch *b, const uint32_t *idx, int64_t n, int64_t each, struct err *e)
{
	int rc = rows_gather(&p->rows, b, idx, n, e);

	p->bytes += n * each;
	if (rc == 0 && (p->rows.n >= BATCH_ROWS || p->bytes >= part_limit(s)))
		rc = flush(p, e);
	return rc;
}

/* Which part: to[i] for row i; NO_PART: the row is left out. */

#define NO_PART UINT32_MAX

static uint64_t number_hash(int64_t row, uint64_t seed)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)((uint64_t)row >> 8 * i);
	return hash64(le, sizeof le, seed);
}

static uint32_t weigh(const struct splitter *s, uint64_t hash)
{
	uint32_t i = 0;

	while (i + 1 < s->nparts && hash >= s->limits[i])
		i++;
	return i;
}

static uint32_t part_of_number(const struct splitter *s, int64_t row)
{
	if (s->opts->mode == SPLIT_WEIGHTS)
		return weigh(s, number_hash(row, s->opts->seed));
	return (uint32_t)(s->opts->mode == SPLIT_ROWS ? row / s->opts->n : row % s->opts->n);
}

static uint32_t part_of_hash(const struct splitter *s, uint64_t hash)
{
	return s->opts->mode == SPLIT_WEIGHTS ? weigh(s, hash) : (uint32_t)(hash % (uint64_t)s->opts->n);
}

static int assign_numbers(struct splitter *s, const struct batch *b, uint32_t *to, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < b->nrows && rc == 0; i++) {
		to[i] = part_of_number(s, s->seen + i);
		while (to[i] >= s->nparts && rc == 0) /* SPLIT_ROWS makes parts as it goes */
			rc = add_numbered(s, ROWS_DIGITS, e);
	}
	return rc;
}

static int assign_hashes(struct splitter *s, const struct batch *b, uint32_t *to, struct bad_values *bad, struct err *e)
{
	uint64_t *hashes = NULL;
	int rc = placement_hash(&s->key, b, s->opts->seed, bad, &s->scratch, &hashes, e);

	for (int64_t i = 0; i < b->nrows && rc == 0 && bad->bad_row < 0; i++)
		to[i] = part_of_hash(s, hashes[i]);
	return rc;
}

static int assign_values(struct splitter *s, const struct batch *b, uint32_t *to, struct bad_values *bad, struct err *e)
{
	struct keys keys;
	int rc = keys_encode(&s->key, b, bad, &s->scratch, &keys, e);

	for (int64_t i = 0; i < b->nrows && rc == 0 && bad->bad_row < 0; i++) {
		if (bad->skip && bit_get(bad->skip, i))
			continue;
		rc = keytab_add(&s->values, keys_at(&keys, i), &to[i], e);
		if (rc == 0 && to[i] == s->nparts)
			rc = add_value(s, b, i, e);
	}
	return rc;
}

static int assign(struct splitter *s, const struct batch *b, uint32_t *to, struct err *e)
{
	struct bad_values bad = { .policy = s->opts->on_bad, .bad_row = -1 };
	int rc;

	if (s->opts->mode == SPLIT_VALUE)
		rc = assign_values(s, b, to, &bad, e);
	else if (s->key.n)
		rc = assign_hashes(s, b, to, &bad, e);
	else
		rc = assign_numbers(s, b, to, e);
	if (rc == 0 && bad.bad_row >= 0)
		return -e->status;
	if (rc == 0)
		rc = bad_values_done(&bad, b, e);
	for (int64_t i = 0; i < b->nrows && bad.skip && rc == 0; i++)
		if (bit_get(bad.skip, i))
			to[i] = NO_PART;
	return rc;
}

/* Distribution. */

/* Rows of part p become idx[start[p] .. start[p + 1]). */
static void sort_by_part(const uint32_t *to, int64_t n, uint32_t nparts, uint32_t *start, uint32_t *idx)
{
	memset(start, 0, ((size_t)nparts + 2) * sizeof *start);
	for (int64_t i = 0; i < n; i++)
		if (to[i] != NO_PART)
			start[to[i] + 2]++;
	for (uint32_t p = 2; p < nparts + 2; p++)
		start[p] += start[p - 1];
	for (int64_t i = 0; i < n; i++)
		if (to[i] != NO_PART)
			idx[start[to[i] + 1]++] = (uint32_t)i;
}

static int distribute(struct splitter *s, const struct batch *b, struct err *e)
{
	uint32_t *to, *idx, *start;
	int64_t each = batch_bytes(b) / b->nrows + 1;
	int rc;

	arena_reset(&s->scratch);
	to = arena_alloc(&s->scratch, (size_t)b->nrows * sizeof *to);
	idx = arena_alloc(&s->scratch, (size_t)b->nrows * sizeof *idx);
	if (!to || !idx)
		return err_oom(e);
	if ((rc = assign(s, b, to, e)) < 0)
		return rc;
	start = arena_alloc(&s->scratch, ((size_t)s->nparts + 2) * sizeof *start);
	if (!start)
		return err_oom(e);
	sort_by_part(to, b->nrows, s->nparts, start, idx);
	for (uint32_t p = 0; p < s->nparts && rc == 0; p++)
		if (start[p + 1] > start[p])
			rc = append(s, &s->parts[p], b, idx + start[p], start[p + 1] - start[p], each, e);
	s->seen += b->nrows;
	meter_add(&meter.rows_out, b->nrows);
	return rc;
}

/* Beginning and end. */

/* Thresholds on the hash: 53 bits of the cumulative share, so that no platform rounds differently. */
static int set_limits(struct splitter *s, struct err *e)
{
	double total = 0, sum = 0;

	s->limits = arena_array(&s->arena, uint64_t, (size_t)s->opts->nweights);
	if (!s->limits)
		return err_oom(e);
	for (int i = 0; i < s->opts->nweights; i++)
		total += s->opts->weights[i].weight;
	for (int i = 0; i < s->opts->nweights; i++) {
		sum += s->opts->weights[i].weight;
		s->limits[i] = sum >= total ? UINT64_MAX : (uint64_t)(sum / total * 0x1p53) << 11;
	}
	return 0;
}

/* Parts known beforehand exist even when nothing falls into them. */
static int open_parts(struct splitter *s, struct err *e)
{
	int rc = 0, digits = snprintf(NULL, 0, "%lld", (long long)s->opts->n - 1);

	if (s->opts->mode == SPLIT_WEIGHTS) {
		rc = set_limits(s, e);
		for (int i = 0; i < s->opts->nweights && rc == 0; i++)
			rc = add_part(s, s->opts->weights[i].name, e);
	}
	for (int64_t i = 0; s->opts->mode == SPLIT_PARTS && i < s->opts->n && rc == 0; i++)
		rc = add_numbered(s, digits, e);
	return rc;
}

static int read_all(struct splitter *s, struct source *from, struct err *e)
{
	int rc = 0;

	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(from, &b, e)) < 0 || !b)
			break;
		if (b->nrows)
			rc = distribute(s, b, e);
	}
	return rc;
}

static int commit_all(struct splitter *s, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->nparts && rc == 0; i++)
		if ((rc = flush(&s->parts[i], e)) == 0)
			rc = s->parts[i].sink->finish(s->parts[i].sink, e);
	for (uint32_t i = 0; i < s->nparts && rc == 0; i++)
		rc = out_commit(s->parts[i].out, e);
	return rc;
}

static void splitter_free(struct splitter *s, int rc, const struct err *e)
{
	for (uint32_t i = 0; i < s->nparts; i++) {
		struct part *p = &s->parts[i];

		if (rc < 0)
			p->sink->fail(p->sink, e);
		sink_close(p->sink);
		rows_free(&p->rows);
	}
	free(s->parts);
	keytab_free(&s->values);
	arena_free(&s->arena);
	arena_free(&s->scratch);
}

/* Every part holds a descriptor: use what the system grants. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

int split_all(struct source *from, const struct split_opts *o, struct err *e)
{
	struct splitter s = { .opts = o, .schema = from->schema };
	int rc = 0;

	raise_descriptors();
	keytab_init(&s.values, true);
	if (o->by && o->by->n)
		rc = key_bind(o->by, from->schema, &s.arena, &s.key, e);
	s.key.option = o->mode == SPLIT_VALUE ? "--value" : "--by";
	if (rc == 0 && (rc = open_parts(&s, e)) == 0 && (rc = read_all(&s, from, e)) == 0)
		rc = commit_all(&s, e);
	splitter_free(&s, rc, e);
	return rc;
}

/* Weights. */

static int parse_weight(struct str text, const struct split_weight *before, int n, struct split_weight *ret, struct err *e)
{
	const char *eq = text.n ? memrchr(text.p, '=', text.n) : NULL;

	if (!eq || eq == text.p)
		return err_set(e, ST_USAGE, "--weights: \"%.*s\" is not NAME=WEIGHT", STR_ARG(text));
	ret->name = (struct str){ text.p, (size_t)(eq - text.p) };
	if (num_parse_f64(str_from(text, ret->name.n + 1), &ret->weight) != DEC_OK || !isfinite(ret->weight) || ret->weight < 0)
		return err_set(e, ST_USAGE, "--weights: the weight in \"%.*s\" is not a number from 0 up", STR_ARG(text));
	if (memchr(ret->name.p, '/', ret->name.n))
		return err_set(e, ST_USAGE, "--weights: the name in \"%.*s\" must not contain a slash: it becomes part of a file name", STR_ARG(text));
	for (int i = 0; i < n; i++)
		if (str_eq(before[i].name, ret->name))
			return err_set(e, ST_USAGE, "--weights: \"%.*s\" is named twice", STR_ARG(ret->name));
	return 0;
}

int split_weights(struct str text, struct arena *a, struct split_weight **ret, int *n, struct err *e)
{
	double total = 0;
	int cap = 1, rc = 0;

	for (size_t i = 0; i < text.n; i++)
		cap += text.p[i] == ',';
	*n = 0;
	*ret = arena_array(a, struct split_weight, (size_t)cap);
	if (!*ret)
		return err_oom(e);
	while (*n < cap && rc == 0) {
		const char *comma = text.n ? memchr(text.p, ',', text.n) : NULL;
		size_t len = comma ? (size_t)(comma - text.p) : text.n;

		rc = parse_weight((struct str){ text.p, len }, *ret, *n, &(*ret)[*n], e);
		total += (*ret)[(*n)++].weight;
		text = str_from(text, len + 1);
	}
	if (rc == 0 && !(total > 0 && isfinite(total)))
		rc = err_set(e, ST_USAGE, "--weights: all weights are 0");
	return rc;
}
