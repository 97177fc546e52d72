/* Bad records and how many are too many. A number is judged where it is passed, in the order of the input, as far as records
 * cannot be read; what the work refuses, and percentages, are judged when all inputs have ended, before the output is complete:
 * so the answer does not depend on threads or on how the input was cut. An input that is not read to its end is not judged. */
#include "lib/cli/cli.h"

#include "lib/base/dec.h"
#include "lib/io/meter.h"
#include "lib/io/term.h"
#include "lib/table/badlog.h"

#include <stdio.h>

/* --max-errors: `most` records, or a share of all: more than m / unit of them. */
struct limit {
	int64_t most;
	int64_t m, unit; /* unit 0: no share */
};

static bool parse_share(const char *s, struct limit *ret)
{
	struct decpool pool = { 0 };
	struct dec d;
	size_t n = strlen(s);
	bool good = n > 1 && n < 16 && s[n - 1] == '%' && dec_parse((struct str){ s, n - 1 }, &pool, &d) == DEC_OK && !d.big &&
		    d.m >= 0 && d.scale <= 9;

	decpool_free(&pool);
	if (!good)
		return false;
	*ret = (struct limit){ .most = INT64_MAX, .m = d.m, .unit = 100 };
	for (int i = 0; i < d.scale; i++)
		ret->unit *= 10;
	return d.m <= ret->unit;
}

static bool parse_limit(const char *s, struct limit *ret)
{
	*ret = (struct limit){ .most = INT64_MAX };
	return !s || parse_share(s, ret) || parse_count(s, &ret->most);
}

int bad_check(const struct common *c, struct err *e)
{
	struct limit l;

	if (!parse_limit(c->max_errors, &l))
		return err_set(e, ST_USAGE, "--max-errors: \"%s\" is neither a count (like 20, 10k) nor a percentage (like 0.1%%)",
			       c->max_errors);
	if (c->max_errors && c->read.on_bad == BAD_FAIL)
		return err_set(e, ST_USAGE, "--max-errors goes with --on-bad skip, null or side=FILE: without, the first bad record "
					    "ends the run");
	return 0;
}

int bad_start(struct common *c, struct err *e)
{
	struct bad_opts o = { .side = c->read.side, .tmpdir = c->tmpdir, .print = record_json };
	struct limit l;
	int rc;

	if (c->read.on_bad == BAD_FAIL || !parse_limit(c->max_errors, &l))
		return 0;
	o.most = l.most;
	if ((rc = bad_log_open(&o, &c->state->bad, e)) < 0)
		return rc;
	c->read.bad_log = c->state->bad;
	return 0;
}

/* Records read: those that came through, and those that never did. */
static int64_t records(const struct common *c)
{
	return meter_get(&meter.rows_in) + (c->read.on_bad == BAD_SKIP ? bad_log_count_read(c->state->bad) : 0);
}

int bad_judge(const struct common *c, struct err *e)
{
	int64_t bad, all;
	struct limit l;

	if (!c->state->bad || !parse_limit(c->max_errors, &l))
		return 0;
	bad = bad_log_count(c->state->bad);
	all = records(c);
	if (bad <= l.most && (!l.unit || (__int128)bad * l.unit <= (__int128)l.m * all))
		return 0;
	return err_set(e, ST_DATA, "%lld of %lld records are bad, more than --max-errors %s allows", (long long)bad, (long long)all,
		       c->max_errors);
}

void cli_note(const void *common, const struct err *note)
{
	const struct common *c = common;
	cleanup_buf struct buf b = { 0 };
	char program[64];

	if (!c->quiet && err_format(note, cli_program(c->state->tool, program), c->errors == 1, &b) == 0)
		term_err(buf_view(&b));
}

/* What became of them, when the inputs were read to their end. */
int bad_finish(const struct common *c, struct err *e)
{
	int64_t bad = c->state->bad ? bad_log_count(c->state->bad) : 0;
	struct err note = { 0 };
	int rc;

	if (!c->state->bad || !c->state->inputs || c->state->ended < c->state->inputs)
		return 0;
	if ((rc = bad_log_end(c->state->bad, e)) < 0 || !bad)
		return rc;
	snprintf(note.msg, sizeof note.msg, "%lld of %lld records %s bad and %s%s", (long long)bad, (long long)records(c),
		 bad == 1 ? "was" : "were", c->read.on_bad == BAD_NULL ? "taken with nulls" : c->read.side ? "laid aside in " : "skipped",
		 c->read.side ? c->read.side : "");
	cli_note(c, &note);
	return 0;
}
