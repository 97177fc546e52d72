/* Text parsed on several threads is text parsed on one: rows, places, errors and side files of random texts, whatever the number of threads and
 * the size of the pieces. */
#include "lib/format/csv.h"
#include "lib/table/badlog.h"
#include "tests/unit/test.h"

#include <stdint.h>
#include <unistd.h>

static uint64_t state = 1442695040888963407u;

static uint32_t below(uint32_t n)
{
	return test_below(&state, n);
}

static const char *const kinds[][14] = {
	{ "a", "bc", "1.50", "", "x", NULL },
	{ "a", "\"q\"", "\"two\nlines\"", "\"a \"\" b\"", "\"\"", "\"x,y\"", NULL },
	{ "a", "5\" pipe", "\"q\"", "it's", "\"\n\n\n\"", "\"\"\"\"", NULL },
	{ "a", "#", "\"\r\n\"", "b\rc", "\xc3\xa9", "\\\"", "'", NULL },
	{ "a", "\xff", "12", "x\"y\"", "\"\n,\n\"", "\"z\"", NULL },
};

static void add(struct buf *b, const char *s)
{
	if (buf_puts(b, s))
		abort();
}

/* Records of three fields, but for some; the lines end one way or several ways. */
static void random_text(struct buf *b, int64_t records, bool faults)
{
	static const char *const ends[] = { "\n", "\n", "\n", "\r\n", "\r", "\n\n", "\n#c \"\n" };
	const char *const *pieces = kinds[below(5)];
	uint32_t npieces = 0, nends = below(3) ? 1 : 7;

	while (pieces[npieces])
		npieces++;
	add(b, "p,q,r\n");
	for (int64_t i = 0; i < records; i++) {
		uint32_t fields = faults && below(200) == 0 ? 2 + below(3) : 3;

		for (uint32_t k = 0; k < fields; k++) {
			add(b, k ? "," : "");
			add(b, pieces[below(npieces)]);
		}
		add(b, ends[below(nends)]);
	}
	if (faults && below(4) == 0)
		add(b, "x,\"open");
}

static void add_file(struct buf *to, const char *path)
{
	char text[4096];
	FILE *f = fopen(path, "rb");

	for (size_t n = 1; f && n;) {
		n = fread(text, 1, sizeof text, f);
		if (buf_add(to, text, n))
			abort();
	}
	if (!f || fclose(f) || unlink(path))
		abort();
}

/* Every value with its place, the side file, and how it ended. */
static struct buf reading(const struct format *f, const struct buf *text, struct read_opts o)
{
	char path[] = "/dev/shm/csv_crew.XXXXXX";
	struct bad_opts bad = { .most = INT64_MAX, .side = path };
	struct buf got = { 0 };
	struct source *s;
	struct batch *b;
	struct in *in;
	struct err e = { 0 };
	int rc;

	close(mkstemp(path));
	if (in_open_mem(&in, text->p, text->n, "t", &e) < 0 || bad_log_open(&bad, &o.bad_log, &e) < 0)
		abort();
	rc = f->read(in, &o, &s, &e);
	for (b = NULL; rc == 0 && (rc = source_next(s, &b, &e)) == 0 && b; batch_unref(b))
		for (int64_t i = 0; i < b->nrows; i++) {
			int64_t row = b->origin.row + i, line = 0, column = 0;

			if (b->origin.locate && (row < 100 || row % 1000 == 0))
				b->origin.locate(&b->origin, i, 1, &line, &column);
			if (buf_printf(&got, "%lld %lld:%lld", (long long)row, (long long)line, (long long)column))
				abort();
			for (int c = 0; c < b->schema->nfields; c++) {
				bool null = column_is_null(&b->cols[c], i);

				if (buf_byte(&got, '|') || (null ? buf_byte(&got, '~') : value_print(&b->cols[c], i, &got)))
					abort();
			}
			add(&got, "\n");
		}
	if (buf_printf(&got, "%d %lld:%lld %lld %s\n", e.status, (long long)e.line, (long long)e.column, (long long)e.row, e.msg) ||
	    bad_log_end(o.bad_log, &e) < 0)
		abort();
	source_close(s);
	bad_log_unref(o.bad_log);
	add_file(&got, path);
	return got;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static void compare(const struct format *f, const struct buf *text, struct read_opts o, const int64_t *chunks, size_t nchunks)
{
	cleanup_buf struct buf one = reading(f, text, o);

	for (size_t i = 0; i < nchunks; i++)
		for (int threads = 1; threads <= 8; threads += threads) {
			cleanup_buf struct buf many = { 0 };

			o.chunk = chunks[i];
			o.threads = threads;
			many = reading(f, text, o);
			CHECK(same(&one, &many));
		}
}

static const enum on_bad policies[] = { BAD_FAIL, BAD_SKIP, BAD_NULL };

TEST(small_texts)
{
	static const int64_t chunks[] = { 1, 7, 64, 300 };

	for (int i = 0; i < 120; i++) {
		cleanup_buf struct buf text = { 0 };

		random_text(&text, below(60), i & 1);
		compare(&format_csv, &text, (struct read_opts){ .on_bad = policies[below(3)], .comment = "#", .escape = i % 5 ? NULL : "\\" }, chunks, 4);
	}
}

TEST(large_texts)
{
	static const int64_t chunks[] = { 1000, 16384, 0 };

	for (int i = 0; i < 8; i++) {
		cleanup_buf struct buf text = { 0 };

		random_text(&text, 10000 + below(40000), i % 3 == 0);
		compare(&format_csv, &text, (struct read_opts){ .on_bad = policies[i % 3], .comment = i % 4 ? NULL : "#" }, chunks, 3);
	}
}

TEST(a_field_over_many_pieces)
{
	static const int64_t chunks[] = { 50, 4096 };

	for (int i = 0; i < 20; i++) {
		cleanup_buf struct buf text = { 0 };

		random_text(&text, 50, false);
		add(&text, "a,b,\"");
		for (uint32_t k = 0; k < 3000; k++)
			add(&text, below(2) ? "x\n" : "a,b,c\n");
		add(&text, i % 4 ? "\"\n1,2,3\n" : "");
		for (uint32_t k = 0; k < 300; k++)
			add(&text, "4,5,6\n");
		compare(&format_csv, &text, (struct read_opts){ .max_field = i % 3 ? 0 : 5000 }, chunks, 2);
	}
}

/* Lines that are records of JSON Lines, or nearly. */
static void random_lines(struct buf *b, int64_t lines, bool faults)
{
	static const char *const good[] = { "{\"a\":1}", "{\"a\":2.50,\"b\":\"x\"}", "{\"b\":\"\\n\",\"o\":{\"k\":true}}", "", "  ",
					    "{\"new\":[1,{}],\"a\":null}", "{}", "{\"o\":{\"k\":false,\"l\":\"\xc3\xa9\"},\"b\":\"yy\"}" };
	static const char *const bad[] = { "{\"a\":\"text\"}", "{\"a\":1", "nothing", "{\"a\":1,\"a\":2}", "{\"b\":\"\xff\"}", "[]" };
	int64_t every = 2 + below(300);

	for (int64_t i = 0; i < lines; i++) {
		add(b, faults && i > 20 && below((uint32_t)every) == 0 ? bad[below(6)] : good[below(8)]);
		add(b, below(9) ? "\n" : "\r\n");
	}
	if (below(2))
		add(b, "{\"a\":7}");
}

static void compare_lines(const struct format *f, int64_t lines, const int64_t *chunks, size_t nchunks, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		cleanup_buf struct buf text = { 0 };

		random_lines(&text, 1 + below((uint32_t)lines), i % 4);
		compare(f, &text, (struct read_opts){ .on_bad = policies[i % 3], .sample = f == &format_jsonl ? 150 : 0 }, chunks, nchunks);
	}
}

TEST(json_lines)
{
	static const int64_t small[] = { 1, 20, 300 }, large[] = { 3000, 0 };

	compare_lines(&format_jsonl, 90, small, 3, 150);
	compare_lines(&format_jsonl, 40000, large, 2, 9);
}

/* Lines as records of an array, some of them over several lines. */
static void as_array(const struct buf *lines, struct buf *ret)
{
	bool blank = true;

	add(ret, "[");
	for (size_t k = 0; k < lines->n; k++) {
		char piece[2] = { (char)lines->p[k], 0 };

		if (piece[0] == '\n' && !blank)
			add(ret, ",");
		add(ret, piece[0] == ':' && !below(5) ? ":\n" : piece);
		blank = piece[0] == '\n' || (blank && strchr(" \r", piece[0]));
	}
	add(ret, blank ? "{}" : "");
	add(ret, below(8) ? "]" : "");
}

TEST(json_arrays)
{
	static const int64_t chunks[] = { 1, 20, 3000, 0 };

	for (int i = 0; i < 60; i++) {
		cleanup_buf struct buf lines = { 0 }, text = { 0 };
		struct read_opts o = { .on_bad = policies[i % 3], .sample = 150 };

		random_lines(&lines, 1 + below(i % 10 ? 90 : 20000), i % 4);
		as_array(&lines, &text);
		compare(&format_json, &text, o, i % 10 ? chunks : chunks + 2, 2);
	}
}

TEST(plain_lines)
{
	static const int64_t small[] = { 1, 20, 300 }, large[] = { 3000, 0 };

	compare_lines(&format_text, 90, small, 3, 90);
	compare_lines(&format_text, 90000, large, 2, 6);
}

/* More rows in a piece than a batch takes. */
TEST(very_short_lines)
{
	static const int64_t chunks[] = { 0 };
	cleanup_buf struct buf text = { 0 };

	for (int i = 0; i < 400000; i++)
		add(&text, below(3) ? "\n" : "a\n");
	compare(&format_text, &text, (struct read_opts){ 0 }, chunks, 1);
}

TEST(lines_of_logs)
{
	static const char *const lines[] = { "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326\n", "\n", "broken\n",
					     "h - u [11/Oct/2000:13:55:36 +0000] \"POST /b?\\\"x HTTP/1.1\" 404 -\n",
					     "h - u [99/Oct/2000:13:55:36 +0000] \"POST /b HTTP/1.1\" 404 -\n" };
	static const int64_t chunks[] = { 1, 200, 4000 };

	for (int i = 0; i < 60; i++) {
		cleanup_buf struct buf text = { 0 };

		for (uint32_t k = below(200); k > 0; k--)
			add(&text, lines[below(i % 2 ? 2 : 40) % (below(20) ? 2 : 5)]);
		compare(&format_combined, &text, (struct read_opts){ .on_bad = policies[i % 3] }, chunks, 3);
	}
}

int main(void)
{
	return RUN_TABLE(T1(json_lines), T1(json_arrays), T1(plain_lines), T1(very_short_lines), T1(lines_of_logs), T1(small_texts), T1(large_texts), T1(a_field_over_many_pieces));
}
