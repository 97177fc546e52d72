/* Runs in temporary files: see runfile.h. A reader has DEPTH jobs, each reading, verifying and unpacking one block. */
#include "lib/op/runfile.h"

#include "lib/base/hash.h"
#include "lib/io/fd.h"
#include "lib/io/temp.h"
#include "lib/op/grow.h"

#include <errno.h>
#include <lz4.h>
#include <unistd.h>

#define DEPTH 2 /* blocks on their way; large ones come when they are asked for: */

struct runfile {
	int fd;
	struct row_block *blocks; /* their p is NULL */
	int64_t n, cap, bytes;
	size_t largest; /* block, plain */
};

void runfile_free(struct runfile *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->blocks);
	free(f);
}

int64_t runfile_bytes(const struct runfile *f)
{
	return f->bytes;
}

size_t runfile_block(const struct runfile *f)
{
	return f->largest;
}

void runfile_rows(const struct runfile *f, int64_t *rows, int64_t *bytes)
{
	for (int64_t i = 0; i < f->n; i++) {
		*rows += f->blocks[i].rows;
		*bytes += (int64_t)f->blocks[i].plain;
	}
}

static int append(struct runfile *f, struct row_block *b, struct err *e)
{
	int rc;

	if (f->n == f->cap) {
		int64_t cap = f->cap ? f->cap * 2 : 64;

		if ((rc = GROW(f->blocks, cap, e)) < 0)
			return rc;
		f->cap = cap;
	}
	if (fd_write(f->fd, b->p, b->stored) < 0)
		return err_sys(e, ST_IO, errno, "temporary file");
	f->blocks[f->n] = *b;
	f->blocks[f->n++].p = NULL;
	f->bytes += (int64_t)b->stored;
	f->largest = b->plain > f->largest ? b->plain : f->largest;
	return 0;
}

static int write_all(struct runfile *f, struct rowstream *from, int64_t limit, struct err *e)
{
	int64_t rows = 0;

	while (limit < 0 || rows < limit) {
		struct rowout *o;
		int rc = from->next(from, &o, e);

		if (rc < 0 || !o)
			return rc;
		if ((rc = append(f, &o->blocks[o->at], e)) < 0)
			return rc;
		rows += o->blocks[o->at].rows;
		free(o->blocks[o->at++].p);
	}
	return 0;
}

int runfile_write(struct rowstream *from, int64_t limit, const char *tmpdir, struct runfile **ret, struct err *e)
{
	struct runfile *f = calloc(1, sizeof *f);
	int rc = f ? temp_open(tmpdir, &f->fd, e) : err_oom(e);

	if (f && rc < 0)
		f->fd = -1;
	if (rc == 0)
		rc = write_all(f, from, limit, e);
	rowstream_close(from);
	if (rc < 0)
		runfile_free(f);
	else
		*ret = f;
	return rc;
}

struct load {
	struct job job;
	const struct runreader *of;
	struct row_block block;   /* as stored, then plain */
	off_t at;
	bool given;
	int rc;
	struct err e;
};

struct runreader {
	struct runfile *file;
	struct pool *pool;
	struct load loads[DEPTH];
	int depth, head;
	int64_t asked;            /* blocks asked for */
	off_t at;
};

static int unpack(struct load *l, const uint8_t *stored, struct err *e)
{
	struct row_block *b = &l->block;
	int n;

	if (hash64(stored, b->stored, 0) != b->hash)
		return temp_damaged(e);
	if (b->stored == b->plain)
		return 0;
	n = LZ4_decompress_safe((const char *)stored, (char *)b->p, (int)b->stored, (int)b->plain);
	return n >= 0 && (size_t)n == b->plain ? 0 : temp_damaged(e);
}

static int load(struct load *l, struct err *e)
{
	struct row_block *b = &l->block;
	uint8_t *packed = b->stored == b->plain ? NULL : malloc(b->stored);
	int rc;

	b->p = malloc(b->plain + ROW_PADDING);
	if (!b->p || (b->stored != b->plain && !packed))
		rc = err_oom(e);
	else if (fd_read_at(l->of->file->fd, packed ? packed : b->p, b->stored, l->at) < 0)
		rc = err_sys(e, ST_IO, errno, "temporary file");
	else
		rc = unpack(l, packed ? packed : b->p, e);
	free(packed);
	return rc;
}

static void load_run(struct job *job)
{
	struct load *l = (struct load *)job;

	l->rc = load(l, &l->e);
}

static void ask(struct runreader *r, struct load *l)
{
	l->given = r->asked < r->file->n;
	if (!l->given)
		return;
	l->block = r->file->blocks[r->asked++];
	l->at = r->at;
	r->at += (off_t)l->block.stored;
	pool_give(r->pool, &l->job);
}

int runreader_open(struct runfile *f, struct pool *pool, struct runreader **ret, struct err *e)
{
	struct runreader *r = calloc(1, sizeof *r);

	if (!r) {
		runfile_free(f);
		return err_oom(e);
	}
	r->file = f;
	r->pool = pool;
	r->depth = f->largest > LARGE_BLOCK ? 1 : DEPTH;
	for (int i = 0; i < r->depth; i++) {
		r->loads[i].job.run = load_run;
		r->loads[i].of = r;
		ask(r, &r->loads[i]);
	}
	*ret = r;
	return 0;
}

int runreader_next(struct runreader *r, struct row_block *ret, struct err *e)
{
	struct load *l = &r->loads[r->head];

	*ret = (struct row_block){ 0 };
	if (!l->given)
		return 0;
	pool_wait(r->pool, &l->job);
	if (l->rc < 0) {
		*e = l->e;
		return l->rc;
	}
	*ret = l->block;
	l->block.p = NULL;
	ask(r, l);
	r->head = (r->head + 1) % r->depth;
	return 0;
}

void runreader_close(struct runreader *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->depth; i++)
		if (r->loads[i].given) {
			pool_wait(r->pool, &r->loads[i].job);
			free(r->loads[i].block.p);
		}
	runfile_free(r->file);
	free(r);
}
