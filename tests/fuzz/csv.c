/* CSV: the quick scanner finds what the careful one finds; rows do not depend on how the text is cut into chunks; what is
 * written reads back as the same rows, and is written again as the same bytes; places of errors stay inside the text.
 *
 * The first byte chooses options, the rest is the text. */
#include "lib/format/csv.h"
#include "lib/io/codec.h"

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the last column alone is wanted, its fields are those that were found. */
static void compare_last(const struct dialect *d, const uint8_t *text, size_t n, int ncols, const struct fields *all)
{
	const bool unwanted[] = { true, true, true, true };
	int gaps[4], slots[4];
	struct csv_keep keep = { .gaps = gaps, .slots = slots };
	struct fields some = { 0 };
	bool nomem;

	csv_keep_wanted(&keep, unwanted + 4 - ncols, ncols);
	REQUIRE(csv_scan_quick(d, text, n, ncols, &keep, VECTORS_BEST, &some, &nomem));
	REQUIRE(some.nrows == all->nrows && some.used == all->used && some.lines == all->lines);
	for (int64_t i = 0; i < some.nrows; i++)
		REQUIRE(some.end[(size_t)(i + 1) * some.stride - 1] == all->end[(i + 1) * ncols - 1]);
	fields_free(&some);
}

static void compare_scanners(const struct dialect *d, const uint8_t *text, size_t n, int ncols, enum vectors v)
{
	struct fields quick = { 0 }, careful = { 0 };
	struct fault_at fault;
	struct err e;
	bool nomem;

	if (csv_scan_quick(d, text, n, ncols, NULL, v, &quick, &nomem)) {
		compare_last(d, text, n, ncols, &quick);
		REQUIRE(csv_scan_careful(d, text, n, false, ncols, false, &careful, &fault, &e) == 0);
		REQUIRE(quick.nrows == careful.nrows && quick.used == careful.used && quick.lines == careful.lines);
		for (int64_t i = 0; i < quick.nrows * ncols; i++) {
			uint32_t end = quick.end[i];

			if (quick.cr && i % ncols == ncols - 1 && end > quick.begin1[i] + 1 && text[end - 1] == '\r')
				end--;
			REQUIRE(quick.begin1[i] == careful.begin1[i] && end == careful.end[i]);
		}
	}
	REQUIRE(!nomem);
	fields_free(&quick);
	fields_free(&careful);
}

/* Every value, then how it ended. */
static void add_batch(struct buf *b, const struct batch *rows)
{
	for (int64_t i = 0; i < rows->nrows; i++) {
		for (int c = 0; c < rows->schema->nfields; c++) {
			struct str s = { "", 0 };
			bool null = column_is_null(&rows->cols[c], i);

			if (!null)
				s = column_str(&rows->cols[c], i);
			REQUIRE(buf_printf(b, null ? "~" : "%zu:", s.n) == 0 && buf_str(b, s) == 0);
		}
		REQUIRE(buf_byte(b, '\n') == 0);
	}
}

static void check_place(struct batch *rows)
{
	int64_t line = 0, column = 0;

	for (int64_t i = 0; i < rows->nrows; i += 1 + rows->nrows / 4) {
		rows->origin.locate(&rows->origin, i, rows->schema->nfields - 1, &line, &column);
		REQUIRE(line >= rows->origin.line && column >= 1);
	}
}

static void read_all(const uint8_t *text, size_t n, const struct read_opts *o, struct buf *rows, struct buf *copy)
{
	struct source *s = NULL;
	struct sink *sink = NULL;
	struct out *out = NULL;
	struct in *in;
	struct err e;
	int rc = 1;

	REQUIRE(in_open_mem(&in, n ? (const void *)text : "", n, "t", &e) == 0);
	rc = format_csv.read(in, o, &s, &e);
	for (int i = 0; rc == 0 && i < s->schema->nfields; i++)
		REQUIRE(buf_str(rows, s->schema->fields[i].name) == 0 && buf_byte(rows, '|') == 0);
	if (rc == 0 && copy) {
		REQUIRE(out_open_mem(&out, copy, &e) == 0);
		REQUIRE(format_csv.write(out, s->schema, &(struct write_opts){ .no_header = o->no_header, .escape = o->escape }, &sink, &e) == 0);
	}
	while (rc == 0) {
		struct batch *b;

		rc = source_next(s, &b, &e);
		if (rc < 0 || !b)
			break;
		add_batch(rows, b);
		check_place(b);
		if (copy)
			REQUIRE(sink->write(sink, b, &e) == 0);
		batch_unref(b);
	}
	if (rc < 0)
		REQUIRE(buf_printf(rows, "%d %lld %lld %s", e.status, (long long)e.line, (long long)e.column, e.msg) == 0);
	if (sink)
		REQUIRE(sink->finish(sink, &e) == 0);
	sink_close(sink);
	source_close(s);
}

static bool same(const struct buf *a, const struct buf *b)
{
	bool yes = a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);

	if (!yes)
		fprintf(stderr, "<<<\n%.*s\n===\n%.*s\n>>>\n", (int)a->n, (const char *)a->p, (int)b->n, (const char *)b->p);
	return yes;
}

/* Up to where the error begins: only the rows count. */
static void round_trip(const struct buf *written, const struct read_opts *o, const struct buf *rows)
{
	struct buf again = { 0 }, copy = { 0 };
	struct read_opts plain = { .no_header = o->no_header, .escape = o->escape };

	if (written->n == 0)
		return;
	read_all(written->p, written->n, &plain, &again, &copy);
	REQUIRE(again.n <= rows->n && memcmp(again.p, rows->p, again.n) == 0);
	REQUIRE(same(&copy, written));
	buf_free(&again);
	buf_free(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum on_bad policies[] = { BAD_FAIL, BAD_FAIL, BAD_SKIP, BAD_NULL };
	uint8_t mode = size ? data[0] : 0;
	struct read_opts o = { .no_header = mode & 1,
			       .on_bad = policies[mode >> 1 & 3],
			       .escape = mode & 8 ? "\\" : NULL,
			       .comment = mode & 16 ? "#" : NULL,
			       .null = mode & 32 ? "NA" : NULL,
			       .max_field = mode & 64 ? 100 : 0 };
	struct buf rows = { 0 }, written = { 0 };
	const struct codec_row *codec;
	struct dialect d;
	struct err e;
	uint8_t *text = malloc(size + TEXT_SLACK);

	REQUIRE(text && dialect_read(&o, ',', &d, &e) == 0);
	size -= size > 0;
	if (size)
		memcpy(text, data + 1, size);
	memset(text + size, 0, TEXT_SLACK);
	if (size && codec_detect((struct str){ (const char *)text, size }, true, &codec) && codec) {
		free(text);
		return 0;
	}
	for (int i = 0; i < 12; i++)
		compare_scanners(&d, text, size, 1 + i % 4, (enum vectors)(i / 4));
	read_all(text, size, &o, &rows, &written);
	for (int64_t chunk = 1; chunk <= 64; chunk += 1 + chunk / 3) {
		struct buf other = { 0 };

		o.chunk = chunk;
		o.threads = (int)(chunk & 3);
		read_all(text, size, &o, &other, NULL);
		REQUIRE(same(&rows, &other));
		buf_free(&other);
	}
	round_trip(&written, &o, &rows);
	buf_free(&rows);
	buf_free(&written);
	free(text);
	return 0;
}
