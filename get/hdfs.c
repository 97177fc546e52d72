/* hdfs://[user@]host[:port]/path through WebHDFS (Hadoop's "WebHDFS REST API"); the port is that of the name node's HTTP, 9870 unless
 * given. A file's length and time of change are asked for first and again before a broken read goes on. The user is the name's, or
 * HADOOP_USER_NAME. */
#include "get/store.h"
#include "get/web.h"

#include "lib/io/name.h"

#include <jansson.h>
#include <stdlib.h>

#define ANSWER_MAX ((size_t)64 << 20)

struct hdfs {
	struct web web;
	struct str user, host, path; /* of the name */
	int64_t modified;
};

/* One question to the name node. */
struct question {
	struct web web;
	const struct hdfs *of;
	struct str path;
	const char *op;
};

static bool owns(const char *name)
{
	return name_has_scheme(name, "hdfs");
}

static int put_url(struct buf *b, const struct hdfs *h, struct str path, const char *op, int64_t offset)
{
	bool port = memchr(h->host.p, ':', h->host.n);

	if (buf_printf(b, "http://%.*s%s/webhdfs/v1", STR_ARG(h->host), port ? "" : ":9870") || web_escape(b, path, true) ||
	    buf_printf(b, "?op=%s", op) || (h->user.n && (buf_puts(b, "&user.name=") || web_escape(b, h->user, false))) ||
	    (offset && buf_printf(b, "&offset=%lld", (long long)offset)))
		return -1;
	return buf_byte(b, '\0');
}

static int reason(struct str body, struct buf *into)
{
	json_t *j = json_loadb(body.p, body.n, 0, NULL), *r = json_object_get(j, "RemoteException");
	const char *text = json_string_value(json_object_get(r, "message"));
	int rc = text ? buf_add(into, text, strcspn(text, "\n")) : 0;

	json_decref(j);
	return rc;
}

static int prepare_question(struct web *w, int64_t offset, struct web_call *c, struct err *e)
{
	struct question *q = (struct question *)w;

	(void)offset;
	return put_url(&c->url, q->of, q->path, q->op, 0) ? err_oom(e) : 0;
}

/* *ret: the member `what` of the answer, with *all to be released. */
static int ask(const struct hdfs *h, struct str path, const char *op, const char *what, json_t **all, json_t **ret, struct err *e)
{
	struct question q = { { .prepare = prepare_question, .reason = reason, .follow = true, .size = -1 }, h, path, op };
	cleanup_buf struct buf text = { 0 };
	struct keeper k;
	int rc;

	keeper_init(&k, &text, ANSWER_MAX);
	if ((rc = web_get(&q.web, &k.taker, e)) < 0)
		return rc;
	*all = json_loadb((const char *)text.p, text.n, 0, NULL);
	*ret = json_object_get(*all, what);
	if (*ret)
		return 0;
	json_decref(*all);
	return err_set(e, ST_STREAM, "the answer is not WebHDFS's");
}

static int status(struct hdfs *h, int64_t *size, int64_t *modified, struct err *e)
{
	json_t *all, *s;
	const char *type;
	int rc = ask(h, h->path, "GETFILESTATUS", "FileStatus", &all, &s, e);

	if (rc < 0)
		return rc;
	type = json_string_value(json_object_get(s, "type"));
	if (!type || !json_is_integer(json_object_get(s, "length")))
		rc = err_set(e, ST_STREAM, "the answer is not WebHDFS's");
	else if (strcmp(type, "FILE") != 0)
		rc = err_set(e, ST_NOINPUT, "this is a directory");
	*size = json_integer_value(json_object_get(s, "length"));
	*modified = json_integer_value(json_object_get(s, "modificationTime"));
	json_decref(all);
	return rc;
}

static int prepare(struct web *w, int64_t offset, struct web_call *c, struct err *e)
{
	struct hdfs *h = (struct hdfs *)w;
	int64_t size, modified;
	int rc;

	if (offset && (rc = status(h, &size, &modified, e)) < 0)
		return rc;
	if (offset && (size != h->web.size || modified != h->modified))
		return err_set(e, ST_PARTIAL, "it changed while it was being read, after %lld bytes", (long long)offset);
	return put_url(&c->url, h, h->path, "OPEN", offset) ? err_oom(e) : 0;
}

static int hdfs_open(struct hdfs *h, const char *name, struct err *e)
{
	struct str all = str_of(name + 7);
	size_t n = strcspn(all.p, "/");
	const char *at = memchr(all.p, '@', n), *user = getenv("HADOOP_USER_NAME");

	*h = (struct hdfs){ .web = { .prepare = prepare, .reason = reason, .follow = true, .offset_in_url = true, .size = -1 } };
	h->user = at ? (struct str){ all.p, (size_t)(at - all.p) } : str_of(user ? user : "");
	h->host = (struct str){ at ? at + 1 : all.p, n - (at ? h->user.n + 1 : 0) };
	h->path = str_from(all, n);
	return h->host.n && h->path.n > 1 ? 0 : err_set(e, ST_USAGE, "a file is named hdfs://HOST[:PORT]/PATH, with the port of WebHDFS");
}

static int fetch(const char *name, struct taker *to, struct err *e)
{
	struct hdfs h;
	int rc = hdfs_open(&h, name, e);

	if (rc == 0)
		rc = status(&h, &h.web.size, &h.modified, e);
	return rc < 0 ? rc : web_get(&h.web, to, e);
}

/* ---- patterns: folder by folder ---- */

struct walk {
	const struct hdfs *h;
	const char *base; /* hdfs://user@host:port as it was written */
	int nbase;
	struct names *ret;
	struct err *e;
};

static int walk(struct walk *w, struct str done, const char *rest);

static int found(struct walk *w, struct str done, struct str name, const char *rest, bool folder)
{
	cleanup_buf struct buf path = { 0 };
	bool last = *rest == '\0';

	if (folder == last)
		return 0;
	if (buf_str(&path, done) || buf_byte(&path, '/') || buf_str(&path, name))
		return err_oom(w->e);
	if (!last)
		return walk(w, buf_view(&path), rest);
	if (buf_byte(&path, '\0'))
		return err_oom(w->e);
	{
		char *full = arena_printf(&w->ret->arena, "%.*s%s", w->nbase, w->base, (char *)path.p);

		return full ? names_add(w->ret, str_of(full), w->e) : err_oom(w->e);
	}
}

/* The entries of folder `done` that match the part of the pattern. */
static int walk_folder(struct walk *w, struct str done, const char *part, const char *rest)
{
	json_t *all, *list, *entry;
	size_t i;
	int rc = ask(w->h, done.n ? done : STR("/"), "LISTSTATUS", "FileStatuses", &all, &list, w->e);

	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(list, "FileStatus"), i, entry) {
		const char *name = json_string_value(json_object_get(entry, "pathSuffix"));
		const char *type = json_string_value(json_object_get(entry, "type"));

		if (rc == 0 && name && type && names_match(part, name))
			rc = found(w, done, str_of(name), rest, strcmp(type, "DIRECTORY") == 0);
	}
	json_decref(all);
	return rc;
}

/* `done` is a folder that exists; `rest` begins with a slash. Parts without a pattern are taken as they are. */
static int walk(struct walk *w, struct str done, const char *rest)
{
	cleanup_buf struct buf path = { 0 };
	size_t n = 1 + strcspn(rest + 1, "/");
	char *part = arena_strdup(&w->ret->arena, (struct str){ rest + 1, n - 1 });

	if (!part)
		return err_oom(w->e);
	if (part[names_literal(part)] || rest[n] == '\0')
		return walk_folder(w, done, part, rest + n);
	if (buf_str(&path, done) || buf_byte(&path, '/') || buf_puts(&path, part))
		return err_oom(w->e);
	return walk(w, buf_view(&path), rest + n);
}

static int list(const char *pattern, struct names *ret, struct err *e)
{
	struct hdfs h;
	struct walk w = { &h, pattern, 0, ret, e };
	int rc = hdfs_open(&h, pattern, e);

	if (rc < 0)
		return rc;
	w.nbase = (int)(h.path.p - pattern);
	rc = walk(&w, STR(""), h.path.p);
	if (rc == 0 && ret->n == 0)
		return err_set(e, ST_NOINPUT, "no file matches this pattern");
	return rc;
}

const struct store store_hdfs = { owns, fetch, list };
