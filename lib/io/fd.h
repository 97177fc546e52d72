/* Descriptors: the system calls under in.c, out.c and the spill files, with EINTR, EAGAIN and short counts dealt with. All
 * return as the call does, with errno. */
#ifndef STOOK_IO_FD_H
#define STOOK_IO_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* open(2) with O_CLOEXEC. Never gives 0, 1 or 2: with stdout closed by our parent, a file must not become stdout. */
int fd_open(const char *path, int flags, mode_t mode);

/* A descriptor >= 3 for the same file; `fd` stays open. */
int fd_dup(int fd);

/* The same file at a number >= 3; closes `fd` if it has to move. */
int fd_high(int fd);

/* 1: readable (or at its end), 0: nothing came in time, -1. timeout_ms < 0 waits for ever. */
int fd_wait(int fd, short events, int timeout_ms);

ssize_t fd_read(int fd, void *p, size_t n);
int fd_write(int fd, const void *p, size_t n); /* all of it: 0 or -1 */
int fd_read_at(int fd, void *p, size_t n, off_t at); /* all of it: 0; -1, with errno EIO when the file ends before */
int fd_writev(int fd, struct iovec *v, int n); /* all of it: 0 or -1; v is used up */

/* A larger pipe buffer, if fd is a pipe and the system lets us. */
void fd_widen(int fd);

#endif
