/* var and sd: variance and standard deviation of a sample (divisor n - 1), rounded once from exact moments; varp and sdp those
 * of a population (divisor n). State: count, exact sum, exact sum of squares (moments.h). */
#include "lib/agg/agg.h"
#include "lib/agg/moments.h"

#include <math.h>

static const char *const kinds[] = { "moments.num", "moments.float64" };

enum kind { VAR_DEC, VAR_FLOAT };

static int ddof(const struct agg *a)
{
	return a->family == &agg_var || a->family == &agg_sd;
}

static bool is_root(const struct agg *a)
{
	return a->family == &agg_sd || a->family == &agg_sdp;
}

static int var_bind(struct agg *a, bool merge, struct err *e)
{
	const struct type *t = &a->schema->fields[a->cols[0]].type;
	int rc = merge ? agg_state_kind(a, kinds, 2, e) : 0;

	if (rc < 0)
		return rc;
	if (!merge && (rc = agg_check_numbers(a, 0, e)) < 0)
		return rc;
	a->kind = merge ? rc : type_is_float(t) ? VAR_FLOAT : VAR_DEC;
	a->need[0] = AGG_NUMBERS;
	a->size = a->kind == VAR_FLOAT ? sizeof(struct floatmoments) : sizeof(struct decmoments);
	if ((rc = agg_add_result(a, a->spec.out, TYPE_FLOAT64, true, e)) < 0 ||
	    (rc = agg_add_state(a, kinds[a->kind], TYPE_INT64, false, e)) < 0 ||
	    (rc = agg_add_state(a, "sum", a->kind == VAR_FLOAT ? TYPE_TEXT : TYPE_NUM, true, e)) < 0)
		return rc;
	return agg_add_state(a, "squares", a->kind == VAR_FLOAT ? TYPE_TEXT : TYPE_NUM, true, e);
}

static struct decmoments *dec_state(const struct agg *a, uint32_t g)
{
	return (struct decmoments *)(void *)(a->groups + g * a->size);
}

static struct floatmoments *float_state(const struct agg *a, uint32_t g)
{
	return (struct floatmoments *)(void *)(a->groups + g * a->size);
}

static inline int add(struct agg *a, uint32_t g, const struct numbers *nums, int64_t i)
{
	struct momentpool *p = a->more;

	if (nums->kind == NUMS_F64)
		return floatmoments_add(float_state(a, g), nums->f64[i], p);
	if (nums->kind == NUMS_I64)
		return decmoments_add(dec_state(a, g), (struct dec){ .m = nums->i64[i] }, NULL, p);
	if (nums->special && nums->special[i]) {
		dec_state(a, g)->special = SP_NAN;
		dec_state(a, g)->n++;
		return 0;
	}
	return decmoments_add(dec_state(a, g), nums->dec[i], &nums->pool, p);
}

#define AHEAD 16 /* rows whose states are fetched early */

static int var_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;

	if (nums->nulls == nums->n)
		return 0;
	for (int64_t i = 0; i < b->n; i++) {
		if (i + AHEAD < b->n && b->ids[i + AHEAD] != NO_GROUP)
			__builtin_prefetch(a->groups + b->ids[i + AHEAD] * a->size, 1);
		if (b->ids[i] != NO_GROUP && (!nums->valid || bit_get(nums->valid, i)) && add(a, b->ids[i], nums, i))
			return err_oom(e);
	}
	return 0;
}

static int64_t count_of(const struct agg *a, uint32_t g)
{
	return a->kind == VAR_FLOAT ? float_state(a, g)->n : dec_state(a, g)->n;
}

static int var_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	const struct momentpool *p = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		double v;

		if (count_of(a, g) <= ddof(a)) {
			rc = builder_null(out, 1, e);
			continue;
		}
		v = a->kind == VAR_FLOAT ? floatmoments_var(float_state(a, g), ddof(a), is_root(a), p)
					 : decmoments_var(dec_state(a, g), ddof(a), is_root(a), p);
		rc = builder_fixed(out, &v, e);
	}
	return rc;
}

static int put_text(struct agg *a, uint32_t g, bool squares, struct builder *out, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (!count_of(a, g))
		return builder_null(out, 1, e);
	if (a->kind == VAR_FLOAT ? floatmoments_print(float_state(a, g), squares, a->more, &b)
				 : decmoments_print(dec_state(a, g), squares, a->more, &b))
		return err_oom(e);
	return builder_str(out, buf_view(&b), e);
}

static int var_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		int64_t count = count_of(a, g);

		if ((rc = builder_fixed(&out[0], &count, e)) == 0 && (rc = put_text(a, g, false, &out[1], e)) == 0)
			rc = put_text(a, g, true, &out[2], e);
	}
	return rc;
}

static int var_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *n = &b->cols[a->state_col], *sum = n + 1, *squares = n + 2;

	if (a->state_col + 2 >= b->schema->nfields || n->type->id != T_INT64 || sum->type->id != T_UTF8 ||
	    squares->type->id != T_UTF8)
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		enum dec_read why;

		if (column_is_null(n, i) || column_i64(n, i) < 0 || (column_i64(n, i) == 0) != column_is_null(sum, i) ||
		    column_is_null(sum, i) != column_is_null(squares, i))
			return agg_bad_state(a, b, i, 0, e);
		if (column_is_null(sum, i))
			continue;
		why = a->kind == VAR_FLOAT ? floatmoments_load(float_state(a, ids[i]), column_i64(n, i), column_str(sum, i),
							       column_str(squares, i), a->more)
					   : decmoments_load(dec_state(a, ids[i]), column_i64(n, i), column_str(sum, i),
							     column_str(squares, i), a->more);
		if (why == DEC_NOMEM)
			return err_oom(e);
		if (why != DEC_OK)
			return agg_bad_state(a, b, i, 1, e);
	}
	return 0;
}

static size_t var_memory(const struct agg *a)
{
	const struct momentpool *p = a->more;

	return p->n * DECSUM_BIG + p->floats.n * sizeof(struct superacc);
}

static void var_drop(struct agg *a)
{
	momentpool_free(a->more);
}

#define VAR                                                                                                          \
	.min_fields = 1, .max_fields = 1, .more = sizeof(struct momentpool), .bind = var_bind, .update = var_update, \
	.finish = var_finish, .dump = var_dump, .load = var_load, .memory = var_memory, .drop = var_drop

const struct agg_family agg_var = {
	.name = "var",
	.signature = "var:FIELD",
	.example = "var:price",
	.help = "variance of a sample (divisor n - 1), rounded once",
	VAR,
};

const struct agg_family agg_sd = {
	.name = "sd",
	.signature = "sd:FIELD",
	.example = "sd:price",
	.help = "standard deviation of a sample, rounded once",
	VAR,
};

const struct agg_family agg_varp = {
	.name = "varp",
	.signature = "varp:FIELD",
	.example = "varp:price",
	.help = "variance of a population (divisor n), rounded once",
	VAR,
};

const struct agg_family agg_sdp = {
	.name = "sdp",
	.signature = "sdp:FIELD",
	.example = "sdp:price",
	.help = "standard deviation of a population, rounded once",
	VAR,
};
