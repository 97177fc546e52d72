/* stook cat: read anything, write anything, concatenate by column name. */
#include "lib/cli/cli.h"

struct cat_args {
	struct common common;
};

static int run(void *args, struct err *e)
{
	const struct common *c = args;
	struct source *s;
	int rc = cli_source(c, 0, &s, e);

	return rc < 0 ? rc : cli_drain(c, s, e);
}

static void share(const void *args, struct share_plan *ret)
{
	(void)args;
	ret->how = SHARE_RECORD;
}

static const struct opt *const groups[] = { opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook cat sales.csv.gz -o sales.arrow", "Convert a compressed CSV file into an Arrow file." },
	{ "stook cat jan.csv feb.csv | stook take -n 5", "Two files as one stream; columns are matched by name." },
	{ 0 },
};

const struct tool tool_cat = {
	.name = "cat",
	.summary = "read anything, write anything, concatenate by column name",
	.operands = "[FILE]...",
	.description = "Reads the files one after another and writes their records as one table. The first file fixes the columns;\n"
		       "later files may have them in another order. Without FILE, or when FILE is -, reads standard input.\n",
	.groups = groups,
	.size = sizeof(struct cat_args),
	.run = run,
	.share = share,
	.examples = examples,
};
