/* Declared types: see declare.h. */
#include "lib/format/declare.h"

#include "lib/format/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#define SCHEMA_MAX (16 << 20)
#define NAMES "text, num, json, int64, float64, decimal128(DIGITS, SCALE), bool, date, timestamp, binary"

/* "decimal128(38, 2)". */
static bool parse_decimal_type(struct str name, struct type *ret)
{
	char text[32], end;
	int precision, scale;

	if (name.n == 0 || name.n >= sizeof text || name.p[name.n - 1] != ')')
		return false;
	memcpy(text, name.p, name.n);
	text[name.n - 1] = '\0';
	if (sscanf(text, "decimal128(%d, %d%c", &precision, &scale, &end) != 2)
		return false;
	*ret = (struct type){ .id = T_DECIMAL, .layout = LAY_FIXED, .width = 16, .precision = precision, .scale = scale };
	return precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision;
}

bool type_parse(struct str name, struct type *ret)
{
	const struct {
		const char *name;
		struct type type;
	} rows[] = {
		{ "text", TYPE_TEXT },
		{ "num", TYPE_NUM },
		{ "json", TYPE_JSON },
		{ "int64", TYPE_INT64 },
		{ "float64", TYPE_FLOAT64 },
		{ "bool", TYPE_BOOL },
		{ "date", TYPE_DATE },
		{ "date32", TYPE_DATE },
		{ "binary", TYPE_BINARY },
		{ "timestamp", TYPE_TIMESTAMP(UNIT_US, STR("UTC")) },
		{ "timestamp[us, UTC]", TYPE_TIMESTAMP(UNIT_US, STR("UTC")) },
		{ "timestamp[us]", TYPE_TIMESTAMP(UNIT_US, STR("")) },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (str_is(name, rows[i].name)) {
			*ret = rows[i].type;
			return true;
		}
	}
	return parse_decimal_type(name, ret);
}

/* A list that grows in the arena. */
static int add(struct declared *d, struct arena *a, struct str name, struct str type, struct err *e)
{
	struct field f = { .name = name, .nullable = true };

	if (!type_parse(type, &f.type)) {
		err_set(e, ST_USAGE, "\"%.*s\" is no type to declare; there are: " NAMES, STR_ARG(type));
		return err_field(e, name.p, (int)name.n);
	}
	if ((d->n & (d->n - 1)) == 0) {
		struct field *v = arena_array(a, struct field, d->n ? (size_t)d->n * 2 : 1);

		if (!v)
			return err_oom(e);
		if (d->n)
			memcpy(v, d->v, (size_t)d->n * sizeof *v);
		d->v = v;
	}
	d->v[d->n++] = f;
	return 0;
}

/* Takes the backslashes out of s. */
static int unescape(struct str s, struct arena *a, struct str *ret, struct err *e)
{
	static const char from[] = "stnr", to[] = " \t\n\r";
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	if (!p)
		return err_oom(e);
	for (size_t i = 0; i < s.n; i++) {
		const char *x;

		if (s.p[i] == '\\' && i + 1 < s.n)
			p[n++] = (x = memchr(from, s.p[++i], 4)) ? to[x - from] : s.p[i];
		else
			p[n++] = s.p[i];
	}
	*ret = (struct str){ p, n };
	return 0;
}

static int read_option(struct str s, struct declared *d, struct arena *a, struct err *e)
{
	for (size_t i = 0, equals, start; i <= s.n; i++) {
		struct str name;
		int rc;

		for (start = i, equals = SIZE_MAX; i < s.n && s.p[i] != ','; i++) {
			if (s.p[i] == '=')
				equals = i;
			else if (s.p[i] == '[' || s.p[i] == '(') /* timestamp[us, UTC], decimal128(38, 2) */
				while (i + 1 < s.n && s.p[i] != ']' && s.p[i] != ')')
					i++;
			else if (s.p[i] == '\\')
				i++;
		}
		if (i > s.n)
			i = s.n;
		if (equals == SIZE_MAX)
			return err_set(e, ST_USAGE, "--type: \"%.*s\" is not FIELD=TYPE", (int)(i - start), s.p + start);
		if ((rc = unescape((struct str){ s.p + start, equals - start }, a, &name, e)) < 0 ||
		    (rc = add(d, a, name, (struct str){ s.p + equals + 1, i - equals - 1 }, e)) < 0)
			return rc;
	}
	return 0;
}

static int read_line(struct str line, struct declared *d, struct arena *a, struct err *e)
{
	size_t n = 0;
	struct str name;
	int rc;

	while (line.n && strchr(" \t\r", line.p[line.n - 1]))
		line.n--;
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
		n++;
	if ((rc = unescape((struct str){ line.p, n }, a, &name, e)) < 0)
		return rc;
	while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	if (n == line.n)
		return err_set(e, ST_USAGE, "a schema line is \"NAME TYPE\" (a blank in a name is \\s)");
	return add(d, a, name, str_from(line, n), e);
}

static int read_file(const char *path, struct declared *d, struct arena *a, struct err *e)
{
	char *text = NULL;
	struct in *in;
	ssize_t n;
	int rc;

	if ((rc = in_open(&in, path, e)) < 0)
		return rc;
	text = arena_alloc(a, SCHEMA_MAX);
	n = text ? in_read_full(in, text, SCHEMA_MAX, e) : err_oom(e);
	in_close(in);
	if (n < 0)
		return (int)n;
	for (int64_t line = 1, at = 0; at < n; line++) {
		const char *end = memchr(text + at, '\n', (size_t)(n - at));
		size_t len = end ? (size_t)(end - text - at) : (size_t)(n - at);

		if ((rc = read_line((struct str){ text + at, len }, d, a, e)) < 0) {
			err_at(e, path, line, 0);
			return rc;
		}
		at += (int64_t)len + 1;
	}
	return 0;
}

int declared_read(const struct read_opts *o, struct arena *a, struct declared *ret, struct err *e)
{
	int rc;

	*ret = (struct declared){ 0 };
	if (o->schema && (rc = read_file(o->schema, ret, a, e)) < 0)
		return rc;
	return o->types ? read_option(str_of(o->types), ret, a, e) : 0;
}

const struct type *declared_find(const struct declared *d, struct str name)
{
	for (int i = d->n; i-- > 0;)
		if (str_eq(d->v[i].name, name))
			return &d->v[i].type;
	return NULL;
}

int declared_check(const struct declared *d, const struct schema *s, struct err *e)
{
	for (int i = 0; i < d->n; i++)
		if (schema_find(s, d->v[i].name) < 0)
			return schema_no_field(s, d->v[i].name, e);
	return 0;
}

static int put_fixed(struct builder *b, const void *p, struct err *e)
{
	int rc = builder_fixed(b, p, e);

	return rc < 0 ? rc : 1;
}

static int parse_bool(struct builder *b, struct str s, struct err *e)
{
	bool yes = str_is(s, "true");
	int rc;

	if (!yes && !str_is(s, "false"))
		return 0;
	rc = builder_bool(b, yes, e);
	return rc < 0 ? rc : 1;
}

static int parse_num(struct builder *b, struct str s, struct err *e)
{
	struct decpool pool = { 0 };
	struct dec d;
	enum dec_read r = dec_parse(s, &pool, &d);
	int rc;

	decpool_free(&pool);
	if (r == DEC_NOMEM)
		return err_oom(e);
	if (r != DEC_OK && r != DEC_SPECIAL)
		return 0;
	rc = builder_str(b, s, e);
	return rc < 0 ? rc : 1;
}

static int is_json(struct str s, struct err *e)
{
	cleanup_buf struct buf copy = { 0 }; /* the scanner wants a line end and room behind its text */
	struct json_fault fault;
	const char *p, *end;

	if (buf_str(&copy, s) || buf_byte(&copy, '\n') || buf_zero(&copy, JSON_PAD))
		return err_oom(e);
	end = (const char *)copy.p + s.n;
	p = json_value(json_blanks((const char *)copy.p, end), end, &fault);
	return p && json_blanks(p, end) == end;
}

static int parse_text(struct builder *b, struct str s, struct err *e)
{
	int rc = b->type->mark == MARK_JSON ? is_json(s, e) : 1;

	if (rc <= 0)
		return rc;
	if (b->type->mark == MARK_NUM)
		return parse_num(b, s, e);
	rc = builder_str(b, s, e);
	return rc < 0 ? rc : 1;
}

/* Digits with at most `scale` behind the point and `precision` in all. */
static bool decimal_value(struct str s, int precision, int scale, __int128 *ret)
{
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');
	bool point = false, any = false;
	int digits = 0;
	__int128 v = 0;

	for (; i < s.n; i++) {
		if (s.p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9' || (point && scale-- == 0))
			return false;
		any = true;
		v = v * 10 + (s.p[i] - '0');
		digits += v > 0;
		if (digits > precision)
			return false;
	}
	for (; scale > 0 && digits <= precision; scale--, digits += v > 0)
		v *= 10;
	*ret = s.n && s.p[0] == '-' ? -v : v;
	return any && digits <= precision;
}

/* Only what spells infinity is infinite. */
static bool parse_float(struct str s, double *ret)
{
	return num_parse_f64(s, ret) == DEC_OK && (!isinf(*ret) || isalpha((unsigned char)s.p[s.n - 1]));
}

const char *value_beyond(const struct type *t, struct str s)
{
	int64_t i;
	double f;

	return (t->id == T_INT64 && num_parse_i64(s, &i) == DEC_LIMIT) || (t->id == T_FLOAT64 && num_parse_f64(s, &f) != DEC_BAD) ?
		       ": out of range" :
		       "";
}

int value_parse(struct builder *b, struct str s, struct err *e)
{
	union {
		int64_t i;
		int32_t days;
		double f;
		__int128 decimal;
	} v;

	switch (b->type->id) {
	case T_UTF8:
	case T_BINARY:
		return parse_text(b, s, e);
	case T_BOOL:
		return parse_bool(b, s, e);
	case T_INT64:
		return num_parse_i64(s, &v.i) == DEC_OK ? put_fixed(b, &v.i, e) : 0;
	case T_FLOAT64:
		return parse_float(s, &v.f) ? put_fixed(b, &v.f, e) : 0;
	case T_DATE32:
		return date_parse(s, &v.days) ? put_fixed(b, &v.days, e) : 0;
	case T_TIMESTAMP:
		return time_parse(s, &v.i) ? put_fixed(b, &v.i, e) : 0;
	case T_DECIMAL:
		return decimal_value(s, b->type->precision, b->type->scale, &v.decimal) ? put_fixed(b, &v.decimal, e) : 0;
	default:
		return err_set(e, ST_BUG, "no text form for this type");
	}
}

static int print_escaped(struct str text, const char *special, const char *letter, struct buf *b)
{
	for (size_t i = 0; i < text.n; i++) {
		const char *x = text.p[i] ? strchr(special, text.p[i]) : NULL;

		if (x ? buf_byte(b, '\\') || buf_byte(b, (uint8_t)letter[x - special]) : buf_byte(b, (uint8_t)text.p[i]))
			return -1;
	}
	return 0;
}

/* The type to declare for values that print as those of t. */
static struct type declarable(const struct type *t)
{
	char name[256];
	struct type own;

	if (type_parse(str_of(type_name(t, name, sizeof name)), &own))
		return own;
	if (t->id == T_UINT64 || t->id == T_DECIMAL)
		return TYPE_NUM;
	if (type_is_int(t))
		return TYPE_INT64;
	if (type_is_float(t))
		return TYPE_FLOAT64;
	if (t->id == T_TIMESTAMP)
		return TYPE_TIMESTAMP(UNIT_US, t->tz.n ? STR("UTC") : STR(""));
	return t->nchildren ? TYPE_JSON : TYPE_TEXT;
}

/* As --meta takes it, behind the mark of a comment. */
static int print_meta(const struct kvs *meta, struct str field, const char *dot, struct buf *b)
{
	static const char special[] = "\n\r\\", letter[] = "nr\\";

	for (int i = 0; i < meta->n; i++)
		if (buf_puts(b, "# meta ") || print_escaped(field, special, letter, b) || buf_puts(b, dot) ||
		    print_escaped(meta->v[i].key, special, letter, b) || buf_byte(b, '=') ||
		    print_escaped(meta->v[i].value, special, letter, b) || buf_byte(b, '\n'))
			return -1;
	return 0;
}

int schema_print(const struct schema *s, struct buf *b)
{
	char name[64];

	if (print_meta(&s->meta, STR(""), "", b))
		return -1;
	for (int i = 0; i < s->nfields; i++) {
		struct type t = declarable(&s->fields[i].type);

		if (print_escaped(s->fields[i].name, " \t\n\r\\#", "stnr\\#", b) ||
		    buf_printf(b, " %s\n", type_name(&t, name, sizeof name)) ||
		    print_meta(&s->fields[i].meta, s->fields[i].name, ".", b))
			return -1;
	}
	return 0;
}
