/* Lines: text and web server logs. Text comes out as it went in. A log gives a row for each line that is not blank, or stops at one
 * with its place inside that line; every field that is shown stands in its line, and its place is found again. */
#include "lib/format/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* NULL: the input is, or claims to be, compressed. */
static struct source *source_of(const struct format *f, const struct read_opts *o, struct str text)
{
	struct source *s = NULL;
	struct str head;
	struct err e;
	struct in *in;

	if (in_open_mem(&in, text.p, text.n, "in", &e) < 0)
		return NULL;
	if (in_peek(in, 1, &head, &e) < 0 || in_is_compressed(in)) {
		in_close(in);
		return NULL;
	}
	check(f->read(in, o, &s, &e) == 0);
	return s;
}

static void check_text(struct str text)
{
	struct source *s = source_of(&format_text, &(struct read_opts){ .binary = "line" }, text);
	struct buf got = { 0 };
	struct sink *k = NULL;
	struct out *out;
	struct err e;

	if (!s)
		return;
	check(out_open_mem(&out, &got, &e) == 0 && format_text.write(out, s->schema, &(struct write_opts){ 0 }, &k, &e) == 0);
	check(stream_copy(s, k, &e) == 0);
	check(got.n == text.n + (text.n && text.p[text.n - 1] != '\n') && (!text.n || memcmp(got.p, text.p, text.n) == 0));
	sink_close(k);
	source_close(s);
	buf_free(&got);
}

/* The text at a line and column, both from 1. */
static struct str at(struct str text, int64_t line, int64_t column)
{
	while (--line) {
		const char *newline = memchr(text.p, '\n', text.n);

		check(newline != NULL);
		text = str_from(text, (size_t)(newline - text.p) + 1);
	}
	check(column >= 1 && (size_t)column <= text.n + 1);
	return str_from(text, (size_t)column - 1);
}

static void check_places(const struct batch *b, struct str text)
{
	for (int64_t row = 0; row < b->nrows; row++)
		for (int col = 0; col < b->schema->nfields; col++) {
			int64_t line = 0, column = 0;

			if (column_is_null(&b->cols[col], row) || b->schema->fields[col].type.id != T_UTF8)
				continue;
			b->origin.locate(&b->origin, row, col, &line, &column);
			check(str_starts(at(text, line, column), column_str(&b->cols[col], row)));
		}
}

static void check_log(struct str text, enum on_bad on_bad)
{
	struct source *s = source_of(&format_combined, &(struct read_opts){ .on_bad = on_bad }, text);
	bool bom = text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0;
	struct batch *b;
	struct err e;
	int rc;

	if (!s)
		return;
	while ((rc = source_next(s, &b, &e)) == 0 && b) {
		if (!bom)
			check_places(b, text);
		batch_unref(b);
	}
	check(rc == 0 || on_bad != BAD_SKIP);
	if (rc < 0)
		at(text, e.line, e.column);
	source_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data + 1, size - 1 };

	if (size < 1 || size > 1 << 16)
		return 0;
	check_text(text);
	check_log(text, (enum on_bad)(data[0] % 3));
	return 0;
}
