/* Arrow reader: any bytes are read or refused, never a crash; refusals are complete errors; and what reads well is written
 * as a stream and as a file, and read again equal. Damaged checksums would stop a fuzzer at once: for streams that fail
 * only on theirs the sums are not repaired, the seeds include streams that have none. */
#include "tests/unit/arrow_help.h"

static void round_trip(const struct table *t, bool file)
{
	struct buf b = { 0 };
	struct table again;
	struct err e = { 0 };

	if (table_write(t, file, &b, &e) < 0 || table_read(b.p, b.n, &again, &e) < 0) {
		fprintf(stderr, "%s: %s\n", e.field, e.msg);
		abort();
	}
	if (!tables_equal(t, &again))
		abort();
	table_free(&again);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read_opts o = { .accept_unterminated = size % 2 };
	struct table t;
	struct err e = { 0 };
	int rc = table_read_opts(data, size, &o, &t, &e);

	if (rc < 0 && (e.status != -rc || !e.msg[0] || !e.input[0]))
		abort();
	if (rc == 0 && t.rows < 100000) {
		round_trip(&t, false);
		round_trip(&t, true);
	}
	table_free(&t);
	return 0;
}
