/* One entry a line; a host:port is looked up as "[host]:port" first, and as plain "host" when the port is 22 or nothing is said
 * about the bracketed name (as OpenSSH does; a bracketed entry with another key is never outvoted by a plain one). */
#include "fanout/knownhosts.h"

#include "fanout/sha1.h"
#include "lib/io/in.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char *const key_types[] = { "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521" };

static int base64_value(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct str base64_decode(struct str text, struct arena *a)
{
	const struct str bad = { NULL, 0 };
	uint8_t *out;
	size_t n = 0;
	uint32_t bits = 0;

	while (text.n && text.p[text.n - 1] == '=')
		text.n--;
	out = arena_alloc(a, text.n + 1);
	if (!out || text.n % 4 == 1)
		return bad;
	for (size_t i = 0; i < text.n; i++) {
		int v = base64_value(text.p[i]);

		if (v < 0)
			return bad;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return (struct str){ (const char *)out, n };
}

int base64_encode(struct str s, bool pad, struct buf *b)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		size_t have = s.n - i < 3 ? s.n - i : 3;
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < have ? (uint8_t)s.p[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			if (k <= have ? buf_byte(b, (uint8_t)digits[v >> (18 - 6 * k) & 63]) : pad && buf_byte(b, '='))
				return -1;
	}
	return 0;
}

static struct str take_word(struct str *s)
{
	struct str w;
	size_t i = 0, n;

	while (i < s->n && (s->p[i] == ' ' || s->p[i] == '\t'))
		i++;
	for (n = i; n < s->n && s->p[n] != ' ' && s->p[n] != '\t' && s->p[n] != '\r';)
		n++;
	w = (struct str){ s->p + i, n - i };
	*s = str_from(*s, n);
	return w;
}

static int add_entry(struct known_hosts *k, struct known_entry entry, struct err *e)
{
	if (k->n == k->cap) {
		int cap = k->cap ? 2 * k->cap : 16;
		struct known_entry *v = arena_array(&k->arena, struct known_entry, (size_t)cap);

		if (!v)
			return err_oom(e);
		if (k->n)
			memcpy(v, k->v, (size_t)k->n * sizeof *v);
		k->v = v;
		k->cap = cap;
	}
	k->v[k->n++] = entry;
	return 0;
}

/* A line that cannot be read knows nothing; it is passed over, as ssh does. */
static int parse_line(struct known_hosts *k, struct str line, const char *file, int number, struct err *e)
{
	struct known_entry entry = { .file = file, .line = number };
	struct str word = take_word(&line);

	if (word.n == 0 || word.p[0] == '#')
		return 0;
	if (word.p[0] == '@') {
		if (!str_is(word, "@revoked"))
			return 0;
		entry.revoked = true;
		word = take_word(&line);
	}
	entry.names = word;
	entry.type = take_word(&line);
	entry.blob = base64_decode(take_word(&line), &k->arena);
	return entry.blob.n ? add_entry(k, entry, e) : 0;
}

int known_parse(struct known_hosts *k, struct str text, const char *file, struct err *e)
{
	struct str copy = { arena_dup(&k->arena, text.p, text.n), text.n };
	const char *name = arena_strdup(&k->arena, str_of(file));

	if ((!copy.p && copy.n) || !name)
		return err_oom(e);
	for (int line = 1; copy.n; line++) {
		const char *nl = memchr(copy.p, '\n', copy.n);
		size_t n = nl ? (size_t)(nl - copy.p) : copy.n;

		if (parse_line(k, (struct str){ copy.p, n }, name, line, e) < 0)
			return -e->status;
		copy = str_from(copy, n + 1);
	}
	return 0;
}

int known_load(struct known_hosts *k, const char *file, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	char part[4096];
	struct in *in;
	ssize_t n;

	if (access(file, F_OK) && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (in_open(&in, file, e) < 0)
		return -e->status;
	while ((n = in_read(in, part, sizeof part, IN_WAIT, e)) > 0)
		if (text.n > (16 << 20) || buf_add(&text, part, (size_t)n)) {
			n = err_set(e, ST_OSERR, "%s is too large", file);
			break;
		}
	in_close(in);
	return n < 0 ? (int)n : known_parse(k, buf_view(&text), file, e);
}

void known_free(struct known_hosts *k)
{
	arena_free(&k->arena);
	*k = (struct known_hosts){ 0 };
}

static bool glob(struct str p, struct str s)
{
	struct str star = { NULL, 0 }, back = s;

	while (s.n) {
		if (p.n && p.p[0] == '*') {
			star = p = str_from(p, 1);
			back = s;
		} else if (p.n && (p.p[0] == '?' || tolower((unsigned char)p.p[0]) == s.p[0])) {
			p = str_from(p, 1);
			s = str_from(s, 1);
		} else if (star.p) {
			p = star;
			s = back = str_from(back, 1);
		} else {
			return false;
		}
	}
	while (p.n && p.p[0] == '*')
		p = str_from(p, 1);
	return p.n == 0;
}

/* "|1|salt|hash" */
static bool hashed_match(struct str names, struct str host)
{
	cleanup_arena struct arena a = { 0 };
	struct str rest = str_from(names, 3), salt, hash;
	const char *bar = memchr(rest.p, '|', rest.n);
	uint8_t digest[20];

	if (!bar)
		return false;
	salt = base64_decode((struct str){ rest.p, (size_t)(bar - rest.p) }, &a);
	hash = base64_decode(str_from(rest, (size_t)(bar - rest.p) + 1), &a);
	if (salt.n == 0 || salt.n > 64 || hash.n != 20)
		return false;
	hmac_sha1(salt.p, salt.n, host.p, host.n, digest);
	return memcmp(digest, hash.p, 20) == 0;
}

static bool names_match(struct str names, struct str host)
{
	bool match = false;

	if (str_starts(names, STR("|1|")))
		return hashed_match(names, host);
	while (names.n) {
		const char *comma = memchr(names.p, ',', names.n);
		size_t n = comma ? (size_t)(comma - names.p) : names.n;
		struct str pattern = { names.p, n };
		bool negated = n && pattern.p[0] == '!';

		if (glob(negated ? str_from(pattern, 1) : pattern, host)) {
			if (negated)
				return false;
			match = true;
		}
		names = str_from(names, n + 1);
	}
	return match;
}

static enum known check_name(const struct known_hosts *k, struct str name, struct str type, struct str blob, const struct known_entry **where)
{
	enum known result = KNOWN_NOT;

	for (int i = 0; i < k->n; i++) {
		const struct known_entry *x = &k->v[i];
		bool same = str_eq(x->blob, blob);

		if (!names_match(x->names, name))
			continue;
		if (x->revoked && same) {
			*where = x;
			return KNOWN_REVOKED;
		}
		if (x->revoked || result == KNOWN_GOOD)
			continue;
		if (same || str_eq(x->type, type)) {
			result = same ? KNOWN_GOOD : KNOWN_CHANGED;
			*where = x;
		}
	}
	return result;
}

/* "[host]:port" (or "host" when brackets is false), in lower case. */
static struct str lookup_name(char *dst, size_t size, const char *host, int port, bool brackets)
{
	int n = brackets ? snprintf(dst, size, "[%s]:%d", host, port) : snprintf(dst, size, "%s", host);

	for (char *c = dst; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return (struct str){ dst, n > 0 && (size_t)n < size ? (size_t)n : strlen(dst) };
}

enum known known_check(const struct known_hosts *k, const char *host, int port, struct str type, struct str blob,
		       const struct known_entry **where)
{
	enum known result = KNOWN_NOT, plain;
	char name[512];

	*where = NULL;
	if (port != 22)
		result = check_name(k, lookup_name(name, sizeof name, host, port, true), type, blob, where);
	if (result != KNOWN_NOT)
		return result;
	plain = check_name(k, lookup_name(name, sizeof name, host, port, false), type, blob, where);
	if (port == 22 || plain == KNOWN_GOOD || plain == KNOWN_REVOKED)
		return plain;
	*where = NULL; /* another server on that machine may well have another key */
	return KNOWN_NOT;
}

static bool knows_type(const struct known_hosts *k, const char *host, int port, const char *type)
{
	char name[512];

	for (int brackets = 0; brackets < 2; brackets++) {
		struct str want = lookup_name(name, sizeof name, host, port, brackets);

		for (int i = 0; i < k->n; i++)
			if (!k->v[i].revoked && str_is(k->v[i].type, type) && names_match(k->v[i].names, want))
				return true;
	}
	return false;
}

int known_types(const struct known_hosts *k, const char *host, int port, struct buf *b)
{
	size_t n = sizeof key_types / sizeof *key_types;

	for (int known = 1; known >= 0; known--)
		for (size_t i = 0; i < n; i++)
			if (knows_type(k, host, port, key_types[i]) == (bool)known && (buf_puts(b, b->n ? "," : "") || buf_puts(b, key_types[i])))
				return -1;
	return 0;
}
