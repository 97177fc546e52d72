/* Shared by the Arrow unit test and fuzz target: memory in, memory out, and when two tables are equal. */
#ifndef STOOK_TESTS_ARROW_HELP_H
#define STOOK_TESTS_ARROW_HELP_H

#include "lib/format/format.h"

#include <stdio.h>
#include <stdlib.h>

static inline bool rows_equal(const struct column *a, int64_t i, const struct column *b, int64_t j);

static inline bool ranges_equal(const struct column *a, int64_t i, const struct column *b, int64_t j, int64_t n)
{
	for (int64_t k = 0; k < n; k++)
		if (!rows_equal(a, i + k, b, j + k))
			return false;
	return true;
}

static inline int union_child(const struct column *c, int64_t i)
{
	int k = 0;

	while (c->type->type_ids[k] != (int8_t)c->values[i])
		k++;
	return k;
}

static inline bool union_equal(const struct column *a, int64_t i, const struct column *b, int64_t j)
{
	int k = union_child(a, i);
	bool dense = a->type->unit == 1;

	return a->values[i] == b->values[j] &&
	       rows_equal(&a->children[k], dense ? a->offsets[i] : i, &b->children[k], dense ? b->offsets[j] : j);
}

/* Row i of a is row j of b; the columns have equal types. What lies below a null does not count. */
static inline bool rows_equal(const struct column *a, int64_t i, const struct column *b, int64_t j)
{
	const struct type *t = a->type;
	int64_t n;

	if (column_is_null(a, i) || column_is_null(b, j))
		return column_is_null(a, i) && column_is_null(b, j);
	switch (t->layout) {
	case LAY_NULL:
		return true;
	case LAY_BIT:
		return column_bool(a, i) == column_bool(b, j);
	case LAY_FIXED:
		return !t->width || memcmp(a->values + i * t->width, b->values + j * t->width, (size_t)t->width) == 0;
	case LAY_VAR:
		return str_eq(column_str(a, i), column_str(b, j));
	case LAY_LIST:
		n = a->offsets[i + 1] - a->offsets[i];
		return n == b->offsets[j + 1] - b->offsets[j] && ranges_equal(&a->children[0], a->offsets[i], &b->children[0], b->offsets[j], n);
	case LAY_LIST64:
		n = a->offsets64[i + 1] - a->offsets64[i];
		return n == b->offsets64[j + 1] - b->offsets64[j] &&
		       ranges_equal(&a->children[0], a->offsets64[i], &b->children[0], b->offsets64[j], n);
	case LAY_FIXLIST:
		return ranges_equal(&a->children[0], i * t->list_size, &b->children[0], j * t->list_size, t->list_size);
	case LAY_STRUCT:
		for (int k = 0; k < t->nchildren; k++)
			if (!rows_equal(&a->children[k], i, &b->children[k], j))
				return false;
		return true;
	case LAY_UNION:
		return union_equal(a, i, b, j);
	}
	return false;
}

/* A table: all batches of a stream. */
struct table {
	const struct schema *schema;
	int n, cap;
	struct batch **v;
	int64_t rows;
};

static inline void table_free(struct table *t)
{
	for (int i = 0; i < t->n; i++)
		batch_unref(t->v[i]);
	free(t->v);
	schema_unref(t->schema);
	*t = (struct table){ 0 };
}

static inline bool kvs_equal(const struct kvs *a, const struct kvs *b)
{
	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++)
		if (!str_eq(a->v[i].key, b->v[i].key) || !str_eq(a->v[i].value, b->v[i].value))
			return false;
	return true;
}

static inline bool fields_equal(const struct schema *a, const struct schema *b)
{
	for (int i = 0; i < a->nfields; i++)
		if (a->fields[i].nullable != b->fields[i].nullable || !kvs_equal(&a->fields[i].meta, &b->fields[i].meta))
			return false;
	return kvs_equal(&a->meta, &b->meta);
}

/* Same schema with its metadata, same rows, however they are cut. */
static inline bool tables_equal(const struct table *a, const struct table *b)
{
	int64_t i = 0, j = 0;

	if (!schema_equal(a->schema, b->schema) || !fields_equal(a->schema, b->schema) || a->rows != b->rows)
		return false;
	for (int x = 0, y = 0; x < a->n && y < b->n;) {
		if (i == a->v[x]->nrows || j == b->v[y]->nrows) {
			i == a->v[x]->nrows ? (x++, i = 0) : (y++, j = 0);
			continue;
		}
		for (int k = 0; k < a->schema->nfields; k++)
			if (!rows_equal(&a->v[x]->cols[k], i, &b->v[y]->cols[k], j))
				return false;
		i++, j++;
	}
	return true;
}

static inline int table_add(struct table *t, struct batch *b)
{
	if (t->n == t->cap) {
		int cap = t->cap ? 2 * t->cap : 8;
		struct batch **v = realloc(t->v, (size_t)cap * sizeof *v);

		if (!v)
			return -1;
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n++] = b;
	t->rows += b->nrows;
	return 0;
}

/* Reads bytes as an Arrow stream or file. On failure *t has what came before. */
static inline int table_read_opts(const void *p, size_t n, const struct read_opts *o, struct table *t, struct err *e)
{
	struct source *s = NULL;
	struct in *in;
	int rc;

	*t = (struct table){ 0 };
	if ((rc = in_open_mem(&in, p, n, "test", e)) < 0 || (rc = format_arrow.read(in, o, &s, e)) < 0)
		return rc;
	t->schema = schema_ref(s->schema);
	for (;;) {
		struct batch *b = NULL;

		if ((rc = source_next(s, &b, e)) < 0 || !b)
			break;
		if (table_add(t, b))
			abort();
	}
	source_close(s);
	return rc;
}

static inline int table_read(const void *p, size_t n, struct table *t, struct err *e)
{
	return table_read_opts(p, n, &(struct read_opts){ 0 }, t, e);
}

static inline int table_write(const struct table *t, bool file, struct buf *into, struct err *e)
{
	struct write_opts o = { .file = file };
	struct sink *s = NULL;
	struct out *out;
	int rc;

	if ((rc = out_open_mem(&out, into, e)) < 0 || (rc = format_arrow.write(out, t->schema, &o, &s, e)) < 0)
		return rc;
	for (int i = 0; i < t->n && rc == 0; i++)
		rc = s->write(s, t->v[i], e);
	if (rc == 0)
		rc = s->finish(s, e);
	sink_close(s);
	return rc;
}

#endif
