/* Readings: a column looked at as numbers, text or times (product.md section 5: the operation says how a value is read).
 *
 * read_numbers() turns rows of any numeric, text or null column into doubles-or-decimals; everything that computes on numbers
 * (map, sort :num, reduce, split, confusion-matrix --score) reads through it, so that "is not a number" is said in one place.
 * */
#ifndef STOOK_TABLE_READING_H
#define STOOK_TABLE_READING_H

#include "lib/base/dec.h"
#include "lib/table/badlog.h"
#include "lib/table/batch.h"

enum on_bad { BAD_FAIL, BAD_NULL, BAD_SKIP };

enum number_kind {
	NUMS_I64,  /* i64[] */
	NUMS_F64,  /* f64[] */
	NUMS_DEC,  /* dec[] with pool; special[i] != 0 marks nan/inf values, which are in f64[i] then */
};

/* Numbers of one batch's column, one entry a row. `valid` as in struct column (NULL: all valid). Owned by the caller's arena,
 * big decimals by `pool`: free it with numbers_free(). */
struct numbers {
	enum number_kind kind;
	int64_t n, nulls;
	uint8_t *valid;
	const int64_t *i64;
	const double *f64;
	const struct dec *dec;
	const uint8_t *special; /* NULL: none */
	struct decpool pool;
};

/* What happens to values that cannot be read. With BAD_FAIL the first bad row is remembered: bad_row >= 0, and *e describes it
 * completely (place, field, hint); rows from bad_row on are not read. With BAD_NULL they become null, with BAD_SKIP they become
 * null and their bit in `skip` is set (one bit a row, allocated when first needed). One struct serves all reads of a batch:
 * start it with bad_values_of(policy); a later read stops before a bad_row that an earlier one found, so that the first bad
 * row wins. */
struct bad_values {
	enum on_bad policy;
	int64_t bad_row;  /* -1: none */
	int64_t count;    /* values that were bad */
	uint8_t *skip;    /* NULL: none */
	uint8_t *nulled;  /* BAD_NULL, when somebody counts (origin.log): the rows that had one; NULL: none */
};

static inline struct bad_values bad_values_of(enum on_bad policy)
{
	return (struct bad_values){ .policy = policy, .bad_row = -1 };
}

/* Reads rows sel[0 .. nsel) (ascending; sel NULL: all rows) of column col of b. Kind: int64 columns (and narrower) give
 * NUMS_I64, float columns NUMS_F64, text, num, uint64 and decimals NUMS_DEC; columns of other types fail with ST_USAGE naming
 * field and type. Returns 0 also when bad->bad_row was set: the caller emits the rows before it, then returns the error. */
int read_numbers(const struct batch *b, int col, const uint32_t *sel, int64_t nsel, struct bad_values *bad, struct arena *a,
		 struct numbers *ret, struct err *e) nodiscard;
void numbers_free(struct numbers *n);

/* Row i as a decimal (NUMS_I64, NUMS_DEC) or, when it has no exact finite value, false. */
static inline bool numbers_dec(const struct numbers *n, int64_t i, struct dec *ret)
{
	if (n->kind == NUMS_F64 || (n->special && n->special[i]))
		return false;
	*ret = n->kind == NUMS_I64 ? dec_from_i64(n->i64[i]) : n->dec[i];
	return true;
}

double numbers_f64(const struct numbers *n, int64_t i); /* nearest double */

/* "field ...: "12,5" is not a number" with place and hint into *e; returns -ST_DATA. For other readers of numbers. */
int not_a_number(const struct batch *b, int64_t row, int col, struct str value, enum dec_read why, struct err *e);

/* "..." is not a time, likewise. */
int not_a_time(const struct batch *b, int64_t row, int col, struct str value, struct err *e);

/* What the policy does with one bad value: 1 = stop, bad_row is set (*e must describe it already or be made to); 0 = it is
 * null, go on; negative: out of memory. For other readers of values. */
int bad_values_add(struct bad_values *bad, const struct batch *b, int64_t row, struct arena *a, struct err *e) nodiscard;

/* Marks a row, as bad_values_add() does. */
int bad_values_mark(struct bad_values *bad, const struct batch *b, int64_t row, struct arena *a, struct err *e) nodiscard;

/* All readings of b are done: the marked rows before bad_row are counted and laid aside, if b came from an input. find: they are
 * kept in *f, for work that is not done in order. */
int bad_values_done(const struct bad_values *bad, const struct batch *b, struct err *e) nodiscard;
int bad_values_find(const struct bad_values *bad, const struct batch *b, struct bad_found *f, struct err *e) nodiscard;

/* Times: dates as days since 1970-01-01, timestamps as microseconds since the epoch (UTC). ISO 8601 / RFC 3339 dates and times
 * ("2015-01-02", "2015-01-02T03:04:05.678Z", blank instead of T, offsets, no seconds), and typed date/timestamp columns.
 * Years have four digits, or a sign and five to seven. Digits beyond microseconds must be zeros; there is no second 60 and no
 * hour 24. */
bool time_parse(struct str s, int64_t *us);   /* false: not a time. A date is its midnight; no offset: UTC */
bool date_parse(struct str s, int32_t *days);
/* "2015-01-02T03:04:05.678Z", fraction of 3 or 6 digits, none when zero; room for 40. */
size_t time_print(int64_t us, char *dst);
size_t date_print(int32_t days, char *dst); /* room for 16 */

/* The Gregorian calendar for all years. Days since 1970-01-01; months and days from 1. */
bool date_from_civil(int64_t y, int m, int d, int64_t *days); /* false: no such day */
void date_to_civil(int64_t days, int64_t *y, int *m, int *d);

/* Microseconds since the epoch, one a row, as read_numbers() does: text by time_parse(), date and timestamp columns (finer
 * units rounded down). Other types: ST_USAGE. */
struct times {
	int64_t n, nulls;
	uint8_t *valid;
	const int64_t *us;
};

int read_times(const struct batch *b, int col, const uint32_t *sel, int64_t nsel, struct bad_values *bad, struct arena *a,
	       struct times *ret, struct err *e) nodiscard;

#endif
