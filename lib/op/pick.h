/* Rows of several batches, in any order: what sort, merge and join give out.
 *
 * A row is named by the index of its batch in an array and its index there. All batches of one call have the layout of the
 * builder or rows that they go to. */
#ifndef STOOK_OP_PICK_H
#define STOOK_OP_PICK_H

#include "lib/table/batch.h"

struct rowref {
	uint32_t batch;
	uint32_t row; /* ROW_NULL: a row of nulls, `batch` is not looked at */
};

/* Appends rows refs[0 .. n) of column `col` to b. */
int pick_column(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n, struct err *e)
	nodiscard;

/* Appends rows refs[0 .. n), all columns. */
int pick_rows(struct rows *r, struct batch *const *batches, const struct rowref *refs, int64_t n, struct err *e) nodiscard;

/* Bytes of all columns of b, as they would be written. */
int64_t batch_bytes(const struct batch *b);
int64_t row_bytes(const struct batch *b, int64_t row); /* of one row */
int64_t batch_size(const struct batch *b); /* of its lines if it has them, else of its columns */

/* How many rows of `bytes` / `rows` bytes each make a batch of `size` bytes (0: the usual size): at least 1, at most BATCH_ROWS. */
int64_t rows_per_batch(int64_t bytes, int64_t rows, int64_t size);

#endif
