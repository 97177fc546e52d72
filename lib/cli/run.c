/* main() of every tool: parse, run, report. */
#include "lib/cli/cli.h"

#include "lib/io/term.h"

#include <fcntl.h>
#include <gmp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef STOOK_VERSION
#define STOOK_VERSION "0.1.0"
#endif

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int show(const struct tool *t, const struct common *c, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = c->help ? opt_help(t, &b) : buf_printf(&b, "stook-%s %s\n", t->name, STOOK_VERSION);

	return rc ? err_oom(e) : out_put(NULL, CODEC_NONE, buf_view(&b), e);
}

static int run(const struct tool *t, int argc, char **argv, void *args, struct err *e)
{
	struct common *c = args;
	int rc = opt_parse(t, argc, argv, args, e);

	if (rc < 0)
		return rc;
	c->counts->started_us = now_us();
	return c->help || c->version ? show(t, c, e) : t->run(args, e);
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
}

static void report(const struct tool *t, const struct common *c, const struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	char program[64] = "stook-";

	if (strcmp(t->name, "fanout") == 0)
		program[0] = '\0';
	strncat(program, t->name, sizeof program - strlen(program) - 1);
	if (err_format(e, program, c && c->errors == 1, &b) == 0)
		term_err(buf_view(&b));
	else
		term_err(STR("stook: out of memory\n"));
}

/* --stats FILE: one JSON object about the run, written also when it failed. */
static int write_stats(const struct tool *t, const struct common *c, int status, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	if (buf_printf(&b, "{\"tool\": \"%s\", \"status\": %d, \"rows_in\": %lld, \"rows_out\": %lld, \"seconds\": %.3f, \"peak_bytes\": %lld}\n",
		       t->name, status, (long long)c->counts->rows_in, (long long)c->counts->rows_out,
		       (double)(now_us() - c->counts->started_us) / 1e6, (long long)used.ru_maxrss * 1024))
		return err_oom(e);
	if (c->verbose)
		term_err(buf_view(&b));
	if (!c->stats)
		return 0;
	return out_put(c->stats, CODEC_NONE, buf_view(&b), e);
}

static int finish(const struct tool *t, const struct common *c, int status)
{
	struct err e = { 0 };

	if (!c || !c->counts || (!c->stats && !c->verbose))
		return status;
	if (write_stats(t, c, status, &e) < 0) {
		report(t, c, &e);
		return status ? status : e.status;
	}
	return status;
}

int tool_main(const struct tool *t, int argc, char **argv)
{
	struct err e = { 0 };
	void *args;
	int rc, status;

	prepare_process();
	args = calloc(1, t->size);
	rc = args ? run(t, argc, argv, args, &e) : err_oom(&e);
	if (rc >= 0) {
		status = rc; /* 0, or ST_NO */
	} else if (e.status == ST_CLOSED) {
		status = 0;
	} else {
		report(t, args, &e);
		status = e.status;
	}
	status = finish(t, args, status);
	if (args)
		opt_free(args);
	free(args);
	return status;
}
