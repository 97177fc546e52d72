/* Batches: some rows of a table, and where they came from.
 *
 * A batch is counted by reference (thread safe), immutable once shared, and owns its columns' memory through its arena and the
 * batches it keeps. Rows are at most BATCH_ROWS, or about BATCH_BYTES, by convention; anything above 0 is legal. */
#ifndef STOOK_TABLE_BATCH_H
#define STOOK_TABLE_BATCH_H

#include "lib/table/column.h"

#define BATCH_ROWS 65536
#define BATCH_BYTES (1 << 20)

/* Where a batch's rows came from. `locate`, when set, finds the exact place of a field (both indices from 0; field -1 = the row's
 * start) by scanning the raw text again: cheap to carry, paid for only when there is an error to report. */
struct bad_log;

enum line_end { LINE_USUAL, LINE_LF, LINE_CR, LINE_CRLF, LINE_OPEN }; /* as the input's first line; ...; not at all */

struct origin {
	const char *name;        /* input name for messages; lives as long as the batch. NULL: unknown */
	int64_t row;             /* data records of this input before this batch */
	int64_t line;            /* line number of the first record; 0 = not a text input */
	const void *text;        /* raw text of the batch, for `locate`; may be NULL */
	size_t text_size;
	int64_t text_row;        /* rows of `text` before the first row of the batch */
	const void *context;     /* for `locate`: dialect and the like */
	void (*locate)(const struct origin *o, int64_t row, int field, int64_t *line, int64_t *column);
	/* The raw text of a row, the line end perhaps included; p = NULL: not there. May be NULL. */
	struct str (*raw)(const struct origin *o, int64_t row);
	bool open_end;           /* the last row of the batch is the input's last line, and that has no line end */
	const uint8_t *line_ends; /* enum line_end: how the rows of `text` ended; NULL: all in the usual way */
	struct bad_log *log;     /* who counts bad records of rows that came from an input; NULL: nobody. Borrowed */
};

struct batch;
struct text_lines;

/* How lines of text must be made so that a sink can take them as they are: values separated by `delimiter`, in quotes where they hold
 * special bytes or are empty, and only there; nulls are nothing. */
struct line_form {
	uint8_t delimiter, quote;
	int comment;    /* no line begins with this byte; -1: any may */
	bool any_start; /* false: no line begins like a byte order mark either: nothing stands before the first */
	enum line_end end; /* LF, CR or CRLF */
	bool own_ends;  /* lines of an input that usually ends them so may end otherwise */
	/* Makes the lines of b's rows, in `a`. Any thread may ask. */
	int (*print)(const struct line_form *f, const struct batch *b, struct arena *a, struct text_lines *ret, struct err *e);
};

static inline size_t line_end_size(const struct line_form *f)
{
	return f->end == LINE_CRLF ? 2 : 1;
}

/* The rows as lines of the form that who reads asked for (source_want_lines() in stream.h): row i is text[at[i] .. at[i + 1]). at[] has
 * an entry more than there are rows; LINE_SLACK bytes behind the text may be read. at = NULL: not there. */
struct text_lines {
	const uint8_t *text;
	const uint32_t *at;
};

#define LINE_SLACK 64

struct batch {
	atomic_int refs;
	const struct schema *schema; /* holds a reference */
	int64_t nrows;
	struct column *cols;         /* schema->nfields of them */
	struct origin origin;
	struct text_lines lines;     /* where they are, columns that were not wanted may have no values */
	struct arena arena;
	struct batch *keep[2];       /* batches whose memory our columns use */
};

/* A batch of nrows rows whose columns are all zero, to be filled by the caller. NULL when out of memory. */
struct batch *batch_new(const struct schema *schema, int64_t nrows);
struct batch *batch_ref(struct batch *b);
void batch_unref(struct batch *b); /* NULL is fine */
#define cleanup_batch __attribute__((cleanup(batch_unrefp)))
static inline void batch_unrefp(struct batch **b) { batch_unref(*b); }

/* Keeps `other` alive as long as b (at most two). */
void batch_keep(struct batch *b, struct batch *other);

/* Rows [from, from + n) of b, sharing its memory. The origin moves along. */
int batch_slice(struct batch *b, int64_t from, int64_t n, struct batch **ret, struct err *e) nodiscard;

/* Rows idx[0 .. n) of b, copied. The origin's name is kept, its places are not. */
int batch_gather(const struct batch *b, const uint32_t *idx, int64_t n, struct batch **ret, struct err *e) nodiscard;

/* The same columns under another schema of the same layout (renamed, other metadata). */
int batch_rebind(struct batch *b, const struct schema *schema, struct batch **ret, struct err *e) nodiscard;

/* Gives b its lines instead of columns. */
void batch_only_lines(struct batch *b, struct text_lines lines);

/* A batch of lines in the making, at most `most` of them. A zeroed struct has none. Who adds lines writes them to text + bytes and their ends to
 * at[++n], as text_lines has them. */
struct line_batch {
	struct batch *batch; /* text and at lie in its arena */
	uint8_t *text;
	uint32_t *at;
	size_t bytes, room;
	int64_t n, most;
};

int line_batch_open(struct line_batch *l, const struct schema *schema, int64_t most, struct err *e) nodiscard;
/* Room for n more lines of that many bytes together, and LINE_SLACK behind them. */
int line_batch_room(struct line_batch *l, int64_t n, size_t bytes, struct err *e) nodiscard;
/* What has been added, as a batch of its own. */
struct batch *line_batch_take(struct line_batch *l);
void line_batch_free(struct line_batch *l);

/* Completes an error about row `row` (from 0, in the batch) and column `col` (-1: none): input name, line, column, row, field. */
int batch_err_at(const struct batch *b, int64_t row, int col, struct err *e);

/* Builders for all columns of a schema: collect rows, then take them as a batch. */
struct rows {
	const struct schema *schema; /* holds a reference */
	struct builder *cols;
	int64_t n;                   /* rows so far: kept by the functions below; who fills `cols` by hand counts for himself */
};

int rows_init(struct rows *r, const struct schema *schema, struct err *e) nodiscard;
void rows_free(struct rows *r);
int rows_add(struct rows *r, const struct batch *b, int64_t from, int64_t n, struct err *e) nodiscard;
int rows_gather(struct rows *r, const struct batch *b, const uint32_t *idx, int64_t n, struct err *e) nodiscard;
int rows_take(struct rows *r, struct batch **ret, struct err *e) nodiscard; /* the rows as a batch; r is empty again */
int rows_view(const struct rows *r, struct batch **ret, struct err *e) nodiscard; /* borrowed: valid until r is touched */
int64_t rows_bytes(const struct rows *r);

/* The same of lines. A zeroed struct is empty. */
struct line_rows {
	struct buf text, at; /* as in struct text_lines, at[] without its last entry */
	int64_t n;
};

void line_rows_free(struct line_rows *r);
/* n rows more; together less than 4 GiB. */
int line_rows_add(struct line_rows *r, const struct text_lines *from, int64_t n, struct err *e) nodiscard;
/* A batch without values, borrowed: valid until r is touched. */
int line_rows_view(struct line_rows *r, const struct schema *schema, struct batch **ret, struct err *e) nodiscard;

#endif
