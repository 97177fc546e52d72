/* stook take: some of the records. */
#include "lib/cli/cli.h"
#include "lib/cli/keys.h"
#include "lib/op/taker.h"

#define DEFAULT_LIMIT 10

struct take_args {
	struct common common;
	struct strv groups;
	int64_t limit, last, skip, every, sample, seed;
	struct key_spec spec; /* of groups */
};

static void defaults(void *args)
{
	struct take_args *a = args;

	a->limit = a->last = a->skip = a->every = a->sample = a->seed = -1;
}

static int check_combination(const struct take_args *a, struct err *e)
{
	bool slice = a->limit >= 0 || a->skip >= 0 || a->every >= 0;

	if ((a->last >= 0) + (a->sample >= 0) + (a->spec.n > 0) > 1)
		return err_set(e, ST_USAGE, "--last, --sample and -g exclude each other");
	if ((a->last >= 0 || a->sample >= 0) && slice)
		return err_set(e, ST_USAGE, "%s takes no -n, --skip or --every: it says how many itself", a->last >= 0 ? "--last" : "--sample");
	if (a->spec.n && (a->skip >= 0 || a->every >= 0))
		return err_set(e, ST_USAGE, "-g takes no --skip or --every");
	if (a->spec.n && a->limit < 0)
		return err_set(e, ST_USAGE, "-g needs -n: how many records of each group");
	if (a->every == 0)
		return err_set(e, ST_USAGE, "--every 0: every how many-th record? 1 is all");
	if (a->seed >= 0 && a->sample < 0)
		return err_set(e, ST_USAGE, "--seed is for --sample");
	return 0;
}

static int check(void *args, struct err *e)
{
	struct take_args *a = args;
	int rc = cli_keys(&a->groups, &a->common.arena, &a->spec, e);

	if (rc < 0 || (rc = cli_keys_unordered(&a->spec, "-g", e)) < 0 || (rc = check_combination(a, e)) < 0)
		return rc;
	if (a->limit < 0 && a->last < 0 && a->skip < 0 && a->every < 0 && a->sample < 0)
		a->limit = DEFAULT_LIMIT;
	return 0;
}

static int run(void *args, struct err *e)
{
	const struct take_args *a = args;
	const struct take_opts o = { .limit = a->limit, .last = a->last, .skip = a->skip < 0 ? 0 : a->skip, .every = a->every < 0 ? 1 : a->every,
				     .sample = a->sample, .seed = a->seed < 0 ? 0 : (uint64_t)a->seed, .groups = &a->spec,
				     .on_bad = a->common.read.on_bad };
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

	ret->how = a->skip >= 0 || a->every >= 0 || a->sample >= 0 ? SHARE_GATHER : SHARE_COMBINE;
	ret->why = "--skip, --every and --sample go by the record's number in the whole";
}

#define AT(member) offsetof(struct take_args, member)

static const struct opt opts[] = {
	{ 'n', "limit", OPT_COUNT, ROLE_PLAIN, "N", AT(limit), NULL, "the first N records (default 10 when nothing else is asked for)" },
	{ 'g', "group", OPT_LIST, ROLE_PLAIN, "KEYS", AT(groups), NULL, "the first N records of each group of equal KEYS" },
	{ 0, "last", OPT_COUNT, ROLE_PLAIN, "N", AT(last), NULL, "the last N records" },
	{ 0, "skip", OPT_COUNT, ROLE_PLAIN, "N", AT(skip), NULL, "leave out the first N records" },
	{ 0, "every", OPT_COUNT, ROLE_PLAIN, "N", AT(every), NULL, "every N-th record, beginning with the first that is not skipped" },
	{ 0, "sample", OPT_COUNT, ROLE_PLAIN, "N", AT(sample), NULL, "N records chosen at random, in their order" },
	{ 0, "seed", OPT_COUNT, ROLE_PLAIN, "N", AT(seed), NULL, "seed of the sample (default 0); equal seeds choose equally, anywhere" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook take -n 5 big.csv.gz", "A look at the beginning; what comes after it is not read." },
	{ "stook sort -k shop,price:num:desc sales.csv | stook take -n 3 -g shop", "The three dearest of each shop." },
	{ "stook take --skip 1000 -n 100 log.jsonl", "Records 1001 to 1100." },
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
		"8 bytes, little-endian): the choice depends on nothing else.\n",
	.groups = groups,
	.size = sizeof(struct take_args),
	.defaults = defaults,
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
