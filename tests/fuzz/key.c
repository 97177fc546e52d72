/* Keys. The first line is a key as on the command line, the other lines are the values of two columns, in turn. Properties: a
 * key that is accepted describes itself as one that parses to the same; the order of encoded keys is the order of the values,
 * for text by bytes and for numbers by exact comparison; parts delimit themselves; equal keys have equal placement hashes. */
#include "lib/table/key.h"

#include <stdlib.h>

#define MAX_ROWS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct str next_line(struct str *rest)
{
	const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	struct str line = { rest->p, nl ? (size_t)(nl - rest->p) : rest->n };

	*rest = str_from(*rest, line.n + 1);
	return line;
}

static struct batch *table_of(struct str rest)
{
	struct schema *s = schema_new();
	struct batch *b = NULL;
	struct rows r;
	struct err e;

	check(s && schema_add(s, STR("x"), &TYPE_TEXT, true, &e) == 0 && schema_add(s, STR("y:num"), &TYPE_BINARY, true, &e) == 0);
	check(rows_init(&r, s, &e) == 0);
	for (; rest.n && r.n < MAX_ROWS; r.n++)
		for (int i = 0; i < 2; i++) {
			struct str v = next_line(&rest);

			check((str_is(v, "NULL") ? builder_null(&r.cols[i], 1, &e) : builder_str(&r.cols[i], v, &e)) == 0);
		}
	check(rows_take(&r, &b, &e) == 0);
	rows_free(&r);
	schema_unref(s);
	return b;
}

static struct keys encode(const char *spec, const struct batch *b, struct arena *a)
{
	struct bad_values bad = bad_values_of(BAD_NULL);
	struct key_spec parsed;
	struct keys keys;
	struct key k;
	struct err e;

	check(key_parse(str_of(spec), a, &parsed, &e) == 0 && key_bind(&parsed, b->schema, a, &k, &e) == 0);
	check(keys_encode(&k, b, &bad, a, &keys, &e) == 0);
	return keys;
}

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

static int order(const struct keys *k, int64_t i, int64_t j)
{
	return sign(str_cmp(keys_at(k, i), keys_at(k, j)));
}

static int text_order(const struct column *c, int64_t i, int64_t j)
{
	int nulls = column_is_null(c, i) - column_is_null(c, j);

	return nulls || column_is_null(c, i) ? nulls : sign(str_cmp(column_str(c, i), column_str(c, j)));
}

static void check_text(const struct batch *b, struct arena *a)
{
	struct keys both = encode("x,y\\:num:desc", b, a), nat = encode("x:nat", b, a), fold = encode("x:fold", b, a);

	for (int64_t i = 0; i < b->nrows; i++)
		for (int64_t j = 0; j < b->nrows; j++) {
			int x = text_order(&b->cols[0], i, j), y = text_order(&b->cols[1], i, j);
			bool null = column_is_null(&b->cols[1], i) != column_is_null(&b->cols[1], j);

			check(order(&both, i, j) == (x ? x : null ? y : -y));
			check((order(&nat, i, j) == 0) == (x == 0) && order(&nat, i, j) == -order(&nat, j, i));
			check(x || order(&fold, i, j) == 0);
		}
}

/* -inf, finite, inf, nan, null */
static int rank(const struct numbers *n, int64_t i)
{
	struct dec d;
	double v;

	if (n->valid && !bit_get(n->valid, i))
		return 4;
	if (numbers_dec(n, i, &d))
		return 1;
	v = numbers_f64(n, i);
	return v != v ? 3 : v > 0 ? 2 : 0;
}

static void check_numbers(const struct batch *b, struct arena *a)
{
	struct keys up = encode("x:num", b, a), down = encode("x:num:desc", b, a);
	struct bad_values bad = bad_values_of(BAD_NULL);
	struct numbers n;
	struct err e;

	check(read_numbers(b, 0, NULL, 0, &bad, a, &n, &e) == 0);
	for (int64_t i = 0; i < b->nrows; i++)
		for (int64_t j = 0; j < b->nrows; j++) {
			int want = sign(rank(&n, i) - rank(&n, j));
			bool nulls = rank(&n, i) == 4 || rank(&n, j) == 4;

			if (rank(&n, i) == 1 && rank(&n, j) == 1)
				want = dec_cmp(n.dec[i], n.dec[j], &n.pool);
			check(order(&up, i, j) == want && order(&down, i, j) == (nulls ? want : -want));
		}
	numbers_free(&n);
}

static void check_spec(struct str spec, const struct batch *b, struct arena *a)
{
	struct bad_values bad = bad_values_of(BAD_SKIP);
	struct buf text = { 0 };
	struct key_spec parsed;
	struct keys keys;
	struct key k, again;
	uint64_t *hash;
	int *idx, n;
	struct err e;

	(void)!fields_resolve(spec, b->schema, a, &idx, &n, &e);
	if (key_parse(spec, a, &parsed, &e) || key_bind(&parsed, b->schema, a, &k, &e))
		return;
	check(key_describe(&k, b->schema, &text) == 0 && key_parse(buf_view(&text), a, &parsed, &e) == 0);
	check(key_bind(&parsed, b->schema, a, &again, &e) == 0 && again.n == k.n);
	for (int i = 0; i < k.n; i++)
		check(k.parts[i].col == again.parts[i].col && k.parts[i].reading == again.parts[i].reading && k.parts[i].desc == again.parts[i].desc &&
		      k.parts[i].nullsfirst == again.parts[i].nullsfirst);
	if (keys_encode(&k, b, &bad, a, &keys, &e) == 0 && placement_hash(&k, b, 1, &bad, a, &hash, &e) == 0)
		for (int64_t i = 0; i < b->nrows; i++)
			for (int64_t j = 0; j < b->nrows; j++)
				check(order(&keys, i, j) || hash[i] == hash[j]);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_arena struct arena a = { 0 };
	struct str rest = { (const char *)data, size }, spec = next_line(&rest);
	struct batch *b = table_of(rest);

	check_spec(spec, b, &a);
	check_text(b, &a);
	check_numbers(b, &a);
	batch_unref(b);
	return 0;
}
