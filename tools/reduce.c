/* stook reduce: group records and aggregate each group. */
#include "lib/agg/agg.h"
#include "lib/cli/cli.h"
#include "lib/cli/picture.h"
#include "lib/op/describer.h"
#include "lib/op/windows.h"
#include "lib/table/ahead.h"

struct reduce_args {
	struct common common;
	const char *group;
	struct strv aggs;
	bool partial, merge, sorted, describe;
	const char *every;
	struct picture picture;
};

static const struct opt opts[] = {
	{ 'g', "group", OPT_STR, ROLE_PLAIN, "FIELDS", offsetof(struct reduce_args, group), NULL,
	  "group by these fields, each with a reading if needed (day,price:num); without it all records are one group" },
	{ 'a', "aggregate", OPT_LIST, ROLE_PLAIN, "AGG,...", offsetof(struct reduce_args, aggs), NULL,
	  "what to compute for each group: [OUT=]FUNC[:FIELD[:READING]], for example n=count,total=sum:price" },
	{ 0, "sorted", OPT_FLAG, ROLE_PLAIN, NULL, offsetof(struct reduce_args, sorted), NULL,
	  "write groups in the order of their keys instead of first-seen order" },
	{ 0, "describe", OPT_FLAG, ROLE_PLAIN, NULL, offsetof(struct reduce_args, describe), NULL,
	  "instead of -a: one record a field, with its count, missing values, smallest, largest, mean, quartiles..." },
	{ 0, "every", OPT_STR, ROLE_PLAIN, "DUR[:FIELD]", offsetof(struct reduce_args, every), NULL,
	  "reduce every window of time by itself, results as soon as it is over: by the clock, or by the time in FIELD" },
	{ 0, "plot", OPT_CHOICE, ROLE_WRITE, "bar|line", offsetof(struct reduce_args, picture.plot), "none|bar|line",
	  "draw the result on standard output, as bars or lines" },
	{ 0, "svg", OPT_STR, ROLE_OUTFILE, "FILE", offsetof(struct reduce_args, picture.svg), NULL,
	  "also draw the result as a picture, bars or what --plot says" },
	{ 0, "title", OPT_STR, ROLE_WRITE, "TEXT", offsetof(struct reduce_args, picture.title), NULL, "title of the picture, instead of its own" },
	{ 0, "partial", OPT_FLAG, ROLE_PLAIN, NULL, offsetof(struct reduce_args, partial), NULL,
	  "write partial states for a later --merge instead of results" },
	{ 0, "merge", OPT_FLAG, ROLE_PLAIN, NULL, offsetof(struct reduce_args, merge), NULL,
	  "the operands are partial states: fold them in the order given" },
	{ 0 },
};

static struct reduce_opts options(const struct reduce_args *a)
{
	return (struct reduce_opts){
		a->group,         a->aggs.n,       a->aggs.v, a->partial, a->merge, a->sorted, a->common.read.on_bad,
		a->common.memory, a->common.tmpdir, cli_threads(&a->common)
	};
}

/* "10s" or "10s:FIELD" */
static int parse_every(const struct reduce_args *a, struct window_opts *w, struct err *e)
{
	const char *colon = strchr(a->every, ':');
	size_t n = colon ? (size_t)(colon - a->every) : strlen(a->every);
	char length[32] = "";

	if (n < sizeof length)
		memcpy(length, a->every, n);
	*w = (struct window_opts){ .field = str_of(colon ? colon + 1 : ""), .reduce = options(a) };
	if (parse_duration(length, &w->length) && w->length > 0 && !(colon && !colon[1]))
		return 0;
	return err_set(e, ST_USAGE, "--every takes a length of time, like 10s or 5m:FIELD, not \"%s\"", a->every);
}

static int check_describe(const struct reduce_args *a, struct err *e)
{
	if (a->group || a->aggs.n || a->partial || a->merge || a->sorted || a->every)
		return err_set(e, ST_USAGE, "--describe stands alone: it is about all fields of the whole input");
	return 0;
}

static int check(void *args, struct err *e)
{
	const struct reduce_args *a = args;
	struct reduce_opts o = options(args);
	struct window_opts w;
	int rc;

	if ((rc = picture_check(&a->picture, &a->common, a->partial, e)) < 0)
		return rc;
	if (a->every && !strchr(a->every, ':') && (a->picture.plot || a->picture.svg))
		return err_set(e, ST_USAGE, "windows by the clock have no end to draw them at: --every DUR:FIELD");
	if (a->describe)
		return check_describe(a, e);
	if (a->every && (a->partial || a->merge))
		return err_set(e, ST_USAGE, "--every gives results, not partial states: it excludes --partial and --merge");
	if (a->every && (rc = parse_every(a, &w, e)) < 0)
		return rc;
	return reduce_check(&o, e);
}

/* By the clock a window ends also when nothing comes: the input is read on a thread of its own. */
static int open_windows(const struct reduce_args *a, struct source *s, struct source **ret, struct err *e)
{
	struct window_opts w;
	int rc;

	if ((rc = parse_every(a, &w, e)) < 0) {
		source_close(s);
		return rc;
	}
	if (!w.field.n && (rc = source_ahead(s, &s, e)) < 0)
		return rc;
	return windows_open(s, &w, ret, e);
}

static int run(void *args, struct err *e)
{
	const struct reduce_args *a = args;
	struct reduce_opts o = options(a);
	struct source *s;
	int rc = cli_source(&a->common, 0, &s, e);

	if (rc < 0)
		return rc;
	if (a->describe)
		rc = describe_open(s, &s, e);
	else
		rc = a->every ? open_windows(a, s, &s, e) : reduce_open(s, &o, &s, e);
	if (rc < 0)
		return rc;
	return picture_drain(&a->picture, &a->common, s, e);
}

/* Shards are reduced to partial states, folded here in order. */
static void share(const void *args, struct share_plan *ret)
{
	static const char *partial[] = { "--partial" }, *merge[] = { "--merge" };
	const struct reduce_args *a = args;

	if (a->describe || a->every) {
		ret->how = SHARE_GATHER;
		ret->why = a->every ? "a window may span shards" : "--describe sees the whole input at once";
		return;
	}
	ret->how = SHARE_COMBINE;
	if (!a->partial)
		ret->remote = (struct strv){ 1, partial };
	if (!a->merge)
		ret->merge = (struct strv){ 1, merge };
}

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook reduce -g country,day -a n=count,total=sum:price,mean:price sales.csv",
	  "Count, sum and mean of every country and day." },
	{ "stook reduce -g w -a n=count words.arrows | stook sort -k n:desc -n 20", "The twenty most frequent words." },
	{ "stook reduce -a first=min:day:text,last=max:day:text,users=distinct:user log.csv",
	  "One line about the whole file: first and last day, number of users." },
	{ "stook reduce -g country -a total=sum:price --plot bar sales.csv", "Bars on the terminal." },
	{ "stook reduce -g day -a n=count,mean:price --sorted --plot line --svg days.svg sales.csv -o days.csv",
	  "A line for each series, on the terminal and as a picture, and the table in a file." },
	{ "stook reduce -g id -a latest:updated_at dump.csv -o current.arrow", "Of every id the latest record." },
	{ "stook reduce -g k -a sum:v --partial a.csv -o a.arrows && stook reduce -g k -a sum:v --partial b.csv -o "
		"b.arrows && stook reduce --merge a.arrows b.arrows",
	  "Aggregate in parts, here or elsewhere, and fold the parts: the result is that of the whole, byte for byte." },
	{ "stook reduce --describe sales.csv", "What the fields hold: counts, missing and different values, extremes, quartiles." },
	{ "stook reduce --every 1h:time -g status -a n=count requests.csv", "Requests by hour and status; the log is in the order of time." },
	{ 0 },
};

const struct tool tool_reduce = {
	.name = "reduce",
	.summary = "group records and aggregate each group; partial states as records, merged later or elsewhere",
	.operands = "[FILE]...",
	.description =
		"Groups the records by the fields of\n.Fl g\nand writes one record a group, in the order in which the "
		"groups were first seen:\n"
		"the key fields in the spelling seen first, then the aggregates of\n.Fl a .\nText keys are equal by bytes, "
		"numbers by exact\n"
		"value; missing values are a group of their own.\n"
		".Pp\nAn aggregate is written\n.Ql [OUT=]FUNC[:FIELD[:ARG|:READING]] ;\nits result is called OUT, or "
		"FUNC_FIELD when no OUT is given.\n"
		"Missing values are skipped. Without any value, counts are 0, list and hist [] and the others missing.\n"
		".Pp\n.Fl -describe\nreads the input once, in fixed memory for each field. min and max are by value when all values are numbers,\n"
		"by bytes otherwise; mean, sd and the quartiles (about, relative error 0.4 %) are those of the numbers.\n"
		".Pp\nWith\n.Fl -every Ar DUR\nthe records that arrive between two multiples of DUR on the clock (UTC) are reduced when that time is over;\n"
		"with\n.Fl -every Ar DUR:FIELD\nthose whose FIELD lies there, when the first later one comes. The column\n.Ql window\nsays when each begins. "
		"A record of a window\nthat is over is an error.\n"
		".Pp\nWith\n.Fl -partial\nthe output is a table of partial states: the key fields,\n.Ql :first\n"
		"(the place of the group in first-seen order)\nand for each aggregate its state columns. Keep it as an "
		"Arrow stream or file;\n"
		".Fl -merge\nfolds such tables in the order given, in one go or in any tree of merges that keeps the order.\n"
		".Pp\n.Fl -plot\ndraws the result on standard output instead of writing the table (which then goes to the file of\n.Fl o ,\n"
		"if there is one);\n.Fl -svg\ndraws it into a file, beside the table. The fields up to the last one without numbers label "
		"the points, the others are\nseries; when all are numbers, the first one labels. One record without a label has a bar for each "
		"field, and\n.Cm hist\nis drawn as a histogram for each record. In a line, labels that are all numbers or all times stand where their "
		"value\nputs them. Missing values leave a gap.\n"
		".Pp\nGroups that do not fit into\n.Fl S\nare set aside in temporary files and merged in the end; the "
		"output is the same.\n",
	.describe = agg_mdoc,
	.list = agg_help,
	.groups = groups,
	.size = sizeof(struct reduce_args),
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
