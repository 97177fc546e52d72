/* Running a program over a batch: see expr.h and value.h.
 *
 * Invariants: only rows of a level's selection before its bad_row ever leave it; a selection only shrinks, so that what was
 * computed
 * under a statement's selection stays good for later statements of the same level. */
#include "lib/expr/eval.h"

#include <stdio.h>
#include <stdlib.h>

size_t value_size(enum value_type t)
{
	switch (t) {
	case V_BOOL:
		return 1;
	case V_DEC:
	case V_NUM:
	case V_TEXT:
	case V_JSON:
	case V_BIN:
		return 16;
	default:
		return 8;
	}
}

int vec_alloc(struct eval *ev, enum value_type type, struct vec *ret, struct err *e)
{
	*ret = (struct vec){ .type = type, .mask = -1 };
	ret->p = arena_alloc(&ev->lv->arena, (size_t)ev->lv->nrows * value_size(type) + 1);
	return ret->p ? 0 : err_oom(e);
}

int vec_set_null(struct eval *ev, struct vec *v, int64_t i, struct err *e)
{
	if (!v->null && !(v->null = arena_calloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1, 1)))
		return err_oom(e);
	v->null[i] = 1;
	return 0;
}

/* The input field an expression reads, or -1. */
static int fault_column(const struct eval *ev, const struct expr *x)
{
	while (x && x->slot < 0 && x->nargs == 1)
		x = x->args[0];
	return x && x->slot >= 0 && x->slot < ev->p->in->nfields ? x->slot : -1;
}

static int64_t batch_row(const struct eval *ev, int64_t i)
{
	return ev->lv->src ? ev->lv->src[i] : i;
}

/* Row i is bad: true when its message is the one to keep. */
static int note_bad(struct eval *ev, struct vec *ret, int64_t i, bool *first, struct err *e)
{
	struct level *lv = ev->lv;
	int rc;

	*first = false;
	ev->nbad++;
	if (ev->policy == BAD_FAIL || ev->folding) {
		*first = i < lv->bad_row && !ev->folding;
		if (i < lv->bad_row)
			lv->bad_row = i;
	} else if (ev->policy == BAD_SKIP) {
		if (!lv->skip && !(lv->skip = arena_calloc(&lv->arena, (size_t)lv->nrows + 1, 1)))
			return err_oom(e);
		lv->skip[i] = 1;
	}
	if (ev->policy != BAD_FAIL && !ev->folding && (rc = bad_values_mark(&ev->marked, ev->batch, batch_row(ev, i), &ev->levels->arena, e)) < 0)
		return rc;
	return vec_set_null(ev, ret, i, e);
}

int eval_bad(struct eval *ev, struct vec *ret, int64_t i, const struct expr *fault, struct err *e, const char *fmt, ...)
{
	char msg[sizeof e->msg];
	bool first;
	va_list ap;
	int rc = note_bad(ev, ret, i, &first, e);

	if (rc < 0 || !first)
		return rc;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	(void)err_set(&ev->lv->bad, ST_DATA, "%s", msg);
	err_hint(&ev->lv->bad, "null instead: --on-bad null; skip such records: --on-bad skip");
	batch_err_at(ev->batch, batch_row(ev, i), fault_column(ev, fault), &ev->lv->bad);
	return 0;
}

int eval_bad_number(struct eval *ev, struct vec *ret, int64_t i, const struct expr *fault, struct str value, enum dec_read why,
		    struct err *e)
{
	int col = fault_column(ev, fault), rc;
	int shown = value.n > 60 ? 60 : (int)value.n;
	bool first;

	if (why == DEC_NOMEM)
		return err_oom(e);
	if (col < 0 && why == DEC_LIMIT)
		return eval_bad(ev, ret, i, fault, e, "\"%.*s\" has too many digits or too large an exponent", shown, value.p);
	if (col < 0)
		return eval_bad(ev, ret, i, fault, e, "\"%.*s\" is not a number", shown, value.p);
	if ((rc = note_bad(ev, ret, i, &first, e)) < 0 || !first)
		return rc;
	(void)not_a_number(ev->batch, batch_row(ev, i), col, value, why, &ev->lv->bad);
	return 0;
}

static bool same_sel(struct sel a, struct sel b)
{
	return a.idx == b.idx && a.n == b.n;
}

int eval_expr(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	int rc;

	if (x->constant) {
		*ret = x->value;
		return 0;
	}
	if (x->cache < 0)
		return x->eval(ev, x, sel, ret, e);
	if (ev->lv->caches[x->cache].p) {
		*ret = ev->lv->caches[x->cache];
		return 0;
	}
	rc = x->eval(ev, x, sel, ret, e);
	if (rc == 0 && same_sel(sel, ev->lv->sel))
		ev->lv->caches[x->cache] = *ret;
	return rc;
}

/* The rows of `sel` for which test[i] is `want`. */
int sel_filter(struct eval *ev, struct sel sel, const uint8_t *test, uint8_t want, struct sel *ret, struct err *e)
{
	uint32_t *idx = arena_alloc(&ev->lv->arena, (size_t)sel.n * 4 + 4);
	int64_t n = 0;

	if (!idx)
		return err_oom(e);
	EACH(sel, i,
		idx[n] = (uint32_t)i;
		n += test[i] == want;
	);
	*ret = n == sel.n ? sel : (struct sel){ idx, n };
	return 0;
}

/* Nulls of the arguments together; the rows that have none in *ret. */
static int strict_rows(struct eval *ev, const struct vec *args, int n, struct sel sel, struct vec *out, struct sel *ret,
		struct err *e)
{
	*ret = sel;
	for (int k = 0; k < n; k++) {
		const uint8_t *null = args[k].null;
		int64_t mask = args[k].mask;

		if (!null)
			continue;
		if (!out->null && !(out->null = arena_calloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1, 1)))
			return err_oom(e);
		EACH(sel, i, out->null[i] |= null[i & mask];);
	}
	return out->null ? sel_filter(ev, sel, out->null, 0, ret, e) : 0;
}

int eval_call(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	struct vec few[4], *args = few;
	struct sel rows;
	int rc;

	if (x->nargs > 4 && !(args = arena_array(&ev->lv->arena, struct vec, (size_t)x->nargs)))
		return err_oom(e);
	for (int k = 0; k < x->nargs; k++)
		if ((rc = eval_expr(ev, x->args[k], sel, &args[k], e)) < 0)
			return rc;
	if ((rc = vec_alloc(ev, x->type, ret, e)) < 0 || (rc = strict_rows(ev, args, x->nargs, sel, ret, &rows, e)) < 0)
		return rc;
	return x->kernel(ev, x, args, rows, ret, e);
}

int eval_slot(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	struct slot *s = &ev->lv->slots[x->slot];
	int rc;

	(void)sel;
	if (s->is_column && !s->loaded) {
		if ((rc = column_load(ev, s, x->type, e)) < 0)
			return rc;
		s->loaded = true;
	}
	*ret = s->vec;
	return 0;
}

/* true 1, false 0, null 2 of a bool vector, for the rows of sel. */
static int truth(struct eval *ev, const struct vec *v, struct sel sel, uint8_t **ret, struct err *e)
{
	uint8_t *t = arena_alloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1);

	if (!t)
		return err_oom(e);
	if (v->null)
		EACH(sel, i, t[i] = v->null[i & v->mask] ? 2 : v->b[i & v->mask];);
	else
		EACH(sel, i, t[i] = v->b[i & v->mask];);
	*ret = t;
	return 0;
}

static int truth_of(struct eval *ev, const struct expr *x, struct sel sel, uint8_t **ret, struct err *e)
{
	struct vec v;
	int rc = eval_expr(ev, x, sel, &v, e);

	return rc < 0 ? rc : truth(ev, &v, sel, ret, e);
}

/* A three-valued result as a vector. */
static int from_truth(struct eval *ev, uint8_t *t, struct sel sel, struct vec *ret, struct err *e)
{
	bool nulls = false;

	*ret = (struct vec){ .type = V_BOOL, .mask = -1, .b = t };
	EACH(sel, i, nulls |= t[i] == 2;);
	if (!nulls)
		return 0;
	if (!(ret->null = arena_calloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1, 1)))
		return err_oom(e);
	EACH(sel, i,
		ret->null[i] = t[i] == 2;
		t[i] &= 1;
	);
	return 0;
}

/* and, or: the right operand is only computed where the left one does not decide (`decides`: false for and, true for or). */
static int eval_logic(struct eval *ev, const struct expr *x, struct sel sel, uint8_t decides, struct vec *ret, struct err *e)
{
	uint8_t *a, *b, *open;
	struct sel rest;
	int rc = truth_of(ev, x->args[0], sel, &a, e);

	if (rc < 0)
		return rc;
	if (!(open = arena_alloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1)))
		return err_oom(e);
	EACH(sel, i, open[i] = a[i] != decides;);
	if ((rc = sel_filter(ev, sel, open, 1, &rest, e)) < 0)
		return rc;
	if (rest.n) {
		if ((rc = truth_of(ev, x->args[1], rest, &b, e)) < 0)
			return rc;
		EACH(rest, i, a[i] = b[i] == decides ? decides : (a[i] == 2 || b[i] == 2) ? 2 : !decides;);
	}
	return from_truth(ev, a, sel, ret, e);
}

int eval_and(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	return eval_logic(ev, x, sel, 0, ret, e);
}

int eval_or(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	return eval_logic(ev, x, sel, 1, ret, e);
}

int eval_is_null(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	struct slot *s = x->args[0]->slot >= 0 ? &ev->lv->slots[x->args[0]->slot] : NULL;
	struct vec v;
	int rc;

	if ((rc = vec_alloc(ev, V_BOOL, ret, e)) < 0)
		return rc;
	if (s && s->is_column && !s->loaded) { /* any type of column will do */
		EACH(sel, i, ret->b[i] = slot_is_null(s, i););
		return 0;
	}
	if ((rc = eval_expr(ev, x->args[0], sel, &v, e)) < 0)
		return rc;
	EACH(sel, i, ret->b[i] = vec_null(&v, i););
	return 0;
}

#define COPY_ROWS(member) EACH(sel, i, ret->member[i] = v->member[i & v->mask];)

/* Copies the rows of sel, nulls included. */
static int merge_rows(struct eval *ev, const struct vec *v, struct sel sel, struct vec *ret, struct err *e)
{
	if (v->null && !ret->null && !(ret->null = arena_calloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1, 1)))
		return err_oom(e);
	if (ret->null)
		EACH(sel, i, ret->null[i] = vec_null(v, i););
	switch (value_size(ret->type)) {
	case 1:
		COPY_ROWS(b);
		break;
	case 8:
		COPY_ROWS(i);
		break;
	default:
		COPY_ROWS(s);
	}
	return 0;
}

static int merge_expr(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	struct vec v;
	int rc;

	if (!sel.n)
		return 0;
	return (rc = eval_expr(ev, x, sel, &v, e)) < 0 ? rc : merge_rows(ev, &v, sel, ret, e);
}

/* if and case: conditions and values in turn, an odd last one for the rest; without it the rest is null. */
int eval_if(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	struct sel rest = sel, hit, miss;
	uint8_t *t;
	int rc = vec_alloc(ev, x->type, ret, e), k;

	for (k = 0; rc == 0 && k + 1 < x->nargs && rest.n; k += 2) {
		if ((rc = truth_of(ev, x->args[k], rest, &t, e)) < 0 || (rc = sel_filter(ev, rest, t, 1, &hit, e)) < 0 ||
		    (rc = merge_expr(ev, x->args[k + 1], hit, ret, e)) < 0)
			return rc;
		EACH(rest, i, t[i] = t[i] == 1;);
		if ((rc = sel_filter(ev, rest, t, 0, &miss, e)) < 0)
			return rc;
		rest = miss;
	}
	if (rc < 0 || !rest.n)
		return rc;
	if (x->nargs % 2)
		return merge_expr(ev, x->args[x->nargs - 1], rest, ret, e);
	EACH(rest, i, if ((rc = vec_set_null(ev, ret, i, e)) < 0) return rc;);
	return 0;
}

int eval_coalesce(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	struct sel rest = sel;
	int rc = vec_alloc(ev, x->type, ret, e);

	for (int k = 0; rc == 0 && k < x->nargs && rest.n; k++) {
		if ((rc = merge_expr(ev, x->args[k], rest, ret, e)) < 0)
			return rc;
		if (!ret->null)
			return 0;
		rc = sel_filter(ev, rest, ret->null, 1, &rest, e);
	}
	return rc;
}

/* Keeps the rows of the level that are neither skipped nor behind a bad one. */
static int cut_selection(struct eval *ev, struct err *e)
{
	struct level *lv = ev->lv;
	struct sel *s = &lv->sel;

	if (lv->skip) {
		int rc = sel_filter(ev, *s, lv->skip, 0, s, e);

		if (rc < 0)
			return rc;
	}
	if (lv->bad_row == INT64_MAX)
		return 0;
	if (!s->idx)
		s->n = s->n < lv->bad_row ? s->n : lv->bad_row;
	else
		while (s->n && s->idx[s->n - 1] >= lv->bad_row)
			s->n--;
	return 0;
}

static int run_where(struct eval *ev, const struct expr *x, struct err *e)
{
	uint8_t *t;
	int rc = truth_of(ev, x, ev->lv->sel, &t, e);

	if (rc < 0 || (rc = cut_selection(ev, e)) < 0)
		return rc;
	return sel_filter(ev, ev->lv->sel, t, 1, &ev->lv->sel, e);
}

static int run_step(struct eval *ev, const struct step *s, struct err *e)
{
	struct level *lv = ev->lv;
	struct slot *slot = &lv->slots[s->slot];
	int rc;

	switch (s->kind) {
	case STEP_WHERE:
		return run_where(ev, s->expr, e);
	case STEP_ASSIGN:
		*slot = (struct slot){ .loaded = true };
		rc = eval_expr(ev, s->expr, lv->sel, &slot->vec, e);
		return rc < 0 ? rc : cut_selection(ev, e);
	case STEP_EXPLODE:
		lv->stage = LEVEL_EXPLODING;
		lv->pos = lv->off = 0;
		rc = eval_expr(ev, s->expr, lv->sel, &lv->list, e);
		return rc < 0 ? rc : cut_selection(ev, e);
	}
	return 0;
}

/* Runs statements until an explode or the end. */
static int run_level(struct eval *ev, struct err *e)
{
	struct level *lv = ev->lv;
	int rc = 0;

	while (rc == 0 && lv->stage == LEVEL_READY && lv->step < ev->p->nsteps && lv->sel.n)
		rc = run_step(ev, &ev->p->steps[lv->step++], e);
	return rc;
}

static void level_reset(struct level *lv, const struct program *p, int step, int64_t nrows)
{
	arena_reset(&lv->arena);
	lv->stage = LEVEL_READY;
	lv->step = step;
	lv->nrows = nrows;
	lv->sel = (struct sel){ NULL, nrows };
	lv->bad_row = INT64_MAX;
	lv->skip = NULL;
	lv->src = NULL;
	memset(lv->caches, 0, (size_t)p->ncaches * sizeof *lv->caches);
}

#define EXPLODED_BYTES (INT64_C(4) << 20) /* of repeated fields in a batch, unless one row has more */

/* Bytes of row i in the fields that go on. */
static int64_t row_bytes(const struct eval *ev, const struct step *s, int64_t i)
{
	const struct level *lv = ev->lv;
	int64_t sum = 0;

	for (int k = 0; k < ev->p->nslots; k++) {
		const struct slot *slot = &lv->slots[k];

		if (!s->live[k] || k == s->slot)
			continue;
		if (slot->is_column)
			sum += column_bytes(&slot->col, slot->map ? slot->map[i] : i, 1);
		else if (value_text(slot->vec.type) && !vec_null(&slot->vec, i))
			sum += 16 + (int64_t)slot->vec.s[i & slot->vec.mask].n;
	}
	return sum;
}

/* Collects the next rows of what is exploded: idx[k] is their row above, item[k] their row among the items. */
static int64_t next_items(const struct eval *ev, const struct step *s, uint32_t *idx, uint32_t *item, int64_t max)
{
	struct level *lv = ev->lv;
	int64_t n = 0, bytes = 0;

	while (n < max && bytes < EXPLODED_BYTES && lv->pos < lv->sel.n) {
		uint32_t row = lv->sel.idx ? lv->sel.idx[lv->pos] : (uint32_t)lv->pos;
		struct span r = vec_null(&lv->list, row) ? (struct span){ 0 } : lv->list.r[row & lv->list.mask];
		int64_t each = r.n > 1 ? row_bytes(ev, s, row) : 0;

		for (; lv->off < r.n && n < max && bytes < EXPLODED_BYTES; n++, bytes += each) {
			idx[n] = row;
			item[n] = r.from + lv->off++;
		}
		if (lv->off == r.n) {
			lv->off = 0;
			lv->pos++;
		}
	}
	return n;
}

static const uint32_t *compose(struct arena *a, const uint32_t *map, const uint32_t *idx, int64_t n)
{
	uint32_t *to;

	if (!map)
		return idx;
	if (!(to = arena_alloc(a, (size_t)n * 4 + 4)))
		return NULL;
	for (int64_t k = 0; k < n; k++)
		to[k] = map[idx[k]];
	return to;
}

/* One slot of the level above, for the rows idx. */
static int move_slot(struct level *lv, const struct slot *from, struct slot *to, const uint32_t *idx, struct err *e)
{
	const struct vec *v = &from->vec;
	struct vec w = *v;

	*to = *from;
	if (from->is_column) {
		to->loaded = false;
		to->map = compose(&lv->arena, from->map, idx, lv->nrows);
		return to->map ? 0 : err_oom(e);
	}
	if (v->mask == 0)
		return 0;
	w.p = arena_alloc(&lv->arena, (size_t)lv->nrows * value_size(v->type) + 1);
	w.null = v->null ? arena_alloc(&lv->arena, (size_t)lv->nrows + 1) : NULL;
	if (!w.p || (v->null && !w.null))
		return err_oom(e);
	for (int64_t k = 0; v->null && k < lv->nrows; k++)
		w.null[k] = v->null[idx[k]];
	if (value_size(v->type) == 1)
		for (int64_t k = 0; k < lv->nrows; k++)
			w.b[k] = v->b[idx[k]];
	else if (value_size(v->type) == 8)
		for (int64_t k = 0; k < lv->nrows; k++)
			w.i[k] = v->i[idx[k]];
	else
		for (int64_t k = 0; k < lv->nrows; k++)
			w.s[k] = v->s[idx[k]];
	to->vec = w;
	return 0;
}

/* Fills the level below with the next rows of what is exploded here, or finishes this one. */
static int explode_some(struct eval *ev, struct err *e)
{
	struct level *lv = ev->lv, *to = lv + 1;
	const struct step *s = &ev->p->steps[lv->step - 1];
	uint32_t *idx, *item;
	int64_t max = BATCH_ROWS;
	int rc = 0;

	level_reset(to, ev->p, lv->step, 0);
	idx = arena_alloc(&to->arena, (size_t)max * 4);
	item = arena_alloc(&to->arena, (size_t)max * 4);
	if (!idx || !item)
		return err_oom(e);
	to->nrows = next_items(ev, s, idx, item, max);
	to->sel.n = to->nrows;
	if (!to->nrows) {
		lv->stage = LEVEL_DONE;
		return 0;
	}
	to->src = compose(&to->arena, lv->src, idx, to->nrows);
	if (!to->src)
		return err_oom(e);
	for (int k = 0; rc == 0 && k < ev->p->nslots; k++)
		if (s->live[k] && k != s->slot)
			rc = move_slot(to, &lv->slots[k], &to->slots[k], idx, e);
	to->slots[s->slot] = (struct slot){ .is_column = true, .col = *lv->list.items, .map = item };
	ev->lv = to;
	ev->depth++;
	return rc;
}

/* A level that has nothing more to give: its bad row, if any, is next in order. */
static int level_done(struct eval *ev, struct err *e)
{
	struct level *lv = ev->lv;

	if (lv->bad_row != INT64_MAX) {
		*e = lv->bad;
		ev->depth = -1;
		return -e->status;
	}
	ev->depth--;
	ev->lv = ev->depth >= 0 ? lv - 1 : ev->levels;
	return 0;
}

int eval_next(struct eval *ev, struct batch **ret, struct err *e)
{
	int rc = 0;

	*ret = NULL;
	while (rc == 0 && ev->depth >= 0 && !*ret) {
		switch (ev->lv->stage) {
		case LEVEL_READY:
			rc = run_level(ev, e);
			if (rc == 0 && ev->lv->stage == LEVEL_READY) {
				ev->lv->stage = LEVEL_DONE;
				rc = ev->lv->sel.n ? output_batch(ev, ret, e) : 0;
			}
			break;
		case LEVEL_EXPLODING:
			rc = explode_some(ev, e);
			break;
		case LEVEL_DONE:
			rc = level_done(ev, e);
			break;
		}
	}
	return rc == 0 && !*ret ? bad_values_done(&ev->marked, ev->batch, e) : rc;
}

int eval_start(struct eval *ev, struct batch *b, struct err *e)
{
	struct level *lv = ev->levels;

	if (b->nrows >= UINT32_MAX)
		return err_set(e, ST_DATA, "a batch of more than %u rows", UINT32_MAX - 1);
	decpool_reset(&ev->pool);
	level_reset(lv, ev->p, 0, b->nrows);
	for (int i = 0; i < b->schema->nfields; i++)
		lv->slots[i] = (struct slot){ .is_column = true, .col = b->cols[i] };
	ev->batch = b;
	ev->marked = bad_values_of(ev->policy);
	ev->lv = lv;
	ev->depth = b->nrows ? 0 : -1;
	return 0;
}

static int level_init(struct level *lv, const struct program *p)
{
	lv->slots = calloc((size_t)p->nslots + 1, sizeof *lv->slots);
	lv->caches = calloc((size_t)p->ncaches + 1, sizeof *lv->caches);
	lv->bad_row = INT64_MAX;
	return lv->slots && lv->caches ? 0 : -1;
}

int eval_new(const struct program *p, enum on_bad policy, struct eval **ret, struct err *e)
{
	struct eval *ev = calloc(1, sizeof *ev);

	if (!ev)
		return err_oom(e);
	*ev = (struct eval){ .p = p, .policy = policy, .depth = -1, .nlevels = p->nlevels + 1 };
	ev->levels = calloc((size_t)ev->nlevels, sizeof *ev->levels);
	for (int i = 0; ev->levels && i < ev->nlevels; i++)
		if (level_init(&ev->levels[i], p) < 0) {
			eval_free(ev);
			return err_oom(e);
		}
	if (!ev->levels) {
		eval_free(ev);
		return err_oom(e);
	}
	ev->lv = ev->levels;
	*ret = ev;
	return 0;
}

int eval_scratch(const struct program *p, struct eval **ret, struct err *e)
{
	int rc = eval_new(p, BAD_FAIL, ret, e);

	if (rc < 0)
		return rc;
	(*ret)->folding = true;
	(*ret)->lv->nrows = 1;
	return 0;
}

void eval_free(struct eval *ev)
{
	if (!ev)
		return;
	for (int i = 0; ev->levels && i < ev->nlevels; i++) {
		arena_free(&ev->levels[i].arena);
		free(ev->levels[i].slots);
		free(ev->levels[i].caches);
	}
	free(ev->levels);
	decpool_free(&ev->pool);
	buf_free(&ev->tmp);
	match_free(ev->match);
	free(ev);
}

int64_t eval_bad_count(const struct eval *ev)
{
	return ev->nbad;
}
