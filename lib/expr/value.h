/* Values while a program runs: vectors over the rows of a batch, and the selection that says which rows count.
 *
 * A vector has a slot for every row; only the slots of the selection it was computed under mean something. A constant has
 * one slot for
 * all rows (mask 0). Nulls are a byte a row. Kernels of strict functions see neither nulls nor rows outside their selection.
 *
 * Numbers are int64, float64, or exact decimals; a decimal slot whose `big` is BIG_SPECIAL holds the bits of a nan or
 * infinity in m. */
#ifndef STOOK_EXPR_VALUE_H
#define STOOK_EXPR_VALUE_H

#include "lib/expr/expr.h"

enum value_type {
	V_NULL,  /* the literal null: fits anywhere */
	V_BOOL, V_I64, V_F64,
	V_DEC,   /* exact decimals, computed */
	V_NUM,   /* numbers as they are written: text that is read as a decimal when computed on */
	V_TEXT, V_JSON, V_BIN,
	V_DATE,  /* days since 1970-01-01 */
	V_TIME,  /* microseconds since 1970-01-01 UTC */
	V_SPAN,  /* a duration: microseconds */
	V_LIST,  /* for explode: ranges of rows of another column */
	V_OTHER, /* carried, not computed on */
	V_COUNT
};

const char *value_name(enum value_type t); /* for messages */

#define BIG_SPECIAL UINT32_MAX

struct sel {
	const uint32_t *idx; /* rows, ascending; NULL: all of 0 .. n */
	int64_t n;
};

/* Runs the statements in ... for every row i of a selection. */
#define EACH(s, i, ...)                                                  \
	do {                                                             \
		if ((s).idx) {                                           \
			for (int64_t k_ = 0; k_ < (s).n; k_++) {         \
				const int64_t i = (s).idx[k_];           \
				__VA_ARGS__                              \
			}                                                \
		} else {                                                 \
			for (int64_t i = 0; i < (s).n; i++) {            \
				__VA_ARGS__                              \
			}                                                \
		}                                                        \
	} while (0)

struct span {
	uint32_t from, n;
};

struct vec {
	enum value_type type;
	int64_t mask;     /* row i is slot i & mask: 0 for a constant, else -1 */
	uint8_t *null;    /* NULL: none */
	union {
		void *p;
		uint8_t *b;
		int64_t *i;
		double *f;
		struct dec *d;
		struct str *s;
		struct span *r; /* V_LIST: rows of `items` */
	};
	const struct column *items; /* V_LIST */
};

static inline bool vec_null(const struct vec *v, int64_t i) { return v->null && v->null[i & v->mask]; }

static inline bool dec_special(struct dec d) { return d.big == BIG_SPECIAL; }

static inline struct dec dec_of_special(double v)
{
	struct dec d = { .big = BIG_SPECIAL };

	memcpy(&d.m, &v, sizeof v);
	return d;
}

static inline double dec_special_f64(struct dec d)
{
	double v;

	memcpy(&v, &d.m, sizeof v);
	return v;
}

struct expr;

typedef int eval_fn(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e);

/* A kernel of a strict function: args[0 .. x->nargs) are all without nulls in `sel`, `ret` has room for every row. It fails
 * only
 * when the run cannot go on; a bad value is told with eval_bad_value(). */
typedef int kernel_fn(struct eval *ev, const struct expr *x, const struct vec *args, struct sel sel, struct vec *ret,
		struct err *e);

/* A checked expression. */
struct expr {
	enum value_type type;
	eval_fn *eval;
	kernel_fn *kernel;     /* when eval is eval_call */
	int nargs;
	struct expr **args;
	bool constant;         /* `value` has it */
	bool literal;          /* written in the program as such: numbers adapt to what they meet */
	bool raw;              /* text of a field, whose reading nobody has said */
	struct str text;       /* its part of the program, for messages; a literal number's digits */
	int at, weight;        /* weight: expressions in it, as often as they are computed */
	struct vec value;
	int slot;              /* a field's place among the slots of the run; -1: none */
	int cache;             /* place for the result while the selection is the statement's; -1: none */
	const void *data;      /* what the kernel prepared: a compiled pattern, a set, a unit */
	int64_t number;
};

/* A field or a result of a statement while the program runs. */
struct slot {
	bool is_column;
	struct column col;     /* is_column: row i is col[map ? map[i] : i] */
	const uint32_t *map;
	bool loaded;           /* vec holds col's values */
	struct vec vec;
};

struct match; /* regex.h: what a thread needs to match */

enum level_stage { LEVEL_READY, LEVEL_EXPLODING, LEVEL_DONE };

/* The rows that are in hand: those of the batch at level 0, those that the k-th explode made of some of them at level k. */
struct level {
	enum level_stage stage;
	int step;                /* next statement */
	struct arena arena;
	int64_t nrows;
	struct slot *slots;
	struct vec *caches;
	const uint32_t *src;     /* row here -> row of the batch; NULL: the same */
	struct sel sel;          /* the statement's selection: what is computed under it may be cached */
	int64_t bad_row;         /* first bad row; INT64_MAX: none */
	struct err bad;
	uint8_t *skip;           /* rows to drop, a byte each; NULL: none */
	struct vec list;         /* EXPLODING: what is taken apart, */
	int64_t pos;             /* how far in the selection, */
	uint32_t off;            /* and in that row's list */
};

/* What kernels may use of a run. */
struct eval {
	const struct program *p;
	enum on_bad policy;
	struct batch *batch;
	struct level *lv;        /* the level in hand */
	struct level *levels;
	int nlevels;
	int depth;               /* of lv; -1: no batch */
	struct decpool pool;     /* big decimals of this batch */
	int64_t nbad;
	struct bad_values marked; /* records of the batch that had a bad value */
	bool folding;            /* computing a constant: a bad value only counts */
	struct buf tmp;
	struct match *match;     /* regex.c */
};

/* Says that row i's value cannot be computed: its slot of `ret` becomes null, and the message is kept if this is the first
 * bad record
 * (%s of values: at most 60 bytes, please). `fault` is the expression to blame, whose field the message names; or NULL. */
int eval_bad(struct eval *ev, struct vec *ret, int64_t i, const struct expr *fault, struct err *e, const char *fmt, ...)
	printf_like(6, 7) nodiscard;
/* The same for text that is not a number. */
int eval_bad_number(struct eval *ev, struct vec *ret, int64_t i, const struct expr *fault, struct str value, enum dec_read why,
		    struct err *e) nodiscard;

/* Room for the level's rows (one for a constant). */
int vec_alloc(struct eval *ev, enum value_type type, struct vec *ret, struct err *e) nodiscard;
int vec_set_null(struct eval *ev, struct vec *v, int64_t i, struct err *e) nodiscard;

int eval_expr(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e) nodiscard;
eval_fn eval_call, eval_slot, eval_and, eval_or, eval_if, eval_coalesce, eval_is_null;

/* n bytes of text memory that live as long as the level. */
static inline char *eval_text(struct eval *ev, size_t n) { return arena_alloc(&ev->lv->arena, n ? n : 1); }

#endif
