/* Checking order: see order.h. Only the last key of a batch is copied; neighbours inside a batch are compared in place. */
#include "lib/op/order.h"

void order_free(struct order *o)
{
	buf_free(&o->last);
	o->any = false;
}

int order_check(struct order *o, const struct keys *k, bool strict, int64_t *ret, struct err *e)
{
	struct str last = buf_view(&o->last);
	int64_t i = 0;

	*ret = -1;
	if (k->n == 0)
		return 0;
	if (!o->any)
		last = keys_at(k, i++);
	o->any = true;
	for (; i < k->n; i++) {
		struct str key = keys_at(k, i);
		int c = str_cmp(last, key);

		if (c > 0 || (strict && c == 0)) {
			*ret = i;
			o->repeated = c == 0;
			break;
		}
		last = key;
	}
	o->last.n = 0;
	return buf_str(&o->last, keys_at(k, k->n - 1)) ? err_oom(e) : 0;
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
