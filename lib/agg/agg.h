/* Aggregates: a table, one family a file, one function a row.
 *
 *     agg_parse("n=count,total=sum:price", &arena, &list, e);         // -a
 *     agg_bind(&list.v[i], schema, false, &a, e);                     // what it reads, what it gives
 *     agg_reserve(&a, ngroups, e); agg_update(&a, &batch, e);         // per batch, under dense group ids
 *     a.family->finish(&a, from, n, builder, e);                      // results of groups [from, from + n)
 *
 * The state of a group is a fixed number of bytes, all zero for a group that has seen nothing; what does not fit there hangs
 * off the aggregate. dump() writes states as ordinary columns and load() folds such columns in: load(dump(a)) after
 * load(dump(b)) is the state of a's rows followed by b's, for any cut. Nulls are skipped.
 *
 * Not thread safe; one aggregate, one thread. */
#ifndef STOOK_AGG_AGG_H
#define STOOK_AGG_AGG_H

#include "lib/table/key.h"

#define AGG_ARGS 2 /* fields one aggregate may read */
#define NO_GROUP UINT32_MAX

/* One item of -a: [OUT=]FUNC[:FIELD[:ARG|:MOD]] */
struct agg_spec {
	const struct agg_family *family;
	struct str out;  /* name of the result; FUNC or FUNC_FIELD when not given */
	bool named;      /* it was given */
	struct str func; /* as written: "p95" for the family pNN */
	int nfields;
	struct str fields[AGG_ARGS]; /* FIELD texts, escapes kept */
	struct str arg;              /* n = 0: none */
	enum key_reading reading;    /* :num :text :nat :fold :time, KEY_AUTO without */
	struct str text;             /* canonical "[OUT=]FUNC:FIELD:MOD", for messages and partial states */
};

struct agg_specs {
	int n;
	struct agg_spec *v;
};

/* Parses an AGG list; appends to *ret. Unknown functions list what exists (ST_USAGE). Strings borrow `text` or live in `a`. */
int agg_parse(struct str text, struct arena *a, struct agg_specs *ret, struct err *e) nodiscard;

/* How an aggregate looks at a field. */
enum agg_need {
	AGG_VALUES,  /* the column as it is */
	AGG_NUMBERS, /* read_numbers() */
	AGG_KEYS,    /* keys_encode() of this one field */
	AGG_HASHES,  /* placement_hash() of this one field, seed 0: the same everywhere and for ever */
};

/* One batch as an aggregate sees it. */
struct agg_batch {
	int64_t n;
	const uint32_t *ids; /* group of each row; NO_GROUP: the row does not count */
	const struct batch *batch;
	struct agg_arg {
		const struct column *col;
		const struct numbers *nums; /* AGG_NUMBERS */
		const struct keys *keys;    /* AGG_KEYS */
		const uint64_t *hashes;     /* AGG_HASHES */
	} args[AGG_ARGS];
};

struct agg_field {
	struct str name;
	struct type type;
	bool nullable;
	const char *error; /* of an estimate: its error bound, for the field's metadata `stook.error`; NULL: exact */
};

/* A bound aggregate. */
struct agg {
	const struct agg_family *family;
	struct agg_spec spec;
	struct schema *schema; /* of the input (or of the partial states): owns what the types below point to */
	int nargs, cols[AGG_ARGS];
	enum agg_need need[AGG_ARGS];
	int kind;           /* the family's own: how the values are read, ... */
	struct arena arena; /* owns the two lists and what bind() needs */
	int nresult, nstate;
	struct agg_field *results; /* columns of the result: most have one, called OUT */
	struct agg_field *states;  /* columns of the state: OUT:NAME */
	const struct key *group;   /* key columns of the operation: valid during bind() */
	bool partial;              /* dump() will be called: set by the caller before the first update */
	int threads;               /* that finish() may use: set by the caller; 0: one */
	int state_col;             /* merging: index of the first state column in `schema` */

	size_t size;     /* bytes of a group's state: family->size unless bind() says otherwise */
	uint8_t *groups; /* ngroups * size bytes */
	uint32_t ngroups, cap;
	size_t heap; /* bytes that states hold beside (as far as the family counts them here) */
	void *more;  /* family->more bytes, zero at first: pools and tables of all groups */
};

struct agg_family {
	const char *name; /* what -a takes; "pNN" stands for p0 .. p100 */
	int min_fields, max_fields;
	const char *arg; /* the last of them is no field but an argument, so called; NULL: none */
	bool reads;      /* takes a reading (:num, :text, ...) */
	size_t size, more;
	const char *signature, *help; /* "sum:FIELD", one sentence */
	const char *example; /* an item of -a for the fields country, day (text), price, qty (numbers), id, shop and paid (bool) */

	/* Fills need and kind, adds results and states, from spec and schema. In a merge, cols are not set; see
	 * agg_state_kind(). */
	int (*bind)(struct agg *a, bool merge, struct err *e);
	int (*update)(struct agg *a, const struct agg_batch *b, struct err *e);
	int (*finish)(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e); /* out[nresult] */
	int (*dump)(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e);   /* out[nstate] */
	/* Folds rows of a partial table in: its state columns are b->cols[a->state_col ...]; ids[i] is the group of row i. */
	int (*load)(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e);
	size_t (*memory)(const struct agg *a); /* bytes of `more`; NULL: nothing to speak of */
	void (*drop)(struct agg *a);           /* frees what hangs off groups and `more`; NULL: nothing */
};

/* Binds a spec to the schema of the input, or (merge) to that of partial states. `group`: the key of the groups. */
int agg_bind(const struct agg_spec *spec, const struct schema *s, const struct key *group, bool merge, struct agg *ret,
	     struct err *e) nodiscard;
void agg_free(struct agg *a);
/* Frees `from` (zeroed is fine), and `to`, just bound, has its memory for groups instead of new one. */
void agg_replace(struct agg *to, struct agg *from);

/* Bytes held for all groups, about. */
size_t agg_memory(const struct agg *a);

/* Room for the states of groups 0 .. ngroups-1. */
int agg_reserve(struct agg *a, uint32_t ngroups, struct err *e) nodiscard;

/* The table. */
extern const struct agg_family *const agg_families[]; /* NULL terminated */
extern const struct agg_family agg_count, agg_sum, agg_mean, agg_min, agg_max, agg_first, agg_last, agg_distinct, agg_latest,
	agg_argmin, agg_argmax, agg_var, agg_sd, agg_varp, agg_sdp, agg_cov, agg_corr, agg_wmean, agg_median, agg_quantile,
	agg_pnn, agg_pnn_sketch, agg_quartiles_sketch, agg_mode, agg_hist, agg_distinct_sketch,
	agg_list, agg_concat, agg_any, agg_all;
/* 0 or -1 (memory). */
int agg_help(struct buf *b);     /* for --help: signature, help and example of each */
int agg_mdoc(struct buf *b);     /* the same as a subsection of a man page */
int agg_examples(struct buf *b); /* the examples as commands, one a line, for the tests */

/* For families: */

/* State of group g as the family's type. */
#define AGG_STATE(a, type, g) (&((type *)(void *)(a)->groups)[g])

/* Adds a column; the type is copied shallowly (its children must outlive the aggregate). */
int agg_add_result(struct agg *a, struct str name, struct type t, bool nullable, struct err *e) nodiscard;
int agg_add_state(struct agg *a, const char *name, struct type t, bool nullable, struct err *e) nodiscard;
/* For AGG_KEYS and AGG_HASHES: whether column `col` of s can be read as the spec says. */
int agg_check_key(const struct agg *a, const struct schema *s, int col, struct err *e) nodiscard;
/* "field "x" is text: say max:x:num or max:x:text" */
int agg_say_reading(const struct agg *a, int col, struct err *e);
/* "field "x" is list<int64>: sum cannot compute on it" */
int agg_bad_type(const struct agg *a, int col, struct err *e);
/* For AGG_NUMBERS: agg_bad_type() unless column `col` can be read as numbers. */
int agg_check_numbers(const struct agg *a, int col, struct err *e) nodiscard;
/* Which of `names` (n of them) the first state column "OUT:NAME" in a->schema has: its index; sets state_col. < 0: ST_DATA. */
int agg_state_kind(struct agg *a, const char *const *names, int n, struct err *e) nodiscard;
/* A state that no dump() wrote: ST_DATA at row i, state column k of b (NULL: no place). */
int agg_bad_state(const struct agg *a, const struct batch *b, int64_t row, int k, struct err *e);

#endif
