/* One resource over several tries: see web.h. `given` is the hash of the bytes that have been given out, which is what a server that
 * cannot serve a range has to repeat. A stall is counted from the last byte that came, not while our own reader is slow. */
#include "get/web.h"

#include "lib/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REASON_MAX 4096
#define TRIES_MAX 100 /* also when each brings something */
#define WAIT_MAX 60   /* seconds that a server may tell us to wait */

struct fetch {
	struct web *w;
	struct taker *to;
	struct err *e;
	int rc;                        /* of what failed here, in *e: final */
	CURL *curl;
	char curl_says[CURL_ERROR_SIZE];
	int64_t timeout_ms, retries;

	int64_t offset, total;         /* bytes given out; of the whole, -1: unknown */
	struct hasher given;
	char etag[256], modified[64];  /* of the first answer */

	/* of the answer that is being read: */
	bool begun, chunked, stalled, excess;
	int64_t length, range_from, range_total, skip, came;
	struct hasher prefix;          /* of the bytes that are skipped */
	char new_etag[256], new_modified[64], region[64];
	struct buf body;               /* of a refusal */
	int64_t last_ms, polled_ms;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int web_header(struct web_call *c, const char *fmt, ...)
{
	char line[8192];
	struct curl_slist *more;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof line || !(more = curl_slist_append(c->headers, line)))
		return -1;
	c->headers = more;
	return 0;
}

int web_escape(struct buf *b, struct str s, bool slash)
{
	int rc = 0;

	for (size_t i = 0; i < s.n && !rc; i++) {
		uint8_t c = (uint8_t)s.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr("-._~", c));

		rc = plain || (c == '/' && slash) ? buf_byte(b, c) : buf_printf(b, "%%%02X", (unsigned)c);
	}
	return rc;
}

/* ---- the answer's head ---- */

static bool field_is(struct str line, const char *name, struct str *value)
{
	size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n))
		return false;
	line = str_from(line, n + 1);
	while (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = str_from(line, 1);
	while (line.n && strchr(" \t\r\n", line.p[line.n - 1]))
		line.n--;
	*value = line;
	return true;
}

static void keep_field(char *into, size_t size, struct str value)
{
	if (value.n < size) {
		memcpy(into, value.p, value.n);
		into[value.n] = '\0';
	}
}

static int64_t number(struct str *s)
{
	int64_t v = -1;

	for (; s->n && s->p[0] >= '0' && s->p[0] <= '9' && v < INT64_MAX / 20; *s = str_from(*s, 1))
		v = (v < 0 ? 0 : v * 10) + (s->p[0] - '0');
	return v;
}

/* "bytes 100-199/1000" */
static void content_range(struct fetch *f, struct str v)
{
	if (!str_starts(v, STR("bytes ")))
		return;
	v = str_from(v, 6);
	f->range_from = number(&v);
	v = str_from(v, 1);
	number(&v);
	v = str_from(v, 1);
	f->range_total = number(&v);
}

static void new_answer(struct fetch *f)
{
	f->begun = f->chunked = f->excess = false;
	f->length = f->range_from = f->range_total = -1;
	f->skip = f->came = 0;
	f->new_etag[0] = f->new_modified[0] = f->region[0] = '\0';
	f->body.n = 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	struct str line = { p, size * n }, v;

	f->last_ms = now_ms();
	if (str_starts(line, STR("HTTP/")))
		new_answer(f);
	else if (field_is(line, "ETag", &v))
		keep_field(f->new_etag, sizeof f->new_etag, v);
	else if (field_is(line, "Last-Modified", &v))
		keep_field(f->new_modified, sizeof f->new_modified, v);
	else if (field_is(line, "Content-Length", &v))
		f->length = number(&v);
	else if (field_is(line, "Content-Range", &v))
		content_range(f, v);
	else if (field_is(line, "Transfer-Encoding", &v))
		f->chunked = v.n >= 7 && strncasecmp(v.p + v.n - 7, "chunked", 7) == 0;
	else if (field_is(line, "x-amz-bucket-region", &v))
		keep_field(f->region, sizeof f->region, v);
	return line.n;
}

static long status_of(const struct fetch *f)
{
	long status = 0;

	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* ---- the answer's body ---- */

static int changed(struct fetch *f)
{
	return err_set(f->e, ST_PARTIAL, "it changed while it was being read, after %lld bytes", (long long)f->offset);
}

static int begin_first(struct fetch *f)
{
	if (status_of(f) != 200)
		return err_set(f->e, ST_STREAM, "the server sends a part that was not asked for");
	if (f->w->size >= 0 && f->length >= 0 && f->length != f->w->size)
		return err_set(f->e, ST_STREAM, "the server sends %lld bytes of %lld", (long long)f->length, (long long)f->w->size);
	f->total = f->w->size >= 0 ? f->w->size : f->length;
	memcpy(f->etag, f->new_etag, sizeof f->etag);
	memcpy(f->modified, f->new_modified, sizeof f->modified);
	return f->total >= 0 && f->to->size ? f->to->size(f->to, f->total, f->e) : 0;
}

/* The rest of what began: by range, or all of it once more. */
static int begin_again(struct fetch *f)
{
	if ((f->etag[0] && f->new_etag[0] && strcmp(f->etag, f->new_etag) != 0) ||
	    (!f->etag[0] && f->modified[0] && f->new_modified[0] && strcmp(f->modified, f->new_modified) != 0))
		return changed(f);
	if (f->w->offset_in_url)
		return 0;
	if (status_of(f) == 206) {
		if (f->range_from != f->offset)
			return err_set(f->e, ST_STREAM, "the server sends another part than was asked for");
		if (f->total >= 0 && f->range_total >= 0 && f->range_total != f->total)
			return changed(f);
		return 0;
	}
	if (f->total >= 0 && f->length >= 0 && f->length != f->total)
		return changed(f);
	f->skip = f->offset;
	hasher_init(&f->prefix, 0);
	return 0;
}

static int begin(struct fetch *f)
{
	f->begun = true;
	return f->offset || f->total >= 0 ? begin_again(f) : begin_first(f);
}

/* Bytes that have been given out before: they must be the same ones. */
static int skip(struct fetch *f, const char **p, size_t *n)
{
	size_t part = f->skip < (int64_t)*n ? (size_t)f->skip : *n;

	hasher_add(&f->prefix, *p, part);
	f->skip -= (int64_t)part;
	*p += part;
	*n -= part;
	return f->skip == 0 && hasher_end(&f->prefix) != hasher_end(&f->given) ? changed(f) : 0;
}

static int take(struct fetch *f, const char *p, size_t n)
{
	int rc = 0;

	if (!f->begun && (rc = begin(f)) < 0)
		return rc;
	f->came += (int64_t)n;
	if (f->skip && (rc = skip(f, &p, &n)) < 0)
		return rc;
	if (n == 0)
		return 0;
	if (f->total >= 0 && (int64_t)n > f->total - f->offset)
		return err_set(f->e, ST_STREAM, "the server sends more than the %lld bytes it promised", (long long)f->total);
	hasher_add(&f->given, p, n);
	f->offset += (int64_t)n;
	return f->to->take(f->to, p, n, f->e);
}

static bool is_body(const struct fetch *f)
{
	long status = status_of(f);

	return status == 200 || status == 206;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;

	n *= size;
	if (is_body(f))
		f->rc = take(f, p, n);
	else if (f->body.n < REASON_MAX && buf_add(&f->body, p, n))
		f->rc = err_oom(f->e);
	f->last_ms = now_ms();
	return f->rc < 0 ? 0 : n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct fetch *f = arg;
	int64_t now = now_ms();

	(void)a, (void)b, (void)c, (void)d;
	f->stalled = now - f->last_ms > f->timeout_ms;
	if (!f->stalled && now - f->polled_ms > 200) {
		f->polled_ms = now;
		if (reader_gone(STDOUT_FILENO, 0))
			f->rc = err_set(f->e, ST_CLOSED, "nobody reads");
	}
	return f->stalled || f->rc < 0;
}

/* libcurl tells only its log when a server sends more than it announced. */
static int on_log(CURL *curl, curl_infotype type, char *p, size_t n, void *arg)
{
	struct fetch *f = arg;

	(void)curl;
	if (type == CURLINFO_TEXT && str_starts((struct str){ p, n }, STR("Excess found")))
		f->excess = true;
	return 0;
}

/* ---- one try ---- */

static int set_range(struct fetch *f, struct web_call *c)
{
	const char *same = f->etag[0] && strncmp(f->etag, "W/", 2) != 0 ? f->etag : f->modified;

	if (f->offset == 0 || f->w->offset_in_url || !same[0])
		return 0;
	return web_header(c, "Range: bytes=%lld-", (long long)f->offset) || web_header(c, "If-Range: %s", same);
}

static void set_options(struct fetch *f, const struct web_call *c)
{
	CURL *u = f->curl;
	const char *url = (const char *)c->url.p, *authorities = getenv("SSL_CERT_FILE");

	curl_easy_setopt(u, CURLOPT_URL, url);
	curl_easy_setopt(u, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(u, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(u, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(u, CURLOPT_USERAGENT, "stook-get");
	curl_easy_setopt(u, CURLOPT_BUFFERSIZE, 262144L);
	curl_easy_setopt(u, CURLOPT_CONNECTTIMEOUT_MS, (long)(f->timeout_ms < 15000 ? f->timeout_ms : 15000));
	curl_easy_setopt(u, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(u, CURLOPT_REDIR_PROTOCOLS_STR, strncasecmp(url, "https:", 6) == 0 ? "https" : "http,https");
	curl_easy_setopt(u, CURLOPT_FOLLOWLOCATION, f->w->follow ? 1L : 0L);
	curl_easy_setopt(u, CURLOPT_MAXREDIRS, 10L);
	if (authorities && *authorities)
		curl_easy_setopt(u, CURLOPT_CAINFO, authorities);
	curl_easy_setopt(u, CURLOPT_ERRORBUFFER, f->curl_says);
	curl_easy_setopt(u, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(u, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(u, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(u, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(u, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(u, CURLOPT_XFERINFODATA, f);
	curl_easy_setopt(u, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(u, CURLOPT_DEBUGFUNCTION, on_log);
	curl_easy_setopt(u, CURLOPT_DEBUGDATA, f);
	curl_easy_setopt(u, CURLOPT_VERBOSE, 1L);
}

static int perform(struct fetch *f, CURLcode *ret)
{
	struct web_call c = { 0 };
	int rc = f->w->prepare(f->w, f->offset, &c, f->e);

	if (rc == 0 && (web_header(&c, "Accept-Encoding: identity") || set_range(f, &c)))
		rc = err_oom(f->e);
	if (rc == 0) {
		new_answer(f);
		f->stalled = false;
		f->curl_says[0] = '\0';
		f->last_ms = now_ms();
		set_options(f, &c);
		*ret = curl_easy_perform(f->curl);
		curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, NULL);
		rc = f->rc;
	}
	curl_slist_free_all(c.headers);
	buf_free(&c.url);
	return rc;
}

/* ---- what became of it ---- */

enum outcome { DONE, AGAIN, FAILED };

/* Bytes that nobody announced: in what was read last, which libcurl's log tells, or still waiting behind it. */
static bool is_too_much(const struct fetch *f)
{
	curl_socket_t s = CURL_SOCKET_BAD;
	const char *scheme = NULL;
	char byte;

	if (f->excess || f->length < 0 || curl_easy_getinfo(f->curl, CURLINFO_SCHEME, &scheme) != CURLE_OK || !scheme ||
	    strcasecmp(scheme, "http") != 0)
		return f->excess;
	return curl_easy_getinfo(f->curl, CURLINFO_ACTIVESOCKET, &s) == CURLE_OK && s != CURL_SOCKET_BAD &&
	       recv(s, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* A body that curl takes for complete. */
static enum outcome completed(struct fetch *f)
{
	long version = 0;

	if (!f->begun && (f->rc = begin(f)) < 0) /* an empty body */
		return FAILED;
	curl_easy_getinfo(f->curl, CURLINFO_HTTP_VERSION, &version);
	if (is_too_much(f)) {
		err_set(f->e, ST_STREAM, "the server sends more than the %lld bytes it promised", (long long)f->length);
		return FAILED;
	}
	if (f->skip || (f->total >= 0 && f->offset < f->total)) {
		err_set(f->e, ST_PARTIAL, "the connection ended after %lld bytes of %lld", (long long)f->offset, (long long)f->total);
		return AGAIN;
	}
	if (f->total < 0 && !f->chunked && f->length < 0 && version < CURL_HTTP_VERSION_2_0) {
		err_set(f->e, ST_STREAM, "the server tells neither the length nor the end of what it sends: it may be cut off");
		err_hint(f->e, "take a copy by other means and check it");
		return FAILED;
	}
	return DONE;
}

static enum status status_for(long http)
{
	return http == 401 || http == 403 || http == 407 ? ST_PERM : http >= 500 ? ST_UNAVAIL : ST_NOINPUT;
}

static bool is_busy(long http)
{
	return http == 408 || http == 425 || http == 429 || http == 500 || (http >= 502 && http <= 504);
}

static const char *meaning(long http)
{
	switch (http) {
	case 401:
		return " (it wants to know who asks)";
	case 403:
		return " (forbidden)";
	case 404:
	case 410:
		return " (not found)";
	default:
		return "";
	}
}

static enum outcome refused(struct fetch *f)
{
	cleanup_buf struct buf why = { 0 };
	long http = status_of(f);
	int said = f->w->reason && f->body.n ? f->w->reason(buf_view(&f->body), &why) : 0;

	if (said || buf_byte(&why, '\0'))
		f->rc = err_oom(f->e);
	else
		err_set(f->e, is_busy(http) ? ST_PARTIAL : status_for(http), "the server answers %ld%s%s%.300s", http, meaning(http),
			why.n > 1 ? ": " : "", (char *)why.p);
	if (f->region[0] && !f->w->follow && (http == 301 || http == 307 || http == 400))
		err_hint(f->e, "the bucket lies in another region: AWS_REGION=%s", f->region);
	return is_busy(http) ? AGAIN : FAILED;
}

static const char *curl_text(const struct fetch *f, CURLcode code)
{
	return f->curl_says[0] ? f->curl_says : curl_easy_strerror(code);
}

static enum outcome broken(struct fetch *f, CURLcode code)
{
	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		err_set(f->e, f->offset ? ST_PARTIAL : ST_UNAVAIL, "nothing came for %lld seconds, after %lld bytes",
			(long long)f->timeout_ms / 1000, (long long)f->offset);
		return AGAIN;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		err_set(f->e, f->offset ? ST_PARTIAL : ST_UNAVAIL, "%s", curl_text(f, code));
		return AGAIN;
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_SSL_CONNECT_ERROR:
		err_set(f->e, ST_PARTIAL, "the connection broke after %lld bytes: %s", (long long)f->offset, curl_text(f, code));
		return AGAIN;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		err_set(f->e, ST_PERM, "the server's certificate is not to be trusted: %s", curl_text(f, code));
		return FAILED;
	case CURLE_URL_MALFORMAT:
		err_set(f->e, ST_USAGE, "this is no URL: %s", curl_text(f, code));
		return FAILED;
	case CURLE_TOO_MANY_REDIRECTS:
		err_set(f->e, ST_UNAVAIL, "it is redirected more than 10 times");
		return FAILED;
	case CURLE_UNSUPPORTED_PROTOCOL:
		err_set(f->e, ST_PERM, "it is redirected to where this must not lead: %s", curl_text(f, code));
		return FAILED;
	case CURLE_OUT_OF_MEMORY:
		err_oom(f->e);
		return FAILED;
	default:
		err_set(f->e, ST_UNAVAIL, "%s", curl_text(f, code));
		return FAILED;
	}
}

static enum outcome judge(struct fetch *f, CURLcode code)
{
	if (code != CURLE_OK)
		return broken(f, code);
	return is_body(f) ? completed(f) : refused(f);
}

/* ---- tries ---- */

static int64_t setting(const char *name, int64_t otherwise, int64_t most)
{
	const char *text = getenv(name);
	struct str s = str_of(text ? text : "");
	int64_t v = number(&s);

	return v < 0 || s.n ? otherwise : v > most ? most : v;
}

/* Waits before try number `failed` + 1: 1/4 s, doubled each time, or what the server says. */
static int pause_for(struct fetch *f, int64_t failed)
{
	curl_off_t told = 0;
	int64_t ms = INT64_C(250) << (failed < 7 ? failed - 1 : 6);

	if (curl_easy_getinfo(f->curl, CURLINFO_RETRY_AFTER, &told) == CURLE_OK && told > 0 && !is_body(f)) {
		if (told > WAIT_MAX)
			return err_hint(f->e, "it asks to come back in %lld seconds", (long long)told);
		ms = (int64_t)told * 1000;
	}
	return reader_gone(STDOUT_FILENO, (int)ms) ? err_set(f->e, ST_CLOSED, "nobody reads") : 0;
}

static int try_all(struct fetch *f)
{
	int64_t failed = 0;

	for (int i = 1;; i++) {
		int64_t before = f->offset;
		CURLcode code = CURLE_OK;
		enum outcome o;

		if (perform(f, &code) < 0)
			return -f->e->status;
		o = judge(f, code);
		if (o == DONE)
			return 0;
		failed = f->offset > before ? 1 : failed + 1;
		if (o == FAILED || i == TRIES_MAX || failed > (code == CURLE_COULDNT_RESOLVE_HOST ? 1 : f->retries))
			return -f->e->status;
		if (pause_for(f, failed) < 0)
			return -f->e->status;
	}
}

int web_get(struct web *w, struct taker *to, struct err *e)
{
	struct fetch f = { .w = w, .to = to, .e = e, .total = -1 };
	int rc;

	f.timeout_ms = setting("STOOK_GET_TIMEOUT", 30, 3600) * 1000;
	f.retries = setting("STOOK_GET_RETRIES", 5, 50);
	hasher_init(&f.given, 0);
	if (!(f.curl = curl_easy_init()))
		return err_oom(e);
	rc = try_all(&f);
	curl_easy_cleanup(f.curl);
	buf_free(&f.body);
	return rc;
}
