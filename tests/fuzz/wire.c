/* Frames from a hostile host: nothing crashes, nothing is allocated for a length that was only claimed, and what can be decoded comes
 * out the same when it is encoded again, however the bytes are cut. */
#include "fanout/wire.h"

#include <stdint.h>
#include <stdlib.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void decode_task(struct str body)
{
	struct arena a = { 0 };
	struct wire_task t = { 0 };
	struct buf again = { 0 };

	if (wire_get_task(body, &a, &t) == 0) {
		check(wire_put_task(&again, &t) == 0);
		check(again.n == body.n && memcmp(again.p, body.p, body.n) == 0);
	}
	check(a.total <= 64 * body.n + (1 << 20));
	buf_free(&again);
	arena_free(&a);
}

static void decode(const struct frame *f)
{
	struct wire_hello h;
	struct wire_exit x;
	struct buf again = { 0 };
	uint64_t beat[3];
	uint32_t credit;

	decode_task(f->body);
	if (wire_get_exit(f->body, &x) == 0) {
		check(wire_put_exit(&again, f->task, &x) == 0);
		check(again.n == WIRE_HEAD + f->body.n && memcmp(again.p + WIRE_HEAD, f->body.p, f->body.n) == 0);
	}
	if (wire_get_hello(f->body, &h) == 0)
		check(h.processors >= 1);
	if (wire_get_credit(f->body, &credit) == 0)
		check(credit <= WIRE_CREDIT);
	(void)wire_get_beat(f->body, beat);
	buf_free(&again);
}

/* All frames of data given in pieces of `step`; a hash of what came out. */
static uint64_t run(const uint8_t *data, size_t size, size_t step, bool look)
{
	struct wire_reader r = { .at = 0 };
	uint64_t sum = 0;
	struct frame f;
	int rc = 0;

	for (size_t at = 0; at < size && rc >= 0; at += step) {
		check(wire_feed(&r, data + at, size - at < step ? size - at : step) == 0);
		check(r.in.cap <= 4 * size + 4096);
		while ((rc = wire_next(&r, &f)) == 1) {
			check(f.body.n <= WIRE_MAX && f.stage < WIRE_STAGES && f.type >= 1 && f.type < W_TYPES);
			sum = sum * 31 + f.type + 7 * f.task + 13 * f.body.n;
			if (look)
				decode(&f);
		}
	}
	wire_free(&r);
	return rc < 0 ? ~sum : sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(run(data, size, size + 1, true) == run(data, size, 1 + size / 7, false));
	return 0;
}
