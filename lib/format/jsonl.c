/* JSON Lines, and JSON arrays of objects: the rows of the table of formats. */
#include "lib/format/jsonl.h"

const struct format format_jsonl = {
	.name = "jsonl",
	.suffixes = ".jsonl .ndjson",
	.help = "JSON Lines: one object a line; nested objects are columns such as user.id, arrays stay JSON text",
	.read = jsonl_read,
	.write = jsonl_write,
};

const struct format format_json = {
	.name = "json",
	.suffixes = ".json",
	.help = "one JSON array of objects, read and written as JSON Lines are",
	.read = json_read,
	.write = json_write,
};
