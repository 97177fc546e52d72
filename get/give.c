/* Frames out: see give.h. */
#include "get/give.h"

#include "lib/base/hash.h"
#include "lib/io/fd.h"
#include "lib/io/helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct giver {
	struct taker taker;
	int fd;
	int64_t n;
	struct hasher hash;
};

static void put_le(uint8_t *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static int put_frame(struct giver *g, char kind, const void *p, size_t n, struct err *e)
{
	uint8_t head[HELPER_HEAD] = { (uint8_t)kind };
	struct iovec v[] = { { head, sizeof head }, { (void *)(uintptr_t)p, n } };

	put_le(head + 1, n, 4);
	return fd_writev(g->fd, v, 2) ? err_sys(e, ST_IO, errno, "cannot write") : 0;
}

static int take(struct taker *t, const void *p, size_t n, struct err *e)
{
	struct giver *g = (struct giver *)t;
	const char *c = p;
	int rc = 0;

	hasher_add(&g->hash, p, n);
	g->n += (int64_t)n;
	while (n && rc == 0) {
		size_t part = n < HELPER_DATA_MAX ? n : HELPER_DATA_MAX;

		rc = put_frame(g, 'D', c, part, e);
		c += part;
		n -= part;
	}
	return rc;
}

static int size(struct taker *t, int64_t n, struct err *e)
{
	uint8_t p[8];

	put_le(p, (uint64_t)n, 8);
	return put_frame((struct giver *)t, 'S', p, sizeof p, e);
}

int giver_open(struct giver **ret, int fd, struct err *e)
{
	struct giver *g = aligned_alloc(64, (sizeof *g + 63) / 64 * 64);

	if (!g)
		return err_oom(e);
	g->taker = (struct taker){ take, size };
	g->fd = fd;
	g->n = 0;
	hasher_init(&g->hash, 0);
	*ret = g;
	return 0;
}

struct taker *giver_taker(struct giver *g)
{
	return &g->taker;
}

int giver_end(struct giver *g, struct err *e)
{
	uint8_t p[16];

	put_le(p, (uint64_t)g->n, 8);
	put_le(p + 8, hasher_end(&g->hash), 8);
	return put_frame(g, 'E', p, sizeof p, e);
}

void giver_fail(struct giver *g, const struct err *why)
{
	char p[1 + sizeof why->msg + sizeof why->hint];
	struct err e;
	int n = snprintf(p, sizeof p, "%c%s%c%s", why->status, why->msg, '\0', why->hint);

	(void)!put_frame(g, 'F', p, (size_t)n + 1, &e); /* it may be the reader that has gone */
}

void giver_close(struct giver *g)
{
	free(g);
}

static int keep(struct taker *t, const void *p, size_t n, struct err *e)
{
	struct keeper *k = (struct keeper *)t;

	if (n > k->most - k->into->n)
		return err_set(e, ST_DATA, "the answer is longer than the %zu bytes that are taken", k->most);
	return buf_add(k->into, p, n) ? err_oom(e) : 0;
}

void keeper_init(struct keeper *k, struct buf *into, size_t most)
{
	*k = (struct keeper){ { keep, NULL }, into, most };
}

bool reader_gone(int fd, int ms)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, ms) > 0 && (p.revents & (POLLERR | POLLHUP | POLLNVAL));
}
