/* A ring of pieces between two threads: see pump.h. The thread fills the piece behind the last full one without the lock, the caller
 * empties the first one; a descriptor that becomes readable at the end wakes a thread that waits for another. */
#include "lib/io/pump.h"

#include "lib/io/in.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PIECES 4
#define PIECE ((size_t)256 << 10)

struct pump {
	pump_read *read;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int wake; /* readable when the thread should end */
	bool stop;
	int first, full;
	size_t n[PIECES], used; /* used: of the first piece */
	bool ended;             /* nothing follows but what rc says */
	ssize_t rc;
	struct err e;
	uint8_t *room; /* PIECES * PIECE */
};

static void *run(void *arg)
{
	struct pump *p = arg;
	ssize_t got;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		int at;

		while (p->full == PIECES && !p->stop)
			pthread_cond_wait(&p->changed, &p->lock);
		if (p->stop)
			break;
		at = (p->first + p->full) % PIECES;
		pthread_mutex_unlock(&p->lock);
		got = p->read(p->arg, p, p->room + (size_t)at * PIECE, PIECE, &p->e);
		pthread_mutex_lock(&p->lock);
		p->n[at] = got > 0 ? (size_t)got : 0;
		p->full += got > 0;
		p->ended = got <= 0;
		p->rc = got;
		pthread_cond_broadcast(&p->changed);
		if (p->ended)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void pump_free(struct pump *p)
{
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	if (p->wake >= 0)
		close(p->wake);
	free(p->room);
	free(p);
}

struct pump *pump_start(pump_read *read, void *arg)
{
	struct pump *p = calloc(1, sizeof *p);
	pthread_condattr_t attr;

	if (!p)
		return NULL;
	p->read = read;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	p->room = malloc(PIECES * PIECE);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!p->room || p->wake < 0 || pthread_create(&p->thread, NULL, run, p) != 0) {
		pump_free(p);
		return NULL;
	}
	return p;
}

static void unlock(void *lock)
{
	pthread_mutex_unlock(lock);
}

/* Until something has changed; false: it is too late. A thread that is cancelled here (fanout/cut.c) leaves the lock open. */
static bool wait_until(struct pump *p, const struct timespec *until)
{
	int rc;

	pthread_cleanup_push(unlock, &p->lock);
	rc = until ? pthread_cond_timedwait(&p->changed, &p->lock, until) : pthread_cond_wait(&p->changed, &p->lock);
	pthread_cleanup_pop(0);
	return rc != ETIMEDOUT;
}

static struct timespec after(int ms)
{
	struct timespec t;
	long ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ns = t.tv_nsec + (long)(ms % 1000) * 1000000;
	t.tv_sec += ms / 1000 + ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

static void use_up(struct pump *p, size_t n)
{
	p->used += n;
	if (p->used < p->n[p->first])
		return;
	p->used = 0;
	p->first = (p->first + 1) % PIECES;
	p->full--;
	pthread_cond_broadcast(&p->changed);
}

ssize_t pump_take(struct pump *p, void *to, size_t n, int timeout_ms, struct err *e)
{
	struct timespec until = after(timeout_ms < 0 ? 0 : timeout_ms);
	ssize_t rc;

	pthread_mutex_lock(&p->lock);
	while (!p->full && !p->ended && wait_until(p, timeout_ms < 0 ? NULL : &until))
		;
	if (p->full) {
		size_t left = p->n[p->first] - p->used;

		rc = (ssize_t)(n < left ? n : left);
		pthread_mutex_unlock(&p->lock);
		memcpy(to, p->room + (size_t)p->first * PIECE + p->used, (size_t)rc);
		pthread_mutex_lock(&p->lock);
		use_up(p, (size_t)rc);
	} else {
		rc = p->ended ? p->rc : IN_LATER;
		if (p->ended && rc < 0)
			*e = p->e;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

void pump_stop(struct pump *p)
{
	uint64_t one = 1;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	while (write(p->wake, &one, sizeof one) < 0 && errno == EINTR)
		;
	pthread_join(p->thread, NULL);
	pump_free(p);
}

int pump_wait(struct pump *p, int fd)
{
	struct pollfd v[] = { { .fd = fd, .events = POLLIN }, { .fd = p->wake, .events = POLLIN } };

	while (poll(v, 2, -1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return -1;
	if (!v[1].revents)
		return 0;
	errno = ECANCELED;
	return -1;
}
