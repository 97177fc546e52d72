/* Functions of JSON text: arrays taken apart, members looked up. Strings come out decoded, null as null, anything else as
 * its text.
 * What is no JSON is a bad value. The scanners want a sentinel behind the text, so values are copied first. */
#include "lib/format/json.h"

#include "lib/expr/fn.h"
#include "lib/expr/kernel.h"

static const struct type text_type = { .id = T_UTF8, .layout = LAY_VAR };

/* The text with what json.h wants behind it, or NULL. */
static const char *padded(struct eval *ev, struct str s)
{
	char *p = eval_text(ev, s.n + JSON_PAD + 1);

	if (!p)
		return NULL;
	if (s.n)
		memcpy(p, s.p, s.n);
	memset(p + s.n, '\n', JSON_PAD + 1);
	return p;
}

static int not_json(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, const char *msg, struct err *e)
{
	return eval_bad(ev, ret, i, x->args[0], e, "not JSON: %s", msg);
}

/* Is the whole text one JSON value, and what comes behind its blanks? */
static const char *whole(const char *p, const char *limit, struct json_fault *f)
{
	const char *start = json_blanks(p, limit), *end = json_value(start, limit, f);

	if (!end)
		return NULL;
	end = json_blanks(end, limit);
	return end == limit ? start : json_fail(f, end, "something behind the value");
}

/* One value [from, to) appended to b; *null when it is null. 0 or -1. */
static int put_value(struct buf *b, const char *from, const char *to, bool *null)
{
	struct json_fault f;
	char *end;

	*null = *from == 'n';
	if (*from != '"')
		return *null ? 0 : buf_add(b, from, (size_t)(to - from));
	if (buf_reserve(b, (size_t)(to - from) + 16))
		return -1;
	end = (char *)b->p + b->n;
	(void)json_decode(from, &end, &f);
	b->n = (size_t)(end - (char *)b->p);
	return 0;
}

/* Items of all rows, collected. */
struct collected {
	struct buf values, offsets, nulls;
	int64_t n, nnull;
};
#define cleanup_collected __attribute__((cleanup(collected_free)))

static void collected_free(struct collected *c)
{
	buf_free(&c->values);
	buf_free(&c->offsets);
	buf_free(&c->nulls);
}

static int collect(struct collected *c, const char *from, const char *to, struct err *e)
{
	int32_t end;
	bool null;

	if (put_value(&c->values, from, to, &null))
		return err_oom(e);
	if (c->values.n > VAR_BYTES_MAX || c->n >= UINT32_MAX - 1)
		return err_set(e, ST_DATA, "the items of one batch would pass 2 GiB");
	end = (int32_t)c->values.n;
	if (buf_add(&c->offsets, &end, 4) || buf_byte(&c->nulls, null))
		return err_oom(e);
	c->n++;
	c->nnull += null;
	return 0;
}

/* The items of a valid array. */
static int array_items(struct collected *c, const char *p, const char *limit, struct err *e)
{
	struct json_fault f;
	const char *end;
	int rc;

	p = json_blanks(p + 1, limit);
	while (*p != ']') {
		end = json_value(p, limit, &f);
		if ((rc = collect(c, p, end, e)) < 0)
			return rc;
		p = json_blanks(end, limit);
		if (*p == ',')
			p = json_blanks(p + 1, limit);
	}
	return 0;
}

static int collected_column(struct eval *ev, const struct collected *c, struct vec *ret, struct err *e)
{
	struct arena *a = &ev->lv->arena;
	struct column *col = arena_new(a, struct column);
	uint8_t *bits = c->nnull ? arena_calloc(a, bits_bytes(c->n) + 8, 1) : NULL;

	if (!col || (c->nnull && !bits))
		return err_oom(e);
	*col = (struct column){ .type = &text_type, .length = c->n, .null_count = c->nnull, .valid = bits };
	col->values = arena_dup(a, c->values.p, c->values.n);
	col->offsets = arena_dup(a, c->offsets.p, c->offsets.n);
	if (!col->values || !col->offsets)
		return err_oom(e);
	for (int64_t i = 0; bits && i < c->n; i++)
		bit_put(bits, i, !c->nulls.p[i]);
	ret->items = col;
	return 0;
}

KERNEL(json_array)
{
	cleanup_collected struct collected c = { 0 };
	struct json_fault f;
	int rc = buf_zero(&c.offsets, 4) ? err_oom(e) : 0;

	if (rc < 0)
		return rc;
	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		const char *text = padded(ev, s);
		int64_t from = c.n;
		const char *p;

		if (!text)
			return err_oom(e);
		p = whole(text, text + s.n, &f);
		if (!p)
			rc = not_json(ev, x, ret, i, f.msg, e);
		else
			rc = *p == '[' ? array_items(&c, p, text + s.n, e) : *p == 'n' ? 0 : not_json(ev, x, ret, i, "no array", e);
		if (rc < 0)
			return rc;
		ret->r[i] = (struct span){ (uint32_t)from, (uint32_t)(c.n - from) };
	);
	return collected_column(ev, &c, ret, e);
}

/* Does the string at p say key? */
static bool is_key(struct buf *tmp, const char *p, const char *end, struct str key, bool *match)
{
	bool null;

	tmp->n = 0;
	if (put_value(tmp, p, end, &null))
		return false;
	*match = str_eq(buf_view(tmp), key);
	return true;
}

/* The member or item of a valid object or array; NULL: none. *oom when memory ran out. */
static const char *member(struct eval *ev, const char *p, const char *limit, struct str key, bool *oom)
{
	struct json_fault f;
	bool object = *p == '{', match = false;
	int64_t k = 0, wanted = -1;

	if ((!object && *p != '[') || (!object && num_parse_i64(key, &wanted) != DEC_OK))
		return NULL;
	for (p = json_blanks(p + 1, limit); *p != (object ? '}' : ']'); k++) {
		if (object) {
			const char *end = json_skip_string(p, &f);

			if (!is_key(&ev->tmp, p, end, key, &match)) {
				*oom = true;
				return NULL;
			}
			p = json_blanks(json_blanks(end, limit) + 1, limit);
		}
		if (match || (!object && k == wanted))
			return p;
		p = json_blanks(json_value(p, limit, &f), limit);
		if (*p == ',')
			p = json_blanks(p + 1, limit);
	}
	return NULL;
}

KERNEL(json_get)
{
	struct json_fault f;
	bool oom = false;
	int rc;

	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		const char *text = padded(ev, s);
		const char *p;
		bool null = true;

		if (!text)
			return err_oom(e);
		ev->tmp.n = 0;
		p = whole(text, text + s.n, &f);
		if (!p && (rc = not_json(ev, x, ret, i, f.msg, e)) < 0)
			return rc;
		for (int k = 1; p && k < x->nargs; k++)
			p = member(ev, p, text + s.n, ARG(k, s, i), &oom);
		ev->tmp.n = 0;
		if (oom || (p && put_value(&ev->tmp, p, json_value(p, text + s.n, &f), &null)))
			return err_oom(e);
		ret->s[i] = text_copy(ev, buf_view(&ev->tmp));
		if (!ret->s[i].p)
			return err_oom(e);
		if (null && (rc = vec_set_null(ev, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

KERNEL(json_text)
{
	(void)x;
	EACH(sel, i,
		ev->tmp.n = 0;
		if (json_put_string(&ev->tmp, ARG(0, s, i)))
			return err_oom(e);
		ret->s[i] = text_copy(ev, buf_view(&ev->tmp));
		if (!ret->s[i].p)
			return err_oom(e);
	);
	return 0;
}

const struct fn fns_json[] = {
	{ "json_array", "s", 'l', { json_array }, NULL, "json_array(s)", "the items of a JSON array, for explode", NULL },
	{ "json_get", "sv*", 's', { json_get }, NULL, "json_get(s, 'key', 0, ...)",
	  "a member of JSON text by keys and, from 0, indices; or null", NULL },
	{ "json_quote", "s", 's', { json_text }, NULL, "json_quote(s)", "s as a JSON string", NULL },
	{ 0 },
};
