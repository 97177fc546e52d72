/* The parts of a URL are cut from the left (RFC 3986, appendix B) and appended one by one; dot segments are removed in place
 * (section 5.2.4) from what has been appended. */
#include "lib/base/url.h"

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
	return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static uint8_t lower(char c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static int hex(char c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Appends s with its %XX normalized, in lower case if asked for. */
static int put(struct str s, bool small, struct buf *b)
{
	int rc = 0;

	for (size_t i = 0; i < s.n && !rc; i++) {
		int high = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high >= 0 ? hex(s.p[i + 2]) : -1;
		char c = s.p[i];

		if (low < 0) {
			rc = buf_byte(b, small ? lower(c) : (uint8_t)c);
			continue;
		}
		c = (char)(high << 4 | low);
		rc = is_unreserved(c) ? buf_byte(b, small ? lower(c) : (uint8_t)c) : buf_printf(b, "%%%02X", (unsigned)(high << 4 | low));
		i += 2;
	}
	return rc;
}

/* Length of "scheme" before a colon; 0: none. */
static size_t scheme_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && (is_alpha(s.p[n]) || (n && (is_digit(s.p[n]) || s.p[n] == '+' || s.p[n] == '-' || s.p[n] == '.'))))
		n++;
	return n < s.n && s.p[n] == ':' ? n : 0;
}

static size_t span_to(struct str s, const char *ends)
{
	size_t n = 0;

	while (n < s.n && !(s.p[n] && strchr(ends, s.p[n])))
		n++;
	return n;
}

static bool default_port(struct str scheme, struct str port)
{
	static const char *const known[][2] = { { "http", "80" }, { "https", "443" }, { "ftp", "21" }, { "ws", "80" }, { "wss", "443" } };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (str_is(scheme, known[i][0]) && str_is(port, known[i][1]))
			return true;
	return port.n == 0;
}

/* user@host:port; an address in brackets has colons of its own. */
static int put_authority(struct str s, struct str scheme, struct buf *b)
{
	const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
	size_t user = at ? (size_t)(at - s.p) + 1 : 0, host;
	struct str rest = str_from(s, user), port = { "", 0 };

	host = rest.n;
	while (host > 0 && is_digit(rest.p[host - 1]))
		host--;
	if (host > 0 && rest.p[host - 1] == ':')
		port = str_from(rest, host--);
	else
		host = rest.n;
	if (put((struct str){ s.p, user }, false, b) || put((struct str){ rest.p, host }, true, b))
		return -1;
	return default_port(scheme, port) ? 0 : buf_byte(b, ':') || buf_str(b, port) ? -1 : 0;
}

static void pop_segment(struct buf *b, size_t from)
{
	while (b->n > from && b->p[--b->n] != '/')
		;
}

/* Removes dot segments from the path that begins at `from` with a slash. */
static int remove_dots(struct buf *b, size_t from)
{
	cleanup_buf struct buf path = { 0 };
	struct str rest;
	int rc = buf_add(&path, b->p + from, b->n - from);

	b->n = from;
	for (rest = buf_view(&path); rest.n && !rc;) {
		size_t n = 1 + span_to(str_from(rest, 1), "/");
		struct str segment = { rest.p, n };
		bool last = n == rest.n;

		rest = str_from(rest, n);
		if (str_is(segment, "/.."))
			pop_segment(b, from);
		else if (!str_is(segment, "/."))
			rc = buf_str(b, segment);
		if (last && (str_is(segment, "/..") || str_is(segment, "/.")))
			rc = buf_byte(b, '/');
	}
	return rc;
}

static int put_path(struct str path, bool authority, struct buf *b)
{
	size_t from = b->n;

	if (!authority)
		return put(path, false, b);
	if (path.n == 0)
		return buf_byte(b, '/');
	return put(path, false, b) || remove_dots(b, from) ? -1 : 0;
}

int url_normalize(struct str url, struct buf *b)
{
	size_t n = scheme_length(url), at = b->n;
	struct str scheme = { "", 0 };
	bool authority = false;

	url.n = span_to(url, "#");
	if (n && n < url.n) {
		if (put((struct str){ url.p, n }, true, b) || buf_byte(b, ':'))
			return -1;
		url = str_from(url, n + 1);
		authority = str_starts(url, STR("//"));
	}
	if (authority) {
		cleanup_buf struct buf own = { 0 };

		url = str_from(url, 2);
		if (buf_add(&own, b->p + at, n) || buf_puts(b, "//"))
			return -1;
		scheme = buf_view(&own);
		n = span_to(url, "/?");
		if (put_authority((struct str){ url.p, n }, scheme, b))
			return -1;
		url = str_from(url, n);
	}
	n = span_to(url, "?");
	if (put_path((struct str){ url.p, n }, authority, b))
		return -1;
	return put(str_from(url, n), false, b);
}
