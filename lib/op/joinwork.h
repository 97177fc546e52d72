/* The parts of a join; for join*.c and asof.c alone.
 *
 *     join        what is known before the first row: keys, columns
 *     feed        one side, batch by batch, with encoded keys and row numbers
 *     build       rows of the right side in memory, found by key
 *     pass        a left feed against a build: a source of joined rows
 *     parts       both sides on disk, cut by the hash of the key, when the right one does not fit
 *
 * Rows that leave memory are tagged: behind their columns stand `:row`, the row's number in its input, `:key`, its encoded keys
 * (null: equals nothing), and `:place`, the line it came from when that is wanted. Joined rows that leave memory carry `:l` and
 * `:r`, the numbers of both rows (null: none), where they are not lines, and are packed (rowstore.h) under the number of the left row, or
 * behind all of those under that of the right row: this is the defined order of a join. */
#ifndef STOOK_OP_JOINWORK_H
#define STOOK_OP_JOINWORK_H

#include "lib/op/joiner.h"

#include "lib/base/pool.h"
#include "lib/op/order.h"
#include "lib/op/pick.h"
#include "lib/op/regroup.h"
#include "lib/op/rowout.h"

#define NO_MATCH UINT32_MAX
#define JOIN_NAMES 256

enum join_side { LEFT, RIGHT };

struct join {
	struct join_opts opts;
	struct arena arena;         /* of the bound keys, the maps and the names */
	struct key key[2];
	bool bare;                  /* keys are compared as the bytes of one text each */
	int nalts;                  /* 1, or with `any` as many as the left key has parts */
	int nleft, nright;          /* output columns of each side */
	const struct schema *left;  /* borrowed from the source */
	struct schema *payload;     /* right columns that go out, then (for right-only rows) those of the key */
	int *payload_col;           /* their indices in the right input */
	struct line_form lines;     /* print: rows are moved as lines (joinlines.c), and then: */
	struct str null_tail;       /* the tail of a left row without a match, and LINE_SLACK bytes */
	struct schema *line;        /* a line or a tail */
	struct schema *cells;       /* right columns that go out: what a tail is made of, if there are any; `payload` is `line` */
	struct key on[2];           /* as-of: the keys and the time behind them */
	int *rest_from;             /* right-only rows: left column i takes this payload column, or -1 */
	struct schema *out;         /* the result's */
	struct schema *tagged_out;  /* with :l and :r */
	const char *names[JOIN_NAMES]; /* of inputs, for places */
	int nnames;
	bool stopped;               /* the rows from left row stop_row on do not come out, `failure` does */
	int64_t stop_row;
	struct err failure;
	struct pool *pool;
};

static inline bool join_wants_rest(const struct join *j)
{
	return j->opts.kind == JOIN_RIGHT || j->opts.kind == JOIN_FULL;
}

static inline bool join_pads_left(const struct join *j)
{
	return j->opts.kind == JOIN_LEFT || j->opts.kind == JOIN_FULL;
}

static inline bool join_left_only(const struct join *j)
{
	return j->opts.kind == JOIN_SEMI || j->opts.kind == JOIN_ANTI;
}

/* Columns (joincols.c). */
int join_columns(struct join *j, const struct schema *left, const struct schema *right, struct err *e) nodiscard;
void join_free(struct join *j);

/* A result where both inputs had late JSON keys (REST_NAME): `left` and `right` in one column, the left's. Keys of the right that the left
 * has too get `suffix` (NULL: _2, _3, ...). Takes `from`, also when it fails (joinrest.c). */
int join_one_rest(struct source *from, int left, int right, const char *suffix, struct source **ret, struct err *e) nodiscard;

/* Rows idx[0 .. n) of b, as cheaply as can be: itself, a slice, or gathered. */
int join_rows(struct batch *b, const uint32_t *idx, int64_t n, struct batch **ret, struct err *e) nodiscard;

/* n joined rows. left NULL: rows of the right alone; payload NULL: left columns only. l, r: row numbers for a tagged result (r < 0, l < 0:
 * none), NULL: plain. */
int join_compose(const struct join *j, struct batch *left, struct batch *payload, int64_t n, const int64_t *l, const int64_t *r,
		 struct batch **ret, struct err *e) nodiscard;

/* Rows 0 .. n of a tagged result without its tags. Not of lines. */
int join_untag(const struct join *j, struct batch *b, int64_t n, struct batch **ret, struct err *e) nodiscard;

/* Lines (joinlines.c). */

/* Can this join move its rows as lines of that form? Where it can, before the inputs are read: both are asked for them. */
bool join_lines_apply(const struct join *j, const struct line_form *form);
int join_ask_for_lines(struct join *j, struct source *left, struct source *right, const struct line_form *form, struct err *e) nodiscard;

/* join_rows(), build_payload() and join_compose() in one, of lines: n more, or so many of them that all together are at most `most` bytes;
 * one at least in any case. */
struct build;
int join_add_lines(const struct join *j, const struct build *build, struct batch *left, const uint32_t *idx, const uint32_t *hits, int64_t n,
		   size_t most, struct line_batch *ret, struct err *e) nodiscard;

/* Of joined rows that leave memory. */
static inline const struct schema *join_run_schema(const struct join *j)
{
	return j->lines.print ? j->line : j->tagged_out;
}

static inline struct column join_line_column(const struct join *j, const struct text_lines *lines, int64_t n)
{
	return (struct column){ .type = &j->line->fields[0].type, .length = n, .values = lines->text,
				.offsets = (const int32_t *)(const void *)lines->at };
}

static inline struct text_lines join_lines_in(const struct column *c)
{
	return (struct text_lines){ c->values, (const uint32_t *)c->offsets };
}

/* Notes that the error `e` comes instead of left row `row` and all after it. */
void join_stop(struct join *j, int64_t row, const struct err *e);

/* Feeds (joinfeed.c). */
struct feed {
	struct join *j;
	enum join_side side;
	bool tagged;
	struct source *from;
	struct batch *raw;      /* as it came */
	struct batch *batch;    /* left: the input's columns; right: the payload's, or `cells`. NULL: at the end */
	struct arena arena;
	struct keys *keys;      /* one an alternative */
	const int64_t *numbers; /* tagged; else row i is base + i */
	const int64_t *places;  /* with opts.expect */
	int64_t base, n, at;    /* n: rows before a bad one; at: for who takes rows piece by piece */
	struct bad_values bad;
	struct order *order;    /* check that keys ascend; NULL: no */
	bool failed;            /* after row n comes `failure` */
	struct err failure;
};

/* Takes `from`, also when it fails. */
int feed_open(struct feed *f, struct join *j, enum join_side side, bool tagged, struct source *from, struct err *e) nodiscard;
int feed_next(struct feed *f, struct err *e) nodiscard; /* the next batch that is not empty */
/* The batch at hand, with all that belongs to it, as a feed without a source: for another thread. f keeps its failure. */
int feed_take(struct feed *f, struct feed *ret, struct err *e) nodiscard;
void feed_close(struct feed *f);
/* Where rows are moved as lines, the batch at hand becomes one of lines, or of tails; by any thread. */
int join_feed_lines(struct feed *f, struct err *e) nodiscard;

static inline int64_t feed_row(const struct feed *f, int64_t i)
{
	return f->numbers ? f->numbers[i] : f->base + i;
}

static inline bool feed_skipped(const struct feed *f, int64_t i)
{
	return f->bad.skip && bit_get(f->bad.skip, i);
}

static inline bool feed_null(const struct feed *f, int alt, int64_t i)
{
	return f->keys[alt].has_null && f->keys[alt].has_null[i];
}

/* The schema of tagged rows of a side; its current batch with the tags. */
int feed_tagged_schema(const struct join *j, enum join_side side, struct schema **ret, struct err *e) nodiscard;
int feed_tag(struct feed *f, const struct schema *tagged, struct batch **ret, struct err *e) nodiscard;

/* The cardinality is not as expected: record `second` of `side` shows it, `first` is the one before; `row` is the left row at hand
 * and `alt` the field (of `any`) that matched. Fills *e, returns -ST_DATA. */
int join_unexpected(const struct feed *left, int64_t row, int alt, enum join_side side, int64_t first, int64_t second, struct err *e);

/* Build side (joinbuild.c: the rows, jointable.c: finding them). A row is named by 31 bits, where it lies. Names of one key ascend in right
 * order; those of all rows do where rows have something in front of them.
 * Where a packed row (rowstore.h) has its size, the next row of its key is noted; in front of it stand, as far as they are needed, from
 * right to left: its number and whether it was matched; with opts.expect its place in the input and that of the first left row that
 * matched it. */
#define BUCKET_ROWS 12  /* with their tags a cache line */

struct build {
	struct join *j;
	uint32_t head;            /* bytes in front of a row */
	uint32_t slices;          /* of each piece, by the first bits of its rows' hashes: a power of two */
	struct build_extent {
		uint8_t *p;
		size_t n, size;
	} *extents;
	uint32_t nextents;
	struct build_piece **pieces; /* batches of rows, being packed or in their place, in right order */
	int64_t npieces, cap, settled, moved;
	int64_t pending;          /* data of those that are not settled */
	int64_t n, bytes;         /* rows and memory of those settled */
	int64_t data;             /* bytes of the payload, as columns: how large a row is */
	size_t largest;           /* of the rows there have been, at least */
	uint64_t seed;
	struct build_bucket {
		uint8_t tags[BUCKET_ROWS]; /* of the rows' hashes; 0: free */
		uint16_t n;
		bool passed;               /* rows that would belong here lie behind it */
		uint32_t rows[BUCKET_ROWS];
	} *buckets;
	uint32_t nparts, part_size; /* the table's parts, and the buckets of each; 0: no table yet */
	bool unique;              /* no key has two rows */
};

void build_init(struct build *b, struct join *j, bool tagged);
void build_clear(struct build *b); /* forgets the rows; the next one follows them */
void build_free(struct build *b);

/* Takes rows from the feed until it ends (*full = false) or opts.memory is used up. */
int build_fill(struct build *b, struct feed *f, bool *full, struct err *e) nodiscard;

/* Makes the table: before rows are looked up. */
int build_index(struct build *b, struct err *e) nodiscard;

/* found[i] = the first row with the key of row i of alternative `alt`, or NO_MATCH; of rows [from, to). */
void build_find(const struct build *b, const struct feed *left, int alt, int64_t from, int64_t to, uint32_t *found);

/* Is most of what is there of one key? Then cutting by the hash of the key would not help. */
bool build_is_one_key(const struct build *b);

/* Rows hits[0 .. n) of the payload, NO_MATCH as nulls. */
int build_payload(const struct build *b, const uint32_t *hits, int64_t n, struct batch **ret, struct err *e) nodiscard;

/* Keys of rows rows[0 .. n), copied. */
int build_keys(const struct build *b, const uint32_t *rows, int64_t n, struct arena *a, struct keys *ret, struct err *e) nodiscard;

/* All rows, as their names ascend: *at is zero at first. */
struct build_at {
	uint32_t extent;
	size_t offset;
};

bool build_each(const struct build *b, struct build_at *at, uint32_t *row);

#define EXTENT_BITS 22 /* of a place, in units of 8 bytes: the rest is the extent */
#define BUILD_LAST ((uint32_t)1 << 31)   /* row_next(): the last of its key; the other bits are the first ones of its hash */
#define BUILD_UNLISTED (BUILD_LAST - 1) /* in no list, for its key has a null */

static inline uint8_t *build_row(const struct build *b, uint32_t row)
{
	return b->extents[row >> EXTENT_BITS].p + (size_t)(row & ((1u << EXTENT_BITS) - 1)) * 8 + b->head;
}

/* From one row to the next. */
static inline size_t build_step(const struct build *b, const uint8_t *row)
{
	return (b->head + row_measure(row, b->j->payload) + 7) & ~(size_t)7;
}

static inline uint32_t *row_next(uint8_t *row) { return (uint32_t *)(void *)row; }

/* The next row of the key of a listed one, or NO_MATCH. */
static inline uint32_t build_next(const struct build *b, uint32_t row)
{
	uint32_t next = *row_next(build_row(b, row));

	return next & BUILD_LAST ? NO_MATCH : next;
}

/* With tagged rows, rows wanted for themselves, and `any`: */
#define ROW_MATCHED INT64_MIN
static inline int64_t *row_flagged(uint8_t *row) { return (int64_t *)(void *)(row - 8); }
static inline int64_t row_number(uint8_t *row) { return __atomic_load_n(row_flagged(row), __ATOMIC_RELAXED) & ~ROW_MATCHED; }
static inline bool row_matched(uint8_t *row) { return __atomic_load_n(row_flagged(row), __ATOMIC_RELAXED) & ROW_MATCHED; }

/* By several threads at a time. */
static inline void row_match(uint8_t *row)
{
	if (!row_matched(row))
		__atomic_fetch_or(row_flagged(row), ROW_MATCHED, __ATOMIC_RELAXED);
}

/* With opts.expect: */
static inline int64_t *row_place(uint8_t *row) { return (int64_t *)(void *)(row - 16); }
static inline int64_t *row_left_place(uint8_t *row) { return (int64_t *)(void *)(row - 24); }

static inline bool build_is_numbered(const struct build *b)
{
	return b->head > 0;
}

/* Passes (joinpass.c). Rows of the left that are seen again against another build carry the place of their first match, or 0. */
struct pass_opts {
	bool tagged;               /* joined rows leave memory */
	bool final;                /* the right side ends with this build: left rows that found nothing come out */
	struct source *seen;       /* of the passes before; NULL: this is the first. Borrowed */
	struct spill *to;          /* where to note it for the next pass; NULL: there is none */
	int64_t batch_bytes;       /* 0: the usual; tagged: of the blocks */
};

/* Borrow build and feed. */
int pass_open(struct build *b, struct feed *left, const struct pass_opts *o, struct source **ret, struct err *e) nodiscard;
/* Tagged: blocks of packed rows, compressed. */
int pass_rows(struct build *b, struct feed *left, const struct pass_opts *o, struct rowstream **ret, struct err *e) nodiscard;

#define SEEN_RECORD 1 /* the place of a first match whose place is not kept */

/* Both sides on disk (joinpart.c): called when `b` is full and the rest of the right side is still in `right`. Borrows all. */
int parts_open(struct join *j, struct build *b, struct feed *right, struct feed *left, struct source **ret, struct err *e) nodiscard;

/* Right rows that the left rows at hand are paired with, all of them with each (joingroup.c): a merge join's rows of one key, all of a
 * cross join. Batches are kept while there is memory, then the rows lie on disk and are read again for each left row. */
struct group {
	struct join *j;
	struct batch **held;     /* of the payload */
	uint32_t nheld, held_cap, first; /* from `first` on they are the group's, before it of pairs noted earlier */
	struct rowref *refs;     /* the rows, in held */
	int64_t n, cap, bytes;
	int64_t place[2];        /* of the first two; with opts.expect */
	int64_t left_place;      /* of the first left row that matched */
	bool on_disk;
	struct spill spill;
	struct source *again;    /* on disk: for the left row at hand, */
	struct batch *part;      /* of which these rows are at hand, */
	int64_t part_at;         /* from this one on */
	int64_t at;              /* the next to be paired with the left row at hand */

	uint32_t *idx;           /* noted pairs: left rows, */
	struct rowref *pairs;    /* and right rows in held; ROW_NULL: none */
	int64_t npairs, max;
	int number_col;          /* >= 0: the left batch's column of row numbers, for a tagged result */
};

int group_open(struct group *g, struct join *j, struct err *e) nodiscard;
void group_close(struct group *g);
void group_reset(struct group *g); /* an empty group; pairs noted stay */
/* Appends rows [from, to) of the right feed's batch. */
int group_add(struct group *g, const struct feed *right, int64_t from, int64_t to, struct err *e) nodiscard;
/* Notes left row i without a match, or with row r of what is held. */
void group_note_none(struct group *g, int64_t i);
void group_note(struct group *g, int64_t i, struct rowref r);
int group_hold(struct group *g, struct batch *b, struct err *e) nodiscard;
void group_release(struct group *g); /* forgets the batches before `first` */
/* Pairs left row i with the group's rows from g->at on. *done = false: flush and call again. *ret: a batch that is ready. */
int group_pair(struct group *g, struct batch *left, int64_t i, bool *done, struct batch **ret, struct err *e) nodiscard;
/* Is it time to flush? */
bool group_is_full(const struct group *g);
/* The pairs noted as joined rows, or the first of them: ask again while there are some. */
int group_flush(struct group *g, struct batch *left, struct batch **ret, struct err *e) nodiscard;

/* Merge join (joinmerge.c): both inputs claim an order that has the keys first. *ret = false: they do not. Reorders the keys. */
int merge_join_applies(struct join *j, const struct schema *left, const struct schema *right, bool *ret, struct err *e) nodiscard;

/* Borrow the feeds. */
int merge_join_open(struct join *j, struct feed *left, struct feed *right, struct source **ret, struct err *e) nodiscard;
/* Do these sources claim to be sorted by the key, part by part? */
bool is_claimed(const struct schema *s, const struct key *k);

/* As-of join (asof.c). Takes both sources, also when it fails. */
int asof_tolerance(const struct join_asof *o, enum key_reading reading, struct decpool *p, struct dec *ret, struct err *e) nodiscard;
int asof_open(struct join *j, struct source *left, struct source *right, struct source **ret, struct err *e) nodiscard;

/* Every left row with every right row (joincross.c). */
int cross_open(struct join *j, struct feed *left, struct feed *right, struct source **ret, struct err *e) nodiscard;

/* Are keys equal if and only if the bytes of one field are? */
bool join_keys_are_bare(const struct join *j, const struct schema *left, const struct schema *right);

/* Is this part of a key compared as text (which can be normalized), not as a number or a time? */
static inline bool join_key_is_text(const struct key_bound *p, const struct schema *s)
{
	const struct type *t = &s->fields[p->col].type;

	return t->id == T_UTF8 && p->reading != KEY_NUM && p->reading != KEY_TIME && !(p->reading == KEY_AUTO && type_is_num(t));
}

#endif
