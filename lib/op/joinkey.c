/* The grammar of join's keys: pairs of fields, or any of several left fields against one right field. */
#include "lib/op/joiner.h"

/* Position of the first unescaped `c` in s, or s.n. */
static size_t find_plain(struct str s, char c)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == c)
			return i;
	}
	return s.n;
}

static int one_part(struct str text, struct arena *a, struct key_part *ret, struct err *e)
{
	struct key_spec one;
	int rc = key_parse(text, a, &one, e);

	if (rc < 0)
		return rc;
	if (one.n != 1)
		return err_set(e, ST_USAGE, "-k: \"%.*s\" is not one field", STR_ARG(text));
	*ret = one.parts[0];
	return 0;
}

static int parse_pair(struct str text, struct arena *a, struct key_part *left, struct key_part *right, struct err *e)
{
	size_t at = find_plain(text, '=');
	struct str after = at < text.n ? str_from(text, at + 1) : text;
	int rc;

	if (at < text.n && find_plain(after, '=') < after.n)
		return err_set(e, ST_USAGE, "-k: \"%.*s\" has two =; in a name it is written \\=", STR_ARG(text));
	if ((rc = one_part(after, a, right, e)) < 0)
		return rc;
	if (right->desc || right->nullsfirst)
		return err_set(e, ST_USAGE, "-k: \"%.*s\": a join asks for equality, not for an order", STR_ARG(text));
	*left = *right;
	if (at == text.n)
		return 0;
	if ((rc = one_part((struct str){ text.p, at }, a, left, e)) < 0)
		return rc;
	if (left->reading != KEY_AUTO || left->desc || left->nullsfirst)
		return err_set(e, ST_USAGE, "-k: \"%.*s\": a reading stands at the end of the pair and is for both sides: a=b:num",
			       STR_ARG(text));
	left->reading = right->reading;
	return 0;
}

int join_pairs(struct str text, struct arena *a, struct key_spec *left, struct key_spec *right, struct err *e)
{
	int cap = 1, rc = 0;

	for (size_t i = 0; i < text.n; i++)
		cap += text.p[i] == ',';
	*left = *right = (struct key_spec){ 0 };
	left->parts = arena_array(a, struct key_part, (size_t)cap);
	right->parts = arena_array(a, struct key_part, (size_t)cap);
	if (!left->parts || !right->parts)
		return err_oom(e);
	while (rc == 0) {
		size_t n = find_plain(text, ',');

		rc = parse_pair((struct str){ text.p, n }, a, &left->parts[left->n++], &right->parts[right->n++], e);
		if (n == text.n)
			break;
		text = str_from(text, n + 1);
	}
	return rc;
}

int join_any(struct str text, struct arena *a, struct key_spec *left, struct key_spec *right, struct err *e)
{
	size_t at = find_plain(text, '=');
	struct str fields = { text.p, at }, after = at < text.n ? str_from(text, at + 1) : (struct str){ text.p, 0 };
	int rc;

	if (at == text.n || find_plain(after, '=') < after.n)
		return err_set(e, ST_USAGE, "--any: \"%.*s\" is not FIELD,FIELD...=FIELD", STR_ARG(text));
	*right = (struct key_spec){ 1, arena_new(a, struct key_part) };
	if (!right->parts)
		return err_oom(e);
	if ((rc = one_part(after, a, right->parts, e)) < 0 || (rc = key_parse(fields, a, left, e)) < 0)
		return rc;
	if (right->parts->desc || right->parts->nullsfirst)
		return err_set(e, ST_USAGE, "--any: \"%.*s\": a join asks for equality, not for an order", STR_ARG(text));
	for (int i = 0; i < left->n; i++) {
		if (left->parts[i].reading != KEY_AUTO || left->parts[i].desc || left->parts[i].nullsfirst)
			return err_set(e, ST_USAGE, "--any: \"%.*s\": a reading stands at the end and is for all fields", STR_ARG(text));
		left->parts[i].reading = right->parts->reading;
	}
	return 0;
}

/* As-of. */

static bool take_direction(struct str mod, struct join_asof *o)
{
	static const char *const names[] = { "backward", "forward", "nearest" };

	for (int i = 0; i < 3; i++)
		if (str_eq(mod, str_of(names[i]))) {
			o->direction = (enum asof_direction)i;
			return true;
		}
	return false;
}

/* Position of the last unescaped ':' in s, or s.n. */
static size_t last_colon(struct str s)
{
	size_t last = s.n;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == ':')
			last = i;
	}
	return last;
}

/* Takes directions from behind the pair; a reading may stand behind or before them. */
static struct str take_directions(struct str pair, struct arena *a, struct join_asof *o)
{
	struct str reading = { "", 0 };
	bool directed = false;
	size_t at;
	char *z;

	for (; (at = last_colon(pair)) < pair.n; pair.n = at) {
		struct str mod = str_from(pair, at + 1);

		if (!directed && (directed = take_direction(mod, o)))
			continue;
		if (!str_eq(mod, STR("time")) && !str_eq(mod, STR("num")))
			break;
		reading = str_from(pair, at);
	}
	if (!reading.n)
		return pair;
	z = arena_printf(a, "%.*s%.*s", STR_ARG(pair), STR_ARG(reading));
	return z ? str_of(z) : (struct str){ NULL, 0 };
}

int join_asof_parse(struct str text, struct arena *a, struct join_asof *ret, struct err *e)
{
	size_t comma = find_plain(text, ',');
	struct str pair = { text.p, comma }, more = comma < text.n ? str_from(text, comma + 1) : (struct str){ "", 0 };
	int rc;

	*ret = (struct join_asof){ .tolerance_us = -1 };
	pair = take_directions(pair, a, ret);
	if (!pair.p)
		return err_oom(e);
	if (comma < text.n && (more.n < 11 || memcmp(more.p, "tolerance=", 10) != 0 || find_plain(more, ',') < more.n))
		return err_set(e, ST_USAGE, "--asof: behind the field only tolerance=AMOUNT can follow, not \"%.*s\"", STR_ARG(more));
	if (more.n)
		ret->tolerance = str_from(more, 10);
	if ((rc = one_part(pair, a, &ret->right, e)) == 0 &&
	    (ret->right.desc || ret->right.nullsfirst ||
	     (ret->right.reading != KEY_AUTO && ret->right.reading != KEY_NUM && ret->right.reading != KEY_TIME)))
		return err_set(e, ST_USAGE, "--asof: \"%.*s\": only :num and :time have a distance", STR_ARG(pair));
	return rc < 0 ? rc : parse_pair(pair, a, &ret->left, &ret->right, e);
}
