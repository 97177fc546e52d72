/* The schema of JSON Lines from a sample: every record is checked, then walked into a tree of keys that notes the kinds of
 * values; the tree, depth first in order of first appearance, is the schema. */
#include "lib/format/jsonl.h"

enum { SEEN_TEXT = 1, SEEN_NUM = 2, SEEN_BOOL = 4, SEEN_OBJECT = 8, SEEN_ARRAY = 16 };

struct infer {
	struct arena arena;
	struct jsonl_node root;
	struct buf key;
	const struct declared *declared;
	struct err *e;
};

static unsigned kind_of(char c)
{
	switch (c) {
	case '"':
		return SEEN_TEXT;
	case '{':
		return SEEN_OBJECT;
	case '[':
		return SEEN_ARRAY;
	case 't':
	case 'f':
		return SEEN_BOOL;
	case 'n':
		return 0;
	default:
		return SEEN_NUM;
	}
}

/* The node of the key at p, made if it is new; *p moves behind the key. NULL: out of memory. */
static struct jsonl_node *key_node(struct infer *x, struct jsonl_node *o, const char **p)
{
	struct json_fault f;
	const char *end = json_skip_string(*p, &f);
	struct jsonl_node *n;
	struct str key;
	char *to;

	x->key.n = 0;
	if (buf_reserve(&x->key, (size_t)(end - *p) + 64))
		return NULL;
	to = (char *)x->key.p;
	json_decode(*p, &to, &f);
	key = (struct str){ (char *)x->key.p, (size_t)(to - (char *)x->key.p) };
	*p = end;
	n = jsonl_find(o, key);
	return n ? n : jsonl_add(&x->arena, o, key);
}

/* The members of the object at p, which is known to be valid. Returns behind it, or NULL: out of memory. */
static const char *walk(struct infer *x, struct jsonl_node *o, const char *p, int depth)
{
	struct json_fault f;
	struct jsonl_node *n;

	p = json_blanks(p + 1, NULL);
	while (*p != '}') {
		n = key_node(x, o, &p);
		if (!n)
			return NULL;
		p = json_blanks(json_blanks(p, NULL) + 1, NULL);
		n->kinds |= kind_of(*p);
		if (*p == '{' && depth < JSONL_FLATTEN && !declared_find(x->declared, n->name)) {
			p = walk(x, n, p, depth + 1);
			if (!p)
				return NULL;
		} else {
			if (*p == '{')
				n->kinds |= SEEN_ARRAY; /* stays whole */
			p = json_value(p, NULL, &f);
		}
		p = json_blanks(p, NULL);
		if (*p == ',')
			p = json_blanks(p + 1, NULL);
	}
	return p + 1;
}

static int sample_line(struct infer *x, const char *p)
{
	struct json_fault f;
	const char *end;

	p = json_blanks(p, NULL);
	if (*p != '{')
		return 0;
	end = json_value(p, NULL, &f);
	if (!end || *json_blanks(end, NULL) != '\n')
		return 0;
	return walk(x, &x->root, p, 0) ? 0 : err_oom(x->e);
}

static struct type type_of(const struct jsonl_node *n)
{
	switch (n->kinds) {
	case SEEN_TEXT:
		return TYPE_TEXT;
	case SEEN_NUM:
		return TYPE_NUM;
	case SEEN_BOOL:
		return TYPE_BOOL;
	default:
		return TYPE_JSON;
	}
}

static int emit(const struct infer *x, const struct jsonl_node *o, struct schema *s)
{
	int rc = 0;

	for (int i = 0; i < o->n && rc == 0; i++) {
		const struct jsonl_node *n = o->child[i];
		const struct type *d = declared_find(x->declared, n->name);
		struct type t = type_of(n);

		if (!d && n->kinds == SEEN_OBJECT && n->n)
			rc = emit(x, n, s);
		else
			rc = schema_add(s, n->name, d ? d : &t, true, x->e);
	}
	return rc;
}

/* Declared columns that the sample does not have: later records may; if there are none, it is a mistake. */
static int emit_declared(const struct infer *x, struct schema *s, bool complete)
{
	bool any = s->nfields;
	int rc;

	for (int i = 0; i < x->declared->n; i++) {
		const struct field *d = &x->declared->v[i];

		if (schema_find(s, d->name) >= 0)
			continue;
		if (complete && any)
			return schema_no_field(s, d->name, x->e);
		if ((rc = schema_add_field(s, d, x->e)) < 0)
			return rc;
	}
	return 0;
}

static int make_schema(const struct infer *x, bool complete, struct schema *s)
{
	struct type json = TYPE_JSON;
	int rc;

	if ((rc = emit(x, &x->root, s)) < 0 || (rc = emit_declared(x, s, complete)) < 0)
		return rc;
	return complete ? 0 : schema_add(s, STR(REST_NAME), &json, true, x->e);
}

int jsonl_infer(const char *text, size_t n, bool complete, const struct declared *d, struct schema **ret, struct err *e)
{
	struct infer x = { .declared = d, .e = e };
	const char *p = text, *end = text + n;
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? 0 : err_oom(e);

	for (; p < end && rc == 0; p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1)
		rc = sample_line(&x, p);
	if (rc == 0)
		rc = make_schema(&x, complete, s);
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	buf_free(&x.key);
	arena_free(&x.arena);
	return rc;
}
