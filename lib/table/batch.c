/* Batches: see batch.h. */
#include "lib/table/batch.h"

#include <stdlib.h>

struct batch *batch_new(const struct schema *schema, int64_t nrows)
{
	struct batch *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->schema = schema_ref(schema);
	b->nrows = nrows;
	b->cols = arena_array(&b->arena, struct column, (size_t)schema->nfields);
	if (!b->cols) {
		batch_unref(b);
		return NULL;
	}
	for (int i = 0; i < schema->nfields; i++) {
		b->cols[i].type = &schema->fields[i].type;
		b->cols[i].length = nrows;
	}
	return b;
}

struct batch *batch_ref(struct batch *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void batch_unref(struct batch *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	batch_unref(b->keep[0]);
	batch_unref(b->keep[1]);
	arena_free(&b->arena);
	schema_unref(b->schema);
	free(b);
}

void batch_keep(struct batch *b, struct batch *other)
{
	if (other)
		b->keep[b->keep[0] != NULL] = batch_ref(other);
}

static void slice_origin(const struct batch *b, int64_t from, int64_t n, struct origin *o)
{
	int64_t column;

	*o = b->origin;
	o->open_end &= from + n == b->nrows;
	o->row += from;
	if (from && o->line) {
		if (o->locate)
			o->locate(&b->origin, from, -1, &o->line, &column);
		else
			o->line += from;
		o->text_row += from;
	}
}

int batch_slice(struct batch *b, int64_t from, int64_t n, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *s = batch_new(b->schema, n);
	int rc;

	if (!s)
		return err_oom(e);
	for (int i = 0; i < b->schema->nfields; i++) {
		if ((rc = column_slice(&b->cols[i], from, n, &s->arena, &s->cols[i], e)) < 0)
			return rc;
		s->cols[i].type = &s->schema->fields[i].type;
	}
	batch_keep(s, b);
	slice_origin(b, from, n, &s->origin);
	if (b->lines.at)
		s->lines = (struct text_lines){ b->lines.text, b->lines.at + from };
	*ret = s;
	s = NULL;
	return 0;
}

int batch_gather(const struct batch *b, const uint32_t *idx, int64_t n, struct batch **ret, struct err *e)
{
	struct rows r;
	int rc;

	if ((rc = rows_init(&r, b->schema, e)) == 0 && (rc = rows_gather(&r, b, idx, n, e)) == 0)
		rc = rows_take(&r, ret, e);
	rows_free(&r);
	if (rc == 0 && b->origin.name)
		(*ret)->origin.name = arena_strdup(&(*ret)->arena, str_of(b->origin.name));
	return rc;
}

int batch_rebind(struct batch *b, const struct schema *schema, struct batch **ret, struct err *e)
{
	struct batch *s = batch_new(schema, b->nrows);

	if (!s)
		return err_oom(e);
	for (int i = 0; i < schema->nfields; i++) {
		s->cols[i] = b->cols[i];
		s->cols[i].type = &schema->fields[i].type;
	}
	s->origin = b->origin;
	s->lines = b->lines;
	batch_keep(s, b);
	*ret = s;
	return 0;
}

int batch_err_at(const struct batch *b, int64_t row, int col, struct err *e)
{
	const struct origin *o = &b->origin;
	int64_t line = 0, column = 0;

	if (col >= 0 && col < b->schema->nfields) {
		struct str name = b->schema->fields[col].name;

		err_field(e, name.p, (int)name.n);
	}
	if (!o->name)
		return -e->status;
	if (o->locate)
		o->locate(o, row, col, &line, &column);
	else if (o->line)
		line = o->line + row;
	err_at(e, o->name, line, column);
	e->row = o->row + row + 1;
	return -e->status;
}

int rows_init(struct rows *r, const struct schema *schema, struct err *e)
{
	int rc;

	*r = (struct rows){ .schema = schema_ref(schema) };
	r->cols = calloc((size_t)schema->nfields + 1, sizeof *r->cols);
	if (!r->cols)
		return err_oom(e);
	for (int i = 0; i < schema->nfields; i++)
		if ((rc = builder_init(&r->cols[i], &schema->fields[i].type, e)) < 0)
			return rc;
	return 0;
}

void rows_free(struct rows *r)
{
	for (int i = 0; r->cols && i < r->schema->nfields; i++)
		builder_free(&r->cols[i]);
	free(r->cols);
	schema_unref(r->schema);
	*r = (struct rows){ 0 };
}

int rows_add(struct rows *r, const struct batch *b, int64_t from, int64_t n, struct err *e)
{
	int rc;

	for (int i = 0; i < r->schema->nfields; i++)
		if ((rc = builder_rows(&r->cols[i], &b->cols[i], from, n, e)) < 0)
			return rc;
	r->n += n;
	return 0;
}

int rows_gather(struct rows *r, const struct batch *b, const uint32_t *idx, int64_t n, struct err *e)
{
	int rc;

	for (int i = 0; i < r->schema->nfields; i++)
		if ((rc = builder_gather(&r->cols[i], &b->cols[i], idx, n, e)) < 0)
			return rc;
	r->n += n;
	return 0;
}

static int rows_batch(const struct rows *r, bool own, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(r->schema, r->schema->nfields ? r->cols[0].n : r->n);
	int rc;

	if (!b)
		return err_oom(e);
	for (int i = 0; i < r->schema->nfields; i++) {
		rc = own ? builder_column(&r->cols[i], &b->arena, &b->cols[i], e) : builder_view(&r->cols[i], &b->arena, &b->cols[i], e);
		if (rc < 0)
			return rc;
		b->cols[i].type = &b->schema->fields[i].type;
	}
	*ret = b;
	b = NULL;
	return 0;
}

int rows_take(struct rows *r, struct batch **ret, struct err *e)
{
	int rc = rows_batch(r, true, ret, e);

	if (rc < 0)
		return rc;
	for (int i = 0; i < r->schema->nfields; i++)
		builder_reset(&r->cols[i]);
	r->n = 0;
	return 0;
}

int rows_view(const struct rows *r, struct batch **ret, struct err *e)
{
	return rows_batch(r, false, ret, e);
}

static int64_t builders_bytes(const struct builder *b, int n)
{
	int64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += (int64_t)(b[i].values.n + b[i].offsets.n + b[i].valid.n) + builders_bytes(b[i].children, b[i].nchildren);
	return sum;
}

int64_t rows_bytes(const struct rows *r)
{
	return builders_bytes(r->cols, r->schema->nfields);
}

/* ---- lines ---- */

/* Nobody looks at the columns: that there is nothing in them is the cheapest to say with nulls. */
void batch_only_lines(struct batch *b, struct text_lines lines)
{
	static const struct type null = { .id = T_NULL };

	for (int i = 0; i < b->schema->nfields; i++)
		b->cols[i].type = &null;
	b->lines = lines;
}

#define LONG_TEXT ((size_t)4 << 20) /* no room for so much is made before it is needed */

int line_batch_open(struct line_batch *l, const struct schema *schema, int64_t most, struct err *e)
{
	*l = (struct line_batch){ .batch = batch_new(schema, 0), .most = most };
	l->at = l->batch ? arena_alloc(&l->batch->arena, (size_t)(most + 1) * sizeof *l->at) : NULL;
	if (!l->at)
		return err_oom(e);
	l->at[0] = 0;
	return 0;
}

/* At first there is room for all lines, were they like these. */
int line_batch_room(struct line_batch *l, int64_t n, size_t bytes, struct err *e)
{
	size_t all = l->bytes + bytes, each = bytes / (size_t)(n ? n : 1) + 1;
	uint8_t *text;

	if (all > INT32_MAX)
		return err_set(e, ST_OSERR, "%lld records of %zu bytes", (long long)(l->n + n), all);
	if (all <= l->room && l->text)
		return 0;
	l->room = (each + each / 8) * (size_t)l->most;
	if (l->bytes || l->room > LONG_TEXT)
		l->room = l->n + n < l->most ? 2 * all : all;
	text = arena_alloc(&l->batch->arena, l->room + LINE_SLACK);
	if (!text)
		return err_oom(e);
	if (l->bytes)
		memcpy(text, l->text, l->bytes);
	l->text = text;
	return 0;
}

struct batch *line_batch_take(struct line_batch *l)
{
	struct batch *b = l->batch;

	b->nrows = l->n;
	for (int i = 0; i < b->schema->nfields; i++)
		b->cols[i].length = l->n;
	batch_only_lines(b, (struct text_lines){ l->text, l->at });
	*l = (struct line_batch){ 0 };
	return b;
}

void line_batch_free(struct line_batch *l)
{
	batch_unref(l->batch);
	*l = (struct line_batch){ 0 };
}

void line_rows_free(struct line_rows *r)
{
	buf_free(&r->text);
	buf_free(&r->at);
	r->n = 0;
}

int line_rows_add(struct line_rows *r, const struct text_lines *from, int64_t n, struct err *e)
{
	uint32_t *begin, first = from->at[0];
	size_t size = from->at[n] - first;

	if (buf_reserve(&r->text, size + LINE_SLACK) || buf_reserve(&r->at, (size_t)(n + 1) * sizeof *begin))
		return err_oom(e);
	begin = (uint32_t *)(void *)(r->at.p + r->at.n);
	for (int64_t i = 0; i < n; i++)
		begin[i] = (uint32_t)r->text.n + (from->at[i] - first);
	memcpy(r->text.p + r->text.n, from->text + first, size);
	r->text.n += size;
	r->at.n += (size_t)n * sizeof *begin;
	r->n += n;
	return 0;
}

int line_rows_view(struct line_rows *r, const struct schema *schema, struct batch **ret, struct err *e)
{
	struct batch *b = batch_new(schema, r->n);
	uint32_t *at = (uint32_t *)(void *)r->at.p;

	if (!b)
		return err_oom(e);
	at[r->n] = (uint32_t)r->text.n;
	b->lines = (struct text_lines){ r->text.p, at };
	*ret = b;
	return 0;
}
