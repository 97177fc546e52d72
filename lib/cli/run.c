/* main() of every tool: parse, run, report. */
#include "lib/cli/cli.h"

#include "lib/base/clock.h"
#include "lib/cli/progress.h"
#include "lib/io/meter.h"
#include "lib/io/term.h"
#include "lib/table/badlog.h"

#include <fcntl.h>
#include <gmp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef STOOK_VERSION
#define STOOK_VERSION "0.1.0"
#endif

static int show(const struct tool *t, const struct common *c, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = c->help ? opt_help(t, &b) : buf_printf(&b, "stook-%s %s\n", t->name, STOOK_VERSION);

	return rc ? err_oom(e) : out_put(NULL, CODEC_NONE, buf_view(&b), e);
}

static int run(const struct tool *t, int argc, char **argv, void *args, struct err *e)
{
	struct common *c = args;
	int rc = opt_parse(t, argc, argv, args, e), end;

	if (rc < 0)
		return rc;
	if (c->stats && strcmp(c->stats, "-") != 0 && (rc = out_open(&c->state->stats, c->stats, CODEC_NONE, e)) < 0)
		return rc;
	if (c->help || c->version)
		return show(t, c, e);
	c->state->tool = t->name;
	c->state->started_us = clock_mono();
	c->read.note = cli_note;
	c->read.note_arg = c;
	if ((rc = bad_start(c, e)) < 0 || (rc = t->run(args, e)) < 0)
		return rc;
	end = bad_finish(c, e);
	return end < 0 ? end : rc;
}

/* GMP cannot report failed allocation: say it and end, as any other out of memory would end. The stream has no end marker then,
 * so nothing downstream takes what was written for the whole. */
static _Noreturn void gmp_out_of_memory(void)
{
	term_err(STR("stook: out of memory (number too large)\n"));
	_exit(ST_OSERR);
}

static void *gmp_alloc(size_t n)
{
	void *p = malloc(n);

	if (!p)
		gmp_out_of_memory();
	return p;
}

static void *gmp_realloc(void *p, size_t old, size_t n)
{
	(void)old;
	p = realloc(p, n);
	if (!p)
		gmp_out_of_memory();
	return p;
}

static void gmp_free(void *p, size_t n)
{
	(void)n;
	free(p);
}

/* Descriptors 0, 1, 2 must be taken, so that no data file ever becomes "stderr"; a closed stdout stays unwritable. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(ST_OSERR);
}

static void prepare_process(void)
{
	hold_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	mp_set_memory_functions(gmp_alloc, gmp_realloc, gmp_free);
	mallopt(M_MMAP_THRESHOLD, 256 << 20); /* batches come and go: keep their pages instead of faulting them anew */
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	mallopt(M_ARENA_MAX, 2); /* what one thread frees another may take: memory stays near what is in use */
}

const char *cli_program(const char *tool, char dst[64])
{
	snprintf(dst, 64, "%s%s", strcmp(tool, "fanout") == 0 ? "" : "stook-", tool);
	return dst;
}

static void report(const struct tool *t, const struct common *c, const struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	char program[64];

	if (err_format(e, cli_program(t->name, program), c && c->errors == 1, &b) == 0)
		term_err(buf_view(&b));
	else
		term_err(STR("stook: out of memory\n"));
}

/* What --stats and -v say: one JSON object about the run. */
static int put_stats(const struct common *c, int status, struct buf *b)
{
	const struct {
		const char *name;
		int64_t value;
	} counts[] = {
		{ "rows_in", meter_get(&meter.rows_in) },     { "rows_out", meter_get(&meter.rows_out) },
		{ "bad_records", c->state->bad ? bad_log_count(c->state->bad) : 0 },
		{ "bytes_in", meter_get(&meter.bytes_in) },   { "bytes_out", meter_get(&meter.bytes_out) },
		{ "spills", meter_get(&meter.spills) },       { "spilled_bytes", meter_get(&meter.spilled) },
	};
	struct rusage used;
	int rc = buf_printf(b, "{\"tool\": \"%s\", \"status\": %d", c->state->tool, status);

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		rc |= buf_printf(b, ", \"%s\": %lld", counts[i].name, (long long)counts[i].value);
	getrusage(RUSAGE_SELF, &used);
	rc |= buf_printf(b, ", \"seconds\": %.3f, \"peak_bytes\": %lld}\n", (double)(clock_mono() - c->state->started_us) / 1e6,
			 (long long)used.ru_maxrss * 1024);
	return rc;
}

/* Written also when the run failed; the file was opened before it began. */
static int write_stats(const struct common *c, int status, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	struct out *o = c->state->stats;
	int rc;

	if (put_stats(c, status, &b))
		return err_oom(e);
	if (c->verbose || !o)
		term_err(buf_view(&b));
	if (!o || (rc = out_write(o, b.p, b.n, e)) < 0)
		return o ? rc : 0;
	return out_commit(o, e);
}

static int finish(const struct tool *t, const struct common *c, int status)
{
	struct err e = { 0 };

	if (!c || !c->state)
		return status;
	if (c->state->started_us && (c->stats || c->verbose) && write_stats(c, status, &e) < 0) {
		report(t, c, &e);
		status = status ? status : e.status;
	}
	out_close(c->state->stats);
	bad_log_unref(c->state->bad);
	return status;
}

/* It failed: before the output was opened? */
static void abandon(const struct tool *t, const struct common *c)
{
	if (c && c->state && !c->state->draining && !c->output && !t->own_files && !term_is(1))
		output_abandon(&c->write);
}

static void stop_progress(const struct common *c)
{
	if (c && c->state)
		progress_stop(c->state->progress);
}

/* The arguments live as long as the process: a thread that waits for an input (lib/table/ahead.h, lib/op/exec.c) is not waited for
 * at the end, and reads them when it wakes up. */
int tool_main(const struct tool *t, int argc, char **argv)
{
	static void *args;
	struct err e = { 0 };
	int rc, status;

	prepare_process();
	args = calloc(1, t->size);
	rc = args ? run(t, argc, argv, args, &e) : err_oom(&e);
	stop_progress(args);
	if (rc >= 0) {
		status = rc; /* 0, or ST_NO */
	} else if (e.status == ST_CLOSED) {
		status = 0;
	} else {
		abandon(t, args);
		report(t, args, &e);
		status = e.status;
	}
	return finish(t, args, status);
}
