/* JSON Lines: names and keys, and that neither the size of reads nor their timing changes what is read. */
#include "lib/format/jsonl.h"
#include "tests/unit/test.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct err e;

static struct str name_of(struct buf *b, int n, const struct str *keys)
{
	b->n = 0;
	for (int i = 0; i < n; i++)
		CHECK(jsonl_name(b, keys[i]) == 0);
	return buf_view(b);
}

TEST(names)
{
	struct buf b = { 0 };

	CHECK_STR(name_of(&b, 1, (struct str[]){ STR("a") }), "a");
	CHECK_STR(name_of(&b, 2, (struct str[]){ STR("user"), STR("id") }), "user.id");
	CHECK_STR(name_of(&b, 1, (struct str[]){ STR("a.b") }), "a\\.b");
	CHECK_STR(name_of(&b, 1, (struct str[]){ STR("a\\b") }), "a\\\\b");
	CHECK_STR(name_of(&b, 3, (struct str[]){ STR("x"), STR(""), STR("y") }), "x.\\e.y");
	CHECK_STR(name_of(&b, 1, (struct str[]){ STR("_rest") }), "\\_rest");
	CHECK_STR(name_of(&b, 2, (struct str[]){ STR("x"), STR("_rest") }), "x._rest");
	buf_free(&b);
}

static int keys_in(const char *name)
{
	struct arena a = { 0 };
	int n = jsonl_path(str_of(name), &a).n;

	arena_free(&a);
	return n;
}

TEST(names_that_are_no_paths)
{
	CHECK_I64(keys_in("a.b.c"), 3);
	CHECK_I64(keys_in("a..c"), 1);
	CHECK_I64(keys_in(".a"), 1);
	CHECK_I64(keys_in("a."), 1);
	CHECK_I64(keys_in("."), 1);
	CHECK_I64(keys_in(""), 1);
	CHECK_I64(keys_in("a\\.b"), 1);
	CHECK_I64(keys_in("a\\\\.b"), 2);
	CHECK_I64(keys_in("a\\x.b"), 2);
}

/* Every list of keys comes back from its name. */
TEST(names_come_back_as_keys)
{
	static const char alphabet[] = ".\\_eres t";
	unsigned seed = 5;
	struct buf b = { 0 };

	for (int k = 0; k < 100000; k++) {
		struct arena a = { 0 };
		char text[4][8];
		struct str keys[4];
		struct jsonl_path path;
		int n = 1 + k % 4;

		for (int i = 0; i < n; i++) {
			keys[i] = (struct str){ text[i], 0 };
			seed = seed * 1664525 + 1013904223;
			for (size_t len = seed >> 29; keys[i].n < len; keys[i].n++) {
				seed = seed * 1664525 + 1013904223;
				text[i][keys[i].n] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
			}
		}
		path = jsonl_path(name_of(&b, n, keys), &a);
		CHECK_I64(path.n, n);
		for (int i = 0; i < n; i++)
			CHECK(str_eq(path.keys[i], keys[i]));
		arena_free(&a);
	}
	buf_free(&b);
}

/* Reads all of `in` and writes it as JSON Lines; returns the number of batches. */
static int convert(struct in *in, const struct read_opts *o, struct buf *ret)
{
	struct source *s;
	struct sink *k;
	struct out *out;
	struct batch *b;
	int rc, n = 0;

	CHECK(jsonl_read(in, o, &s, &e) == 0);
	CHECK(out_open_mem(&out, ret, &e) == 0);
	CHECK(jsonl_write(out, s->schema, &(struct write_opts){ 0 }, &k, &e) == 0);
	while ((rc = source_next(s, &b, &e)) == 0 && b) {
		CHECK(k->write(k, b, &e) == 0);
		batch_unref(b);
		n++;
	}
	CHECK(rc == 0 && k->finish(k, &e) == 0);
	sink_close(k);
	source_close(s);
	return n;
}

/* Records as they are written: what is read comes back the same. */
static void make_text(struct buf *b, int records)
{
	unsigned seed = 11;

	for (int i = 0; i < records; i++) {
		seed = seed * 1664525 + 1013904223;
		CHECK(buf_printf(b, "{\"id\":%d,\"user\":{\"n\":\"u%u\"}", i, seed >> 20) == 0);
		if (seed >> 30 == 1)
			CHECK(buf_puts(b, ",\"tags\":[1, \"\xc3\xa9\"]") == 0);
		if (i > records / 2 && seed >> 30 == 2)
			CHECK(buf_printf(b, ",\"late\":\"%.*s\"", (int)(seed >> 16 & 255),
					 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
					 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy") == 0);
		CHECK(buf_puts(b, "}\n") == 0);
	}
}

/* A child that writes text in pieces of up to `most` bytes; the reading end as an input. */
static struct in *piped(const struct buf *text, size_t most, bool slow, pid_t *pid)
{
	struct in *in;
	int fd[2];

	CHECK(pipe(fd) == 0);
	*pid = fork();
	CHECK(*pid >= 0);
	if (*pid == 0) {
		unsigned seed = 17;

		close(fd[0]);
		for (size_t at = 0; at < text->n;) {
			size_t n = 1 + (seed = seed * 1664525 + 1013904223) % most;

			if (n > text->n - at)
				n = text->n - at;
			if (write(fd[1], text->p + at, n) != (ssize_t)n)
				_exit(1);
			at += n;
			if (slow)
				nanosleep(&(struct timespec){ .tv_nsec = 60000000 }, NULL);
		}
		_exit(0);
	}
	close(fd[1]);
	CHECK(in_open_fd(&in, fd[0], "pipe", &e) == 0);
	return in;
}

TEST(reads_of_any_size_give_the_same)
{
	static const size_t most[] = { 7, 300, 70000, 1 << 20 };
	struct buf text = { 0 };
	struct in *in;

	make_text(&text, 60000);
	CHECK(text.n > 3 << 20);
	for (int i = -1; i < 4; i++) {
		struct buf got = { 0 };
		pid_t pid = 0;

		if (i < 0)
			CHECK(in_open_mem(&in, text.p, text.n, "mem", &e) == 0);
		else
			in = piped(&text, most[i], false, &pid);
		convert(in, &(struct read_opts){ .latency = true }, &got);
		CHECK_I64(got.n, text.n);
		CHECK(memcmp(got.p, text.p, text.n) == 0);
		if (pid)
			CHECK(waitpid(pid, NULL, 0) == pid);
		buf_free(&got);
	}
	buf_free(&text);
}

/* The schema waits for its sample; what comes after it is given out as it comes. */
TEST(slow_input_is_given_out_in_time)
{
	struct buf text = { 0 }, got = { 0 };
	pid_t pid;
	int batches;

	make_text(&text, 40);
	batches = convert(piped(&text, 200, true, &pid), &(struct read_opts){ .latency = true, .sample = 1 }, &got);
	CHECK(batches >= 3);
	CHECK(str_eq(buf_view(&got), buf_view(&text)));
	CHECK(waitpid(pid, NULL, 0) == pid);
	got.n = 0;
	batches = convert(piped(&text, 200, true, &pid), &(struct read_opts){ .sample = 1 }, &got);
	CHECK_I64(batches, 1);
	CHECK(str_eq(buf_view(&got), buf_view(&text)));
	CHECK(waitpid(pid, NULL, 0) == pid);
	buf_free(&text);
	buf_free(&got);
}

/* Every row's place is its line and, for a field, where its value begins. */
TEST(places)
{
	static const char text[] = "{\"a\":1}\n\n  {\"b\":{\"c\": \"x\"},\"a\":2}\n{\"a\":3}\n";
	int64_t line, column;
	struct source *s;
	struct batch *b;
	struct in *in;
	int a, c;

	CHECK(in_open_mem(&in, text, sizeof text - 1, "mem", &e) == 0);
	CHECK(jsonl_read(in, &(struct read_opts){ 0 }, &s, &e) == 0);
	CHECK(source_next(s, &b, &e) == 0 && b && b->nrows == 3);
	a = schema_find(s->schema, STR("a"));
	c = schema_find(s->schema, STR("b.c"));
	b->origin.locate(&b->origin, 1, a, &line, &column);
	CHECK_I64(line, 3);
	CHECK_I64(column, 23);
	b->origin.locate(&b->origin, 1, c, &line, &column);
	CHECK_I64(column, 14);
	b->origin.locate(&b->origin, 2, c, &line, &column);
	CHECK_I64(line, 4);
	CHECK_I64(column, 1);
	b->origin.locate(&b->origin, 1, -1, &line, &column);
	CHECK_I64(line, 3);
	CHECK_I64(column, 3);
	batch_unref(b);
	source_close(s);
}

/* A record larger than a block, and one larger than is allowed. */
TEST(long_records)
{
	struct buf text = { 0 }, got = { 0 };
	struct source *s;
	struct batch *b;
	struct in *in;

	CHECK(buf_puts(&text, "{\"a\":\"") == 0);
	for (int i = 0; i < 300000; i++)
		CHECK(buf_puts(&text, "0123456789") == 0);
	CHECK(buf_puts(&text, "\"}\n{\"a\":\"b\"}\n") == 0);
	CHECK(in_open_mem(&in, text.p, text.n, "mem", &e) == 0);
	convert(in, &(struct read_opts){ 0 }, &got);
	CHECK(str_eq(buf_view(&got), buf_view(&text)));
	CHECK(in_open_mem(&in, text.p, text.n, "mem", &e) == 0);
	CHECK(jsonl_read(in, &(struct read_opts){ .max_field = 1 << 20 }, &s, &e) < 0 ||
	      (source_next(s, &b, &e) < 0 && (source_close(s), true)));
	CHECK_I64(e.status, ST_DATA);
	CHECK_I64(e.line, 1);
	buf_free(&text);
	buf_free(&got);
}

int main(void)
{
	return RUN_TABLE(T1(names), T1(names_that_are_no_paths), T1(names_come_back_as_keys), T1(reads_of_any_size_give_the_same),
			 T1(slow_input_is_given_out_in_time), T1(places), T1(long_records));
}
