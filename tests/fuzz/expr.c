/* Programs of map: any text parses or is refused, any program binds or is refused, and what runs does to a batch what it
 * does to the
 * batch's records one by one. Programs that could make very much of three records (range, repeat, padding) are only bound. */
#include "tests/unit/expr.h"

#include <stdlib.h>

static bool is_large(const struct program *p)
{
	return program_calls(p, "range") || program_calls(p, "repeat") || program_calls(p, "pad_left") || program_calls(p, "pad_right") ||
	       program_calls(p, "gsub") || program_calls(p, "replace") || program_calls(p, "concat") || program_calls(p, "join");
}

static bool is_runnable(const char *text, size_t n)
{
	struct batch *b = test_batch(0, 1);
	struct program *p = NULL;
	struct err e;
	bool ok = program_parse((struct str){ text, n }, "program", &p, &e) == 0;
	int explodes = 0;

	for (const char *at = text; ok && (at = memmem(at, (size_t)(text + n - at), "explode", 7)); at++)
		explodes++;
	ok = ok && explodes < 3 && !is_large(p);
	if (p && program_bind(p, b->schema, 0, &e) < 0)
		ok = false;
	program_free(p);
	batch_unref(b);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_buf struct buf whole = { 0 }, parts = { 0 };
	const char *text = (const char *)data;
	struct err e;
	int rc;

	if (n > 2000 || !is_runnable(text, n))
		return 0;
	rc = test_run_program(text, n, BAD_NULL, 0, 3, &whole, NULL, &e);
	if (rc < 0)
		return 0;
	for (int row = 0; row < 3; row++)
		if (test_run_program(text, n, BAD_NULL, row, 1, &parts, NULL, &e) < 0)
			abort();
	if (!str_eq(buf_view(&whole), buf_view(&parts)))
		abort();
	whole.n = 0;
	rc = test_run_program(text, n, BAD_FAIL, 0, 3, &whole, NULL, &e);
	if (rc == 0 && !str_eq(buf_view(&whole), buf_view(&parts)))
		abort();
	return 0;
}
