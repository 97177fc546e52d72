/* Laws of stages on threads: the same batches in the same order, errors in order, early close, late errors. */
#include "lib/table/ahead.h"
#include "tests/unit/test.h"

#include <unistd.h>

struct counting {
	struct source source;
	int64_t next, end;
	bool fails;
	bool *closed;
};

static int counting_next(struct source *s, struct batch **ret, struct err *e)
{
	struct counting *c = (struct counting *)s;

	if (c->next == c->end)
		return c->fails ? err_set(e, ST_DATA, "row %d is bad", (int)c->end) : 0;
	*ret = batch_new(s->schema, ++c->next);
	return *ret ? 0 : err_oom(e);
}

static void counting_close(struct source *s)
{
	struct counting *c = (struct counting *)s;

	if (c->closed)
		*c->closed = true;
	schema_unref(s->schema);
	free(c);
}

static struct source *count_to(int64_t end, bool fails)
{
	struct counting *c = calloc(1, sizeof *c);

	if (!c)
		abort();
	c->source = (struct source){ schema_new(), counting_next, counting_close, NULL };
	c->end = end;
	c->fails = fails;
	return &c->source;
}

TEST(batches_come_in_order_and_then_the_error)
{
	for (int64_t end = 0; end < 40; end++)
		for (int fails = 0; fails < 2; fails++) {
			struct source *s;
			struct batch *b;
			struct err e;
			int rc;

			CHECK(source_ahead(count_to(end, fails), &s, &e) == 0);
			for (int64_t i = 1; i <= end; i++) {
				CHECK(source_next(s, &b, &e) == 0 && b);
				CHECK_I64(b->nrows, i);
				batch_unref(b);
			}
			rc = source_next(s, &b, &e);
			CHECK_I64(rc, fails ? -ST_DATA : 0);
			CHECK(!b);
			source_close(s);
		}
}

TEST(an_early_close_ends_the_reading)
{
	for (int64_t stop = 0; stop < 20; stop++) {
		struct source *s;
		struct batch *b;
		struct err e;

		CHECK(source_ahead(count_to(1000000, false), &s, &e) == 0);
		for (int64_t i = 0; i < stop; i++) {
			CHECK(source_next(s, &b, &e) == 0 && b);
			batch_unref(b);
		}
		source_close(s);
	}
	usleep(20000);
}

struct adding {
	struct sink sink;
	uint64_t sum;
	int64_t fail_at;
	bool finished, failed;
};

static int adding_write(struct sink *s, struct batch *b, struct err *e)
{
	struct adding *a = (struct adding *)s;

	if (a->fail_at && b->nrows == a->fail_at)
		return err_set(e, ST_CLOSED, "closed");
	a->sum = a->sum * 31 + (uint64_t)b->nrows;
	return 0;
}

static int adding_finish(struct sink *s, struct err *e)
{
	(void)e;
	((struct adding *)s)->finished = true;
	return 0;
}

static void adding_fail(struct sink *s, const struct err *why)
{
	(void)why;
	((struct adding *)s)->failed = true;
}

static void adding_close(struct sink *s)
{
	(void)s;
}

static int copy_into(struct adding *a, int64_t end, bool fails, bool threads)
{
	struct source *s = count_to(end, fails);
	struct sink *k = &a->sink;
	struct err e;
	int rc;

	a->sink = (struct sink){ adding_write, adding_finish, adding_fail, adding_close, NULL };
	if (threads && (source_ahead(s, &s, &e) < 0 || sink_behind(k, &k, &e) < 0))
		abort();
	rc = stream_copy(s, k, &e);
	sink_close(k);
	source_close(s);
	return rc;
}

TEST(writing_behind_gives_the_same)
{
	for (int64_t end = 0; end < 60; end += 3)
		for (int fails = 0; fails < 2; fails++) {
			struct adding plain = { 0 }, threaded = { 0 };
			int want = copy_into(&plain, end, fails, false), got = copy_into(&threaded, end, fails, true);

			CHECK_I64(got, want);
			CHECK_I64(threaded.sum, plain.sum);
			CHECK(threaded.finished == plain.finished && threaded.failed == plain.failed);
		}
}

TEST(an_error_of_the_sink_is_reported)
{
	for (int64_t at = 1; at < 30; at++) {
		struct adding a = { .fail_at = at };

		CHECK_I64(copy_into(&a, 30, false, true), -ST_CLOSED);
		CHECK(!a.finished && a.failed);
	}
}

int main(void)
{
	return RUN_TABLE(T1(batches_come_in_order_and_then_the_error), T1(an_early_close_ends_the_reading), T1(writing_behind_gives_the_same),
			 T1(an_error_of_the_sink_is_reported));
}
