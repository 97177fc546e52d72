/* stook join: match two inputs by keys. */
#include "lib/base/url.h"
#include "lib/cli/cli.h"
#include "lib/op/joiner.h"

#define READ_AHEAD (64 << 20)

struct join_args {
	struct common common;
	struct strv pairs;
	bool kinds[JOIN_CROSS + 1]; /* --inner, --left, ... as given */
	const char *suffix, *any, *asof;
	struct join_asof as_of;
	int normalize;             /* 0: not asked for, 1: url */
	int expect;                /* enum join_expect */
	enum join_kind kind;
	struct key_spec left, right;
};

static int pick_kind(struct join_args *a, struct err *e)
{
	int n = 0;

	for (int i = JOIN_INNER; i <= JOIN_CROSS; i++)
		if (a->kinds[i]) {
			a->kind = (enum join_kind)i;
			n++;
		}
	return n > 1 ? err_set(e, ST_USAGE, "--inner, --left, --right, --full, --semi, --anti and --cross exclude each other") : 0;
}

static const char *join_lists(const struct strv *v, struct arena *a)
{
	const char *all = v->v[0];

	for (int i = 1; i < v->n && all; i++)
		all = arena_printf(a, "%s,%s", all, v->v[i]);
	return all;
}

static int check_operands(const struct common *c, struct err *e)
{
	if (c->noperands != 2)
		return err_set(e, ST_USAGE, "join takes two inputs, LEFT and RIGHT; \"-\" is standard input");
	if (strcmp(c->operands[0], "-") == 0 && strcmp(c->operands[1], "-") == 0)
		return err_set(e, ST_USAGE, "standard input can be one of the two inputs only");
	return 0;
}

static int parse_pairs(struct join_args *a, struct err *e)
{
	const char *pairs = join_lists(&a->pairs, &a->common.arena);

	return pairs ? join_pairs(str_of(pairs), &a->common.arena, &a->left, &a->right, e) : err_oom(e);
}

static int parse_asof(struct join_args *a, struct err *e)
{
	struct join_asof *o = &a->as_of;
	const char *tolerance;
	int rc;

	if (a->any || a->normalize || a->expect)
		return err_set(e, ST_USAGE, "--asof takes no --any, --normalize or --expect");
	if (a->kind == JOIN_RIGHT || a->kind == JOIN_FULL || a->kind == JOIN_CROSS)
		return err_set(e, ST_USAGE, "--asof looks for one record of RIGHT for each of LEFT: --inner, --left, --semi or --anti");
	if ((rc = join_asof_parse(str_of(a->asof), &a->common.arena, o, e)) < 0)
		return rc;
	tolerance = arena_strdup(&a->common.arena, o->tolerance);
	if (!tolerance)
		return err_oom(e);
	if (!parse_duration(tolerance, &o->tolerance_us))
		o->tolerance_us = -1;
	return a->pairs.n ? parse_pairs(a, e) : 0;
}

static int parse_keys(struct join_args *a, struct err *e)
{
	if (a->asof)
		return parse_asof(a, e);
	if (a->kind == JOIN_CROSS && (a->any || a->pairs.n || a->normalize || a->expect))
		return err_set(e, ST_USAGE, "--cross pairs every record with every other: it takes no -k, --any, --normalize or --expect");
	if (a->kind == JOIN_CROSS)
		return 0;
	if (a->any && a->pairs.n)
		return err_set(e, ST_USAGE, "-k and --any exclude each other");
	if (a->any)
		return join_any(str_of(a->any), &a->common.arena, &a->left, &a->right, e);
	if (a->pairs.n == 0)
		return err_set(e, ST_USAGE, "join needs a key: -k FIELD[=FIELD][:num],...");
	return parse_pairs(a, e);
}

static int check(void *args, struct err *e)
{
	struct join_args *a = args;
	int rc = pick_kind(a, e);

	if (rc < 0 || (rc = parse_keys(a, e)) < 0)
		return rc;
	return check_operands(&a->common, e);
}

/* Threads that read one input, and that join: one alone when there is no memory for what is read ahead. */
static int reading_threads(const struct common *c)
{
	return c->memory >= READ_AHEAD ? cli_threads(c) : 1;
}

static int run(void *args, struct err *e)
{
	const struct join_args *a = args;
	const struct join_opts o = { .kind = a->kind, .left = &a->left, .right = &a->right, .suffix = a->suffix,
				     .on_bad = a->common.read.on_bad, .any = a->any != NULL,
				     .normalize = a->normalize ? url_normalize : NULL, .expect = (enum join_expect)a->expect,
				     .asof = a->asof ? &a->as_of : NULL, .threads = a->asof ? cli_threads(&a->common) : reading_threads(&a->common),
				     .ready = reading_threads(&a->common) > 1 ? cli_ready : NULL,
				     .memory = a->common.memory, .tmpdir = a->common.tmpdir };
	struct source *left, *right, *s;
	int rc = cli_input(&a->common, a->common.operands[0], reading_threads(&a->common), &left, e);

	if (rc < 0)
		return rc;
	if ((rc = cli_input(&a->common, a->common.operands[1], reading_threads(&a->common), &right, e)) < 0) {
		source_close(left);
		return rc;
	}
	if ((rc = join_open(left, right, &o, &s, e)) < 0)
		return rc;
	return cli_drain(&a->common, s, e);
}

static void share(const void *args, struct share_plan *ret)
{
	const struct join_args *a = args;

	if (a->kind == JOIN_RIGHT || a->kind == JOIN_FULL)
		ret->why = "right rows without a match are known only when the whole left has been seen";
	else if (a->expect & EXPECT_1M)
		ret->why = "whether a right row matches twice is known only when the whole left has been seen";
	ret->how = ret->why ? SHARE_GATHER : SHARE_RECORD;
	ret->first_operand_only = true;
}

#define AT(member) offsetof(struct join_args, member)
#define KIND(name, kind, help) { 0, name, OPT_FLAG, ROLE_PLAIN, NULL, AT(kinds) + (kind) * sizeof(bool), NULL, help }

static const struct opt opts[] = {
	{ 'k', "key", OPT_LIST, ROLE_PLAIN, "PAIRS", AT(pairs), NULL,
	  "fields that must be equal: name, left=right, each with :num, :text, :nat, :fold or :time behind it to say how it is read" },
	KIND("inner", JOIN_INNER, "records that match (default)"),
	KIND("left", JOIN_LEFT, "also left records without a match, their right fields null"),
	KIND("right", JOIN_RIGHT, "also right records without a match, last, their left fields null, but for the fields of -k"),
	KIND("full", JOIN_FULL, "also the records of either side without a match"),
	KIND("semi", JOIN_SEMI, "left records that have a match, each once, without right fields"),
	KIND("anti", JOIN_ANTI, "left records that have no match"),
	KIND("cross", JOIN_CROSS, "every left record with every right one; no keys"),
	{ 0, "any", OPT_STR, ROLE_PLAIN, "FIELDS=FIELD", AT(any), NULL,
	  "instead of -k: any of several left fields must equal the right one; a pair comes once, and the right field stays" },
	{ 0, "asof", OPT_STR, ROLE_PLAIN, "FIELD[=FIELD][:HOW][,tolerance=AMOUNT]", AT(asof), NULL,
	  "the record of RIGHT whose FIELD is nearest: HOW is backward (not after; default), forward or nearest, and :num or :time" },
	{ 0, "normalize", OPT_CHOICE, ROLE_PLAIN, "HOW", AT(normalize), "none|url",
	  "compare keys in one spelling: url, by RFC 3986 (case, default port, dot segments, %XX, no fragment)" },
	{ 0, "expect", OPT_CHOICE, ROLE_PLAIN, "HOW", AT(expect), "m:m|m:1|1:m|1:1",
	  "fail (65) when a left record has a second match (m:1, 1:1) or a right one has (1:m, 1:1)" },
	{ 0, "suffix", OPT_STR, ROLE_PLAIN, "TEXT", AT(suffix), NULL,
	  "appended to the names of right fields that the left has too (default: _2, or the next number that is free)" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook join --left -k country=code sales.csv countries.csv", "Every sale, with what is known of its country." },
	{ "stook join --anti -k id new.csv seen.csv", "What is new." },
	{ "stook join --expect m:1 -k country=code sales.csv countries.csv", "Every sale with its country, which must be listed once." },
	{ "stook join -k id:num,day orders.jsonl prices.csv -o priced.arrow", "Two keys; ids are compared as numbers." },
	{ "stook join --left --any url,redirected_url=url --normalize url pages.arrow labels.csv -o joined.arrow",
	  "Labels by the address as it was asked for, or as it was redirected to." },
	{ "stook sort -k user log.arrow | stook join -k user - users.csv", "The left side from a pipe; its order is kept." },
	{ "stook join --left --asof time,tolerance=5s -k symbol trades.csv quotes.csv", "Each trade with the last quote of the 5 s before it." },
	{ "stook join --cross sizes.csv colours.csv", "All combinations." },
	{ 0 },
};

const struct tool tool_join = {
	.name = "join",
	.summary = "match two inputs: inner, left, right, full, semi, anti, cross",
	.operands = "LEFT RIGHT",
	.description =
		"Writes the pairs of records of LEFT and RIGHT whose keys are equal: the fields of LEFT, then those of RIGHT that are not\n"
		"keys. The order is that of LEFT, and for each of its records that of RIGHT; records of RIGHT without a match come last.\n"
		"RIGHT is held in memory, LEFT streams past it: let the smaller input be RIGHT. When RIGHT outgrows half of -S, both are cut\n"
		"into parts by the hash of the key, in compressed, checksummed files without a name in -T or $TMPDIR, and joined part by part;\n"
		"the result is the same. Arrow inputs that both say they are sorted by the keys (stook sort writes it into their metadata) are\n"
		"merged instead, in little memory; a false claim fails (65). --cross keeps RIGHT in memory or on disk.\n"
		".Pp\n"
		"Text is equal when its bytes are, numbers are equal by value (1.0 and 1), and a null equals nothing, not even a null. Text\n"
		"against a numeric field is an error unless the key says how it is read (id:num or id:text).\n"
		"Late keys of JSON that have no column (_rest, see\n.Xr stook 1 )\non both sides are one object in the result; of equal ones RIGHT's is renamed as a field is.\n"
		".Pp\n"
		"With --asof each record of LEFT gets at most one of RIGHT: with equal keys (-k, which may be missing) and the nearest time or\n"
		"number. backward takes the last one that is not after it, of equal times the last in RIGHT; forward the first that is not\n"
		"before it, of equal times the first; nearest the closer of both, when equally close the one before. A tolerance is a\n"
		"duration (tolerance=5m) or, for numbers, a number. Fields of numeric types are read as numbers, others as times. The inputs\n"
		"need no order; the result has that of LEFT. The FIELD of RIGHT stays, for it says how far away it was.\n"
		".Pp\n"
		"With --any the fields of RIGHT include its key, for it says which address, name or number it was that matched.\n",
	.groups = groups,
	.size = sizeof(struct join_args),
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
