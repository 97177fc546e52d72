/* Records of a JSON array as lines: see array.h. A record is followed only as far as its brackets and strings go; whether they
 * match, and all else, is the record parser's to say. */
#include "lib/format/array.h"

static int fail_at(const struct array *a, const struct array_place *where, const char *msg, struct err *e)
{
	err_set(e, ST_DATA, "%s", msg);
	return err_at(e, a->name, where->line + 1, where->at - where->line_at + 1);
}

static void new_line(struct array *a)
{
	a->now.line++;
	a->now.line_at = a->now.at + 1;
}

static int no_array(const struct array *a, uint8_t c, struct err *e)
{
	int rc = fail_at(a, &a->now, "a JSON array must begin here, with [", e);

	if (c == '{')
		err_hint(e, "one object a line: --from jsonl");
	return rc;
}

static bool is_bom(const struct array *a, uint8_t c)
{
	return a->now.at < 3 && c == (uint8_t)"\xef\xbb\xbf"[a->now.at];
}

static void in_string(struct array *a, uint8_t *p)
{
	uint8_t c = *p;

	if (a->escape)
		a->escape = false;
	else if (c == '\\')
		a->escape = true;
	else if (c == '"')
		a->string = false;
	if (c == '\r')
		*p = '\f';
}

/* A byte of a record, or the one behind it. */
static void in_record(struct array *a, uint8_t *p)
{
	switch (*p) {
	case '"':
		a->string = true;
		break;
	case '{':
	case '[':
		a->depth++;
		break;
	case ',':
		if (a->depth)
			break;
		a->state = ARRAY_NEXT;
		*p = '\n';
		break;
	case ']':
	case '}':
		if (a->depth) {
			a->depth--;
		} else if (*p == ']') {
			a->state = ARRAY_BEHIND;
			*p = '\n';
		}
		break;
	case '\r':
		*p = ' ';
		break;
	default:
		break;
	}
}

/* A record, or no record at all. */
static void begin_or_end(struct array *a, uint8_t *p)
{
	if (*p == ']') {
		a->state = ARRAY_BEHIND;
		*p = ' ';
		return;
	}
	a->state = ARRAY_RECORD;
	a->record = a->now;
	in_record(a, p);
}

/* A byte that is not blank and not in a record. */
static int between(struct array *a, uint8_t *p, struct err *e)
{
	uint8_t c = *p;

	switch (a->state) {
	case ARRAY_BEFORE:
		if (c != '[' && !is_bom(a, c))
			return no_array(a, c, e);
		a->state = c == '[' ? ARRAY_FIRST : ARRAY_BEFORE;
		*p = ' ';
		return 0;
	case ARRAY_FIRST:
	case ARRAY_NEXT:
		if (c == ',' || (c == ']' && a->state == ARRAY_NEXT))
			return fail_at(a, &a->now, "a record must stand here", e);
		begin_or_end(a, p);
		return 0;
	default:
		return fail_at(a, &a->now, "something follows the array", e);
	}
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int take(struct array *a, uint8_t *p, struct err *e)
{
	if (a->state == ARRAY_RECORD && a->now.at - a->record.at >= a->record_max && *p != ',' && *p != ']') {
		fail_at(a, &a->record, "a record is longer than --max-field", e);
		return err_hint(e, "allow more: --max-field SIZE");
	}
	if (*p == '\n') {
		*p = '\r';
		a->escape = false;
		new_line(a);
	} else if (a->string) {
		in_string(a, p);
	} else if (a->state == ARRAY_RECORD) {
		in_record(a, p);
	} else if (!is_blank(*p)) {
		return between(a, p, e);
	} else {
		*p = ' ';
	}
	return 0;
}

/* Bytes at p of a record that are as they should be and mean nothing here. */
static size_t dull(const struct array *a, const uint8_t *p, size_t n)
{
	enum { RECORD = 1, STRING = 2 };
	static const uint8_t stops[256] = {
		['"'] = RECORD | STRING, ['\n'] = RECORD | STRING, ['\r'] = RECORD | STRING, ['\\'] = STRING,
		['{'] = RECORD, ['}'] = RECORD, ['['] = RECORD, [']'] = RECORD, [','] = RECORD,
	};
	uint8_t stop = a->string ? STRING : RECORD;
	int64_t room = a->record_max - (a->now.at - a->record.at);
	size_t i = 0;

	if (a->state != ARRAY_RECORD || a->escape || room <= 0)
		return 0;
	if (n > (size_t)room)
		n = (size_t)room;
	while (i < n && !(stops[p[i]] & stop))
		i++;
	return i;
}

int array_lines(struct array *a, uint8_t *p, size_t n, size_t *keep, struct err *e)
{
	int rc = 0;

	*keep = 0;
	for (size_t i = 0; i < n; i++, a->now.at++) {
		bool text = a->state != ARRAY_BEHIND;
		size_t skip = dull(a, p + i, n - i);

		a->now.at += (int64_t)skip;
		*keep += skip;
		i += skip;
		if (i == n)
			break;
		if ((rc = take(a, p + i, e)) < 0)
			return rc;
		*keep += text;
	}
	return 0;
}

int array_end(const struct array *a, struct err *e)
{
	switch (a->state) {
	case ARRAY_BEHIND:
		return 0;
	case ARRAY_BEFORE:
		return fail_at(a, &a->now, "the input is empty: a JSON array, [ ... ], was expected", e);
	case ARRAY_RECORD:
		return fail_at(a, &a->record, "the input ends inside the record that begins here", e);
	default:
		return fail_at(a, &a->now, "the input ends inside the array: its ] is missing", e);
	}
}
