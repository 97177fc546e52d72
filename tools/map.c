/* stook map: compute, filter, choose, rename and explode records. */
#include "lib/base/clock.h"
#include "lib/cli/cli.h"
#include "lib/io/in.h"
#include "lib/op/exec.h"
#include "lib/op/mapper.h"

struct map_args {
	struct common common;
	const char *file, *now, *exec;
	int protocol;            /* index into protocols */
	bool functions;
	int leading;             /* operands that are the program: 0 with -f and --exec */
	struct program *program; /* parsed by check() */
};

#define FILE_MAX (16 << 20)

static int read_all(struct in *in, struct buf *b, struct err *e)
{
	ssize_t n;

	do {
		if (buf_reserve(b, 65536))
			return err_oom(e);
		if ((n = in_read(in, b->p + b->n, 65536, IN_WAIT, e)) < 0)
			return (int)n;
		b->n += (size_t)n;
	} while (n > 0 && b->n <= FILE_MAX);
	return 0;
}

/* The whole of a program's file. */
static int read_program(const char *name, struct buf *b, struct err *e)
{
	struct in *in;
	int rc = in_open(&in, name, e);

	if (rc < 0)
		return rc;
	rc = read_all(in, b, e);
	in_close(in);
	return rc;
}

static const struct format *const protocols[] = { &format_jsonl, &format_csv, &format_arrow };

static int parse(struct map_args *a, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	struct common *c = &a->common;
	int rc;

	if (a->file) {
		if ((rc = read_program(a->file, &text, e)) < 0)
			return rc;
		return program_parse(buf_view(&text), a->file, &a->program, e);
	}
	if (!c->noperands)
		return err_set(e, ST_USAGE, "which program? stook map 'where price > 5; keep id, price' FILE (or -f FILE)");
	a->leading = 1;
	return program_parse(str_of(c->operands[0]), "program", &a->program, e);
}

static int check(void *args, struct err *e)
{
	struct map_args *a = args;
	int64_t us;

	if (a->functions)
		return 0;
	if (a->exec && a->file)
		return err_set(e, ST_USAGE, "--exec and -f exclude each other: one stage, one program");
	if (a->exec)
		return 0;
	if (a->now && !time_parse(str_of(a->now), &us))
		return err_set(e, ST_USAGE, "--now %s is not a time (2015-01-02T03:04:05Z)", a->now);
	return parse(a, e);
}

static int show_functions(struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	struct out *o;
	int rc;

	if (functions_list(&b))
		return err_oom(e);
	if ((rc = out_open(&o, NULL, CODEC_NONE, e)) < 0)
		return rc;
	if ((rc = out_write(o, b.p, b.n, e)) == 0)
		rc = out_commit(o, e);
	out_close(o);
	return rc;
}

/* -q: is there any record? */
static int ask(struct source *s, struct err *e)
{
	struct batch *b;
	int rc = source_next(s, &b, e);

	if (rc == 0 && !b)
		rc = ST_NO;
	batch_unref(b);
	source_close(s);
	return rc;
}

/* The stage is a program of the user's own. */
static int run_exec(struct map_args *a, struct err *e)
{
	struct exec_opts o = { .command = a->exec, .protocol = protocols[a->protocol],
			       .read = { .on_bad = a->common.read.on_bad, .sample = a->common.read.sample, .max_field = a->common.read.max_field,
					 .latency = true, .accept_unterminated = a->common.read.accept_unterminated } };
	struct source *s;
	int rc;

	if ((rc = cli_source(&a->common, 0, &s, e)) < 0 || (rc = exec_open(s, &o, &s, e)) < 0)
		return rc;
	return a->common.quiet ? ask(s, e) : cli_drain(&a->common, s, e);
}

static int run_program(struct map_args *a, struct err *e)
{
	struct mapper_opts o = { .on_bad = a->common.read.on_bad, .now_us = clock_real() };
	struct source *s;
	int rc;

	if (a->now)
		(void)time_parse(str_of(a->now), &o.now_us);
	if ((rc = cli_source(&a->common, a->leading, &s, e)) < 0 || (rc = mapper_open(s, a->program, &o, &s, e)) < 0)
		return rc;
	return a->common.quiet ? ask(s, e) : cli_drain(&a->common, s, e);
}

static int run(void *args, struct err *e)
{
	struct map_args *a = args;
	int rc = a->functions ? show_functions(e) : a->exec ? run_exec(a, e) : run_program(a, e);

	program_free(a->program);
	return rc;
}

static void release(void *args)
{
	struct map_args *a = args;

	program_free(a->program);
	a->program = NULL;
}

static void share(const void *args, struct share_plan *ret)
{
	const struct map_args *a = args;

	ret->how = SHARE_RECORD;
	ret->no_leading = a->leading == 0;
	if (a->program)
		ret->why = program_gathers(a->program);
	if (a->now && a->program && program_calls(a->program, "now")) /* the one reason that --now takes away */
		ret->why = program_calls(a->program, "row") || program_calls(a->program, "line") || program_calls(a->program, "file")
				   ? "row(), line() and file() go by the input as it is read here"
				   : NULL;
	if (a->exec)
		ret->why = "its command is known to be here only";
	if (a->functions)
		ret->why = "--functions reads nothing";
	if (a->common.quiet)
		ret->why = "-q asks about the whole input";
	if (ret->why)
		ret->how = SHARE_GATHER;
}

#define AT(member) offsetof(struct map_args, member)

static const struct opt opts[] = {
	{ 'f', "file", OPT_STR, ROLE_INFILE, "FILE", AT(file), NULL, "read the program from FILE; all operands are inputs then" },
	{ 0, "exec", OPT_STR, ROLE_PLAIN, "COMMAND", AT(exec), NULL,
		"run COMMAND over the stream instead of a program: all operands are inputs" },
	{ 0, "protocol", OPT_CHOICE, ROLE_PLAIN, "jsonl|csv|arrow", AT(protocol), "jsonl|csv|arrow",
	  "what COMMAND reads and writes (default jsonl)" },
	{ 0, "now", OPT_STR, ROLE_PLAIN, "TIME", AT(now), NULL, "what now() gives (default: when the program starts)" },
	{ 0, "functions", OPT_FLAG, ROLE_LOCAL, NULL, AT(functions), NULL, "list all functions" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook map 'where status >= 500; minute = trunc(time, 1m); keep minute, host' log.jsonl",
	  "Filter, compute, choose: status is read as a number, time as a time, because of what is done with them." },
	{ "stook map 'explode w = words(lower(line)); keep w' book.txt | stook reduce -g w -a n=count | stook sort -k n:num:desc -n 20",
	  "The twenty most frequent words: explode makes a record of each item of a list." },
	{ "stook map 'total = price * qty; where total > 100' sales.csv", "Exact decimals: 1.50 * 2 is 3.00." },
	{ "stook map 'size = case when bytes < 1000 then \"small\" when bytes < 1000000 then \"medium\" else \"large\" end' files.csv",
	  "Conditions in turn." },
	{ "stook map 'keep id, user.name' events.jsonl -o events.csv", "Choose nested fields; the order is the one given." },
	{ "stook map --exec \"jq -c '.day |= .[:7]'\" sales.csv", "A program of one's own over the stream: started once, order kept." },
	{ "stook map -q 'where price is null' sales.csv && echo 'prices are missing'", "Only ask whether there is such a record." },
	{ 0 },
};

const struct tool tool_map = {
	.name = "map",
	.summary = "compute, filter, choose, rename and explode records",
	.operands = "PROGRAM [FILE]...",
	.description =
		"Runs a program on each record. Its statements run from top to bottom, separated by\n"
		".Sq \\&;\n"
		"or line ends;\n"
		".Sq #\n"
		"starts a comment.\n"
		".Bl -tag -width Ds\n"
		".It Ar name Li = Ar expr\n"
		"Sets a field: an old one in its place, a new one behind the others.\n"
		".It Ic where Ar expr\n"
		"Goes on only with records for which the condition is true (not false, not null).\n"
		".It Ic keep Ar fields , Ic drop Ar fields\n"
		"Keeps these fields in this order, or all others. Fields are names, ranges\n"
		".Pq a..d ,\n"
		"patterns\n"
		".Pq *_time\n"
		"and numbers\n"
		".Pq @2 .\n"
		".It Ic rename Ar new Li = Ar old , No ...\n"
		"Renames fields, all at once.\n"
		".It Ic explode Ar name Li = Ar list\n"
		"Makes a record of each item of a list; the other fields are repeated. A record whose list is empty or null vanishes.\n"
		".El\n"
		".Pp\n"
		"Expressions have, from weak to tight:\n"
		".Ic or ( || ) ,\n"
		".Ic and ( && ) ,\n"
		".Ic not ( \\&! ) ,\n"
		"comparisons\n"
		".Pq == != < <= > >= ~ !~ in is\\~null ,\n"
		"+ -, * / %, and the sign.\n"
		"Strings stand in single or double quotes with the escapes \\en \\et \\e\\e \\e' \\e\" \\eu{e9}; any other backslash stays,\n"
		"as patterns want it. A field with an odd name is @'odd name', the third field is @3. Durations are 10s 5m 1h 1d 2w.\n"
		".Pp\n"
		"The operation says how text is read: arithmetic and comparison with a number read numbers, comparison with a time or moving by a\n"
		"duration read times, comparison with a string compares bytes. Two fields of text under < need a reading: num(a) < num(b) or\n"
		"text(a) < text(b). A value that cannot be read is an error with its place, after the records before it have been written\n"
		".Pq or see Fl -on-bad .\n"
		"Numbers are exact decimals that keep their scale; int64 stays int64, its overflow is an error; / and sqrt give float64, rounded once;\n"
		"% has the sign of its right operand. Null is SQL's: what is computed from it is null, and, or and not know it as unknown.\n"
		"Operands that a guard excludes are not computed:\n"
		".Ql price is not null and price > 5 ,\n"
		".Ql if(c, a, b) ,\n"
		".Ic case\n"
		"and\n"
		".Ic coalesce .\n"
		"Times are UTC, to the microsecond. Fields that no one computes on leave as they came.\n"
		".Pp\n"
		"With\n"
		".Fl -exec\n"
		"the records go through a command instead, one process that reads them on its standard input and writes any records to its\n"
		"standard output, both as\n"
		".Fl -protocol\n"
		"says. If it fails, so does map. On several hosts it runs on each, on its part of the records.\n"
		".Pp\n"
		"The functions below are also listed by\n"
		".Fl -functions .\n"
		"With\n"
		".Fl q\n"
		"nothing is written: the exit status is 0 if any record is left, 1 if none.\n",
	.describe = functions_mdoc,
	.leading = 1,
	.groups = groups,
	.size = sizeof(struct map_args),
	.check = check,
	.run = run,
	.release = release,
	.share = share,
	.examples = examples,
};
