/* CSV laws over random tables and texts: what is written reads back equal, in any chunks, by any vectors; other tables are not.
 */
#include "lib/format/csv.h"
#include "tests/unit/test.h"

#include <stdint.h>

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	return test_below(&state, n);
}

/* A value: often plain, sometimes made of what CSV treats specially, rarely long. */
static void random_value(struct buf *b, bool nasty)
{
	static const char *const pieces[] = {
		",", "\"", "\n", "\r\n", "\r", " ", "é", "😀", "'", "\\", "#", "NA", "x", "\t", ";"
	};
	uint32_t n = below(20) ? below(12) : below(200);

	while (n--) {
		if (nasty && below(3) == 0) {
			if (buf_puts(b, pieces[below(sizeof pieces / sizeof *pieces)]))
				abort();
		} else if (buf_byte(b, (uint8_t)('a' + below(26)))) {
			abort();
		}
	}
}

static struct batch *random_table(int ncols, int64_t nrows, bool nasty)
{
	cleanup_schema struct schema *s = schema_new();
	const struct type text = TYPE_TEXT;
	struct rows rows;
	struct batch *b;
	struct err e;

	for (int i = 0; i < ncols; i++) {
		char name[16];

		snprintf(name, sizeof name, "n%d", i);
		if (schema_add(s, str_of(name), &text, true, &e) < 0)
			abort();
	}
	if (rows_init(&rows, s, &e) < 0)
		abort();
	for (int64_t r = 0; r < nrows; r++)
		for (int i = 0; i < ncols; i++) {
			cleanup_buf struct buf v = { 0 };

			random_value(&v, nasty);
			if (below(8) == 0 ? builder_null(&rows.cols[i], 1, &e) : builder_str(&rows.cols[i], buf_view(&v), &e))
				abort();
		}
	rows.n = nrows;
	if (rows_take(&rows, &b, &e) < 0)
		abort();
	rows_free(&rows);
	return b;
}

static struct buf written(struct batch *b, const struct write_opts *o)
{
	struct buf text = { 0 };
	struct sink *sink;
	struct out *out;
	struct err e;

	if (out_open_mem(&out, &text, &e) < 0 || format_csv.write(out, b->schema, o, &sink, &e) < 0)
		abort();
	for (int64_t from = 0, n; from < b->nrows; from += n) {
		struct batch *part;

		n = 1 + below(3000);
		if (n > b->nrows - from)
			n = b->nrows - from;
		if (batch_slice(b, from, n, &part, &e) < 0 || sink->write(sink, part, &e) < 0)
			abort();
		batch_unref(part);
	}
	if (sink->finish(sink, &e) < 0)
		abort();
	sink_close(sink);
	return text;
}

/* Rows of `text` against b, one by one. */
static bool reads_as(const struct buf *text, const struct batch *b, const struct read_opts *o)
{
	struct source *s;
	struct batch *part;
	struct in *in;
	struct err e;
	int64_t at = 0;
	bool same = true;
	int rc;

	if (in_open_mem(&in, text->p, text->n, "t", &e) < 0 || format_csv.read(in, o, &s, &e) < 0)
		abort();
	while ((rc = source_next(s, &part, &e)) == 0 && part) {
		same &= part->origin.row == at && at + part->nrows <= b->nrows;
		for (int64_t i = 0; same && i < part->nrows; i++, at++)
			for (int c = 0; c < b->schema->nfields; c++) {
				bool null = column_is_null(&part->cols[c], i);

				same &= null == column_is_null(&b->cols[c], at);
				same &= null || str_eq(column_str(&part->cols[c], i), column_str(&b->cols[c], at));
			}
		batch_unref(part);
	}
	source_close(s);
	return same && rc == 0 && at == b->nrows;
}

static void there_and_back_by(const struct write_opts *out, const struct read_opts *in, int ncols, int64_t nrows, bool nasty)
{
	cleanup_batch struct batch *b = random_table(ncols, nrows, nasty);
	cleanup_buf struct buf text = written(b, out);
	static const int64_t chunks[] = { 0, 100, 4096, 65536, 1 << 20 };

	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		struct read_opts o = *in;

		o.chunk = chunks[i];
		CHECK(reads_as(&text, b, &o));
	}
}

static void there_and_back(int ncols, int64_t nrows, bool nasty)
{
	there_and_back_by(&(struct write_opts){ 0 }, &(struct read_opts){ 0 }, ncols, nrows, nasty);
}

TEST(small_tables)
{
	for (int i = 0; i < 300; i++)
		there_and_back(1 + (int)below(6), 1 + below(60), i % 3 != 0);
}

TEST(escapes_and_no_quotes)
{
	static const struct {
		struct write_opts out;
		struct read_opts in;
	} dialects[] = {
		{ { .escape = "\\" }, { .escape = "\\" } },
		{ { .escape = "\\", .null = "\\N" }, { .escape = "\\", .null = "\\N" } },
		{ { .escape = "\\", .null = "NA" }, { .escape = "\\", .null = "NA" } },
		{ { .escape = "x", .quote = "'", .comment = "#" }, { .escape = "x", .quote = "'", .comment = "#" } },
		{ { .escape = "\"" }, { 0 } },
		{ { .escape = "\\", .quote = "none", .null = "\\N" }, { .escape = "\\", .quote = "none", .null = "\\N" } },
		{ { .escape = "\\", .quote = "none", .null = "NA", .comment = "#" },
		  { .escape = "\\", .quote = "none", .null = "NA", .comment = "#" } },
	};

	for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
		for (int k = 0; k < 100; k++)
			there_and_back_by(&dialects[i].out, &dialects[i].in, 1 + (int)below(6), 1 + below(60), k % 3 != 0);
		there_and_back_by(&dialects[i].out, &dialects[i].in, 4, 5000, true);
	}
}

TEST(large_plain_table)
{
	there_and_back(9, 30000, false);
}

TEST(large_nasty_table)
{
	there_and_back(5, 30000, true);
}

TEST(one_column)
{
	there_and_back(1, 50000, true);
}

TEST(many_columns)
{
	there_and_back(5000, 40, true);
}

TEST(null_text_and_delimiters)
{
	static const char *const delimiters[] = { ",", ";", "\\t", "|", "x" };

	for (int i = 0; i < 100; i++) {
		cleanup_batch struct batch *b = random_table(3, 50, true);
		const char *d = delimiters[below(5)];
		cleanup_buf struct buf text = written(b, &(struct write_opts){ .null = "NA", .delimiter = d });

		CHECK(reads_as(&text, b, &(struct read_opts){ .null = "NA", .delimiter = d }));
	}
}

TEST(without_header)
{
	for (int i = 0; i < 100; i++) {
		cleanup_batch struct batch *b = random_table(1 + (int)below(3), 1 + below(20), true);
		cleanup_buf struct buf text = written(b, &(struct write_opts){ .no_header = true });

		CHECK(reads_as(&text, b, &(struct read_opts){ .no_header = true }));
	}
}

/* Random bytes of a small alphabet: the vectors agree with the letter. */
TEST(scanners_agree)
{
	static const char *const alphabets[] = { ",,,\n\nab", ",,\"\"\n\n", ",,\n\n\r", "\"\"\"ab," };
	const struct dialect d = { ',', '"', -1, -1, { "", 0 }, INT64_MAX };
	struct fields quick = { 0 }, careful = { 0 };
	int answered = 0;

	for (int round = 0; round < 30000; round++) {
		uint8_t text[300 + TEXT_SLACK] = { 0 };
		size_t n = below(300);
		int ncols = 1 + (int)below(3);
		const char *alphabet = alphabets[below(4)];
		struct fault_at fault;
		struct err e;
		bool nomem;

		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)(below(4) ? 'x' : alphabet[below((uint32_t)strlen(alphabet))]);
		for (size_t k = 0, fields = 1; k < n && below(1000);
		     k++) /* regular from the start to somewhere, or nothing is compared */
			if (text[k] == ',' || text[k] == '\n' || text[k] == '\r')
				text[k] = fields++ % (size_t)ncols ? ',' : '\n';
		if (!csv_scan_quick(&d, text, n, ncols, NULL, (enum vectors)(round % 3), &quick, &nomem))
			continue;
		answered++;
		CHECK_I64(csv_scan_careful(&d, text, n, false, ncols, false, &careful, &fault, &e), 0);
		CHECK_I64(quick.nrows, careful.nrows);
		CHECK_I64(quick.used, careful.used);
		CHECK_I64(quick.lines, careful.lines);
		for (int64_t i = 0; i < quick.nrows * ncols; i++) {
			bool strip = quick.cr && i % ncols == ncols - 1 && quick.end[i] > quick.begin1[i] + 1 &&
				     text[quick.end[i] - 1] == '\r';

			CHECK_I64(quick.begin1[i], careful.begin1[i]);
			CHECK_I64(quick.end[i] - strip, careful.end[i]);
		}
	}
	CHECK(answered > 3000 && answered < 29000);
	fields_free(&quick);
	fields_free(&careful);
}

/* The fields of columns that are wanted are the same whether those of the others are found or not. */
TEST(some_fields_are_those_of_all)
{
	enum { COLS = 12 };
	const struct dialect d = { ',', '"', -1, -1, { "", 0 }, INT64_MAX };
	struct fields all = { 0 }, some = { 0 };
	int slots[COLS], gaps[COLS], fewer = 0, odd = 0;
	struct csv_keep keep = { .slots = slots, .gaps = gaps };

	for (int round = 0; round < 20000; round++) {
		uint8_t text[6000 + TEXT_SLACK] = { 0 };
		size_t n = below(round % 50 ? 400 : 6000);
		int ncols = 1 + (int)below(COLS), sparse = 1 + (int)below(12);
		bool unwanted[COLS], found, nomem, quoted = below(3) == 0, inside = false;

		for (int i = 0; i < ncols; i++)
			unwanted[i] = below(6) > 0;
		for (size_t k = 0, fields = 1; k < n; k++) {
			bool begins = k == 0 || text[k - 1] == ',' || text[k - 1] == '\n';

			if (inside) {
				inside = below(4) > 0;
				text[k] = (uint8_t)(inside ? "x,\n\xc3"[below(4)] : '"');
				continue;
			}
			text[k] = below((uint32_t)sparse) && (k == 0 || text[k - 1] != '"') ? 'x' : fields++ % (size_t)ncols ? ',' : '\n';
			if (quoted && begins && below(4) == 0) {
				text[k] = '"';
				inside = true;
			}
			if (below(20000) == 0)
				text[k] = (uint8_t)"\"\r,\n\xc3"[below(5)];
		}
		csv_keep_wanted(&keep, unwanted, ncols);
		keep.plain = below(2);
		found = csv_scan_quick(&d, text, n, ncols, NULL, VECTORS_NONE, &all, &nomem);
		CHECK_I64(csv_scan_quick(&d, text, n, ncols, &keep, (enum vectors)(round % 3), &some, &nomem), found);
		if (!found)
			continue;
		CHECK(some.nrows == all.nrows && some.used == all.used && some.lines == all.lines);
		CHECK(some.ascii == all.ascii && some.quotes == all.quotes && some.cr == all.cr);
		CHECK(!keep.plain || !some.slots || !(all.quotes || all.cr));
		odd += some.slots && all.quotes && all.nrows > 1;
		fewer += some.slots && all.nrows > 1;
		for (int64_t r = 0; r < all.nrows; r++)
			for (int i = 0; i < ncols; i++) {
				size_t at = (size_t)r * some.stride, in_all = (size_t)(r * ncols + i);

				if (some.slots && unwanted[i])
					continue;
				CHECK_I64(some.begin1[at + fields_begin(&some, i)], all.begin1[in_all]);
				CHECK_I64(some.end[at + fields_end(&some, i)], all.end[in_all]);
			}
	}
#if defined(__x86_64__)
	CHECK((fewer > 1000 && odd > 100) || !__builtin_cpu_supports("bmi2") || __builtin_cpu_is("znver1") || __builtin_cpu_is("znver2"));
#endif
	fields_free(&all);
	fields_free(&some);
}

/* Text read and written again, its lines copied where that can be or every value written anew; *copied: batches of lines. Batches are
 * cut, or every other row of them is taken. */
static struct buf rewritten(const struct buf *text, const struct read_opts *r, const struct write_opts *w, bool lines, int *copied)
{
	struct buf to = { 0 };
	bool none[8] = { false };
	struct batch *b, *part;
	struct source *s;
	struct sink *sink;
	struct out *out;
	struct in *in;
	struct err e;
	int rc;

	if (in_open_mem(&in, text->p, text->n, "t", &e) < 0)
		abort();
	if (format_csv.read(in, r, &s, &e) < 0)
		return to;
	if (out_open_mem(&out, &to, &e) < 0 || format_csv.write(out, s->schema, w, &sink, &e) < 0)
		abort();
	if (lines && sink->lines)
		source_want_lines(s, none, sink->lines);
	while ((rc = source_next(s, &b, &e)) == 0 && b) {
		int64_t cut = b->nrows / 3;

		*copied += b->lines.at != NULL;
		for (int64_t from = 0; from < b->nrows; from = from ? b->nrows : cut ? cut : b->nrows) {
			if (batch_slice(b, from, from ? b->nrows - from : cut ? cut : b->nrows, &part, &e) < 0 || sink->write(sink, part, &e) < 0)
				abort();
			batch_unref(part);
		}
		batch_unref(b);
	}
	if (rc == 0)
		rc = sink->finish(sink, &e);
	if (rc < 0 && buf_printf(&to, "%s %lld:%lld", e.msg, (long long)e.line, (long long)e.column)) /* compared too */
		abort();
	sink_close(sink);
	source_close(s);
	return to;
}

/* What a minimal writer has made, spoiled here and there. */
static void spoil(struct buf *text)
{
	static const char *const from[] = { "x", "x", "\n", ",x", "x,", "x", "\n" }, *const to[] = { "\"x\"", "\xef\xbb\xbf", "\r\n", ",\"x", "x\",", "\xff", "\n\xef\xbb\xbf" };

	for (uint32_t times = below(4); times--;) {
		uint32_t i = below(7);
		uint8_t *at = memmem(text->p, text->n, from[i], strlen(from[i]));
		struct buf whole = { 0 };

		if (!at || buf_add(&whole, text->p, (size_t)(at - text->p)) || buf_puts(&whole, to[i]) ||
		    buf_add(&whole, at + strlen(from[i]), (size_t)(text->p + text->n - at) - strlen(from[i]))) {
			buf_free(&whole);
			return;
		}
		buf_free(text);
		*text = whole;
	}
}

TEST(lines_are_what_would_be_written)
{
	static const char *const quotes[] = { NULL, NULL, "none", "'" }, *const comments[] = { NULL, NULL, "x", "#" };
	int lines = 0, columns = 0;

	for (int i = 0; i < 4000; i++) {
		cleanup_batch struct batch *b = random_table(1 + (int)below(4), 1 + below(40), below(2));
		const struct write_opts plain = { .no_header = below(4) == 0, .delimiter = below(4) ? NULL : ";" };
		struct read_opts r = { .no_header = plain.no_header, .delimiter = plain.delimiter, .chunk = below(2) ? 0 : 64 + below(500),
				       .threads = 1 + (int)below(3), .quote = quotes[below(4)], .comment = comments[below(4)],
				       .null = below(8) ? NULL : "x", .types = below(8) ? NULL : "n0=num", .on_bad = below(2) ? BAD_NULL : BAD_FAIL };
		struct write_opts w = { .no_header = below(4) == 0, .comment = r.comment, .null = below(8) ? NULL : "x", .same_end = below(2),
					.quote = r.quote && *r.quote == '\'' && below(2) ? r.quote : NULL, .delimiter = below(4) ? plain.delimiter : NULL };
		cleanup_buf struct buf text = written(b, &plain);

		if (below(2))
			spoil(&text);
		cleanup_buf struct buf anew = rewritten(&text, &r, &w, false, &columns);
		cleanup_buf struct buf copied = rewritten(&text, &r, &w, true, &lines);
		CHECK(anew.n == copied.n && (!anew.n || memcmp(anew.p, copied.p, anew.n) == 0));
	}
	CHECK_I64(columns, 0);
	CHECK(lines > 1000);
}

int main(void)
{
	return RUN_TABLE(T1(small_tables), T1(large_plain_table), T1(large_nasty_table), T1(one_column), T1(many_columns),
			 T1(escapes_and_no_quotes), T1(null_text_and_delimiters), T1(without_header), T1(scanners_agree), T1(some_fields_are_those_of_all),
			 T1(lines_are_what_would_be_written));
}
