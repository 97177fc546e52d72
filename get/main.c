/* stook-get: brings what lies behind a URL or inside an archive, for the other tools, which start it when a name asks for it. The
 * question comes on stdin, the answer goes to stdout in frames: lib/io/helper.h. */
#include "get/store.h"

#include "lib/io/fd.h"
#include "lib/io/helper.h"
#include "lib/io/term.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

static const char usage[] = "stook-get brings what lies behind a URL or inside an archive for the other tools of stook, which start it\n"
			    "by themselves: stook cat https://host/x.csv, s3://bucket/key or 'data.zip//*.csv'; see man stook-get.\n";

/* The first that owns a name has it: a member of an archive may lie behind a URL. */
static const struct store *const kinds[] = { &store_archive, &store_http, &store_s3, &store_hdfs, NULL };

static int read_question(struct buf *b, struct err *e)
{
	ssize_t got;

	do {
		if (buf_reserve(b, 4096))
			return err_oom(e);
		if ((got = fd_read(STDIN_FILENO, b->p + b->n, 4096)) > 0)
			b->n += (size_t)got;
	} while (got > 0 && b->n <= HELPER_NAME_MAX + 1);
	if (got < 0)
		return err_sys(e, ST_IO, errno, "cannot read the question");
	return b->n < 2 || got || memchr(b->p, '\0', b->n) || buf_byte(b, '\0') ? err_set(e, ST_USAGE, "this is no question") : 0;
}

static int answer_list(const struct store *k, const char *pattern, struct giver *g, struct err *e)
{
	cleanup_names struct names names = { 0 };
	struct taker *to = giver_taker(g);
	int rc = k->list ? k->list(pattern, &names, e) : err_set(e, ST_USAGE, "such names are no patterns");

	names_sort(&names);
	for (int i = 0; i < names.n && rc == 0; i++) {
		if (i && strcmp(names.v[i - 1], names.v[i]) == 0)
			return err_set(e, ST_DATA, "there are two of the name %.300s", names.v[i]);
		rc = to->take(to, names.v[i], strlen(names.v[i]) + 1, e);
	}
	return rc;
}

static int answer(struct giver *g, struct err *e)
{
	cleanup_buf struct buf question = { 0 };
	const char *name;
	int rc = read_question(&question, e);

	if (rc < 0)
		return rc;
	name = (const char *)question.p + 1;
	for (int i = 0; kinds[i]; i++)
		if (kinds[i]->owns(name))
			return question.p[0] == HELPER_LIST ? answer_list(kinds[i], name, g, e)
							    : kinds[i]->fetch(name, giver_taker(g), e);
	return err_set(e, ST_NOINPUT, "there is no such input");
}

static int run(void)
{
	struct err e = { 0 };
	struct giver *g;
	int rc;

	if (giver_open(&g, STDOUT_FILENO, &e) < 0)
		return e.status;
	rc = answer(g, &e);
	if (rc == 0)
		rc = giver_end(g, &e);
	if (rc < 0 && e.status != ST_CLOSED)
		giver_fail(g, &e);
	giver_close(g);
	return rc < 0 ? e.status & 0x7f : 0;
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1 || isatty(STDIN_FILENO)) {
		term_err(STR(usage));
		return ST_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive converts names by it */
	return run();
}
