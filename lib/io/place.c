/* Atomic files: see place.h. */
#include "lib/io/place.h"

#include "lib/io/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#define MARK ".stook-"
#define TRIES 100

static int cannot_create(int errnum, struct err *e)
{
	enum status status = errnum == EACCES || errnum == EPERM ? ST_PERM : errnum == EIO ? ST_IO : ST_CANTCREAT;

	return err_sys(e, status, errnum, "cannot create");
}

/* Splits the resolved path into p->dir and p->base. */
static int split(struct place *p, char *path, struct err *e)
{
	char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	if (!*base)
		return err_set(e, ST_CANTCREAT, "cannot create: the name ends in a slash");
	if (!(p->base = strdup(base)))
		return err_oom(e);
	if (slash)
		slash[slash == path] = '\0';
	if (!(p->folder = strdup(slash ? path : ".")))
		return err_oom(e);
	p->dir = fd_open(p->folder, O_RDONLY | O_DIRECTORY, 0);
	return p->dir < 0 ? cannot_create(errno, e) : 0;
}

static int resolve(struct place *p, const char *path, struct err *e)
{
	char *real = realpath(path, NULL);
	struct stat st;
	int rc;

	if (!real && errno == ENOENT && lstat(path, &st) == 0)
		return err_set(e, ST_CANTCREAT, "cannot create: it is a symbolic link to nothing");
	if (!real && errno == ENOENT)
		real = strdup(path);
	if (!real)
		return cannot_create(errno, e);
	rc = split(p, real, e);
	free(real);
	return rc;
}

/* Removes hidden files of this name whose writers are gone. */
static void reclaim(const struct place *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = strlen(p->base);
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		const char *s = ent->d_name;

		if (s[0] != '.' || strncmp(s + 1, p->base, n) != 0 || strncmp(s + 1 + n, MARK, strlen(MARK)) != 0)
			continue;
		fd = openat(p->dir, s, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)unlinkat(p->dir, s, 0);
		close(fd);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

/* A new hidden name; the caller tries to take it. */
static int hidden_name(struct place *p, struct err *e)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char r[8];
	char random[sizeof r + 1] = { 0 };
	size_t n = strlen(p->base), most = NAME_MAX - 1 - strlen(MARK) - sizeof r;

	if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
		return err_sys(e, ST_IO, errno, "cannot get random bytes");
	for (size_t i = 0; i < sizeof r; i++)
		random[i] = digits[r[i] % 32];
	free(p->hidden);
	if (asprintf(&p->hidden, ".%.*s" MARK "%s", (int)(n < most ? n : most), p->base, random) < 0) {
		p->hidden = NULL;
		return err_oom(e);
	}
	return 0;
}

static int forget_hidden(struct place *p)
{
	free(p->hidden);
	p->hidden = NULL;
	return -1;
}

/* A locked hidden file; the lock can only be lost to reclaim() between creation and flock(), which then has unlinked it. */
static int open_hidden(struct place *p, struct err *e)
{
	struct stat st;
	int fd, rc;

	for (int i = 0; i < TRIES; i++) {
		if ((rc = hidden_name(p, e)) < 0)
			return rc;
		fd = fd_high(openat(p->dir, p->hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0) {
			rc = cannot_create(errno, e);
			forget_hidden(p);
			return rc;
		}
		(void)flock(fd, LOCK_EX | LOCK_NB);
		if (fstat(fd, &st) == 0 && st.st_nlink > 0)
			return fd;
		close(fd);
	}
	forget_hidden(p);
	return err_set(e, ST_CANTCREAT, "cannot create: no free temporary name");
}

/* An unnamed file needs a file system that has them, and /proc to name it later. */
static int open_unnamed(const struct place *p)
{
	int fd;

	if (access("/proc/self/fd", X_OK) < 0)
		return -1;
	fd = fd_high(openat(p->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0666));
	if (fd >= 0)
		(void)flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* A file that its owner made read-only is not replaced, although the folder would permit it. */
static int check_old(struct place *p, struct err *e)
{
	p->replaces = fstatat(p->dir, p->base, &p->old, 0) == 0;
	if (p->replaces && faccessat(p->dir, p->base, W_OK, AT_EACCESS) < 0)
		return cannot_create(errno, e);
	return 0;
}

int place_open(struct place *p, const char *path, bool tidy, struct err *e)
{
	int fd, rc;

	*p = (struct place){ .dir = -1, .stage = -1 };
	if ((rc = resolve(p, path, e)) < 0 || (rc = check_old(p, e)) < 0)
		return rc;
	if (tidy)
		reclaim(p);
	fd = open_unnamed(p);
	return fd >= 0 ? fd : open_hidden(p, e);
}

/* The new file looks to others as the old one did. Setuid bits are kept only with their owner. */
static void take_over(const struct place *p, int fd)
{
	struct stat st;
	mode_t mode = p->old.st_mode & 07777;

	if (fstat(fd, &st) < 0)
		return;
	if ((st.st_uid != p->old.st_uid || st.st_gid != p->old.st_gid) && fchown(fd, p->old.st_uid, p->old.st_gid) < 0)
		mode &= 0777;
	(void)fchmod(fd, mode);
}

/* Links the unnamed file: straight to its final name when that is free, else to a hidden one. 1: done, 0: now hidden. */
static int link_unnamed(struct place *p, int fd, struct err *e)
{
	char self[40];
	int rc;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (!p->replaces && linkat(AT_FDCWD, self, p->dir, p->base, AT_SYMLINK_FOLLOW) == 0)
		return 1;
	if (!p->replaces && errno != EEXIST)
		return cannot_create(errno, e);
	for (int i = 0; i < TRIES; i++) {
		if ((rc = hidden_name(p, e)) < 0)
			return rc;
		if (linkat(AT_FDCWD, self, p->dir, p->hidden, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	rc = cannot_create(errno, e);
	forget_hidden(p);
	return rc;
}

static int commit_parked(struct place *p, struct err *e)
{
	p->dir = fd_open(p->folder, O_RDONLY | O_DIRECTORY, 0);
	if (p->dir < 0 || renameat(p->stage, p->hidden, p->dir, p->base) < 0)
		return cannot_create(errno, e);
	forget_hidden(p);
	close(p->dir);
	p->dir = -1;
	return 0;
}

int place_commit(struct place *p, int fd, bool flush, struct err *e)
{
	int rc;

	if (p->stage >= 0)
		return commit_parked(p, e);
	if (p->replaces)
		take_over(p, fd);
	if (flush && fsync(fd) < 0)
		return err_sys(e, ST_IO, errno, "cannot flush to disk");
	if (!p->hidden) {
		if ((rc = link_unnamed(p, fd, e)) != 0)
			return rc < 0 ? rc : 0;
	}
	if (renameat(p->dir, p->hidden, p->dir, p->base) < 0)
		return cannot_create(errno, e);
	forget_hidden(p);
	return 0;
}

int place_sync(const struct place *p, struct err *e)
{
	int fd = fd_open(p->folder, O_RDONLY | O_DIRECTORY, 0), rc = 0;

	if (fd >= 0 && fsync(fd) < 0 && errno == EIO)
		rc = err_sys(e, ST_IO, errno, "cannot flush the folder to disk");
	if (fd >= 0)
		close(fd);
	return rc;
}

int place_park(struct place *p, int fd, struct stage *s, struct err *e)
{
	char self[40], name[16];
	int rc;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	snprintf(name, sizeof name, "%u", s->n++);
	if (p->replaces)
		take_over(p, fd);
	rc = p->hidden ? renameat(p->dir, p->hidden, s->dir, name) : linkat(AT_FDCWD, self, s->dir, name, AT_SYMLINK_FOLLOW);
	if (rc < 0)
		return cannot_create(errno, e);
	forget_hidden(p);
	if (!(p->hidden = strdup(name)))
		return err_oom(e);
	p->stage = s->dir;
	close(p->dir);
	p->dir = -1;
	return 0;
}

/* Empties and removes the hidden folder `name`, which `dir` is. */
static void remove_stage(int parent, const char *name, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		(void)unlinkat(dir, ent->d_name, 0);
	if (d)
		closedir(d);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Hidden folders whose processes are gone. */
static void reclaim_stages(int parent)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		if (strncmp(ent->d_name, "." MARK, strlen("." MARK)) != 0)
			continue;
		fd = openat(parent, ent->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_stage(parent, ent->d_name, fd);
		close(fd);
	}
	if (d)
		closedir(d);
}

int stage_open(struct stage *s, const char *folder, struct err *e)
{
	struct place name = { .dir = -1, .base = (char *)(uintptr_t)"" };
	int rc = 0;

	*s = (struct stage){ .parent = fd_open(folder, O_RDONLY | O_DIRECTORY, 0), .dir = -1 };
	if (s->parent < 0)
		return cannot_create(errno, e);
	reclaim_stages(s->parent);
	if ((rc = hidden_name(&name, e)) < 0)
		return rc;
	s->name = name.hidden;
	if (mkdirat(s->parent, s->name, 0700) < 0)
		return cannot_create(errno, e);
	s->dir = fd_high(openat(s->parent, s->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (s->dir < 0)
		return cannot_create(errno, e);
	(void)flock(s->dir, LOCK_EX | LOCK_NB);
	return 0;
}

int stage_flush(const struct stage *s, struct err *e)
{
	return syncfs(s->dir) < 0 ? err_sys(e, ST_IO, errno, "cannot flush to disk") : 0;
}

void stage_close(struct stage *s)
{
	if (s->dir >= 0) {
		remove_stage(s->parent, s->name, s->dir);
		close(s->dir);
	}
	if (s->parent >= 0)
		close(s->parent);
	free(s->name);
	*s = (struct stage){ .parent = -1, .dir = -1 };
}

void place_close(struct place *p)
{
	if (p->hidden && (p->dir >= 0 || p->stage >= 0))
		(void)unlinkat(p->stage >= 0 ? p->stage : p->dir, p->hidden, 0);
	free(p->hidden);
	free(p->base);
	free(p->folder);
	if (p->dir >= 0)
		close(p->dir);
	*p = (struct place){ .dir = -1, .stage = -1 };
}
