/* stook split: one stream into many files. */
#include "lib/base/pool.h"
#include "lib/cli/cli.h"
#include "lib/cli/keys.h"
#include "lib/op/splitter.h"

struct split_args {
	struct common common;
	struct strv by, group;
	int64_t n, rows, bytes, seed;
	const char *weights, *value, *sample, *out, *command, *manifest;
	bool percent; /* --sample is a share */
	struct split_opts opts;
	struct key_spec spec; /* of by, value or group */
	struct split_weight *parsed;
};

static void defaults(void *args)
{
	struct split_args *a = args;

	a->n = a->rows = a->bytes = a->seed = -1;
}

static int check_pattern(const struct split_args *a, struct err *e)
{
	const char *pattern = a->command ? a->command : a->out;

	if (a->common.output)
		return err_set(e, ST_USAGE, "split writes many files: name them with --out 'PATTERN', {} for the part, instead of -o");
	if (a->command && a->out)
		return err_set(e, ST_USAGE, "--out and --to-cmd exclude each other");
	if (!pattern)
		return err_set(e, ST_USAGE, "split needs --out PATTERN, such as --out 'data/{}.csv', or --to-cmd COMMAND");
	if (!strstr(pattern, "{}"))
		return err_set(e, ST_USAGE, "--%s \"%s\" has no {} for the part's number or name: all parts would be one%s",
			       a->command ? "to-cmd" : "out", pattern, a->command ? "" : " file");
	return 0;
}

static int check_mode(const struct split_args *a, struct err *e)
{
	bool hashed = a->weights || (a->n >= 0 && a->by.n) || a->sample;
	int modes = (a->n >= 0) + (a->rows >= 0) + (a->bytes >= 0) + (a->weights != NULL) + (a->value != NULL) + (a->sample != NULL);

	if (modes != 1)
		return err_set(e, ST_USAGE, "split needs one of -n, --rows, --bytes, --weights, --value and --sample%s",
			       modes ? ", and no other of them" : "");
	if (a->n == 0 || a->n > 1000000)
		return err_set(e, ST_USAGE, "-n: between 1 and 1000000 parts");
	if (a->rows == 0 || a->bytes == 0)
		return err_set(e, ST_USAGE, "--%s 0: a part needs at least one record", a->rows == 0 ? "rows" : "bytes");
	if (a->by.n && !(a->n >= 0 || a->weights || (a->percent && !a->group.n)))
		return err_set(e, ST_USAGE, "--by goes with -n, --weights or --sample PERCENT%%");
	if (a->group.n && !a->sample)
		return err_set(e, ST_USAGE, "-g goes with --sample");
	if (a->seed >= 0 && !hashed)
		return err_set(e, ST_USAGE, "--seed goes with --weights, --sample, or with -n and --by: nothing else here depends on a hash");
	return 0;
}

/* --sample 1% or 10000: two parts, "sample" and "rest". */
static int parse_sample(struct split_args *a, struct err *e)
{
	struct str text = str_of(a->sample);
	double percent;

	a->percent = str_ends(text, STR("%"));
	if (!a->percent)
		return parse_count(a->sample, &a->opts.n)
			       ? 0 : err_set(e, ST_USAGE, "--sample: \"%s\" is neither a number of records nor a percentage", a->sample);
	if (num_parse_f64((struct str){ text.p, text.n - 1 }, &percent) != DEC_OK || !(percent >= 0 && percent <= 100))
		return err_set(e, ST_USAGE, "--sample: \"%s\" is no percentage from 0%% to 100%%", a->sample);
	a->opts.share = percent / 100;
	return 0;
}

static int name_sample(struct split_args *a, struct err *e)
{
	a->parsed = arena_array(&a->common.arena, struct split_weight, 2);
	if (!a->parsed)
		return err_oom(e);
	a->parsed[0] = (struct split_weight){ STR("sample"), a->opts.share };
	a->parsed[1] = (struct split_weight){ STR("rest"), 1 - a->opts.share };
	a->opts.nweights = 2;
	return 0;
}

static enum split_mode mode(const struct split_args *a)
{
	if (a->sample)
		return !a->percent ? SPLIT_SAMPLE : a->group.n ? SPLIT_STRATA : SPLIT_WEIGHTS;
	return a->weights ? SPLIT_WEIGHTS : a->value ? SPLIT_VALUE : a->n >= 0 ? SPLIT_PARTS : a->rows >= 0 ? SPLIT_ROWS : SPLIT_BYTES;
}

static int parse_keys(struct split_args *a, struct err *e)
{
	const struct strv value = { 1, &a->value };
	const struct strv *keys = a->value ? &value : a->group.n ? &a->group : &a->by;
	int rc = cli_keys(keys, &a->common.arena, &a->spec, e);

	a->opts.key_option = a->value ? "--value" : a->group.n ? "-g" : "--by";
	if (rc < 0 || (rc = cli_keys_unordered(&a->spec, a->opts.key_option, e)) < 0)
		return rc;
	a->opts.by_text = keys->n ? keys->v[keys->n - 1] : NULL;
	if (a->value && a->spec.n != 1)
		return err_set(e, ST_USAGE, "--value takes one field");
	return 0;
}

/* "n 16", "weights train=0.8,test=0.2": what the manifest says. */
static int describe_mode(struct split_args *a, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	const char *text = a->weights ? a->weights : a->sample;
	int64_t n = a->n >= 0 ? a->n : a->rows >= 0 ? a->rows : a->bytes;
	const char *name = a->weights ? "weights" : a->sample ? "sample" : a->n >= 0 ? "n" : a->rows >= 0 ? "rows" : "bytes";

	if (a->value ? buf_puts(&b, "value") : text ? buf_printf(&b, "%s %s", name, text) : buf_printf(&b, "%s %lld", name, (long long)n))
		return err_oom(e);
	a->opts.mode_text = arena_strdup(&a->common.arena, buf_view(&b));
	return a->opts.mode_text ? 0 : err_oom(e);
}

static int check(void *args, struct err *e)
{
	struct split_args *a = args;
	struct split_opts *o = &a->opts;
	int rc;

	if ((a->sample && (rc = parse_sample(a, e)) < 0) || (rc = check_mode(a, e)) < 0 || (rc = check_pattern(a, e)) < 0 ||
	    (rc = parse_keys(a, e)) < 0 || (rc = describe_mode(a, e)) < 0)
		return rc;
	o->mode = mode(a);
	if (!a->sample)
		o->n = a->n >= 0 ? a->n : a->rows >= 0 ? a->rows : a->bytes;
	o->by = &a->spec;
	o->seed = a->seed < 0 ? 0 : (uint64_t)a->seed;
	o->pattern = a->command ? a->command : a->out;
	o->commands = a->command != NULL;
	o->manifest = a->manifest;
	if (a->command && !a->common.write.to)
		a->common.write.to = "csv";
	o->write = &a->common.write;
	rc = a->weights ? split_weights(str_of(a->weights), &a->common.arena, &a->parsed, &o->nweights, e)
			: a->sample ? name_sample(a, e) : 0;
	o->weights = a->parsed;
	return rc;
}

/* The end of the input is read before all of it has been worked on. */
static int judge(const void *common, struct err *e)
{
	return bad_judge(common, e);
}

static int split_from(struct split_args *a, struct source *s, struct err *e)
{
	a->opts.on_bad = a->common.read.on_bad;
	a->opts.memory = a->common.memory;
	a->opts.tmpdir = a->common.tmpdir;
	a->opts.threads = cli_threads(&a->common);
	a->opts.judge = judge;
	a->opts.judge_arg = &a->common;
	a->common.state->draining = true;
	return split_all(s, &a->opts, e);
}

/* Parsing, dealing and writing share one pool: a thread that waits for one of them does another. */
static int run(void *args, struct err *e)
{
	struct split_args *a = args;
	struct source *s = NULL;
	int rc = pool_open(&a->opts.pool, cli_threads(&a->common), e);

	if (rc < 0)
		return rc;
	if ((rc = cli_source_in(a->opts.pool, &a->common, 0, &s, e)) == 0)
		rc = split_from(a, s, e);
	source_close(s);
	pool_close(a->opts.pool);
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
	{ 0, "bytes", OPT_SIZE, ROLE_PLAIN, "SIZE", AT(bytes), NULL,
	  "a new part before the record that would make the text, uncompressed, longer than SIZE" },
	{ 0, "weights", OPT_STR, ROLE_PLAIN, "NAME=WEIGHT,...", AT(weights), NULL,
	  "named parts, chosen by hash of --by and --seed, else of the record's number and --seed" },
	{ 0, "value", OPT_STR, ROLE_PLAIN, "FIELD", AT(value), NULL, "a part for each value of FIELD" },
	{ 0, "sample", OPT_STR, ROLE_PLAIN, "P%|N", AT(sample), NULL,
	  "two parts, sample and rest: P percent of the records, or exactly N" },
	{ 'g', "group", OPT_LIST, ROLE_PLAIN, "KEYS", AT(group), NULL, "take the sample of each class of equal KEYS" },
	{ 0, "by", OPT_LIST, ROLE_PLAIN, "KEYS", AT(by), NULL, "records with equal KEYS go to the same part" },
	{ 0, "seed", OPT_COUNT, ROLE_PLAIN, "N", AT(seed), NULL, "seed of the hash (default 0)" },
	{ 0, "out", OPT_STR, ROLE_OUTFILE, "PATTERN", AT(out), NULL,
	  "names of the files, {} for the part's number or name; the suffix says the format" },
	{ 0, "to-cmd", OPT_STR, ROLE_OUTFILE, "COMMAND", AT(command), NULL,
	  "instead of files: feed each part to this shell command, {} as above, in the format of --to (default csv)" },
	{ 0, "manifest", OPT_STR, ROLE_OUTFILE, "FILE", AT(manifest), NULL,
	  "once all parts are there, write FILE: JSON with rows, bytes and digest of each" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook split -n 16 --by user_id --out 'data/{}.arrow' clicks.csv.gz", "Sixteen files, every user in one of them." },
	{ "stook split --weights train=0.8,test=0.2 --by user_id --seed 7 --out 'data/{}.csv' clicks.csv",
	  "Train and test sets that share no user, the same on any machine." },
	{ "stook split --value country --out 'by-country/{}.csv.zst' sales.csv", "A compressed file for each country." },
	{ "stook split --rows 1M --out 'part-{}.csv' big.csv", "Files of a million records, each with the header." },
	{ "stook split --bytes 1M --out 'upload-{}.jsonl.gz' events.jsonl", "Files of at most 1 MiB of JSON Lines before compression." },
	{ "stook split --sample 10% -g country --seed 7 --out 'data/{}.csv' --manifest data/split.json sales.csv",
	  "A tenth of each country's records, the rest, and what was written." },
	{ "stook split --value country --to-cmd 'sort | gzip > by-country/{}.gz' --no-header-out sales.csv",
	  "A command of one's own for each part." },
	{ 0 },
};

const struct tool tool_split = {
	.name = "split",
	.summary = "one stream into many files: by hash of a key, by weights (train/test), by rows, by value",
	.operands = "[FILE]...",
	.description =
		"Writes every record to exactly one of several files, its order kept; each file is complete in itself, header included. All\n"
		"files appear at the end, or, when anything fails, none. Parts that are named beforehand (-n, --weights, --sample) exist even\n"
		"when they are empty. -n numbers its parts with leading zeros. There may be any number of parts: those that cannot be open at\n"
		"once, for want of descriptors or memory, are written one after another at the end.\n"
		".Pp\n"
		"The hash is fixed for ever, and depends on key and seed only: XXH3, 64 bits, with the seed, over the field of the key, text\n"
		"as its bytes, numbers as their canonical decimal text (1.50 and 1.5 agree), a null as eight bytes FF. Of several fields, each\n"
		"is preceded by its length as 8 bytes, little-endian; a null is these 8 bytes alone, FF all of them. -n takes it modulo N; --weights puts it, as a fraction of 2^64, where it falls among the weights laid\n"
		"end to end. Without --by, -n takes the record's number (from 0) modulo N, and --weights hashes it as 8 bytes, little-endian.\n"
		".Pp\n"
		"--sample P% is --weights sample=P,rest=100-P, with or without --by; with 0% the sample is there and has no record. --sample N\n"
		"takes exactly N records (all, if there are fewer): those with the smallest hashes of their numbers. With -g, each class of\n"
		"equal KEYS is a sample of its own: N records of each class, by the hashes of their numbers in it, seeded with the hash of\n"
		"the class; or P% of each, exact but for one record: the class is cut into blocks of 100/P records, and of each block one is\n"
		"chosen by such a hash of its number. Which N are chosen is found in temporary files where -S does not hold their numbers.\n"
		".Pp\n"
		"For --value, ASCII characters of the value other than letters, digits and . _ - + , = @ are written as %XX in the file's\n"
		"name, a leading dot too; null is %null, empty text %empty; long values are cut and end in %~ and their hash.\n"
		".Pp\n"
		"--to-cmd runs its command with sh -c once for each part, at most 16 at a time; a part's name is quoted where sh would read\n"
		"it otherwise. A command that fails is an error; what commands have written by then is their own affair: when split fails,\n"
		"those that still run are ended by SIGTERM before they see the end of their input.\n"
		".Pp\n"
		"--manifest appears last: where it is, all parts are. It holds an object with the mode, the keys, the seed, the number of\n"
		"records, and for each part its name, file (or command), rows, bytes as written and their XXH3 digest of 128 bits, as\n"
		"xxh128sum prints it.\n",
	.own_files = true,
	.groups = groups,
	.size = sizeof(struct split_args),
	.defaults = defaults,
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
