/* Areas under curves of scores: see scores.h.
 *
 * A reader looks at every record in the order of the input: it checks and spells the fields, finds the two labels, counts at
 * the threshold, and passes on (score, positive?, amount). Those are sorted by score, descending, and one pass over equal scores
 * adds up both areas in integers: amounts are scaled to the most digits behind the point that any of them has. */
#include "lib/op/scores.h"

#include "lib/agg/round.h"
#include "lib/format/format.h"
#include "lib/op/amount.h"
#include "lib/op/reducer.h"
#include "lib/op/sorter.h"
#include "lib/table/partial.h"

#include <math.h>
#include <stdlib.h>

#define STATES_OF_COUNTS "confusion-matrix score counts"
#define STATES_OF_WEIGHTS "confusion-matrix score weights"
#define FRACTION 128 /* bits behind the point of a term of the average precision */

enum { TRUTH, SCORE, AMOUNT };
static const char *const state_names[3] = { "truth", "score", "count" };

struct reader {
	struct source source;
	struct source *from;
	struct schema *schema;
	int cols[3]; /* amount: -1 when every record counts once */
	bool numeric, weighted;
	enum on_bad on_bad;
	struct partial about; /* the two fields; texts live in `arena` */
	struct arena scratch, arena;
	struct rows rows;
	struct buf spelled;

	/* of results only */
	bool result;
	struct buf labels[2]; /* the other one, the positive one */
	bool has_other;
	struct dec threshold;
	struct decsum cells[2][2], left_out; /* by true label, prediction */
	struct decsums decs;
	int scale; /* most digits behind the point of any amount */
};

/* ---- options ---- */

static int read_threshold(const char *text, struct dec *ret, struct err *e)
{
	struct decpool pool = { 0 };

	if (dec_parse(str_of(text ? text : "0.5"), &pool, ret) == DEC_OK && !ret->big)
		return 0;
	decpool_free(&pool);
	return err_set(e, ST_USAGE, "--threshold %s: a number is needed, of at most 18 digits", text);
}

int scores_check(const struct score_opts *o, struct err *e)
{
	struct dec d;

	if (!o->positive)
		return err_set(e, ST_USAGE, "scores need --positive LABEL: the label that a high score speaks for");
	return read_threshold(o->threshold, &d, e);
}

static struct str states_of(const struct schema *s, struct arena *a)
{
	struct partial about;
	struct err e;

	return partial_get(s, a, &about, &e) < 0 ? (struct str){ "", 0 } : about.aggregates;
}

bool scores_are_states(const struct schema *s)
{
	cleanup_arena struct arena a = { 0 };
	struct str what = states_of(s, &a);

	return str_is(what, STATES_OF_COUNTS) || str_is(what, STATES_OF_WEIGHTS);
}

static int bind_states(struct reader *r, const struct schema *s, const struct score_opts *o, struct err *e)
{
	int rc = partial_get(s, &r->arena, &r->about, e);

	if (rc < 0)
		return rc;
	r->weighted = str_is(r->about.aggregates, STATES_OF_WEIGHTS);
	if (!r->weighted && !str_is(r->about.aggregates, STATES_OF_COUNTS))
		return err_set(e, ST_DATA, "the partial states hold -a %.*s, not scores of confusion-matrix", STR_ARG(r->about.aggregates));
	for (int i = 0; i < 3; i++) {
		r->cols[i] = schema_find(s, str_of(state_names[i]));
		if (r->cols[i] < 0 || s->fields[r->cols[i]].type.layout > LAY_VAR)
			return err_set(e, ST_DATA, "the partial states of confusion-matrix have no column \"%s\"", state_names[i]);
	}
	if ((rc = matrix_agrees(&r->about, o->truth, o->score, e)) < 0)
		return rc;
	r->numeric = type_is_numeric(&s->fields[r->cols[TRUTH]].type);
	return 0;
}

static int bind_fields(struct reader *r, const struct schema *s, const struct score_opts *o, struct err *e)
{
	const char *amount = o->weight ? o->weight : o->count;
	enum key_reading readings[2] = { KEY_AUTO, KEY_AUTO };
	int rc;

	r->weighted = o->weight != NULL;
	r->cols[AMOUNT] = -1;
	if ((rc = matrix_field(o->truth, s, &r->cols[TRUTH], &readings[TRUTH], &r->numeric, e)) < 0 ||
	    (rc = field_resolve(str_of(o->score), s, &r->cols[SCORE], e)) < 0 ||
	    (rc = matrix_describe(s, o->truth, o->score, r->cols, readings, &r->arena, &r->about, e)) < 0)
		return rc;
	return amount ? field_resolve(str_of(amount), s, &r->cols[AMOUNT], e) : 0;
}

/* ---- the reader ---- */

/* One batch of the input. */
struct look {
	const struct batch *b;
	struct bad_values bad;
	struct numbers truths, scores, amounts;
};

static int read_column(struct reader *r, struct look *l, int col, struct numbers *n, struct err *e)
{
	return read_numbers(l->b, col, NULL, l->b->nrows, &l->bad, &r->scratch, n, e);
}

static int read_columns(struct reader *r, struct look *l, struct err *e)
{
	int rc = 0;

	if (r->numeric)
		rc = read_column(r, l, r->cols[TRUTH], &l->truths, e);
	if (rc == 0)
		rc = read_column(r, l, r->cols[SCORE], &l->scores, e);
	if (rc == 0 && r->cols[AMOUNT] >= 0)
		rc = read_column(r, l, r->cols[AMOUNT], &l->amounts, e);
	return rc;
}

static bool is_missing(const struct numbers *n, int64_t row)
{
	return n->valid && !bit_get(n->valid, row);
}

/* The text of a value: its own bytes, or as it prints. */
static int spell(struct reader *r, const struct column *c, int64_t row, struct str *ret, struct err *e)
{
	if (c->type->layout == LAY_VAR) {
		*ret = column_str(c, row);
		return 0;
	}
	r->spelled.n = 0;
	if (value_print(c, row, &r->spelled))
		return err_oom(e);
	*ret = buf_view(&r->spelled);
	return 0;
}

static bool same_label(const struct reader *r, const struct buf *label, struct str s)
{
	return str_eq(buf_view(label), s) || (r->numeric && matrix_same_number(buf_view(label), s));
}

/* Whether the record's label is the positive one; a second other one is refused. */
static int find_label(struct reader *r, const struct look *l, int64_t row, struct str s, bool *ret, struct err *e)
{
	*ret = false;
	if (r->has_other && str_eq(buf_view(&r->labels[0]), s))
		return 0;
	*ret = same_label(r, &r->labels[1], s);
	if (*ret || (r->has_other && same_label(r, &r->labels[0], s)))
		return 0;
	if (!r->has_other) {
		r->has_other = true;
		return buf_str(&r->labels[0], s) ? err_oom(e) : 0;
	}
	err_set(e, ST_DATA, "\"%.*s\" is a third label beside \"%.*s\" and \"%.*s\": scores tell two apart", STR_ARG(s),
		STR_ARG(buf_view(&r->labels[1])), STR_ARG(buf_view(&r->labels[0])));
	err_hint(e, "check --positive, or make two of them with stook map");
	return batch_err_at(l->b, row, r->cols[TRUTH], e);
}

static int get_amount(struct reader *r, struct look *l, int64_t row, struct dec *ret, struct err *e)
{
	*ret = dec_from_i64(1);
	if (r->cols[AMOUNT] < 0)
		return 0;
	return amount_at(l->b, r->cols[AMOUNT], r->weighted, &l->amounts, row, ret, e);
}

static int put_amount(struct reader *r, struct builder *b, struct dec d, const struct decpool *pool, struct err *e)
{
	int64_t v;

	if (!r->weighted)
		return dec_is_int64(d, pool, &v) ? builder_fixed(b, &v, e) : err_set(e, ST_BUG, "a count that is not whole");
	r->spelled.n = 0;
	return dec_print(d, pool, &r->spelled) ? err_oom(e) : builder_str(b, buf_view(&r->spelled), e);
}

/* A record of the states to come: truth, score, amount. */
static int pass_state(struct reader *r, struct look *l, int64_t row, bool missing, struct dec amount, struct err *e)
{
	struct builder *out = r->rows.cols;
	struct str s;
	int rc = 0;

	for (int k = TRUTH; k <= SCORE && rc == 0; k++) {
		if (missing)
			rc = builder_null(&out[k], 1, e);
		else if ((rc = spell(r, &l->b->cols[r->cols[k]], row, &s, e)) == 0)
			rc = builder_str(&out[k], s, e);
	}
	r->rows.n++;
	return rc < 0 ? rc : put_amount(r, &out[AMOUNT], amount, &l->amounts.pool, e);
}

/* A record on its way to the curves: score, positive, amount. */
static int pass_score(struct reader *r, struct look *l, int64_t row, struct dec amount, struct err *e)
{
	struct builder *out = r->rows.cols;
	bool positive, predicted;
	struct dec score;
	struct str s;
	int rc;

	if ((rc = spell(r, &l->b->cols[r->cols[TRUTH]], row, &s, e)) < 0 || (rc = find_label(r, l, row, s, &positive, e)) < 0 ||
	    (rc = spell(r, &l->b->cols[r->cols[SCORE]], row, &s, e)) < 0 || (rc = builder_str(&out[0], s, e)) < 0 ||
	    (rc = builder_bool(&out[1], positive, e)) < 0 || (rc = put_amount(r, &out[2], amount, &l->amounts.pool, e)) < 0)
		return rc;
	r->rows.n++;
	predicted = spelled_dec(&l->scores, row, &score) && dec_cmp(score, r->threshold, &l->scores.pool) >= 0;
	r->scale = amount.scale > r->scale ? amount.scale : r->scale;
	return decsum_add(&r->cells[positive][predicted], amount, &l->amounts.pool, &r->decs) ? err_oom(e) : 0;
}

/* 0: the policy lets it pass, as a missing score or not at all. */
static int not_finite(struct reader *r, struct look *l, int64_t row, struct err *e)
{
	struct err why = { 0 };
	int rc = bad_values_add(&l->bad, l->b, row, &r->scratch, e);

	if (rc <= 0)
		return rc;
	err_set(&why, ST_DATA, "a score must be a finite number");
	err_hint(&why, "skip such rows: --on-bad skip");
	batch_err_at(l->b, row, r->cols[SCORE], &why);
	*e = why;
	return -ST_DATA;
}

static int pass_row(struct reader *r, struct look *l, int64_t row, struct err *e)
{
	struct dec amount, score;
	bool missing;
	int rc;

	if (l->bad.skip && bit_get(l->bad.skip, row))
		return 0;
	if ((rc = get_amount(r, l, row, &amount, e)) < 0)
		return rc;
	missing = column_is_null(&l->b->cols[r->cols[TRUTH]], row) || is_missing(&l->scores, row) ||
		  (r->numeric && is_missing(&l->truths, row));
	if (!missing && !spelled_dec(&l->scores, row, &score)) {
		if ((rc = not_finite(r, l, row, e)) < 0 || r->on_bad == BAD_SKIP)
			return rc;
		missing = true;
	}
	if (!r->result)
		return pass_state(r, l, row, missing, amount, e);
	if (!missing)
		return pass_score(r, l, row, amount, e);
	return decsum_add(&r->left_out, amount, &l->amounts.pool, &r->decs) ? err_oom(e) : 0;
}

static int pass_rows(struct reader *r, struct look *l, struct err *e)
{
	int rc = read_columns(r, l, e);
	int64_t n = l->bad.bad_row < 0 ? l->b->nrows : l->bad.bad_row; /* *e says what is wrong with that row */

	for (int64_t i = 0; i < n && rc == 0; i++)
		rc = pass_row(r, l, i, e);
	if (rc == 0 && n < l->b->nrows)
		return -e->status;
	return rc < 0 ? rc : bad_values_done(&l->bad, l->b, e);
}

static int reader_next(struct source *s, struct batch **ret, struct err *e)
{
	struct reader *r = (struct reader *)s;
	int rc = 0;

	while (rc == 0 && !r->rows.n) {
		cleanup_batch struct batch *b = NULL;
		struct look l = { .bad = bad_values_of(r->on_bad) };

		if ((rc = source_next(r->from, &b, e)) < 0 || !b)
			return rc;
		l.b = b;
		rc = pass_rows(r, &l, e);
		numbers_free(&l.truths);
		numbers_free(&l.scores);
		numbers_free(&l.amounts);
		arena_reset(&r->scratch);
	}
	return rc < 0 ? rc : rows_take(&r->rows, ret, e);
}

static void reader_free(struct reader *r)
{
	source_close(r->from);
	rows_free(&r->rows);
	buf_free(&r->spelled);
	buf_free(&r->labels[0]);
	buf_free(&r->labels[1]);
	decsums_free(&r->decs);
	arena_free(&r->scratch);
	arena_free(&r->arena);
	schema_unref(r->schema);
	free(r);
}

/* Sort and reduce close what they were made from; the reader's counts are looked at afterwards. */
static void reader_close(struct source *s)
{
	struct reader *r = (struct reader *)s;

	source_close(r->from);
	r->from = NULL;
	if (!r->result)
		reader_free(r);
}

static int reader_schema(struct reader *r, struct err *e)
{
	const struct type truth = r->numeric ? (struct type)TYPE_NUM : (struct type)TYPE_TEXT, num = TYPE_NUM, flag = TYPE_BOOL,
			  amount = r->weighted ? (struct type)TYPE_NUM : (struct type)TYPE_INT64;
	struct schema *s = r->schema;
	int rc;

	if (r->result)
		rc = schema_add(s, STR("score"), &num, false, e) | schema_add(s, STR("positive"), &flag, false, e);
	else
		rc = schema_add(s, STR("truth"), &truth, true, e) | schema_add(s, STR("score"), &num, true, e);
	return rc < 0 ? err_oom(e) : schema_add(s, STR("count"), &amount, false, e);
}

static int reader_bind(struct reader *r, const struct score_opts *o, struct err *e)
{
	const struct schema *s = r->from->schema;
	int rc = o->merge ? bind_states(r, s, o, e) : bind_fields(r, s, o, e);

	if (rc == 0 && r->result && (rc = read_threshold(o->threshold, &r->threshold, e)) == 0)
		rc = buf_puts(&r->labels[1], o->positive) ? err_oom(e) : 0;
	if (rc == 0 && (rc = reader_schema(r, e)) == 0)
		rc = rows_init(&r->rows, r->schema, e);
	r->source = (struct source){ r->schema, reader_next, reader_close, NULL };
	return rc;
}

/* Takes `in`, also on failure. */
static int reader_open(struct source *in, const struct score_opts *o, bool result, struct reader **ret, struct err *e)
{
	struct reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r) {
		source_close(in);
		return err_oom(e);
	}
	*r = (struct reader){ .from = in, .result = result, .on_bad = o->merge ? BAD_FAIL : o->on_bad, .schema = schema_new() };
	rc = r->schema ? reader_bind(r, o, e) : err_oom(e);
	if (rc < 0)
		reader_free(r);
	else
		*ret = r;
	return rc;
}

/* ---- partial states ---- */

/* Puts the description of states on what passes. */
struct marked {
	struct source source;
	struct source *from;
	struct schema *schema;
};

static int marked_next(struct source *s, struct batch **ret, struct err *e)
{
	struct marked *m = (struct marked *)s;
	cleanup_batch struct batch *b = NULL;
	int rc = source_next(m->from, &b, e);

	return rc < 0 || !b ? rc : batch_rebind(b, m->schema, ret, e);
}

static void marked_close(struct source *s)
{
	struct marked *m = (struct marked *)s;

	source_close(m->from);
	schema_unref(m->schema);
	free(m);
}

static int mark(struct source *from, const struct partial *about, struct source **ret, struct err *e)
{
	struct marked *m = calloc(1, sizeof *m);
	int rc = 0;

	if (!m) {
		source_close(from);
		return err_oom(e);
	}
	*m = (struct marked){ .from = from, .schema = schema_new() };
	for (int i = 0; m->schema && i < from->schema->nfields && rc == 0; i++)
		rc = schema_add(m->schema, from->schema->fields[i].name, &from->schema->fields[i].type, i < AMOUNT, e);
	if (rc == 0)
		rc = m->schema ? partial_set(m->schema, about, e) : err_oom(e);
	m->source = (struct source){ m->schema, marked_next, marked_close, NULL };
	if (rc < 0)
		marked_close(&m->source);
	else
		*ret = &m->source;
	return rc;
}

int scores_partial(struct source *in, const struct score_opts *o, struct source **ret, struct err *e)
{
	static const char *const sums[] = { "count=sum:count" };
	const struct reduce_opts how = { .group = "truth,score", .naggs = 1, .aggs = sums, .memory = o->memory, .tmpdir = o->tmpdir };
	struct reader *r;
	struct source *s;
	struct partial about;
	int rc = reader_open(in, o, false, &r, e);

	if (rc < 0)
		return rc;
	about = r->about; /* the reader lives as long as what is made from it */
	about.aggregates = r->weighted ? STR(STATES_OF_WEIGHTS) : STR(STATES_OF_COUNTS);
	rc = reduce_open(&r->source, &how, &s, e);
	return rc < 0 ? rc : mark(s, &about, ret, e);
}

/* ---- the curves ---- */

struct curve {
	int scale;
	mpz_t all[2];       /* amounts so far: negatives, positives */
	mpz_t tied[2];      /* of the score at hand */
	mpz_t pairs;        /* twice the pairs won, and those tied once */
	mpz_t precision;    /* sum of terms, shifted by FRACTION */
	mpz_t a, b;
	struct buf last;    /* key of the score at hand */
};

static void curve_init(struct curve *c, int scale)
{
	*c = (struct curve){ .scale = scale };
	mpz_inits(c->all[0], c->all[1], c->tied[0], c->tied[1], c->pairs, c->precision, c->a, c->b, NULL);
}

static void curve_free(struct curve *c)
{
	mpz_clears(c->all[0], c->all[1], c->tied[0], c->tied[1], c->pairs, c->precision, c->a, c->b, NULL);
	buf_free(&c->last);
}

/* All records of one score are in: a negative loses to every positive above it, and ties with those beside it. */
static void close_score(struct curve *c)
{
	mpz_mul_2exp(c->a, c->all[1], 1);
	mpz_add(c->a, c->a, c->tied[1]);
	mpz_addmul(c->pairs, c->a, c->tied[0]);
	for (int k = 0; k < 2; k++)
		mpz_add(c->all[k], c->all[k], c->tied[k]);
	if (mpz_sgn(c->tied[1])) {
		mpz_mul(c->a, c->tied[1], c->all[1]);
		mpz_mul_2exp(c->a, c->a, FRACTION);
		mpz_add(c->b, c->all[0], c->all[1]);
		mpz_fdiv_q(c->a, c->a, c->b);
		mpz_add(c->precision, c->precision, c->a);
	}
	mpz_set_ui(c->tied[0], 0);
	mpz_set_ui(c->tied[1], 0);
}

/* d at the common scale, added. */
static void add_amount(struct curve *c, bool positive, struct dec d, const struct decpool *pool)
{
	if (d.scale == c->scale && !d.big) {
		mpz_add_ui(c->tied[positive], c->tied[positive], (unsigned long)d.m);
		return;
	}
	mpz_ui_pow_ui(c->b, 10, (unsigned long)(c->scale - d.scale));
	if (d.big)
		mpz_addmul(c->tied[positive], c->b, pool->v[d.big - 1]);
	else
		mpz_addmul_ui(c->tied[positive], c->b, (unsigned long)d.m);
}

static int add_batch(struct curve *c, const struct batch *b, struct arena *a, struct numbers *amounts, struct err *e)
{
	struct key_bound part = { .col = 0, .reading = KEY_NUM };
	struct key key = { .n = 1, .parts = &part };
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct keys keys;
	int rc;

	if ((rc = keys_encode(&key, b, &bad, a, &keys, e)) < 0 ||
	    (rc = read_numbers(b, 2, NULL, b->nrows, &bad, a, amounts, e)) < 0 || bad.bad_row >= 0)
		return rc < 0 ? rc : -e->status;
	for (int64_t i = 0; i < b->nrows; i++) {
		struct dec d = { 0 };

		if (!str_eq(buf_view(&c->last), keys_at(&keys, i))) {
			close_score(c);
			c->last.n = 0;
			if (buf_str(&c->last, keys_at(&keys, i)))
				return err_oom(e);
		}
		numbers_dec(amounts, i, &d);
		add_amount(c, column_bool(&b->cols[1], i), d, &amounts->pool);
	}
	return 0;
}

static int add_batches(struct curve *c, struct source *s, const struct reader *r, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	int rc = 0;

	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;
		struct numbers amounts = { 0 };

		if ((rc = source_next(s, &b, e)) < 0 || !b)
			break;
		c->scale = r->scale; /* known once the sort has read everything */
		rc = add_batch(c, b, &a, &amounts, e);
		numbers_free(&amounts);
		arena_reset(&a);
	}
	close_score(c);
	return rc;
}

static struct areas areas_of(struct curve *c)
{
	struct areas r = { true, (double)NAN, (double)NAN };

	mpz_mul(c->a, c->all[0], c->all[1]);
	mpz_mul_2exp(c->a, c->a, 1);
	if (mpz_sgn(c->a))
		r.roc_auc = round_ratio(c->pairs, c->a, 0);
	if (mpz_sgn(c->all[1]))
		r.average_precision = round_ratio(c->precision, c->all[1], -FRACTION);
	return r;
}

static int read_curves(struct reader *r, const struct score_opts *o, struct areas *ret, struct err *e)
{
	struct key_part part = { .name = STR("score"), .desc = true };
	struct key_spec spec = { 1, &part };
	struct sort_opts how = { .key = &spec, .limit = -1, .memory = o->memory, .tmpdir = o->tmpdir };
	struct source *sorted;
	struct curve c;
	int rc = sort_open(&r->source, &how, &sorted, e);

	if (rc < 0)
		return rc;
	curve_init(&c, 0);
	if ((rc = add_batches(&c, sorted, r, e)) == 0)
		*ret = areas_of(&c);
	curve_free(&c);
	source_close(sorted);
	return rc;
}

/* ---- the counts at the threshold, as states of a matrix ---- */

struct given { /* one batch */
	struct source source;
	struct schema *schema;
	struct batch *b;
};

static int given_next(struct source *s, struct batch **ret, struct err *e)
{
	struct given *g = (struct given *)s;

	(void)e;
	*ret = g->b;
	g->b = NULL;
	return 0;
}

static void given_close(struct source *s)
{
	struct given *g = (struct given *)s;

	batch_unref(g->b);
	schema_unref(g->schema);
	free(g);
}

static int cell_row(struct reader *r, struct rows *to, const struct buf *truth, const struct buf *predicted,
		    const struct decsum *n, struct err *e)
{
	const struct buf *labels[] = { truth, predicted };
	int rc = 0;

	for (int k = 0; k < 2 && rc == 0; k++)
		rc = labels[k] ? builder_str(&to->cols[k], buf_view(labels[k]), e) : builder_null(&to->cols[k], 1, e);
	to->n++;
	return rc < 0 ? rc : put_amount(r, &to->cols[AMOUNT], decsum_dec(n), &r->decs.pool, e);
}

/* Cells with records; the positive label is a class even without. */
static int cell_rows(struct reader *r, struct rows *to, struct err *e)
{
	bool none = !r->cells[1][0].any && !r->cells[1][1].any && !r->cells[0][1].any;
	int rc = 0;

	for (int t = 0; t < 2; t++)
		for (int p = 0; p < 2 && rc == 0; p++)
			if (r->cells[t][p].any || (t && p && none))
				rc = cell_row(r, to, &r->labels[t], &r->labels[p], &r->cells[t][p], e);
	return rc < 0 || !r->left_out.any ? rc : cell_row(r, to, NULL, NULL, &r->left_out, e);
}

static int cells_table(struct reader *r, struct given *g, struct err *e)
{
	const struct type label = r->numeric && r->has_other ? (struct type)TYPE_NUM : (struct type)TYPE_TEXT,
			  amount = r->weighted ? (struct type)TYPE_NUM : (struct type)TYPE_INT64;
	struct rows rows = { 0 };
	int rc;

	if ((!r->has_other && (buf_puts(&r->labels[0], "not ") || buf_str(&r->labels[0], buf_view(&r->labels[1])))) ||
	    !(g->schema = schema_new()))
		return err_oom(e);
	if ((rc = schema_add(g->schema, STR("truth"), &label, true, e)) < 0 ||
	    (rc = schema_add(g->schema, STR("predicted"), &label, true, e)) < 0 ||
	    (rc = schema_add(g->schema, STR("count"), &amount, false, e)) < 0 ||
	    (rc = matrix_mark(g->schema, r->weighted, &r->about, e)) < 0)
		return rc;
	if ((rc = rows_init(&rows, g->schema, e)) == 0 && (rc = cell_rows(r, &rows, e)) == 0)
		rc = rows_take(&rows, &g->b, e);
	rows_free(&rows);
	g->source = (struct source){ g->schema, given_next, given_close, NULL };
	return rc;
}

int scores_open(struct source *in, const struct score_opts *o, struct areas *ret, struct source **states, struct err *e)
{
	struct reader *r;
	struct given *g = NULL;
	int rc = reader_open(in, o, true, &r, e);

	if (rc < 0)
		return rc;
	if ((rc = read_curves(r, o, ret, e)) == 0) {
		g = calloc(1, sizeof *g);
		rc = g ? cells_table(r, g, e) : err_oom(e);
	}
	reader_free(r);
	if (rc == 0)
		*states = &g->source;
	else if (g)
		given_close(&g->source);
	return rc;
}
