/* O_TMPFILE where the file system has it; else a random name that is unlinked at once. */
#include "lib/io/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int named(const char *dir)
{
	char path[4096];
	int fd, n = snprintf(path, sizeof path, "%s/.stook.XXXXXX", dir);

	if (n < 0 || (size_t)n >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

const char *temp_dir(const char *dir)
{
	if (!dir || !*dir)
		dir = getenv("TMPDIR");
	return dir && *dir ? dir : "/tmp";
}

int temp_open(const char *dir, int *fd, struct err *e)
{
	dir = temp_dir(dir);
	*fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
		*fd = named(dir);
	if (*fd >= 0)
		return 0;
	err_sys(e, ST_CANTCREAT, errno, "temporary file in \"%s\"", dir);
	return err_hint(e, "name a writable directory: -T DIR, or TMPDIR");
}

int temp_damaged(struct err *e)
{
	err_set(e, ST_IO, "a temporary file is damaged: what was read is not what was written");
	return err_hint(e, "the disk or the memory is at fault; -T names another folder");
}
