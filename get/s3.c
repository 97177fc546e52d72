/* s3://bucket/key: GetObject and ListObjectsV2, signed with what the environment holds, or unsigned. With an endpoint of one's own the
 * bucket is the first part of the path, as self-hosted stores want it; else it is part of Amazon's host name, unless it has a dot, for
 * which their certificates do not hold. */
#include "get/sigv4.h"
#include "get/store.h"
#include "get/web.h"

#include "lib/base/utf8.h"
#include "lib/io/name.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX ((size_t)16 << 20)
#define PAGES_MAX 10000

struct s3 {
	struct web web;
	struct sigv4 key;      /* key_id NULL: unsigned */
	struct buf host, base; /* "host:port"; "https://host:port/bucket" up to the path, both NUL terminated */
	struct buf path;       /* escaped, from the bucket on if it is in the path; NUL terminated */
	struct buf query;      /* NUL terminated */
};

static bool owns(const char *name)
{
	return name_has_scheme(name, "s3");
}

static const char *setting(const char *name, const char *other)
{
	const char *v = getenv(name);

	return v && *v ? v : other;
}

static void credentials(struct sigv4 *k)
{
	k->key_id = setting("AWS_ACCESS_KEY_ID", NULL);
	k->secret = setting("AWS_SECRET_ACCESS_KEY", NULL);
	k->token = setting("AWS_SESSION_TOKEN", NULL);
	k->region = setting("AWS_REGION", setting("AWS_DEFAULT_REGION", "us-east-1"));
	k->service = "s3";
}

/* "http://host:9000/" into scheme and host. */
static int split_endpoint(struct s3 *s, const char *endpoint, struct err *e)
{
	bool tls = name_has_scheme(endpoint, "https");
	struct str host = str_from(str_of(endpoint), tls ? 8 : 7);

	while (host.n && host.p[host.n - 1] == '/')
		host.n--;
	if ((!tls && !name_has_scheme(endpoint, "http")) || host.n == 0 || memchr(host.p, '/', host.n) || memchr(host.p, '@', host.n)) {
		err_set(e, ST_USAGE, "AWS_ENDPOINT_URL must be a URL without a path");
		return err_hint(e, "such as http://localhost:9000");
	}
	return buf_str(&s->host, host) || buf_printf(&s->base, "%s://%.*s", tls ? "https" : "http", STR_ARG(host)) ? err_oom(e) : 0;
}

static int find_host(struct s3 *s, struct str bucket, struct err *e)
{
	const char *endpoint = setting("AWS_ENDPOINT_URL_S3", setting("AWS_ENDPOINT_URL", NULL));
	bool in_path = endpoint || memchr(bucket.p, '.', bucket.n);
	int rc = 0;

	if (endpoint)
		rc = split_endpoint(s, endpoint, e);
	else if ((!in_path && buf_printf(&s->host, "%.*s.", STR_ARG(bucket))) ||
		 buf_printf(&s->host, "s3.%s.amazonaws.com", s->key.region) ||
		 buf_printf(&s->base, "https://%.*s", (int)s->host.n, (char *)s->host.p))
		rc = err_oom(e);
	if (rc < 0)
		return rc;
	if (in_path && (buf_byte(&s->path, '/') || web_escape(&s->path, bucket, false)))
		return err_oom(e);
	return buf_byte(&s->host, '\0') || buf_byte(&s->base, '\0') ? err_oom(e) : 0;
}

static int put_headers(struct s3 *s, struct web_call *c)
{
	struct sigv4_request r = { .host = (char *)s->host.p, .path = (char *)s->path.p, .query = (char *)s->query.p };
	cleanup_buf struct buf value = { 0 };

	sigv4_date(&r, time(NULL));
	if (sigv4_sign(&s->key, &r, &value) || buf_byte(&value, '\0'))
		return -1;
	return web_header(c, "Host: %s", r.host) || web_header(c, "X-Amz-Content-Sha256: " SIGV4_EMPTY) ||
	       web_header(c, "X-Amz-Date: %s", r.date) || (s->key.token && web_header(c, "X-Amz-Security-Token: %s", s->key.token)) ||
	       web_header(c, "Authorization: %s", (char *)value.p);
}

static int prepare(struct web *w, int64_t offset, struct web_call *c, struct err *e)
{
	struct s3 *s = (struct s3 *)w;
	const char *query = (const char *)s->query.p;

	(void)offset;
	if (buf_printf(&c->url, "%s%s%s%s", (char *)s->base.p, (char *)s->path.p, *query ? "?" : "", query) || buf_byte(&c->url, '\0'))
		return err_oom(e);
	return s->key.key_id && s->key.secret && put_headers(s, c) ? err_oom(e) : 0;
}

/* ---- what the store says: XML ---- */

/* The text of the first <tag> in *rest, which goes behind it. */
static bool element(struct str *rest, const char *tag, struct str *ret)
{
	char open[64], close[64];
	int nopen = snprintf(open, sizeof open, "<%s>", tag), nclose = snprintf(close, sizeof close, "</%s>", tag);
	const char *from = memmem(rest->p, rest->n, open, (size_t)nopen), *to;

	if (!from)
		return false;
	from += nopen;
	to = memmem(from, rest->n - (size_t)(from - rest->p), close, (size_t)nclose);
	if (!to)
		return false;
	*ret = (struct str){ from, (size_t)(to - from) };
	*rest = str_from(*rest, (size_t)(to - rest->p) + (size_t)nclose);
	return true;
}

/* "&#38;" or "&#x26;": how many bytes it takes, 0: it is none. */
static size_t numeric(struct str s, struct buf *b, int *rc)
{
	char digits[12] = { 0 }, text[4], *end;
	bool hex = s.n > 2 && s.p[2] == 'x';
	unsigned long c;

	if (!str_starts(s, STR("&#")))
		return 0;
	s = str_from(s, hex ? 3 : 2);
	memcpy(digits, s.p, s.n < sizeof digits - 1 ? s.n : sizeof digits - 1);
	c = strtoul(digits, &end, hex ? 16 : 10);
	if (*end != ';' || c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*rc = buf_add(b, text, utf8_encode((uint32_t)c, text));
	return (size_t)(end - digits) + (hex ? 4 : 3);
}

/* The text of an element, its references resolved. */
static int put_text(struct buf *b, struct str s)
{
	static const struct {
		struct str name;
		uint8_t c;
	} known[] = { { STR("&amp;"), '&' }, { STR("&lt;"), '<' }, { STR("&gt;"), '>' }, { STR("&quot;"), '"' }, { STR("&apos;"), '\'' } };
	int rc = 0;

	while (s.n && !rc) {
		size_t n = numeric(s, b, &rc);

		for (size_t i = 0; i < sizeof known / sizeof *known && !n; i++)
			if (str_starts(s, known[i].name)) {
				rc = buf_byte(b, known[i].c);
				n = known[i].name.n;
			}
		if (!n) {
			rc = buf_byte(b, (uint8_t)s.p[0]);
			n = 1;
		}
		s = str_from(s, n);
	}
	return rc;
}

static int reason(struct str body, struct buf *into)
{
	struct str code = { "", 0 }, message = { "", 0 }, rest = body;

	if (!element(&rest, "Code", &code))
		return 0;
	rest = body;
	(void)element(&rest, "Message", &message);
	return put_text(into, code) || buf_puts(into, message.n ? ": " : "") || put_text(into, message) ? -1 : 0;
}

/* ---- objects ---- */

static void s3_close(struct s3 *s)
{
	buf_free(&s->host);
	buf_free(&s->base);
	buf_free(&s->path);
	buf_free(&s->query);
}

static int split(const char *name, struct str *bucket, const char **key, struct err *e)
{
	const char *from = name + 5;
	size_t n = strcspn(from, "/");

	*bucket = (struct str){ from, n };
	*key = from + n + (from[n] == '/');
	if (n == 0 || **key == '\0')
		return err_set(e, ST_USAGE, "an object is named s3://BUCKET/KEY");
	return 0;
}

static int s3_open(struct s3 *s, struct str bucket, struct err *e)
{
	s->web = (struct web){ .prepare = prepare, .reason = reason, .size = -1 };
	credentials(&s->key);
	return find_host(s, bucket, e);
}

static int fetch(const char *name, struct taker *to, struct err *e)
{
	struct s3 s = { 0 };
	struct str bucket;
	const char *key;
	int rc;

	if ((rc = split(name, &bucket, &key, e)) < 0)
		return rc;
	if ((rc = s3_open(&s, bucket, e)) == 0) {
		if (buf_byte(&s.path, '/') || web_escape(&s.path, str_of(key), true) || buf_byte(&s.path, '\0') || buf_byte(&s.query, '\0'))
			rc = err_oom(e);
		else
			rc = web_get(&s.web, to, e);
	}
	s3_close(&s);
	return rc;
}

/* ---- lists ---- */

static int set_page(struct s3 *s, struct str prefix, struct str token, struct err *e)
{
	s->query.n = 0;
	if ((token.n && (buf_puts(&s->query, "continuation-token=") || web_escape(&s->query, token, false) || buf_byte(&s->query, '&'))) ||
	    buf_puts(&s->query, "list-type=2&prefix=") || web_escape(&s->query, prefix, false) || buf_byte(&s->query, '\0'))
		return err_oom(e);
	return 0;
}

/* The keys of one page that match `pattern`; one that is the pattern itself beats them all. */
static int take_page(struct str xml, struct str bucket, const char *pattern, struct names *ret, bool *exact, struct err *e)
{
	struct str item, key;

	while (!*exact && element(&xml, "Contents", &item)) {
		cleanup_buf struct buf name = { 0 };
		const char *found;
		int rc = 0;

		if (!element(&item, "Key", &key))
			continue;
		if (buf_printf(&name, "s3://%.*s/", STR_ARG(bucket)) || put_text(&name, key) || buf_byte(&name, '\0'))
			return err_oom(e);
		found = (const char *)name.p + 6 + bucket.n;
		*exact = strcmp(found, pattern) == 0;
		if (*exact)
			ret->n = 0;
		if (*exact || names_match(pattern, found))
			rc = names_add(ret, str_of((const char *)name.p), e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* One page; token: of this one, then of the next, empty: that was the last. */
static int list_page(struct s3 *s, struct str bucket, const char *pattern, struct buf *token, struct names *ret, bool *exact, struct err *e)
{
	cleanup_buf struct buf xml = { 0 };
	struct str more = { "", 0 }, next = { "", 0 }, rest;
	struct keeper k;
	int rc;

	keeper_init(&k, &xml, PAGE_MAX);
	if ((rc = set_page(s, (struct str){ pattern, names_literal(pattern) }, buf_view(token), e)) < 0 ||
	    (rc = web_get(&s->web, &k.taker, e)) < 0)
		return rc;
	rest = buf_view(&xml);
	if (!memmem(xml.p, xml.n, "</ListBucketResult>", 19))
		return err_set(e, ST_STREAM, "the answer is no list of objects");
	(void)element(&rest, "IsTruncated", &more);
	rest = buf_view(&xml);
	token->n = 0;
	if (str_is(more, "true") && (!element(&rest, "NextContinuationToken", &next) || next.n == 0))
		return err_set(e, ST_STREAM, "the list of objects breaks off");
	if (put_text(token, next))
		return err_oom(e);
	return take_page(buf_view(&xml), bucket, pattern, ret, exact, e);
}

static int list_all(struct s3 *s, struct str bucket, const char *pattern, struct names *ret, struct err *e)
{
	cleanup_buf struct buf token = { 0 };
	bool exact = false;
	int rc = 0;

	for (int page = 0; rc == 0 && (page == 0 || token.n) && !exact; page++)
		rc = page == PAGES_MAX ? err_set(e, ST_STREAM, "the list of objects does not end")
				       : list_page(s, bucket, pattern, &token, ret, &exact, e);
	if (rc == 0 && ret->n == 0)
		return err_set(e, ST_NOINPUT, "no object matches this pattern");
	return rc;
}

static int list(const char *name, struct names *ret, struct err *e)
{
	struct s3 s = { 0 };
	struct str bucket;
	const char *pattern;
	int rc;

	if ((rc = split(name, &bucket, &pattern, e)) < 0)
		return rc;
	if ((rc = s3_open(&s, bucket, e)) == 0)
		rc = (s.path.n == 0 && buf_byte(&s.path, '/')) || buf_byte(&s.path, '\0') ? err_oom(e)
											     : list_all(&s, bucket, pattern, ret, e);
	s3_close(&s);
	return rc;
}

const struct store store_s3 = { owns, fetch, list };
