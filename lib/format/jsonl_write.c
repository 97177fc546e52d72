/* JSON Lines and JSON arrays out. The columns' names make a tree of keys once; each row walks it. An object in which nothing
 * was written is taken back, so that absent stays absent. Rows with something in _rest get its members in the objects they
 * belong to. Batches whose columns are all text that needs no escapes, none of it missing, take a short way: copies only. */
#include "lib/base/copy.h"
#include "lib/base/utf8.h"
#include "lib/format/json_simd.h"
#include "lib/format/jsonl.h"

#include <stdlib.h>

#define CHUNK (256 << 10)

typedef int put_fn(const struct column *c, int64_t i, struct buf *b);

/* A column of a batch that can be copied. */
struct plain_col {
	char *key;                   /* `,"key":"`, with COPY_SLACK readable bytes behind */
	size_t nkey;
	int col;
	const uint8_t *values;
	const int32_t *offsets;
};

#define STRIP 64 /* rows for which room is made at once */

struct json_sink {
	struct sink sink;
	struct out *out;
	const struct schema *schema;
	struct arena arena, row_arena; /* the tree; the _rest of one row */
	struct jsonl_node *root;
	put_fn **put;                /* of each column: by its type */
	struct plain_col *plain;     /* one a column; NULL: objects within objects, or columns that are no text */
	int rest;                    /* -1: none */
	bool keep_null, array;
	int64_t rows;
	struct buf text;
	struct err *e;
};

/* Short text without anything to escape, where 16 bytes may be read at once; all other text the long way. */
static int put_text(const struct column *c, int64_t i, struct buf *b)
{
	struct str s = column_str(c, i);
	size_t left = (size_t)(c->offsets[c->length] - c->offsets[i]), done = 0;

	if (left < s.n + 16 || buf_reserve(b, s.n + 32))
		return json_put_string(b, s);
	b->p[b->n] = '"';
	while (done < s.n) {
		int n = json_copy16(s.p + done, (char *)b->p + b->n + 1 + done);

		done += (size_t)n;
		if (n < 16)
			break;
	}
	if (done < s.n)
		return json_put_string(b, s);
	b->p[b->n + 1 + s.n] = '"';
	b->n += s.n + 2;
	return 0;
}

static int quote_key(struct arena *a, struct str key, struct str *ret)
{
	cleanup_buf struct buf b = { 0 };

	if (buf_byte(&b, ',') || json_put_string(&b, key) || buf_byte(&b, ':'))
		return -1;
	*ret = (struct str){ arena_strdup(a, buf_view(&b)), b.n };
	return ret->p ? 0 : -1;
}

/* The node at the end of a path, made with those on the way. NULL: out of memory. */
static struct jsonl_node *grow_path(struct arena *a, struct jsonl_node *o, const struct jsonl_path *path)
{
	for (int k = 0; k < path->n && o; k++) {
		struct jsonl_node *n = jsonl_find(o, path->keys[k]);

		o = n ? n : jsonl_add(a, o, path->keys[k]);
	}
	return o;
}

/* Does a column's path run through another column? {"a":1} and {"a":{"b":2}} cannot both be: a.b is then one key. */
static bool is_crossed(const struct jsonl_node *o, const struct jsonl_path *path)
{
	for (int k = 0; k < path->n - 1; k++) {
		o = jsonl_find(o, path->keys[k]);
		if (o->col >= 0)
			return true;
	}
	return false;
}

static int same_key(struct json_sink *s, int i)
{
	struct str name = s->schema->fields[i].name;

	err_set(s->e, ST_USAGE, "two columns would have the same key in JSON");
	return err_field(s->e, name.p, (int)name.n);
}

static int add_column(struct json_sink *s, const struct jsonl_node *all, struct jsonl_path path, int i)
{
	struct str name = s->schema->fields[i].name;
	struct jsonl_node *n;

	if (is_crossed(all, &path))
		path = (struct jsonl_path){ 1, &name };
	n = grow_path(&s->arena, s->root, &path);
	if (!n)
		return err_oom(s->e);
	if (n->col >= 0 || n->n)
		return same_key(s, i);
	n->col = i;
	s->put[i] = type_is_text(&s->schema->fields[i].type) ? put_text : value_json;
	return 0;
}

static int quote_keys(struct json_sink *s, struct jsonl_node *o)
{
	for (int i = 0; i < o->n; i++) {
		if (quote_key(&s->arena, o->child[i]->key, &o->child[i]->value) || quote_keys(s, o->child[i]))
			return -1;
	}
	return 0;
}

/* The short way's columns, if the schema is one for it. */
static int plan_plain(struct json_sink *s)
{
	struct plain_col *v = arena_array(&s->arena, struct plain_col, (size_t)s->root->n + 1);

	if (!v)
		return -1;
	for (int i = 0; i < s->root->n; i++) {
		const struct jsonl_node *n = s->root->child[i];

		if (n->col < 0 || s->put[n->col] != put_text)
			return 0;
		v[i] = (struct plain_col){ .key = arena_calloc(&s->arena, n->value.n + 1 + COPY_SLACK, 1), .nkey = n->value.n + 1, .col = n->col };
		if (!v[i].key)
			return -1;
		memcpy(v[i].key, n->value.p, n->value.n);
		v[i].key[n->value.n] = '"';
	}
	s->plain = s->array || !s->root->n ? NULL : v;
	return 0;
}

static int plan(struct json_sink *s)
{
	cleanup_arena struct arena a = { 0 };
	struct jsonl_node all = { .col = -1 }, *n;
	int rc = 0;

	s->rest = rest_column(s->schema);
	s->root = arena_new(&s->arena, struct jsonl_node);
	s->put = arena_array(&s->arena, put_fn *, (size_t)s->schema->nfields);
	if (!s->root || !s->put)
		return err_oom(s->e);
	for (int i = 0; i < s->schema->nfields; i++) {
		struct jsonl_path path = jsonl_path(s->schema->fields[i].name, &a);

		if (i == s->rest) /* no key: one of that name is \_rest */
			continue;
		if (!path.n || !(n = grow_path(&a, &all, &path)))
			return err_oom(s->e);
		n->col = i;
	}
	for (int i = 0; i < s->schema->nfields && rc == 0; i++) {
		struct jsonl_path path = jsonl_path(s->schema->fields[i].name, &a);

		if (!path.n)
			return err_oom(s->e);
		if (i != s->rest)
			rc = add_column(s, &all, path, i);
	}
	return rc < 0 ? rc : quote_keys(s, s->root) || plan_plain(s) ? err_oom(s->e) : 0;
}

static int bad_rest(struct json_sink *s, const struct batch *b, int64_t row, const char *msg)
{
	err_set(s->e, ST_DATA, "%s", msg);
	return batch_err_at(b, row, s->rest, s->e);
}

/* One member of _rest at *p, into the tree `o`. */
static int rest_member(struct json_sink *s, struct jsonl_node *o, const char **p, struct buf *name)
{
	struct jsonl_path path;
	struct jsonl_node *n;
	struct json_fault f;
	const char *end = json_skip_string(*p, &f), *value;
	char *to;

	name->n = 0;
	if (buf_reserve(name, (size_t)(end - *p) + 64))
		return -1;
	to = (char *)name->p;
	json_decode(*p, &to, &f);
	path = jsonl_path((struct str){ (char *)name->p, (size_t)(to - (char *)name->p) }, &s->row_arena);
	n = path.n ? grow_path(&s->row_arena, o, &path) : NULL;
	if (!n)
		return -1;
	value = json_blanks(json_blanks(end, NULL) + 1, NULL);
	*p = json_blanks(json_value(value, NULL, &f), NULL);
	n->value = (struct str){ value, (size_t)(*p - value) };
	return 0;
}

/* The members of row's _rest as a tree in row_arena. */
static int rest_tree(struct json_sink *s, const struct batch *b, int64_t row, struct jsonl_node **ret)
{
	cleanup_buf struct buf text = { 0 }, name = { 0 };
	struct json_fault f;
	const char *p;

	arena_reset(&s->row_arena);
	*ret = arena_new(&s->row_arena, struct jsonl_node);
	if (!*ret || json_put_json(&text, column_str(&b->cols[s->rest], row)) || buf_byte(&text, '\n') || buf_zero(&text, JSON_PAD))
		return err_oom(s->e);
	p = arena_dup(&s->row_arena, text.p, text.n);
	if (!p)
		return err_oom(s->e);
	p = json_blanks(p, NULL);
	if (*p != '{' || !json_value(p, NULL, &f))
		return bad_rest(s, b, row, "this is not a JSON object");
	for (p = json_blanks(p + 1, NULL); *p != '}'; p = json_blanks(p + (*p == ','), NULL))
		if (rest_member(s, *ret, &p, &name))
			return err_oom(s->e);
	return 0;
}

/* `,"key":` without the comma for the first member of an object, which stands right behind its brace. */
static int put_key(struct buf *b, struct str key)
{
	bool first = b->p[b->n - 1] == '{';

	return buf_add(b, key.p + first, key.n - first);
}

static int put_extra(struct buf *b, const struct jsonl_node *o);

/* A member of _rest that no column stands for. */
static int put_extra_member(struct buf *b, const struct jsonl_node *n)
{
	if (b->p[b->n - 1] != '{' && buf_byte(b, ','))
		return -1;
	if (json_put_string(b, n->key) || buf_byte(b, ':'))
		return -1;
	return n->value.n ? buf_str(b, n->value) : buf_byte(b, '{') || put_extra(b, n) || buf_byte(b, '}') ? -1 : 0;
}

static int put_extra(struct buf *b, const struct jsonl_node *o)
{
	for (int i = 0; i < o->n; i++)
		if (put_extra_member(b, o->child[i]))
			return -1;
	return 0;
}

static int put_object(struct json_sink *s, const struct batch *b, int64_t row, const struct jsonl_node *o,
		      const struct jsonl_node *extra);

/* The member that is an object of columns: written, or taken back when there is nothing in it. */
static int put_nested(struct json_sink *s, const struct batch *b, int64_t row, const struct jsonl_node *n,
		      const struct jsonl_node *extra)
{
	size_t start = s->text.n;
	int rc;

	if (put_key(&s->text, n->value) || buf_byte(&s->text, '{'))
		return err_oom(s->e);
	if (extra && extra->value.n)
		return bad_rest(s, b, row, "it has a key that is an object of other columns");
	if ((rc = put_object(s, b, row, n, extra)) < 0)
		return rc;
	if (s->text.p[s->text.n - 1] == '{')
		s->text.n = start;
	else if (buf_byte(&s->text, '}'))
		return err_oom(s->e);
	return 0;
}

/* The member that is a column. `extra`, of the same key, may stand in for a null. */
static inline int put_column(struct json_sink *s, const struct batch *b, int64_t row, const struct jsonl_node *n,
			     const struct jsonl_node *extra)
{
	const struct column *c = &b->cols[n->col];

	if (!column_is_null(c, row)) {
		if (extra)
			return bad_rest(s, b, row, "it repeats a key that is a column");
		return put_key(&s->text, n->value) || s->put[n->col](c, row, &s->text) ? err_oom(s->e) : 0;
	}
	if (extra)
		return put_extra_member(&s->text, extra) ? err_oom(s->e) : 0;
	if (s->keep_null)
		return put_key(&s->text, n->value) || buf_puts(&s->text, "null") ? err_oom(s->e) : 0;
	return 0;
}

/* The members of object o, the columns first, then what _rest has besides. */
static int put_object(struct json_sink *s, const struct batch *b, int64_t row, const struct jsonl_node *o,
		      const struct jsonl_node *extra)
{
	int rc = 0;

	for (int i = 0; i < o->n && rc == 0; i++) {
		const struct jsonl_node *n = o->child[i], *also = extra ? jsonl_find(extra, n->key) : NULL;

		rc = n->col >= 0 ? put_column(s, b, row, n, also) : put_nested(s, b, row, n, also);
	}
	for (int i = 0; extra && i < extra->n && rc == 0; i++)
		if (!jsonl_find(o, extra->child[i]->key) && put_extra_member(&s->text, extra->child[i]))
			rc = err_oom(s->e);
	return rc;
}

static int put_row(struct json_sink *s, const struct batch *b, int64_t row)
{
	struct jsonl_node *extra = NULL;
	int rc;

	if (s->array && buf_puts(&s->text, s->rows ? ",\n" : "[\n"))
		return err_oom(s->e);
	if (s->rest >= 0 && !column_is_null(&b->cols[s->rest], row) && (rc = rest_tree(s, b, row, &extra)) < 0)
		return rc;
	if (buf_byte(&s->text, '{'))
		return err_oom(s->e);
	if ((rc = put_object(s, b, row, s->root, extra)) < 0)
		return rc;
	if (buf_byte(&s->text, '}') || (!s->array && buf_byte(&s->text, '\n')))
		return err_oom(s->e);
	s->rows++;
	return 0;
}

/* Text that is not UTF-8 has no JSON form. */
static int check_text(const struct batch *b, int col, struct err *e)
{
	const struct column *c = &b->cols[col];
	size_t first, n;
	int64_t row = 0;

	if (c->type->id != T_UTF8 || c->length == 0)
		return 0;
	first = (size_t)c->offsets[0];
	n = (size_t)c->offsets[c->length] - first;
	if (utf8_valid(c->values + first, n))
		return 0;
	while (row < c->length - 1 && utf8_valid(c->values + c->offsets[row], (size_t)(c->offsets[row + 1] - c->offsets[row])))
		row++;
	err_set(e, ST_DATA, "text that is not UTF-8 cannot be written as JSON");
	return batch_err_at(b, row, col, e);
}

static int flush(struct json_sink *s)
{
	int rc = out_write(s->out, s->text.p, s->text.n, s->e);

	s->text.n = 0;
	return rc;
}

static bool is_plain_text(const char *p, size_t n)
{
	size_t i = 0;

	for (; n - i >= sizeof(json_bytes); i += sizeof(json_bytes))
		if (json_first_special(json_load(p + i)) < 16)
			return false;
	while (i < n && json_is_plain(p[i]))
		i++;
	return i == n;
}

/* Whether all of the batch can be copied. */
static bool take_plain(struct json_sink *s, const struct batch *b)
{
	if (!s->plain || (s->rest >= 0 && b->cols[s->rest].null_count < b->nrows))
		return false;
	for (int i = 0; i < s->root->n; i++) {
		struct plain_col *p = &s->plain[i];
		const struct column *c = &b->cols[p->col];

		if (c->null_count ||
		    !is_plain_text((const char *)c->values + c->offsets[0], (size_t)(c->offsets[b->nrows] - c->offsets[0])))
			return false;
		p->values = c->values;
		p->offsets = c->offsets;
	}
	return true;
}

static uint8_t *put_plain_row(const struct json_sink *s, int64_t row, int64_t nrows, uint8_t *to)
{
	for (const struct plain_col *p = s->plain, *end = p + s->root->n; p < end; p++) {
		int32_t from = p->offsets[row], n = p->offsets[row + 1] - from;

		to = copy_short(to, p->key, p->nkey);
		if (from + n + COPY_SLACK <= p->offsets[nrows])
			to = copy_short(to, p->values + from, (size_t)n);
		else
			to = (uint8_t *)memcpy(to, p->values + from, (size_t)n) + n;
		*to++ = '"';
	}
	return to;
}

static int put_plain_strip(struct json_sink *s, int64_t from, int64_t n, int64_t nrows)
{
	size_t total = COPY_SLACK, row = 3;
	uint8_t *to, *start;

	for (int i = 0; i < s->root->n; i++) {
		total += (size_t)(s->plain[i].offsets[from + n] - s->plain[i].offsets[from]);
		row += s->plain[i].nkey + 1;
	}
	if (buf_reserve(&s->text, total + (size_t)n * row))
		return err_oom(s->e);
	to = s->text.p + s->text.n;
	for (int64_t i = from; i < from + n; i++) {
		start = to;
		to = put_plain_row(s, i, nrows, to);
		*start = '{'; /* instead of the first key's comma */
		*to++ = '}';
		*to++ = '\n';
	}
	s->text.n = (size_t)(to - s->text.p);
	return 0;
}

static int write_plain(struct json_sink *s, const struct batch *b)
{
	int rc = 0;

	for (int64_t from = 0; from < b->nrows && rc == 0; from += STRIP) {
		rc = put_plain_strip(s, from, b->nrows - from < STRIP ? b->nrows - from : STRIP, b->nrows);
		if (rc == 0 && s->text.n >= CHUNK)
			rc = flush(s);
	}
	s->rows += b->nrows;
	return rc;
}

static int write_batch(struct sink *sink, struct batch *b, struct err *e)
{
	struct json_sink *s = (struct json_sink *)sink;
	int rc = 0;

	s->e = e;
	if (take_plain(s, b)) {
		rc = write_plain(s, b);
		rc = rc < 0 ? rc : flush(s);
		return rc < 0 ? rc : out_flush(s->out, e);
	}
	for (int i = 0; i < s->schema->nfields; i++)
		if ((rc = check_text(b, i, e)) < 0)
			return rc;
	for (int64_t row = 0; row < b->nrows && rc == 0; row++) {
		rc = put_row(s, b, row);
		if (rc == 0 && s->text.n >= CHUNK)
			rc = flush(s);
	}
	if (rc == 0)
		rc = flush(s);
	return rc < 0 ? rc : out_flush(s->out, e);
}

static int finish(struct sink *sink, struct err *e)
{
	struct json_sink *s = (struct json_sink *)sink;
	struct str end = s->rows ? STR("\n]\n") : STR("[]\n");
	int rc = s->array ? out_write(s->out, end.p, end.n, e) : 0;

	return rc < 0 ? rc : out_commit(s->out, e);
}

static void fail(struct sink *sink, const struct err *why)
{
	(void)why;
	out_abort(((struct json_sink *)sink)->out);
}

static void close_sink(struct sink *sink)
{
	struct json_sink *s = (struct json_sink *)sink;

	out_close(s->out);
	schema_unref(s->schema);
	arena_free(&s->arena);
	arena_free(&s->row_arena);
	buf_free(&s->text);
	free(s);
}

static int open_sink(struct out *out, const struct schema *schema, const struct write_opts *o, bool array, struct sink **ret,
		     struct err *e)
{
	struct json_sink *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		out_close(out);
		return err_oom(e);
	}
	*s = (struct json_sink){ .sink = { write_batch, finish, fail, close_sink, NULL }, .out = out, .schema = schema_ref(schema),
		.keep_null = o->keep_null, .array = array, .e = e };
	if ((rc = plan(s)) < 0) {
		close_sink(&s->sink);
		return rc;
	}
	*ret = &s->sink;
	return 0;
}

int jsonl_write(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
{
	return open_sink(out, s, o, false, ret, e);
}

int json_write(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
{
	return open_sink(out, s, o, true, ret, e);
}
