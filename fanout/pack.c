#include "fanout/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct pack {
	struct archive *a;
};

static int failed(struct pack *p, struct err *e)
{
	const char *text = archive_error_string(p->a);

	if (archive_errno(p->a) == ENOMEM)
		return err_oom(e);
	return err_set(e, ST_IO, "cannot pack what is to be shipped: %s", text ? text : "unknown error");
}

int pack_open(struct pack **ret, int fd, struct err *e)
{
	struct pack *p = calloc(1, sizeof *p);

	if (p)
		p->a = archive_write_new();
	if (!p || !p->a) {
		free(p);
		return err_oom(e);
	}
	if (archive_write_set_format_gnutar(p->a) != ARCHIVE_OK || archive_write_add_filter_zstd(p->a) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(p->a, 1) != ARCHIVE_OK || archive_write_open_fd(p->a, fd) != ARCHIVE_OK) {
		failed(p, e);
		pack_free(p);
		return -e->status;
	}
	*ret = p;
	return 0;
}

static int add_bytes(struct pack *p, int fd, struct err *e)
{
	char block[64 << 10];
	off_t at = 0;

	for (;;) {
		ssize_t k = pread(fd, block, sizeof block, at);

		if (k < 0)
			return err_sys(e, ST_IO, errno, "cannot read a file that is to be shipped");
		if (k == 0)
			return 0;
		if (archive_write_data(p->a, block, (size_t)k) != k)
			return failed(p, e);
		at += k;
	}
}

int pack_add(struct pack *p, const char *name, int fd, bool executable, struct err *e)
{
	struct archive_entry *entry = archive_entry_new();
	struct stat st;
	int rc;

	if (!entry)
		return err_oom(e);
	if (fstat(fd, &st)) {
		archive_entry_free(entry);
		return err_sys(e, ST_IO, errno, "cannot read a file that is to be shipped");
	}
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, st.st_size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, executable ? 0700 : 0600);
	rc = archive_write_header(p->a, entry) == ARCHIVE_OK ? add_bytes(p, fd, e) : failed(p, e);
	archive_entry_free(entry);
	return rc;
}

int pack_finish(struct pack *p, struct err *e)
{
	return archive_write_close(p->a) == ARCHIVE_OK ? 0 : failed(p, e);
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	archive_write_free(p->a);
	free(p);
}
