/* A resource behind http or https, read to its proven end through whatever breaks on the way.
 *
 * A connection that fails, a server that is busy (408, 429, 5xx) and a body that ends early are tried again, with pauses that double;
 * what has been given out is not asked for again where the server can help it. Bytes of two versions of a resource are never mixed: a
 * further try goes on only under the same ETag or date, or behind a prefix whose hash is that of what was given out. */
#ifndef STOOK_GET_WEB_H
#define STOOK_GET_WEB_H

#include "get/give.h"

#include <curl/curl.h>

/* One request: filled by web.prepare, freed by web_get(). */
struct web_call {
	struct buf url; /* NUL terminated */
	struct curl_slist *headers;
};

struct web {
	/* Fills the request for the bytes from `offset` on. The range is asked for by header, unless offset_in_url. */
	int (*prepare)(struct web *w, int64_t offset, struct web_call *c, struct err *e);
	/* Appends what the body of a refusal says about its reason, if anything. */
	int (*reason)(struct str body, struct buf *into);
	bool offset_in_url; /* prepare() makes sure that the resource is still the same */
	bool follow;        /* redirects: at most 10, never from https to http */
	int64_t size;       /* of the whole, if known beforehand; -1 */
};

/* ST_NOINPUT (404, 410), ST_PERM (401, 403, certificates), ST_UNAVAIL (no connection), ST_PARTIAL (broken once too often; or it has
 * changed), ST_STREAM (a length that is not kept, or an end that proves nothing), ST_CLOSED when nobody reads stdout any more. */
int web_get(struct web *w, struct taker *to, struct err *e) nodiscard;

int web_header(struct web_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* 0 or -1 */

/* Appends s with all but letters, digits, - . _ ~ (and / if `slash`) as %XX. 0 or -1. */
int web_escape(struct buf *b, struct str s, bool slash);

#endif
