#include "fanout/spool.h"

#include "lib/io/fd.h"

#include <errno.h>

int spool_write(int fd, const void *p, size_t n, struct err *e)
{
	return fd_write(fd, p, n) < 0 ? err_sys(e, ST_IO, errno, "cannot write a temporary file") : 0;
}
