/* CSV: one row a case, expected values written by hand from RFC 4180 and the rules of the manual. Each is read in chunks of several
 * sizes, and written again.
 *
 * `rows`: the names, then the records; fields end with |, records with ;, null is ~. `error`: "STATUS LINE:COLUMN text of the
 * message". `out`: what the writer makes of it: NULL the input itself, "-" not looked at. */
#include "lib/format/format.h"
#include "tests/unit/test.h"

#include <stdint.h>

struct test_case {
	const char *name, *text, *rows, *error, *out;
	struct read_opts read;
	struct write_opts write;
	size_t size; /* of text, when it holds NULs */
	bool tsv;
};

#define NUL_TEXT(s) .text = (s), .size = sizeof(s) - 1, .rows
#define BOM "\xEF\xBB\xBF"

#define CASE(n, ...) { .name = n, __VA_ARGS__ }

static const struct test_case cases[] = {
	/* RFC 4180 section 2 */
	CASE("rfc-1-lines", "aaa,bbb,ccc\nzzz,yyy,xxx\n", "aaa|bbb|ccc|;zzz|yyy|xxx|;"),
	CASE("rfc-1-crlf", "aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", "aaa|bbb|ccc|;zzz|yyy|xxx|;"),
	CASE("rfc-2-no-last-line-end", "a,b\n1,2", "a|b|;1|2|;", .out = "a,b\n1,2\n"),
	CASE("rfc-2-no-last-crlf", "a,b\r\n1,2", "a|b|;1|2|;", .out = "a,b\r\n1,2\r\n"),
	CASE("rfc-3-header-only", "a,b\n", "a|b|;"),
	CASE("rfc-3-header-only-no-line-end", "a,b", "a|b|;", .out = "a,b\n"),
	CASE("rfc-4-spaces-belong", "a,b\n x , y \n", "a|b|; x | y |;"),
	CASE("rfc-5-quotes", "a,b,c\n\"aaa\",\"bbb\",ccc\n", "a|b|c|;aaa|bbb|ccc|;", .out = "a,b,c\naaa,bbb,ccc\n"),
	CASE("rfc-6-line-end-in-quotes", "a,b\n\"b\nbb\",ccc\n", "a|b|;b\nbb|ccc|;"),
	CASE("rfc-6-crlf-in-quotes", "a,b\r\n\"b\r\nbb\",ccc\r\n", "a|b|;b\r\nbb|ccc|;"),
	CASE("rfc-6-comma-in-quotes", "a,b\n\"1,5\",2\n", "a|b|;1,5|2|;"),
	CASE("rfc-7-doubled-quote", "a,b\n\"b\"\"bb\",c\n", "a|b|;b\"bb|c|;"),
	CASE("quoted-header", "\"a,1\",\"b\nc\"\n1,2\n", "a,1|b\nc|;1|2|;"),

	/* null and empty */
	CASE("empty-is-null", "a,b,c\n,,\n1,,3\n", "a|b|c|;~|~|~|;1|~|3|;"),
	CASE("quoted-empty-is-empty", "a,b\n\"\",\n,\"\"\n", "a|b|;|~|;~||;"),
	CASE("one-column-blank-line-is-null", "x\n1\n\n2\n", "x|;1|;~|;2|;"),
	CASE("one-column-last-blank-line", "x\n1\n\n", "x|;1|;~|;"),
	CASE("one-column-empty", "x\n\"\"\n", "x|;|;"),
	CASE("one-column-only-nulls", "x\n\n\n\n", "x|;~|;~|;~|;"),
	CASE("one-column-crlf-null", "x\r\n\r\n1\r\n", "x|;~|;1|;"),
	CASE("null-text", "a,b\nNA,1\n,2\n\"NA\",3\n", "a|b|;~|1|;|2|;NA|3|;", .read = { .null = "NA" }, .out = "a,b\n,1\n\"\",2\nNA,3\n"),
	CASE("null-text-out", "a,b\n,1\nNA,2\n\"\",3\n", "a|b|;~|1|;NA|2|;|3|;", .write = { .null = "NA" }, .out = "a,b\nNA,1\n\"NA\",2\n\"\",3\n"),
	CASE("null-text-both", "a,b\nNA,1\n\"NA\",\"\"\n", "a|b|;~|1|;NA||;", .read = { .null = "NA" }, .write = { .null = "NA" }),
	CASE("null-text-with-backslash", "a,b\n\\N,\\\\N\n", "a|b|;~|\\N|;", .read = { .null = "\\N", .escape = "\\" }, .out = "a,b\n,\\N\n"),
	CASE("space-is-not-null", "a,b\n ,\t\n", "a|b|; |\t|;"),
	CASE("last-field-null", "a,b\n1,\n2,\n", "a|b|;1|~|;2|~|;"),
	CASE("last-field-null-crlf", "a,b\r\n1,\r\n2,\r\n", "a|b|;1|~|;2|~|;"),

	/* line ends */
	CASE("cr-only", "a,b\r1,2\r3,4\r", "a|b|;1|2|;3|4|;"),
	CASE("cr-only-no-last", "a,b\r1,2", "a|b|;1|2|;", .out = "a,b\r1,2\r"),
	CASE("mixed-line-ends", "a,b\n1,2\r\n3,4\r5,6\n", "a|b|;1|2|;3|4|;5|6|;", .out = "a,b\n1,2\n3,4\n5,6\n"),
	CASE("crlf-then-lf", "a,b\r\n1,2\n", "a|b|;1|2|;", .out = "a,b\r\n1,2\r\n"),
	CASE("blank-lines-among-columns", "a,b\n\n1,2\n\n\n3,4\n\n", "a|b|;1|2|;3|4|;", .out = "a,b\n1,2\n3,4\n"),
	CASE("blank-lines-before-the-header", "\n\r\n\na,b\n1,2\n", "a|b|;1|2|;", .out = "a,b\n1,2\n"),
	CASE("cr-cr-lf", "a,b\r\r\n1,2\r\r\n", "a|b|;1|2|;", .out = "a,b\r1,2\r"),
	CASE("cr-in-quotes", "a,b\n\"x\ry\",1\n", "a|b|;x\ry|1|;"),
	CASE("lf-cr-in-quotes", "a,b\n\"\n\r\",\"\r\n\"\n", "a|b|;\n\r|\r\n|;"),
	CASE("cr-at-the-very-end", "a,b\n1,2\r", "a|b|;1|2|;", .out = "a,b\n1,2\n"),

	/* quotes */
	CASE("quote-inside-unquoted", "a,b\n5\" pipe,x\"y\"\n", "a|b|;5\" pipe|x\"y\"|;", .out = "a,b\n\"5\"\" pipe\",\"x\"\"y\"\"\"\n"),
	CASE("quote-after-space", "a,b\n \"x\",y\n", "a|b|; \"x\"|y|;", .out = "a,b\n\" \"\"x\"\"\",y\n"),
	CASE("only-quotes", "a,b\n\"\"\"\",\"\"\"\"\"\"\n", "a|b|;\"|\"\"|;"),
	CASE("doubled-at-begin-and-end", "a,b\n\"\"\"x\"\"\",1\n", "a|b|;\"x\"|1|;"),
	CASE("quoted-comma-only", "a,b\n\",\",\",,\"\n", "a|b|;,|,,|;"),
	CASE("quoted-line-end-only", "a,b\n\"\n\",\"\n\n\"\n", "a|b|;\n|\n\n|;"),
	CASE("quoted-last-without-line-end", "a,b\n1,\"x\"", "a|b|;1|x|;", .out = "a,b\n1,x\n"),
	CASE("quoted-empty-at-the-end", "a,b\n1,\"\"", "a|b|;1||;", .out = "a,b\n1,\"\"\n"),
	CASE("quoted-before-crlf", "a,b\r\n\"1\",\"2\"\r\n", "a|b|;1|2|;", .out = "a,b\r\n1,2\r\n"),
	CASE("spaces-need-no-quotes", "a,b\n\" x\",\"y \"\n", "a|b|; x|y |;", .out = "a,b\n x,y \n"),
	CASE("apostrophes-are-text", "a,b\n'x,y'\n", "a|b|;'x|y'|;"),
	CASE("other-quote", "a,b\n'x,y','it''s'\n\"q,r\n", "a|b|;x,y|it's|;\"q|r|;", .read = { .quote = "'" },
	  .out = "a,b\n\"x,y\",it's\n\"\"\"q\",r\n"),
	CASE("no-quotes", "a,b\n\"x,y\"\n", "a|b|;\"x|y\"|;", .read = { .quote = "none" }, .out = "a,b\n\"\"\"x\",\"y\"\"\"\n"),
	CASE("quote-in-a-later-block",
	  "a,b\n1234567890,1234567890\n1234567890,1234567890\n1234567890,1234567890\n\"x,\n\",\"\"\"\"\n",
	  "a|b|;1234567890|1234567890|;1234567890|1234567890|;1234567890|1234567890|;x,\n|\"|;"),
	CASE("quotes-around-64",
	  "a,b\n123456789012345678901234567890123456789012345678901234567,\"x\"\"\"\n1,2\n",
	  "a|b|;123456789012345678901234567890123456789012345678901234567|x\"|;1|2|;"),
	CASE("closing-quote-ends-a-block",
	  "a,b\n1234567890123456789012345678901234567890123456789012345,\",,\"\n1,2\n",
	  "a|b|;1234567890123456789012345678901234567890123456789012345|,,|;1|2|;"),

	/* escapes, comments */
	CASE("escaped-quote", "a,b\n\"x\\\"y\",1\n", "a|b|;x\"y|1|;", .read = { .escape = "\\" }, .out = "a,b\n\"x\"\"y\",1\n"),
	CASE("escaped-delimiter", "a,b\nx\\,y,1\n", "a|b|;x,y|1|;", .read = { .escape = "\\" }, .out = "a,b\n\"x,y\",1\n"),
	CASE("escaped-line-end", "a,b\nx\\\ny,1\n", "a|b|;x\ny|1|;", .read = { .escape = "\\" }, .out = "a,b\n\"x\ny\",1\n"),
	CASE("escaped-escape", "a,b\n\\\\,\"\\\\\"\n", "a|b|;\\|\\|;", .read = { .escape = "\\" }, .out = "a,b\n\\,\\\n"),
	CASE("doubled-quote-beside-escape", "a,b\n\"x\"\"y\",1\n", "a|b|;x\"y|1|;", .read = { .escape = "\\" }),
	CASE("backslash-is-text", "a,b\nx\\,y\\\n", "a|b|;x\\|y\\|;"),
	CASE("escape-is-the-quote", "a,b\n\"x\"\"y\",1\n", "a|b|;x\"y|1|;", .read = { .escape = "\"" }),
	CASE("comments", "# one\na,b\n# two\n1,2\n#3,4\n5,#6\n", "a|b|;1|2|;5|#6|;", .read = { .comment = "#" }, .out = "a,b\n1,2\n5,#6\n"),
	CASE("comment-without-line-end", "a,b\n1,2\n# end", "a|b|;1|2|;", .read = { .comment = "#" }, .out = "a,b\n1,2\n"),
	CASE("comment-with-quote", "# it\"s\na,b\n1,2\n", "a|b|;1|2|;", .read = { .comment = "#" }, .out = "a,b\n1,2\n"),
	CASE("comment-crlf", "# one\r\na,b\r\n# two\r\n1,2\r\n", "a|b|;1|2|;", .read = { .comment = "#" }, .out = "a,b\r\n1,2\r\n"),
	CASE("quoted-comment-sign", "a,b\n\"#1\",2\n", "a|b|;#1|2|;", .read = { .comment = "#" }, .out = "a,b\n#1,2\n"),
	CASE("no-comments-unless-asked", "a,b\n#1,2\n", "a|b|;#1|2|;"),

	/* delimiters */
	CASE("semicolon", "a;b\n1,5;2\n", "a|b|;1,5|2|;", .read = { .delimiter = ";" }, .out = "a,b\n\"1,5\",2\n"),
	CASE("tab-option", "a\tb\n1\t2\n", "a|b|;1|2|;", .read = { .delimiter = "\\t" }, .out = "a,b\n1,2\n"),
	CASE("pipe-out", "a,b\n1|2,3\n", "a|b|;1|2|3|;", .write = { .delimiter = "|" }, .out = "a|b\n\"1|2\"|3\n"),
	CASE("space-delimiter", "a b\n\"x y\" z\n", "a|b|;x y|z|;", .read = { .delimiter = " " }, .out = "a,b\nx y,z\n"),
	CASE("tsv", "a\tb\nx,y\t2\n", "a|b|;x,y|2|;", .tsv = true),
	CASE("tsv-quotes", "a\tb\n\"x\ty\"\t\"l1\nl2\"\n\t\"\"\n", "a|b|;x\ty|l1\nl2|;~||;", .tsv = true),

	/* headers */
	CASE("no-header", "1,2\n3,4\n", "c1|c2|;1|2|;3|4|;", .read = { .no_header = true }, .out = "c1,c2\n1,2\n3,4\n"),
	CASE("no-header-both", "1,2\n3,4\n", "c1|c2|;1|2|;3|4|;", .read = { .no_header = true }, .write = { .no_header = true }),
	CASE("no-header-one-record", "1,2", "c1|c2|;1|2|;", .read = { .no_header = true }, .out = "c1,c2\n1,2\n"),
	CASE("no-header-null-first", "\n1\n", "c1|;~|;1|;", .read = { .no_header = true }, .write = { .no_header = true }),
	CASE("no-header-nulls-only", "\n\n", "c1|;~|;~|;", .read = { .no_header = true }, .write = { .no_header = true }),
	CASE("no-header-empty-input", "", "", .read = { .no_header = true }),
	CASE("no-header-names-given", "1,2\n", "x|y|;1|2|;", .read = { .no_header = true, .header = "x,y" }, .out = "x,y\n1,2\n"),
	CASE("no-header-names-given-empty-input", "", "x|y|;", .read = { .no_header = true, .header = "x,y" }, .out = "x,y\n"),
	CASE("header-replaced", "a,b\n1,2\n", "x|y z|;1|2|;", .read = { .header = "x,y z" }, .out = "x,y z\n1,2\n"),
	CASE("header-replaced-quoted", "a,b\n1,2\n", "x,1|y|;1|2|;", .read = { .header = "\"x,1\",y" }, .out = "\"x,1\",y\n1,2\n"),
	CASE("header-names-repeated", "x,x,y,x\n1,2,3,4\n", "x|x_2|y|x_3|;1|2|3|4|;", .out = "x,x_2,y,x_3\n1,2,3,4\n"),
	CASE("header-made-up-name-taken", "x,x,x_2\n1,2,3\n", "x|x_3|x_2|;1|2|3|;", .out = "x,x_3,x_2\n1,2,3\n"),
	CASE("header-names-empty", "a,,\"\"\n1,2,3\n", "a|c2|c3|;1|2|3|;", .out = "a,c2,c3\n1,2,3\n"),
	CASE("header-in-unicode", "größe,名前\n1,2\n", "größe|名前|;1|2|;"),
	CASE("header-with-line-end", "\"a\n1\",b\nx,y\n", "a\n1|b|;x|y|;"),

	/* bytes */
	CASE("bom", BOM "a,b\n1,2\n", "a|b|;1|2|;", .out = "a,b\n1,2\n"),
	CASE("bom-and-quoted-name", BOM "\"a\",b\n1,2\n", "a|b|;1|2|;", .out = "a,b\n1,2\n"),
	CASE("bom-later-is-text", "a,b\n" BOM "1,2\n", "a|b|;" BOM "1|2|;"),
	CASE("bom-as-data-comes-back", "\"" BOM "a\",b\n1,2\n", BOM "a|b|;1|2|;"),
	CASE("bom-no-header", BOM "1,2\n", "c1|c2|;1|2|;", .read = { .no_header = true }, .out = "c1,c2\n1,2\n"),
	CASE("unicode", "a,b\né,€\n😀,\"ñ,\"\n", "a|b|;é|€|;😀|ñ,|;"),
	CASE("nul-bytes", NUL_TEXT("a,b\nx\0y,\0\n") = "-", .out = NULL),
	CASE("control-bytes", "a,b\n\x01\x1b[0m,\x7f\n", "a|b|;\x01\x1b[0m|\x7f|;"),
	CASE("latin1-as-binary", "a,b\n\xe9,1\n", "a|b|;\xe9|1|;", .read = { .binary = "a" }),
	CASE("latin1-converted", "a,b\n\xe9t\xe9,1\n", "a|b|;été|1|;", .read = { .encoding = "latin1" }, .out = "a,b\nété,1\n"),
	CASE("utf-16-converted", NUL_TEXT("\xff\xfe" "a\0,\0b\0\n\0\xe9\0,\0\x31\0\n\0") = "a|b|;é|1|;", .read = { .encoding = "UTF-16" },
	  .out = "a,b\né,1\n"),
	CASE("utf-16le-bom-converted", NUL_TEXT("\xff\xfe" "a\0,\0b\0\n\0\xe9\0,\0\x31\0\n\0") = "a|b|;é|1|;", .read = { .encoding = "UTF-16LE" },
	  .out = "a,b\né,1\n"),
	CASE("shift-jis-converted", "a,b\n\x93\xfa\x96\x7b,1\n", "a|b|;日本|1|;", .read = { .encoding = "SHIFT_JIS" }, .out = "a,b\n日本,1\n"),

	/* values keep their bytes */
	CASE("numbers-keep-their-bytes", "a,b,c,d\n007,1.50,9007199254740993,1e5\n", "a|b|c|d|;007|1.50|9007199254740993|1e5|;"),
	CASE("trailing-blanks-stay", "a,b\nx  ,\ty\n", "a|b|;x  |\ty|;"),

	/* declared types */
	CASE("type-num", "a,b\n007,x\n1.50,y\n", "a|b|;007|x|;1.50|y|;", .read = { .types = "a=num" }),
	CASE("type-int64", "a,b\n7,x\n-9223372036854775808,y\n,z\n", "a|b|;7|x|;-9223372036854775808|y|;~|z|;", .read = { .types = "a=int64" }),
	CASE("type-float64", "a,b\n1.50,x\n1e3,y\n", "a|b|;1.5|x|;1000|y|;", .read = { .types = "a=float64" }, .out = "a,b\n1.5,x\n1000,y\n"),
	CASE("type-bool", "a,b\ntrue,x\nfalse,y\n", "a|b|;true|x|;false|y|;", .read = { .types = "a=bool" }),
	CASE("type-date", "a,b\n2024-02-29,x\n", "a|b|;2024-02-29|x|;", .read = { .types = "a=date" }),
	CASE("type-timestamp", "a,b\n2015-01-02T03:04:05Z,x\n", "a|b|;2015-01-02T03:04:05Z|x|;", .read = { .types = "a=timestamp" }),
	CASE("type-json", "a,b\n\"[1, {\"\"x\"\": null}]\",x\n 7 ,y\n,z\n", "a|b|;[1, {\"x\": null}]|x|; 7 |y|;~|z|;", .read = { .types = "a=json" }),
	CASE("type-two", "a,b\n1,2\n", "a|b|;1|2|;", .read = { .types = "a=int64,b=num" }),
	CASE("type-quoted-empty-text", "a,b\n1,\"\"\n", "a|b|;1||;", .read = { .types = "a=int64" }),

	/* errors and their places */
	CASE("few-fields", "a,b,c\n1,2,3\n4,5\n6,7,8\n", "a|b|c|;1|2|3|;", "65 3:1 the record has 2 fields, not 3", "-"),
	CASE("many-fields", "a,b\n1,2\n3,4,5\n", "a|b|;1|2|;", "65 3:1 the record has 3 fields, not 2", "-"),
	CASE("one-field", "a,b\n1\n", "a|b|;", "65 2:1 the record has 1 field, not 2", "-"),
	CASE("few-fields-last-line", "a,b\n1,2\n3", "a|b|;1|2|;", "65 3:1 the record has 1 field, not 2", "-"),
	CASE("ragged-after-embedded-line-end", "a,b\n\"x\ny\",2\n3\n", "a|b|;x\ny|2|;", "65 4:1 the record has 1 field, not 2", "-"),
	CASE("ragged-after-blank-lines", "a,b\n1,2\n\n\n3\n", "a|b|;1|2|;", "65 5:1 the record has 1 field, not 2", "-"),
	CASE("ragged-after-crlf", "a,b\r\n1,2\r\n3\r\n", "a|b|;1|2|;", "65 3:1 the record has 1 field, not 2", "-"),
	CASE("ragged-after-cr", "a,b\r1,2\r3\r", "a|b|;1|2|;", "65 3:1 the record has 1 field, not 2", "-"),
	CASE("ragged-after-comment", "a,b\n#\n1,2\n#\n3\n", "a|b|;1|2|;", "65 5:1 the record has 1 field, not 2", "-", .read = { .comment = "#" }),
	CASE("two-columns-in-one", "x\n1\n1,2\n", "x|;1|;", "65 3:1 the record has 2 fields, not 1", "-"),
	CASE("text-behind-quote", "a,b\n1,\"x\"y\n", "a|b|;", "65 2:6 something follows the closing quote", "-"),
	CASE("space-behind-quote", "a,b\n\"x\" ,1\n", "a|b|;", "65 2:4 something follows the closing quote", "-"),
	CASE("quote-never-closed", "a,b\n1,2\n3,\"x\ny,4\n", "a|b|;1|2|;", "65 3:3 the quote that opens here is never closed", "-"),
	CASE("quote-never-closed-first-field", "a,b\n\"x\n", "a|b|;", "65 2:1 the quote that opens here is never closed", "-"),
	CASE("quote-never-closed-doubled", "a,b\n1,\"x\"\"\n", "a|b|;", "65 2:3 the quote that opens here is never closed", "-"),
	CASE("quote-never-closed-in-header", "a,\"b\n1,2\n", "", "65 1:3 the quote that opens here is never closed", "-"),
	CASE("quote-never-closed-after-lines", "a,b\n\"1\n\n\",\"2\n", "a|b|;", "65 4:3 the quote that opens here is never closed", "-"),
	CASE("lone-quote-at-the-end", "a,b\n1,\"", "a|b|;", "65 2:3 the quote that opens here is never closed", "-"),
	CASE("broken-header", "a,\"b\"c\n1,2\n", "", "65 1:6 something follows the closing quote", "-"),
	CASE("empty-input", "", "", "65 1:1 the input is empty", "-"),
	CASE("blank-input", "\n\n", "", "65 1:1 the input is empty", "-"),
	CASE("bom-only", BOM, "", "65 1:1 the input is empty", "-"),
	CASE("names-do-not-match", "a,b,c\n", "", "64 1:0 --header gives 2 names, the header line has 3", "-", .read = { .header = "x,y" }),
	CASE("names-do-not-match-records", "1,2,3\n", "x|y|;", "65 1:1 the record has 3 fields, not 2", "-",
	  .read = { .no_header = true, .header = "x,y" }),
	CASE("utf-16-bom", "\xff\xfe" "ab", "", "65 1:1 the text is UTF-16", "-"),
	CASE("utf-16-big-bom", "\xfe\xff" "ab", "", "65 1:1 the text is UTF-16", "-"),
	CASE("utf-32-bom", NUL_TEXT("\xff\xfe\0\0a\0\0\0") = "", "65 1:1 the text is UTF-32", "-"),
	CASE("utf-32-big-bom", NUL_TEXT("\0\0\xfe\xff\0\0\0a") = "", "65 1:1 the text is UTF-32", "-"),
	CASE("invalid-utf-8", "a,b\n1,2\nxy,caf\xe9\n", "a|b|;1|2|;", "65 3:7 invalid UTF-8 (byte 0xE9)", "-"),
	CASE("invalid-utf-8-first", "a,b\n\xff,2\n", "a|b|;", "65 2:1 invalid UTF-8 (byte 0xFF)", "-"),
	CASE("invalid-utf-8-surrogate", "a,b\n\xed\xa0\x80,2\n", "a|b|;", "65 2:1 invalid UTF-8 (byte 0xED)", "-"),
	CASE("invalid-utf-8-overlong", "a,b\n\xc0\x80,2\n", "a|b|;", "65 2:1 invalid UTF-8 (byte 0xC0)", "-"),
	CASE("invalid-utf-8-split-over-fields", "a,b\n\xc3,\xa9\n", "a|b|;", "65 2:1 invalid UTF-8 (byte 0xC3)", "-"),
	CASE("invalid-utf-8-cut-at-the-end", "a,b\n1,\xe2\x82", "a|b|;", "65 2:3 invalid UTF-8 (byte 0xE2)", "-"),
	CASE("invalid-utf-8-in-header", "a,\xe9\n1,2\n", "", "65 1:1 name 2 in the header is not valid UTF-8", "-"),
	CASE("field-too-long", "a,b\n1,2\n3,1234567890123\n", "a|b|;1|2|;", "65 3:3 a field is longer than 12 bytes", "-",
	  .read = { .max_field = 12 }),
	CASE("quoted-field-too-long", "a,b\n1,\"\n2345678901234\n", "a|b|;", "65 2:3 a field is longer than 12 bytes", "-",
	  .read = { .max_field = 12 }),
	CASE("field-just-long-enough", "a,b\n3,123456789012\n", "a|b|;3|123456789012|;", .read = { .max_field = 12 }),
	CASE("not-an-integer", "a,b\n1,x\n1.5,y\n", "a|b|;1|x|;", "65 3:1 \"1.5\" is not of type int64", "-", .read = { .types = "a=int64" }),
	CASE("not-a-number", "a,price\n1,2\n3,\"12,5\"\n", "a|price|;1|2|;", "65 3:3 \"12,5\" is not of type num", "-", .read = { .types = "price=num" }),
	CASE("integer-out-of-range", "a,b\n9223372036854775808,x\n", "a|b|;", "65 2:1 \"9223372036854775808\" is not of type int64", "-",
	  .read = { .types = "a=int64" }),
	CASE("float-out-of-range", "a\n1.7976931348623157e308\n1e400\n", "a|;1.7976931348623157e+308|;",
	     "65 3:1 \"1e400\" is not of type float64: out of range", "-", .read = { .types = "a=float64" }),
	CASE("infinity-by-name", "a\ninf\n-Infinity\n", "a|;inf|;-inf|;", NULL, "-", .read = { .types = "a=float64" }),
	CASE("too-small-is-zero", "a\n1e-400\n", "a|;0|;", NULL, "-", .read = { .types = "a=float64" }),
	CASE("empty-is-no-integer", "a,b\n\"\",x\n", "a|b|;", "65 2:1 \"\" is not of type int64", "-", .read = { .types = "a=int64" }),
	CASE("not-json", "a,b\n1,x\n[1,y\n", "a|b|;1|x|;", "65 3:1 \"[1\" is not of type json", "-", .read = { .types = "a=json" }),
	CASE("not-json-behind", "a,b\n1 2,x\n", "a|b|;", "65 2:1 \"1 2\" is not of type json", "-", .read = { .types = "a=json" }),
	CASE("empty-is-not-json", "a,b\n\"\",x\n", "a|b|;", "65 2:1 \"\" is not of type json", "-", .read = { .types = "a=json" }),
	CASE("not-a-date", "a,b\n2023-02-29,x\n", "a|b|;", "65 2:1 \"2023-02-29\" is not of type date", "-", .read = { .types = "a=date" }),
	CASE("first-of-two-bad", "a,b\n1,x\ny,2\n", "a|b|;", "65 2:3 \"x\" is not of type int64", "-", .read = { .types = "a=int64,b=int64" }),
	CASE("unknown-type", "a,b\n1,2\n", "", "64 0:0 \"number\" is no type to declare", "-", .read = { .types = "a=number" }),
	CASE("type-of-unknown-field", "a,b\n1,2\n", "", "64 0:0 no field \"x\"", "-", .read = { .types = "x=num" }),
	CASE("type-without-equals", "a,b\n1,2\n", "", "64 0:0 --type: \"a\" is not FIELD=TYPE", "-", .read = { .types = "a" }),
	CASE("delimiter-too-long", "a,b\n", "", "64 0:0 --delimiter: \"ab\" is not one ASCII character", "-", .read = { .delimiter = "ab" }),
	CASE("delimiter-not-ascii", "a,b\n", "", "64 0:0 --delimiter: \"\xc2\xa7\" is not one ASCII character", "-", .read = { .delimiter = "\xc2\xa7" }),
	CASE("delimiter-is-the-quote", "a,b\n", "", "64 0:0 the delimiter", "-", .read = { .delimiter = "\"" }),
	CASE("comment-is-the-quote", "a,b\n", "", "64 0:0 the comment character", "-", .read = { .comment = "\"" }),
	CASE("unknown-encoding", "a,b\n", "", "64 0:0 --encoding: \"klingon\" is not known here", "-", .read = { .encoding = "klingon" }),
	CASE("damaged-encoding", NUL_TEXT("a\0,\0\x00\xd8") = "", "65 0:0 the input ends inside a character of UTF-16LE at byte 5", "-", .read = { .encoding = "UTF-16LE" }),

	/* --on-bad */
	CASE("skip-ragged", "a,b\n1\n2,3\n4,5,6\n7,8\n9", "a|b|;2|3|;7|8|;", .out = "a,b\n2,3\n7,8\n", .read = { .on_bad = BAD_SKIP }),
	CASE("skip-behind-quote", "a,b\n\"x\"y,1\n2,3\n", "a|b|;2|3|;", .out = "a,b\n2,3\n", .read = { .on_bad = BAD_SKIP }),
	CASE("skip-invalid-utf-8", "a,b\n\xe9,1\n2,3\n4,\xff\n5,6\n", "a|b|;2|3|;5|6|;", .out = "a,b\n2,3\n5,6\n", .read = { .on_bad = BAD_SKIP }),
	CASE("skip-bad-value", "a,b\nx,1\n2,3\ny,4\n5,6\n", "a|b|;2|3|;5|6|;", .out = "a,b\n2,3\n5,6\n", .read = { .on_bad = BAD_SKIP, .types = "a=int64" }),
	CASE("skip-all", "a,b\n1\n2\n", "a|b|;", .out = "a,b\n", .read = { .on_bad = BAD_SKIP }),
	CASE("skip-then-open-quote", "a,b\n1\n2,\"\n", "a|b|;", "65 3:3 the quote that opens here is never closed", "-", .read = { .on_bad = BAD_SKIP }),
	CASE("skip-keeps-lines-right", "a,b\n\"1\n\"\n2,\"3\n", "a|b|;", "65 4:3 the quote that opens here is never closed", "-",
	  .read = { .on_bad = BAD_SKIP }),
	CASE("null-ragged", "a,b\n1\n2,3,4\n5,6\n", "a|b|;1|~|;2|3|;5|6|;", .out = "a,b\n1,\n2,3\n5,6\n", .read = { .on_bad = BAD_NULL }),
	CASE("null-behind-quote", "a,b\n\"x\"y,1\n", "a|b|;~|1|;", .out = "a,b\n,1\n", .read = { .on_bad = BAD_NULL }),
	CASE("null-invalid-utf-8", "a,b\n\xe9,1\n2,3\xff\n", "a|b|;~|1|;2|~|;", .out = "a,b\n,1\n2,\n", .read = { .on_bad = BAD_NULL }),
	CASE("null-bad-value", "a,b\nx,1\n2,3\n", "a|b|;~|1|;2|3|;", .out = "a,b\n,1\n2,3\n", .read = { .on_bad = BAD_NULL, .types = "a=int64" }),
	CASE("null-ragged-null-text", "a,b\n1\n,NA\n", "a|b|;1|~|;|~|;", .out = "a,b\n1,\n\"\",\n", .read = { .on_bad = BAD_NULL, .null = "NA" }),
};

static void add(struct buf *b, struct str s)
{
	if (buf_str(b, s))
		abort();
}

static void add_row(struct buf *b, const struct batch *rows, int64_t i)
{
	for (int c = 0; c < rows->schema->nfields; c++) {
		const struct column *col = &rows->cols[c];

		if (column_is_null(col, i))
			add(b, STR("~"));
		else if (col->type->layout == LAY_VAR)
			add(b, column_str(col, i));
		else if (value_print(col, i, b))
			abort();
		add(b, STR("|"));
	}
	add(b, STR(";"));
}

static void add_names(struct buf *b, const struct schema *s)
{
	for (int i = 0; i < s->nfields; i++) {
		add(b, s->fields[i].name);
		add(b, STR("|"));
	}
	if (s->nfields)
		add(b, STR(";"));
}

/* Reads the case in pieces of `chunk`; what came, what was written of it, and the error. */
static int run(const struct test_case *t, int64_t chunk, struct buf *rows, struct buf *out, struct err *e)
{
	const struct format *f = t->tsv ? &format_tsv : &format_csv;
	struct read_opts o = t->read;
	struct source *s;
	struct sink *sink;
	struct out *bytes;
	struct in *in;
	struct batch *b;
	int rc;

	o.chunk = chunk;
	*e = (struct err){ 0 };
	if ((rc = in_open_mem(&in, t->text, t->size ? t->size : strlen(t->text), "t", e)) < 0 || (rc = f->read(in, &o, &s, e)) < 0)
		return rc;
	add_names(rows, s->schema);
	if (out_open_mem(&bytes, out, e) < 0 || f->write(bytes, s->schema, &t->write, &sink, e) < 0)
		abort();
	while ((rc = source_next(s, &b, e)) == 0 && b) {
		for (int64_t i = 0; i < b->nrows; i++)
			add_row(rows, b, i);
		if (sink->write(sink, b, e) < 0)
			abort();
		batch_unref(b);
	}
	if (rc == 0 && sink->finish(sink, e) < 0)
		abort();
	sink_close(sink);
	source_close(s);
	return rc;
}

static bool check_error(const struct test_case *t, int rc, const struct err *e)
{
	char got[sizeof e->msg + 64];

	if (rc == 0 && !t->error)
		return true;
	snprintf(got, sizeof got, "%d %lld:%lld %s", -rc, (long long)e->line, (long long)e->column, e->msg);
	if (rc < 0 && t->error && strncmp(got, t->error, strlen(t->error)) == 0)
		return true;
	printf("# got \"%s\", not \"%s\"\n", rc < 0 ? got : "no error", t->error ? t->error : "no error");
	return false;
}

static bool check_text(const char *what, struct str got, struct str want)
{
	if (str_eq(got, want))
		return true;
	printf("# %s: \"%.*s\", not \"%.*s\"\n", what, STR_ARG(got), STR_ARG(want));
	return false;
}

static bool check(const struct test_case *t, int64_t chunk)
{
	cleanup_buf struct buf rows = { 0 }, out = { 0 };
	struct str text = { t->text, t->size ? t->size : strlen(t->text) };
	struct err e;
	int rc = run(t, chunk, &rows, &out, &e);
	bool ok = check_error(t, rc, &e);

	if (strcmp(t->rows, "-") != 0)
		ok &= check_text("rows", buf_view(&rows), str_of(t->rows));
	if (!t->out || strcmp(t->out, "-") != 0)
		ok &= check_text("written", buf_view(&out), t->out ? str_of(t->out) : text);
	return ok;
}

int main(void)
{
	static const int64_t chunks[] = { 0, 1, 2, 3, 5, 7, 16, 64 };
	int failed = 0;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool ok = true;

		for (size_t k = 0; k < sizeof chunks / sizeof *chunks && ok; k++) {
			ok = check(&cases[i], chunks[k]);
			if (!ok)
				printf("# in chunks of %lld\n", (long long)chunks[k]);
		}
		printf("%s csv %s\n", ok ? "ok" : "not ok", cases[i].name);
		failed |= !ok;
	}
	return failed;
}
