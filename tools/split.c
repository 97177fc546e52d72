/* stook split: one stream into many files. */
#include "lib/cli/cli.h"
#include "lib/cli/keys.h"
#include "lib/op/splitter.h"

struct split_args {
	struct common common;
	struct strv by;
	int64_t n, rows, seed;
	const char *weights, *value, *out;
	struct split_opts opts;
	struct key_spec spec; /* of by or value */
	struct split_weight *parsed;
};

static void defaults(void *args)
{
	struct split_args *a = args;

	a->n = a->rows = a->seed = -1;
}

static int check_pattern(const struct split_args *a, struct err *e)
{
	if (a->common.output)
		return err_set(e, ST_USAGE, "split writes many files: name them with --out 'PATTERN', {} for the part, instead of -o");
	if (!a->out)
		return err_set(e, ST_USAGE, "split needs --out PATTERN, such as --out 'data/{}.csv'");
	if (!strstr(a->out, "{}"))
		return err_set(e, ST_USAGE, "--out \"%s\" has no {} for the part's number or name: all parts would be one file", a->out);
	return 0;
}

static int check_mode(const struct split_args *a, struct err *e)
{
	if ((a->n >= 0) + (a->rows >= 0) + (a->weights != NULL) + (a->value != NULL) != 1)
		return err_set(e, ST_USAGE, "split needs one of -n, --rows, --weights and --value");
	if (a->n == 0 || a->n > 1000000)
		return err_set(e, ST_USAGE, "-n: between 1 and 1000000 parts");
	if (a->rows == 0)
		return err_set(e, ST_USAGE, "--rows 0: a part needs at least one record");
	if (a->by.n && (a->rows >= 0 || a->value))
		return err_set(e, ST_USAGE, "--by goes with -n or --weights");
	if (a->seed >= 0 && !a->weights && !(a->n >= 0 && a->by.n))
		return err_set(e, ST_USAGE, "--seed goes with --weights, or with -n and --by: nothing else here depends on a hash");
	return 0;
}

static int parse_keys(struct split_args *a, struct err *e)
{
	const struct strv value = { 1, &a->value };
	int rc = cli_keys(a->value ? &value : &a->by, &a->common.arena, &a->spec, e);

	if (rc < 0 || (rc = cli_keys_unordered(&a->spec, a->value ? "--value" : "--by", e)) < 0)
		return rc;
	if (a->value && a->spec.n != 1)
		return err_set(e, ST_USAGE, "--value takes one field");
	return 0;
}

static int check(void *args, struct err *e)
{
	struct split_args *a = args;
	int rc;

	if ((rc = check_mode(a, e)) < 0 || (rc = check_pattern(a, e)) < 0 || (rc = parse_keys(a, e)) < 0)
		return rc;
	a->opts = (struct split_opts){ .mode = a->weights ? SPLIT_WEIGHTS : a->value ? SPLIT_VALUE : a->n >= 0 ? SPLIT_PARTS : SPLIT_ROWS,
				       .n = a->n >= 0 ? a->n : a->rows, .by = &a->spec, .seed = a->seed < 0 ? 0 : (uint64_t)a->seed,
				       .pattern = a->out, .write = &a->common.write };
	if (!a->weights)
		return 0;
	rc = split_weights(str_of(a->weights), &a->common.arena, &a->parsed, &a->opts.nweights, e);
	a->opts.weights = a->parsed;
	return rc;
}

static int run(void *args, struct err *e)
{
	struct split_args *a = args;
	struct source *s;
	int rc = cli_source(&a->common, 0, &s, e);

	if (rc < 0)
		return rc;
	a->opts.on_bad = a->common.read.on_bad;
	a->opts.memory = a->common.memory;
	rc = split_all(s, &a->opts, e);
	source_close(s);
	return rc;
}

static void share(const void *args, struct share_plan *ret)
{
	(void)args;
	ret->how = SHARE_GATHER;
	ret->why = "split writes its files here";
}

#define AT(member) offsetof(struct split_args, member)

static const struct opt opts[] = {
	{ 'n', "parts", OPT_COUNT, ROLE_PLAIN, "N", AT(n), NULL, "N parts, 0 to N-1: by hash of --by, else one record to each in turn" },
	{ 0, "rows", OPT_COUNT, ROLE_PLAIN, "N", AT(rows), NULL, "a new part, 00000, 00001, ..., after every N records" },
	{ 0, "weights", OPT_STR, ROLE_PLAIN, "NAME=WEIGHT,...", AT(weights), NULL,
	  "named parts, chosen by hash of --by and --seed, else of the record's number and --seed" },
	{ 0, "value", OPT_STR, ROLE_PLAIN, "FIELD", AT(value), NULL, "a part for each value of FIELD" },
	{ 0, "by", OPT_LIST, ROLE_PLAIN, "KEYS", AT(by), NULL, "records with equal KEYS go to the same part" },
	{ 0, "seed", OPT_COUNT, ROLE_PLAIN, "N", AT(seed), NULL, "seed of the hash (default 0)" },
	{ 0, "out", OPT_STR, ROLE_OUTFILE, "PATTERN", AT(out), NULL,
	  "names of the files, {} for the part's number or name; the suffix says the format" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook split -n 16 --by user_id --out 'data/{}.arrow' clicks.csv.gz", "Sixteen files, every user in one of them." },
	{ "stook split --weights train=0.8,test=0.2 --by user_id --seed 7 --out 'data/{}.csv' clicks.csv",
	  "Train and test sets that share no user, the same on any machine." },
	{ "stook split --value country --out 'by-country/{}.csv.zst' sales.csv", "A compressed file for each country." },
	{ "stook split --rows 1M --out 'part-{}.csv' big.csv", "Files of a million records, each with the header." },
	{ 0 },
};

const struct tool tool_split = {
	.name = "split",
	.summary = "one stream into many files: by hash of a key, by weights (train/test), by rows, by value",
	.operands = "[FILE]...",
	.description =
		"Writes every record to exactly one of several files, its order kept; each file is complete in itself, header included. All\n"
		"files appear at the end, or, when anything fails, none. Parts that are named beforehand (-n, --weights) exist even when they\n"
		"are empty. -n numbers its parts with leading zeros.\n"
		".Pp\n"
		"The hash is fixed for ever, and depends on key and seed only: XXH3, 64 bits, with the seed, over each field of the key, text\n"
		"as its bytes, numbers as their canonical decimal text (1.50 and 1.5 agree), the fields separated by their lengths as 8\n"
		"bytes, little-endian. -n takes it modulo N; --weights puts it, as a fraction of 2^64, where it falls among the weights laid\n"
		"end to end. Without --by, -n takes the record's number (from 0) modulo N, and --weights hashes it as 8 bytes, little-endian.\n"
		".Pp\n"
		"For --value, bytes of the value other than letters, digits and . _ - + , = @ are written as %XX in the file's name, a\n"
		"leading dot too; null is %null, empty text %empty; long values are cut and end in %~ and their hash. Every part is an open\n"
		"file until the end: ulimit -n bounds their number.\n",
	.groups = groups,
	.size = sizeof(struct split_args),
	.defaults = defaults,
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
