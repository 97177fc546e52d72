/* Bytes in and out: every codec there and back, every truncation seen, short reads, time limits, atomic outputs. */
#include "lib/io/codec.h"
#include "lib/io/in.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const enum codec codecs[] = { CODEC_GZIP, CODEC_ZSTD, CODEC_XZ, CODEC_BZ2, CODEC_LZ4 };
#define NCODECS (sizeof codecs / sizeof *codecs)

static uint32_t seed = 1;
static uint32_t next_random(void)
{
	return seed = seed * 1664525u + 1013904223u;
}

/* Bytes that compress a little. */
static struct buf sample(size_t n)
{
	struct buf b = { 0 };

	while (b.n < n)
		if (buf_printf(&b, "%u,%u;", next_random() >> 20, next_random() >> 28))
			abort();
	b.n = n;
	return b;
}

static struct buf packed(enum codec c, int level, int threads, const struct buf *plain, size_t step)
{
	const struct codec_row *row = codec_row(c);
	void *s = row->encoder(level, threads);
	struct buf b = { 0 };

	for (size_t at = 0; at < plain->n; at += step)
		if (row->encode(s, plain->p + at, plain->n - at < step ? plain->n - at : step, false, &b))
			abort();
	if (row->encode(s, NULL, 0, true, &b))
		abort();
	row->encoder_free(s);
	return b;
}

static struct buf compressed(enum codec c, const struct buf *plain, size_t step)
{
	return packed(c, codec_row(c)->level, 1, plain, step);
}

/* Reads all of `in` in pieces of at most `step`; returns the last return value. */
static ssize_t read_all(struct in *in, size_t step, struct buf *b, struct err *e)
{
	ssize_t got;

	for (;;) {
		if (buf_reserve(b, step))
			abort();
		got = in_read(in, b->p + b->n, step, IN_WAIT, e);
		if (got <= 0)
			return got;
		b->n += (size_t)got;
	}
}

static ssize_t decode(const struct buf *z, size_t n, size_t step, struct buf *b, struct err *e)
{
	struct in *in;
	ssize_t rc;

	if (in_open_mem(&in, z->p, n, "z", e) < 0)
		abort();
	rc = read_all(in, step, b, e);
	in_close(in);
	return rc;
}

TEST(codecs_there_and_back)
{
	static const size_t sizes[] = { 0, 1, 1000, 300000 }, steps[] = { 1, 7, 4096, 1 << 20 };

	for (size_t c = 0; c < NCODECS; c++)
		for (size_t i = 0; i < 4; i++)
			for (size_t k = i == 3; k < 4; k++) {
				cleanup_buf struct buf plain = sample(sizes[i]), z = compressed(codecs[c], &plain, steps[k]),
						       b = { 0 };
				struct err e;

				CHECK_I64(decode(&z, z.n, steps[k], &b, &e), 0);
				CHECK_I64(b.n, plain.n);
				CHECK(b.n == 0 || memcmp(b.p, plain.p, b.n) == 0);
			}
}

TEST(compressed_bytes_do_not_depend_on_the_cut)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(700000);
		cleanup_buf struct buf a = compressed(codecs[c], &plain, 1 << 20), b = compressed(codecs[c], &plain, 777);

		CHECK_I64(a.n, b.n);
		CHECK(memcmp(a.p, b.p, a.n) == 0);
	}
}

/* Several blocks of every codec, the last one whole or not. */
TEST(compressed_bytes_do_not_depend_on_threads)
{
	static const size_t sizes[] = { 1 << 20, 3 << 20, (3 << 20) + 12345 };
	static const int threads[] = { 2, 3, 8 };

	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(sizes[c % 3]), one = packed(codecs[c], 1, 1, &plain, 100000), b = { 0 };
		struct err e;

		for (size_t i = 0; i < 3; i++) {
			cleanup_buf struct buf z = packed(codecs[c], 1, threads[i], &plain, i ? 7777 : 5 << 20);

			CHECK_I64(z.n, one.n);
			CHECK(memcmp(z.p, one.p, one.n) == 0);
		}
		CHECK_I64(decode(&one, one.n, 1 << 20, &b, &e), 0);
		CHECK(b.n == plain.n && memcmp(b.p, plain.p, b.n) == 0);
	}
}

/* Levels are taken. */
TEST(levels)
{
	for (size_t c = 0; c < NCODECS; c++) {
		const struct codec_row *row = codec_row(codecs[c]);
		cleanup_buf struct buf plain = sample(150000), fast = packed(codecs[c], row->least, 1, &plain, plain.n),
				       small = packed(codecs[c], row->most, 1, &plain, plain.n);

		CHECK(small.n != fast.n || memcmp(small.p, fast.p, small.n) != 0);
	}
}

TEST(packing_from_text)
{
	struct packing p;
	struct err e;

	CHECK(packing_parse(STR("gz"), "--compress", &p, &e) == 0 && p.codec == CODEC_GZIP && p.level == 0);
	CHECK(packing_parse(STR("zst:19"), "--compress", &p, &e) == 0 && p.codec == CODEC_ZSTD && p.level == 19);
	CHECK(packing_parse(STR("none"), "--compress", &p, &e) == 0 && p.codec == CODEC_NONE);
	CHECK_I64(packing_parse(STR("zst:20"), "--compress", &p, &e), -ST_USAGE);
	CHECK_I64(packing_parse(STR("gz:"), "--compress", &p, &e), -ST_USAGE);
	CHECK_I64(packing_parse(STR("none:1"), "--compress", &p, &e), -ST_USAGE);
	CHECK_I64(packing_parse(STR("zip"), "--compress", &p, &e), -ST_USAGE);
	CHECK_I64(packing_parse(STR(""), "--compress", &p, &e), -ST_USAGE);
}

TEST(members_follow_one_another)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(5000), z = compressed(codecs[c], &plain, 999), b = { 0 };
		struct buf empty = { 0 };
		cleanup_buf struct buf nothing = compressed(codecs[c], &empty, 1);
		size_t one = z.n;
		struct err e;

		CHECK(buf_add(&z, nothing.p, nothing.n) == 0 && buf_reserve(&z, one) == 0);
		memcpy(z.p + z.n, z.p, one);
		z.n += one;
		CHECK_I64(decode(&z, z.n, 100, &b, &e), 0);
		CHECK_I64(b.n, 2 * plain.n);
		CHECK(memcmp(b.p + plain.n, plain.p, plain.n) == 0);
	}
}

TEST(every_truncation_is_seen)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(3000), z = compressed(codecs[c], &plain, 999);

		for (size_t n = CODEC_HEAD; n < z.n; n++) {
			cleanup_buf struct buf b = { 0 };
			struct err e = { 0 };

			CHECK_I64(decode(&z, n, 512, &b, &e), -ST_STREAM);
			CHECK_STR(str_of(e.input), "z");
			CHECK(strstr(e.msg, "truncated") != NULL);
		}
	}
}

/* Any change of one bit is an error or makes no difference (unused header bits). */
TEST(flipped_bits_are_seen)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(3000), z = compressed(codecs[c], &plain, 999);

		for (size_t i = CODEC_HEAD; i < z.n; i++) {
			cleanup_buf struct buf b = { 0 };
			struct err e = { 0 };
			uint8_t bit = (uint8_t)(1u << (next_random() >> 29));
			ssize_t rc;

			z.p[i] ^= bit;
			rc = decode(&z, z.n, 512, &b, &e);
			z.p[i] ^= bit;
			CHECK(rc == -ST_DATA || rc == -ST_STREAM || (rc == 0 && b.n == plain.n && memcmp(b.p, plain.p, b.n) == 0));
		}
	}
}

TEST(garbage_behind_a_member_is_an_error)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(300), z = compressed(codecs[c], &plain, 999), b = { 0 };
		struct err e = { 0 };

		CHECK(buf_puts(&z, "garbage behind the end of the data") == 0);
		CHECK_I64(decode(&z, z.n, 512, &b, &e), -ST_DATA);
	}
}

TEST(zero_padding_behind_gzip_is_none)
{
	cleanup_buf struct buf plain = sample(300), z = compressed(CODEC_GZIP, &plain, 999), b = { 0 };
	struct err e = { 0 };

	CHECK(buf_zero(&z, 512) == 0);
	CHECK_I64(decode(&z, z.n, 512, &b, &e), 0);
	CHECK_I64(b.n, 300);
}

TEST(text_that_begins_like_a_codec_is_text)
{
	static const char *const texts[] = { "B",
					     "BZ",
					     "BZh9",
					     "BZh91,2,3",
					     "(a",
					     "\x1f",
					     "\x04\x22",
					     "BZh,x\n1,2\n",
					     ("\xfd"
					      "7z") };

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		cleanup_buf struct buf b = { 0 };
		struct buf z = { (uint8_t *)(uintptr_t)texts[i], strlen(texts[i]), 0 };
		struct err e = { 0 };

		CHECK_I64(decode(&z, z.n, 512, &b, &e), 0);
		CHECK_STR(buf_view(&b), texts[i]);
	}
}

/* What an output of each codec leaves that fails before there is more. */
TEST(the_magic_alone_is_cut_off)
{
	static const enum codec all[] = { CODEC_GZIP, CODEC_ZSTD, CODEC_XZ, CODEC_BZ2, CODEC_LZ4 };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct str magic = codec_row(all[i])->magic;
		struct buf z = { (uint8_t *)(uintptr_t)magic.p, magic.n, 0 };
		cleanup_buf struct buf b = { 0 };
		struct err e = { 0 };

		CHECK_I64(decode(&z, z.n, 512, &b, &e), -ST_STREAM);
		CHECK_I64(b.n, 0);
	}
}

struct feeder {
	int fd;
	const struct buf *b;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;

	for (size_t at = 0, n; at < f->b->n; at += n) {
		n = 1 + next_random() % 5;
		if (n > f->b->n - at)
			n = f->b->n - at;
		if (write(f->fd, f->b->p + at, n) != (ssize_t)n)
			abort();
	}
	close(f->fd);
	return NULL;
}

TEST(short_reads_from_a_pipe)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(20000), z = compressed(codecs[c], &plain, 999), b = { 0 };
		struct feeder f = { .b = &z };
		struct err e = { 0 };
		struct in *in;
		pthread_t t;
		int p[2];

		CHECK(pipe(p) == 0);
		f.fd = p[1];
		CHECK(pthread_create(&t, NULL, feed, &f) == 0);
		CHECK_I64(in_open_fd(&in, p[0], "pipe", &e), 0);
		CHECK_I64(read_all(in, 3000, &b, &e), 0);
		CHECK(in_is_compressed(in));
		CHECK_I64(in_offset(in), z.n);
		CHECK_I64(in_plain_offset(in), plain.n);
		in_close(in);
		pthread_join(t, NULL);
		CHECK_I64(b.n, plain.n);
		CHECK(memcmp(b.p, plain.p, b.n) == 0);
	}
}

static ssize_t decode_ahead(const struct buf *z, size_t n, bool ahead, struct buf *b, struct err *e)
{
	struct in *in;
	ssize_t rc;

	if (in_open_mem(&in, z->p, n, "z", e) < 0)
		abort();
	if (ahead)
		in_set_ahead(in);
	rc = read_all(in, 70000, b, e);
	in_close(in);
	return rc;
}

/* A thread that decodes gives the same bytes and, behind them, the same error with the same offset. How much a library gives out
 * before an error depends on the room it had. */
TEST(decoding_ahead_changes_nothing)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(3000000), z = packed(codecs[c], 1, 1, &plain, plain.n);

		for (int i = 0; i < 8; i++) {
			cleanup_buf struct buf a = { 0 }, b = { 0 };
			size_t n = i == 0 ? z.n : CODEC_HEAD + next_random() % (z.n - CODEC_HEAD);
			struct err ea = { 0 }, eb = { 0 };
			ssize_t rc;

			if (i > 4)
				z.p[n - 1] ^= 0x10;
			rc = decode_ahead(&z, i > 4 ? z.n : n, false, &a, &ea);
			CHECK_I64(decode_ahead(&z, i > 4 ? z.n : n, true, &b, &eb), rc);
			CHECK(memcmp(a.p, b.p, a.n < b.n ? a.n : b.n) == 0);
			CHECK_STR(str_of(ea.msg), eb.msg);
			CHECK(i ? rc == -ST_DATA || rc == -ST_STREAM : rc == 0 && a.n == plain.n);
			if (i > 4)
				z.p[n - 1] ^= 0x10;
		}
	}
}

/* A thread that waits for a pipe that gives nothing more ends with its input; while it waits, time limits hold. */
TEST(decoding_ahead_from_a_silent_pipe)
{
	cleanup_buf struct buf plain = sample(3000000), z = compressed(CODEC_GZIP, &plain, plain.n), b = { 0 };
	int p[2];
	struct feeder f;
	pthread_t thread;
	struct in *in;
	struct err e;
	ssize_t got;

	CHECK(pipe(p) == 0);
	z.n -= 100;
	f = (struct feeder){ dup(p[1]), &z };
	CHECK(in_open_fd(&in, p[0], "pipe", &e) == 0);
	in_set_ahead(in);
	CHECK(pthread_create(&thread, NULL, feed, &f) == 0);
	CHECK(buf_reserve(&b, 1 << 20) == 0);
	for (size_t have = 0; have < 2000000; have += (size_t)got)
		if ((got = in_read(in, b.p, 1 << 20, IN_WAIT, &e)) <= 0)
			abort();
	while ((got = in_read(in, b.p, 1 << 20, 300, &e)) > 0)
		;
	CHECK(got == IN_LATER);
	in_close(in);
	pthread_join(thread, NULL);
	close(p[1]);
}

TEST(peeking_takes_nothing_away)
{
	struct err e = { 0 };
	struct in *in;
	struct str head;
	char p[8];

	CHECK_I64(in_open_mem(&in, "hello, world", 12, "m", &e), 0);
	CHECK_I64(in_peek(in, 5, &head, &e), 0);
	CHECK_STR(head, "hello");
	CHECK_I64(in_peek(in, 2, &head, &e), 0);
	CHECK_STR(head, "he");
	CHECK_I64(in_read(in, p, 3, IN_WAIT, &e), 3);
	CHECK_I64(in_peek(in, 100, &head, &e), 0);
	CHECK_STR(head, "lo, world");
	CHECK_I64(in_read_full(in, p, 8, &e), 8);
	CHECK(memcmp(p, "lo, worl", 8) == 0);
	CHECK_I64(in_read_full(in, p, 8, &e), 1);
	CHECK_I64(in_read(in, p, 8, IN_WAIT, &e), 0);
	CHECK_I64(in_plain_offset(in), 12);
	in_close(in);
}

TEST(a_time_limit_ends_the_wait)
{
	struct err e = { 0 };
	struct in *in;
	char p[8];
	int fd[2];

	CHECK(pipe(fd) == 0);
	CHECK_I64(in_open_fd(&in, fd[0], "pipe", &e), 0);
	CHECK(in_read(in, p, 8, 10, &e) == IN_LATER);
	CHECK(write(fd[1], "abc", 3) == 3);
	CHECK_I64(in_read(in, p, 8, 1000, &e), 3);
	CHECK(in_read(in, p, 8, 0, &e) == IN_LATER);
	close(fd[1]);
	CHECK_I64(in_read(in, p, 8, 1000, &e), 0);
	in_close(in);
}

TEST(what_cannot_be_opened)
{
	struct err e = { 0 };
	struct in *in;
	struct out *out;

	CHECK_I64(in_open(&in, "/nonexistent/x", &e), -ST_NOINPUT);
	CHECK_STR(str_of(e.input), "/nonexistent/x");
	CHECK_I64(in_open(&in, "/", &e), -ST_NOINPUT);
	CHECK_I64(out_open(&out, "/nonexistent/x", CODEC_NONE, &e), -ST_CANTCREAT);
	CHECK_STR(str_of(e.input), "/nonexistent/x");
	CHECK_I64(out_open(&out, "/", CODEC_NONE, &e), -ST_CANTCREAT);
}

/* ---- outputs ---- */

static char dir[] = "/tmp/stook-io-XXXXXX";

static char *path(const char *name)
{
	static char p[256];

	snprintf(p, sizeof p, "%s/%s", dir, name);
	return p;
}

static struct buf file(const char *name)
{
	struct buf b = { 0 };
	struct in *in;
	struct err e;

	if (in_open(&in, path(name), &e) == 0) {
		if (read_all(in, 1000, &b, &e) < 0)
			abort();
		in_close(in);
	}
	return b;
}

static int entries(void)
{
	char cmd[300];
	FILE *p;
	int n = -1;

	snprintf(cmd, sizeof cmd, "ls -A %s | wc -l", dir);
	p = popen(cmd, "r");
	if (!p || fscanf(p, "%d", &n) != 1)
		abort();
	pclose(p);
	return n;
}

TEST(a_named_output_appears_at_commit)
{
	struct err e = { 0 };
	struct out *o;

	CHECK_I64(out_open(&o, path("a"), CODEC_NONE, &e), 0);
	CHECK(out_is_file(o) && !out_is_pipe(o));
	CHECK_I64(out_write(o, "hello", 5, &e), 0);
	CHECK_I64(out_flush(o, &e), 0);
	CHECK(access(path("a"), F_OK) < 0);
	CHECK_I64(out_commit(o, &e), 0);
	CHECK_I64(out_bytes(o), 5);
	out_close(o);
	cleanup_buf struct buf b = file("a");
	CHECK_STR(buf_view(&b), "hello");
	CHECK_I64(entries(), 1);
}

TEST(an_output_replaces_its_input_and_keeps_the_mode)
{
	struct err e = { 0 };
	struct out *o;
	struct in *in;
	struct stat st;
	char p[16];

	CHECK(chmod(path("a"), 0640) == 0);
	CHECK_I64(in_open(&in, path("a"), &e), 0);
	CHECK_I64(out_open(&o, path("a"), CODEC_NONE, &e), 0);
	CHECK_I64(in_read_full(in, p, 5, &e), 5);
	CHECK_I64(out_write(o, p, 5, &e), 0);
	CHECK_I64(out_write(o, "!", 1, &e), 0);
	CHECK_I64(out_commit(o, &e), 0);
	out_close(o);
	in_close(in);
	cleanup_buf struct buf b = file("a");
	CHECK_STR(buf_view(&b), "hello!");
	CHECK(stat(path("a"), &st) == 0);
	CHECK_I64(st.st_mode & 07777, 0640);
	CHECK_I64(entries(), 1);
}

TEST(an_aborted_output_leaves_what_was_there)
{
	struct err e = { 0 };
	struct out *o;

	CHECK_I64(out_open(&o, path("a"), CODEC_GZIP, &e), 0);
	CHECK_I64(out_write(o, "other", 5, &e), 0);
	out_abort(o);
	out_close(o);
	CHECK_I64(out_open(&o, path("b"), CODEC_NONE, &e), 0);
	out_close(o);
	cleanup_buf struct buf b = file("a");
	CHECK_STR(buf_view(&b), "hello!");
	CHECK_I64(entries(), 1);
}

TEST(a_link_is_followed)
{
	struct err e = { 0 };
	struct out *o;
	struct stat st;
	char target[256];

	snprintf(target, sizeof target, "%s/link", dir);
	CHECK(symlink("a", target) == 0);
	CHECK_I64(out_open(&o, target, CODEC_NONE, &e), 0);
	CHECK_I64(out_write(o, "linked", 6, &e), 0);
	CHECK_I64(out_commit(o, &e), 0);
	out_close(o);
	cleanup_buf struct buf b = file("a");
	CHECK_STR(buf_view(&b), "linked");
	CHECK(lstat(target, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(unlink(target) == 0);
	CHECK(symlink("nowhere", target) == 0);
	CHECK_I64(out_open(&o, target, CODEC_NONE, &e), -ST_CANTCREAT);
	CHECK(unlink(target) == 0);
}

/* Hidden files of a writer that was killed are removed by the next; those of a living one are not. */
TEST(strays_are_reclaimed)
{
	struct err e = { 0 };
	struct out *o;
	int fd = open(path(".a.stook-deadbeef"), O_CREAT | O_WRONLY, 0600);

	CHECK(fd >= 0 && close(fd) == 0);
	CHECK_I64(entries(), 2);
	CHECK_I64(out_open(&o, path("a"), CODEC_NONE, &e), 0);
	CHECK_I64(out_commit(o, &e), 0);
	out_close(o);
	CHECK_I64(entries(), 1);
}

TEST(codecs_on_outputs)
{
	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(600000), b = { 0 };
		struct err e = { 0 };
		struct out *o;

		CHECK_I64(out_open(&o, path("z"), codecs[c], &e), 0);
		for (size_t at = 0, n; at < plain.n; at += n) {
			n = next_random() % 100000;
			if (n > plain.n - at)
				n = plain.n - at;
			CHECK_I64(out_write(o, plain.p + at, n, &e), 0);
		}
		CHECK_I64(out_commit(o, &e), 0);
		CHECK_I64(out_bytes(o), plain.n);
		out_close(o);
		b = file("z");
		CHECK_I64(b.n, plain.n);
		CHECK(memcmp(b.p, plain.p, b.n) == 0);
		CHECK(unlink(path("z")) == 0);
	}
}

/* A file named x.gz that was cut before its magic is complete looks like text: the name tells. */
TEST(a_cut_below_the_magic)
{
	static const char *const names[] = { "t.gz", "t.zst", "t.xz", "t.bz2", "t.lz4" };

	for (size_t c = 0; c < NCODECS; c++) {
		cleanup_buf struct buf plain = sample(300), z = compressed(codecs[c], &plain, 999);

		for (size_t n = 0; n < CODEC_HEAD; n++) {
			cleanup_buf struct buf b = { 0 };
			struct err e = { 0 };
			struct in *in;
			int fd = open(path(names[c]), O_CREAT | O_TRUNC | O_WRONLY, 0600);

			CHECK(write(fd, z.p, n) == (ssize_t)n && close(fd) == 0);
			CHECK_I64(in_open(&in, path(names[c]), &e), 0);
			CHECK_I64(read_all(in, 100, &b, &e), -ST_STREAM);
			in_close(in);
		}
		CHECK(unlink(path(names[c])) == 0);
	}
}

TEST(pieces_and_short_writes)
{
	cleanup_buf struct buf plain = sample(3 << 20), b = { 0 };
	struct iovec v[100];
	struct err e = { 0 };
	struct out *o;
	pid_t child;
	int p[2], status;

	CHECK(pipe(p) == 0);
	child = fork();
	if (child == 0) {
		size_t at = 0;

		close(p[0]);
		if (out_open_fd(&o, p[1], "pipe", &e) < 0)
			_exit(1);
		while (at < plain.n) {
			int n = 0;

			for (; n < 100 && at < plain.n; n++) {
				size_t k = n % 10 ? 3 : 70000;

				v[n] = (struct iovec){ plain.p + at, k < plain.n - at ? k : plain.n - at };
				at += v[n].iov_len;
			}
			if (out_writev(o, v, n, &e) < 0)
				_exit(2);
		}
		_exit(out_commit(o, &e) < 0);
	}
	close(p[1]);
	struct in *in;
	CHECK_I64(in_open_fd(&in, p[0], "pipe", &e), 0);
	CHECK_I64(read_all(in, 10007, &b, &e), 0);
	in_close(in);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK_I64(b.n, plain.n);
	CHECK(memcmp(b.p, plain.p, b.n) == 0);
}

TEST(a_failure_sticks)
{
	struct err e = { 0 };
	struct out *o;

	CHECK_I64(out_open(&o, "/dev/full", CODEC_NONE, &e), 0);
	CHECK_I64(out_write(o, "x", 1, &e), 0);
	CHECK_I64(out_flush(o, &e), -ST_IO);
	CHECK_I64(out_write(o, "x", 1, &e), -ST_IO);
	CHECK_I64(out_commit(o, &e), -ST_IO);
	out_close(o);
}

TEST(nobody_reads)
{
	struct err e = { 0 };
	struct out *o;
	int p[2];

	CHECK(pipe(p) == 0);
	close(p[0]);
	CHECK_I64(out_open_fd(&o, p[1], "pipe", &e), 0);
	CHECK(out_is_pipe(o));
	CHECK_I64(out_write(o, "x", 1, &e), 0);
	CHECK_I64(out_commit(o, &e), -ST_CLOSED);
	out_close(o);
}

TEST(suffixes)
{
	size_t stem;

	CHECK(codec_of_suffix(STR("a.csv.gz"), &stem) == CODEC_GZIP && stem == 5);
	CHECK(codec_of_suffix(STR("a.zst"), &stem) == CODEC_ZSTD && stem == 1);
	CHECK(codec_of_suffix(STR("a.csv"), &stem) == CODEC_NONE && stem == 5);
}

int main(void)
{
	char cmd[300];
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return 1;
	rc = RUN_TABLE(T1(codecs_there_and_back), T1(compressed_bytes_do_not_depend_on_the_cut), T1(compressed_bytes_do_not_depend_on_threads), T1(levels),
		       T1(packing_from_text), T1(members_follow_one_another),
		       T1(every_truncation_is_seen), T1(flipped_bits_are_seen), T1(garbage_behind_a_member_is_an_error),
		       T1(zero_padding_behind_gzip_is_none), T1(text_that_begins_like_a_codec_is_text), T1(the_magic_alone_is_cut_off),
		       T1(short_reads_from_a_pipe), T1(decoding_ahead_changes_nothing), T1(decoding_ahead_from_a_silent_pipe),
		       T1(peeking_takes_nothing_away), T1(a_time_limit_ends_the_wait),
		       T1(what_cannot_be_opened), T1(a_named_output_appears_at_commit),
		       T1(an_output_replaces_its_input_and_keeps_the_mode), T1(an_aborted_output_leaves_what_was_there),
		       T1(a_link_is_followed), T1(strays_are_reclaimed), T1(codecs_on_outputs), T1(a_cut_below_the_magic),
		       T1(pieces_and_short_writes), T1(a_failure_sticks), T1(nobody_reads), T1(suffixes));
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd) || rc;
}
