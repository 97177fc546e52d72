/* Checking operators and special forms: which reading each operand gets, and which kernel. The rules are those of product.md
 * section 5:
 * the operation says how a value is read. */
#include "lib/expr/arith.h"
#include "lib/expr/compare.h"
#include "lib/expr/convert.h"
#include "lib/expr/kernel.h"

static int check_args(struct check *c, const struct ast *a, struct expr ***ret, struct err *e)
{
	struct expr **v = arena_array(&c->p->arena, struct expr *, (size_t)a->nargs);
	int rc;

	if (!v)
		return err_oom(e);
	for (int i = 0; i < a->nargs; i++)
		if ((rc = check_ast(c, a->args[i], &v[i], e)) < 0)
			return rc;
	*ret = v;
	return 0;
}

/* A call whose eval is not eval_call. */
static int special(struct check *c, const struct ast *a, enum value_type type, eval_fn *fn, struct expr *const *v, int n,
		   struct expr **ret, struct err *e)
{
	struct expr *x = expr_new(c, a, type, n);

	if (!x)
		return err_oom(e);
	memcpy(x->args, v, (size_t)n * sizeof *v);
	for (int i = 0; i < n; i++)
		x->weight += v[i]->weight;
	x->eval = fn;
	*ret = x;
	return expr_fold(c, x, e);
}

static int convert_to(struct check *c, struct expr **x, enum value_type to, struct err *e)
{
	bool ok;

	return expr_convert(c, x, to, &ok, e);
}

/* ---- arithmetic ---- */

static int not_computable(struct check *c, const struct ast *a, const struct expr *x, struct err *e)
{
	if (x->type == V_BOOL)
		return check_err(c, x->at, e, "\"%.*s\" computes on numbers, not on bool (if(c, 1, 0) makes one of it)", STR_ARG(a->text));
	return check_err(c, x->at, e, "\"%.*s\" computes on numbers, not on %s", STR_ARG(a->text), value_name(x->type));
}

/* Literals take the type that they meet; true when that settles the class. */
static int settle_literal(struct check *c, struct expr **v, enum arith_class *class, struct err *e)
{
	int lit = v[0]->literal ? 0 : 1, other = !lit;

	*class = ARITH_MIXED;
	if (!v[lit]->literal || v[other]->type != V_F64)
		return 0;
	*class = ARITH_F64;
	return convert_to(c, &v[lit], V_F64, e);
}

static int classify(struct check *c, struct expr **v, enum arith_class *class, struct err *e)
{
	int rc;

	*class = ARITH_DEC;
	if (v[0]->type == V_I64 && v[1]->type == V_I64)
		*class = ARITH_I64;
	else if (v[0]->type == V_F64 && v[1]->type == V_F64)
		*class = ARITH_F64;
	else if ((v[0]->type == V_F64 || v[1]->type == V_F64) && (rc = settle_literal(c, v, class, e)) < 0)
		return rc;
	for (int i = 0; i < 2; i++)
		if ((*class == ARITH_DEC || (*class == ARITH_MIXED && v[i]->type != V_F64)) && (rc = convert_to(c, &v[i], V_DEC, e)) < 0)
			return rc;
	return 0;
}

static int check_numbers(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	const struct arith_op *op = arith_find(a->text);
	enum arith_class class;
	int rc;

	for (int i = 0; i < 2; i++)
		if (!value_readable(v[i]->type) && v[i]->type != V_NULL)
			return not_computable(c, a, v[i], e);
	for (int i = 0; i < 2; i++)
		if (v[i]->type == V_NULL)
			return expr_null(c, a, V_DEC, ret, e);
	if ((rc = classify(c, v, &class, e)) < 0)
		return rc;
	return expr_call(c, a, op->result[class], op->kernel[class], v, 2, ret, e);
}

/* ---- times ---- */

static bool is_time(enum value_type t) { return t == V_DATE || t == V_TIME; }

KERNEL(shift_date)
{
	bool minus = x->number < 0;

	(void)ev, (void)e;
	EACH(sel, i,
		const int64_t days = ARG(1, i, i) / 86400000000;

		ret->i[i] = ARG(0, i, i) + (minus ? -days : days);
	);
	return 0;
}

static bool whole_days(const struct expr *x)
{
	return x->type == V_SPAN && x->constant && !vec_null(&x->value, 0) && x->value.i[0] % 86400000000 == 0;
}

/* A date moved by whole days stays a date; anything else is done on timestamps. */
static int check_shift(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	const struct arith_op *op = arith_find(a->text);
	struct expr *swap = v[0];
	int rc;

	if (v[0]->type == V_SPAN && *op->name == '+') {
		v[0] = v[1];
		v[1] = swap;
	}
	if (v[0]->type == V_DATE && whole_days(v[1])) {
		if ((rc = expr_call(c, a, V_DATE, shift_date, v, 2, ret, e)) < 0)
			return rc;
		(*ret)->number = *op->name == '-' ? -1 : 1;
		return 0;
	}
	if ((rc = expr_need(c, &v[0], V_TIME, op->name, e)) < 0 || (rc = expr_need(c, &v[1], V_SPAN, op->name, e)) < 0)
		return rc;
	return expr_call(c, a, V_TIME, op->kernel[ARITH_I64], v, 2, ret, e);
}

/* Both durations, or a duration and a number. */
static int check_spans(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	const struct arith_op *op = arith_find(a->text);
	int other = v[0]->type == V_SPAN ? 1 : 0, rc;

	if (v[!other]->type == V_SPAN && v[other]->type == V_SPAN) {
		if (*op->name == '*')
			return check_err(c, a->at, e, "durations cannot be multiplied with each other");
		return expr_call(c, a, *op->name == '/' ? V_F64 : V_SPAN, op->kernel[ARITH_I64], v, 2, ret, e);
	}
	if (*op->name != '*' || !value_readable(v[other]->type))
		return check_err(c, a->at, e, "\"%s\" does not take %s and %s", op->name, value_name(v[0]->type), value_name(v[1]->type));
	if ((rc = expr_need(c, &v[other], V_I64, "*", e)) < 0)
		return rc;
	return expr_call(c, a, V_SPAN, op->kernel[ARITH_I64], v, 2, ret, e);
}

/* The time between two instants. */
static int check_distance(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	int rc;

	if (!str_is(a->text, "-"))
		return check_err(c, a->at, e, "\"%.*s\" does not take %s and %s", STR_ARG(a->text), value_name(v[0]->type),
				 value_name(v[1]->type));
	for (int i = 0; i < 2; i++)
		if ((rc = expr_need(c, &v[i], V_TIME, "-", e)) < 0)
			return rc;
	return expr_call(c, a, V_SPAN, arith_find(a->text)->kernel[ARITH_I64], v, 2, ret, e);
}

static int check_arith(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	enum value_type t = v[0]->type, u = v[1]->type;
	bool shift = str_is(a->text, "+") || str_is(a->text, "-");

	if (t == V_NULL || u == V_NULL)
		return check_numbers(c, a, v, ret, e);
	if (shift && u == V_SPAN && (is_time(t) || t == V_TEXT))
		return check_shift(c, a, v, ret, e);
	if (shift && t == V_SPAN && str_is(a->text, "+") && (is_time(u) || u == V_TEXT))
		return check_shift(c, a, v, ret, e);
	if (t == V_SPAN || u == V_SPAN)
		return check_spans(c, a, v, ret, e);
	if (is_time(t) || is_time(u))
		return check_distance(c, a, v, ret, e);
	return check_numbers(c, a, v, ret, e);
}

static int literal_int(struct check *c, const struct ast *a, int64_t value, enum value_type type, struct expr **ret,
		struct err *e)
{
	struct expr *x = expr_new(c, a, type, 0);
	int64_t *p = arena_dup(&c->p->arena, &value, sizeof value);

	if (!x || !p)
		return err_oom(e);
	x->constant = true;
	x->value = (struct vec){ .type = type, .i = p };
	*ret = x;
	return 0;
}

/* -5 is a literal like 5: its digits get the sign. */
static int sign_literal(struct check *c, struct expr *x, struct err *e)
{
	char *p = arena_printf(&c->p->arena, "-%.*s", STR_ARG(x->text));

	if (!p)
		return err_oom(e);
	x->text = str_of(*p == '-' && p[1] == '-' ? p + 2 : p);
	x->literal = true;
	return 0;
}

/* 0 - x, but x * -1 for float64, which knows -0. */
static int check_neg(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	bool literal = v[0]->literal && value_numeric(v[0]->type), flt = v[0]->type == V_F64;
	struct expr *both[2], *k;
	struct ast op = *a;
	struct str text = v[0]->text;
	int rc;

	op.text = flt ? STR("*") : STR("-");
	if ((rc = literal_int(c, a, flt ? -1 : 0, v[0]->type == V_SPAN ? V_SPAN : V_I64, &k, e)) < 0)
		return rc;
	if (flt && (rc = convert_to(c, &k, V_F64, e)) < 0)
		return rc;
	both[0] = k;
	both[1] = v[0];
	if (v[0]->type != V_SPAN && !value_readable(v[0]->type) && v[0]->type != V_NULL)
		return check_err(c, v[0]->at, e, "\"-\" computes on numbers, not on %s", value_name(v[0]->type));
	if ((rc = check_arith(c, &op, both, ret, e)) < 0 || !literal || !(*ret)->constant)
		return rc;
	(*ret)->text = text;
	return sign_literal(c, *ret, e);
}

/* ---- comparisons ---- */

static int cannot_compare(struct check *c, const struct ast *a, struct expr *const *v, struct err *e)
{
	return check_err(c, a->at, e, "%s cannot be compared with %s: convert one of them with text(), num(), time(), ...",
			 value_name(v[0]->type), value_name(v[1]->type));
}

/* Text that stands beside a number, a time... is read as such; what is written in the program must be one. */
static int read_beside(struct check *c, struct expr **v, enum value_type to, struct err *e)
{
	struct expr *was = *v;
	int rc = convert_to(c, v, to, e);

	if (rc < 0)
		return rc;
	if (was->literal && was->type == V_TEXT && !(*v)->constant)
		return check_err(c, was->at, e, "%.*s is not a %s", STR_ARG(was->text), to == V_DEC ? "number" : value_name(to));
	return 0;
}

static int compare_numbers(struct check *c, struct expr **v, enum compare_class *class, struct err *e)
{
	enum value_type t = v[0]->type, u = v[1]->type;
	int lit = v[0]->literal ? 0 : 1, rc;

	*class = t == V_I64 && u == V_I64 ? COMPARE_I64 : t == V_F64 && u == V_F64 ? COMPARE_F64 : COMPARE_DEC;
	if (*class != COMPARE_DEC)
		return 0;
	if (v[lit]->literal && v[!lit]->type == V_F64 && value_numeric(v[lit]->type)) {
		*class = COMPARE_F64;
		return convert_to(c, &v[lit], V_F64, e);
	}
	for (int i = 0; i < 2; i++)
		if ((rc = read_beside(c, &v[i], V_DEC, e)) < 0)
			return rc;
	return 0;
}

/* A date and a text that is written in the program and is a date: days are compared; else instants. */
static int compare_times(struct check *c, struct expr **v, struct err *e)
{
	enum value_type to = V_DATE;
	int32_t days;
	int rc;

	for (int i = 0; i < 2; i++) {
		bool written = v[i]->literal && v[i]->type == V_TEXT && v[i]->constant;

		if (v[i]->type != V_DATE && !(written && date_parse(v[i]->value.s[0], &days)))
			to = V_TIME;
	}
	for (int i = 0; i < 2; i++)
		if ((rc = read_beside(c, &v[i], to, e)) < 0)
			return rc;
	return 0;
}

static int needs_reading(struct check *c, const struct ast *a, struct expr *const *v, struct err *e)
{
	return check_err(c, a->at, e, "say how these texts compare: num(%.*s) %.*s num(%.*s), or text(%.*s) %.*s text(%.*s) for bytes",
			 STR_ARG(v[0]->text), STR_ARG(a->text), STR_ARG(v[1]->text), STR_ARG(v[0]->text), STR_ARG(a->text),
			 STR_ARG(v[1]->text));
}

/* Brings both operands to one class. */
static int comparable(struct check *c, const struct ast *a, struct expr **v, enum compare_class *class, struct err *e)
{
	enum value_type t = v[0]->type, u = v[1]->type;
	bool equality = str_is(a->text, "==") || str_is(a->text, "!=");

	*class = COMPARE_I64;
	if ((value_numeric(t) && value_readable(u)) || (value_readable(t) && value_numeric(u)))
		return compare_numbers(c, v, class, e);
	if ((is_time(t) && (is_time(u) || u == V_TEXT)) || (is_time(u) && t == V_TEXT))
		return compare_times(c, v, e);
	if (t == V_SPAN && u == V_SPAN)
		return 0;
	if (t == V_BOOL && u == V_BOOL) {
		*class = COMPARE_BOOL;
		return 0;
	}
	if (!value_text(t) || !value_text(u))
		return cannot_compare(c, a, v, e);
	if (!equality && v[0]->raw && v[1]->raw)
		return needs_reading(c, a, v, e);
	*class = COMPARE_TEXT;
	return 0;
}

static int check_compare(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	enum compare_class class;
	int rc;

	for (int i = 0; i < 2; i++)
		if (v[i]->type == V_NULL && a->args[i]->kind == AST_NULL)
			return check_err(c, a->at, e, "nothing compares with null: say \"is null\" or \"is not null\"");
	for (int i = 0; i < 2; i++)
		if (v[i]->type == V_NULL)
			return expr_null(c, a, V_BOOL, ret, e);
	if ((rc = comparable(c, a, v, &class, e)) < 0)
		return rc;
	return expr_call(c, a, V_BOOL, compare_find(a->text)->kernel[class], v, 2, ret, e);
}

/* x in (a, b, ...) is x == a or x == b ...; constants of one type become a set. */
static int in_one_by_one(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	struct ast eq = *a;
	struct expr *pair[2], *so_far = NULL, *one;
	int rc;

	eq.text = STR("==");
	for (int i = 1; i < a->nargs; i++) {
		enum compare_class class;

		pair[0] = v[0];
		pair[1] = v[i];
		if (v[i]->type == V_NULL || v[0]->type == V_NULL) {
			rc = expr_null(c, a, V_BOOL, &one, e);
		} else {
			rc = comparable(c, &eq, pair, &class, e);
			if (rc == 0)
				rc = expr_call(c, a, V_BOOL, compare_find(eq.text)->kernel[class], pair, 2, &one, e);
		}
		if (rc < 0)
			return rc;
		pair[0] = so_far;
		pair[1] = one;
		if (so_far && (rc = special(c, a, V_BOOL, eval_or, pair, 2, &one, e)) < 0)
			return rc;
		so_far = one;
	}
	*ret = so_far;
	return 0;
}

/* Converts v[0] and the items to the type that each pair compares in; V_COUNT when they do not agree. */
static int in_type(struct check *c, const struct ast *a, struct expr **v, enum value_type *ret, struct err *e)
{
	struct ast eq = *a;
	struct expr *first = NULL;
	int rc;

	eq.text = STR("==");
	*ret = V_COUNT;
	for (int i = 1; i < a->nargs; i++) {
		struct expr *pair[2] = { v[0], v[i] };
		enum compare_class class;

		if (v[i]->type == V_NULL)
			continue;
		if ((rc = comparable(c, &eq, pair, &class, e)) < 0)
			return rc;
		if (!pair[1]->constant || (first && first->type != pair[0]->type)) {
			*ret = V_COUNT;
			return 0;
		}
		v[i] = pair[1];
		first = pair[0];
	}
	if (first) {
		v[0] = first;
		*ret = first->type;
	}
	return 0;
}

static int check_in(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	struct expr **w = arena_dup(&c->p->arena, v, (size_t)a->nargs * sizeof *v);
	const struct set *set;
	enum value_type type = V_COUNT;
	int rc;

	if (!w)
		return err_oom(e);
	if (a->nargs > EXPR_HEIGHT_MAX / 2 && v[0]->type == V_NULL)
		return expr_null(c, a, V_BOOL, ret, e);
	if (v[0]->type != V_NULL && (rc = in_type(c, a, w, &type, e)) < 0)
		return rc;
	if (type == V_COUNT && a->nargs > EXPR_HEIGHT_MAX)
		return check_err(c, a->at, e, "more than %d values for \"in\" that are not constants of one type", EXPR_HEIGHT_MAX);
	if (type == V_COUNT)
		return in_one_by_one(c, a, v, ret, e);
	if ((rc = set_prepare(c, type, w + 1, a->nargs - 1, &set, e)) < 0 || !(*ret = expr_new(c, a, V_BOOL, 1)))
		return rc < 0 ? rc : err_oom(e);
	(*ret)->eval = eval_in_set;
	(*ret)->data = set;
	(*ret)->args[0] = w[0];
	return expr_fold(c, *ret, e);
}

/* ---- logic ---- */

/* A condition: a bool. Text of a field has to be told how it is one. */
static int need_bool(struct check *c, struct expr **x, const char *who, struct err *e)
{
	if ((*x)->type == V_BOOL)
		return 0;
	if ((*x)->type == V_NULL)
		return convert_to(c, x, V_BOOL, e);
	return check_err(c, (*x)->at, e, "%s takes a condition, not %s: compare it, or say bool(%.*s)", who, value_name((*x)->type),
			 STR_ARG((*x)->text));
}

int check_condition(struct check *c, struct expr **x, const char *who, struct err *e)
{
	return need_bool(c, x, who, e);
}

KERNEL(kernel_not)
{
	UNUSED_KERNEL_ARGS;
	EACH(sel, i, ret->b[i] = !ARG(0, b, i););
	return 0;
}

static int check_not(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	int rc = need_bool(c, &v[0], "not", e);

	return rc < 0 ? rc : expr_call(c, a, V_BOOL, kernel_not, v, 1, ret, e);
}

static int check_logic(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	const char *who = str_is(a->text, "and") ? "and" : "or";
	int rc;

	if ((rc = need_bool(c, &v[0], who, e)) < 0 || (rc = need_bool(c, &v[1], who, e)) < 0)
		return rc;
	return special(c, a, V_BOOL, *who == 'a' ? eval_and : eval_or, v, 2, ret, e);
}

static int check_is_null(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	return special(c, a, V_BOOL, eval_is_null, v, 1, ret, e);
}

/* if(c, a, b) and case: the values take one type. */
static int check_if(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	struct expr **values = arena_array(&c->p->arena, struct expr *, (size_t)a->nargs);
	bool is_case = str_is(a->text, "case"), raw = false;
	enum value_type type;
	int n = 0, rc;

	if (!is_case && a->nargs != 2 && a->nargs != 3)
		return check_err(c, a->at, e, "if takes a condition, a value, and a value for the rest: if(c, a, b)");
	if (!values)
		return err_oom(e);
	for (int i = 0; i < a->nargs; i++) {
		bool condition = i % 2 == 0 && i + 1 < a->nargs;

		if (condition && (rc = need_bool(c, &v[i], is_case ? "when" : "if", e)) < 0)
			return rc;
		if (!condition)
			values[n++] = v[i];
	}
	if ((rc = expr_unify(c, a, values, n, &type, e)) < 0)
		return rc;
	for (int i = 0, k = 0; i < a->nargs; i++)
		if (i % 2 || i + 1 == a->nargs) {
			v[i] = values[k++];
			raw |= v[i]->raw;
		}
	if ((rc = special(c, a, type, eval_if, v, a->nargs, ret, e)) < 0)
		return rc;
	(*ret)->raw = raw;
	return 0;
}

static int check_coalesce(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	enum value_type type;
	bool raw = false;
	int rc;

	if (!a->nargs)
		return check_err(c, a->at, e, "coalesce takes the values to choose from");
	if ((rc = expr_unify(c, a, v, a->nargs, &type, e)) < 0)
		return rc;
	for (int i = 0; i < a->nargs; i++)
		raw |= v[i]->raw;
	if ((rc = special(c, a, type, eval_coalesce, v, a->nargs, ret, e)) < 0)
		return rc;
	(*ret)->raw = raw;
	return 0;
}

/* least and greatest: one type for all, then compared as by < . */
static int check_extreme(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e)
{
	enum value_type type;
	int rc;

	if (!a->nargs)
		return check_err(c, a->at, e, "%.*s takes the values to choose from", STR_ARG(a->text));
	if ((rc = expr_unify(c, a, v, a->nargs, &type, e)) < 0)
		return rc;
	for (int i = 0; i < a->nargs; i++)
		if (v[i]->raw)
			return check_err(c, v[i]->at, e, "say how these texts compare: num(%.*s), or text(%.*s) for bytes", STR_ARG(v[i]->text),
					 STR_ARG(v[i]->text));
	for (int i = 0; type == V_NUM && i < a->nargs; i++)
		if ((rc = convert_to(c, &v[i], V_DEC, e)) < 0)
			return rc;
	return expr_call(c, a, type == V_NUM ? V_DEC : type, extreme_kernel(type, str_is(a->text, "greatest")), v, a->nargs, ret, e);
}

typedef int check_fn(struct check *c, const struct ast *a, struct expr **v, struct expr **ret, struct err *e);

int check_operator(struct check *c, const struct ast *a, struct expr **ret, bool *found, struct err *e)
{
	static const struct { const char *name; check_fn *fn; } forms[] = {
		{ "+", check_arith }, { "-", check_arith }, { "*", check_arith }, { "/", check_arith }, { "%", check_arith },
		{ "unary -", check_neg }, { "==", check_compare }, { "!=", check_compare }, { "<", check_compare }, { "<=", check_compare },
		{ ">", check_compare }, { ">=", check_compare }, { "is in", check_in }, { "and", check_logic }, { "or", check_logic },
		{ "not", check_not }, { "is null", check_is_null }, { "if", check_if }, { "case", check_if }, { "coalesce", check_coalesce },
		{ "least", check_extreme }, { "greatest", check_extreme },
	};
	struct expr **v = NULL;
	int rc;

	*found = false;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (!str_is(a->text, forms[i].name))
			continue;
		*found = true;
		return (rc = check_args(c, a, &v, e)) < 0 ? rc : forms[i].fn(c, a, v, ret, e);
	}
	return 0;
}
