/* The progress line: what it says, and what it leaves out when there is little room. */
#include "lib/cli/progress.h"
#include "tests/unit/test.h"

static const struct progress_view reading = { .tool = "stook-sort", .bytes = 1215000000, .expected = 2700000000, .rows_in = 12340000,
					      .reading = true, .rate = 297000000 };

static void says(struct progress_view v, int width, const char *want)
{
	cleanup_buf struct buf b = { 0 };

	CHECK(progress_line(&v, width, &b) == 0);
	CHECK((int)b.n <= width);
	CHECK_STR(buf_view(&b), want);
}

TEST(reading_files)
{
	says(reading, 200, "stook-sort: reading, 45%, 1.22 GB of 2.70 GB, 12.3M rows, 297 MB/s, 0:06 left");
}

TEST(the_dearest_leave_last)
{
	says(reading, 70, "reading, 45%, 1.22 GB of 2.70 GB, 12.3M rows, 297 MB/s, 0:06 left");
	says(reading, 60, "reading, 45%, 1.22 GB of 2.70 GB, 12.3M rows, 0:06 left");
	says(reading, 50, "45%, 1.22 GB of 2.70 GB, 12.3M rows, 0:06 left");
	says(reading, 40, "stook-sort: 45%, 12.3M rows, 0:06 left");
	says(reading, 20, "45%, 0:06 left");
	says(reading, 5, "45%");
	says(reading, 2, "");
	says(reading, 0, "");
}

TEST(sizes_unknown)
{
	struct progress_view v = reading;

	v.expected = -1;
	v.bytes = 999;
	v.rows_in = 9999;
	says(v, 200, "stook-sort: reading, 999 B, 9999 rows, 297 MB/s");
	v.rate = 0;
	v.rows_out = 17;
	says(v, 200, "stook-sort: reading, 999 B, 9999 rows in, 17 out");
}

TEST(all_read)
{
	struct progress_view v = reading;

	v.reading = false;
	v.rate = 0;
	v.bytes = v.expected;
	says(v, 200, "stook-sort: working, 12.3M rows in, 0 out");
	v.spilled = true;
	says(v, 200, "stook-sort: merging, 12.3M rows in, 0 out");
	v.rows_out = 10000;
	v.rate = 1234567;
	says(v, 200, "stook-sort: writing, 12.3M rows in, 10.0k out, 1.23M rows/s");
	v.rows_out = v.rows_in;
	says(v, 200, "stook-sort: writing, 12.3M rows, 1.23M rows/s");
}

TEST(odd_sizes)
{
	struct progress_view v = reading;

	v.expected = 0;
	v.bytes = 0;
	v.rows_in = 0;
	v.rate = 0;
	says(v, 200, "stook-sort: reading, 0 B of 0 B, 0 rows");
	v.expected = 1000; /* a file that grew */
	v.bytes = 1500;
	says(v, 200, "stook-sort: reading, 100%, 1.50 kB of 1.00 kB, 0 rows");
	v.bytes = 1;
	v.rate = 1;
	says(v, 200, "stook-sort: reading, 0%, 1 B of 1.00 kB, 0 rows, 1 B/s, 16:40 left");
	v.expected = 3600 * 5;
	says(v, 200, "stook-sort: reading, 0%, 1 B of 18.0 kB, 0 rows, 1 B/s, 5:00:00 left");
	v.expected = 86400 * 7 + 1;
	says(v, 200, "stook-sort: reading, 0%, 1 B of 605 kB, 0 rows, 1 B/s, 7 days left");
	v.rows_in = INT64_MAX;
	v.bytes = v.expected = INT64_MAX;
	says(v, 200, "stook-sort: reading, 100%, 9.22 EB of 9.22 EB, 9.22E rows, 1 B/s");
}

int main(void)
{
	return RUN_TABLE(T1(reading_files), T1(the_dearest_leave_last), T1(sizes_unknown), T1(all_read), T1(odd_sizes));
}
