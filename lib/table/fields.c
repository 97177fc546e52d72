/* FIELD and FIELDS: see fields.h and key.h. A token stays raw, with its escapes, until it is known what it is: a position, a
 * range, a pattern or a name. */
#include "lib/table/fields.h"

#include "lib/table/key.h"

/* Stands for an unescaped * in a pattern: no byte of UTF-8. */
#define ANY '\xff'

struct str field_token(struct str *rest, char sep, bool *more)
{
	struct str token = { rest->p, 0 };

	while (token.n < rest->n && rest->p[token.n] != sep)
		token.n += rest->p[token.n] == '\\' && token.n + 1 < rest->n ? 2 : 1;
	*more = token.n < rest->n;
	*rest = str_from(*rest, token.n + 1);
	return token;
}

int64_t field_rindex(struct str raw, char c)
{
	int64_t at = -1;

	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == c)
			at = (int64_t)i;
		i += raw.p[i] == '\\';
	}
	return at;
}

/* Copies raw without its escapes; unescaped stars become ANY where patterns are wanted. */
static int unescape(struct str raw, bool pattern, struct arena *a, struct str *ret, struct err *e)
{
	char *p = arena_alloc(a, raw.n + 1);
	size_t n = 0;

	if (!p)
		return err_oom(e);
	for (size_t i = 0; i < raw.n; i++) {
		bool escaped = raw.p[i] == '\\';

		if (escaped && (++i == raw.n || !memchr(",:=@*.\\", raw.p[i], 7)))
			return err_set(e, ST_USAGE, "field \"%.*s\": \\ stands before one of , : = @ * . \\ only", STR_ARG(raw));
		p[n++] = pattern && !escaped && raw.p[i] == '*' ? ANY : raw.p[i];
	}
	*ret = (struct str){ p, n };
	return 0;
}

static int parse_position(struct str raw, int *at, struct err *e)
{
	bool bad = raw.n < 2 || raw.n > 9;

	*at = 0;
	for (size_t i = 1; i < raw.n && !bad; i++) {
		bad = (unsigned char)(raw.p[i] - '0') > 9;
		*at = *at * 10 + (raw.p[i] - '0');
	}
	if (bad || !*at)
		return err_set(e, ST_USAGE, "\"%.*s\": @ takes the number of a field, from 1 (\\@ is the character)", STR_ARG(raw));
	return 0;
}

int field_parse(struct str raw, struct arena *a, struct str *name, int *at, struct err *e)
{
	*at = 0;
	*name = raw;
	if (!raw.n)
		return err_set(e, ST_USAGE, "an empty field name");
	if (*raw.p == '@') {
		*name = (struct str){ "", 0 };
		return parse_position(raw, at, e);
	}
	return memchr(raw.p, '\\', raw.n) ? unescape(raw, false, a, name, e) : 0;
}

int field_find(struct str name, int at, const struct schema *s, int *ret, struct err *e)
{
	if (at > s->nfields)
		return err_set(e, ST_USAGE, "no field @%d; there are %d", at, s->nfields);
	*ret = at > 0 ? at - 1 : schema_find(s, name);
	return *ret < 0 ? schema_no_field(s, name, e) : 0;
}

int field_escape(struct str name, struct buf *b)
{
	for (size_t i = 0; i < name.n; i++) {
		bool dots = name.p[i] == '.' && i + 1 < name.n && name.p[i + 1] == '.';

		if ((dots || memchr(",:=@*\\", name.p[i], 6)) && buf_byte(b, '\\'))
			return -1;
		if (buf_byte(b, (uint8_t)name.p[i]))
			return -1;
	}
	return 0;
}

static int resolve(struct str raw, const struct schema *s, struct arena *a, int *ret, struct err *e)
{
	struct str name;
	int at, rc;

	if ((rc = field_parse(raw, a, &name, &at, e)) < 0)
		return rc;
	return field_find(name, at, s, ret, e);
}

int field_resolve(struct str text, const struct schema *s, int *ret, struct err *e)
{
	cleanup_arena struct arena a = { 0 };

	return resolve(text, s, &a, ret, e);
}

/* ---- FIELDS ---- */

struct list {
	const struct schema *s;
	struct arena *a;
	int *idx;
	bool *taken;
	int n;
	struct err *e;
};

static void add(struct list *l, int i)
{
	if (!l->taken[i])
		l->idx[l->n++] = i;
	l->taken[i] = true;
}

/* The first unescaped "..", or -1. */
static int64_t find_dots(struct str raw)
{
	for (size_t i = 0; i + 1 < raw.n; i++) {
		if (raw.p[i] == '.' && raw.p[i + 1] == '.')
			return (int64_t)i;
		i += raw.p[i] == '\\';
	}
	return -1;
}

/* "a..d", "..d", "a.."; from right to left when d lies before a. */
static int add_range(struct list *l, struct str from, struct str to)
{
	int i = 0, last = l->s->nfields - 1, rc;

	if (from.n && (rc = resolve(from, l->s, l->a, &i, l->e)) < 0)
		return rc;
	if (to.n && (rc = resolve(to, l->s, l->a, &last, l->e)) < 0)
		return rc;
	if (last < 0)
		return 0;
	for (; i != last; i += i < last ? 1 : -1)
		add(l, i);
	add(l, last);
	return 0;
}

/* Backtracks to the last star only: enough, since an earlier one can always take less. */
static bool matches(struct str pattern, struct str name)
{
	size_t i = 0, k = 0, star = SIZE_MAX, from = 0;

	while (k < name.n) {
		if (i < pattern.n && pattern.p[i] == ANY) {
			star = i++;
			from = k;
		} else if (i < pattern.n && pattern.p[i] == name.p[k]) {
			i++;
			k++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			k = ++from;
		} else {
			return false;
		}
	}
	while (i < pattern.n && pattern.p[i] == ANY)
		i++;
	return i == pattern.n;
}

static int add_pattern(struct list *l, struct str raw)
{
	struct str pattern;
	bool found = false;
	int rc;

	if ((rc = unescape(raw, true, l->a, &pattern, l->e)) < 0)
		return rc;
	for (int i = 0; i < l->s->nfields; i++)
		if (matches(pattern, l->s->fields[i].name)) {
			add(l, i);
			found = true;
		}
	return found ? 0 : schema_no_field(l->s, raw, l->e);
}

static int add_token(struct list *l, struct str raw)
{
	int64_t dots = find_dots(raw);
	int i, rc;

	if (dots >= 0)
		return add_range(l, (struct str){ raw.p, (size_t)dots }, str_from(raw, (size_t)dots + 2));
	if (field_rindex(raw, '*') >= 0)
		return add_pattern(l, raw);
	if ((rc = resolve(raw, l->s, l->a, &i, l->e)) < 0)
		return rc;
	add(l, i);
	return 0;
}

int fields_resolve(struct str text, const struct schema *s, struct arena *a, int **ret, int *n, struct err *e)
{
	struct list l = { .s = s, .a = a, .e = e };
	bool more = true;
	int rc;

	l.idx = arena_array(a, int, (size_t)s->nfields + 1);
	l.taken = arena_array(a, bool, (size_t)s->nfields + 1);
	if (!l.idx || !l.taken)
		return err_oom(e);
	while (more)
		if ((rc = add_token(&l, field_token(&text, ',', &more))) < 0)
			return rc;
	*ret = l.idx;
	*n = l.n;
	return 0;
}
