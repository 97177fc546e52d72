/* Keys of JSON objects and names of columns: see jsonl.h. */
#include "lib/base/hash.h"
#include "lib/format/jsonl.h"

/* Where `key` is in the table, or the free slot where it would go. nslots is a power of two and never full. */
static uint32_t *slot_of(const struct jsonl_node *o, struct str key)
{
	uint32_t at = (uint32_t)hash64(key.p, key.n, 0) & (o->nslots - 1);

	while (o->slots[at] && !str_eq(o->child[o->slots[at] - 1]->key, key))
		at = (at + 1) & (o->nslots - 1);
	return &o->slots[at];
}

struct jsonl_node *jsonl_find(const struct jsonl_node *o, struct str key)
{
	uint32_t slot = o->nslots ? *slot_of(o, key) : 0;

	return slot ? o->child[slot - 1] : NULL;
}

static int grow(struct arena *a, struct jsonl_node *o)
{
	int cap = o->cap ? o->cap * 2 : 8;
	struct jsonl_node **child = arena_array(a, struct jsonl_node *, (size_t)cap);
	uint32_t *slots = arena_array(a, uint32_t, (size_t)cap * 2);

	if (!child || !slots)
		return -1;
	if (o->n)
		memcpy(child, o->child, (size_t)o->n * sizeof *child);
	o->child = child;
	o->cap = cap;
	o->slots = slots;
	o->nslots = (uint32_t)cap * 2;
	for (int i = 0; i < o->n; i++)
		*slot_of(o, child[i]->key) = (uint32_t)i + 1;
	return 0;
}

static void set_probe(struct jsonl_node *n)
{
	n->plain = true;
	for (size_t i = 0; i < n->key.n; i++)
		if ((unsigned char)n->key.p[i] < ' ' || n->key.p[i] == '"' || n->key.p[i] == '\\')
			n->plain = false;
	if (!n->plain || n->key.n >= sizeof n->probe)
		return;
	if (n->key.n)
		memcpy(n->probe, n->key.p, n->key.n);
	n->probe[n->key.n] = '"';
	n->probe_mask = (1u << (n->key.n + 1)) - 1;
}

struct jsonl_node *jsonl_add(struct arena *a, struct jsonl_node *o, struct str key)
{
	cleanup_buf struct buf name = { 0 };
	struct jsonl_node *n = arena_new(a, struct jsonl_node);

	if (!n || (o->n == o->cap && grow(a, o)) || buf_str(&name, o->name) || jsonl_name(&name, key))
		return NULL;
	n->key = (struct str){ arena_strdup(a, key), key.n };
	n->name = (struct str){ arena_strdup(a, buf_view(&name)), name.n };
	if (!n->key.p || !n->name.p)
		return NULL;
	n->col = -1;
	set_probe(n);
	*slot_of(o, n->key) = (uint32_t)o->n + 1;
	o->child[o->n++] = n;
	return n;
}

int jsonl_name(struct buf *name, struct str key)
{
	bool top = name->n == 0;

	if (!top && buf_byte(name, '.'))
		return -1;
	if (key.n == 0)
		return buf_puts(name, "\\e");
	if (top && str_is(key, REST_NAME))
		return buf_puts(name, "\\" REST_NAME);
	for (size_t i = 0; i < key.n; i++)
		if (((key.p[i] == '.' || key.p[i] == '\\') && buf_byte(name, '\\')) || buf_byte(name, (uint8_t)key.p[i]))
			return -1;
	return 0;
}

static bool is_escape(struct str s, size_t i)
{
	return s.p[i] == '\\' && i + 1 < s.n && (s.p[i + 1] == '.' || s.p[i + 1] == '\\' || s.p[i + 1] == '_');
}

/* Bytes of the first key in s, escapes included. */
static size_t part_length(struct str s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != '.')
		i += is_escape(s, i) ? 2 : 1;
	return i;
}

static bool is_path(struct str name, int *n)
{
	for (*n = 1;; ++*n) {
		size_t part = part_length(name);

		if (part == 0)
			return false;
		if (part == name.n)
			return true;
		name = str_from(name, part + 1);
	}
}

/* `to` has room for part.n bytes. */
static struct str decode(struct str part, char *to)
{
	char *start = to;

	if (str_is(part, "\\e"))
		part.n = 0;
	for (size_t i = 0; i < part.n; i++) {
		i += is_escape(part, i);
		*to++ = part.p[i];
	}
	return (struct str){ start, (size_t)(to - start) };
}

struct jsonl_path jsonl_path(struct str name, struct arena *a)
{
	struct jsonl_path path;
	bool whole = !is_path(name, &path.n) || path.n > JSON_DEPTH;
	char *to = arena_alloc(a, name.n + 1);

	if (whole)
		path.n = 1;
	path.keys = arena_array(a, struct str, (size_t)path.n);
	if (!to || !path.keys)
		return (struct jsonl_path){ 0 };
	for (int i = 0; i < path.n; i++) {
		struct str part = { name.p, whole ? name.n : part_length(name) };

		path.keys[i] = decode(part, to);
		to += part.n;
		name = str_from(name, part.n + 1);
	}
	return path;
}

int rest_column(const struct schema *s)
{
	int i = schema_find(s, STR(REST_NAME));

	return i >= 0 && s->fields[i].type.mark == MARK_JSON ? i : -1;
}

/* Members of an object's text that is known to be good, one after another: *key with its quotes, *value; false: there is no further. */
static bool next_member(const char **p, struct str *key, struct str *value)
{
	struct json_fault f;
	const char *at = json_blanks(*p + 1, NULL), *end; /* behind the brace or a comma */

	if (*at == '}' || **p == '}')
		return false;
	end = json_skip_string(at, &f);
	*key = (struct str){ at, (size_t)(end - at) };
	at = json_blanks(json_blanks(end, NULL) + 1, NULL);
	end = json_value(at, NULL, &f);
	*value = (struct str){ at, (size_t)(end - at) };
	*p = json_blanks(end, NULL);
	return true;
}

static bool has_member(const char *p, struct str key)
{
	struct str other, value;

	while (next_member(&p, &other, &value))
		if (str_eq(other, key))
			return true;
	return false;
}

/* A copy that can be scanned; *ret NULL: it is no object. -1: out of memory. */
static int scannable(struct str text, struct buf *copy, const char **ret)
{
	struct json_fault f;
	const char *end;

	if (json_put_json(copy, text) || buf_byte(copy, '\n') || buf_zero(copy, JSON_PAD))
		return -1;
	*ret = json_blanks((const char *)copy->p, NULL);
	end = **ret == '{' ? json_value(*ret, NULL, &f) : NULL;
	*ret = end ? *ret : NULL;
	return 0;
}

/* The key, with its quotes, or another if the objects at a or b have it: 1 when none is free. */
static int free_key(const char *a, const char *b, struct str key, const char *suffix, struct buf *ret)
{
	cleanup_buf struct buf end = { 0 };

	ret->n = 0;
	if (!has_member(a, key))
		return buf_str(ret, key);
	for (int i = 2; ret->n == 0 || has_member(a, buf_view(ret)) || has_member(b, buf_view(ret)); i++) {
		if (suffix && i > 2)
			return 1;
		ret->n = end.n = 0;
		if ((suffix ? json_put_string(&end, str_of(suffix)) : buf_printf(&end, "\"_%d\"", i)) || buf_add(ret, key.p, key.n - 1) ||
		    buf_add(ret, end.p + 1, end.n - 1))
			return -1;
	}
	return 0;
}

static int put_member(struct buf *to, struct str key, struct str value)
{
	return buf_byte(to, to->n ? ',' : '{') || buf_str(to, key) || buf_byte(to, ':') || buf_str(to, value);
}

int rest_merge(struct str a, struct str b, const char *suffix, struct buf *to)
{
	cleanup_buf struct buf left = { 0 }, right = { 0 }, name = { 0 };
	const char *l, *r, *p;
	struct str key, value;
	int rc;

	if (scannable(a, &left, &l) || scannable(b, &right, &r))
		return -1;
	if (!l || !r)
		return 1;
	for (p = l; next_member(&p, &key, &value);)
		if (put_member(to, key, value))
			return -1;
	for (p = r; next_member(&p, &key, &value);)
		if ((rc = free_key(l, r, key, suffix, &name)) != 0 || (rc = put_member(to, buf_view(&name), value) ? -1 : 0) != 0)
			return rc;
	return (to->n ? 0 : buf_byte(to, '{')) || buf_byte(to, '}') ? -1 : 0;
}

int rest_refused(const struct batch *b, int col, struct err *e)
{
	const struct column *c = &b->cols[col];
	int64_t row = 0;
	struct str s;

	if (c->null_count == c->length)
		return 0;
	while (column_is_null(c, row))
		row++;
	s = column_str(c, row);
	err_set(e, ST_DATA, "keys that have no column: %.*s%s", s.n > 100 ? 100 : (int)s.n, s.p, s.n > 100 ? "..." : "");
	batch_err_at(b, row, -1, e);
	return err_hint(e, "a larger sample finds them: --sample 100M; or keep them as one column: --rest");
}
