/* The record parser: see jsonl.h. One pass over the text, straight into column builders.
 *
 * Records of one input mostly have the same keys in the same order. Every key remembers which one followed it, so the next
 * key is not looked up but compared: 16 bytes at once. A column that a record does not mention is left behind and gets its
 * nulls in one go, when it is next written to or at the end; so a record costs its own values only, however many columns
 * there are.
 *
 * Invariant: with r complete records in rows.n, a column has at most r values between records; r + 1 once the present record
 * has given it one, so that a second one shows as a duplicate. A bad record is undone by cutting every column back to r.
 *
 * Functions return the text after what they took, or NULL with x->e filled and x->at where it happened. */
#include "lib/format/jsonl.h"

#include "lib/base/hash.h"
#include "lib/format/json_simd.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOM 64 /* bytes kept free in a text column while a string is copied: a step of 16 and a run of sequences */

typedef struct jsonl_parser parser;
typedef struct jsonl_node node;

static const char *fault(parser *x, const struct json_fault *f)
{
	x->at = f->at;
	err_set(x->e, ST_DATA, "%s", f->msg);
	return NULL;
}

static const char *fail(parser *x, const char *at, const char *msg)
{
	return fault(x, &(struct json_fault){ at, msg });
}

static const char *fatal(parser *x, const char *at)
{
	x->at = at;
	x->fatal = true;
	return NULL;
}

static const char *oom(parser *x, const char *at)
{
	err_oom(x->e);
	return fatal(x, at);
}

static void repeated(parser *x, const node *n)
{
	fail(x, x->key, "this key has come before in the same object");
	err_field(x->e, n->name.p, (int)n->name.n);
}

/* Makes the column ready for the present record's value. */
static bool ready(parser *x, node *n, const char *at)
{
	struct builder *b = n->column;

	if (b->n < x->rows.n && builder_null(b, x->rows.n - b->n, x->e) < 0) {
		fatal(x, at);
		return false;
	}
	if (b->n == x->rows.n)
		return true;
	repeated(x, n);
	return false;
}

static inline bool is_unwanted(const parser *x, const node *n)
{
	return x->unwanted && n->col >= 0 && x->unwanted[n->col];
}

static bool put_null(parser *x, node *n, const char *at)
{
	if (is_unwanted(x, n) || builder_null(n->column, 1, x->e) == 0)
		return true;
	fatal(x, at);
	return false;
}

/* Ends a value of a text column whose bytes now end at `end`. */
static inline int end_value(struct builder *b, size_t end)
{
	int32_t offset = (int32_t)end;

	b->values.n = end;
	if (buf_reserve(&b->offsets, 4))
		return -1;
	memcpy(b->offsets.p + b->offsets.n, &offset, 4);
	b->offsets.n += 4;
	if (b->nulls) {
		if (bits_bytes(b->n + 1) > b->valid.n && buf_zero(&b->valid, 1))
			return -1;
		bit_set(b->valid.p, b->n);
	}
	b->n++;
	return 0;
}

static const char *put_raw(parser *x, node *n, const char *p, const char *end)
{
	struct builder *b = n->column;

	return buf_add(&b->values, p, (size_t)(end - p)) || end_value(b, b->values.n) ? oom(x, p) : end;
}

/* The string at p, decoded, to the end of b. *at: where in b it ends. */
static inline const char *copy_string(parser *x, struct buf *b, const char *p, size_t *at)
{
	struct json_fault f;
	char *to;
	int n;

	*at = b->n;
	for (p++;;) {
		if (b->cap - *at < ROOM) {
			size_t start = b->n;

			b->n = *at;
			n = buf_grow(b, ROOM);
			b->n = start;
			if (n)
				return oom(x, p);
		}
		to = (char *)b->p + *at;
		n = json_copy16(p, to);
		p += n;
		*at += (size_t)n;
		if (n == 16)
			continue;
		if (*p == '"')
			return p + 1;
		to += n;
		p = json_decode_special(p, &to, &f);
		if (!p)
			return fault(x, &f);
		*at = (size_t)(to - (char *)b->p);
	}
}

static inline const char *put_string(parser *x, node *n, const char *p)
{
	size_t end;
	const char *after = copy_string(x, &n->column->values, p, &end);

	if (after && end_value(n->column, end))
		return oom(x, p);
	return after;
}

static const char *kind_name(char c)
{
	switch (c) {
	case '"':
		return "a string";
	case '{':
		return "an object";
	case '[':
		return "an array";
	case 't':
	case 'f':
		return "a bool";
	default:
		return "a number";
	}
}

static const char *trailing(parser *x, const char *p)
{
	if (x->array)
		return fail(x, p, "a comma or ] must follow the record");
	return fail(x, p, *p == '{' ? "each record must have a line of its own" : "something follows the record on its line");
}

/* A record that is no JSON is blamed for that first, whatever else is wrong with it. */
static bool is_broken(parser *x)
{
	struct json_fault f;
	const char *end = json_value(x->start, NULL, &f);

	if (!end)
		return fault(x, &f) == NULL;
	end = json_blanks(end, NULL);
	return *end != '\n' && trailing(x, end) == NULL;
}

static int one_more(parser *x, struct str record)
{
	int rc = x->bad_one ? x->bad_one(x->bad_context, record, x->e) : 0;

	x->fatal |= rc < 0;
	x->too_many = rc > 0;
	return rc;
}

/* Whether a null may stand for a value of this record. */
static bool bear_null(parser *x)
{
	if (x->nulled == x->record)
		return true;
	if (one_more(x, (struct str){ NULL, 0 }))
		return false;
	x->nulled = x->record;
	return true;
}

/* A valid value that the column cannot hold. Returns behind it when bad values become null. */
static const char *bad_value(parser *x, node *n, const char *p, const char *msg)
{
	struct json_fault f;
	const char *end = json_value_at(p, NULL, x->depth, &f);
	char type[64];

	if (!end)
		return fault(x, &f);
	if (x->on_bad == BAD_NULL && bear_null(x)) {
		x->bad++;
		return n->col < 0 || put_null(x, n, p) ? end : NULL;
	}
	if (x->fatal || is_broken(x))
		return NULL;
	x->at = p;
	if (msg)
		err_set(x->e, ST_DATA, "%.*s is %s", end - p > 60 ? 60 : (int)(end - p), p, msg);
	else
		err_set(x->e, ST_DATA, "%s, but this column is %s", kind_name(*p),
			n->col < 0 ? "an object in other records" : type_name(&x->schema->fields[n->col].type, type, sizeof type));
	err_field(x->e, n->name.p, (int)n->name.n);
	err_hint(x->e, "any kind of value: --type %.*s=json; skip such records: --on-bad skip", STR_ARG(n->name));
	return NULL;
}

/* A value for a column whose type was declared: what the string, number or bool spells. */
static const char *put_spelled(parser *x, node *n, const char *p, struct str text, const char *end)
{
	char type[64], what[96];
	int rc = value_parse(n->column, text, x->e);

	if (rc < 0)
		return fatal(x, p);
	if (rc > 0)
		return end;
	snprintf(what, sizeof what, "no %s%s", type_name(n->column->type, type, sizeof type), value_beyond(n->column->type, text));
	return bad_value(x, n, p, what);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "\x00ff", as binary values are written, becomes the bytes in place. Any other string is its own bytes. */
static struct str unhex(struct buf *b)
{
	size_t n = 0;

	if (b->n < 2 || b->n % 2 || b->p[0] != '\\' || b->p[1] != 'x')
		return buf_view(b);
	for (size_t i = 2; i < b->n; i++)
		if (hex_digit((char)b->p[i]) < 0)
			return buf_view(b);
	for (size_t i = 2; i < b->n; i += 2)
		b->p[n++] = (uint8_t)(hex_digit((char)b->p[i]) << 4 | hex_digit((char)b->p[i + 1]));
	return (struct str){ (char *)b->p, n };
}

static const char *put_declared(parser *x, node *n, const char *p)
{
	struct json_fault f;
	const char *end;

	if (*p == '{' || *p == '[')
		return bad_value(x, n, p, NULL);
	if (*p != '"') {
		end = json_value_at(p, NULL, x->depth, &f);
		return end ? put_spelled(x, n, p, (struct str){ p, (size_t)(end - p) }, end) : fault(x, &f);
	}
	x->scratch.n = 0;
	end = copy_string(x, &x->scratch, p, &x->scratch.n);
	if (!end)
		return NULL;
	return put_spelled(x, n, p, n->kind == KIND_OTHER && n->column->type->id == T_BINARY ? unhex(&x->scratch) : buf_view(&x->scratch),
			   end);
}

static const char *put_bool(parser *x, node *n, const char *p)
{
	bool yes = memcmp(p, "true", 4) == 0;

	if (!yes && memcmp(p, "false", 5) != 0)
		return fail(x, p, "not a JSON value");
	return builder_bool(n->column, yes, x->e) < 0 ? fatal(x, p) : p + (yes ? 4 : 5);
}

static inline const char *skip_plain(const char *p)
{
	int n;

	do {
		n = json_plain32(p);
		p += n;
	} while (n == 32);
	return p;
}

static const char *put_json(parser *x, node *n, const char *p)
{
	struct json_fault f;
	const char *end = json_value_at(p, NULL, x->depth, &f);

	return end ? put_raw(x, n, p, end) : fault(x, &f);
}

static inline const char *put_number(parser *x, node *n, const char *p)
{
	struct buf *to = &n->column->values;
	int length = json_plain_number(p);
	struct json_fault f;
	const char *end;

	if (length) {
		if (buf_reserve(to, 16))
			return oom(x, p);
		memcpy(to->p + to->n, p, 16);
		return end_value(n->column, to->n + (size_t)length) ? oom(x, p) : p + length;
	}
	end = json_number(p, &f);
	return end ? put_raw(x, n, p, end) : fault(x, &f);
}

static inline bool starts_number(char c)
{
	return c == '-' || (c >= '0' && c <= '9');
}

/* The value of a column that nobody wants is checked like any other. */
static inline const char *pass_value(parser *x, node *n, const char *p)
{
	struct json_fault f;
	const char *end;

	if (n->seen == x->record) {
		repeated(x, n);
		return NULL;
	}
	n->seen = x->record;
	if (*p == '"' && n->kind == KIND_TEXT) {
		end = skip_plain(p + 1);
		end = *end == '"' ? end + 1 : json_skip_string(p, &f);
	} else if (n->kind == KIND_NUM && starts_number(*p)) {
		int length = json_plain_number(p);

		end = length ? p + length : json_number(p, &f);
	} else if (memcmp(p, "null", 4) == 0) {
		return p + 4;
	} else if (n->kind == KIND_JSON) {
		end = json_value_at(p, NULL, x->depth, &f);
	} else {
		return bad_value(x, n, p, NULL);
	}
	return end ? end : fault(x, &f);
}

/* The value of a column. */
static inline const char *put_value(parser *x, node *n, const char *p)
{
	if (is_unwanted(x, n))
		return pass_value(x, n, p);
	if (n->column->n != x->rows.n && !ready(x, n, p))
		return NULL;
	if (*p == '"' && n->kind == KIND_TEXT)
		return put_string(x, n, p);
	if (n->kind == KIND_NUM && starts_number(*p))
		return put_number(x, n, p);
	if (memcmp(p, "null", 4) == 0)
		return put_null(x, n, p) ? p + 4 : NULL;
	if (n->kind == KIND_BOOL && (*p == 't' || *p == 'f'))
		return put_bool(x, n, p);
	if (n->kind == KIND_JSON)
		return put_json(x, n, p);
	return n->spelled ? put_declared(x, n, p) : bad_value(x, n, p, NULL);
}

/* Is the key at p (its quote) that of n? */
static inline bool is_key(const node *n, const char *p)
{
	if (n->probe_mask) {
#ifdef __SSE2__
		__m128i have = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
		__m128i want = _mm_loadu_si128((const __m128i *)(const void *)n->probe);

		return ((unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(have, want)) & n->probe_mask) == n->probe_mask;
#endif
	}
	return n->plain && strncmp(p + 1, n->key.p, n->key.n) == 0 && p[1 + n->key.n] == '"';
}

static int note_rest(parser *x, struct str name, const char *at)
{
	if (x->nrest == x->rest_cap) {
		size_t cap = x->rest_cap ? x->rest_cap * 2 : 16;
		struct jsonl_key *keys = reallocarray(x->rest_keys, cap, sizeof *keys);

		if (!keys)
			return -1;
		x->rest_keys = keys;
		x->rest_cap = cap;
	}
	x->rest_keys[x->nrest++] = (struct jsonl_key){ hash64(name.p, name.n, 0), at };
	return 0;
}

static const char *no_column(parser *x, struct str name, const char *at)
{
	if (is_broken(x))
		return NULL;
	x->at = at;
	err_set(x->e, ST_DATA, "the key \"%.*s\" is not in the schema", STR_ARG(name));
	err_hint(x->e, "add it to the schema, or a column _rest of type json for all such keys");
	return NULL;
}

/* A member that has no column: name and value go to the rest. `key` is its quote, p its value. */
static const char *put_rest(parser *x, struct str name, const char *key, const char *p)
{
	struct json_fault f;
	const char *end = json_value_at(p, NULL, x->depth, &f);

	if (!end)
		return fault(x, &f);
	if (x->rest.col < 0)
		return no_column(x, name, key);
	if (note_rest(x, name, key))
		return oom(x, p);
	if (*p == 'n')
		return end;
	if (buf_byte(&x->rest_text, x->rest_text.n ? ',' : '{') || json_put_string(&x->rest_text, name) || buf_byte(&x->rest_text, ':') ||
	    buf_add(&x->rest_text, p, (size_t)(end - p)))
		return oom(x, p);
	return end;
}

/* The key at p that was not predicted: its node (NULL: there is none, and x->scratch has its column's name). */
static const char *find_key(parser *x, node *o, const char *p, node **ret)
{
	const char *end;
	struct str key;
	size_t n;

	x->scratch.n = 0;
	end = copy_string(x, &x->scratch, p, &n);
	if (!end)
		return NULL;
	key = (struct str){ (char *)x->scratch.p, n };
	*ret = jsonl_find(o, key);
	if (*ret)
		return end;
	x->name.n = 0;
	return buf_str(&x->name, o->name) || jsonl_name(&x->name, key) ? oom(x, p) : end;
}

static const char *members(parser *x, node *o, const char *p);

/* The value of a key whose values are objects. */
static const char *nested(parser *x, node *n, const char *p)
{
	if (n->seen == x->record) {
		repeated(x, n);
		return NULL;
	}
	n->seen = x->record;
	if (*p == '{')
		return members(x, n, p);
	return memcmp(p, "null", 4) == 0 ? p + 4 : bad_value(x, n, p, NULL);
}

static inline const char *blanks(const char *p)
{
	return *p > ' ' ? p : json_blanks(p, NULL);
}

static const char *no_key(parser *x, const char *p)
{
	return fail(x, p, *p == '\n' ? "the line ends inside an object" : "a key in quotes must stand here");
}

static const char *after_member(parser *x, const char *p)
{
	return fail(x, p, *p == '\n' ? "the line ends inside an object" : "a comma or } must stand here");
}

/* The object at p. */
static const char *members(parser *x, node *o, const char *p)
{
	node **predicted = &o->first, *n;
	const char *key;

	x->depth++;
	p = blanks(p + 1);
	if (*p == '}') {
		x->depth--;
		return p + 1;
	}
	for (;;) {
		if (*p != '"')
			return no_key(x, p);
		x->key = key = p;
		n = *predicted;
		if (n && is_key(n, p))
			p += n->key.n + 2;
		else
			p = find_key(x, o, p, &n);
		if (!p)
			return NULL;
		p = blanks(p);
		if (*p != ':')
			return fail(x, p, "a colon must follow the key");
		p = blanks(p + 1);
		if (n) {
			*predicted = n;
			predicted = &n->next;
			p = n->col >= 0 ? put_value(x, n, p) : nested(x, n, p);
		} else {
			p = put_rest(x, buf_view(&x->name), key, p);
		}
		if (!p)
			return NULL;
		p = blanks(p);
		if (*p == '}') {
			x->depth--;
			return p + 1;
		}
		if (*p != ',')
			return after_member(x, p);
		p = blanks(p + 1);
	}
}

static int by_hash(const void *a, const void *b)
{
	const struct jsonl_key *k = a, *l = b;

	if (k->hash != l->hash)
		return k->hash < l->hash ? -1 : 1;
	return (k->at > l->at) - (k->at < l->at);
}

static bool end_rest(parser *x)
{
	if (x->nrest > 1) {
		qsort(x->rest_keys, x->nrest, sizeof *x->rest_keys, by_hash);
		for (size_t i = 1; i < x->nrest; i++)
			if (x->rest_keys[i].hash == x->rest_keys[i - 1].hash) {
				fail(x, x->rest_keys[i].at, "this key has come before in the same object");
				return false;
			}
	}
	if (!x->rest_text.n)
		return true;
	if (!ready(x, &x->rest, x->at))
		return false;
	if (buf_byte(&x->rest_text, '}') || buf_str(&x->rest.column->values, buf_view(&x->rest_text)) ||
	    end_value(x->rest.column, x->rest.column->values.n)) {
		oom(x, x->at);
		return false;
	}
	return true;
}

/* The record at p, up to its newline. */
static const char *record(parser *x, const char *p)
{
	x->record++;
	x->start = p;
	x->depth = 0;
	x->nrest = x->rest_text.n = 0;
	if (*p != '{')
		return fail(x, p, "a record must be an object: { ... }");
	p = members(x, x->root, p);
	if (!p)
		return NULL;
	p = blanks(p);
	if (*p != '\n')
		return trailing(x, p);
	return x->nrest && !end_rest(x) ? NULL : p;
}

/* Takes the last row of b back. */
static void drop_last(struct builder *b)
{
	int64_t r = b->n - 1;

	if (b->nulls && !bit_get(b->valid.p, r))
		b->nulls--;
	b->n = r;
	if (b->type->layout == LAY_BIT) {
		bit_clear(b->values.p, r);
		b->values.n = bits_bytes(r);
	} else if (b->type->layout == LAY_FIXED) {
		b->values.n = (size_t)r * (size_t)b->type->width;
	} else {
		int32_t end;

		b->offsets.n -= 4;
		memcpy(&end, b->offsets.p + b->offsets.n - 4, 4);
		b->values.n = (size_t)end;
	}
}

static void undo_record(parser *x)
{
	for (int i = 0; i < x->schema->nfields; i++)
		if (x->rows.cols[i].n > x->rows.n)
			drop_last(&x->rows.cols[i]);
}

/* A record that cannot be taken. 0: passed over. */
static int bad_record(parser *x, const char *line, const char *end)
{
	undo_record(x);
	if (!x->fatal && x->on_bad == BAD_SKIP) {
		int rc = one_more(x, (struct str){ line, (size_t)(end - line) });

		x->bad += rc == 0;
		if (rc <= 0)
			return rc;
	}
	x->e->line = x->lines + 1;
	x->e->column = x->at - line + 1;
	if (!x->fatal && !x->e->hint[0])
		err_hint(x->e, "skip such records: --on-bad skip");
	return -x->e->status;
}

static int fill_empty(struct builder *b, int64_t n, struct err *e)
{
	if (buf_zero(&b->offsets, (size_t)(n - b->n) * sizeof(int32_t)))
		return err_oom(e);
	b->n = n;
	return 0;
}

static int fill(parser *x)
{
	int rc = 0;

	for (int i = 0; i < x->schema->nfields && rc == 0; i++) {
		struct builder *b = &x->rows.cols[i];

		if (b->n == x->rows.n)
			continue;
		rc = x->unwanted && x->unwanted[i] ? fill_empty(b, x->rows.n, x->e) : builder_null(b, x->rows.n - b->n, x->e);
	}
	return rc;
}

/* The line at p: a row, nothing, or a record that is passed over. Returns behind it. */
static const char *parse_line(parser *x, const char *p, const char *end, bool *skipped, int *rc)
{
	const char *first = blanks(p), *after;

	if (*first == '\n')
		return first + 1;
	after = record(x, first);
	if (after) {
		x->rows.n++;
		return after + 1;
	}
	after = memchr(p, '\n', (size_t)(end - p));
	*rc = bad_record(x, p, after);
	*skipped = true;
	return after + 1;
}

int jsonl_parse(struct jsonl_parser *x, const char *text, size_t n, size_t *used, struct err *e)
{
	const char *p = text, *end = text + n;
	bool skipped = false;
	int rc = 0;

	x->e = e;
	x->fatal = false;
	for (x->lines = 0; p < end && x->rows.n < BATCH_ROWS && !skipped; x->lines += rc == 0)
		p = parse_line(x, p, end, &skipped, &rc);
	*used = (size_t)(p - text);
	return fill(x) < 0 ? -e->status : rc;
}
