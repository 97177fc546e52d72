/* A preload shim that makes system and library calls fail or misbehave, for tests:
 *
 *     FAULT=malloc:N       the n-th allocation fails            FAULT=malloc:N+    that one and all later ones
 *     FAULT=short:SEED     reads and writes move 1-7 bytes, and fail with EINTR half the time
 *     FAULT=write:N:ERR    the n-th write fails (ENOSPC, EIO)   FAULT=read:N:ERR   the n-th read fails
 *     FAULT=flip:N          a bit of what the n-th pread gives is wrong
 *     FAULT=fsync:N:ERR, FAULT=rename:N:ERR, FAULT=kill-write:N (SIGKILL at the n-th write), FAULT=kill-rename:N
 *
 * Counting starts when main() starts to run, after the loader. FAULT_MARK names a file that is created when the fault fires, so that
 * a test can tell whether it did. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum what { NOTHING, MALLOC, SHORT, WRITE, READ, FLIP, FSYNC, RENAME, KILL_WRITE, KILL_RENAME };

static enum what what;
static long at;
static int from_then_on, error = EIO;
static atomic_long count;
static atomic_int armed;
static uint64_t rng;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void fired(void)
{
	const char *mark = getenv("FAULT_MARK");

	if (mark) {
		int fd = open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		if (fd >= 0)
			close(fd);
	}
}

static int hit(enum what which)
{
	long n;

	if (!armed || what != which)
		return 0;
	n = atomic_fetch_add(&count, 1) + 1;
	if (n == at || (from_then_on && n > at)) {
		fired();
		return 1;
	}
	return 0;
}

__attribute__((constructor)) static void start(void)
{
	static const struct { const char *name; enum what w; } names[] = { { "malloc", MALLOC }, { "short", SHORT }, { "write", WRITE },
		{ "read", READ }, { "flip", FLIP }, { "fsync", FSYNC }, { "rename", RENAME }, { "kill-write", KILL_WRITE }, { "kill-rename", KILL_RENAME } };
	const char *spec = getenv("FAULT"), *colon = spec ? strchr(spec, ':') : NULL;
	char *rest;

	if (!colon)
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i].name) == (size_t)(colon - spec) && memcmp(spec, names[i].name, (size_t)(colon - spec)) == 0)
			what = names[i].w;
	at = strtol(colon + 1, &rest, 10);
	from_then_on = *rest == '+';
	if (strstr(rest, "ENOSPC"))
		error = ENOSPC;
	rng = (uint64_t)at * 2654435761u + 1;
	armed = 1;
}

static unsigned roll(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng >> 32);
}

void *malloc(size_t n)
{
	if (hit(MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	if (hit(MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	if (hit(MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	if (hit(MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_memalign(align, n);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* 1: the caller gets -1. */
static int interrupted(size_t *n)
{
	size_t few;

	if (!armed || what != SHORT)
		return 0;
	fired();
	if (roll() & 1) {
		errno = EINTR;
		return 1;
	}
	few = 1 + roll() % 7;
	if (*n > few)
		*n = few;
	return 0;
}

ssize_t read(int fd, void *p, size_t n)
{
	if (hit(READ)) {
		errno = error;
		return -1;
	}
	return interrupted(&n) ? -1 : REAL(read)(fd, p, n);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t got;

	if (hit(READ)) {
		errno = error;
		return -1;
	}
	if (interrupted(&n))
		return -1;
	got = REAL(pread)(fd, p, n, at);
	if (got > 0 && hit(FLIP))
		((unsigned char *)p)[(size_t)got / 2] ^= 4;
	return got;
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (fd != 2 && hit(KILL_WRITE))
		raise(SIGKILL);
	if (fd != 2 && hit(WRITE)) {
		errno = error;
		return -1;
	}
	return fd != 2 && interrupted(&n) ? -1 : REAL(write)(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *v, int count_v)
{
	size_t n = count_v ? v[0].iov_len : 0;

	if (fd != 2 && hit(KILL_WRITE))
		raise(SIGKILL);
	if (fd != 2 && hit(WRITE)) {
		errno = error;
		return -1;
	}
	if (!armed || what != SHORT || !count_v)
		return REAL(writev)(fd, v, count_v);
	return interrupted(&n) ? -1 : REAL(write)(fd, v[0].iov_base, n);
}

int fsync(int fd)
{
	if (hit(FSYNC)) {
		errno = error;
		return -1;
	}
	return REAL(fsync)(fd);
}

static int rename_fault(void)
{
	if (hit(KILL_RENAME))
		raise(SIGKILL);
	if (hit(RENAME)) {
		errno = error;
		return -1;
	}
	return 0;
}

int rename(const char *a, const char *b)
{
	return rename_fault() ? -1 : REAL(rename)(a, b);
}

int renameat(int da, const char *a, int db, const char *b)
{
	return rename_fault() ? -1 : REAL(renameat)(da, a, db, b);
}

int renameat2(int da, const char *a, int db, const char *b, unsigned flags)
{
	return rename_fault() ? -1 : REAL(renameat2)(da, a, db, b, flags);
}

int linkat(int da, const char *a, int db, const char *b, int flags)
{
	return rename_fault() ? -1 : REAL(linkat)(da, a, db, b, flags);
}
