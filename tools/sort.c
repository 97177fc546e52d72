/* stook sort: order records by keys. */
#include "lib/cli/bare.h"
#include "lib/cli/cli.h"
#include "lib/cli/keys.h"
#include "lib/io/path.h"
#include "lib/op/sorter.h"
#include "lib/op/spill.h"

#include <stdlib.h>

#define MOST_INPUTS 200
#define INPUT_MEMORY ((int64_t)8 << 20)

struct sort_args {
	struct common common;
	struct strv keys;
	bool merge, check;
	const char *unique;   /* NULL, "", "first" or "last" */
	int64_t limit;
	struct key_spec spec; /* of keys */
};

static void defaults(void *args)
{
	((struct sort_args *)args)->limit = -1;
}

static bool stdin_twice(const struct common *c)
{
	int n = 0;

	for (int i = 0; i < c->noperands; i++)
		n += strcmp(c->operands[i], "-") == 0;
	return n > 1;
}

static int check(void *args, struct err *e)
{
	struct sort_args *a = args;

	if (a->merge && a->check)
		return err_set(e, ST_USAGE, "--merge and --check exclude each other");
	if (a->check && a->limit >= 0)
		return err_set(e, ST_USAGE, "--check reads everything: it takes no -n");
	if (a->check && a->common.output)
		return err_set(e, ST_USAGE, "--check writes no records: it takes no -o");
	if (a->merge && stdin_twice(&a->common))
		return err_set(e, ST_USAGE, "standard input can be merged once only");
	return cli_keys(&a->keys, &a->common.arena, &a->spec, e);
}

static enum unique unique_of(const struct sort_args *a)
{
	return !a->unique ? UNIQUE_NONE : strcmp(a->unique, "last") == 0 ? UNIQUE_LAST : UNIQUE_FIRST;
}

static struct sort_opts options(const struct sort_args *a)
{
	return (struct sort_opts){ .key = &a->spec, .on_bad = a->common.read.on_bad, .unique = unique_of(a), .limit = a->limit,
				   .memory = a->common.memory, .tmpdir = a->common.tmpdir,
				   .threads = cli_threads(&a->common) };
}

static int run_check(const struct sort_args *a, const struct sort_opts *o, struct err *e)
{
	struct source *s;
	int rc = cli_source(&a->common, 0, &s, e);

	if (rc < 0)
		return rc;
	rc = sort_check(s, o, e);
	source_close(s);
	return rc;
}

/* Every input is a source of its own; there may be thousands, so none gets threads. */
static int open_all(const struct common *c, char **names, struct source **v, int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		int rc = cli_input(c, names[i], 1, &v[i], e);

		if (rc < 0) {
			while (i-- > 0)
				source_close(v[i]);
			return rc;
		}
	}
	return 0;
}

/* Inputs merged at once: each takes a descriptor and some memory. */
static int merge_width(const struct common *c)
{
	int64_t n = c->memory / INPUT_MEMORY;

	return n < 4 ? 4 : n > MOST_INPUTS ? MOST_INPUTS : (int)n;
}

/* The sources v[0 .. n), in groups of `width` merged into temporary files, become fewer. */
static int merge_groups(const struct sort_args *a, const struct sort_opts *o, struct source **v, int *n, int width, struct err *e)
{
	int fewer = 0, rc = 0;

	for (int i = 0; i < *n; i += width) {
		int some = width < *n - i ? width : *n - i;
		struct source *merged = NULL;

		if (rc == 0)
			rc = sort_merge_open(v + i, some, o, &merged, e);
		else
			for (int k = i; k < i + some; k++)
				source_close(v[k]);
		if (rc == 0)
			rc = spill_source(merged, a->common.tmpdir, &v[fewer], e);
		fewer += rc == 0;
		source_close(merged);
	}
	for (int i = 0; i < fewer && rc < 0; i++)
		source_close(v[i]);
	*n = fewer;
	return rc;
}

/* Inputs as sources, at most `width` of them: whole, or groups of them merged already. */
static int open_groups(const struct sort_args *a, const struct sort_opts *o, char **names, int n, int width, struct source **v, int *ret,
		       struct err *e)
{
	int rc = 0;

	*ret = 0;
	for (int i = 0; i < n && rc == 0; i += width) {
		int some = width < n - i ? width : n - i;

		if ((rc = open_all(&a->common, names + i, v + *ret, some, e)) < 0)
			break;
		if (n > width && (rc = merge_groups(a, o, v + *ret, &some, width, e)) < 0)
			break;
		*ret += some;
	}
	for (int i = 0; i < *ret && rc < 0; i++)
		source_close(v[i]);
	while (rc == 0 && *ret > width)
		rc = merge_groups(a, o, v, ret, width, e);
	return rc;
}

static int open_merge(const struct sort_args *a, const struct sort_opts *o, struct source **ret, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	char standard[] = "-", *none[] = { standard }, **names = NULL;
	int given = a->common.noperands, n, rc = path_expand(given ? given : 1, given ? a->common.operands : none, &arena, &names, &n, e);
	struct source **v = rc < 0 ? NULL : calloc((size_t)n, sizeof *v);

	if (rc < 0)
		return rc;
	if (!v)
		return err_oom(e);
	rc = open_groups(a, o, names, n, merge_width(&a->common), v, &n, e);
	if (rc == 0)
		rc = sort_merge_open(v, n, o, ret, e);
	free(v);
	return rc;
}

static int run(void *args, struct err *e)
{
	const struct sort_args *a = args;
	struct sort_opts o = options(a);
	struct source *s;
	int rc;

	if (a->check)
		return run_check(a, &o, e);
	if (a->merge)
		rc = open_merge(a, &o, &s, e);
	else if ((rc = cli_source(&a->common, 0, &s, e)) == 0 && (rc = note_bare_keys(&a->common, &a->spec, s, &s, e)) == 0)
		rc = sort_open(s, &o, &s, e);
	return rc < 0 ? rc : cli_drain(&a->common, s, e);
}

static void share(const void *args, struct share_plan *ret)
{
	static const char *merge[] = { "--merge" };
	const struct sort_args *a = args;

	ret->how = a->merge || a->check ? SHARE_GATHER : SHARE_COMBINE;
	ret->why = a->check ? "--check needs every neighbour" : "--merge takes whole inputs";
	ret->merge = (struct strv){ 1, merge };
}

#define AT(member) offsetof(struct sort_args, member)

static const struct opt opts[] = {
	{ 'k', "key", OPT_LIST, ROLE_PLAIN, "KEYS", AT(keys), NULL,
	  "order by KEYS: field[:num|text|nat|fold|time][:desc][:nullsfirst],... (default: all fields, left to right)" },
	{ 'n', "limit", OPT_COUNT, ROLE_PLAIN, "N", AT(limit), NULL, "give the first N records only, in memory for about N" },
	{ 'u', "unique", OPT_OPTSTR, ROLE_PLAIN, "first|last", AT(unique), "first|last",
	  "give one record of each key only: the first of the input (default) or the last" },
	{ 'm', "merge", OPT_FLAG, ROLE_PLAIN, NULL, AT(merge), NULL, "merge inputs that are sorted already; verified while reading" },
	{ 'c', "check", OPT_FLAG, ROLE_PLAIN, NULL, AT(check), NULL,
	  "write nothing; exit 1 naming the first record out of order (with -u: or repeated), if there is one" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook sort -k shop,price:num:desc sales.csv", "By shop, in each the dearest first." },
	{ "stook sort -k n:num:desc -n 20 words.csv", "The twenty largest." },
	{ "stook sort -k id,ts:desc -u -S 1G dump.csv.gz -o orders.csv", "One record for each pair of id and time, larger than memory." },
	{ "stook sort -k id -u last changes.csv -o current.csv", "One record for each id, the latest in the input." },
	{ "stook sort -k id,ts:desc dump.csv | stook take -n 1 -g id -o newest.csv", "One record for each id, the one of the latest time." },
	{ "stook sort --merge -k time part-1.arrow part-2.arrow -o all.arrow", "Sorted parts into one." },
	{ "stook sort --check -k id:num ids.csv", "Is it sorted? The exit status says so." },
	{ 0 },
};

const struct tool tool_sort = {
	.name = "sort",
	.summary = "order by keys, larger than memory; merge, check, unique, top N",
	.operands = "[FILE]...",
	.description =
		"Writes the records of all inputs in the order of their keys. Text compares by its bytes, whatever the locale; numeric\n"
		"columns and text read with :num compare by exact value, of any length. :nat orders file2 before file10, :fold ignores case,\n"
		":time compares instants. Nulls come last, also with :desc, unless :nullsfirst. The sort is stable: records with equal keys\n"
		"keep their order. Without -k, whole records are compared, field by field. On a terminal, a text key without a reading whose\n"
		"first thousand values are all numbers earns a note, for 10 comes before 9.\n"
		".Pp\n"
		"-u keeps one record of each key: the first of the input, or with \\-u last the last. So duplicates leave without an\n"
		"aggregate: equal records with no -k, the newest change of an id with -k id -u last when changes lie in their order, and with\n"
		"-k id,ts:desc piped into take -n 1 -g id when they do not.\n"
		".Pp\n"
		"Memory is bounded by -S: what does not fit is put away in compressed, checksummed files without a name in -T or $TMPDIR.\n"
		"The result carries its order as the metadata stook.sorted.\n",
	.groups = groups,
	.size = sizeof(struct sort_args),
	.defaults = defaults,
	.check = check,
	.run = run,
	.share = share,
	.examples = examples,
};
