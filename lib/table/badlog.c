/* Bad records: see badlog.h. The side file holds records in the order of the input: those that could not be read, written as
 * they come, then those that the work refused, which wait in a temporary file meanwhile; so it does not depend on who is ahead. */
#include "lib/table/badlog.h"

#include "lib/io/in.h"
#include "lib/io/out.h"
#include "lib/io/temp.h"
#include "lib/table/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct bad_log {
	atomic_int refs;
	pthread_mutex_t lock;
	struct bad_opts opts;
	int64_t read, worked;
	struct out *side;  /* NULL: none, or it has its name */
	struct out *later; /* texts that the work refused; NULL: none yet */
	int later_fd;      /* the same file, for reading; -1: none */
};

int bad_log_open(const struct bad_opts *o, struct bad_log **ret, struct err *e)
{
	struct bad_log *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return err_oom(e);
	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->lock, NULL);
	l->opts = *o;
	l->later_fd = -1;
	if (o->side && (rc = out_open(&l->side, o->side, CODEC_NONE, e)) < 0) {
		bad_log_unref(l);
		return rc;
	}
	*ret = l;
	return 0;
}

struct bad_log *bad_log_ref(struct bad_log *l)
{
	if (l)
		atomic_fetch_add(&l->refs, 1);
	return l;
}

void bad_log_unref(struct bad_log *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	out_close(l->side);
	out_close(l->later);
	if (l->later_fd >= 0)
		close(l->later_fd);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static bool ends_line(struct str s)
{
	return s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r');
}

static int put_text(struct out *to, struct str text, struct err *e)
{
	int rc = out_write(to, text.p, text.n, e);

	return rc < 0 || ends_line(text) ? rc : out_write(to, "\n", 1, e);
}

int bad_log_read(struct bad_log *l, struct str raw, struct err *e)
{
	int rc = 0;

	if (!l)
		return 0;
	pthread_mutex_lock(&l->lock);
	if (l->read == l->opts.most)
		rc = 1;
	else if (l->side && raw.p)
		rc = put_text(l->side, raw, e);
	l->read += rc == 0;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

int bad_log_too_many(const struct bad_log *l, struct err *e)
{
	return err_hint(e, "one bad record more than --max-errors %lld allows", (long long)l->opts.most);
}

static int open_later(struct bad_log *l, struct err *e)
{
	int fd, rc = temp_open(l->opts.tmpdir, &fd, e);

	if (rc < 0)
		return rc;
	l->later_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (l->later_fd < 0) {
		rc = err_sys(e, ST_OSERR, errno, "temporary file");
		close(fd);
		return rc;
	}
	rc = out_open_fd(&l->later, fd, "temporary file", e);
	return rc < 0 ? rc : out_write(l->later, "\n", 1, e); /* so that no text is taken for a compressed file */
}

/* The record's own text, or, when none was kept, what it looks like as JSON. */
static int text_of(const struct bad_log *l, const struct batch *b, int64_t row, struct buf *made, struct str *ret,
		   struct err *e)
{
	const struct origin *o = &b->origin;

	*ret = o->raw && o->text ? o->raw(o, row) : (struct str){ NULL, 0 };
	if (ret->p)
		return 0;
	if (l->opts.print && l->opts.print(b, row, made))
		return err_oom(e);
	*ret = buf_view(made);
	return 0;
}

int bad_found_add(struct bad_found *f, const struct batch *b, int64_t row, bool skipped, struct err *e)
{
	cleanup_buf struct buf made = { 0 };
	struct bad_log *l = b->origin.log;
	struct str text;
	int rc;

	f->log = l;
	f->n++;
	if (!skipped || !l->opts.side)
		return 0;
	if ((rc = text_of(l, b, row, &made, &text, e)) < 0)
		return rc;
	return buf_str(&f->texts, text) || (!ends_line(text) && buf_byte(&f->texts, '\n')) ? err_oom(e) : 0;
}

int bad_found_give(struct bad_found *f, struct err *e)
{
	struct bad_log *l = f->log;
	int rc = 0;

	if (!l)
		return 0;
	pthread_mutex_lock(&l->lock);
	l->worked += f->n;
	if (f->texts.n && l->side && (l->later || (rc = open_later(l, e)) == 0))
		rc = out_write(l->later, f->texts.p, f->texts.n, e);
	pthread_mutex_unlock(&l->lock);
	buf_free(&f->texts);
	*f = (struct bad_found){ 0 };
	return rc;
}

int64_t bad_log_count(struct bad_log *l)
{
	int64_t n;

	pthread_mutex_lock(&l->lock);
	n = l->read + l->worked;
	pthread_mutex_unlock(&l->lock);
	return n;
}

int64_t bad_log_count_read(struct bad_log *l)
{
	int64_t n;

	pthread_mutex_lock(&l->lock);
	n = l->read;
	pthread_mutex_unlock(&l->lock);
	return n;
}

static int copy_later(struct bad_log *l, struct err *e)
{
	char text[1 << 14];
	struct in *in;
	ssize_t n;
	int rc, fd = l->later_fd;

	if (!l->later)
		return 0;
	if ((rc = out_flush(l->later, e)) < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, ST_IO, errno, "temporary file");
	l->later_fd = -1;
	if ((rc = in_open_fd(&in, fd, "temporary file", e)) < 0)
		return rc;
	n = in_read(in, text, 1, IN_WAIT, e);
	while (n > 0 && rc == 0 && (n = in_read(in, text, sizeof text, IN_WAIT, e)) > 0)
		rc = out_write(l->side, text, (size_t)n, e);
	in_close(in);
	return n < 0 ? (int)n : rc;
}

int bad_log_end(struct bad_log *l, struct err *e)
{
	int rc = 0;

	if (!l || !l->side)
		return 0;
	pthread_mutex_lock(&l->lock);
	if ((rc = copy_later(l, e)) == 0)
		rc = out_commit(l->side, e);
	out_close(l->side);
	l->side = NULL;
	pthread_mutex_unlock(&l->lock);
	return rc;
}
