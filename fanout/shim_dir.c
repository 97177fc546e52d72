/* A lock on the directory itself says that its owner lives: locks die with their process, whatever kills it. Making and sweeping
 * exclude each other through a lock on the base directory, so a directory is never swept between its making and its locking. */
#include "fanout/shim_dir.h"

#include "lib/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int lock_base(const char *base)
{
	int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Where others can write too, one of them may sit on the lock: do not wait for ever. */
	for (int i = 0; fd >= 0 && i < 40 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK; i++)
		usleep(50000);
	return fd;
}

static void prefix_of(char *dst, size_t size)
{
	snprintf(dst, size, "stook-run-%u-", (unsigned)getuid());
}

int shim_dir_make(struct shim_dir *d, const char *base, struct err *e)
{
	char prefix[64];
	int lock = lock_base(base);

	prefix_of(prefix, sizeof prefix);
	snprintf(d->path, sizeof d->path, "%s/%sXXXXXX", base, prefix);
	d->fd = -1;
	if (mkdtemp(d->path))
		d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 || flock(d->fd, LOCK_EX | LOCK_NB)) {
		err_sys(e, ST_CANTCREAT, errno, "cannot make a directory in %s", base);
		if (d->fd >= 0)
			close(d->fd);
		d->path[0] = '\0';
		d->fd = -1;
	} else {
		e->status = 0;
	}
	if (lock >= 0)
		close(lock);
	return d->fd < 0 ? -e->status : 0;
}

/* The directory is flat: files only. */
static void remove_flat(int fd, const char *path)
{
	DIR *dir = fdopendir(dup(fd));
	struct dirent *ent;

	while (dir && (ent = readdir(dir)))
		if (ent->d_name[0] != '.')
			unlinkat(fd, ent->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

void shim_dir_remove(struct shim_dir *d)
{
	if (!d->path[0])
		return;
	remove_flat(d->fd, d->path);
	close(d->fd);
	d->path[0] = '\0';
}

static void sweep_one(const char *base, const char *name)
{
	char path[4200];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/%s", base, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_uid == getuid() && flock(fd, LOCK_EX | LOCK_NB) == 0)
		remove_flat(fd, path);
	close(fd);
}

void shim_dir_sweep(const char *base)
{
	int lock = lock_base(base);
	DIR *dir = opendir(base);
	struct dirent *ent;
	char prefix[64];

	prefix_of(prefix, sizeof prefix);
	while (dir && (ent = readdir(dir)))
		if (str_starts(str_of(ent->d_name), str_of(prefix)))
			sweep_one(base, ent->d_name);
	if (dir)
		closedir(dir);
	if (lock >= 0)
		close(lock);
}
