/* Each batch's rows are given part numbers, sorted by part (counting, so stable), and handed to the parts (partset.h). Rows of parts
 * beyond those that may be open at once are kept for later: sorted by part, in bounded memory, they fill one part after another. */
#include "lib/op/splitter.h"

#include "lib/base/hash.h"
#include "lib/op/keytab.h"
#include "lib/op/partset.h"
#include "lib/op/pick.h"
#include "lib/op/sorter.h"
#include "lib/op/splitwork.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_CUT 150
#define ROWS_DIGITS 5 /* --rows, --bytes: 00000, 00001, ... */
#define NO_PART UINT32_MAX

struct splitter {
	const struct split_opts *opts;
	const struct schema *schema;
	struct arena arena, scratch;
	struct key key;
	struct keytab values;  /* SPLIT_VALUE: part numbers */
	struct partset *parts;
	uint32_t room;         /* parts from here on are written later */
	uint64_t *limits;      /* SPLIT_WEIGHTS: hashes below limits[i] go to part i or before */
	struct strata strata;  /* SPLIT_STRATA */
	struct chosen chosen;  /* SPLIT_SAMPLE */
	struct measure measure; /* SPLIT_BYTES */
	int64_t seen;          /* records */
	uint32_t last;         /* in turn: the part that is being written */
};

static bool in_turn(const struct split_opts *o)
{
	return o->mode == SPLIT_ROWS || o->mode == SPLIT_BYTES;
}

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

static int add_numbered(struct splitter *s, int digits, struct err *e)
{
	char name[24];
	int n = snprintf(name, sizeof name, "%0*u", digits, partset_count(s->parts));

	return partset_add(s->parts, (struct str){ name, (size_t)n }, e);
}

/* A part for the value in row `row`, whose key is new. */
static int add_value(struct splitter *s, const struct batch *b, int64_t row, struct err *e)
{
	const struct column *c = &b->cols[s->key.parts[0].col];
	cleanup_buf struct buf text = { 0 }, name = { 0 };

	if (column_is_null(c, row))
		return partset_add(s->parts, STR("%null"), e);
	if (value_print(c, row, &text) || split_name(buf_view(&text), &name))
		return err_oom(e);
	return partset_add(s->parts, buf_view(&name), e);
}

/* Which part: to[i] for row i; NO_PART: the row is left out. */

uint64_t split_number_hash(int64_t row, uint64_t seed)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)((uint64_t)row >> 8 * i);
	return hash64(le, sizeof le, seed);
}

static uint32_t weigh(const struct splitter *s, uint64_t hash)
{
	uint32_t i = 0;

	while (i + 1 < (uint32_t)s->opts->nweights && hash >= s->limits[i])
		i++;
	return i;
}

static uint32_t part_of_number(const struct splitter *s, int64_t row)
{
	if (s->opts->mode == SPLIT_WEIGHTS)
		return weigh(s, split_number_hash(row, s->opts->seed));
	return (uint32_t)(s->opts->mode == SPLIT_ROWS ? row / s->opts->n : row % s->opts->n);
}

static uint32_t part_of_hash(struct splitter *s, uint64_t hash, int *rc, struct err *e)
{
	if (s->opts->mode == SPLIT_WEIGHTS)
		return weigh(s, hash);
	if (s->opts->mode == SPLIT_PARTS)
		return (uint32_t)(hash % (uint64_t)s->opts->n);
	return strata_take(&s->strata, hash, rc, e) ? 0 : 1;
}

static int assign_numbers(struct splitter *s, const struct batch *b, uint32_t *to, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < b->nrows && rc == 0; i++) {
		to[i] = part_of_number(s, s->seen + i);
		while (to[i] >= partset_count(s->parts) && rc == 0) /* SPLIT_ROWS makes parts as it goes */
			rc = add_numbered(s, ROWS_DIGITS, e);
	}
	return rc;
}

static int assign_hashes(struct splitter *s, const struct batch *b, uint32_t *to, struct bad_values *bad, struct err *e)
{
	uint64_t *hashes = NULL;
	int rc = placement_hash(&s->key, b, s->opts->seed, bad, &s->scratch, &hashes, e);

	for (int64_t i = 0; i < b->nrows && rc == 0 && bad->bad_row < 0; i++)
		to[i] = bad->skip && bit_get(bad->skip, i) ? NO_PART : part_of_hash(s, hashes[i], &rc, e);
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
		if (rc == 0 && to[i] == partset_count(s->parts))
			rc = add_value(s, b, i, e);
	}
	return rc;
}

/* Pieces of the batch that fit are measured, halved until they do. */
static int assign_bytes(struct splitter *s, struct batch *b, uint32_t *to, struct err *e)
{
	int64_t at = 0;
	int rc = 0;

	while (at < b->nrows && rc == 0) {
		int64_t n;
		bool fresh;

		if ((rc = measure_fit(&s->measure, b, at, &n, &fresh, e)) < 0)
			break;
		if (fresh)
			rc = add_numbered(s, ROWS_DIGITS, e);
		for (int64_t i = at; i < at + n; i++)
			to[i] = partset_count(s->parts) - 1;
		at += n;
	}
	return rc;
}

static int assign(struct splitter *s, struct batch *b, uint32_t *to, struct err *e)
{
	struct bad_values bad = { .policy = s->opts->on_bad, .bad_row = -1 };
	int rc = 0;

	if (s->opts->mode == SPLIT_SAMPLE)
		for (int64_t i = 0; i < b->nrows; i++)
			to[i] = chosen_has(&s->chosen, s->seen + i) ? 0 : 1;
	else if (s->opts->mode == SPLIT_BYTES)
		rc = assign_bytes(s, b, to, e);
	else if (s->opts->mode == SPLIT_VALUE)
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

/* Rows of part p become idx[start[p] .. start[p + 1]); all from `room` on count as one part, `room`. */
static void sort_by_part(const uint32_t *to, int64_t n, uint32_t nparts, uint32_t room, uint32_t *start, uint32_t *idx)
{
	memset(start, 0, ((size_t)nparts + 2) * sizeof *start);
	for (int64_t i = 0; i < n; i++)
		if (to[i] != NO_PART)
			start[(to[i] < room ? to[i] : room) + 2]++;
	for (uint32_t p = 2; p < nparts + 2; p++)
		start[p] += start[p - 1];
	for (int64_t i = 0; i < n; i++)
		if (to[i] != NO_PART)
			idx[start[(to[i] < room ? to[i] : room) + 1]++] = (uint32_t)i;
}

/* The schema with one column more: the part's number. */
static int later_schema(const struct splitter *s, struct schema **ret, struct err *e)
{
	static const struct type number = { .id = T_INT64, .layout = LAY_FIXED, .width = 8 };
	struct schema *with = schema_new();
	int rc = with ? 0 : err_oom(e);

	for (int i = 0; i < s->schema->nfields && rc == 0; i++)
		rc = schema_add_field(with, &s->schema->fields[i], e);
	if (rc == 0)
		rc = schema_add(with, STR("part"), &number, false, e);
	if (rc < 0)
		schema_unref(with);
	else
		*ret = with;
	return rc;
}

/* The same columns under another schema, as many as that has. */
static struct batch *relabel(struct batch *b, const struct schema *schema, int n)
{
	struct batch *r = batch_new(schema, b->nrows);

	for (int i = 0; r && i < n; i++) {
		r->cols[i] = b->cols[i];
		r->cols[i].type = &r->schema->fields[i].type;
	}
	if (r)
		batch_keep(r, b);
	return r;
}

/* Rows idx[0 .. n) of b with their part numbers. */
static int later_rows(const struct splitter *s, const struct schema *with, const struct batch *b, const uint32_t *idx, int64_t n,
		      const uint32_t *to, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *rows = NULL;
	int64_t *numbers;
	int rc = batch_gather(b, idx, n, &rows, e);

	if (rc < 0)
		return rc;
	*ret = relabel(rows, with, s->schema->nfields);
	numbers = *ret ? arena_array(&(*ret)->arena, int64_t, (size_t)n) : NULL;
	if (!numbers) {
		batch_unref(*ret);
		*ret = NULL;
		return err_oom(e);
	}
	for (int64_t i = 0; i < n; i++)
		numbers[i] = to[idx[i]];
	(*ret)->cols[s->schema->nfields].type = &with->fields[s->schema->nfields].type;
	(*ret)->cols[s->schema->nfields].values = (const uint8_t *)numbers;
	return 0;
}

/* A part is complete when the next one begins. */
static int write_part(struct splitter *s, uint32_t p, const struct batch *b, const uint32_t *idx, int64_t n, int64_t each, struct err *e)
{
	int rc = 0;

	if (in_turn(s->opts) && p > 0 && s->last < p) {
		rc = partset_end(s->parts, p - 1, e);
		s->last = p;
	}
	return rc < 0 ? rc : partset_write(s->parts, p, b, idx, n, each, e);
}

/* *later: rows of parts that are not open, if there are any. */
static int distribute(struct splitter *s, struct batch *b, const struct schema *with, struct batch **later, struct err *e)
{
	uint32_t *to, *idx, *start, nparts, room;
	int64_t each = (b->lines.at ? b->lines.at[b->nrows] - b->lines.at[0] : batch_bytes(b)) / b->nrows + 1;
	int rc;

	arena_reset(&s->scratch);
	to = arena_alloc(&s->scratch, (size_t)b->nrows * sizeof *to);
	idx = arena_alloc(&s->scratch, (size_t)b->nrows * sizeof *idx);
	if (!to || !idx)
		return err_oom(e);
	if ((rc = assign(s, b, to, e)) < 0)
		return rc;
	nparts = partset_count(s->parts);
	room = in_turn(s->opts) ? UINT32_MAX : s->room;
	if (nparts > room)
		nparts = room + 1;
	start = arena_alloc(&s->scratch, ((size_t)nparts + 3) * sizeof *start);
	if (!start)
		return err_oom(e);
	sort_by_part(to, b->nrows, nparts, room, start, idx);
	for (uint32_t p = 0; p < nparts && p < room && rc == 0; p++)
		if (start[p + 1] > start[p])
			rc = write_part(s, p, b, idx + start[p], start[p + 1] - start[p], each, e);
	if (rc == 0 && nparts > room && start[room + 1] > start[room])
		rc = later_rows(s, with, b, idx + start[room], start[room + 1] - start[room], to, later, e);
	s->seen += b->nrows;
	return rc;
}

/* What is written later: a source that distributes what it can while the sorter reads the rest from it. */

struct later {
	struct source source;
	struct splitter *s;
	struct source *from;
};

static int later_next(struct source *source, struct batch **ret, struct err *e)
{
	struct later *l = (struct later *)source;
	int rc = 0;

	*ret = NULL;
	while (rc == 0 && !*ret) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(l->from, &b, e)) < 0 || !b)
			break;
		if (b->nrows)
			rc = distribute(l->s, b, source->schema, ret, e);
	}
	return rc;
}

static void later_close(struct source *source)
{
	schema_unref(source->schema);
	free(source);
}

static int later_open(struct splitter *s, struct source *from, struct source **ret, struct err *e)
{
	struct later *l = calloc(1, sizeof *l);
	struct schema *with = NULL;
	int rc = l ? later_schema(s, &with, e) : err_oom(e);

	if (rc < 0) {
		free(l);
		return rc;
	}
	*l = (struct later){ .source = { .schema = with, .next = later_next, .close = later_close }, .s = s, .from = from };
	*ret = &l->source;
	return 0;
}

/* Sorted rows: each part is complete before the next begins. */
static int write_sorted(struct splitter *s, struct batch *sorted, int64_t *now, struct err *e)
{
	const int64_t *number = (const int64_t *)(const void *)sorted->cols[s->schema->nfields].values;
	cleanup_batch struct batch *b = relabel(sorted, s->schema, s->schema->nfields);
	int64_t each = batch_bytes(sorted) / sorted->nrows + 1;
	uint32_t *idx;
	int rc = 0;

	arena_reset(&s->scratch);
	idx = arena_alloc(&s->scratch, (size_t)sorted->nrows * sizeof *idx);
	if (!b || !idx)
		return err_oom(e);
	for (uint32_t i = 0; i < sorted->nrows; i++)
		idx[i] = i;
	for (int64_t i = 0, n; i < sorted->nrows && rc == 0; i += n) {
		for (n = 1; i + n < sorted->nrows && number[i + n] == number[i];)
			n++;
		if (*now >= 0 && number[i] != *now)
			rc = partset_end(s->parts, (uint32_t)*now, e);
		*now = number[i];
		if (rc == 0)
			rc = partset_write(s->parts, (uint32_t)*now, b, idx + i, n, each, e);
	}
	return rc;
}

static int read_all(struct splitter *s, struct source *from, struct err *e)
{
	struct key_part part = { .at = s->schema->nfields + 1 };
	struct key_spec by_part = { 1, &part };
	struct sort_opts o = { .key = &by_part, .limit = -1, .memory = s->opts->memory / 2, .tmpdir = s->opts->tmpdir };
	struct source *later, *sorted;
	int64_t now = -1;
	int rc;

	if ((rc = later_open(s, from, &later, e)) < 0 || (rc = sort_open(later, &o, &sorted, e)) < 0)
		return rc;
	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(sorted, &b, e)) < 0 || !b)
			break;
		if (now < 0 && (rc = partset_end_open(s->parts, e)) < 0)
			break;
		if (b->nrows && (rc = write_sorted(s, b, &now, e)) < 0)
			break;
	}
	source_close(sorted);
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
static int add_known(struct splitter *s, struct err *e)
{
	int rc = 0, digits = snprintf(NULL, 0, "%lld", (long long)s->opts->n - 1);

	if (s->opts->mode == SPLIT_WEIGHTS)
		rc = set_limits(s, e);
	for (int i = 0; i < s->opts->nweights && rc == 0; i++)
		rc = partset_add(s->parts, s->opts->weights[i].name, e);
	for (int64_t i = 0; s->opts->mode == SPLIT_PARTS && i < s->opts->n && rc == 0; i++)
		rc = add_numbered(s, digits, e);
	for (uint32_t i = 0; i < partset_count(s->parts) && i < s->room && rc == 0; i++)
		rc = partset_start(s->parts, i, e);
	return rc;
}

/* The manifest's head, without the closing brace. */
static int describe(const struct splitter *s, struct buf *b)
{
	const struct split_opts *o = s->opts;

	return buf_puts(b, "{\"tool\": \"stook-split\", \"mode\": ") || json_quote(b, str_of(o->mode_text)) ||
	       (o->by_text && (buf_puts(b, ", \"by\": ") || json_quote(b, str_of(o->by_text)))) ||
	       buf_printf(b, ", \"seed\": %llu, \"rows\": %lld", (unsigned long long)o->seed, (long long)s->seen);
}

static int commit_all(struct splitter *s, struct err *e)
{
	cleanup_buf struct buf about = { 0 };
	if (describe(s, &about))
		return err_oom(e);
	return partset_commit(s->parts, buf_view(&about), e);
}

static int open_parts(struct splitter *s, struct err *e)
{
	const struct split_opts *o = s->opts;
	struct partset_opts p = { .pattern = o->pattern, .commands = o->commands, .manifest = o->manifest, .write = o->write,
				.in_turn = in_turn(o), .memory = o->memory / 2, .threads = o->threads };
	int rc = partset_open(&p, s->schema, &s->parts, e);

	if (rc < 0)
		return rc;
	s->room = partset_room(s->parts);
	return o->mode == SPLIT_BYTES ? measure_open(&s->measure, o, s->schema, e) : add_known(s, e);
}

/* Where every row goes straight to its part, lines do, and the columns of the key. */
static int ask_for_lines(struct splitter *s, struct source *from, struct err *e)
{
	enum split_mode m = s->opts->mode;
	struct line_form form;
	bool *cols;

	if (m == SPLIT_VALUE || m == SPLIT_SAMPLE || (!in_turn(s->opts) && partset_count(s->parts) > s->room) ||
	    !partset_lines(s->parts, &form))
		return 0;
	if (!(cols = arena_calloc(&s->arena, (size_t)s->schema->nfields + 1, sizeof *cols)))
		return err_oom(e);
	for (int i = 0; i < s->key.n; i++)
		cols[s->key.parts[i].col] = true;
	source_want_lines(from, cols, &form);
	return 0;
}

static int split(struct splitter *s, struct source *from, struct err *e)
{
	struct source *all = NULL;
	int rc = open_parts(s, e);

	if (rc == 0)
		rc = ask_for_lines(s, from, e);
	if (rc == 0 && s->opts->mode == SPLIT_SAMPLE)
		rc = chosen_make(&s->chosen, from, &s->key, s->opts, &all, e);
	if (rc == 0 && (rc = read_all(s, all ? all : from, e)) == 0)
		rc = commit_all(s, e);
	source_close(all);
	return rc;
}

int split_all(struct source *from, const struct split_opts *o, struct err *e)
{
	struct splitter s = { .opts = o, .schema = from->schema };
	int rc = 0;

	keytab_init(&s.values, true);
	strata_init(&s.strata, o);
	if (o->by && o->by->n)
		rc = key_bind(o->by, from->schema, &s.arena, &s.key, e);
	s.key.option = o->key_option;
	if (rc == 0)
		rc = split(&s, from, e);
	if (s.parts)
		partset_close(s.parts, e);
	measure_close(&s.measure);
	chosen_free(&s.chosen);
	strata_free(&s.strata);
	keytab_free(&s.values);
	arena_free(&s.arena);
	arena_free(&s.scratch);
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
