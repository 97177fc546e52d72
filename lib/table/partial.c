/* The description of partial states: see partial.h. Lines of "name text"; unknown names of a known version are ignored. */
#include "lib/table/partial.h"

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#include <stdlib.h>

static int put_line(struct buf *b, const char *name, struct str text)
{
	int rc = buf_puts(b, name) | buf_byte(b, ' ');

	for (size_t i = 0; i < text.n && !rc; i++) {
		if (text.p[i] == '\n')
			rc = buf_puts(b, "%0A");
		else if (text.p[i] == '%')
			rc = buf_puts(b, "%25");
		else
			rc = buf_byte(b, (uint8_t)text.p[i]);
	}
	return rc | buf_byte(b, '\n');
}

int partial_set(struct schema *s, const struct partial *p, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = buf_printf(&b, "version %d\n", PARTIAL_VERSION);

	if (p->group.n)
		rc |= put_line(&b, "group", p->group) | put_line(&b, "keys", p->keys);
	rc |= put_line(&b, "aggregates", p->aggregates);
	return rc ? err_oom(e) : schema_set_meta(s, STR(PARTIAL_KEY), buf_view(&b), e);
}

static struct str get_line(struct str text, const char *name, struct arena *a)
{
	size_t len = strlen(name), n = 0;
	struct str line = { 0 };
	char *p;

	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);

		line = (struct str){ text.p, end ? (size_t)(end - text.p) : text.n };
		if (line.n > len && memcmp(line.p, name, len) == 0 && line.p[len] == ' ')
			break;
		text = str_from(text, line.n + 1);
		line.n = 0;
	}
	line = line.n ? str_from(line, len + 1) : (struct str){ "", 0 };
	p = arena_alloc(a, line.n + 1);
	for (size_t i = 0; p && i < line.n; i++) {
		if (line.p[i] == '%' && line.n - i > 2) {
			p[n++] = line.p[i + 1] == '0' ? '\n' : '%';
			i += 2;
		} else {
			p[n++] = line.p[i];
		}
	}
	if (p)
		p[n] = 0;
	return (struct str){ p, n };
}

int partial_get(const struct schema *s, struct arena *a, struct partial *ret, struct err *e)
{
	const struct str *text = kvs_get(&s->meta, STR(PARTIAL_KEY));
	struct str version;

	if (!text) {
		err_set(e, ST_DATA, "the input holds no partial states");
		err_hint(e, "they are made with --partial and passed on as Arrow streams");
		return -e->status;
	}
	version = get_line(*text, "version", a);
	*ret = (struct partial){ get_line(*text, "group", a), get_line(*text, "keys", a), get_line(*text, "aggregates", a) };
	if (!version.p || !ret->group.p || !ret->keys.p || !ret->aggregates.p)
		return err_oom(e);
	if (!str_is(version, "1"))
		return err_set(e, ST_DATA, "partial states of version %.*s: this program knows version %d", STR_ARG(version),
			       PARTIAL_VERSION);
	return 0;
}

int partial_follows(const struct schema *first, const struct schema *next, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	const struct str *ours = kvs_get(&first->meta, STR(PARTIAL_KEY)), *theirs = kvs_get(&next->meta, STR(PARTIAL_KEY));
	struct partial a, b;
	int rc;

	if (!ours || (theirs && str_eq(*ours, *theirs)))
		return 0;
	if ((rc = partial_get(first, &arena, &a, e)) < 0 || (rc = partial_get(next, &arena, &b, e)) < 0)
		return rc;
	if (!str_eq(a.keys, b.keys))
		return err_set(e, ST_DATA, "the partial states are grouped by \"%.*s\", those before by \"%.*s\"", STR_ARG(b.keys),
			       STR_ARG(a.keys));
	if (!str_eq(a.aggregates, b.aggregates))
		return err_set(e, ST_DATA, "the partial states hold -a %.*s, those before -a %.*s", STR_ARG(b.aggregates),
			       STR_ARG(a.aggregates));
	return 0;
}
