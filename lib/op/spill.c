/* Unnamed temporary files: see spill.h. Two descriptors of one open file: one for the writer, which closes it, one kept for the
 * reader; the offset is shared and rewound between. */
#include "lib/op/spill.h"

#include "lib/format/format.h"
#include "lib/io/meter.h"
#include "lib/io/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int spill_open(struct spill *s, const struct schema *schema, const char *tmpdir, struct err *e)
{
	struct write_opts w = { .spill = true };
	struct out *out;
	int fd, rc = temp_open(tmpdir, &fd, e);

	*s = (struct spill){ .fd = -1 };
	if (rc < 0)
		return rc;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0) {
		rc = err_sys(e, ST_OSERR, errno, "temporary file");
		close(fd);
		return rc;
	}
	if ((rc = out_open_fd(&out, fd, "temporary file", e)) < 0)
		return rc;
	return format_arrow.write(out, schema, &w, &s->sink, e);
}

int spill_write(struct spill *s, struct batch *b, struct err *e)
{
	s->rows += b->nrows;
	return s->sink->write(s->sink, b, e);
}

int spill_end(struct spill *s, struct err *e)
{
	int rc;

	if (!s->sink)
		return 0;
	if ((rc = s->sink->finish(s->sink, e)) == 0) {
		meter_add(&meter.spills, 1);
		meter_add(&meter.spilled, lseek(s->fd, 0, SEEK_CUR));
	}
	sink_close(s->sink);
	s->sink = NULL;
	return rc;
}

static int read_fd(int fd, struct source **ret, struct err *e)
{
	struct read_opts r = { 0 };
	struct in *in;
	int rc;

	if (lseek(fd, 0, SEEK_SET) < 0) {
		rc = err_sys(e, ST_IO, errno, "temporary file");
		close(fd);
		return rc;
	}
	if ((rc = in_open_fd(&in, fd, "temporary file", e)) < 0)
		return rc;
	return format_arrow.read(in, &r, ret, e);
}

int spill_read(struct spill *s, struct source **ret, struct err *e)
{
	int fd = s->fd, rc = spill_end(s, e);

	if (rc < 0)
		return rc;
	s->fd = -1;
	return read_fd(fd, ret, e);
}

int spill_again(struct spill *s, struct source **ret, struct err *e)
{
	int fd, rc = spill_end(s, e);

	if (rc < 0)
		return rc;
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_sys(e, ST_OSERR, errno, "temporary file") : read_fd(fd, ret, e);
}

void spill_close(struct spill *s)
{
	sink_close(s->sink);
	s->sink = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int write_all(struct source *from, struct spill *s, struct err *e)
{
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(from, &b, e)) < 0 || !b)
			return rc;
		if ((rc = spill_write(s, b, e)) < 0)
			return rc;
	}
}

int spill_source(struct source *from, const char *tmpdir, struct source **ret, struct err *e)
{
	struct spill s;
	int rc = spill_open(&s, from->schema, tmpdir, e);

	if (rc == 0 && (rc = write_all(from, &s, e)) == 0)
		rc = spill_read(&s, ret, e);
	spill_close(&s);
	return rc;
}
