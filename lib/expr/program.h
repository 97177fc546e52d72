/* A checked program, between check.c, which makes it, and eval.c, which runs it.
 *
 * Fields and results are numbered once and for all: slot s < nfields is field s of the input, each assignment and each
 * explode adds one.
 * keep, drop, rename and plain copies only change which names mean which slots while checking; nothing of them is left to
 * run. */
#ifndef STOOK_EXPR_PROGRAM_H
#define STOOK_EXPR_PROGRAM_H

#include "lib/expr/fn.h"
#include "lib/expr/syntax.h"

enum step_kind { STEP_ASSIGN, STEP_WHERE, STEP_EXPLODE };

struct step {
	enum step_kind kind;
	int slot;            /* ASSIGN, EXPLODE: what is set */
	struct expr *expr;
	bool *live;          /* EXPLODE: slots that are used afterwards */
};

struct slot_info {
	enum value_type type;
	const struct type *column; /* what the slot becomes in an output */
	const struct field *field; /* of the input: its metadata; NULL: computed */
	bool raw;
};

struct resource { /* to be freed with the program */
	struct resource *next;
	void (*free)(void *p);
	void *p;
};

struct program {
	struct arena arena;
	struct str text;
	const char *name;
	struct stmt *stmts;
	int64_t now_us;
	const struct schema *in, *out;
	int nslots, nsteps, nlevels, ncaches;
	struct slot_info *slots;
	struct step *steps;
	int *out_slots;      /* of each output field */
	bool *live;          /* slots that steps or the output use */
	struct resource *resources;
	struct eval *fold;   /* computed the constants, and owns their memory */
};

/* Readings of fields that are kept while a level lasts. */
struct reading_of {
	int slot;
	enum value_type type;
};

#define MAX_READINGS 1000

/* While checking. */
struct check {
	struct program *p;
	struct scope {
		int n;
		struct binding {
			struct str name;
			int slot;
		} *v;
	} scope;
	int cap;             /* of scope.v and of p->slots */
	struct eval *fold;   /* p->fold */
	bool sorted_broken;
	int nreadings;
	struct reading_of readings[MAX_READINGS];
};

/* check.c */
int check_err(const struct check *c, int at, struct err *e, const char *fmt, ...) printf_like(4, 5);
int check_ast(struct check *c, const struct ast *a, struct expr **ret, struct err *e) nodiscard;

/* type.c: making expressions. */
struct expr *expr_new(struct check *c, const struct ast *a, enum value_type type, int nargs);
int expr_fold(struct check *c, struct expr *x, struct err *e) nodiscard; /* computes it if it is constant */
int expr_null(struct check *c, const struct ast *a, enum value_type type, struct expr **ret, struct err *e) nodiscard;
int expr_call(struct check *c, const struct ast *a, enum value_type type, kernel_fn *k, struct expr *const *args, int nargs,
	      struct expr **ret, struct err *e) nodiscard;
/* *x read as `to`; false in *ok when there is no such reading. */
int expr_convert(struct check *c, struct expr **x, enum value_type to, bool *ok, struct err *e) nodiscard;
/* The type that all of them can become without a reading being guessed; they are converted. */
int expr_unify(struct check *c, const struct ast *a, struct expr **v, int n, enum value_type *ret, struct err *e) nodiscard;
int expr_need(struct check *c, struct expr **x, enum value_type to, const char *who, struct err *e) nodiscard;
bool value_numeric(enum value_type t);  /* I64, F64, DEC, NUM */
bool value_readable(enum value_type t); /* numeric, or text that can be read as a number */
bool value_text(enum value_type t);     /* stored as strings: text, json, num, binary */
int program_own(struct program *p, void *resource, void (*free_fn)(void *), struct err *e) nodiscard;

/* operator.c: the operators and special forms; *found = false when a->text is none. */
int check_operator(struct check *c, const struct ast *a, struct expr **ret, bool *found, struct err *e) nodiscard;
int check_condition(struct check *c, struct expr **x, const char *who, struct err *e) nodiscard;
/* call.c: the functions of the table. */
int check_call(struct check *c, const struct ast *a, struct expr **ret, struct err *e) nodiscard;

/* run-time pieces of eval.c that folding needs */
int eval_scratch(const struct program *p, struct eval **ret, struct err *e) nodiscard;

#endif
