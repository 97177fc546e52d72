/* ARCHIVE//MEMBER: one regular file out of a zip or a tar, entry by entry; nothing is ever written under a name of the archive's.
 *
 * A tar comes as a stream through lib/io, which decompresses it and proves the compressed end; it is read up to its end marker, and a
 * reader that asks for more than there is has been cut off, wherever that was. A zip is read by its central directory, which lies at
 * the end: a cut one has none. What does not lie in a plain file here is kept in a file without a name first. */
#include "get/store.h"

#include "lib/io/fd.h"
#include "lib/io/in.h"
#include "lib/io/name.h"
#include "lib/io/temp.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK ((size_t)256 << 10)
#define BOMB_FROM (INT64_C(64) << 20) /* plain bytes above which */
#define BOMB_RATIO 10000              /* so many for a byte of the archive are refused */

struct reader {
	const char *name;   /* of archive and member */
	char *path;         /* of the archive */
	struct in *in;      /* tar */
	int fd;             /* zip; -1 */
	struct archive *a;
	bool past_end;      /* more was asked for than there is */
	int rc;             /* of reading, in *e */
	struct err *e;
	int64_t entries, given;
	uint8_t *block;
};

/* ---- opening ---- */

static la_ssize_t feed(struct archive *a, void *arg, const void **ret)
{
	struct reader *r = arg;
	ssize_t got = in_read(r->in, r->block, BLOCK, IN_WAIT, r->e);

	(void)a;
	*ret = r->block;
	if (got < 0)
		r->rc = (int)got;
	else if (got == 0)
		r->past_end = true;
	return got < 0 ? -1 : got;
}

static const char *says(const struct reader *r)
{
	const char *text = archive_error_string(r->a);

	return text ? text : "the archive is damaged";
}

static int damaged(struct reader *r, const char *what)
{
	if (r->rc < 0)
		return r->rc;
	return err_set(r->e, r->past_end ? ST_STREAM : ST_DATA, "%s: %s", what, r->past_end ? "it is cut off" : says(r));
}

/* All of a zip that is no plain file here. */
static int spool(struct reader *r)
{
	ssize_t got;
	int rc = temp_open(NULL, &r->fd, r->e);

	if (rc < 0)
		return rc;
	while ((got = in_read(r->in, r->block, BLOCK, IN_WAIT, r->e)) > 0)
		if (fd_write(r->fd, r->block, (size_t)got))
			return err_sys(r->e, ST_IO, errno, "cannot write a temporary file");
	if (got < 0)
		return (int)got;
	return lseek(r->fd, 0, SEEK_SET) < 0 ? err_sys(r->e, ST_IO, errno, "cannot read a temporary file") : 0;
}

/* Libarchive's own reader of descriptors would take a failed read for a damaged archive. */
static la_ssize_t read_fd(struct archive *a, void *arg, const void **ret)
{
	struct reader *r = arg;
	ssize_t got = fd_read(r->fd, r->block, BLOCK);

	(void)a;
	*ret = r->block;
	if (got < 0)
		r->rc = err_sys(r->e, ST_IO, errno, "cannot read the archive");
	return got;
}

static la_int64_t seek_fd(struct archive *a, void *arg, la_int64_t to, int whence)
{
	const struct reader *r = arg;

	(void)a;
	return lseek(r->fd, to, whence);
}

static int open_zip(struct reader *r)
{
	int rc;

	if (name_is_far(r->path) || in_is_compressed(r->in))
		rc = spool(r);
	else
		rc = (r->fd = fd_open(r->path, O_RDONLY, 0)) < 0 ? err_sys(r->e, ST_NOINPUT, errno, "cannot open") : 0;
	if (rc < 0)
		return rc;
	archive_read_support_format_zip_seekable(r->a);
	archive_read_set_read_callback(r->a, read_fd);
	archive_read_set_seek_callback(r->a, seek_fd);
	archive_read_set_callback_data(r->a, r);
	if (archive_read_open1(r->a) == ARCHIVE_OK)
		return 0;
	return r->rc < 0 ? r->rc : err_set(r->e, ST_DATA, "this zip archive is cut off or damaged");
}

static int open_tar(struct reader *r)
{
	archive_read_support_format_tar(r->a);
	if (archive_read_open(r->a, r, NULL, feed, NULL) == ARCHIVE_OK)
		return 0;
	return r->rc < 0 ? r->rc : err_set(r->e, ST_DATA, "this is no tar or zip archive, or a damaged one");
}

static int open_archive(struct reader *r)
{
	struct str head;
	int rc = in_open(&r->in, r->path, r->e);

	if (rc < 0 || (rc = in_peek(r->in, 4, &head, r->e)) < 0)
		return rc;
	if (head.n == 0)
		return err_set(r->e, ST_DATA, "this archive is empty: not even an end");
	archive_read_support_filter_none(r->a);
	return str_is(head, "PK\3\4") || str_is(head, "PK\5\6") ? open_zip(r) : open_tar(r);
}

static int reader_open(struct reader *r, const char *name, struct err *e)
{
	*r = (struct reader){ .name = name, .fd = -1, .e = e };
	r->path = strndup(name, name_member(name));
	r->block = malloc(BLOCK);
	r->a = archive_read_new();
	return r->path && r->block && r->a ? open_archive(r) : err_oom(e);
}

static void reader_close(struct reader *r)
{
	if (r->a)
		archive_read_free(r->a);
	in_close(r->in);
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	free(r->block);
}

/* ---- entries ---- */

/* The rest behind the end marker: only now a compressed tar is known to be whole. */
static int drain(struct reader *r)
{
	ssize_t got = 0;

	if (r->past_end)
		return err_set(r->e, ST_STREAM, "this tar archive ends without its end marker: it is cut off");
	while (r->fd < 0 && (got = in_read(r->in, r->block, BLOCK, IN_WAIT, r->e)) > 0)
		;
	return got < 0 ? (int)got : 0;
}

/* 1 and the next entry, 0 the proven end, or an error. */
static int next_entry(struct reader *r, struct archive_entry **ret)
{
	int rc = archive_read_next_header(r->a, ret);

	if (r->rc < 0)
		return r->rc;
	if (rc == ARCHIVE_EOF)
		return drain(r);
	if (rc < ARCHIVE_WARN || r->past_end)
		return damaged(r, "this archive is damaged");
	if (r->entries++ == NAMES_MAX)
		return err_set(r->e, ST_DATA, "this archive has more than %d entries", NAMES_MAX);
	return 1;
}

/* Its name without the "./" that tar may put in front; NULL: it has none that can be shown. */
static const char *entry_name(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	while (name && name[0] == '.' && name[1] == '/')
		name += 2;
	return name;
}

static bool is_regular(struct archive_entry *entry)
{
	return archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
}

static int refuse(struct reader *r, struct archive_entry *entry)
{
	const char *what = archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK ? "a link" :
			   archive_entry_filetype(entry) == AE_IFDIR				       ? "a folder" :
													 "a special file";

	return err_set(r->e, ST_DATA, "this member is %s; only files are read", what);
}

/* ---- one member ---- */

static bool is_bomb(const struct reader *r)
{
	int64_t packed = r->fd >= 0 ? archive_filter_bytes(r->a, -1) : in_offset(r->in);

	return r->given > BOMB_FROM && r->given / BOMB_RATIO > packed;
}

static int give(struct reader *r, struct taker *to)
{
	uint8_t *p = malloc(BLOCK);
	la_ssize_t got = 0;
	int rc = p ? 0 : err_oom(r->e);

	while (rc == 0 && (got = archive_read_data(r->a, p, BLOCK)) > 0) {
		r->given += got;
		rc = is_bomb(r) ? err_set(r->e, ST_DATA, "this member unpacks to more than %d times its size: refused", BOMB_RATIO)
				: to->take(to, p, (size_t)got, r->e);
	}
	free(p);
	if (rc == 0 && (got < 0 || r->past_end))
		return damaged(r, "this member is damaged");
	return rc;
}

static int give_member(struct reader *r, struct archive_entry *entry, struct taker *to)
{
	int64_t size = archive_entry_size(entry);
	int rc;

	if (!is_regular(entry))
		return refuse(r, entry);
	if (archive_entry_is_encrypted(entry))
		return err_set(r->e, ST_DATA, "this member is encrypted");
	if (archive_entry_size_is_set(entry) && to->size && (rc = to->size(to, size, r->e)) < 0)
		return rc;
	if ((rc = give(r, to)) < 0)
		return rc;
	if (archive_entry_size_is_set(entry) && r->given != size)
		return err_set(r->e, ST_DATA, "this member has %lld bytes, not the %lld it claims", (long long)r->given, (long long)size);
	return 0;
}

static int not_there(struct reader *r, struct names *others)
{
	err_set(r->e, ST_NOINPUT, "the archive has no such member");
	names_hint(others, "it has", r->e);
	return -r->e->status;
}

/* Goes on to the end: a second member of that name would make the answer a guess, and a tar is whole only then. */
static int fetch_from(struct reader *r, const char *member, struct taker *to)
{
	cleanup_names struct names others = { 0 };
	struct archive_entry *entry;
	bool found = false;
	int rc, more;

	while ((more = next_entry(r, &entry)) > 0) {
		const char *name = entry_name(entry);

		if (name && strcmp(name, member) == 0) {
			if (found)
				return err_set(r->e, ST_DATA, "the archive has two members of this name");
			found = true;
			if ((rc = give_member(r, entry, to)) < 0)
				return rc;
		} else if (!found && name && is_regular(entry) && others.n < 20 && (rc = names_add(&others, str_of(name), r->e)) < 0) {
			return rc;
		}
	}
	return more < 0 || found ? more : not_there(r, &others);
}

static int fetch(const char *name, struct taker *to, struct err *e)
{
	struct reader r;
	int rc = reader_open(&r, name, e);

	if (rc == 0)
		rc = fetch_from(&r, name + name_member(name) + 2, to);
	reader_close(&r);
	return rc;
}

/* ---- patterns ---- */

static int list_into(struct reader *r, const char *pattern, struct names *ret, struct names *others)
{
	struct archive_entry *entry;
	bool exact = false;
	int more, rc;

	while ((more = next_entry(r, &entry)) > 0) {
		const char *name = entry_name(entry);
		char *full;

		if (!name || !is_regular(entry))
			continue;
		if (strcmp(name, pattern) == 0 && !exact) {
			ret->n = 0;
			exact = true;
		}
		if (exact ? strcmp(name, pattern) != 0 : !names_match(pattern, name)) {
			if (others->n < 20 && (rc = names_add(others, str_of(name), r->e)) < 0)
				return rc;
			continue;
		}
		full = arena_printf(&ret->arena, "%s//%s", r->path, name);
		if (!full || (rc = names_add(ret, str_of(full), r->e)) < 0)
			return full ? rc : err_oom(r->e);
	}
	return more;
}

static int list(const char *name, struct names *ret, struct err *e)
{
	cleanup_names struct names others = { 0 };
	struct reader r;
	int rc = reader_open(&r, name, e);

	if (rc == 0)
		rc = list_into(&r, name + name_member(name) + 2, ret, &others);
	if (rc == 0 && ret->n == 0) {
		rc = err_set(e, ST_NOINPUT, "no member of the archive matches this pattern");
		names_hint(&others, "it has", e);
	}
	reader_close(&r);
	return rc;
}

static bool owns(const char *name)
{
	return name_member(name) > 0;
}

const struct store store_archive = { owns, fetch, list };
