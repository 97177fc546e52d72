/* Columns: views of values in Arrow layout, and builders that own and grow them.
 *
 * A `struct column` owns nothing: its buffers live in the batch that holds it (or in a batch that one keeps alive). Row i of an
 * LAY_VAR column is values[offsets[i] .. offsets[i+1]). There is no bit offset: bit 0 of `valid` is row 0; a slice that does not
 * start on a byte copies its bitmap. Slots of nulls hold zeros (fixed) or nothing (var). */
#ifndef STOOK_TABLE_COLUMN_H
#define STOOK_TABLE_COLUMN_H

#include "lib/base/bits.h"
#include "lib/base/buf.h"
#include "lib/table/type.h"

struct column {
	const struct type *type;  /* lives in the schema of the batch */
	int64_t length, null_count; /* null_count is exact */
	const uint8_t *valid;     /* NULL: no nulls. bit = 1: there is a value */
	const uint8_t *values;
	const int32_t *offsets;   /* LAY_VAR, LAY_LIST: length + 1; dense union: length */
	const int64_t *offsets64; /* LAY_LIST64: length + 1 */
	struct column *children;  /* type->nchildren of them */
};

static inline bool column_is_null(const struct column *c, int64_t i)
{
	return c->type->id == T_NULL || (c->valid && !bit_get(c->valid, i));
}

/* The bytes of row i of an LAY_VAR column. */
static inline struct str column_str(const struct column *c, int64_t i)
{
	return (struct str){ (const char *)c->values + c->offsets[i], (size_t)(c->offsets[i + 1] - c->offsets[i]) };
}

static inline int64_t column_i64(const struct column *c, int64_t i) { return ((const int64_t *)(const void *)c->values)[i]; }
static inline double column_f64(const struct column *c, int64_t i) { return ((const double *)(const void *)c->values)[i]; }
static inline bool column_bool(const struct column *c, int64_t i) { return bit_get(c->values, i); }

/* Rows [from, from + n) of c as a view; what must be rebased or shifted is allocated in `a`. */
int column_slice(const struct column *c, int64_t from, int64_t n, struct arena *a, struct column *ret, struct err *e) nodiscard;

/* Bytes that n rows of c from `from` occupy (offsets, bitmaps and children included; for cutting batches by size). */
int64_t column_bytes(const struct column *c, int64_t from, int64_t n);

/* A builder grows one column. Zero it, then builder_init(); free it with builder_free(), also after a failure. */
struct builder {
	const struct type *type;
	int64_t n, nulls;
	struct buf valid;   /* empty until the first null */
	struct buf values;
	struct buf offsets; /* int32 or int64 */
	int nchildren;
	struct builder *children;
};

int builder_init(struct builder *b, const struct type *type, struct err *e) nodiscard;
void builder_free(struct builder *b);
void builder_reset(struct builder *b); /* empty again, memory kept */

int builder_null(struct builder *b, int64_t n, struct err *e) nodiscard;              /* n nulls */
int builder_str(struct builder *b, struct str s, struct err *e) nodiscard;            /* LAY_VAR */
int builder_strs(struct builder *b, const struct str *s, int64_t n, struct err *e) nodiscard; /* the same, n times; p = NULL: null */
int builder_printed(struct builder *b, struct err *e) nodiscard; /* LAY_VAR: the caller has added the value's bytes to b->values */
int builder_fixed(struct builder *b, const void *value, struct err *e) nodiscard;     /* LAY_FIXED: type->width bytes */
int builder_fixeds(struct builder *b, const void *values, int64_t n, struct err *e) nodiscard; /* the same, n times */
int builder_bool(struct builder *b, bool v, struct err *e) nodiscard;                 /* LAY_BIT */
int builder_nest(struct builder *b, struct err *e) nodiscard;                         /* a list, struct: its children are in */
int builder_rows(struct builder *b, const struct column *c, int64_t from, int64_t n, struct err *e) nodiscard; /* a range */

/* Rows idx[0 .. n) of c; idx ROW_NULL gives a null. Any layout but a union. */
#define ROW_NULL UINT32_MAX
int builder_gather(struct builder *b, const struct column *c, const uint32_t *idx, int64_t n, struct err *e) nodiscard;

/* Appending to var columns fails with ST_DATA past this many bytes; cut batches well before. */
#define VAR_BYTES_MAX INT32_MAX

/* A copy of what has been built, in arena `a`; the builder stays as it is. */
int builder_column(const struct builder *b, struct arena *a, struct column *ret, struct err *e) nodiscard;

/* What has been built as a view into the builder, valid until it is next touched. Child arrays are allocated in `a`. */
int builder_view(const struct builder *b, struct arena *a, struct column *ret, struct err *e) nodiscard;

#endif
