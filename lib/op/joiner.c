/* Build: batches of the right side are kept, each distinct key has a number (keytab), and the rows of a key form a list in right
 * order (first and last by number, next by row). Probe: a left batch's keys are looked up at once, then its pairs are given out in
 * pieces of at most BATCH_ROWS. Right and full joins mark the rows that matched and give the others out last.
 * Invariant: row r of the build side is refs[r]; NONE ends a list. */
#include "lib/op/joiner.h"

#include "lib/format/format.h"
#include "lib/op/grow.h"
#include "lib/op/keytab.h"
#include "lib/op/pick.h"

#define NONE UINT32_MAX

struct build {
	struct batch **batches;
	struct arena *arenas;   /* keys of batch i */
	uint32_t nbatches, batches_cap;
	struct rowref *refs;    /* of all rows */
	uint32_t *next;         /* the next row of the same key */
	uint8_t *matched;       /* right and full: one byte a row */
	int64_t n, cap;
	struct keytab keys;
	uint32_t *last;         /* by key number; the first row of its list is keys.keys[number].first */
	uint32_t lists_cap;
};

struct probe {
	struct batch *batch;
	struct arena arena;
	struct bad_values bad;
	uint32_t *found;        /* first match of row i for alternative a: found[a * n + i], or NONE */
	uint32_t *now;          /* of the row at hand: the next match of each alternative */
	bool started;           /* `now` is filled */
	int64_t n;              /* rows before the first bad one */
	int64_t row;            /* the next to be given out */
	struct err failure;     /* to be raised after row n */
};

struct joiner {
	struct source source;
	struct source *left, *right;
	struct join_opts opts;
	struct arena arena;     /* of the bound keys and the map */
	struct key lkey, rkey;
	int nalts;              /* 1, or with `any` as many as the left key has parts */
	int nleft;              /* left columns */
	int *right_col;         /* output column nleft + i is right column right_col[i] */
	int nright;
	struct build build;
	struct probe probe;
	bool built;
	int64_t rest;           /* the next right row to be looked at in the last phase */
	uint32_t *idx;          /* rows of one output batch, BATCH_ROWS of them: left rows, */
	struct rowref *refs;    /* and right rows */
};

static bool wants_rest(enum join_kind k)
{
	return k == JOIN_RIGHT || k == JOIN_FULL;
}

static bool pads_left(enum join_kind k)
{
	return k == JOIN_LEFT || k == JOIN_FULL;
}

static bool left_only(enum join_kind k)
{
	return k == JOIN_SEMI || k == JOIN_ANTI;
}

static void build_free(struct build *b)
{
	for (uint32_t i = 0; i < b->nbatches; i++) {
		batch_unref(b->batches[i]);
		arena_free(&b->arenas[i]);
	}
	free(b->batches);
	free(b->arenas);
	free(b->refs);
	free(b->next);
	free(b->matched);
	free(b->last);
	keytab_free(&b->keys);
}

static void joiner_close(struct source *s)
{
	struct joiner *j = (struct joiner *)s;

	source_close(j->left);
	source_close(j->right);
	build_free(&j->build);
	batch_unref(j->probe.batch);
	arena_free(&j->probe.arena);
	free(j->idx);
	free(j->refs);
	schema_unref(s->schema);
	arena_free(&j->arena);
	free(j);
}

/* Normalized keys. */

static int normalize_column(const struct joiner *j, struct column *c, struct arena *a, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	struct builder b;
	int rc = builder_init(&b, c->type, e);

	for (int64_t i = 0; i < c->length && rc == 0; i++) {
		text.n = 0;
		if (column_is_null(c, i))
			rc = builder_null(&b, 1, e);
		else if (j->opts.normalize(column_str(c, i), &text))
			rc = err_oom(e);
		else
			rc = builder_str(&b, buf_view(&text), e);
	}
	if (rc == 0)
		rc = builder_column(&b, a, c, e);
	builder_free(&b);
	return rc;
}

/* The batch whose key columns are compared: b itself, or one with those columns normalized. */
static int key_batch(const struct joiner *j, struct batch *b, const struct key *k, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *n = NULL;
	int rc;

	if (!j->opts.normalize) {
		*ret = batch_ref(b);
		return 0;
	}
	if ((rc = batch_rebind(b, b->schema, &n, e)) < 0)
		return rc;
	for (int i = 0; i < k->n; i++)
		if ((rc = normalize_column(j, &n->cols[k->parts[i].col], &n->arena, e)) < 0)
			return rc;
	*ret = n;
	n = NULL;
	return 0;
}

static int check_text(const struct joiner *j, const struct key *k, const struct schema *s, struct err *e)
{
	for (int i = 0; i < k->n && j->opts.normalize; i++) {
		const struct field *f = &s->fields[k->parts[i].col];

		if (f->type.id == T_UTF8)
			continue;
		err_set(e, ST_USAGE, "only text can be normalized");
		return err_field(e, f->name.p, (int)f->name.n);
	}
	return 0;
}

/* Build side. */

static int grow_rows(struct build *b, int64_t more, bool mark, struct err *e)
{
	int64_t cap = b->cap ? b->cap : 1024;
	int rc;

	if (b->n + more >= NONE)
		return err_set(e, ST_OSERR, "the right input has more than 2^32 rows; split both inputs by the key first");
	while (cap < b->n + more)
		cap *= 2;
	if (cap == b->cap)
		return 0;
	if ((rc = GROW(b->refs, cap, e)) < 0 || (rc = GROW(b->next, cap, e)) < 0)
		return rc;
	if (mark) {
		if ((rc = GROW(b->matched, cap, e)) < 0)
			return rc;
		memset(b->matched + b->n, 0, (size_t)(cap - b->n));
	}
	b->cap = cap;
	return 0;
}

static int grow_lists(struct build *b, struct err *e)
{
	uint32_t cap = b->lists_cap ? b->lists_cap : 1024;
	int rc;

	while (cap < b->keys.n)
		cap *= 2;
	if (cap == b->lists_cap)
		return 0;
	if ((rc = GROW(b->last, cap, e)) < 0)
		return rc;
	b->lists_cap = cap;
	return 0;
}

/* Appends row `row` to the list of key `number`; keys from `fresh` on have none yet. */
static void link_row(struct build *b, uint32_t row, uint32_t number, uint32_t *fresh)
{
	if (number == *fresh) {
		b->keys.keys[number].first = row;
		++*fresh;
	} else {
		b->next[b->last[number]] = row;
	}
	b->last[number] = row;
}

static bool row_skipped(const struct bad_values *bad, int64_t row)
{
	return bad->skip && bit_get(bad->skip, row);
}

/* The rows that are not skipped, and the keys of those without a null in it: both in order. */
struct linked {
	struct str *keys;
	uint32_t *rows, *numbers; /* in the build side; the number of each key */
	int64_t n;
};

static int collect_rows(struct build *b, const struct keys *k, const struct bad_values *bad, struct linked *l, struct arena *a, struct err *e)
{
	l->keys = arena_alloc(a, (size_t)k->n * sizeof *l->keys);
	l->rows = arena_alloc(a, (size_t)k->n * sizeof *l->rows);
	l->numbers = arena_alloc(a, (size_t)k->n * sizeof *l->numbers);
	if (!l->keys || !l->rows || !l->numbers)
		return err_oom(e);
	for (int64_t i = 0; i < k->n; i++) {
		if (row_skipped(bad, i))
			continue;
		if (!k->has_null || !k->has_null[i]) {
			l->keys[l->n] = keys_at(k, i);
			l->rows[l->n++] = (uint32_t)b->n;
		}
		b->refs[b->n] = (struct rowref){ b->nbatches, (uint32_t)i };
		b->next[b->n++] = NONE;
	}
	return 0;
}

static int link_batch(struct joiner *j, const struct keys *k, const struct bad_values *bad, struct err *e)
{
	cleanup_arena struct arena scratch = { 0 };
	struct build *b = &j->build;
	uint32_t fresh = b->keys.n;
	struct linked l = { 0 };
	int rc;

	if ((rc = grow_rows(b, k->n, wants_rest(j->opts.kind), e)) < 0 || (rc = collect_rows(b, k, bad, &l, &scratch, e)) < 0 ||
	    (rc = keytab_add_many(&b->keys, l.keys, l.n, l.numbers, e)) < 0 || (rc = grow_lists(b, e)) < 0)
		return rc;
	for (int64_t i = 0; i < l.n; i++)
		link_row(b, l.rows[i], l.numbers[i], &fresh);
	return 0;
}

static int grow_batches(struct build *b, struct err *e)
{
	uint32_t cap = b->batches_cap ? b->batches_cap * 2 : 16;
	int rc;

	if (b->nbatches < b->batches_cap)
		return 0;
	if ((rc = GROW(b->batches, cap, e)) < 0 || (rc = GROW(b->arenas, cap, e)) < 0)
		return rc;
	b->batches_cap = cap;
	return 0;
}

static int build_add(struct joiner *j, struct batch *batch, struct err *e)
{
	struct bad_values bad = { .policy = j->opts.on_bad, .bad_row = -1 };
	cleanup_batch struct batch *compared = NULL;
	struct build *b = &j->build;
	struct keys keys;
	struct arena *a;
	int rc = grow_batches(b, e);

	if (rc < 0 || (rc = key_batch(j, batch, &j->rkey, &compared, e)) < 0)
		return rc;
	a = &b->arenas[b->nbatches];
	*a = (struct arena){ 0 };
	rc = keys_encode(&j->rkey, compared, &bad, a, &keys, e);
	if (rc == 0 && bad.bad_row >= 0)
		rc = -e->status;
	if (rc == 0)
		rc = link_batch(j, &keys, &bad, e);
	if (rc < 0) {
		arena_free(a);
		return rc;
	}
	b->batches[b->nbatches++] = batch_ref(batch);
	return 0;
}

static int build_all(struct joiner *j, struct err *e)
{
	int rc = 0;

	keytab_init(&j->build.keys, false);
	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(j->right, &b, e)) < 0)
			return rc;
		if (!b)
			break;
		if (b->nrows)
			rc = build_add(j, b, e);
	}
	source_close(j->right);
	j->right = NULL;
	j->built = true;
	return rc;
}

/* Probe side. */

/* The left key of one alternative. */
static struct key alternative(const struct joiner *j, int a)
{
	struct key k = j->lkey;

	if (j->opts.any) {
		k.n = 1;
		k.parts += a;
	}
	return k;
}

/* Looks all keys of the batch up. */
static int find_all(struct joiner *j, const struct keys *k, uint32_t *found, struct err *e)
{
	struct probe *p = &j->probe;
	const struct build *b = &j->build;
	struct str *keys = arena_alloc(&p->arena, (size_t)p->n * sizeof *keys);

	if (!keys)
		return err_oom(e);
	for (int64_t i = 0; i < p->n; i++)
		keys[i] = keys_at(k, i);
	keytab_find_many(&b->keys, keys, p->n, found);
	for (int64_t i = 0; i < p->n; i++) {
		if (found[i] != NONE)
			found[i] = k->has_null && k->has_null[i] ? NONE : b->keys.keys[found[i]].first;
		if (found[i] != NONE) {
			__builtin_prefetch(&b->refs[found[i]]);
			__builtin_prefetch(&b->next[found[i]]);
		}
	}
	return 0;
}

/* Encodes one alternative; the first bad row of all of them ends the batch. */
static int encode_left(struct joiner *j, const struct batch *b, int a, struct keys *ret, struct err *e)
{
	struct probe *p = &j->probe;
	struct key k = alternative(j, a);
	int64_t before = p->bad.bad_row;
	int rc;

	p->bad.bad_row = -1;
	if ((rc = keys_encode(&k, b, &p->bad, &p->arena, ret, e)) < 0)
		return rc;
	if (p->bad.bad_row >= 0 && (before < 0 || p->bad.bad_row < before))
		p->failure = *e;
	else
		p->bad.bad_row = before;
	return 0;
}

static int look_up(struct joiner *j, struct err *e)
{
	struct probe *p = &j->probe;
	cleanup_batch struct batch *b = NULL;
	struct keys *keys = arena_array(&p->arena, struct keys, (size_t)j->nalts);
	int rc = key_batch(j, p->batch, &j->lkey, &b, e);

	if (!keys)
		return err_oom(e);
	for (int a = 0; a < j->nalts && rc == 0; a++)
		rc = encode_left(j, b, a, &keys[a], e);
	if (rc < 0)
		return rc;
	p->n = p->bad.bad_row >= 0 ? p->bad.bad_row : p->batch->nrows;
	p->now = arena_alloc(&p->arena, (size_t)j->nalts * sizeof *p->now);
	p->found = arena_alloc(&p->arena, (size_t)p->n * (size_t)j->nalts * sizeof *p->found);
	if (!p->now || !p->found)
		return err_oom(e);
	for (int a = 0; a < j->nalts && rc == 0; a++)
		rc = find_all(j, &keys[a], p->found + a * p->n, e);
	return rc;
}

static int probe_load(struct joiner *j, struct err *e)
{
	struct probe *p = &j->probe;
	int rc;

	batch_unref(p->batch);
	p->batch = NULL;
	arena_reset(&p->arena);
	p->row = p->n = 0;
	p->started = false;
	p->bad = (struct bad_values){ .policy = j->opts.on_bad, .bad_row = -1 };
	if ((rc = source_next(j->left, &p->batch, e)) < 0 || !p->batch)
		return rc;
	return look_up(j, e);
}

/* Fills p->now for row p->row; false: no alternative has a match. */
static bool start_row(struct joiner *j)
{
	struct probe *p = &j->probe;
	bool any = false;

	for (int a = 0; a < j->nalts; a++) {
		p->now[a] = p->found[a * p->n + p->row];
		any |= p->now[a] != NONE;
	}
	p->started = true;
	return any;
}

/* The next match of the row at hand: the first in right order of all alternatives, once. *more: there are others. */
static uint32_t next_match(struct joiner *j, bool *more)
{
	struct probe *p = &j->probe;
	uint32_t match = NONE;

	*more = false;
	for (int a = 0; a < j->nalts; a++)
		if (p->now[a] < match)
			match = p->now[a];
	for (int a = 0; a < j->nalts; a++) {
		if (p->now[a] == match)
			p->now[a] = j->build.next[match];
		*more |= p->now[a] != NONE;
	}
	return match;
}

/* Notes the pair of left row p->row with the next of its matches; moves on. */
static void pair_row(struct joiner *j, int64_t *n)
{
	struct probe *p = &j->probe;
	struct build *b = &j->build;
	bool more = false;
	uint32_t match;

	if (!p->started && !start_row(j)) {
		if (pads_left(j->opts.kind)) {
			j->idx[*n] = (uint32_t)p->row;
			j->refs[(*n)++] = (struct rowref){ 0, ROW_NULL };
		}
	} else {
		match = next_match(j, &more);
		j->idx[*n] = (uint32_t)p->row;
		j->refs[(*n)++] = b->refs[match];
		if (b->matched)
			b->matched[match] = 1;
	}
	p->started = more;
	p->row += !more;
}

/* Notes up to BATCH_ROWS output rows of the current left batch. */
static int64_t pair_rows(struct joiner *j)
{
	struct probe *p = &j->probe;
	int64_t n = 0;

	while (p->row < p->n && n < BATCH_ROWS) {
		if (row_skipped(&p->bad, p->row)) {
			p->row++;
		} else if (left_only(j->opts.kind)) {
			j->idx[n] = (uint32_t)p->row;
			n += start_row(j) == (j->opts.kind == JOIN_SEMI);
			p->row++;
		} else {
			pair_row(j, &n);
		}
	}
	return n;
}

/* Output. */

/* The right columns of refs[0 .. n) into the builders behind the left ones. */
static int put_right(struct joiner *j, struct rows *rows, int64_t n, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < j->nright && rc == 0; i++)
		rc = pick_column(&rows->cols[j->nleft + i], j->build.batches, j->right_col[i], j->refs, n, e);
	return rc;
}

static bool all_in_order(const uint32_t *idx, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (idx[i] != (uint32_t)i)
			return false;
	return true;
}

/* The left columns: a copy of the batch's when every row is there once, gathered otherwise. */
static int put_left(struct joiner *j, struct rows *rows, int64_t n, struct err *e)
{
	const struct batch *b = j->probe.batch;
	bool whole = n == b->nrows && all_in_order(j->idx, n);
	int rc = 0;

	for (int i = 0; i < j->nleft && rc == 0; i++)
		rc = whole ? builder_rows(&rows->cols[i], &b->cols[i], 0, n, e) : builder_gather(&rows->cols[i], &b->cols[i], j->idx, n, e);
	return rc;
}

static int emit(struct joiner *j, int64_t n, struct batch **ret, struct err *e)
{
	struct rows rows;
	int rc;

	if (left_only(j->opts.kind) && n == j->probe.batch->nrows)
		return batch_rebind(j->probe.batch, j->source.schema, ret, e);
	rc = rows_init(&rows, j->source.schema, e);
	if (rc == 0 && (rc = put_left(j, &rows, n, e)) == 0 && !left_only(j->opts.kind))
		rc = put_right(j, &rows, n, e);
	rows.n = n;
	if (rc == 0)
		rc = rows_take(&rows, ret, e);
	rows_free(&rows);
	if (rc == 0 && j->probe.batch->origin.name)
		(*ret)->origin.name = arena_strdup(&(*ret)->arena, str_of(j->probe.batch->origin.name));
	return rc;
}

/* Rows of the right side alone: the key columns of the left take the right's values. */

static int put_printed(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	int rc = 0;

	for (int64_t i = 0; i < n && rc == 0; i++) {
		const struct column *c = &batches[refs[i].batch]->cols[col];

		text.n = 0;
		if (column_is_null(c, refs[i].row))
			rc = builder_null(b, 1, e);
		else if (value_print(c, refs[i].row, &text))
			rc = err_oom(e);
		else
			rc = builder_str(b, buf_view(&text), e);
	}
	return rc;
}

static int put_rest_column(struct joiner *j, struct builder *b, int col, int64_t n, struct err *e)
{
	const struct batch *one = j->build.batches[0];

	for (int i = 0; i < j->lkey.n && !j->opts.any; i++) {
		int from = j->rkey.parts[i].col;

		if (j->lkey.parts[i].col != col)
			continue;
		if (type_equal(&one->schema->fields[from].type, b->type))
			return pick_column(b, j->build.batches, from, j->refs, n, e);
		return put_printed(b, j->build.batches, from, j->refs, n, e);
	}
	return builder_null(b, n, e);
}

static int emit_rest(struct joiner *j, int64_t n, struct batch **ret, struct err *e)
{
	struct rows rows;
	int rc = rows_init(&rows, j->source.schema, e);

	for (int i = 0; i < j->nleft && rc == 0; i++)
		rc = put_rest_column(j, &rows.cols[i], i, n, e);
	if (rc == 0)
		rc = put_right(j, &rows, n, e);
	rows.n = n;
	if (rc == 0)
		rc = rows_take(&rows, ret, e);
	rows_free(&rows);
	return rc;
}

static int next_rest(struct joiner *j, struct batch **ret, struct err *e)
{
	struct build *b = &j->build;
	int64_t n = 0;

	for (; j->rest < b->n && n < BATCH_ROWS; j->rest++)
		if (!b->matched[j->rest])
			j->refs[n++] = b->refs[j->rest];
	return n ? emit_rest(j, n, ret, e) : 0;
}

static int joiner_next(struct source *s, struct batch **ret, struct err *e)
{
	struct joiner *j = (struct joiner *)s;
	struct probe *p = &j->probe;
	int rc;

	if (!j->built && (rc = build_all(j, e)) < 0)
		return rc;
	while (j->left) {
		int64_t n = p->batch ? pair_rows(j) : 0;

		if (n)
			return emit(j, n, ret, e);
		if (p->bad.bad_row >= 0 && p->batch) {
			*e = p->failure;
			return -e->status;
		}
		if ((rc = probe_load(j, e)) < 0)
			return rc;
		if (!p->batch) {
			source_close(j->left);
			j->left = NULL;
		}
	}
	return wants_rest(j->opts.kind) ? next_rest(j, ret, e) : 0;
}

/* The result's columns. */

/* Is this right column left out, because a left column has the same values? With `any` none has. */
static bool is_key(const struct joiner *j, int col)
{
	for (int i = 0; i < j->rkey.n && !j->opts.any; i++)
		if (j->rkey.parts[i].col == col)
			return true;
	return false;
}

/* Is `name` taken, by an output column so far or by a right column that will keep its name? */
static bool taken(const struct joiner *j, const struct schema *out, const struct schema *right, struct str name)
{
	if (schema_find(out, name) >= 0)
		return true;
	for (int i = 0; i < right->nfields; i++)
		if (!is_key(j, i) && str_eq(right->fields[i].name, name))
			return true;
	return false;
}

/* The name of a right column that the left has too. */
static int free_name(const struct joiner *j, const struct schema *out, const struct schema *right, struct str name, struct arena *a,
		     struct str *ret, struct err *e)
{
	for (int i = 2;; i++) {
		char *z = j->opts.suffix ? arena_printf(a, "%.*s%s", STR_ARG(name), j->opts.suffix) :
					   arena_printf(a, "%.*s_%d", STR_ARG(name), i);

		if (!z)
			return err_oom(e);
		*ret = str_of(z);
		if (!taken(j, out, right, *ret))
			return 0;
		if (!j->opts.suffix)
			continue;
		err_set(e, ST_USAGE, "both inputs have \"%.*s\", and the name \"%s\" is taken too", STR_ARG(name), z);
		return err_hint(e, "another --suffix, or rename first: stook map 'rename ...'");
	}
}

static int add_field(struct schema *out, const struct field *f, struct str name, bool nullable, struct err *e)
{
	struct field mine = *f;

	mine.name = name;
	mine.nullable = f->nullable || nullable;
	return schema_add_field(out, &mine, e);
}

static int add_right(struct joiner *j, struct schema *out, const struct schema *right, struct err *e)
{
	const struct schema *left = j->left->schema;
	int rc = 0;

	j->right_col = arena_array(&j->arena, int, (size_t)right->nfields);
	if (!j->right_col)
		return err_oom(e);
	for (int i = 0; i < right->nfields && rc == 0; i++) {
		struct str name = right->fields[i].name;

		if (is_key(j, i))
			continue;
		if (schema_find(left, name) >= 0)
			rc = free_name(j, out, right, name, &j->arena, &name, e);
		if (rc == 0)
			rc = add_field(out, &right->fields[i], name, pads_left(j->opts.kind), e);
		j->right_col[j->nright++] = i;
	}
	return rc;
}

/* Left keys take right values in right-only rows: their types must allow it. */
static int check_rest_types(const struct joiner *j, const struct schema *left, const struct schema *right, struct err *e)
{
	char a[64], b[64];

	for (int i = 0; i < j->lkey.n && wants_rest(j->opts.kind) && !j->opts.any; i++) {
		const struct field *l = &left->fields[j->lkey.parts[i].col], *r = &right->fields[j->rkey.parts[i].col];

		if (type_equal(&l->type, &r->type) || l->type.id == T_UTF8)
			continue;
		err_set(e, ST_USAGE, "the key is %s on the left and %s on the right: rows of the right alone have no place in it",
			type_name(&l->type, a, sizeof a), type_name(&r->type, b, sizeof b));
		err_hint(e, "declare one type for both: --type %.*s=num", STR_ARG(l->name));
		return err_field(e, l->name.p, (int)l->name.n);
	}
	return 0;
}

static int make_schema(struct joiner *j, struct err *e)
{
	const struct schema *left = j->left->schema;
	struct schema *out = schema_new();
	int rc = 0;

	if (!out)
		return err_oom(e);
	j->source.schema = out;
	j->nleft = left->nfields;
	for (int i = 0; i < left->nfields && rc == 0; i++)
		rc = add_field(out, &left->fields[i], left->fields[i].name, wants_rest(j->opts.kind), e);
	if (rc == 0 && !left_only(j->opts.kind))
		rc = add_right(j, out, j->right->schema, e);
	if (rc == 0)
		rc = schema_copy_meta(out, left, e);
	if (wants_rest(j->opts.kind))
		schema_drop_meta(out, STR("stook.sorted"));
	return rc;
}

/* Makes both sides' keys comparable; with `any` every left field with the one on the right. */
static int match_keys(struct joiner *j, const struct schema *l, const struct schema *r, struct err *e)
{
	int rc = 0;

	if (!j->opts.any)
		return key_match(&j->lkey, l, &j->rkey, r, e);
	for (int a = 0; a < j->nalts && rc == 0; a++) {
		struct key k = alternative(j, a);

		rc = key_match(&k, l, &j->rkey, r, e);
	}
	for (int a = 0; a < j->nalts; a++)
		j->lkey.parts[a].exact |= j->rkey.parts[0].exact;
	return rc;
}

static int prepare(struct joiner *j, struct err *e)
{
	const struct schema *l = j->left->schema, *r = j->right->schema;
	int rc;

	if (j->opts.left->n == 0)
		return err_set(e, ST_USAGE, "join needs a key: -k FIELD[=FIELD]");
	if ((rc = key_bind(j->opts.left, l, &j->arena, &j->lkey, e)) < 0 || (rc = key_bind(j->opts.right, r, &j->arena, &j->rkey, e)) < 0)
		return rc;
	j->nalts = j->opts.any ? j->lkey.n : 1;
	if ((rc = match_keys(j, l, r, e)) < 0 || (rc = check_rest_types(j, l, r, e)) < 0 || (rc = check_text(j, &j->lkey, l, e)) < 0 ||
	    (rc = check_text(j, &j->rkey, r, e)) < 0 || (rc = make_schema(j, e)) < 0)
		return rc;
	j->idx = calloc(BATCH_ROWS, sizeof *j->idx);
	j->refs = calloc(BATCH_ROWS, sizeof *j->refs);
	return j->idx && j->refs ? 0 : err_oom(e);
}

int join_open(struct source *left, struct source *right, const struct join_opts *o, struct source **ret, struct err *e)
{
	struct joiner *j = calloc(1, sizeof *j);
	int rc;

	if (!j) {
		source_close(left);
		source_close(right);
		return err_oom(e);
	}
	j->source.next = joiner_next;
	j->source.close = joiner_close;
	j->left = left;
	j->right = right;
	j->opts = *o;
	j->probe.bad.bad_row = -1;
	if ((rc = prepare(j, e)) < 0) {
		joiner_close(&j->source);
		return rc;
	}
	*ret = &j->source;
	return 0;
}
