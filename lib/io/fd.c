/* Descriptors: see fd.h. A non-blocking descriptor (inherited from a shell or ssh) is waited for as if it blocked. */
#include "lib/io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)
#define IO_MAX ((size_t)1 << 30) /* the kernel's limit for one call is a little below 2 GiB */

int fd_dup(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int fd_high(int fd)
{
	int high, why;

	if (fd < 0 || fd > 2)
		return fd;
	high = fd_dup(fd);
	why = errno;
	close(fd);
	errno = why;
	return high;
}

int fd_open(const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = open(path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd_high(fd);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int fd_wait(int fd, short events, int timeout_ms)
{
	int64_t until = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	for (;;) {
		n = poll(&p, 1, timeout_ms);
		if (n >= 0 || errno != EINTR)
			return n > 0 ? 1 : n;
		if (timeout_ms > 0) {
			int64_t left = until - now_ms();

			timeout_ms = left > 0 ? (int)left : 0;
		}
	}
}

/* Whether a failed call should be made again, waiting first if the descriptor does not block. */
static bool again(int fd, short events)
{
	if (errno == EINTR)
		return true;
	return (errno == EAGAIN || errno == EWOULDBLOCK) && fd_wait(fd, events, -1) >= 0;
}

ssize_t fd_read(int fd, void *p, size_t n)
{
	ssize_t got;

	do
		got = read(fd, p, n < IO_MAX ? n : IO_MAX);
	while (got < 0 && again(fd, POLLIN));
	return got;
}

int fd_write(int fd, const void *p, size_t n)
{
	const char *s = p;
	ssize_t put;

	while (n) {
		put = write(fd, s, n < IO_MAX ? n : IO_MAX);
		if (put < 0 && !again(fd, POLLOUT))
			return -1;
		if (put > 0) {
			s += put;
			n -= (size_t)put;
		}
	}
	return 0;
}

int fd_read_at(int fd, void *p, size_t n, off_t at)
{
	char *to = p;

	while (n) {
		ssize_t got = pread(fd, to, n < IO_MAX ? n : IO_MAX, at);

		if (got == 0)
			errno = EIO;
		if (got == 0 || (got < 0 && errno != EINTR))
			return -1;
		if (got > 0) {
			to += got;
			at += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

/* Drops `put` bytes from the front of v[0 .. n); returns how many whole pieces are gone. */
static int advance(struct iovec *v, int n, size_t put)
{
	int i = 0;

	for (; i < n && put >= v[i].iov_len; i++)
		put -= v[i].iov_len;
	if (i < n) {
		v[i].iov_base = (char *)v[i].iov_base + put;
		v[i].iov_len -= put;
	}
	return i;
}

int fd_writev(int fd, struct iovec *v, int n)
{
	ssize_t put = 0;
	int gone;

	for (;;) {
		gone = advance(v, n, (size_t)put);
		v += gone;
		n -= gone;
		if (n == 0)
			return 0;
		put = writev(fd, v, n < IOV_MAX ? n : IOV_MAX);
		if (put < 0) {
			if (!again(fd, POLLOUT))
				return -1;
			put = 0;
		}
	}
}

void fd_widen(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);

	if (size > 0 && size < PIPE_SIZE)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
}
