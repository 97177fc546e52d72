/* Laws of join: every kind against two nested loops over random tables with duplicates and nulls. */
#include "lib/op/joiner.h"

#include "tests/unit/memtable.h"
#include "tests/unit/test.h"

struct pair {
	int64_t left, right; /* ids; -1: none */
};

struct pairs {
	struct pair *v;
	int64_t n;
};

static void add(struct pairs *p, int64_t left, int64_t right)
{
	if ((p->n & (p->n - 1)) == 0) /* full at powers of two */
		p->v = reallocarray(p->v, p->n ? (size_t)p->n * 2 : 1, sizeof *p->v);
	p->v[p->n++] = (struct pair){ left, right };
}

static bool equal(int keys, const struct mem_row *a, const struct mem_row *b)
{
	bool k = a->key_len >= 0 && b->key_len >= 0 && mem_cmp_key(a, b) == 0;
	bool v = !a->v_null && !b->v_null && a->v == b->v;

	return (keys & 1 ? k : true) && (keys & 2 ? v : true);
}

static struct pairs nested_loops(enum join_kind kind, int keys, const struct mem_table *l, const struct mem_table *r)
{
	struct pairs p = { NULL, 0 };
	bool *matched = calloc((size_t)r->n + 1, 1);

	for (int64_t i = 0; i < l->n; i++) {
		bool any = false;

		for (int64_t j = 0; j < r->n; j++)
			if (equal(keys, &l->rows[i], &r->rows[j])) {
				matched[j] = any = true;
				if (kind != JOIN_SEMI && kind != JOIN_ANTI)
					add(&p, i, j);
			}
		if (kind == JOIN_SEMI ? any : kind == JOIN_ANTI ? !any : !any && (kind == JOIN_LEFT || kind == JOIN_FULL))
			add(&p, i, -1);
	}
	for (int64_t j = 0; j < r->n && (kind == JOIN_RIGHT || kind == JOIN_FULL); j++)
		if (!matched[j])
			add(&p, -1, j);
	free(matched);
	return p;
}

/* Both ids of every output row. */
static struct pairs run_join(struct source *s, struct err *e)
{
	struct pairs p = { NULL, 0 };
	int l = schema_find(s->schema, STR("id")), r = schema_find(s->schema, STR("rid"));
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(s, &b, e)) < 0)
			abort();
		if (!b)
			break;
		for (int64_t i = 0; i < b->nrows; i++)
			add(&p, column_is_null(&b->cols[l], i) ? -1 : column_i64(&b->cols[l], i),
			    r < 0 || column_is_null(&b->cols[r], i) ? -1 : column_i64(&b->cols[r], i));
	}
	source_close(s);
	return p;
}

static bool always(struct source *left)
{
	return left != NULL;
}

static void one_join(struct rng *r, int64_t rows, int64_t memory, int threads)
{
	static const char *const keys[] = { NULL, "k", "v", "k,v" };
	struct mem_table a = mem_random(r, (int64_t)rng_below(r, (uint64_t)rows), 1 + rng_below(r, 3), rng_below(r, 4));
	struct mem_table b = mem_random(r, (int64_t)rng_below(r, (uint64_t)rows), 1 + rng_below(r, 3), rng_below(r, 4));
	int k = 1 + (int)rng_below(r, 3);
	struct join_opts o = { .kind = (enum join_kind)rng_below(r, 6), .memory = memory, .threads = threads, .ready = threads ? always : NULL };
	cleanup_arena struct arena arena = { 0 };
	struct key_spec left, right;
	struct pairs want, got;
	struct source *s = NULL;
	struct err e;

	CHECK(join_pairs(str_of(keys[k]), &arena, &left, &right, &e) == 0);
	o.left = &left;
	o.right = &right;
	want = nested_loops(o.kind, k, &a, &b);
	CHECK(join_open(mem_open(&a, 0, a.n, 1 + (int64_t)rng_below(r, 40), rng_u64(r), "id"),
			mem_open(&b, 0, b.n, 1 + (int64_t)rng_below(r, 40), rng_u64(r), "rid"), &o, &s, &e) == 0);
	got = run_join(s, &e);
	CHECK_I64(got.n, want.n);
	for (int64_t i = 0; i < want.n; i++) {
		CHECK_I64(got.v[i].left, want.v[i].left);
		CHECK_I64(got.v[i].right, want.v[i].right);
	}
	free(got.v);
	free(want.v);
	free(a.rows);
	free(b.rows);
}

TEST(join_is_nested_loops)
{
	struct rng r;

	rng_seed(&r, 1);
	for (int i = 0; i < 400; i++)
		one_join(&r, i % 10 ? 60 : 400, 0, 0);
}

/* And on several threads, batches of both sides in several hands. */
TEST(join_on_threads_is_nested_loops)
{
	struct rng r;

	rng_seed(&r, 2);
	for (int i = 0; i < 100; i++)
		one_join(&r, i % 10 ? 60 : 400, i % 2 ? 0 : 1 + (int64_t)rng_below(&r, 1000000), 4);
}

/* The same when next to nothing fits: partitions, partitions of partitions, blocks. */
TEST(join_on_disk_is_nested_loops)
{
	struct rng r;

	rng_seed(&r, 3);
	for (int i = 0; i < 150; i++)
		one_join(&r, i % 10 ? 60 : 400, 1 + (int64_t)rng_below(&r, 100000), 0);
}

/* And when more parts come out than are merged at once, again and again. */
TEST(join_of_many_parts_is_nested_loops)
{
	struct rng r;

	rng_seed(&r, 4);
	for (int i = 0; i < 6; i++)
		one_join(&r, 4000, 1, i % 2 ? 3 : 0);
}

/* Sorted inputs that say so are merged: the same again. */

static int by_k_v(const void *a, const void *b)
{
	const struct mem_row *x = a, *y = b;
	int c = mem_cmp_key(x, y);

	if (c == 0)
		c = mem_cmp_v(x, y);
	return c ? c : (x->id > y->id) - (x->id < y->id);
}

static struct source *claimed(struct mem_table *t, struct rng *r, const char *id)
{
	struct source *s;
	struct err e;

	qsort(t->rows, (size_t)t->n, sizeof *t->rows, by_k_v);
	for (int64_t i = 0; i < t->n; i++)
		t->rows[i].id = i;
	s = mem_open(t, 0, t->n, 1 + (int64_t)rng_below(r, 40), rng_u64(r), id);
	CHECK(schema_set_meta((struct schema *)(uintptr_t)s->schema, STR("stook.sorted"), STR("k,v"), &e) == 0);
	return s;
}

static void one_merge(struct rng *r)
{
	struct mem_table a = mem_random(r, (int64_t)rng_below(r, 200), 1 + rng_below(r, 3), rng_below(r, 4));
	struct mem_table b = mem_random(r, (int64_t)rng_below(r, 200), 1 + rng_below(r, 3), rng_below(r, 4));
	struct source *l = claimed(&a, r, "id"), *right = claimed(&b, r, "rid"), *s = NULL;
	int k = 1 + 2 * (int)rng_below(r, 2);
	struct join_opts o = { .kind = (enum join_kind)rng_below(r, 6), .memory = rng_below(r, 2) ? 0 : 1 + (int64_t)rng_below(r, 3000) };
	cleanup_arena struct arena arena = { 0 };
	struct key_spec lk, rk;
	struct pairs want, got;
	struct err e;

	CHECK(join_pairs(str_of(k == 1 ? "k" : "v,k"), &arena, &lk, &rk, &e) == 0);
	o.left = &lk;
	o.right = &rk;
	want = nested_loops(o.kind, k, &a, &b);
	CHECK(join_open(l, right, &o, &s, &e) == 0);
	got = run_join(s, &e);
	CHECK_I64(got.n, want.n);
	for (int64_t i = 0; i < want.n; i++) {
		CHECK_I64(got.v[i].left, want.v[i].left);
		CHECK_I64(got.v[i].right, want.v[i].right);
	}
	free(got.v);
	free(want.v);
	free(a.rows);
	free(b.rows);
}

TEST(merge_join_is_nested_loops)
{
	struct rng r;

	rng_seed(&r, 4);
	for (int i = 0; i < 300; i++)
		one_merge(&r);
}

/* A false claim is found out, on either side. */
TEST(false_claims_fail)
{
	for (int side = 0; side < 2; side++) {
		struct mem_table t[2];
		cleanup_arena struct arena arena = { 0 };
		struct key_spec lk, rk;
		struct join_opts o = { .kind = JOIN_FULL, .left = &lk, .right = &rk };
		struct source *from[2], *s = NULL;
		struct batch *b;
		struct rng r;
		struct err e;
		int rc;

		rng_seed(&r, 5);
		for (int i = 0; i < 2; i++) {
			t[i] = mem_random(&r, 100, 3, 0);
			from[i] = claimed(&t[i], &r, i ? "rid" : "id");
		}
		for (int i = 0; i < 50; i++) { /* the last rows come first */
			struct mem_row x = t[side].rows[i];

			t[side].rows[i] = t[side].rows[99 - i];
			t[side].rows[99 - i] = x;
		}
		CHECK(join_pairs(STR("k"), &arena, &lk, &rk, &e) == 0);
		CHECK(join_open(from[0], from[1], &o, &s, &e) == 0);
		while ((rc = source_next(s, &b, &e)) == 0 && b)
			batch_unref(b);
		CHECK_I64(rc, -ST_DATA);
		CHECK(strstr(e.msg, "out of order") != NULL);
		source_close(s);
		free(t[0].rows);
		free(t[1].rows);
	}
}

/* One key on both sides: more pairs than one batch holds. */
TEST(cross_of_one_key)
{
	struct mem_table a, b;
	cleanup_arena struct arena arena = { 0 };
	struct key_spec left, right;
	struct join_opts o = { .kind = JOIN_INNER, .left = &left, .right = &right };
	struct source *s = NULL;
	struct pairs got;
	struct rng r;
	struct err e;

	rng_seed(&r, 2);
	a = mem_random(&r, 700, 1, 0);
	b = mem_random(&r, 300, 1, 0);
	for (int64_t i = 0; i < a.n; i++)
		a.rows[i].v = 5;
	for (int64_t i = 0; i < b.n; i++)
		b.rows[i].v = 5;
	CHECK(join_pairs(STR("v"), &arena, &left, &right, &e) == 0);
	CHECK(join_open(mem_open(&a, 0, a.n, 700, 1, "id"), mem_open(&b, 0, b.n, 100, 1, "rid"), &o, &s, &e) == 0);
	got = run_join(s, &e);
	CHECK_I64(got.n, 700 * 300);
	for (int64_t i = 0; i < got.n; i++) {
		CHECK_I64(got.v[i].left, i / 300);
		CHECK_I64(got.v[i].right, i % 300);
	}
	free(got.v);
	free(a.rows);
	free(b.rows);
}

/* Columns: names that both have get a number, or the suffix; key columns of the right side go. */
static int columns(const char *pairs, const char *right_id, const char *suffix, char *dst, size_t size, struct err *e)
{
	struct mem_table none = { NULL, 0 };
	cleanup_arena struct arena arena = { 0 };
	struct key_spec left, right;
	struct join_opts o = { .kind = JOIN_LEFT, .left = &left, .right = &right, .suffix = suffix };
	struct source *s = NULL;
	size_t n = 0;
	int rc = join_pairs(str_of(pairs), &arena, &left, &right, e);

	if (rc < 0 || (rc = join_open(mem_open(&none, 0, 0, 1, 1, "id"), mem_open(&none, 0, 0, 1, 1, right_id), &o, &s, e)) < 0)
		return rc;
	for (int i = 0; i < s->schema->nfields; i++)
		n += (size_t)snprintf(dst + n, size - n, "%s%.*s", i ? " " : "", STR_ARG(s->schema->fields[i].name));
	source_close(s);
	return 0;
}

TEST(names_of_both_sides)
{
	char names[256];
	struct err e;

	CHECK(columns("k", "rid", NULL, names, sizeof names, &e) == 0);
	CHECK_STR(str_of(names), "k v id v_2 rid");
	CHECK(columns("k", "id", NULL, names, sizeof names, &e) == 0);
	CHECK_STR(str_of(names), "k v id v_2 id_2");
	CHECK(columns("k", "v_2", NULL, names, sizeof names, &e) == 0);
	CHECK_STR(str_of(names), "k v id v_3 v_2");
	CHECK(columns("k,v=rid", "rid", "_right", names, sizeof names, &e) == 0);
	CHECK_STR(str_of(names), "k v id v_right");
	CHECK_I64(columns("k", "vx", "x", names, sizeof names, &e), -ST_USAGE);
	CHECK_I64(columns("k=nope", "rid", NULL, names, sizeof names, &e), -ST_USAGE);
	CHECK_I64(columns("k=v", "rid", NULL, names, sizeof names, &e), -ST_USAGE); /* text against a number */
	CHECK_I64(columns("k=v:num", "rid", NULL, names, sizeof names, &e), 0);
}

TEST(pairs_are_parsed)
{
	cleanup_arena struct arena a = { 0 };
	struct key_spec l, r;
	struct err e;

	CHECK(join_pairs(STR("a=b:num,c,d\\=e\\,f=@2"), &a, &l, &r, &e) == 0);
	CHECK_I64(l.n, 3);
	CHECK_STR(l.parts[0].name, "a");
	CHECK_STR(r.parts[0].name, "b");
	CHECK(l.parts[0].reading == KEY_NUM && r.parts[0].reading == KEY_NUM);
	CHECK_STR(l.parts[1].name, "c");
	CHECK_STR(r.parts[1].name, "c");
	CHECK_STR(l.parts[2].name, "d=e,f");
	CHECK_I64(r.parts[2].at, 2);
	CHECK_I64(join_pairs(STR("a=b:desc"), &a, &l, &r, &e), -ST_USAGE);
	CHECK_I64(join_pairs(STR("a:num=b"), &a, &l, &r, &e), -ST_USAGE);
	CHECK_I64(join_pairs(STR("a=b=c"), &a, &l, &r, &e), -ST_USAGE);
	CHECK_I64(join_pairs(STR(""), &a, &l, &r, &e), -ST_USAGE);
}

int main(void)
{
	return RUN_TABLE(T1(join_is_nested_loops), T1(join_on_threads_is_nested_loops), T1(join_on_disk_is_nested_loops),
			 T1(join_of_many_parts_is_nested_loops),
			 T1(merge_join_is_nested_loops), T1(false_claims_fail),
			 T1(cross_of_one_key), T1(names_of_both_sides), T1(pairs_are_parsed));
}
