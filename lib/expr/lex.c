/* The lexer of map programs: see syntax.h. One token at a time; a newline becomes TOK_NEXT only where a statement can end,
 * which is
 * decided from the token before it, the open brackets, and a look at the first word of the next line. */
#include "lib/expr/syntax.h"

#include "lib/base/buf.h"

#include <stdio.h>

int program_err_at(struct str text, const char *name, int at, struct err *e)
{
	int64_t line = 1, column = 1;

	for (int i = 0; i < at && (size_t)i < text.n; i++) {
		column++;
		if (text.p[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return err_at(e, name, line, column);
}

int program_err(struct str text, const char *name, int at, struct err *e, const char *fmt, ...)
{
	char msg[sizeof e->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	(void)err_set(e, ST_USAGE, "%s", msg);
	return program_err_at(text, name, at, e);
}

#define LEX_ERR(lx, at, e, ...) program_err((lx)->text, (lx)->name, (at), (e), __VA_ARGS__)

static int at(const struct lexer *lx, int i)
{
	return i >= 0 && (size_t)i < lx->text.n ? (unsigned char)lx->text.p[i] : -1;
}

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_blank(int c) { return c == ' ' || c == '\t' || c == '\r'; }
static bool is_name_start(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80; }
static bool is_name(int c) { return is_name_start(c) || is_digit(c); }

static struct str span(const struct lexer *lx, int from, int to)
{
	return (struct str){ lx->text.p + from, (size_t)(to - from) };
}

/* Past blanks and a comment; the newline itself stays. */
static int skip_blanks(const struct lexer *lx, int i)
{
	while (is_blank(at(lx, i)))
		i++;
	if (at(lx, i) == '#')
		while (at(lx, i) >= 0 && at(lx, i) != '\n')
			i++;
	return i;
}

static int end_of_name(const struct lexer *lx, int i)
{
	for (;;) {
		while (is_name(at(lx, i)))
			i++;
		if (at(lx, i) != '.' || !is_name(at(lx, i + 1)))
			return i;
		i++;
	}
}

/* Does the line after the newline at i begin with a word that can only go on an expression? */
static bool goes_on(const struct lexer *lx, int i)
{
	struct str word;

	while (at(lx, i) == '\n')
		i = skip_blanks(lx, i + 1);
	if ((at(lx, i) == '&' && at(lx, i + 1) == '&') || (at(lx, i) == '|' && at(lx, i + 1) == '|'))
		return true;
	word = span(lx, i, end_of_name(lx, i));
	i = skip_blanks(lx, i + (int)word.n);
	return (str_is(word, "and") || str_is(word, "or")) && (at(lx, i) != '=' || at(lx, i + 1) == '=');
}

/* Can the token before a newline be the end of a statement? */
static bool can_end(const struct token *t)
{
	return t->kind != TOK_OP || str_is(t->text, ")");
}

static int hex_value(int c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80)
		return buf_byte(b, (uint8_t)c);
	if (c < 0x800)
		return buf_byte(b, (uint8_t)(0xc0 | c >> 6)) || buf_byte(b, (uint8_t)(0x80 | (c & 63)));
	if (c < 0x10000)
		return buf_byte(b, (uint8_t)(0xe0 | c >> 12)) || buf_byte(b, (uint8_t)(0x80 | (c >> 6 & 63))) ||
		       buf_byte(b, (uint8_t)(0x80 | (c & 63)));
	return buf_byte(b, (uint8_t)(0xf0 | c >> 18)) || buf_byte(b, (uint8_t)(0x80 | (c >> 12 & 63))) ||
	       buf_byte(b, (uint8_t)(0x80 | (c >> 6 & 63))) || buf_byte(b, (uint8_t)(0x80 | (c & 63)));
}

/* \u{...}; *pos is at the brace. */
static int unicode_escape(struct lexer *lx, int *pos, struct buf *b, struct err *e)
{
	int from = *pos - 2, i = *pos + 1;
	uint32_t c = 0;

	if (at(lx, *pos) != '{')
		return LEX_ERR(lx, from, e, "\\u needs a code point in braces, as in \\u{e9}");
	while (hex_value(at(lx, i)) >= 0 && i - *pos <= 6)
		c = c << 4 | (uint32_t)hex_value(at(lx, i++));
	if (at(lx, i) != '}' || i == *pos + 1 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return LEX_ERR(lx, from, e, "this \\u{...} is not a Unicode code point");
	*pos = i + 1;
	return put_utf8(b, c) ? err_oom(e) : 0;
}

/* One escape; *pos is behind the backslash. An unknown one stays as it is, backslash included, so that '\d+' is a regex. */
static int escape(struct lexer *lx, int *pos, struct buf *b, struct err *e)
{
	static const char from[] = "nt\\'\"", to[] = "\n\t\\'\"";
	int c = at(lx, *pos);
	const char *p = c > 0 ? strchr(from, c) : NULL;

	(*pos)++;
	if (c == 'u' && at(lx, *pos) == '{')
		return unicode_escape(lx, pos, b, e);
	if (p)
		return buf_byte(b, (uint8_t)to[p - from]) ? err_oom(e) : 0;
	if (c < 0)
		return 0; /* the missing quote is reported by the caller */
	return buf_byte(b, '\\') || buf_byte(b, (uint8_t)c) ? err_oom(e) : 0;
}

int lex_string(struct lexer *lx, int *pos, struct str *ret, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int start = *pos, quote = at(lx, start), i = start + 1, rc;

	while (at(lx, i) >= 0 && at(lx, i) != quote) {
		if (at(lx, i) == '\\') {
			i++;
			if ((rc = escape(lx, &i, &b, e)) < 0)
				return rc;
		} else if (buf_byte(&b, (uint8_t)lx->text.p[i++])) {
			return err_oom(e);
		}
	}
	if (at(lx, i) < 0)
		return LEX_ERR(lx, start, e, "this string has no closing %c", quote);
	*pos = i + 1;
	ret->n = b.n;
	ret->p = arena_strdup(lx->arena, buf_view(&b));
	return ret->p ? 0 : err_oom(e);
}

/* Microseconds of a unit; 0: not one. */
static int64_t unit_us(struct str u)
{
	static const struct { const char *name; int64_t us; } units[] = {
		{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 },
		{ "h", 3600000000 }, { "d", 86400000000 }, { "w", 604800000000 },
	};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (str_is(u, units[i].name))
			return units[i].us;
	return 0;
}

/* A whole number with a unit, as in 90s or 5m; `digits` and `unit` are its parts. */
static int duration(struct lexer *lx, struct str digits, struct str unit, struct err *e)
{
	int64_t us = unit_us(unit), n = 0;
	bool over = false;

	if (!us)
		return LEX_ERR(lx, lx->tok.at, e, "%.*s%.*s is neither a number nor a duration (units: us ms s m h d w)",
			       STR_ARG(digits), STR_ARG(unit));
	for (size_t i = 0; i < digits.n; i++) {
		if (!is_digit(digits.p[i]))
			return LEX_ERR(lx, lx->tok.at, e, "a duration is a whole number with a unit, as in 90s");
		over |= __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digits.p[i] - '0', &n);
	}
	if (over || __builtin_mul_overflow(n, us, &n))
		return LEX_ERR(lx, lx->tok.at, e, "this duration is too long");
	lx->tok.kind = TOK_DURATION;
	lx->tok.number = n;
	return 0;
}

static int number(struct lexer *lx, struct err *e)
{
	int start = lx->pos, i = start, j;

	while (is_digit(at(lx, i)))
		i++;
	if (at(lx, i) == '.' && is_digit(at(lx, i + 1)))
		for (i++; is_digit(at(lx, i)); i++)
			;
	if (at(lx, i) == 'e' || at(lx, i) == 'E') {
		j = i + 1 + (at(lx, i + 1) == '+' || at(lx, i + 1) == '-');
		if (is_digit(at(lx, j)))
			for (i = j; is_digit(at(lx, i)); i++)
				;
	}
	lx->tok.kind = TOK_NUMBER;
	lx->tok.text = span(lx, start, i);
	lx->pos = i;
	if (!is_name_start(at(lx, i)))
		return 0;
	lx->pos = end_of_name(lx, i);
	return duration(lx, span(lx, start, i), span(lx, i, lx->pos), e);
}

/* @3, @'odd name' */
static int field(struct lexer *lx, struct err *e)
{
	int i = lx->pos + 1;
	int64_t n = 0;

	if (at(lx, i) == '\'' || at(lx, i) == '"') {
		lx->tok.kind = TOK_FIELD;
		lx->pos = i;
		return lex_string(lx, &lx->pos, &lx->tok.text, e);
	}
	if (!is_digit(at(lx, i)))
		return LEX_ERR(lx, lx->pos, e, "after @ comes a field's number (@3) or its name in quotes (@'odd name')");
	for (; is_digit(at(lx, i)); i++)
		if (n < 1000000000)
			n = n * 10 + (at(lx, i) - '0');
	lx->tok.kind = TOK_AT;
	lx->tok.number = n;
	lx->pos = i;
	return 0;
}

static int operator(struct lexer *lx, struct err *e)
{
	static const char *const ops[] = { "==", "!=", "<=", ">=", "!~", "&&", "||", "=", "<", ">", "~", "!", "+", "-", "*", "/",
					   "%", "(", ")", ",", NULL };
	struct str rest = str_from(lx->text, (size_t)lx->pos);

	for (int i = 0; ops[i]; i++) {
		if (!str_starts(rest, str_of(ops[i])))
			continue;
		lx->tok.kind = TOK_OP;
		lx->tok.text = str_of(ops[i]);
		lx->pos += (int)strlen(ops[i]);
		lx->depth += *ops[i] == '(' ? 1 : *ops[i] == ')' && lx->depth > 0 ? -1 : 0;
		return 0;
	}
	if (rest.p[0] > ' ' && rest.p[0] < 0x7f)
		return LEX_ERR(lx, lx->pos, e, "\"%c\" does not belong here", rest.p[0]);
	return LEX_ERR(lx, lx->pos, e, "the byte 0x%02x does not belong here", (unsigned char)rest.p[0]);
}

/* Moves past blanks, comments, and newlines that end nothing; true when a statement ends here. */
static bool statement_ends(struct lexer *lx)
{
	for (;;) {
		lx->pos = skip_blanks(lx, lx->pos);
		if (at(lx, lx->pos) != '\n')
			return at(lx, lx->pos) == ';';
		if (!lx->depth && can_end(&lx->last) && !goes_on(lx, lx->pos))
			return true;
		lx->pos++;
	}
}

static int lex_token(struct lexer *lx, struct err *e)
{
	int c = at(lx, lx->pos);

	if (is_name_start(c)) {
		lx->tok.kind = TOK_NAME;
		lx->pos = end_of_name(lx, lx->pos);
		lx->tok.text = span(lx, lx->tok.at, lx->pos);
		return 0;
	}
	if (is_digit(c) || (c == '.' && is_digit(at(lx, lx->pos + 1))))
		return number(lx, e);
	if (c == '@')
		return field(lx, e);
	if (c == '\'' || c == '"') {
		lx->tok.kind = TOK_STRING;
		return lex_string(lx, &lx->pos, &lx->tok.text, e);
	}
	return operator(lx, e);
}

int lex_next(struct lexer *lx, struct err *e)
{
	int rc = 0;

	lx->last = lx->tok;
	bool ends = statement_ends(lx);

	lx->tok = (struct token){ .kind = TOK_END, .at = lx->pos };
	if (ends) {
		lx->tok.kind = TOK_NEXT;
		lx->pos++;
	} else if (at(lx, lx->pos) >= 0) {
		rc = lex_token(lx, e);
	}
	lx->tok.end = lx->pos;
	return rc;
}

int lex_start(struct lexer *lx, struct str text, const char *name, struct arena *a, struct err *e)
{
	*lx = (struct lexer){ .text = text, .name = name, .arena = a, .tok = { .kind = TOK_NEXT } };
	if (text.n > PROGRAM_MAX)
		return err_set(e, ST_USAGE, "the program is longer than 1 MiB");
	return lex_next(lx, e);
}
