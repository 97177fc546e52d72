/* The parts of a reducer: reducer.c binds and gives the groups, reducefold.c reads batches and folds them in, reducelines.c gives groups
 * as lines of text, reducespill.c sets groups aside and merges them again, reducelog.c does the same where nearly every row is a group of
 * its own.
 *
 * Three kinds of jobs run on the reducer's pool: an intake reads what key and aggregates need of one batch; a slice of the grouper looks
 * up its rows of some batches; an aggregate folds some batches in, or gives its columns of some groups. Batches are always taken in the
 * order of the input, and no two threads touch one slice or one aggregate: so the same comes out for any number of threads. */
#ifndef STOOK_OP_REDUCEWORK_H
#define STOOK_OP_REDUCEWORK_H

#include "lib/base/hash.h"
#include "lib/base/pool.h"
#include "lib/op/lanes.h"
#include "lib/op/merger.h"
#include "lib/op/reducer.h"
#include "lib/op/regroup.h"
#include "lib/op/twins.h"
#include "lib/table/partial.h"

#define WINDOW_MOST 16 /* batches that are folded in at a time, at most */

/* A field in one reading, shared by the aggregates that need it so; and what was read of it in a batch. */
struct view {
	enum agg_need need;
	int col;
	enum key_reading reading;
};

struct view_data {
	struct numbers nums;
	struct keys keys;
	uint64_t *hashes;
};

/* A batch, and what the key and the aggregates read of it. */
struct intake {
	struct job job;
	const struct reducer *r;
	struct batch *batch;
	int64_t row; /* rows that came before it */
	struct arena scratch;
	struct grouper_rows rows;
	struct view_data *views;
	struct batch **records; /* for the log: nrecords of them */
	int nrecords;
	struct agg *states;     /* those that made them, kept for their memory; NULL: none yet */
	struct bad_values bad;
	int64_t bad_row;     /* the first bad row of several readings is the one to report */
	int rc;
	struct err e;
};

struct window {
	struct intake in[WINDOW_MOST];
	int n;
	int rc; /* of what follows after these batches: < 0: the error e */
	struct err e;
};

/* A job of a slice, of an aggregate or of the key columns. */
struct task {
	struct job job;
	struct reducer *r;
	int number; /* of the slice or the aggregate; -1: the key columns */
	uint32_t from, n; /* groups to give */
	bool states, encoded;
	struct builder *out;
	int at; /* the batch that failed */
	int rc;
	struct err e;
};

/* Where nearly every row is a group of its own: rows and groups in their order, as states with places, and what tells which of them share
 * their key with others. */
struct reduce_log {
	struct lanes records;
	struct twins twins;
	uint8_t *shared; /* bit i: record i does; NULL: none */
};

/* A merged batch that gets the columns of the result. */
struct dressing {
	struct job job;
	struct reducer *r; /* NULL: nothing has begun */
	struct batch *from, *to; /* from = NULL: the end */
	int rc, after; /* after: of what follows, < 0: the error e */
	struct err e;
};

/* Some groups that become lines. */
struct lining {
	struct job job;
	const struct reducer *r; /* NULL: nothing has begun */
	uint32_t from; /* the first of them */
	struct batch *results, *lines;
	int rc;
	struct err e;
};

struct reducer {
	struct source source;
	struct source *in;
	struct reduce_opts o;
	struct arena arena;
	struct agg_specs specs;
	struct partial about; /* what our partial states say */
	struct agg *aggs;     /* specs.n of them */
	struct view *views;
	int nviews, (*view_of)[AGG_ARGS];
	struct grouper grouper;
	struct schema *schema;
	uint32_t *order; /* sorted */
	uint32_t next;   /* groups that have been given, or are in `out` */
	uint32_t chunk;  /* these are being written to `out` */
	struct rows out;
	bool folded;

	struct line_form form;   /* groups are given as lines of it; print = NULL: as columns */
	struct schema *results;  /* with lines: columns but those of the key */
	struct lining lining[2]; /* [turn] is given next */
	int turn, after;         /* after: of what follows the linings, < 0: the error after_e */
	struct err after_e;

	struct pool *pool; /* NULL: one thread */
	struct window windows[2], *folding; /* one is read while the other is folded in */
	int most;          /* batches a window */
	bool drained;
	int64_t batches, rows; /* that came */
	int64_t folded_rows;   /* that have been folded in */
	struct task *tasks; /* as many as there are slices, or aggregates and the key */

	int level;             /* > 0: merges what level - 1 has set aside */
	bool encoded;          /* what is set aside has the encoded keys in one column: at level 0 they are text again */
	struct buf first;      /* int64 a group: the place of its first row */
	struct schema *states; /* of what is set aside */
	struct regroup parts;
	struct reduce_log *log; /* NULL: not in use */
	struct source *merged; /* the parts' results */
	struct dressing dressing;
	struct key merge_key;
	int64_t given; /* rows that came from `merged` */
	size_t a_group; /* bytes that a group took in memory when groups were set aside */
};

/* What an output has between the keys and the rest; or no keys at all. */
enum place { NO_KEYS, NO_PLACE, ORDINAL, FIRST_ROW };
enum place reduce_place(const struct reducer *r);
int reduce_schema(struct reducer *r, bool states, enum place place, struct schema **ret, struct err *e) nodiscard;
int reduce_bind_agg(struct reducer *r, int i, struct err *e) nodiscard;
int reduce_bind_into(const struct reducer *r, int i, struct agg *ret, struct err *e) nodiscard;
/* What `above` (NULL: nobody) has set aside. */
int reduce_level(struct source *in, const struct reduce_opts *o, const struct reducer *above, struct source **ret, struct err *e)
	nodiscard;
/* Columns of keys. */
static inline int reduce_nkeys(const struct reducer *r, enum place place)
{
	return place == NO_KEYS ? 0 : r->encoded && place == FIRST_ROW ? 1 : r->grouper.key.n;
}
/* Appends groups [from, from + n) to all columns: those of r->order, once they are sorted. Then the rows as a batch. */
int reduce_start_emit(struct reducer *r, uint32_t from, uint32_t n, bool states, enum place place, struct rows *out, struct err *e)
	nodiscard;
int reduce_finish_emit(struct reducer *r, struct rows *out, struct batch **ret, struct err *e) nodiscard;
size_t reduce_memory(const struct reducer *r); /* bytes held for groups, about */
uint32_t reduce_groups_in(const struct reducer *r, size_t bytes, uint32_t most); /* how many hold about so many bytes, at most `most` */

int reduce_start_chunk(struct reducer *r, struct err *e) nodiscard; /* the next groups into r->out; r->chunk of them, 0 at the end */

/* For a sink that takes lines: want() of the source; the keys of a batch; groups from memory, and merged ones. */
void reduce_want(struct source *s, const bool *cols, const struct line_form *form);
int reduce_line_keys(const struct reducer *r, const struct batch *b, struct arena *a, struct keys *ret, struct err *e) nodiscard;
int reduce_next_lines(struct reducer *r, struct batch **ret, struct err *e) nodiscard;
int reduce_dress_lines(const struct reducer *r, const struct batch *b, struct batch **ret, struct err *e) nodiscard;
void reduce_forget_lines(struct reducer *r);

/* Reads all of r->in. */
int reduce_fold(struct reducer *r, struct err *e) nodiscard;
void reduce_forget_batches(struct reducer *r);
/* Folds a batch's rows into an aggregate of r->specs; x->rows.ids are below ngroups. */
int reduce_update(const struct reducer *r, int i, struct agg *a, const struct intake *x, uint32_t ngroups, struct err *e) nodiscard;

/* When groups outgrow the memory: to disk, and the tables are empty again; in the end all parts together are r->merged. */
bool reduce_is_full(const struct reducer *r);
int reduce_set_aside(struct reducer *r, struct err *e) nodiscard;
int reduce_open_states(struct reducer *r, struct err *e) nodiscard; /* r->states and r->a_group, for the groups that there are */
int reduce_open_parts(struct reducer *r, struct err *e) nodiscard;
int reduce_start_again(struct reducer *r, struct err *e) nodiscard; /* the tables are empty */
int reduce_bind_merge_key(struct reducer *r, struct err *e) nodiscard;
static inline uint8_t reduce_part_of(const struct reducer *r, struct str key)
{
	return hash64(key.p, key.n, (uint64_t)r->level + 1) % REGROUP_PARTS;
}
/* All groups, in batches of r->states, to `give`: batch b has those from `from` on. */
int reduce_give_states(struct reducer *r, int (*give)(struct reducer *r, struct batch *b, uint32_t from, struct err *e), struct err *e)
	nodiscard;
int reduce_merge_parts(struct reducer *r, struct err *e) nodiscard;
/* The encoded keys of a merged batch; COPY_SLACK bytes behind each may be read. NULL: out of memory. */
struct str *reduce_merged_keys(const struct batch *b, struct arena *a);
static inline void reduce_put_column(struct batch *b, int i, const struct column *c)
{
	b->cols[i] = *c;
	b->cols[i].type = &b->schema->fields[i].type;
}
int reduce_next_merged(struct reducer *r, struct batch **ret, struct err *e) nodiscard;
void reduce_forget_merged(struct reducer *r);

/* The log. From the first time that the memory is full, as long as it is worth it, the rows of each window become records in it; in the end,
 * records that are alone with their key are results as they are, others are merged a level down: together they are r->merged. */
bool reduce_may_log(const struct reducer *r);
int reduce_start_log(struct reducer *r, struct err *e) nodiscard;
void reduce_run_log(struct job *job); /* of an intake: makes its records */
int reduce_log_window(struct reducer *r, struct window *w, struct err *e) nodiscard;
int reduce_merge_log(struct reducer *r, struct err *e) nodiscard;
void reduce_forget_log(struct reducer *r);
void reduce_forget_states(struct reducer *r); /* what the making of records took; no job of a window runs */

/* Runs j on some thread; before the second batch at once, for small inputs are not worth another thread. */
static inline void reduce_start(struct reducer *r, struct job *j)
{
	pool_give(r->batches > 1 ? r->pool : NULL, j);
}

static inline void reduce_wait(struct reducer *r, struct job *j)
{
	pool_wait(r->pool, j);
}

/* The first n tasks, numbered from `first`. */
static inline void reduce_start_tasks(struct reducer *r, void (*run)(struct job *), int first, int n)
{
	for (int i = 0; i < n; i++) {
		struct task *t = &r->tasks[i];

		t->job.run = run;
		t->r = r;
		t->number = first + i;
		t->rc = 0;
		reduce_start(r, &t->job);
	}
}

/* Waits for them; the failure in the earliest batch, of the first such task. */
static inline int reduce_wait_tasks(struct reducer *r, int n, struct err *e)
{
	const struct task *bad = NULL;

	for (int i = 0; i < n; i++) {
		const struct task *t = &r->tasks[i];

		reduce_wait(r, &r->tasks[i].job);
		if (t->rc < 0 && (!bad || t->at < bad->at))
			bad = t;
	}
	if (!bad)
		return 0;
	*e = bad->e;
	return bad->rc;
}

#endif
