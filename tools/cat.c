/* stook cat: read anything, write anything, concatenate by column name; types and metadata for the programs that read on. */
#include "lib/cli/cli.h"
#include "lib/format/declare.h"
#include "lib/op/relabel.h"
#include "lib/op/typer.h"

struct cat_args {
	struct common common;
	bool typed;
	const char *schema_out;
	struct strv meta;
};

static void defaults(void *args)
{
	((struct cat_args *)args)->common.write.same_end = true;
}

static int put_schema(struct out *o, const struct schema *s, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc;

	out_count(o);
	rc = schema_print(s, &b) ? err_oom(e) : out_write(o, b.p, b.n, e);
	return rc < 0 ? rc : out_commit(o, e);
}

static int open_source(const struct cat_args *a, struct source **ret, struct err *e)
{
	struct type_opts o = { .memory = a->common.memory, .tmpdir = a->common.tmpdir };
	int rc = cli_source(&a->common, 0, ret, e);

	if (rc == 0 && a->typed)
		rc = typer_open(*ret, &o, ret, e);
	if (rc == 0 && a->meta.n)
		rc = relabel_open(*ret, a->meta.n, a->meta.v, ret, e);
	return rc;
}

/* The records; then, when all went well, the schema file that was opened before them. */
static int run(void *args, struct err *e)
{
	struct cat_args *a = args;
	bool only = a->schema_out && strcmp(a->schema_out, "-") == 0;
	cleanup_schema struct schema *schema = NULL;
	struct out *o = NULL;
	struct source *s;
	int rc = open_source(a, &s, e);

	a->common.write.same_end &= !a->typed; /* what waited in a temporary file has lost it */
	if (rc < 0)
		return rc;
	schema = schema_ref(s->schema);
	if (a->schema_out)
		rc = out_open(&o, only ? NULL : a->schema_out, CODEC_NONE, e);
	if (rc < 0 || only)
		source_close(s);
	else
		rc = cli_drain(&a->common, s, e);
	if (rc == 0 && o)
		rc = put_schema(o, schema, e);
	out_close(o);
	return rc;
}

static void share(const void *args, struct share_plan *ret)
{
	const struct cat_args *a = args;

	ret->how = a->typed ? SHARE_GATHER : SHARE_RECORD;
	ret->why = a->typed ? "a type holds only if every value has it" : NULL;
}

#define AT(member) offsetof(struct cat_args, member)

static const struct opt opts[] = {
	{ 0, "typed", OPT_FLAG, ROLE_PLAIN, NULL, AT(typed), NULL,
	  "turn text into int64, float64, decimal, bool, date or timestamp where every value of a field prints back as it was" },
	{ 0, "schema-out", OPT_STR, ROLE_OUTFILE, "FILE", AT(schema_out), NULL,
	  "write names and types to FILE, as --schema reads them; with -, to standard output instead of the records" },
	{ 0, "meta", OPT_LIST, ROLE_PLAIN, "[FIELD.]KEY=VALUE", AT(meta), NULL,
	  "set metadata of the table or of a field; --schema-out shows it" },
	{ 0 },
};

static const struct opt *const groups[] = { opts, opts_read, opts_write, opts_common, NULL };

static const struct example examples[] = {
	{ "stook cat sales.csv.gz -o sales.arrow", "Convert a compressed CSV file into an Arrow file." },
	{ "stook cat jan.csv feb.csv | stook take -n 5", "Two files as one stream; columns are matched by name." },
	{ "stook cat --typed sales.csv -o sales.arrow", "With numbers and dates as such, for programs that expect them so." },
	{ "stook cat --typed sales.csv --schema-out -", "Names and types, as --schema reads them, and metadata." },
	{ "stook cat sales.csv --meta source=shop --meta price.unit=EUR -o sales.arrow", "Say what the table and a field of it are." },
	{ "stook cat --from 'regex:^(?<first>\\S+) (?<others>.*)' book.txt", "Lines taken apart by a pattern: named groups are the fields." },
	{ "stook cat sales.csv --on-bad side=bad.csv --max-errors 0.1% -o sales.arrow",
	  "Keep broken records apart; fail if there are more than one in a thousand." },
	{ 0 },
};

const struct tool tool_cat = {
	.name = "cat",
	.summary = "read anything, write anything, concatenate by column name",
	.operands = "[FILE]...",
	.description = "Reads the files one after another and writes their records as one table. The first file fixes the columns;\n"
		       "later files may have them in another order. Without FILE, or when FILE is -, reads standard input.\n"
		       ".Pp\n"
		       "With\n.Fl Fl typed\nthe whole input is read before the first record is written, for a type holds only if every\n"
		       "value has it.\n"
		       "What does not fit into memory waits in a temporary file. CSV written from it is the same byte for byte.\n"
		       "A field that has a value such as 007, 1e5 or the empty string keeps its type, and so does one that has no value.\n"
		       ".Pp\n"
		       "Records that cannot be read as they should end the run, or are skipped, laid aside, or taken with nulls, by\n"
		       ".Fl Fl on-bad .\nHow many there were is said at the end, and\n.Fl Fl max-errors\nfails the run, with status 65 and\n"
		       "without a result, when there are too many: a number is judged as soon as it is passed, a percentage at the end of the\n"
		       "inputs. In all tools this includes records whose key or expression cannot be read. The file of\n"
		       ".Fl Fl on-bad Cm side Ns = Ns Ar FILE\nholds their text, those that could not be read first; a record that came as\n"
		       "Arrow, and so without text, is laid aside as a JSON object.\n"
		       ".Pp\n"
		       "CSV that was minimally quoted comes back byte for byte, but for a byte order mark, which goes. When\n.Nm\nreads CSV and "
		       "writes CSV itself, lines that end otherwise than the first one of their file, and a last line without its end, stay so.\n"
		       "With\n.Fl Fl typed ,\nand in all other tools, between two tools and in\n.Xr fanout 1 ,\nall lines end as the first one "
		       "did.\n"
		       ".Pp\n"
		       "What stands before a dot in\n.Fl Fl meta\nis a field if there is one of that name, the longest if several fit;\n"
		       "a backslash before the dot makes it part of the key. Metadata stays with the table and its fields through all\n"
		       "tools, and shows as comments in what\n.Fl Fl schema-out\nwrites.\n",
	.groups = groups,
	.size = sizeof(struct cat_args),
	.defaults = defaults,
	.run = run,
	.share = share,
	.examples = examples,
};
