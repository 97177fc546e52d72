/* Keys as asked for: parsed, bound to a schema, matched between two inputs, described. Their bytes are made in keycode.c.
 *
 * Invariant of a bound part: its reading is one that its column's type has (see class_of()), so that encoding can fail on
 * values only. */
#include "lib/table/key.h"

#include "lib/table/fields.h"

static const struct modifier {
	const char *name;
	enum key_reading reading; /* KEY_AUTO: a flag */
	bool desc, nullsfirst;
} modifiers[] = {
	{ "num", KEY_NUM, false, false },   { "text", KEY_TEXT, false, false },  { "nat", KEY_NAT, false, false },
	{ "fold", KEY_FOLD, false, false }, { "time", KEY_TIME, false, false },  { "desc", KEY_AUTO, true, false },
	{ "nullsfirst", KEY_AUTO, false, true },
};

#define MODIFIERS (sizeof modifiers / sizeof *modifiers)

static const struct modifier *find_modifier(struct str name)
{
	for (size_t i = 0; i < MODIFIERS; i++)
		if (str_is(name, modifiers[i].name))
			return &modifiers[i];
	return NULL;
}

static const char *reading_name(enum key_reading reading)
{
	for (size_t i = 0; i < MODIFIERS; i++)
		if (modifiers[i].reading == reading)
			return modifiers[i].name;
	return "";
}

/* ---- parsing ---- */

static int apply(struct key_part *part, const struct modifier *m, struct str key, struct err *e)
{
	bool twice = (m->desc && part->desc) || (m->nullsfirst && part->nullsfirst) || (m->reading && part->reading);

	if (twice)
		return err_set(e, ST_USAGE, "key \"%.*s\": \"%s\" %s", STR_ARG(key), m->name,
			       m->reading ? "besides another reading" : "is given twice");
	part->desc |= m->desc;
	part->nullsfirst |= m->nullsfirst;
	part->reading = m->reading ? m->reading : part->reading;
	return 0;
}

static int parse_part(struct str raw, struct arena *a, struct key_part *part, struct err *e)
{
	struct str name = raw;
	int rc;

	*part = (struct key_part){ 0 };
	for (;;) {
		int64_t colon = field_rindex(name, ':');
		const struct modifier *m = colon > 0 ? find_modifier(str_from(name, (size_t)colon + 1)) : NULL;

		if (!m)
			break;
		if ((rc = apply(part, m, raw, e)) < 0)
			return rc;
		name.n = (size_t)colon;
	}
	return field_parse(name, a, &part->name, &part->at, e);
}

int key_parse(struct str text, struct arena *a, struct key_spec *ret, struct err *e)
{
	struct str rest = text;
	bool more = true;
	int rc;

	*ret = (struct key_spec){ 0 };
	ret->parts = arena_array(a, struct key_part, text.n / 2 + 1); /* a part and its comma take two characters at least */
	if (!ret->parts)
		return err_oom(e);
	while (more) {
		struct str raw = field_token(&rest, ',', &more);

		if (!raw.n)
			return err_set(e, ST_USAGE, "key \"%.*s\": an empty field name", STR_ARG(text));
		if ((rc = parse_part(raw, a, &ret->parts[ret->n], e)) < 0)
			return rc;
		ret->n++;
	}
	return 0;
}

/* ---- binding ---- */

/* What can be compared with each other. */
enum key_class {
	CLASS_NONE, CLASS_NULL, CLASS_BYTES, CLASS_FOLDED, CLASS_NUMBER, CLASS_BOOL, CLASS_INSTANT, CLASS_CLOCK, CLASS_SPAN,
	CLASS_MONTHS
};

static enum key_class class_of_type(const struct type *t)
{
	static const uint8_t classes[T_COUNT] = {
		[T_NULL] = CLASS_NULL, [T_BOOL] = CLASS_BOOL, [T_INT8 ... T_DECIMAL] = CLASS_NUMBER, [T_DATE32] = CLASS_INSTANT,
		[T_DATE64] = CLASS_INSTANT, [T_TIMESTAMP] = CLASS_INSTANT, [T_TIME32] = CLASS_CLOCK, [T_TIME64] = CLASS_CLOCK,
		[T_DURATION] = CLASS_SPAN, [T_FIXED_BINARY] = CLASS_BYTES, [T_UTF8] = CLASS_BYTES, [T_BINARY] = CLASS_BYTES,
	};

	if (type_is_num(t))
		return CLASS_NUMBER;
	if (t->id == T_INTERVAL)
		return t->unit == 0 ? CLASS_MONTHS : CLASS_NONE;
	return (enum key_class)classes[t->id];
}

/* What a column is under a reading; CLASS_NONE: it has no such reading. */
static enum key_class class_of(const struct type *t, enum key_reading reading)
{
	enum key_class c = class_of_type(t);

	if (c == CLASS_NULL || c == CLASS_NONE || reading == KEY_AUTO)
		return c;
	switch (reading) {
	case KEY_NUM:
		return t->id == T_UTF8 || c == CLASS_NUMBER ? CLASS_NUMBER : CLASS_NONE;
	case KEY_TIME:
		return t->id == T_UTF8 || c == CLASS_INSTANT ? CLASS_INSTANT : CLASS_NONE;
	case KEY_FOLD:
		return t->id == T_UTF8 ? CLASS_FOLDED : CLASS_NONE;
	default:
		return c == CLASS_BYTES || c == CLASS_NUMBER || c == CLASS_BOOL || c == CLASS_INSTANT ? CLASS_BYTES : CLASS_NONE;
	}
}

static int check_reading(const struct key_bound *part, const struct schema *s, struct err *e)
{
	const struct field *f = &s->fields[part->col];
	char type[64];

	if (class_of(&f->type, part->reading) != CLASS_NONE)
		return 0;
	type_name(&f->type, type, sizeof type);
	if (part->reading == KEY_AUTO)
		err_set(e, ST_USAGE, "%s has no order and cannot be a key", type);
	else
		err_set(e, ST_USAGE, "%s cannot be read as \"%s\"", type, reading_name(part->reading));
	return err_field(e, f->name.p, (int)f->name.n);
}

int key_bind(const struct key_spec *spec, const struct schema *s, struct arena *a, struct key *ret, struct err *e)
{
	int rc;

	*ret = (struct key){ .n = spec->n, .parts = arena_array(a, struct key_bound, (size_t)spec->n) };
	if (!ret->parts)
		return err_oom(e);
	for (int i = 0; i < spec->n; i++) {
		const struct key_part *p = &spec->parts[i];
		struct key_bound *b = &ret->parts[i];

		*b = (struct key_bound){ .reading = p->reading, .desc = p->desc, .nullsfirst = p->nullsfirst };
		rc = field_find(p->name, p->at, s, &b->col, e);
		if (rc < 0 && memchr(p->name.p, ':', p->name.n))
			err_hint(e, "what may follow a name: num text nat fold time desc nullsfirst; \\: is part of the name");
		if (rc < 0 || (rc = check_reading(b, s, e)) < 0)
			return rc;
	}
	return 0;
}

/* ---- matching ---- */

/* Which of the encodings of its class a part has: two parts with the same one compare as they are. */
static int encoding(const struct type *t, enum key_class c)
{
	switch (c) {
	case CLASS_NUMBER:
		return type_is_float(t) ? 1 : type_is_int(t) && t->id != T_UINT64 ? 2 : 0;
	case CLASS_INSTANT:
		return t->id == T_UTF8 ? UNIT_US : t->id == T_DATE64 ? UNIT_MS : t->id == T_DATE32 ? 16 : t->unit;
	case CLASS_CLOCK:
	case CLASS_SPAN:
		return t->unit;
	default:
		return 0;
	}
}

static int no_match(const struct field *l, const struct field *r, struct err *e)
{
	char lt[64], rt[64];

	return err_set(e, ST_USAGE,
		       "field \"%.*s\" is %s on the left, \"%.*s\" is %s on the right: name a reading for both, as in %.*s:num or %.*s:text",
		       STR_ARG(l->name), type_name(&l->type, lt, sizeof lt), STR_ARG(r->name), type_name(&r->type, rt, sizeof rt),
		       STR_ARG(l->name), STR_ARG(l->name));
}

static int match_part(struct key_bound *l, const struct schema *ls, struct key_bound *r, const struct schema *rs, struct err *e)
{
	const struct field *lf = &ls->fields[l->col], *rf = &rs->fields[r->col];
	enum key_class lc, rc;
	int status;

	if (l->reading == KEY_AUTO)
		l->reading = r->reading;
	if (r->reading == KEY_AUTO)
		r->reading = l->reading;
	if ((status = check_reading(l, ls, e)) < 0 || (status = check_reading(r, rs, e)) < 0)
		return status;
	lc = class_of(&lf->type, l->reading);
	rc = class_of(&rf->type, r->reading);
	if (lc == CLASS_NULL || rc == CLASS_NULL)
		return 0;
	if (lc != rc || l->reading != r->reading)
		return no_match(lf, rf, e);
	l->exact = r->exact = encoding(&lf->type, lc) != encoding(&rf->type, rc);
	return 0;
}

int key_match(struct key *left, const struct schema *ls, struct key *right, const struct schema *rs, struct err *e)
{
	int rc;

	if (left->n != right->n)
		return err_set(e, ST_USAGE, "%d key fields on the left, %d on the right", left->n, right->n);
	for (int i = 0; i < left->n; i++)
		if ((rc = match_part(&left->parts[i], ls, &right->parts[i], rs, e)) < 0)
			return rc;
	return 0;
}

int key_describe(const struct key *k, const struct schema *s, struct buf *b)
{
	for (int i = 0; i < k->n; i++) {
		const struct key_bound *p = &k->parts[i];

		if ((i && buf_byte(b, ',')) || field_escape(s->fields[p->col].name, b))
			return -1;
		if (p->reading && (buf_byte(b, ':') || buf_puts(b, reading_name(p->reading))))
			return -1;
		if ((p->desc && buf_puts(b, ":desc")) || (p->nullsfirst && buf_puts(b, ":nullsfirst")))
			return -1;
	}
	return 0;
}
