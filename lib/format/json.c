/* JSON text: see json.h. Sixteen bytes at a time where strings are plain ASCII; everything else byte by byte. */
#include "lib/format/json.h"

#include "lib/format/format.h"
#include "lib/format/json_simd.h"

const char *json_fail(struct json_fault *f, const char *at, const char *msg)
{
	*f = (struct json_fault){ at, msg };
	return NULL;
}

const char *json_blanks(const char *p, const char *limit)
{
	while (*p == ' ' || *p == '\t' || *p == '\r' || (*p == '\n' && p < limit))
		p++;
	return p;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *digits(const char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

const char *json_number(const char *p, struct json_fault *f)
{
	const char *q = p + (*p == '-');

	if (!is_digit(*q))
		return json_fail(f, q, "a digit must follow the minus sign");
	if (*q == '0' && is_digit(q[1]))
		return json_fail(f, q, "a number must not begin with 0");
	q = digits(q);
	if (*q == '.') {
		if (!is_digit(*++q))
			return json_fail(f, q, "a digit must follow the decimal point");
		q = digits(q);
	}
	if (*q == 'e' || *q == 'E') {
		q++;
		q += *q == '+' || *q == '-';
		if (!is_digit(*q))
			return json_fail(f, q, "the exponent has no digits");
		q = digits(q);
	}
	return q;
}

/* Length of the UTF-8 sequence at p (Unicode 15, table 3-7), 0: invalid. The sentinel ends every truncated one. */
static int utf8_length(const unsigned char *p)
{
	static const struct {
		unsigned char first, last, lo, hi;
		int length;
	} ranges[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		if (*p < ranges[i].first || *p > ranges[i].last)
			continue;
		if (p[1] < ranges[i].lo || p[1] > ranges[i].hi)
			return 0;
		for (int k = 2; k < ranges[i].length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return ranges[i].length;
	}
	return 0;
}

static int hex4(const char *p)
{
	int v = 0;

	for (int k = 0; k < 4; k++) {
		char c = p[k], low = (char)(c | 32);

		if (is_digit(c))
			v = v * 16 + (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v * 16 + (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static char *put_code_point(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* \uXXXX at p, or a pair of them. */
static const char *decode_u(const char *p, char **to, struct json_fault *f)
{
	int high = hex4(p + 2), low;

	if (high < 0)
		return json_fail(f, p, "\\u must be followed by four hexadecimal digits");
	if (high < 0xd800 || high > 0xdfff) {
		*to = put_code_point(*to, (unsigned)high);
		return p + 6;
	}
	low = high < 0xdc00 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return json_fail(f, p, "a surrogate without its other half is not a character");
	*to = put_code_point(*to, 0x10000u + ((unsigned)(high - 0xd800) << 10) + (unsigned)(low - 0xdc00));
	return p + 12;
}

static const char *decode_escape(const char *p, char **to, struct json_fault *f)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *k;

	if (p[1] == 'u')
		return decode_u(p, to, f);
	if (p[1] == '\0' || !(k = strchr(from, p[1])))
		return json_fail(f, p, p[1] == '\n' ? "the line ends inside a string" : "unknown escape");
	*(*to)++ = into[k - from];
	return p + 2;
}

const char *json_decode_special(const char *p, char **to, struct json_fault *f)
{
	int n;

	if (*p == '\\')
		return decode_escape(p, to, f);
	if (!((unsigned char)*p & 0x80))
		return json_fail(f, p, *p == '\n' ? "the line ends inside a string" : "a control character in a string must be escaped");
	for (int k = 0; k < JSON_RUN && (unsigned char)*p & 0x80; k++) {
		n = utf8_length((const unsigned char *)p);
		if (!n)
			return json_fail(f, p, "not UTF-8");
		memcpy(*to, p, 4);
		*to += n;
		p += n;
	}
	return p;
}

const char *json_decode(const char *p, char **to, struct json_fault *f)
{
	int n;

	for (p++;;) {
		n = json_copy16(p, *to);
		p += n;
		*to += n;
		if (n == 16)
			continue;
		if (*p == '"')
			return p + 1;
		p = json_decode_special(p, to, f);
		if (!p)
			return NULL;
	}
}

const char *json_skip_string(const char *p, struct json_fault *f)
{
	char sink[32], *to;
	int n;

	for (p++;;) {
		n = json_copy16(p, sink);
		p += n;
		if (n == 16)
			continue;
		if (*p == '"')
			return p + 1;
		if ((unsigned char)*p & 0x80) {
			n = utf8_length((const unsigned char *)p);
			if (!n)
				return json_fail(f, p, "not UTF-8");
			p += n;
			continue;
		}
		to = sink;
		p = json_decode_special(p, &to, f);
		if (!p)
			return NULL;
	}
}

static const char *word(const char *p, struct json_fault *f)
{
	static const char *const words[] = { "true", "false", "null" };

	for (int i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if (memcmp(p, words[i], n) == 0)
			return p + n;
	}
	return json_fail(f, p, *p == '\n' ? "the line ends where a value should be" : "not a JSON value");
}

static const char *scalar(const char *p, struct json_fault *f)
{
	if (*p == '"')
		return json_skip_string(p, f);
	return *p == '-' || is_digit(*p) ? json_number(p, f) : word(p, f);
}

/* `"key" :` at p, up to the value. */
static const char *member_key(const char *p, const char *limit, struct json_fault *f)
{
	if (*p != '"')
		return json_fail(f, p, *p == '\n' ? "the line ends inside an object" : "a key in quotes must stand here");
	p = json_skip_string(p, f);
	if (!p)
		return NULL;
	p = json_blanks(p, limit);
	if (*p != ':')
		return json_fail(f, p, "a colon must follow the key");
	return json_blanks(p + 1, limit);
}

static const char *after_value_fault(char c, bool object)
{
	if (c == '\n')
		return object ? "the line ends inside an object" : "the line ends inside an array";
	return object ? "a comma or } must stand here" : "a comma or ] must stand here";
}

/* After a value inside `open`: closes as many as end here, or steps over the comma to the next value. Returns NULL on a fault;
 * *depth is `outside` when the outermost has been closed. */
static const char *after_value(const char *p, const char *limit, const char *open, int *depth, int outside, struct json_fault *f)
{
	while (*depth > outside) {
		bool object = open[*depth - 1] == '{';

		p = json_blanks(p, limit);
		if (*p == ',') {
			p = json_blanks(p + 1, limit);
			return object ? member_key(p, limit, f) : p;
		}
		if (*p != (object ? '}' : ']'))
			return json_fail(f, p, after_value_fault(*p, object));
		p++;
		--*depth;
	}
	return p;
}

const char *json_value(const char *p, const char *limit, struct json_fault *f)
{
	return json_value_at(p, limit, 0, f);
}

const char *json_value_at(const char *p, const char *limit, int outside, struct json_fault *f)
{
	char open[JSON_DEPTH];
	int depth = outside;

	for (;;) {
		if (*p == '{' || *p == '[') {
			char close = *p == '{' ? '}' : ']';

			if (depth == JSON_DEPTH)
				return json_fail(f, p, "nested deeper than 512 levels");
			open[depth++] = *p;
			p = json_blanks(p + 1, limit);
			if (*p == close) {
				p++;
				depth--;
			} else {
				p = close == '}' ? member_key(p, limit, f) : p;
				if (!p)
					return NULL;
				continue;
			}
		} else {
			p = scalar(p, f);
		}
		if (p)
			p = after_value(p, limit, open, &depth, outside, f);
		if (!p || depth == outside)
			return p;
	}
}

static size_t digits_in(struct str s, size_t i)
{
	while (i < s.n && is_digit(s.p[i]))
		i++;
	return i;
}

/* Behind the digits that must stand at i; s.n + 1: there are none. */
static size_t some_digits(struct str s, size_t i)
{
	size_t end = digits_in(s, i);

	return end > i ? end : s.n + 1;
}

bool json_is_number(struct str s)
{
	size_t start = s.n && *s.p == '-', i = some_digits(s, start);

	if (i > s.n || (s.p[start] == '0' && i > start + 1))
		return false;
	if (i < s.n && s.p[i] == '.')
		i = some_digits(s, i + 1);
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		i++;
		i += i < s.n && (s.p[i] == '+' || s.p[i] == '-');
		i = some_digits(s, i);
	}
	return i == s.n;
}

static int put_escape(struct buf *b, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
	const char *k = c ? strchr(from, c) : NULL;

	if (k)
		return buf_byte(b, '\\') || buf_byte(b, (uint8_t)into[k - from]) ? -1 : 0;
	return buf_printf(b, "\\u%04x", c);
}

/* One sequence at the end of a string may look beyond it: a copy that ends in zeros is looked at instead. */
static int utf8_length_in(const char *p, size_t left)
{
	unsigned char copy[8] = { 0 };

	if (left >= 4)
		return utf8_length((const unsigned char *)p);
	memcpy(copy, p, left);
	return utf8_length(copy);
}

int json_put_string(struct buf *b, struct str s)
{
	size_t from = 0, i = 0;
	int n;

	if (buf_byte(b, '"'))
		return -1;
	while ((i += json_plain(s.p + i, s.n - i)) < s.n) {
		unsigned char c = (unsigned char)s.p[i];

		if (c & 0x80 && (n = utf8_length_in(s.p + i, s.n - i)) > 0) {
			i += (size_t)n;
			continue;
		}
		if (buf_add(b, s.p + from, i - from) || (c & 0x80 ? buf_puts(b, "\xef\xbf\xbd") : put_escape(b, c)))
			return -1;
		from = ++i;
	}
	return buf_add(b, s.p + from, s.n - from) || buf_byte(b, '"') ? -1 : 0;
}

int json_quote(struct buf *b, struct str s)
{
	return json_put_string(b, s);
}

/* The number at s without what JSON does not write: a plus sign, leading zeros, a point without digits on both sides. */
static int put_respelled(struct buf *b, struct str s)
{
	size_t i = s.n && (*s.p == '-' || *s.p == '+'), dot;

	if (i && *s.p == '-' && buf_byte(b, '-'))
		return -1;
	while (i + 1 < s.n && s.p[i] == '0' && is_digit(s.p[i + 1]))
		i++;
	if (i < s.n && s.p[i] == '.' && buf_byte(b, '0'))
		return -1;
	for (dot = i; dot < s.n && s.p[dot] != '.'; dot++)
		;
	if (dot < s.n && !(dot + 1 < s.n && is_digit(s.p[dot + 1])))
		return buf_add(b, s.p + i, dot - i) || buf_add(b, s.p + dot + 1, s.n - dot - 1) ? -1 : 0;
	return buf_add(b, s.p + i, s.n - i);
}

int json_put_number(struct buf *b, struct str s)
{
	size_t start = b->n;
	bool digit = false;

	if (json_is_number(s))
		return buf_str(b, s);
	for (size_t i = 0; i < s.n && (s.p[i] == '+' || s.p[i] == '-' || s.p[i] == '.' || is_digit(s.p[i])); i++)
		digit |= is_digit(s.p[i]);
	if (digit && put_respelled(b, s))
		return -1;
	if (digit && json_is_number((struct str){ (const char *)b->p + start, b->n - start }))
		return 0;
	b->n = start;
	return json_put_string(b, s);
}

int json_put_json(struct buf *b, struct str s)
{
	size_t start = b->n;
	const char *p, *end;
	struct json_fault f;

	if (buf_str(b, s) || buf_byte(b, '\n') || buf_reserve(b, JSON_PAD))
		return -1;
	b->n--;
	memset(b->p + b->n + 1, 0, JSON_PAD);
	p = (const char *)b->p + start;
	end = p + s.n;
	p = json_blanks(p, end);
	p = json_value(p, end, &f);
	if (p && json_blanks(p, end) == end) {
		for (size_t i = start; i < b->n; i++)
			if (b->p[i] == '\n' || b->p[i] == '\r')
				b->p[i] = ' ';
		return 0;
	}
	b->n = start;
	return json_put_string(b, s);
}
