/* stook take: some of the records. */
#include "lib/cli/cli.h"
#include "lib/cli/keys.h"
#include "lib/op/taker.h"

#define DEFAULT_LIMIT 10

struct take_args {
	struct common common;
	struct strv groups;
	int64_t limit, last, skip, every, seed;
	const char *sample_text, *rows; /* as given */
	int64_t sample;                 /* of sample_text: a count, */
	double share;                   /* or a part of all */
	struct key_spec spec; /* of groups */
};

static void defaults(void *args)
{
	struct take_args *a = args;

	a->limit = a->last = a->skip = a->every = a->sample = a->seed = -1;
}

static bool sampled(const struct take_args *a)
{
	return a->sample >= 0 || a->share > 0;
}

/* --sample 1000 or --sample 2.5% */
static int parse_sample(struct take_args *a, struct err *e)
{
	const char *text = a->sample_text;
	size_t n = text ? strlen(text) : 0;
	double percent;

	if (!text || parse_count(text, &a->sample))
		return 0;
	if (n < 2 || text[n - 1] != '%' || num_parse_f64((struct str){ text, n - 1 }, &percent) != DEC_OK || !(percent >= 0 && percent <= 100))
		return err_set(e, ST_USAGE, "--sample: \"%s\" is not a count (like 1000, 10k) or a part from 0%% to 100%%", text);
	a->share = percent / 100;
	if (percent == 0)
		a->sample = 0;
	return 0;
}

/* --rows 10..20, 10.. or ..20, counted from 1, into --skip and -n (of which --every leaves fewer). */
static int parse_rows(struct take_args *a, struct err *e)
{
	const char *dots = a->rows ? strstr(a->rows, "..") : NULL;
	int64_t first = 1, last = -1;
	char from[32];

	if (!a->rows)
		return 0;
	if (a->limit >= 0 || a->skip >= 0)
		return err_set(e, ST_USAGE, "--rows says what -n and --skip say: give one or the other");
	if (!dots || dots - a->rows >= (int)sizeof from || !(dots[2] || dots > a->rows))
		return err_set(e, ST_USAGE, "--rows: \"%s\" is not FIRST..LAST, FIRST.. or ..LAST", a->rows);
	memcpy(from, a->rows, (size_t)(dots - a->rows));
	from[dots - a->rows] = '\0';
	if ((from[0] && !parse_count(from, &first)) || (dots[2] && !parse_count(dots + 2, &last)) || first < 1 || (last >= 0 && last < first))
		return err_set(e, ST_USAGE, "--rows: \"%s\": records count from 1, the first one not behind the last", a->rows);
	a->skip = first - 1;
	a->limit = last < 0 ? -1 : (last - first) / (a->every > 1 ? a->every : 1) + 1;
	return 0;
}

static int check_combination(const struct take_args *a, struct err *e)
{
	bool slice = a->limit >= 0 || a->skip >= 0 || a->every >= 0;

	if ((a->last >= 0) + (sampled(a)) + (a->spec.n > 0) > 1)
		return err_set(e, ST_USAGE, "--last, --sample and -g exclude each other");
	if ((a->last >= 0 || sampled(a)) && slice)
		return err_set(e, ST_USAGE, "%s takes no -n, --skip or --every: it says how many itself", a->last >= 0 ? "--last" : "--sample");
	if (a->spec.n && (a->skip >= 0 || a->every >= 0))
		return err_set(e, ST_USAGE, "-g takes no --skip or --every");
	if (a->spec.n && a->limit < 0)
		return err_set(e, ST_USAGE, "-g needs -n: how many records of each group");
	if (a->every == 0)
		return err_set(e, ST_USAGE, "--every 0: every how many-th record? 1 is all");
	if (a->seed >= 0 && !sampled(a))
		return err_set(e, ST_USAGE, "--seed is for --sample");
	return 0;
}

static int check(void *args, struct err *e)
{
	struct take_args *a = args;
	int rc = cli_keys(&a->groups, &a->common.arena, &a->spec, e);

	if (rc < 0 || (rc = parse_sample(a, e)) < 0 || (rc = parse_rows(a, e)) < 0 || (rc = cli_keys_unordered(&a->spec, "-g", e)) < 0 || (rc = check_combination(a, e)) < 0)
		return rc;
	if (a->limit < 0 && a->last < 0 && a->skip < 0 && a->every < 0 && !sampled(a))
		a->limit = DEFAULT_LIMIT;
	return 0;
}

static int run(void *args, struct err *e)
{
	const struct take_args *a = args;
	const struct take_opts o = { .limit = a->limit, .last = a->last, .skip = a->skip < 0 ? 0 : a->skip, .every = a->every < 0 ? 1 : a->every,
				     .sample = a->sample, .seed = a->seed < 0 ? 0 : (uint64_t)a->seed, .groups = &a->spec,
				     .share = a->share, .on_bad = a->common.read.on_bad, .memory = a->common.memory,
				     .tmpdir = a->common.tmpdir, .threads = cli_threads(&a->common) };
	struct source *s;
	int rc;

	if ((rc = cli_source(&a->common, 0, &s, e)) < 0 || (rc = take_open(s, &o, &s, e)) < 0)
		return rc;
	return cli_drain(&a->common, s, e);
}

/* The first n of the first n of every part are the first n of the whole; so with groups, and with the last n. */
static void share(const void *args, struct share_plan *ret)
{
	const struct take_args *a = args;

	ret->how = a->skip >= 0 || a->every >= 0 || sampled(a) ? SHARE_GATHER : SHARE_COMBINE;
	ret->why = "--skip, --every and --sample go by the record's number in the whole";
}

#define AT(member) offsetof(struct take_args, member)

static const struct opt opts[] = {
	{ 'n', "limit", OPT_COUNT, ROLE_PLAIN, "N", AT(limit), NULL, "the first N records (default 10 when nothing else is asked for)" },
	{ 'g', "group", OPT_LIST, ROLE_PLAIN, "KEYS", AT(groups), NULL, "the first N records of each group of equal KEYS" },
	{ 0, "last", OPT_COUNT, ROLE_PLAIN, "N", AT(last), NULL, "the last N records" },
	{ 0, "skip", OPT_COUNT, ROLE_PLAIN, "N", AT(skip), NULL, "leave out the first N records" },
	{ 0, "every", OPT_COUNT, ROLE_PLAIN, "N", AT(every), NULL, "every N-th record, beginning with the first that is not skipped" },
	{ 0, "rows", OPT_STR, ROLE_PLAIN, "A..B", AT(rows), NULL, "records A to B, counted from 1; A.. to the end, ..B from the beginning" },
	{ 0, "sample", OPT_STR, ROLE_PLAIN, "N|P%", AT(sample_text), NULL,
	  "N records chosen at random, or each one with a chance of P percent, in their order" },
	{ 0, "seed", OPT_COUNT, ROLE_PLAIN, "N", AT(seed), NULL, "seed of the sample (default 0); equal seeds choose equally, anywhere" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook take -n 5 big.csv.gz", "A look at the beginning; what comes after it is not read." },
	{ "stook sort -k shop,price:num:desc sales.csv | stook take -n 3 -g shop", "The three dearest of each shop." },
	{ "stook take --skip 1000 -n 100 log.jsonl", "Records 1001 to 1100." },
	{ "stook take --rows 1001..1100 log.jsonl", "The same, said the other way." },
	{ "stook take --sample 5% clicks.arrow -o some.arrow", "About one in twenty." },
	{ "stook take --sample 1000 --seed 7 clicks.arrow -o sample.csv", "A thousand at random, the same ones on any machine." },
	{ 0 },
};

const struct tool tool_take = {
	.name = "take",
	.summary = "first, last, slice, sample",
	.operands = "[FILE]...",
	.description =
		"Writes some of the records, in their order. With -n the input is closed as soon as the last wanted record has been seen,\n"
		"and the programs before this one stop without an error.\n"
		".Pp\n"
		"--sample chooses the N records with the smallest hash of seed and record number (XXH3, 64 bits, over the number from 0 as\n"
		"8 bytes, little-endian), with P% those whose hash lies in the lowest P percent of its range: the choice depends on\n"
		"nothing else. 0% is no record: the header, where the format has one, is written all the same.\n"
		".Pp\n"
		"Memory is bounded by -S: more groups, last or sampled records than it holds go through compressed, checksummed files\n"
		"without a name in -T or $TMPDIR.\n",
	.groups = groups,
	.size = sizeof(struct take_args),
	.defaults = defaults,
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
