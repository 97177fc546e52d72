/* The options that tools share. Each tool lists the groups it takes; `common` is the first member of every argument struct. */
#include "lib/cli/opt.h"

#include <stddef.h>

#define AT(member) offsetof(struct common, member)

const struct opt opts_read[] = {
	{ 0, "from", OPT_STR, ROLE_READ, "FORMAT", AT(read.from), NULL, "read inputs as FORMAT instead of finding out" },
	{ 't', "delimiter", OPT_STR, ROLE_READ, "CHAR", AT(read.delimiter), NULL, "character between CSV fields (\\t for a tab)" },
	{ 'N', "no-header", OPT_FLAG, ROLE_READ, NULL, AT(read.no_header), NULL, "CSV has no header line; fields are c1, c2, ..." },
	{ 0, "header", OPT_STR, ROLE_READ, "NAMES", AT(read.header), NULL, "field names, separated by commas, instead of the header line's" },
	{ 0, "quote", OPT_STR, ROLE_READ, "CHAR", AT(read.quote), NULL, "CSV quote character, or none" },
	{ 0, "escape", OPT_STR, ROLE_READ, "CHAR", AT(read.escape), NULL, "takes away the meaning of the CSV character behind it (default: none; a quote is doubled)" },
	{ 0, "comment", OPT_STR, ROLE_READ, "CHAR", AT(read.comment), NULL, "skip CSV lines that begin with CHAR" },
	{ 0, "null", OPT_STR, ROLE_READ, "TEXT", AT(read.null), NULL, "an unquoted CSV field that is TEXT is null (default: an empty one)" },
	{ 0, "type", OPT_STR, ROLE_READ, "FIELD=TYPE,...", AT(read.types), NULL,
	  "declare types: text num int64 float64 decimal128(38, 2) bool date timestamp json binary" },
	{ 0, "schema", OPT_STR, ROLE_READ, "FILE", AT(read.schema), NULL, "declare types from FILE, one \"name type\" a line" },
	{ 0, "encoding", OPT_STR, ROLE_READ, "NAME", AT(read.encoding), NULL, "convert text inputs from this encoding (any iconv name)" },
	{ 0, "binary", OPT_STR, ROLE_READ, "FIELDS", AT(read.binary), NULL, "carry these fields as bytes that need not be UTF-8" },
	{ 0, "sample", OPT_SIZE, ROLE_READ, "SIZE", AT(read.sample), NULL, "fix the fields of JSON Lines from this much input (default 1M)" },
	{ 0, "max-field", OPT_SIZE, ROLE_READ, "SIZE", AT(read.max_field), NULL, "longest field, or line of JSON or text, accepted (default 1G)" },
	{ 0, "accept-unterminated", OPT_FLAG, ROLE_READ, NULL, AT(read.accept_unterminated), NULL,
	  "accept Arrow streams of other writers that omit the end marker" },
	{ 0, "on-bad", OPT_STR, ROLE_PLAIN, "WHAT", AT(on_bad), NULL, "rows or values that cannot be read: fail (default), skip, null, side=FILE" },
	{ 0, "max-errors", OPT_STR, ROLE_LIMIT, "N|P%", AT(max_errors), NULL,
	  "fail when more than N records, or P percent of all, are bad in spite of --on-bad skip, null or side" },
	{ 0 },
};

const struct opt opts_write[] = {
	{ 'o', "output", OPT_STR, ROLE_WRITE, "FILE", AT(output), NULL, "write to FILE, complete or not at all; its suffix says the format" },
	{ 0, "to", OPT_STR, ROLE_WRITE, "FORMAT", AT(write.to), NULL, "write FORMAT, with .gz .zst .xz .bz2 .lz4 behind it compressed" },
	{ 0, "compress", OPT_STR, ROLE_WRITE, "CODEC[:LEVEL]", AT(compress), NULL,
	  "compress the output: gz, zst, xz, bz2, lz4 or none; of Arrow, zst and lz4 mean its record batches" },
	{ 0, "out-quote", OPT_STR, ROLE_WRITE, "CHAR", AT(write.quote), NULL, "what stands around CSV fields that need it on output, doubled inside (default \"), or none" },
	{ 0, "out-escape", OPT_STR, ROLE_WRITE, "CHAR", AT(write.escape), NULL,
	  "stands before CHAR itself in CSV fields on output, and before a quote inside quotes instead of doubling it" },
	{ 0, "out-delimiter", OPT_STR, ROLE_WRITE, "CHAR", AT(write.delimiter), NULL, "character between CSV fields on output" },
	{ 0, "no-header-out", OPT_FLAG, ROLE_WRITE, NULL, AT(write.no_header), NULL, "write no CSV header line" },
	{ 0, "null-out", OPT_STR, ROLE_WRITE, "TEXT", AT(write.null), NULL, "write nulls in CSV as TEXT" },
	{ 0, "keep-null", OPT_FLAG, ROLE_WRITE, NULL, AT(write.keep_null), NULL, "write nulls in JSON instead of leaving them out" },
	{ 0, "progress", OPT_FLAG, ROLE_LOCAL, NULL, AT(progress), NULL, "show how far the run is, also in a pipeline or into a file" },
	{ 0, "rest", OPT_FLAG, ROLE_WRITE, NULL, AT(write.rest), NULL, "show the column of late JSON keys, _rest, in CSV and tables" },
	{ 0 },
};

const struct opt opts_common[] = {
	{ 'S', "memory", OPT_SIZE, ROLE_LOCAL, "SIZE", AT(memory), NULL, "memory to work in (default 25%)" },
	{ 'T', "tmpdir", OPT_STR, ROLE_LOCAL, "DIR", AT(tmpdir), NULL, "directory for temporary files (default $TMPDIR, else /tmp)" },
	{ 'j', "threads", OPT_COUNT, ROLE_LOCAL, "N", AT(threads), NULL, "threads to use (default: all processors); the result is the same" },
	{ 0, "errors", OPT_CHOICE, ROLE_LOCAL, "text|json", AT(errors), "text|json", "how errors are written to stderr" },
	{ 0, "stats", OPT_STR, ROLE_LOCAL, "FILE", AT(stats), NULL, "write one JSON object about the run to FILE, also when it fails (-: stderr)" },
	{ 'q', "quiet", OPT_FLAG, ROLE_LOCAL, NULL, AT(quiet), NULL, "no notes on stderr, only errors" },
	{ 'v', "verbose", OPT_FLAG, ROLE_LOCAL, NULL, AT(verbose), NULL, "say what was done on stderr, as --stats does" },
	{ 'h', "help", OPT_FLAG, ROLE_LOCAL, NULL, AT(help), NULL, "show this help" },
	{ 'V', "version", OPT_FLAG, ROLE_LOCAL, NULL, AT(version), NULL, "show the version" },
	{ 0 },
};
