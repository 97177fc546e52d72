/* Partial states from anywhere: a table with the columns of every aggregate, or of a confusion matrix or its scores, filled from
 * the input (wrong types now and then), is merged. It must fail cleanly or give states that, merged once more, are the same. */
#include "lib/format/format.h"
#include "lib/table/partial.h"
#include "lib/op/reducer.h"
#include "lib/op/scores.h"

#include <stdlib.h>

/* One of them a run, or all: a damaged state of one would hide the others. */
static const char *const specs[] = {
	"n=count", "s=sum:t", "m=mean:t", "i=sum:i", "mi=mean:i", "f=sum:f", "mf=mean:f", "lo=min:t", "hi=max:k:nat", "a=first:k",
	"z=last:t", "d=distinct:t", "dk=distinct:k", "v=var:t", "vi=sd:i", "vf=varp:f", "q=median:t", "qi=p95:i", "qf=p5:f",
	"l=latest:i", "am=argmax:f:k", "h=distinct~:k", "li=list:t", "co=concat:k", "c=cov:t:i", "cf=cov:f:f", "r=corr:t:t", "rf=corr:f:f",
	"w=wmean:i:t", "wf=wmean:f:f", "mo=mode:k", "mt=mode:t", "hg=hist:t", "hf=hist:f", "hw=hist:t:2.5", "pt=p50~:t", "pf=quartiles~:f",
	"n=count,s=sum:t,m=mean:f,lo=min:t,z=last:t,d=distinct:t,v=var:t,q=median:t,l=latest:i,h=distinct~:k,li=list:t,mo=mode:k,hg=hist:t"
};

#define NSPECS (sizeof specs / sizeof *specs)

struct bytes {
	const uint8_t *p;
	size_t n;
};

static uint8_t byte(struct bytes *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static int64_t number(struct bytes *in)
{
	uint64_t v = 0;

	for (int k = byte(in) & 7; k >= 0; k--)
		v = v << 8 | byte(in);
	return (int64_t)v;
}

static struct str text(struct bytes *in)
{
	size_t n = byte(in) & 31;
	struct str s;

	n = n < in->n ? n : in->n;
	s = (struct str){ (const char *)in->p, n };
	in->p += n;
	in->n -= n;
	return s;
}

/* A source of one batch. */
struct one {
	struct source source;
	struct batch *b;
};

static int one_next(struct source *s, struct batch **ret, struct err *e)
{
	struct one *o = (struct one *)s;

	(void)e;
	*ret = o->b;
	o->b = NULL;
	return 0;
}

static void one_close(struct source *s)
{
	struct one *o = (struct one *)s;

	batch_unref(o->b);
	schema_unref(s->schema);
	free(o);
}

static struct source *one_open(struct schema *s, struct batch *b)
{
	struct one *o = calloc(1, sizeof *o);

	*o = (struct one){ { .schema = s, .next = one_next, .close = one_close }, b };
	return &o->source;
}

static struct schema *input_schema(void)
{
	struct schema *s = schema_new();
	struct err e;

	if (!s || schema_add(s, STR("k"), &TYPE_TEXT, true, &e) || schema_add(s, STR("t"), &TYPE_NUM, true, &e) ||
	    schema_add(s, STR("i"), &TYPE_INT64, true, &e) || schema_add(s, STR("f"), &TYPE_FLOAT64, true, &e))
		abort();
	return s;
}

static int open_reducer(struct source *in, const char *const *spec, bool merge, struct source **ret)
{
	struct reduce_opts o = { .group = "k", .naggs = 1, .aggs = spec, .partial = true, .merge = merge };
	struct err e;

	return reduce_open(in, &o, ret, &e);
}

/* A copy of s in which the input has changed some types. */
static struct schema *twist(const struct schema *s, struct bytes *in)
{
	const struct type types[] = { TYPE_TEXT, TYPE_NUM, TYPE_INT64, TYPE_FLOAT64, TYPE_BOOL, TYPE_NULL };
	struct schema *t = schema_new();
	struct err e;

	for (int i = 0; i < s->nfields; i++) {
		struct field f = s->fields[i];
		uint8_t k = byte(in);

		if (k < 6)
			f.type = types[k];
		if (schema_add_field(t, &f, &e))
			abort();
	}
	if (schema_copy_meta(t, s, &e))
		abort();
	return t;
}

static int fill(struct builder *b, struct bytes *in, struct err *e)
{
	int64_t v;

	if (b->type->id == T_NULL || byte(in) % 16 == 0)
		return builder_null(b, 1, e);
	switch (b->type->layout) {
	case LAY_VAR:
		return builder_str(b, text(in), e);
	case LAY_BIT:
		return builder_bool(b, byte(in) & 1, e);
	case LAY_FIXED:
		v = number(in);
		return builder_fixed(b, &v, e);
	default:
		break;
	}
	for (int k = byte(in) & 3; k > 0; k--)
		if (fill(&b->children[0], in, e))
			return -1;
	v = b->children[0].n;
	if (buf_add(&b->offsets, &(int32_t){ (int32_t)v }, 4))
		abort();
	if (b->nulls && b->valid.n < bits_bytes(b->n + 1) && buf_zero(&b->valid, 1))
		abort();
	if (b->nulls)
		bit_set(b->valid.p, b->n);
	b->n++;
	return 0;
}

static struct batch *table(struct schema *s, struct bytes *in)
{
	struct rows rows;
	struct batch *b;
	struct err e;

	if (rows_init(&rows, s, &e))
		abort();
	for (int n = 1 + (byte(in) & 7); n > 0; n--) {
		for (int i = 0; i < s->nfields; i++)
			if (fill(&rows.cols[i], in, &e))
				abort();
		rows.n++;
	}
	if (rows_take(&rows, &b, &e))
		abort();
	rows_free(&rows);
	return b;
}

static int fold(struct source *s, struct batch **ret, struct buf *text_of)
{
	struct err e = { 0 };
	int rc = source_next(s, ret, &e);

	for (int64_t i = 0; rc == 0 && *ret && i < (*ret)->nrows; i++)
		for (int c = 0; c < (*ret)->schema->nfields; c++)
			if (buf_byte(text_of, '|') ||
			    (!column_is_null(&(*ret)->cols[c], i) && value_print(&(*ret)->cols[c], i, text_of)))
				abort();
	if (rc < 0 && (e.status == ST_BUG || !e.msg[0]))
		abort();
	return rc;
}

/* States of pairs or scores, of counts or weights. */
static struct schema *judged_schema(bool scores, bool weights, struct bytes *in)
{
	static const char *const whats[] = { "confusion-matrix counts", "confusion-matrix weights", "confusion-matrix score counts",
					     "confusion-matrix score weights" };
	const struct partial about = { .aggregates = str_of(whats[scores * 2 + weights]) };
	const struct type label = byte(in) & 1 ? (struct type)TYPE_NUM : (struct type)TYPE_TEXT, num = TYPE_NUM,
			  amount = weights ? (struct type)TYPE_NUM : (struct type)TYPE_INT64;
	struct schema *s = schema_new(), *t;
	struct err e;

	if (!s || schema_add(s, STR("truth"), &label, true, &e) ||
	    schema_add(s, scores ? STR("score") : STR("predicted"), scores ? &num : &label, true, &e) ||
	    schema_add(s, STR("count"), &amount, false, &e) || partial_set(s, &about, &e))
		abort();
	t = twist(s, in);
	schema_unref(s);
	return t;
}

/* The states of a matrix merged from those of `from`, which is closed; NULL: refused. */
static struct source *merge_pairs(struct source *from)
{
	struct matrix_opts o = { .merge = true, .beta = "2", .normalize = NORM_ALL };
	struct source *states = NULL, *s = NULL;
	cleanup_batch struct batch *b = NULL;
	cleanup_buf struct buf json = { 0 };
	struct matrix m = { 0 };
	struct err e = { 0 };
	int rc = matrix_init(&m, from->schema, &o, &e);

	if (rc == 0 && (rc = source_next(from, &b, &e)) == 0 && b && (rc = matrix_add(&m, b, &e)) == 0 &&
	    (rc = matrix_report(&m, REPORT_PARTIAL, &states, &e)) == 0 && (rc = matrix_finish(&m, NULL, &e)) == 0) {
		if (matrix_json(&m, &json))
			abort();
		if (matrix_report(&m, REPORT_CLASSES, &s, &e) == 0)
			source_close(s);
	}
	if (rc < 0 && (e.status == ST_BUG || !e.msg[0]))
		abort();
	matrix_free(&m);
	source_close(from);
	return states;
}

/* Likewise of scores. */
static struct source *merge_scores(struct source *from)
{
	const struct score_opts o = { .merge = true, .positive = "1", .threshold = "0.5" };
	struct source *states = NULL;
	struct err e = { 0 };

	if (scores_partial(from, &o, &states, &e) < 0 && (e.status == ST_BUG || !e.msg[0]))
		abort();
	return states;
}

static void curves(struct source *from)
{
	const struct score_opts o = { .merge = true, .positive = "1", .threshold = "0.5" };
	struct source *cells;
	struct areas areas;
	struct err e = { 0 };

	if (scores_open(from, &o, &areas, &cells, &e) == 0)
		source_close(merge_pairs(cells));
	else if (e.status == ST_BUG || !e.msg[0])
		abort();
}

static int judged(bool scores, bool weights, struct bytes *in)
{
	struct schema *s = judged_schema(scores, weights, in);
	struct batch *b = table(s, in), *states = NULL, *same = NULL;
	cleanup_buf struct buf x = { 0 }, y = { 0 };
	struct source *merge, *again;

	if (scores)
		curves(one_open(schema_ref(s), batch_ref(b)));
	merge = (scores ? merge_scores : merge_pairs)(one_open(s, b));
	if (merge && fold(merge, &states, &x) == 0 && states) {
		again = (scores ? merge_scores : merge_pairs)(one_open(schema_ref(merge->schema), batch_ref(states)));
		if (!again || fold(again, &same, &y) || !same || !str_eq(buf_view(&x), buf_view(&y)))
			abort();
		source_close(again);
	}
	batch_unref(states);
	batch_unref(same);
	source_close(merge);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	const char *const *spec = &specs[byte(&in) % NSPECS];
	struct source *plain, *merge, *again;
	struct schema *s;
	struct batch *b, *states = NULL, *same = NULL;
	cleanup_buf struct buf x = { 0 }, y = { 0 };

	if (size && data[0] >= 0xfc)
		return judged(data[0] & 2, data[0] & 1, &in);
	if (open_reducer(one_open(input_schema(), NULL), spec, false, &plain))
		abort();
	s = twist(plain->schema, &in);
	source_close(plain);
	b = table(s, &in);
	if (open_reducer(one_open(s, b), spec, true, &merge))
		return 0;
	if (fold(merge, &states, &x) == 0 && states) {
		if (open_reducer(one_open(schema_ref(merge->schema), batch_ref(states)), spec, true, &again) ||
		    fold(again, &same, &y) || !same || !str_eq(buf_view(&x), buf_view(&y)))
			abort();
		source_close(again);
	}
	batch_unref(states);
	batch_unref(same);
	source_close(merge);
	return 0;
}
