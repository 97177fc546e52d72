/* Checking order: see order.h. Only the last key of a batch is copied; neighbours inside a batch are compared in place. */
#include "lib/op/order.h"

void order_free(struct order *o)
{
	buf_free(&o->last);
	o->any = false;
}

int order_check(struct order *o, const struct keys *k, const uint8_t *skip, bool strict, int64_t *ret, struct err *e)
{
	struct str last = buf_view(&o->last), before = last;

	*ret = -1;
	for (int64_t i = 0; i < k->n && *ret < 0; i++) {
		struct str key = keys_at(k, i);
		int c;

		if (skip && bit_get(skip, i))
			continue;
		c = o->any ? str_cmp(last, key) : -1;
		if (c > 0 || (strict && c == 0)) {
			*ret = i;
			o->repeated = c == 0;
		}
		o->any = true;
		last = key;
	}
	if (last.p == before.p)
		return 0;
	o->last.n = 0;
	return buf_str(&o->last, last) ? err_oom(e) : 0;
}

int order_error(const struct order *o, const struct batch *b, int64_t row, const struct key *key, enum status status, struct err *e)
{
	cleanup_buf struct buf d = { 0 };

	if (key_describe(key, b->schema, &d))
		return err_oom(e);
	err_set(e, status, "row %lld is out of order: %s the row above it (key %.*s)", (long long)(b->origin.row + row + 1),
		o->repeated ? "its key is that of" : "it belongs before", (int)d.n, (char *)d.p);
	batch_err_at(b, row, -1, e);
	if (status == ST_DATA)
		err_hint(e, "sort this input first, or sort without --merge");
	return -e->status;
}
