/* http and https: the URL as it stands. */
#include "get/store.h"
#include "get/web.h"

#include "lib/io/name.h"

struct http {
	struct web web;
	const char *url;
};

static bool owns(const char *name)
{
	return name_has_scheme(name, "http") || name_has_scheme(name, "https");
}

static int prepare(struct web *w, int64_t offset, struct web_call *c, struct err *e)
{
	(void)offset;
	return buf_puts(&c->url, ((struct http *)w)->url) || buf_byte(&c->url, '\0') ? err_oom(e) : 0;
}

static int fetch(const char *name, struct taker *to, struct err *e)
{
	struct http h = { .web = { .prepare = prepare, .follow = true, .size = -1 }, .url = name };

	return web_get(&h.web, to, e);
}

const struct store store_http = { owns, fetch, NULL };
