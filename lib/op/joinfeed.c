/* Feeds: see joinwork.h. Keys are encoded once, when the row comes in; tagged rows carry them.
 * Invariant: row i of `batch`, of each alternative's keys, of numbers and of places is the same record. */
#include "lib/op/joinwork.h"

#include "lib/format/format.h"
#include <stdio.h>
#include <stdlib.h>

int feed_open(struct feed *f, struct join *j, enum join_side side, bool tagged, struct source *from, struct err *e)
{
	*f = (struct feed){ .j = j, .side = side, .tagged = tagged, .from = from, .bad = { .policy = j->opts.on_bad, .bad_row = -1 } };
	f->keys = calloc((size_t)j->nalts, sizeof *f->keys);
	return f->keys ? 0 : err_oom(e);
}

void feed_close(struct feed *f)
{
	source_close(f->from);
	batch_unref(f->batch);
	batch_unref(f->raw);
	arena_free(&f->arena);
	free(f->keys);
	*f = (struct feed){ 0 };
}

/* Normalized keys. */

static int normalize_column(const struct join *j, struct column *c, struct arena *a, struct err *e)
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
static int key_batch(const struct join *j, struct batch *b, const struct key *k, struct batch **ret, struct err *e)
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
		if (join_key_is_text(&k->parts[i], b->schema) && (rc = normalize_column(j, &n->cols[k->parts[i].col], &n->arena, e)) < 0)
			return rc;
	*ret = n;
	n = NULL;
	return 0;
}

/* Encodes one alternative; the first bad row of all of them ends the batch. */
static int encode_one(struct feed *f, const struct batch *b, const struct key *k, struct keys *ret, struct err *e)
{
	int64_t before = f->bad.bad_row;
	int rc;

	f->bad.bad_row = -1;
	if ((rc = keys_encode(k, b, &f->bad, &f->arena, ret, e)) < 0)
		return rc;
	if (f->bad.bad_row >= 0 && (before < 0 || f->bad.bad_row < before))
		f->failure = *e;
	else
		f->bad.bad_row = before;
	return 0;
}

/* Keys that lie in a column. */
static int view_keys(struct feed *f, const struct column *c, struct keys *ret, struct err *e)
{
	uint8_t *null = NULL;

	*ret = (struct keys){ .n = c->length, .bytes = c->values, .offsets = (const uint32_t *)c->offsets };
	if (!c->null_count)
		return 0;
	null = arena_alloc(&f->arena, (size_t)c->length);
	if (!null)
		return err_oom(e);
	for (int64_t i = 0; i < c->length; i++)
		null[i] = column_is_null(c, i);
	ret->has_null = null;
	return 0;
}

bool join_keys_are_bare(const struct join *j, const struct schema *left, const struct schema *right)
{
	bool bare = !j->opts.normalize && (j->opts.any || j->key[LEFT].n == 1);

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < j->key[side].n; i++) {
			const struct key_bound *p = &j->key[side].parts[i];

			bare &= join_key_is_text(p, side ? right : left) && p->reading != KEY_NAT && p->reading != KEY_FOLD;
		}
	return bare;
}

static int encode(struct feed *f, struct batch *b, struct err *e)
{
	const struct join *j = f->j;
	struct key k = j->opts.asof ? j->on[f->side] : j->key[f->side];
	cleanup_batch struct batch *compared = NULL;
	bool alternatives = j->opts.any && f->side == LEFT;
	int rc = key_batch(j, b, &k, &compared, e);

	f->bad = (struct bad_values){ .policy = j->opts.on_bad, .bad_row = -1 };
	f->n = b->nrows;
	if (k.n == 0)
		return rc;
	if (alternatives)
		k.n = 1;
	for (int a = 0; a < (alternatives ? j->nalts : 1) && rc == 0; a++, k.parts++)
		rc = j->bare ? view_keys(f, &b->cols[k.parts->col], &f->keys[a], e) : encode_one(f, compared, &k, &f->keys[a], e);
	f->failed = f->bad.bad_row >= 0;
	f->n = f->failed ? f->bad.bad_row : b->nrows;
	return rc < 0 ? rc : bad_values_done(&f->bad, b, e);
}

/* Places: where a record is, as one number that is not 0. */

#define PLACE_NAME 48 /* from this bit on: 1 + index of the input's name, 0: not known */
#define PLACE_LINE ((int64_t)1 << 47) /* a line; else the number of the record */
#define MOST_LOCATES 512

static int64_t name_index(struct join *j, const char *name)
{
	for (int i = 0; i < j->nnames && name; i++)
		if (strcmp(j->names[i], name) == 0)
			return i + 1;
	if (!name || j->nnames == JOIN_NAMES || !(j->names[j->nnames] = arena_strdup(&j->arena, str_of(name))))
		return 0;
	return ++j->nnames;
}

static int64_t place_at(const struct batch *b, int64_t row, int64_t name)
{
	struct err e = { 0 };

	batch_err_at(b, row, -1, &e);
	return name << PLACE_NAME | (e.line ? PLACE_LINE | e.line : b->origin.row + row + 1);
}

/* Rows from .. to, of which the ends are known: in between one line each, unless the distance says otherwise. */
static void fill_places(const struct batch *b, int64_t *p, int64_t from, int64_t to, int64_t name, int *locates)
{
	int64_t mid = from + (to - from) / 2;

	if (p[to] - p[from] == to - from || *locates == 0) {
		for (int64_t i = from + 1; i < to; i++)
			p[i] = p[to] - p[from] == to - from ? p[from] + i - from : name << PLACE_NAME | (b->origin.row + i + 1);
		return;
	}
	if (mid == from)
		return;
	--*locates;
	p[mid] = place_at(b, mid, name);
	fill_places(b, p, from, mid, name, locates);
	fill_places(b, p, mid, to, name, locates);
}

static int note_places(struct feed *f, const struct batch *b, struct err *e)
{
	int64_t *p = arena_array(&f->arena, int64_t, (size_t)b->nrows), name = name_index(f->j, b->origin.name);
	int locates = MOST_LOCATES;

	if (!p)
		return err_oom(e);
	p[0] = place_at(b, 0, name);
	p[b->nrows - 1] = place_at(b, b->nrows - 1, name);
	fill_places(b, p, 0, b->nrows - 1, name, &locates);
	f->places = p;
	return 0;
}

static void print_place(const struct join *j, int64_t place, bool with_name, char *dst, size_t size)
{
	int64_t name = place >> PLACE_NAME, number = place & (PLACE_LINE - 1);
	const char *in = with_name && name ? " of " : "";

	snprintf(dst, size, "%s %lld%s%s", place & PLACE_LINE ? "line" : "record", (long long)number, in,
			*in ? j->names[name - 1] : "");
}

static int print_key(const struct feed *left, int64_t row, int alt, struct buf *b)
{
	const struct key *k = &left->j->key[LEFT];
	int n = left->j->opts.any ? 1 : k->n;

	for (int i = 0; i < n; i++) {
		const struct column *c = &left->batch->cols[k->parts[left->j->opts.any ? alt : i].col];

		if ((i && buf_str(b, STR(","))) || value_print(c, row, b))
			return -1;
	}
	return 0;
}

int join_unexpected(const struct feed *left, int64_t row, int alt, enum join_side side, int64_t first, int64_t second, struct err *e)
{
	static const char *const expected[] = { "", "m:1", "1:m", "1:1" };
	const struct join *j = left->j;
	int64_t name = second >> PLACE_NAME;
	cleanup_buf struct buf key = { 0 };
	char other[400], here[400] = "";

	if (print_key(left, row, alt, &key))
		return err_oom(e);
	print_place(j, first, first >> PLACE_NAME != name, other, sizeof other);
	if (!(second & PLACE_LINE))
		print_place(j, second, false, here, sizeof here);
	err_set(e, ST_DATA, "%s%skey \"%.*s\" matches a second record of the %s input, the first is %s; expected %s", here,
		*here ? ": " : "", (int)key.n, (char *)key.p, side == RIGHT ? "right" : "left", other, expected[j->opts.expect]);
	if (name)
		err_at(e, j->names[name - 1], second & PLACE_LINE ? second & (PLACE_LINE - 1) : 0, 0);
	return -e->status;
}

/* Batches. */

/* The columns of b that go on; b stays alive. */
static int project(const struct schema *s, const int *cols, struct batch *b, struct batch **ret, struct err *e)
{
	struct batch *p = batch_new(s, b->nrows);

	if (!p)
		return err_oom(e);
	for (int i = 0; i < s->nfields; i++) {
		p->cols[i] = b->cols[cols ? cols[i] : i];
		p->cols[i].type = &s->fields[i].type;
	}
	p->origin.name = b->origin.name;
	p->lines = b->lines;
	batch_keep(p, b);
	*ret = p;
	return 0;
}

/* Of tagged rows. */
static const struct schema *side_schema(const struct join *j, enum join_side side)
{
	return side == RIGHT ? j->payload : j->lines.print ? j->line : j->left;
}

static int load_plain(struct feed *f, struct batch *b, struct err *e)
{
	int rc = encode(f, b, e);

	if (rc == 0 && f->j->opts.expect)
		rc = note_places(f, b, e);
	if (rc < 0)
		return rc;
	if (f->side == RIGHT)
		return project(f->j->cells ? f->j->cells : f->j->payload, f->j->payload_col, b, &f->batch, e);
	f->batch = batch_ref(b);
	return 0;
}

static int load_tagged(struct feed *f, struct batch *b, struct err *e)
{
	const struct schema *s = side_schema(f->j, f->side);
	const struct column *tag = b->cols + s->nfields;
	int nalts = f->side == LEFT ? f->j->nalts : 1, rc = 0;

	f->numbers = (const int64_t *)(const void *)tag++->values;
	for (int a = 0; a < nalts && rc == 0; a++)
		rc = view_keys(f, tag++, &f->keys[a], e);
	if (f->j->opts.expect)
		f->places = (const int64_t *)(const void *)tag->values;
	f->n = b->nrows;
	if (rc == 0 && (rc = project(s, NULL, b, &f->batch, e)) == 0 && f->side == LEFT && f->j->lines.print)
		f->batch->lines = join_lines_in(&f->batch->cols[0]);
	return rc;
}

/* The first row out of order ends the batch. */
static int check_order(struct feed *f, const struct batch *b, struct err *e)
{
	struct keys k = f->keys[0];
	int64_t wrong;
	int rc;

	k.n = f->n;
	if ((rc = order_check(f->order, &k, NULL, false, &wrong, e)) < 0 || wrong < 0)
		return rc;
	order_error(f->order, b, wrong, f->j->opts.asof ? &f->j->on[f->side] : &f->j->key[f->side], ST_DATA, &f->failure);
	err_hint(&f->failure, "its metadata stook.sorted says otherwise: sort this input again");
	f->failed = true;
	f->n = wrong;
	return 0;
}

static int load(struct feed *f, struct batch *b, struct err *e)
{
	int rc = f->tagged ? load_tagged(f, b, e) : load_plain(f, b, e);

	return rc == 0 && f->order ? check_order(f, b, e) : rc;
}

int feed_next(struct feed *f, struct err *e)
{
	int rc;

	f->base += f->batch ? f->batch->nrows : 0;
	batch_unref(f->batch);
	batch_unref(f->raw);
	f->batch = f->raw = NULL;
	f->at = f->n = 0;
	arena_reset(&f->arena);
	while (f->from) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(f->from, &b, e)) < 0 || !b)
			return rc;
		if (!b->nrows)
			continue;
		f->raw = batch_ref(b);
		return load(f, b, e);
	}
	return 0;
}

int feed_take(struct feed *f, struct feed *ret, struct err *e)
{
	struct keys *fresh = calloc((size_t)f->j->nalts, sizeof *fresh);

	if (!fresh)
		return err_oom(e);
	*ret = *f;
	ret->from = NULL;
	ret->order = NULL;
	f->base += f->batch->nrows;
	f->batch = f->raw = NULL;
	f->arena = (struct arena){ 0 };
	f->keys = fresh;
	f->at = f->n = 0;
	return 0;
}

/* Tags. */

int feed_tagged_schema(const struct join *j, enum join_side side, struct schema **ret, struct err *e)
{
	const struct schema *from = side_schema(j, side);
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? 0 : err_oom(e);

	for (int i = 0; rc == 0 && i < from->nfields; i++)
		rc = schema_add_field(s, &from->fields[i], e);
	if (rc == 0)
		rc = schema_add(s, STR(":row"), &TYPE_INT64, false, e);
	for (int a = 0; rc == 0 && a < (side == LEFT ? j->nalts : 1); a++)
		rc = schema_add(s, STR(":key"), &TYPE_BINARY, true, e);
	if (rc == 0 && j->opts.expect)
		rc = schema_add(s, STR(":place"), &TYPE_INT64, false, e);
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	return rc;
}

static int key_column(const struct feed *f, int alt, struct batch *b, struct column *ret, struct err *e)
{
	const struct keys *k = &f->keys[alt];
	uint8_t *valid = k->has_null ? arena_calloc(&b->arena, bits_bytes(b->nrows), 1) : NULL;

	*ret = (struct column){ .type = ret->type, .length = b->nrows, .values = k->bytes, .offsets = (const int32_t *)k->offsets };
	if (!k->has_null)
		return 0;
	if (!valid)
		return err_oom(e);
	for (int64_t i = 0; i < b->nrows; i++) {
		bit_put(valid, i, !k->has_null[i]);
		ret->null_count += k->has_null[i] != 0;
	}
	ret->valid = valid;
	return 0;
}

static struct column numbers_column(const struct type *t, const int64_t *v, int64_t n)
{
	return (struct column){ .type = t, .length = n, .values = (const uint8_t *)v };
}

int feed_tag(struct feed *f, const struct schema *tagged, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(tagged, f->batch->nrows);
	int col = f->batch->schema->nfields, rc = 0;
	int64_t *rows = b ? arena_array(&b->arena, int64_t, (size_t)b->nrows) : NULL;

	if (!rows)
		return err_oom(e);
	for (int i = 0; i < col; i++) {
		b->cols[i] = f->batch->cols[i];
		b->cols[i].type = &tagged->fields[i].type;
	}
	for (int64_t i = 0; i < b->nrows; i++)
		rows[i] = feed_row(f, i);
	b->cols[col] = numbers_column(&tagged->fields[col].type, rows, b->nrows);
	col++;
	for (int a = 0; a < (f->side == LEFT ? f->j->nalts : 1) && rc == 0; a++, col++) {
		b->cols[col].type = &tagged->fields[col].type;
		rc = key_column(f, a, b, &b->cols[col], e);
	}
	if (f->j->opts.expect)
		b->cols[col] = numbers_column(&tagged->fields[col].type, f->places, b->nrows);
	batch_keep(b, f->batch);
	if (rc == 0) {
		*ret = b;
		b = NULL;
	}
	return rc;
}
