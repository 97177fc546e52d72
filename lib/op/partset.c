/* Parts of a split: see partset.h.
 *
 * What a part needs while it is open is its `pen`. An ended file keeps its descriptor, nameless, until all are complete; when those
 * run short it is parked in a hidden folder instead. So only the naming itself can fail halfway, and nothing is written then. */
#include "lib/op/partset.h"

#include "lib/base/pool.h"
#include "lib/io/meter.h"
#include "lib/io/place.h"
#include "lib/op/exec.h"
#include "lib/op/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARE_FILES 40 /* descriptors for everything else */
#define MOST_COMMANDS 16
#define MOST_SYNCS 16
#define LARGE (32 << 10) /* bytes worth writing at once; less is collected */
#define COLLECTED (INT64_C(128) << 10)        /* for a part, at most: out.h collects too */
#define PACKED_COLLECTED (INT64_C(256) << 10) /* a job of compressing: nobody waits long for another's, and the tables are worth warming */
#define TIDY 100 /* parts whose folders are searched for what killed runs left: each takes as long as there are files */
#define PEN_BYTES (INT64_C(512) << 10)   /* of an open part, besides its rows */
#define PACKED_BYTES (INT64_C(4) << 20)  /* the same when it is compressed */

struct pen {
	struct job job;
	struct sink *sink;
	struct out *out;
	struct rows rows;
	struct line_rows lines, going; /* collected instead of rows; those that going_out[0] is a view of */
	int64_t bytes;       /* in rows or lines, about */
	struct batch *going_out[2]; /* to the sink: what was collected, and what came behind it */
	bool busy, ending, borrows; /* borrows: going_out[1] belongs to who gave it */
	pid_t pid;           /* of its command */
	char *command;
	int rc;
	struct err e;
};

struct part {
	const char *name, *path;
	struct pen *pen;
	struct out *out;     /* ended, and held until the end */
	bool ended;
	int64_t rows;
	struct out_digest digest;
};

struct partset {
	struct partset_opts o;
	struct write_opts write;
	const struct schema *schema;
	struct arena arena;
	struct part *v;
	uint32_t n, cap, open, held, room, files;
	int64_t large;       /* bytes worth writing at once; less is collected */
	struct out *manifest;
	struct stage stage;
};

/* Names. */

static bool plain_for_shell(struct str s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+,=@.%/";

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x80 && !memchr(plain, s.p[i], sizeof plain - 1))
			return false;
	return s.n > 0;
}

static int quote(struct str s, struct buf *b)
{
	int rc;

	if (plain_for_shell(s))
		return buf_str(b, s);
	rc = buf_byte(b, '\'');
	for (size_t i = 0; i < s.n && !rc; i++)
		rc = s.p[i] == '\'' ? buf_puts(b, "'\\''") : buf_byte(b, (uint8_t)s.p[i]);
	return rc ? rc : buf_byte(b, '\'');
}

/* The pattern with every {} replaced. */
static char *fill_in(struct partset *p, struct str name)
{
	cleanup_buf struct buf b = { 0 };

	for (const char *s = p->o.pattern; *s;) {
		bool here = s[0] == '{' && s[1] == '}';

		if (!here ? buf_byte(&b, (uint8_t)*s) : p->o.commands ? quote(name, &b) : buf_str(&b, name))
			return NULL;
		s += here ? 2 : 1;
	}
	return arena_strdup(&p->arena, buf_view(&b));
}

int partset_add(struct partset *p, struct str name, struct err *e)
{
	struct part *part;
	int rc;

	if (p->n == p->cap) {
		uint32_t cap = p->cap ? p->cap * 2 : 16;

		if ((rc = GROW(p->v, cap, e)) < 0)
			return rc;
		p->cap = cap;
	}
	part = &p->v[p->n];
	*part = (struct part){ .name = arena_strdup(&p->arena, name), .path = fill_in(p, name) };
	if (!part->name || !part->path)
		return err_oom(e);
	if (p->o.manifest && strcmp(part->path, p->o.manifest) == 0) {
		err_set(e, ST_CANTCREAT, "part \"%s\" would lie where the manifest goes", part->name);
		return err_at(e, part->path, 0, 0);
	}
	p->n++;
	return 0;
}

uint32_t partset_count(const struct partset *p)
{
	return p->n;
}

uint32_t partset_room(const struct partset *p)
{
	return p->room;
}

/* Opening. */

/* The command's input: a pipe. */
static int start_command(struct partset *p, struct pen *pen, struct err *e)
{
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, ST_OSERR, errno, "--to-cmd: no pipe");
	rc = exec_shell(pen->command, fds[0], STDOUT_FILENO, &pen->pid);
	close(fds[0]);
	if (rc) {
		pen->pid = 0;
		close(fds[1]);
		return err_sys(e, ST_OSERR, rc, "--to-cmd: sh cannot be started");
	}
	return output_open_part(NULL, fds[1], &p->write, p->schema, p->manifest != NULL, &pen->sink, &pen->out, e);
}

static void drop(struct pen *pen)
{
	for (int i = 0; i < 2; i++) {
		batch_unref(pen->going_out[i]);
		pen->going_out[i] = NULL;
	}
}

static void pen_free(struct pen *pen)
{
	sink_close(pen->sink);
	out_close(pen->out);
	rows_free(&pen->rows);
	drop(pen);
	line_rows_free(&pen->lines);
	line_rows_free(&pen->going);
	free(pen->command);
	free(pen);
}

int partset_start(struct partset *p, uint32_t i, struct err *e)
{
	struct part *part = &p->v[i];
	struct pen *pen = calloc(1, sizeof *pen);
	int rc;

	if (!pen)
		return err_oom(e);
	p->write.packing.one_of_many = i >= TIDY;
	part->pen = pen;
	p->open++;
	if (p->o.commands && !(pen->command = strdup(part->path)))
		return err_oom(e);
	if ((rc = rows_init(&pen->rows, p->schema, e)) == 0)
		rc = p->o.commands ? start_command(p, pen, e)
				   : output_open_part(part->path, -1, &p->write, p->schema, p->manifest != NULL, &pen->sink, &pen->out, e);
	if (rc != -ST_CLOSED || !pen->pid)
		return rc;
	pen->rc = rc; /* the command has ended before its header could be written: its status decides */
	return 0;
}

bool partset_lines(const struct partset *p, struct line_form *ret)
{
	return output_lines(p->o.commands ? NULL : p->o.pattern, &p->write, p->schema, ret);
}

/* Writing. */

static void work(struct job *j)
{
	struct pen *pen = (struct pen *)j;

	for (int i = 0; i < 2 && pen->rc == 0; i++)
		if (pen->going_out[i])
			pen->rc = pen->sink->write(pen->sink, pen->going_out[i], &pen->e);
	drop(pen);
	if (pen->rc == 0 && pen->ending)
		pen->rc = pen->sink->finish(pen->sink, &pen->e);
}

/* A command that wants no more than it got may say so; its status decides. */
static int settle(struct partset *p, struct pen *pen, struct err *e)
{
	if (!pen->busy)
		return 0;
	pool_wait(p->o.pool, &pen->job);
	pen->busy = false;
	if (pen->rc < 0 && !(pen->rc == -ST_CLOSED && pen->pid)) {
		*e = pen->e;
		return pen->rc;
	}
	return 0;
}

static int take_lines(struct partset *p, struct pen *pen, struct err *e)
{
	struct line_rows free = pen->going;

	pen->going = pen->lines;
	free.n = 0;
	free.text.n = free.at.n = 0;
	pen->lines = free;
	return line_rows_view(&pen->going, p->schema, &pen->going_out[0], e);
}

/* What has been collected, and b behind it. */
static int give(struct partset *p, struct pen *pen, struct batch *b, bool ending, struct err *e)
{
	int rc = settle(p, pen, e);

	if (rc == 0 && pen->rows.n)
		rc = rows_take(&pen->rows, &pen->going_out[0], e);
	else if (rc == 0 && pen->lines.n)
		rc = take_lines(p, pen, e);
	if (rc < 0)
		return rc;
	pen->bytes = 0;
	if (pen->rc < 0) { /* the command wants no more */
		drop(pen);
		return 0;
	}
	pen->going_out[1] = b ? batch_ref(b) : NULL;
	pen->borrows = b != NULL;
	pen->ending = ending;
	pen->job.run = work;
	pen->busy = true;
	pool_give(p->o.pool, &pen->job);
	return 0;
}

static bool is_packed(const struct partset *p)
{
	return p->write.packing.codec || p->write.compress;
}

/* A share of the memory for each, so that many parts do not add up beyond it: rows that are collected, and as many being written. */
static int64_t pen_limit(const struct partset *p)
{
	int64_t most = is_packed(p) ? PACKED_COLLECTED : COLLECTED;
	int64_t share = p->o.memory > 0 ? p->o.memory / 4 / (p->open + 1) : most;

	return share > most ? most : share;
}

/* Lines and rows are collected apart; what has been collected of the other kind goes first. */
static int one_kind(struct partset *p, struct pen *pen, bool lines, struct err *e)
{
	return (lines ? pen->rows.n : pen->lines.n) ? give(p, pen, NULL, false, e) : 0;
}

/* n rows of so many bytes are to be written. */
static int begin_write(struct partset *p, uint32_t i, int64_t n, int64_t bytes, bool lines, struct pen **ret, struct err *e)
{
	struct part *part = &p->v[i];
	int rc = part->pen ? 0 : partset_start(p, i, e);

	part->rows += n;
	meter_add(&meter.rows_out, n);
	if (rc == 0)
		rc = one_kind(p, part->pen, lines, e);
	if (rc == 0)
		part->pen->bytes += bytes;
	*ret = part->pen;
	return rc;
}

static int end_write(struct partset *p, struct pen *pen, struct err *e)
{
	return pen->rows.n + pen->lines.n >= BATCH_ROWS || pen->bytes >= pen_limit(p) ? give(p, pen, NULL, false, e) : 0;
}

int partset_write(struct partset *p, uint32_t i, const struct batch *b, const uint32_t *idx, int64_t n, int64_t each, struct err *e)
{
	struct pen *pen;
	int rc = begin_write(p, i, n, n * each, false, &pen, e);

	if (rc < 0 || (rc = rows_gather(&pen->rows, b, idx, n, e)) < 0)
		return rc;
	return end_write(p, pen, e);
}

int partset_give(struct partset *p, uint32_t i, struct batch *b, int64_t bytes, struct err *e)
{
	bool lines = b->lines.at;
	struct pen *pen;
	int rc = begin_write(p, i, b->nrows, bytes, lines, &pen, e);

	if (rc < 0)
		return rc;
	if (bytes >= p->large)
		return give(p, pen, b, false, e);
	rc = lines ? line_rows_add(&pen->lines, &b->lines, b->nrows, e) : rows_add(&pen->rows, b, 0, b->nrows, e);
	return rc < 0 ? rc : end_write(p, pen, e);
}

int partset_settle(struct partset *p, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		if (p->v[i].pen && p->v[i].pen->borrows)
			rc = settle(p, p->v[i].pen, e);
	return rc;
}

/* Ending. */

static int wait_for_command(struct pen *pen, struct err *e)
{
	int status;

	while (waitpid(pen->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, ST_OSERR, errno, "--to-cmd %s", pen->command);
	pen->pid = 0;
	return exec_status(pen->command, status, e);
}

/* Its descriptor is given up when those run short. */
static int hold(struct partset *p, struct part *part, struct err *e)
{
	const char *folder = out_folder(part->out);
	int rc = 0;

	if (!folder)
		return 0;
	if (p->held < p->files) {
		p->held++;
		return 0;
	}
	if (p->stage.dir < 0)
		rc = stage_open(&p->stage, folder, e);
	return rc < 0 ? err_at(e, part->path, 0, 0) : out_park(part->out, &p->stage, e);
}

/* Second half of the end: everything has been given. */
static int close_pen(struct partset *p, struct part *part, struct err *e)
{
	struct pen *pen = part->pen;
	int rc = settle(p, pen, e);

	if (rc < 0)
		return rc;
	if (p->manifest)
		out_digest(pen->out, &part->digest);
	if (pen->pid) {
		out_abort(pen->out); /* its end of the pipe, if the command stopped reading */
		rc = wait_for_command(pen, e);
	} else {
		part->out = out_ref(pen->out);
	}
	pen_free(pen);
	part->pen = NULL;
	part->ended = true;
	p->open--;
	return rc < 0 || p->o.commands ? rc : hold(p, part, e);
}

int partset_end(struct partset *p, uint32_t i, struct err *e)
{
	struct part *part = &p->v[i];
	int rc = part->pen ? 0 : partset_start(p, i, e);

	if (rc == 0 && (rc = give(p, part->pen, NULL, true, e)) == 0)
		rc = close_pen(p, part, e);
	return rc;
}

/* Those that are open end side by side. */
int partset_end_open(struct partset *p, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		if (p->v[i].pen)
			rc = give(p, p->v[i].pen, NULL, true, e);
	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		if (p->v[i].pen)
			rc = close_pen(p, &p->v[i], e);
	return rc;
}

/* Onto the disk: the disk is waited for by many threads at once. */

struct flush {
	struct job job;
	struct out *out;
	int rc;
	struct err e;
};

static void run_flush(struct job *j)
{
	struct flush *f = (struct flush *)j;

	f->rc = out_sync(f->out, &f->e);
}

static int flush_held(struct pool *pool, struct flush *f, struct partset *p, struct err *e)
{
	int rc = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		if (!p->v[i].out)
			continue;
		f[n] = (struct flush){ .job.run = run_flush, .out = p->v[i].out };
		pool_give(pool, &f[n++].job);
	}
	for (uint32_t i = 0; i < n; i++) {
		pool_wait(pool, &f[i].job);
		if (f[i].rc < 0 && rc == 0) {
			*e = f[i].e;
			rc = f[i].rc;
		}
	}
	return rc;
}

static int flush_all(struct partset *p, struct err *e)
{
	struct pool *pool = NULL;
	struct flush *f;
	int rc;

	if (p->stage.dir >= 0 && (rc = stage_flush(&p->stage, e)) < 0)
		return rc;
	f = calloc(p->n + 1, sizeof *f);
	if (!f)
		return err_oom(e);
	if ((rc = pool_open(&pool, MOST_SYNCS, e)) == 0)
		rc = flush_held(pool, f, p, e);
	pool_close(pool);
	free(f);
	return rc;
}

/* Names are given one after another, then their folders go to disk: neighbours mostly share one. */
static int name_all(struct partset *p, struct err *e)
{
	const char *last = NULL;
	int rc = 0;

	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		if (p->v[i].out)
			rc = out_commit(p->v[i].out, e);
	for (uint32_t i = 0; i < p->n && rc == 0; i++) {
		const char *folder = p->v[i].out ? out_folder(p->v[i].out) : NULL;

		if (folder && !(last && strcmp(folder, last) == 0))
			rc = out_sync_name(p->v[i].out, e);
		last = folder;
	}
	return rc;
}

static int describe(const struct partset *p, const struct part *part, struct buf *b)
{
	return buf_puts(b, "{\"name\": ") || json_quote(b, str_of(part->name)) ||
	       buf_puts(b, p->o.commands ? ", \"command\": " : ", \"file\": ") || json_quote(b, str_of(part->path)) ||
	       buf_printf(b, ", \"rows\": %lld, \"bytes\": %lld, \"xxh128\": \"%s\"}", (long long)part->rows,
			  (long long)part->digest.bytes, part->digest.xxh128);
}

static int write_part(struct partset *p, uint32_t i, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (buf_puts(&b, i ? ",\n" : "\n") || describe(p, &p->v[i], &b))
		return err_oom(e);
	return out_write(p->manifest, b.p, b.n, e);
}

static int write_manifest(struct partset *p, struct str about, struct err *e)
{
	int rc = out_write(p->manifest, about.p, about.n, e);

	if (rc == 0)
		rc = out_write(p->manifest, ", \"parts\": [", 12, e);
	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		rc = write_part(p, i, e);
	if (rc == 0)
		rc = out_write(p->manifest, "\n]}\n", 4, e);
	return rc == 0 ? out_flush(p->manifest, e) : rc;
}

/* A manifest with a name is written before the parts get theirs, so that a full disk leaves nothing; what only passes through comes last. */
int partset_commit(struct partset *p, struct str about, struct err *e)
{
	bool named = p->manifest && out_folder(p->manifest);
	int rc = partset_end_open(p, e);

	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		if (!p->v[i].ended)
			rc = partset_end(p, i, e);
	if (rc == 0 && named)
		rc = write_manifest(p, about, e);
	if (rc == 0 && (rc = flush_all(p, e)) == 0)
		rc = name_all(p, e);
	if (rc == 0 && p->manifest && !named)
		rc = write_manifest(p, about, e);
	return rc == 0 && p->manifest ? out_commit(p->manifest, e) : rc;
}

/* Beginning and end. */

/* What is open at once: descriptors (a file and its folder each), half of the memory, and processes. */
static void set_room(struct partset *p)
{
	int64_t each = is_packed(p) ? PACKED_BYTES : PEN_BYTES;
	int64_t most = p->o.memory > 0 ? p->o.memory / 2 / each : UINT32_MAX;
	struct rlimit l = { .rlim_cur = 1024 };
	int64_t files;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max; /* use what the system grants */
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
	files = l.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)l.rlim_cur - SPARE_FILES;
	files = files < 8 ? 1 : files / 4; /* so many open, so many held */
	p->files = (uint32_t)files;
	if (most > files)
		most = files;
	if (p->o.commands && most > MOST_COMMANDS)
		most = MOST_COMMANDS;
	p->room = most < 1 ? 1 : (uint32_t)most;
}

int partset_open(const struct partset_opts *o, const struct schema *s, struct partset **ret, struct err *e)
{
	struct partset *p = calloc(1, sizeof *p);
	size_t stem;
	int rc;

	if (!p)
		return err_oom(e);
	p->o = *o;
	p->schema = s;
	p->write = *o->write;
	p->stage = (struct stage){ .parent = -1, .dir = -1 };
	if (!o->write->compress)
		p->write.packing.codec = codec_of_suffix(str_of(o->write->to ? o->write->to : o->pattern), &stem);
	if (!o->in_turn)
		p->write.packing.threads = 0; /* parts are packed side by side instead */
	p->large = is_packed(p) ? PACKED_COLLECTED : LARGE;
	set_room(p);
	if (o->manifest && (rc = out_open(&p->manifest, o->manifest, CODEC_NONE, e)) < 0) {
		partset_close(p, e);
		return rc;
	}
	*ret = p;
	return 0;
}

/* A command must not take what it got for everything. */
static void give_up(struct partset *p, struct pen *pen, const struct err *why)
{
	if (pen->pid > 0)
		kill(pen->pid, SIGTERM);
	if (pen->busy)
		pool_wait(p->o.pool, &pen->job);
	if (pen->sink)
		pen->sink->fail(pen->sink, why);
	if (pen->pid > 0)
		while (waitpid(pen->pid, NULL, 0) < 0 && errno == EINTR)
			;
}

void partset_close(struct partset *p, const struct err *why)
{
	for (uint32_t i = 0; i < p->n; i++) {
		if (p->v[i].pen) {
			give_up(p, p->v[i].pen, why);
			pen_free(p->v[i].pen);
		}
		out_close(p->v[i].out);
	}
	out_close(p->manifest);
	stage_close(&p->stage);
	free(p->v);
	arena_free(&p->arena);
	free(p);
}
