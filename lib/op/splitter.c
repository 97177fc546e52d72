/* Each row is given its part's number. Lines are dealt to the parts by jobs (deal.h), and what is done in order is to hand their piles on
 * to the parts (partset.h); where parts are values, they are found and laid out in order too. Rows in columns are sorted by part (counting,
 * so stable) and copied there. Rows of parts beyond those that may be open at once are kept for later: sorted by part, in bounded memory,
 * they fill one part after another. */
#include "lib/op/splitter.h"

#include "lib/base/hash.h"
#include "lib/base/pool.h"
#include "lib/op/deal.h"
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
#define DEALS 8              /* in flight, at most */
#define DEAL_BYTES (INT64_C(1) << 20)

struct splitter {
	const struct split_opts *opts;
	const struct schema *schema;
	struct arena arena, scratch;
	struct split_rule rule;
	struct keytab values;  /* SPLIT_VALUE: part numbers */
	struct partset *parts;
	uint32_t room;         /* parts from here on are written later */
	struct strata strata;  /* SPLIT_STRATA */
	struct chosen chosen;  /* SPLIT_SAMPLE */
	struct measure measure; /* SPLIT_BYTES */
	int64_t seen;          /* records */
	struct deal deals[DEALS]; /* a ring of `depth`: from `given` on they are computed; the one before may be being written */
	int64_t given, begun, emptied;
	int at;                /* batches of the deal being given that have been */
	int depth;
	int64_t taken;         /* records that are in deals or were */
	struct batch *held;    /* begins the next deal */
	bool drained;          /* there are no more: rc and why say why */
	int rc;
	struct err why;
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
	const struct column *c = &b->cols[s->rule.key.parts[0].col];
	cleanup_buf struct buf text = { 0 }, name = { 0 };

	if (column_is_null(c, row))
		return partset_add(s->parts, STR("%null"), e);
	if (value_print(c, row, &text) || split_name(buf_view(&text), &name))
		return err_oom(e);
	return partset_add(s->parts, buf_view(&name), e);
}

/* Which part, where that depends on the records before. */

static int assign_rows(struct splitter *s, struct dealt *x, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < x->batch->nrows && rc == 0; i++) {
		x->to[i] = (uint32_t)((s->seen + i) / s->opts->n);
		if (x->to[i] == partset_count(s->parts))
			rc = add_numbered(s, ROWS_DIGITS, e);
	}
	return rc;
}

static int assign_strata(struct splitter *s, struct dealt *x, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < x->batch->nrows && rc == 0; i++)
		if (x->bad.skip && bit_get(x->bad.skip, i))
			x->to[i] = NO_PART;
		else
			x->to[i] = strata_take(&s->strata, x->hashes[i], &rc, e) ? 0 : 1;
	return rc;
}

static int assign_values(struct splitter *s, struct dealt *x, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < x->batch->nrows && rc == 0; i++) {
		if (x->bad.skip && bit_get(x->bad.skip, i)) {
			x->to[i] = NO_PART;
			continue;
		}
		rc = keytab_add(&s->values, keys_at(&x->keys, i), &x->to[i], e);
		if (rc == 0 && x->to[i] == partset_count(s->parts))
			rc = add_value(s, x->batch, i, e);
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

static int assign_sample(struct splitter *s, struct dealt *x, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < x->batch->nrows && rc == 0; i++) {
		bool taken;

		rc = chosen_has(&s->chosen, s->seen + i, &taken, e);
		x->to[i] = taken ? 0 : 1;
	}
	return rc;
}

static int assign(struct splitter *s, struct dealt *x, struct err *e)
{
	switch (s->opts->mode) {
	case SPLIT_ROWS:
		return assign_rows(s, x, e);
	case SPLIT_BYTES:
		return assign_bytes(s, x->batch, x->to, e);
	case SPLIT_VALUE:
		return assign_values(s, x, e);
	case SPLIT_STRATA:
		return assign_strata(s, x, e);
	case SPLIT_SAMPLE:
		return assign_sample(s, x, e);
	default:
		return 0;
	}
}

/* The deal's rows know their parts, and what was bad in them is accounted for. */
static int settle(struct splitter *s, struct deal *d, struct err *e)
{
	int rc = 0;

	for (int k = 0; k < d->n && rc == 0; k++) {
		struct dealt *x = &d->of[k];

		if (x->rc < 0) {
			*e = d->e;
			return x->rc;
		}
		if ((rc = bad_values_done(&x->bad, x->batch, e)) == 0)
			rc = assign(s, x, e);
		s->seen += x->batch->nrows;
	}
	if (s->opts->mode == SPLIT_VALUE && s->rule.several)
		s->rule.piles = partset_count(s->parts) <= s->room ? partset_count(s->parts) : 0;
	return rc == 0 && !d->piles ? deal_lay_out(d, e) : rc;
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

/* Neighbours go to one part as they are. A part is complete when the next one begins. */
static int give_runs(struct splitter *s, const struct dealt *x, struct err *e)
{
	int64_t at = 0, n;
	int rc = 0;

	for (; at < x->batch->nrows && rc == 0; at += n) {
		cleanup_batch struct batch *run = NULL;
		uint32_t p = x->to[at];

		for (n = 1; at + n < x->batch->nrows && x->to[at + n] == p;)
			n++;
		if (p > 0 && s->last < p) {
			rc = partset_end(s->parts, p - 1, e);
			s->last = p;
		}
		if (rc == 0 && (rc = batch_slice(x->batch, at, n, &run, e)) == 0)
			rc = partset_give(s->parts, p, run, batch_size(run), e);
	}
	return rc;
}

/* The piles of the deal before have been written, and it is empty. */
static int give_piles(struct splitter *s, const struct deal *d, struct err *e)
{
	int rc = 0;

	for (uint32_t p = 0; p < s->rule.piles && rc == 0; p++) {
		cleanup_batch struct batch *pile = NULL;

		if (d->piles[p].rows && (rc = deal_pile(d, p, &pile, e)) == 0)
			rc = partset_give(s->parts, p, pile, (int64_t)d->piles[p].bytes, e);
	}
	return rc;
}

/* *later: rows of parts that are not open, if there are any. */
static int give_rows(struct splitter *s, const struct dealt *x, const struct schema *with, struct batch **later, struct err *e)
{
	const struct batch *b = x->batch;
	uint32_t *idx, *start, nparts = partset_count(s->parts), room = s->room;
	int64_t each = batch_bytes(b) / b->nrows + 1;
	int rc = 0;

	if (nparts > room)
		nparts = room + 1;
	arena_reset(&s->scratch);
	idx = arena_alloc(&s->scratch, (size_t)b->nrows * sizeof *idx);
	start = arena_alloc(&s->scratch, ((size_t)nparts + 3) * sizeof *start);
	if (!idx || !start)
		return err_oom(e);
	sort_by_part(x->to, b->nrows, nparts, room, start, idx);
	for (uint32_t p = 0; p < nparts && p < room && rc == 0; p++)
		if (start[p + 1] > start[p])
			rc = partset_write(s->parts, p, b, idx + start[p], start[p + 1] - start[p], each, e);
	if (rc == 0 && nparts > room && start[room + 1] > start[room])
		rc = later_rows(s, with, b, idx + start[room], start[room + 1] - start[room], x->to, later, e);
	return rc;
}

/* Until there is something for later; s->at says how far that is. */
static int distribute(struct splitter *s, const struct deal *d, const struct schema *with, struct batch **later, struct err *e)
{
	int rc = 0;

	if (d->piles) {
		s->at = d->n;
		return give_piles(s, d, e);
	}
	for (; s->at < d->n && rc == 0 && !*later; s->at++)
		rc = in_turn(s->opts) ? give_runs(s, &d->of[s->at], e) : give_rows(s, &d->of[s->at], with, later, e);
	return rc;
}

/* The ring of deals. */

/* One is ready to be written while another is being; others are computed meanwhile. */
static void open_deals(struct splitter *s)
{
	int64_t share = s->opts->memory / 8 / DEALS;

	s->depth = s->opts->threads + 1 < DEALS ? s->opts->threads + 1 : DEALS;
	s->rule.bytes = s->opts->memory > 0 && share < DEAL_BYTES ? share : DEAL_BYTES;
	for (int i = 0; i < s->depth; i++)
		s->deals[i] = (struct deal){ .job.run = deal_run, .rule = &s->rule };
}

static struct deal *deal_at(struct splitter *s, int64_t i)
{
	return &s->deals[i % s->depth];
}

static void fill(struct splitter *s, struct source *from, struct deal *d)
{
	while (!s->drained) {
		struct batch *b = s->held;

		if (!b && ((s->rc = source_next(from, &b, &s->why)) < 0 || !b)) {
			s->drained = true;
			break;
		}
		s->held = b->nrows && !deal_add(d, b) ? b : NULL;
		if (s->held)
			break;
		if (!b->nrows)
			batch_unref(b);
	}
	d->first = s->taken;
	s->taken += d->rows;
}

/* The next deal; NULL: there are no more. */
static int next_deal(struct splitter *s, struct source *from, struct deal **ret, struct err *e)
{
	while (!s->drained && s->begun - s->emptied < s->depth) {
		fill(s, from, deal_at(s, s->begun));
		if (!deal_at(s, s->begun)->n)
			break;
		pool_give_first(s->opts->pool, &deal_at(s, s->begun++)->job);
	}
	*ret = s->given < s->begun ? deal_at(s, s->given) : NULL;
	if (*ret)
		pool_wait(s->opts->pool, &(*ret)->job);
	else if (s->rc < 0)
		*e = s->why;
	return *ret ? 0 : s->rc;
}

/* Its piles go to the parts when those of the one before have been written. It is given once more when not all of it has been. */
static int give(struct splitter *s, struct deal *d, const struct schema *with, struct batch **later, struct err *e)
{
	int rc = s->at ? 0 : settle(s, d, e);

	if (rc == 0 && s->rule.several)
		rc = partset_settle(s->parts, e);
	if (rc == 0 && ((rc = distribute(s, d, with, later, e)) < 0 || s->at < d->n))
		return rc;
	s->at = 0;
	s->given++;
	while (rc == 0 && s->emptied < s->given - (d->piles != NULL))
		deal_empty(deal_at(s, s->emptied++));
	return rc;
}

static void close_deals(struct splitter *s)
{
	for (; s->given < s->begun; s->given++)
		pool_wait(s->opts->pool, &deal_at(s, s->given)->job);
	for (int i = 0; i < s->depth; i++)
		deal_free(&s->deals[i]);
	batch_unref(s->held);
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
		struct deal *d;

		if ((rc = next_deal(l->s, l->from, &d, e)) < 0 || !d)
			break;
		rc = give(l->s, d, source->schema, ret, e);
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

	s->rule.limits = arena_array(&s->arena, uint64_t, (size_t)s->opts->nweights);
	if (!s->rule.limits)
		return err_oom(e);
	for (int i = 0; i < s->opts->nweights; i++)
		total += s->opts->weights[i].weight;
	for (int i = 0; i < s->opts->nweights; i++) {
		sum += s->opts->weights[i].weight;
		s->rule.limits[i] = sum >= total ? UINT64_MAX : (uint64_t)(sum / total * 0x1p53) << 11;
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
				.in_turn = in_turn(o), .memory = o->memory / 2, .pool = o->pool };
	int rc = partset_open(&p, s->schema, &s->parts, e);

	if (rc < 0)
		return rc;
	s->room = partset_room(s->parts);
	return o->mode == SPLIT_BYTES ? measure_open(&s->measure, o, s->schema, e) : add_known(s, e);
}

/* Where every row goes straight to its part, lines do, and the columns of the key. Rows of values may have to wait for their part:
 * all columns come too. */
static int ask_for_lines(struct splitter *s, struct source *from, struct err *e)
{
	enum split_mode m = s->opts->mode;
	struct line_form form;
	bool *cols;

	if (m == SPLIT_SAMPLE || (!in_turn(s->opts) && partset_count(s->parts) > s->room) ||
	    !partset_lines(s->parts, &form))
		return 0;
	if (!(cols = arena_calloc(&s->arena, (size_t)s->schema->nfields + 1, sizeof *cols)))
		return err_oom(e);
	for (int i = 0; i < s->rule.key.n; i++)
		cols[s->rule.key.parts[i].col] = true;
	for (int i = 0; i < s->schema->nfields; i++)
		cols[i] |= m == SPLIT_VALUE;
	s->rule.several = !in_turn(s->opts);
	s->rule.piles = s->rule.several ? partset_count(s->parts) : 0;
	source_want_lines(from, cols, &form);
	return 0;
}

static int split(struct splitter *s, struct source *from, struct err *e)
{
	struct source *all = NULL;
	int rc;

	open_deals(s);
	if ((rc = open_parts(s, e)) == 0)
		rc = ask_for_lines(s, from, e);
	if (rc == 0 && s->opts->mode == SPLIT_SAMPLE)
		rc = chosen_make(&s->chosen, from, &s->rule.key, s->opts, &all, e);
	if (rc == 0)
		rc = read_all(s, all ? all : from, e);
	if (rc == 0 && s->opts->judge)
		rc = s->opts->judge(s->opts->judge_arg, e);
	if (rc == 0)
		rc = commit_all(s, e);
	source_close(all);
	return rc;
}

int split_all(struct source *from, const struct split_opts *o, struct err *e)
{
	struct splitter s = { .opts = o, .schema = from->schema, .rule.opts = o };
	int rc = 0;

	keytab_init(&s.values, true);
	strata_init(&s.strata, o);
	if (o->by && o->by->n)
		rc = key_bind(o->by, from->schema, &s.arena, &s.rule.key, e);
	s.rule.key.option = o->key_option;
	if (rc == 0)
		rc = split(&s, from, e);
	if (s.parts)
		partset_close(s.parts, e);
	close_deals(&s);
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
