#include "fanout/line.h"

#include "fanout/spawn.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define ERRORS_MOST 2048

bool line_stopped(const struct line *l)
{
	struct pollfd p = { l->stop, POLLIN | POLLRDHUP, 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

void line_note_error(struct line *l, const void *p, size_t n)
{
	size_t room = l->errors.n < ERRORS_MOST ? ERRORS_MOST - l->errors.n : 0;

	if (buf_add(&l->errors, p, n < room ? n : room))
		return;
}

int line_write(struct line *l, const void *p, size_t n, int64_t until, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t k = l->ops->write(l, at, n, e);

		if (k < 0)
			return (int)k;
		at += k;
		n -= (size_t)k;
		if (k == 0 && l->ops->wait(l, true, -1, 0, NULL, until, e) < 0)
			return -e->status;
	}
	return 0;
}

/* Moves what lies in `more` up to a line break over to b. */
static bool take_line(struct buf *more, struct buf *b, int *rc)
{
	const uint8_t *nl = more->n ? memchr(more->p, '\n', more->n) : NULL;
	size_t n = nl ? (size_t)(nl - more->p) + 1 : more->n;

	*rc = buf_add(b, more->p, n);
	memmove(more->p ? more->p : (uint8_t *)"", more->p ? more->p + n : (uint8_t *)"", more->n - n);
	more->n -= n;
	return nl != NULL;
}

int line_read(struct line *l, struct buf *more, struct buf *b, int64_t until, struct err *e)
{
	char part[4096];
	int rc = 0;

	b->n = 0;
	while (!take_line(more, b, &rc)) {
		ssize_t k = l->ops->read(l, part, sizeof part, e);

		if (rc)
			return err_oom(e);
		if (k == 0)
			return err_set(e, ST_UNAVAIL, "the connection ended before the host was ready");
		if (k < 0 && k != LINE_LATER)
			return (int)k;
		if (k > 0 && buf_add(more, part, (size_t)k))
			return err_oom(e);
		if (b->n > (64 << 10))
			return err_set(e, ST_UNAVAIL, "it sent too much before it was ready");
		if (k < 0 && l->ops->wait(l, false, -1, 0, NULL, until, e) < 0)
			return -e->status;
	}
	return rc ? err_oom(e) : 0;
}
