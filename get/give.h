/* What stook-get writes: the frames of lib/io/helper.h. And where bytes go to on their way there. */
#ifndef STOOK_GET_GIVE_H
#define STOOK_GET_GIVE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

#include <stdbool.h>

/* Takes bytes in order. Both calls return 0 or an error; `size` is advice, -1 is never said, and may be NULL. */
struct taker {
	int (*take)(struct taker *t, const void *p, size_t n, struct err *e);
	int (*size)(struct taker *t, int64_t size, struct err *e);
};

struct giver; /* a taker that writes frames */

int giver_open(struct giver **ret, int fd, struct err *e) nodiscard;
struct taker *giver_taker(struct giver *g);
int giver_end(struct giver *g, struct err *e) nodiscard;   /* the trailer: all is there */
void giver_fail(struct giver *g, const struct err *why);   /* the trailer: why not */
void giver_close(struct giver *g);

/* A taker that keeps all, up to `most` bytes. */
struct keeper {
	struct taker taker;
	struct buf *into;
	size_t most;
};
void keeper_init(struct keeper *k, struct buf *into, size_t most);

/* Waits up to ms; true when nobody reads fd any more. */
bool reader_gone(int fd, int ms);

#endif
