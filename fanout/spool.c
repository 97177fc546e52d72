#include "fanout/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *spool_dir(const char *tmpdir)
{
	const char *env = getenv("TMPDIR");

	return tmpdir ? tmpdir : env && env[0] ? env : "/tmp";
}

int spool_open(const char *tmpdir, int *ret, struct err *e)
{
	const char *dir = spool_dir(tmpdir);
	char name[4200];

	*ret = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*ret >= 0)
		return 0;
	snprintf(name, sizeof name, "%s/.fanout.XXXXXX", dir);
	*ret = mkostemp(name, O_CLOEXEC); /* a file system without O_TMPFILE */
	if (*ret < 0)
		return err_sys(e, ST_CANTCREAT, errno, "cannot create a temporary file in %s", dir);
	unlink(name);
	return 0;
}

int spool_write(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t k = write(fd, at, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, ST_IO, errno, "cannot write a temporary file");
		at += k;
		n -= (size_t)k;
	}
	return 0;
}
