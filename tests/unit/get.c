/* The way from stook-get to a reader: signatures against Amazon's published examples, names and lists, and the answer, of which no cut
 * and no flipped bit may pass for a whole one. */
#include "get/give.h"
#include "get/names.h"
#include "get/sigv4.h"
#include "get/web.h"
#include "lib/io/helper.h"
#include "lib/io/in.h"
#include "lib/io/name.h"
#include "lib/io/path.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/stook-get-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, struct str text, mode_t mode)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	CHECK(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && close(fd) == 0);
}

/* ---- signatures: Amazon S3 API Reference, "Examples: Signature Calculations" ---- */

static void signs(const char *path, const char *query, const char *want)
{
	const struct sigv4 key = { "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL, "us-east-1", "s3" };
	struct sigv4_request r = { .host = "examplebucket.s3.amazonaws.com", .path = path, .query = query };
	cleanup_buf struct buf got = { 0 };

	sigv4_date(&r, 1369353600);
	CHECK_STR(str_of(r.date), "20130524T000000Z");
	CHECK(sigv4_sign(&key, &r, &got) == 0);
	CHECK_STR(buf_view(&got), want);
}

#define SCOPE                                                                                   \
	"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," \
	"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="

TEST(signatures)
{
	signs("/", "lifecycle=", SCOPE "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	signs("/", "max-keys=2&prefix=J", SCOPE "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(escapes)
{
	cleanup_buf struct buf path = { 0 }, part = { 0 };

	CHECK(web_escape(&path, STR("a/b c+&=\xc3\xbc%~-_."), true) == 0 && web_escape(&part, STR("a/\0"), false) == 0);
	CHECK_STR(buf_view(&path), "a/b%20c%2B%26%3D%C3%BC%25~-_.");
	CHECK_STR(buf_view(&part), "a%2F%00");
}

/* ---- names ---- */

TEST(patterns_match_as_in_a_shell)
{
	CHECK(names_match("*.csv", "a.csv") && !names_match("*.csv", "d/a.csv") && names_match("*/*.csv", "d/a.csv"));
	CHECK(!names_match("*", ".hidden") && names_match(".*", ".hidden") && !names_match("d/*", "d/.hidden"));
	CHECK(names_match("[ab]?c", "bxc") && !names_match("?", "/") && names_match("x[[]1]", "x[1]"));
	CHECK_I64(names_literal("a/b*c?"), 3);
}

static void shows(const char *name, const char *want)
{
	cleanup_buf struct buf b = { 0 };

	CHECK(name_show(&b, name) == 0);
	CHECK_STR(buf_view(&b), want);
}

TEST(shown_names_hold_no_secrets)
{
	shows("https://u:p@h/x?a=1", "https://u:***@h/x?a=1");
	shows("https://u:p:q@h:8/x", "https://u:***@h:8/x");
	shows("https://u@h/x:y@z", "https://u@h/x:y@z");
	shows("HTTPS://h/x?X-Amz-Signature=1&y=2&token=3&Key=", "HTTPS://h/x?X-Amz-Signature=***&y=2&token=***&Key=***");
	shows("https://u:p@h?sig=1", "https://u:***@h?sig=***");
	shows("s3://b/k?sig=1", "s3://b/k?sig=1"); /* a key */
	shows("dir/u:p@h", "dir/u:p@h");
}

TEST(parts_of_names)
{
	CHECK_STR(name_path("http://h/x.csv?q#f"), "http://h/x.csv");
	CHECK_STR(name_path("s3://b/x?y.csv"), "s3://b/x?y.csv");
	CHECK_STR(name_path("x?y.csv"), "x?y.csv");
	CHECK(!name_is_pattern("http://h/x*?y=[1]") && name_is_pattern("s3://b/*") && name_is_pattern("http://h/a.zip//*.csv"));
	CHECK_I64(name_member("http://h//x.csv"), 0);
	CHECK_I64(name_member("http://h/a.zip//x.csv"), 14);
	CHECK_I64(name_member("http://h/a.zip?q=1//x.csv"), 0);
	CHECK_I64(name_member("no/such.zip//x.csv"), 0);
	write_file("a.zip", STR("x"), 0600);
	CHECK_I64(name_member(in_dir("a.zip//x.csv")), (long long)strlen(in_dir("a.zip")));
	CHECK_I64(name_member(in_dir("/a.zip")), 0);
}

/* Operands, separated by blanks, and what they stand for. */
static void expands(const char *operands, int status, const char *want)
{
	cleanup_arena struct arena a = { 0 };
	cleanup_buf struct buf got = { 0 };
	char words[256], *v[16], **names = NULL, *save = NULL;
	int n = 0, count = 0, rc;
	struct err e = { 0 };

	snprintf(words, sizeof words, "%s", operands);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		v[n++] = w;
	rc = path_expand(n, v, &a, &names, &count, &e);
	if (rc < 0)
		CHECK(buf_puts(&got, e.input) == 0);
	for (int i = 0; rc == 0 && i < count; i++)
		CHECK(buf_printf(&got, "%s%s", i ? " " : "", names[i]) == 0);
	CHECK_STR(buf_view(&got), want);
	CHECK_I64(-rc, status);
}

TEST(lists_and_patterns)
{
	static const char *const files[] = { "a.csv", "b.csv", "c.txt", "d,e.csv", "p[1].csv" };

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		write_file(files[i], STR(""), 0600);
	CHECK(chdir(dir) == 0);
	expands("a.csv - nothing", 0, "a.csv - nothing");
	expands("?.csv", 0, "a.csv b.csv");
	expands("p[1].csv", 0, "p[1].csv"); /* a file of that name */
	expands("[ab,]*.csv", 0, "a.csv b.csv");
	expands("*.none", ST_NOINPUT, "*.none");
	expands("b.csv,a.csv c.txt", 0, "b.csv a.csv c.txt");
	expands("d,e.csv", 0, "d,e.csv"); /* a file of that name */
	expands("d\\,e.csv,a.csv", 0, "d,e.csv a.csv");
	expands("d\\,e.csv", 0, "d,e.csv");
	expands("c.txt,?.csv,-", 0, "c.txt a.csv b.csv -");
	expands("a.csv,nothing", ST_NOINPUT, "nothing");
	expands("a.csv,*.none", ST_NOINPUT, "*.none");
	expands("a.csv,,b.csv", ST_NOINPUT, "");
	expands("x,y,z", 0, "x,y,z"); /* to be missed under this name */
	expands("http://h/a,b", 0, "http://h/a,b");
	expands("http://h/a,http://h/b", 0, "http://h/a http://h/b");
	expands("a.csv,http://h/?a=*", 0, "a.csv http://h/?a=*");
}

/* ---- the answer ---- */

/* A stook-get that plays back a file: it comes first on PATH, for none lies beside a test. */
static void play(const void *p, size_t n, int status)
{
	char text[16];

	write_file("answer", (struct str){ p, n }, 0600);
	snprintf(text, sizeof text, "%d", status);
	CHECK(setenv("ANSWER_STATUS", text, 1) == 0);
}

/* The answer as a reader gets it: 0 or the status. */
static int hear(struct buf *got, struct err *e)
{
	struct in *in;
	uint8_t p[7]; /* odd, so that frames are cut everywhere */
	ssize_t n;

	got->n = 0;
	if (in_open(&in, "http://h/x.csv", e) < 0)
		return e->status;
	while ((n = in_read(in, p, sizeof p, IN_WAIT, e)) > 0)
		CHECK(buf_add(got, p, (size_t)n) == 0);
	in_close(in);
	return n < 0 ? e->status : 0;
}

static const char data[] = "a,b\n1,x\n2,y\n";

/* A whole answer with two frames of data, from the writer itself; or one that fails. */
static void record(struct buf *ret, const struct err *why)
{
	int fd = open(in_dir("record"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct giver *g;
	struct taker *t;
	struct err e;
	ssize_t n;

	CHECK(fd >= 0 && giver_open(&g, fd, &e) == 0);
	t = giver_taker(g);
	CHECK(t->size(t, sizeof data - 1, &e) == 0);
	CHECK(t->take(t, data, 5, &e) == 0 && t->take(t, data + 5, sizeof data - 6, &e) == 0);
	if (why)
		giver_fail(g, why);
	else
		CHECK(giver_end(g, &e) == 0);
	giver_close(g);
	CHECK(buf_reserve(ret, 4096) == 0 && (n = pread(fd, ret->p, 4096, 0)) > 0 && close(fd) == 0);
	ret->n = (size_t)n;
}

static void fake(void)
{
	char path[512];

	write_file("stook-get", STR("#!/bin/sh\nread -r question\nif [ \"$ANSWER_STATUS\" = 0 ]; then exec cat \"${0%/*}/answer\"; fi\n"
				    "cat \"${0%/*}/answer\"\n[ \"$ANSWER_STATUS\" != 9 ] || kill -9 $$\nexit \"$ANSWER_STATUS\"\n"), 0700);
	snprintf(path, sizeof path, "%s:/usr/bin:/bin", dir);
	CHECK(setenv("PATH", path, 1) == 0);
}

TEST(a_whole_answer)
{
	cleanup_buf struct buf answer = { 0 }, got = { 0 };
	struct err e;

	fake();
	record(&answer, NULL);
	play(answer.p, answer.n, 0);
	CHECK_I64(hear(&got, &e), 0);
	CHECK_STR(buf_view(&got), data);
}

TEST(an_answer_that_is_cut_anywhere)
{
	cleanup_buf struct buf answer = { 0 }, got = { 0 };
	struct err e;

	fake();
	record(&answer, NULL);
	for (size_t n = 0; n < answer.n; n++) {
		play(answer.p, n, 0);
		CHECK_I64(hear(&got, &e), ST_STREAM);
		CHECK(strcmp(e.input, "http://h/x.csv") == 0 && got.n < sizeof data && (!got.n || memcmp(got.p, data, got.n) == 0));
	}
}

TEST(an_answer_with_any_bit_flipped)
{
	cleanup_buf struct buf answer = { 0 }, got = { 0 };
	struct err e;

	fake();
	record(&answer, NULL);
	for (size_t i = 0; i < answer.n; i++) {
		bool advice = i >= HELPER_HEAD && i < HELPER_HEAD + 8;

		answer.p[i] ^= (uint8_t)(1 << i % 8);
		play(answer.p, answer.n, 0);
		if (hear(&got, &e) == 0)
			CHECK(advice && str_is(buf_view(&got), data)); /* the size that was announced */
		else
			CHECK_I64(e.status, ST_STREAM);
		answer.p[i] ^= (uint8_t)(1 << i % 8);
	}
}

TEST(an_answer_with_more_behind_it_or_a_bad_end)
{
	cleanup_buf struct buf answer = { 0 }, got = { 0 };
	struct err e;

	fake();
	record(&answer, NULL);
	play(answer.p, answer.n, 3);
	CHECK_I64(hear(&got, &e), ST_STREAM);
	play(answer.p, answer.n, 9);
	CHECK_I64(hear(&got, &e), ST_STREAM);
	CHECK(strstr(e.msg, "signal 9"));
	CHECK(buf_byte(&answer, 'D') == 0);
	play(answer.p, answer.n, 0);
	CHECK_I64(hear(&got, &e), ST_STREAM);
}

TEST(an_answer_that_fails)
{
	cleanup_buf struct buf answer = { 0 }, got = { 0 };
	struct err why, e;

	fake();
	err_set(&why, ST_PERM, "no way");
	err_hint(&why, "ask");
	record(&answer, &why);
	play(answer.p, answer.n, 77);
	CHECK_I64(hear(&got, &e), ST_PERM);
	CHECK(strcmp(e.msg, "no way") == 0 && strcmp(e.hint, "ask") == 0 && strcmp(e.input, "http://h/x.csv") == 0);
	CHECK_STR(buf_view(&got), data); /* what came before it */
	for (size_t n = answer.n - 14; n < answer.n; n++) {
		play(answer.p, n, 0);
		CHECK_I64(hear(&got, &e), ST_STREAM);
	}
}

TEST(a_reader_with_a_time_limit)
{
	struct err e;
	struct in *in;
	char byte;

	fake();
	write_file("stook-get", STR("#!/bin/sh\nexec sleep 60\n"), 0700);
	CHECK(in_open(&in, "http://h/x.csv", &e) == 0);
	CHECK_I64(in_read(in, &byte, 1, 50, &e), IN_LATER);
	in_close(in); /* ends the child: else the test would take a minute */
}

int main(void)
{
	int failed;

	if (!mkdtemp(dir))
		return 2;
	failed = RUN_TABLE(T1(signatures), T1(escapes), T1(patterns_match_as_in_a_shell), T1(shown_names_hold_no_secrets), T1(parts_of_names),
			   T1(lists_and_patterns), T1(a_whole_answer), T1(an_answer_that_is_cut_anywhere), T1(an_answer_with_any_bit_flipped),
			   T1(an_answer_with_more_behind_it_or_a_bad_end), T1(an_answer_that_fails), T1(a_reader_with_a_time_limit));
	if (chdir("/") == 0) {
		char command[512];

		snprintf(command, sizeof command, "PATH=/bin:/usr/bin; rm -rf %s", dir);
		failed |= system(command) != 0;
	}
	return failed;
}
