/* From a schema to the tree of keys that the record parser follows, and from a row and column back to its place in the text. */
#include "lib/format/jsonl.h"
#include "lib/format/records.h"

#include <stdlib.h>

static enum jsonl_kind kind_of(const struct type *t)
{
	if (type_is_text(t))
		return KIND_TEXT;
	if (type_is_num(t))
		return KIND_NUM;
	if (t->id == T_UTF8)
		return KIND_JSON;
	return t->id == T_BOOL ? KIND_BOOL : KIND_OTHER;
}

static int cannot(const struct field *f, struct err *e)
{
	char type[64];

	err_set(e, ST_USAGE, "JSON values cannot be read as %s", type_name(&f->type, type, sizeof type));
	return err_field(e, f->name.p, (int)f->name.n);
}

static int both(const struct field *f, struct err *e)
{
	err_set(e, ST_USAGE, "a JSON key cannot be a value and an object, as this column and another one ask");
	return err_field(e, f->name.p, (int)f->name.n);
}

/* The types that can be declared: what value_parse() knows. */
static bool can_read(const struct type *t)
{
	switch (t->id) {
	case T_UTF8:
	case T_BINARY:
	case T_BOOL:
	case T_INT64:
	case T_FLOAT64:
	case T_DATE32:
	case T_DECIMAL:
		return true;
	default:
		return t->id == T_TIMESTAMP && t->unit == UNIT_US;
	}
}

/* The node of column i, with the objects on its way. */
static int add_column(struct jsonl_parser *x, int i, struct err *e)
{
	const struct field *f = &x->schema->fields[i];
	struct jsonl_path path = jsonl_path(f->name, &x->arena);
	struct jsonl_node *o = x->root, *n = NULL;

	if (!can_read(&f->type))
		return cannot(f, e);
	if (!path.n)
		return err_oom(e);
	for (int k = 0; k < path.n; k++, o = n) {
		n = jsonl_find(o, path.keys[k]);
		if (n && (n->col >= 0 || k == path.n - 1))
			return both(f, e);
		if (!n && !(n = jsonl_add(&x->arena, o, path.keys[k])))
			return err_oom(e);
	}
	n->col = i;
	n->kind = kind_of(&f->type);
	n->column = &x->rows.cols[i];
	n->spelled = n->kind == KIND_OTHER;
	return 0;
}

/* Marks the columns that --type names. */
static void mark_spelled(struct jsonl_node *o, const struct declared *d)
{
	for (int i = 0; i < o->n; i++) {
		struct jsonl_node *n = o->child[i];

		if (n->col < 0)
			mark_spelled(n, d);
		else if (declared_find(d, n->name))
			n->spelled = true;
	}
}

int jsonl_parser_init(struct jsonl_parser *x, const struct schema *s, const struct declared *spelled, struct err *e)
{
	int rc, rest = rest_column(s);

	*x = (struct jsonl_parser){ .schema = s };
	if ((rc = rows_init(&x->rows, s, e)) < 0)
		return rc;
	x->root = arena_new(&x->arena, struct jsonl_node);
	if (!x->root)
		return err_oom(e);
	x->root->name = STR("");
	x->rest.col = rest;
	if (rest >= 0)
		x->rest.column = &x->rows.cols[rest];
	x->rest.name = STR(REST_NAME);
	for (int i = 0; i < s->nfields; i++)
		if (i != rest && (rc = add_column(x, i, e)) < 0)
			return rc;
	mark_spelled(x->root, spelled);
	return 0;
}

void jsonl_parser_free(struct jsonl_parser *x)
{
	if (x->rows.schema)
		rows_free(&x->rows);
	buf_free(&x->rest_text);
	buf_free(&x->scratch);
	buf_free(&x->name);
	free(x->rest_keys);
	arena_free(&x->arena);
}

/* The value under `key` in the object at p, which is valid; NULL: none. */
static const char *find_member(const char *p, struct str key, struct buf *scratch)
{
	struct json_fault f;

	for (p = json_blanks(p + 1, NULL); *p != '}'; p = json_blanks(p + (*p == ','), NULL)) {
		const char *end = json_skip_string(p, &f);
		char *to;

		scratch->n = 0;
		if (!end || buf_reserve(scratch, (size_t)(end - p) + 64))
			return NULL;
		to = (char *)scratch->p;
		json_decode(p, &to, &f);
		p = json_blanks(json_blanks(end, NULL) + 1, NULL);
		if (str_eq(key, (struct str){ (char *)scratch->p, (size_t)(to - (char *)scratch->p) }))
			return p;
		p = json_value(p, NULL, &f);
		if (!p)
			return NULL;
		p = json_blanks(p, NULL);
	}
	return NULL;
}

static const char *find_path(const char *p, struct str name)
{
	cleanup_arena struct arena a = { 0 };
	cleanup_buf struct buf scratch = { 0 };
	struct jsonl_path path = jsonl_path(name, &a);

	for (int k = 0; k < path.n && p; k++)
		p = *p == '{' ? find_member(p, path.keys[k], &scratch) : NULL;
	return p;
}

/* Where the row-th record of the text begins, blanks before it included, and *lines before it; NULL: there is none. */
static const char *find_record(const struct origin *o, int64_t row, int64_t *lines)
{
	const char *p = o->text, *end = p + o->text_size;

	row += o->text_row;
	for (*lines = 0; p < end; ++*lines) {
		if (*json_blanks(p, NULL) != '\n' && row-- == 0)
			return p;
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	}
	return NULL;
}

/* Its field `col`, or the record itself. */
static const char *find_value(const struct records_text *t, const char *record, int col)
{
	const char *p = json_blanks(record, NULL), *value = col >= 0 ? find_path(p, t->schema->fields[col].name) : NULL;

	return value ? value : p;
}

void jsonl_locate(const struct origin *o, int64_t row, int col, int64_t *line, int64_t *column)
{
	const struct records_text *t = o->context;
	const char *record = find_record(o, row, line);

	*line += t->line + 1;
	*column = record ? find_value(t, record, col) - record + 1 : 1;
}

void json_place(const char *text, const char *at, int64_t column, int64_t *lines, int64_t *bytes)
{
	const char *next;

	*bytes = column;
	for (*lines = 0; (next = memchr(text, '\r', (size_t)(at - text))); ++*lines) {
		text = next + 1;
		*bytes = 0;
	}
	*bytes += at - text;
}

void json_locate(const struct origin *o, int64_t row, int col, int64_t *line, int64_t *column)
{
	const struct records_text *t = o->context;
	const char *record = find_record(o, row, line);

	json_place(o->text, record ? find_value(t, record, col) : o->text, t->column, line, column);
	*line += t->line + 1;
	++*column;
}
