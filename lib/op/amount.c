/* Amounts: see amount.h. */
#include "lib/op/amount.h"

static int refuse(const struct batch *b, int64_t row, int col, const char *what, struct err *e)
{
	err_set(e, ST_DATA, "%s", what);
	return batch_err_at(b, row, col, e);
}

bool spelled_dec(struct numbers *n, int64_t row, struct dec *ret)
{
	char text[32];

	if (n->kind != NUMS_F64)
		return numbers_dec(n, row, ret);
	return dec_parse((struct str){ text, num_print_f64(n->f64[row], text) }, &n->pool, ret) == DEC_OK;
}

int amount_at(const struct batch *b, int col, bool weight, struct numbers *n, int64_t row, struct dec *ret, struct err *e)
{
	int64_t v;

	if (n->valid && !bit_get(n->valid, row))
		return refuse(b, row, col, "a weight or count is missing", e);
	if (!spelled_dec(n, row, ret))
		return refuse(b, row, col, "a weight must be a finite number", e);
	if (dec_sign(*ret, &n->pool) < 0)
		return refuse(b, row, col, "a weight or count below zero", e);
	if (!weight && !dec_is_int64(*ret, &n->pool, &v))
		return refuse(b, row, col, AMOUNT_NOT_WHOLE, e);
	return 0;
}
