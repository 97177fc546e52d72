#include "fanout/report.h"

#include "lib/io/out.h"
#include "lib/io/term.h"

#include <jansson.h>
#include <stdlib.h>

#define SHOWN 12 /* shards that the line on stderr names */

int notes_start(struct notes *n, int64_t shard, int64_t rows)
{
	if (shard >= n->cap) {
		int64_t cap = n->cap ? 2 * n->cap : 64;
		struct shard_note *more = realloc(n->v, (size_t)cap * sizeof *more);

		if (!more)
			return -1;
		n->v = more;
		n->cap = cap;
	}
	while (n->n <= shard) {
		n->v[n->n] = (struct shard_note){ .shard = n->n, .host = -1 };
		n->n++;
	}
	n->v[shard].rows = rows;
	n->v[shard].tries++;
	return 0;
}

void notes_commit(struct notes *n, int64_t shard, int host)
{
	n->v[shard].host = host;
	n->v[shard].moved = n->v[shard].tries > 1;
}

static int put_moved(const struct notes *n, struct buf *b)
{
	int64_t moved = 0;

	for (int64_t i = 0; i < n->n; i++) {
		if (!n->v[i].moved)
			continue;
		if (moved < SHOWN && buf_printf(b, "%s%lld", moved ? ", " : "; moved to other hosts: shards ", (long long)i))
			return -1;
		moved++;
	}
	return moved > SHOWN ? buf_printf(b, " and %lld more", (long long)(moved - SHOWN)) : 0;
}

int report_lost(const struct host *hosts, int nhosts, const struct notes *n, struct buf *b)
{
	int lost = 0;

	for (int i = 0; i < nhosts; i++) {
		if (hosts[i].state != HOST_LOST && hosts[i].state != HOST_UNUSABLE)
			continue;
		if (buf_puts(b, lost++ ? ", " : "fanout: lost ") || term_safe(b, str_of(hosts[i].name)) || buf_puts(b, " (") ||
		    term_safe(b, str_of(hosts[i].why.e.msg)) || buf_byte(b, ')'))
			return -1;
	}
	if (!lost)
		return 0;
	return put_moved(n, b) || buf_byte(b, '\n') ? -1 : 0;
}

static const char *state_name(enum host_state s)
{
	static const char *const names[] = { "reaching", "greeted", "ready", "lost", "unusable" };

	return names[s];
}

static json_t *host_object(const struct host *h)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "event", "host", "host", h->name, "state", state_name(h->state),
			      "shards", (json_int_t)h->done, "failed", (json_int_t)h->failed, "shipped", (json_int_t)(h->reach ? h->reach->shipped : 0),
			      "sent", (json_int_t)h->sent_bytes, "received", (json_int_t)h->got_bytes);

	if (o && h->hello.processors)
		json_object_set_new(o, "processors", json_integer(h->hello.processors));
	if (o && h->why.e.status) {
		json_object_set_new(o, "status", json_integer(h->why.e.status));
		json_object_set_new(o, "why", json_string(h->why.e.msg));
	}
	return o;
}

static json_t *shard_object(const struct host *hosts, const struct shard_note *s)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:i, s:b}", "event", "shard", "shard", (json_int_t)s->shard, "rows", (json_int_t)s->rows, "tries",
			      s->tries, "moved", s->moved);

	if (o)
		json_object_set_new(o, "host", s->host >= 0 ? json_string(hosts[s->host].name) : json_null());
	return o;
}

static int put_line(struct out *out, json_t *o, struct err *e)
{
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	int rc = text ? out_write(out, text, strlen(text), e) : err_oom(e);

	if (rc == 0)
		rc = out_write(out, "\n", 1, e);
	free(text);
	json_decref(o);
	return rc;
}

static json_t *end_object(const struct host *hosts, int nhosts, const struct notes *n, int status)
{
	json_int_t lost = 0, moved = 0, missing = 0;

	for (int i = 0; i < nhosts; i++)
		lost += hosts[i].state == HOST_LOST || hosts[i].state == HOST_UNUSABLE;
	for (int64_t i = 0; i < n->n; i++) {
		moved += n->v[i].moved;
		missing += n->v[i].host < 0;
	}
	return json_pack("{s:s, s:i, s:I, s:I, s:I, s:I}", "event", "end", "status", status, "shards", (json_int_t)n->n, "moved", moved,
			 "missing", missing, "lost_hosts", lost);
}

int report_write(const char *path, const struct host *hosts, int nhosts, const struct notes *n, int status, struct err *e)
{
	struct out *out;
	int rc = out_open(&out, path, CODEC_NONE, e);

	if (rc < 0)
		return rc;
	for (int i = 0; i < nhosts && rc == 0; i++)
		rc = put_line(out, host_object(&hosts[i]), e);
	for (int64_t i = 0; i < n->n && rc == 0; i++)
		rc = put_line(out, shard_object(hosts, &n->v[i]), e);
	if (rc == 0)
		rc = put_line(out, end_object(hosts, nhosts, n, status), e);
	if (rc == 0)
		rc = out_commit(out, e);
	out_close(out);
	return rc;
}

void report_stderr(const char *host, struct str lines)
{
	while (lines.n) {
		const char *nl = memchr(lines.p, '\n', lines.n);
		size_t n = nl ? (size_t)(nl - lines.p) : lines.n;
		cleanup_buf struct buf b = { 0 };

		if (host && (term_safe(&b, str_of(host)) || buf_puts(&b, ": ")))
			return;
		if (term_safe(&b, (struct str){ lines.p, n }) || buf_byte(&b, '\n'))
			return;
		term_err(buf_view(&b));
		lines = str_from(lines, n + 1);
	}
}
