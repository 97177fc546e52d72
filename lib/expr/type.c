/* Making checked expressions: new nodes, constants folded, readings and conversions put in where a type meets another.
 *
 * A conversion is a strict call with one argument, so it is folded, guarded and blamed like any other. */
#include "lib/expr/convert.h"

static const char *const names[V_COUNT] = {
	[V_NULL] = "null", [V_BOOL] = "bool", [V_I64] = "int64", [V_F64] = "float64", [V_DEC] = "num", [V_NUM] = "num",
	[V_TEXT] = "text", [V_JSON] = "json", [V_BIN] = "binary", [V_DATE] = "date", [V_TIME] = "timestamp", [V_SPAN] = "duration",
	[V_LIST] = "list", [V_OTHER] = "a type that map only carries",
};

const char *value_name(enum value_type t)
{
	return names[t];
}

bool value_numeric(enum value_type t)
{
	return t == V_I64 || t == V_F64 || t == V_DEC || t == V_NUM;
}

bool value_readable(enum value_type t)
{
	return value_numeric(t) || t == V_TEXT || t == V_JSON;
}

bool value_text(enum value_type t)
{
	return t == V_TEXT || t == V_JSON || t == V_NUM || t == V_BIN;
}

int program_own(struct program *p, void *resource, void (*free_fn)(void *), struct err *e)
{
	struct resource *r = arena_new(&p->arena, struct resource);

	if (!r) {
		free_fn(resource);
		return err_oom(e);
	}
	*r = (struct resource){ p->resources, free_fn, resource };
	p->resources = r;
	return 0;
}

struct expr *expr_new(struct check *c, const struct ast *a, enum value_type type, int nargs)
{
	struct expr *x = arena_new(&c->p->arena, struct expr);

	if (!x || !(x->args = arena_array(&c->p->arena, struct expr *, (size_t)nargs)))
		return NULL;
	x->type = type;
	x->nargs = nargs;
	x->at = a->at;
	x->text = (struct str){ c->p->text.p + a->at, (size_t)(a->end - a->at) };
	x->slot = x->cache = -1;
	x->weight = 1;
	return x;
}

int expr_null(struct check *c, const struct ast *a, enum value_type type, struct expr **ret, struct err *e)
{
	static uint8_t is_null = 1;
	static struct str nothing; /* a slot's worth of zeros for any type */
	struct expr *x = expr_new(c, a, type, 0);

	if (!x)
		return err_oom(e);
	x->constant = true;
	x->value = (struct vec){ .type = type, .null = &is_null, .p = &nothing };
	*ret = x;
	return 0;
}

/* Big decimals live in the pool of a run, so they are not kept as constants. */
static bool keeps(const struct vec *v)
{
	return v->type != V_LIST && !(v->type == V_DEC && !(v->null && v->null[0]) && v->d[0].big && !dec_special(v->d[0]));
}

int expr_fold(struct check *c, struct expr *x, struct err *e)
{
	struct level *lv = c->fold->lv;
	struct vec v;
	int rc;

	for (int i = 0; i < x->nargs; i++)
		if (!x->args[i]->constant)
			return 0;
	lv->bad_row = INT64_MAX;
	if ((rc = x->eval(c->fold, x, (struct sel){ NULL, 1 }, &v, e)) < 0)
		return rc;
	if (lv->bad_row != INT64_MAX || !keeps(&v))
		return 0; /* the guard it stands behind may never let it run */
	x->constant = true;
	x->value = v;
	x->value.mask = 0;
	return 0;
}

int expr_call(struct check *c, const struct ast *a, enum value_type type, kernel_fn *k, struct expr *const *args, int nargs,
	      struct expr **ret, struct err *e)
{
	struct expr *x = expr_new(c, a, type, nargs);

	if (!x)
		return err_oom(e);
	x->eval = eval_call;
	x->kernel = k;
	for (int i = 0; i < nargs; i++)
		x->weight += args[i]->weight;
	if (nargs)
		memcpy(x->args, args, (size_t)nargs * sizeof *args);
	*ret = x;
	return nargs ? expr_fold(c, x, e) : 0;
}

/* A number as it is written, in the type it meets. */
static int literal_as(struct check *c, struct expr *from, enum value_type to, struct expr *x, struct err *e)
{
	double v;

	if (to != V_F64 || num_parse_f64(from->text, &v) == DEC_BAD)
		return 0;
	x->value = (struct vec){ .type = V_F64, .f = arena_dup(&c->p->arena, &v, sizeof v) };
	x->constant = true;
	return x->value.f ? 0 : err_oom(e);
}

/* Columns are read once for the statement's selection and then again whenever a later expression looks at them as the same. */
static void cache_reading(struct check *c, struct expr *x)
{
	struct expr *from = x->args[0];

	if (from->slot < 0 || x->constant)
		return;
	for (int i = 0; i < c->nreadings; i++)
		if (c->readings[i].slot == from->slot && c->readings[i].type == x->type) {
			x->cache = i;
			return;
		}
	if (c->nreadings == MAX_READINGS)
		return;
	c->readings[c->nreadings] = (struct reading_of){ from->slot, x->type };
	x->cache = c->nreadings++;
	c->p->ncaches = c->nreadings;
}

int expr_convert(struct check *c, struct expr **x, enum value_type to, bool *ok, struct err *e)
{
	struct expr *from = *x, *y;
	const struct ast at = { .at = from->at, .end = from->at + (int)from->text.n };
	kernel_fn *k = conversion(from->type, to);
	int rc;

	*ok = true;
	if (from->type == to)
		return 0;
	if (from->type == V_NULL)
		return expr_null(c, &at, to, x, e);
	if (!k) {
		*ok = false;
		return 0;
	}
	if (!(y = expr_new(c, &at, to, 1)))
		return err_oom(e);
	y->eval = to == V_DEC ? eval_to_decimal : eval_call;
	y->kernel = k;
	y->args[0] = from;
	y->weight = from->weight;
	y->text = from->text;
	y->raw = from->raw && value_text(to);
	y->literal = from->literal;
	if (from->literal && (rc = literal_as(c, from, to, y, e)) < 0)
		return rc;
	if (!y->constant && (rc = expr_fold(c, y, e)) < 0)
		return rc;
	cache_reading(c, y);
	*x = y;
	return 0;
}

int expr_need(struct check *c, struct expr **x, enum value_type to, const char *who, struct err *e)
{
	enum value_type from = (*x)->type;
	int at = (*x)->at, rc;
	bool ok;

	if ((rc = expr_convert(c, x, to, &ok, e)) < 0)
		return rc;
	if (!ok)
		return check_err(c, at, e, "%s takes %s here, not %s", who, value_name(to), value_name(from));
	return 0;
}

/* Text that is written in the program and says what another type would print. */
static bool is_literal_text(const struct expr *x)
{
	return x->type == V_TEXT && x->constant && x->literal;
}

/* A literal number joins text by its digits. */
static int number_as_text(struct check *c, struct expr **x, struct err *e)
{
	struct expr *y = arena_dup(&c->p->arena, *x, sizeof **x);
	struct str *s = y ? arena_dup(&c->p->arena, &(*x)->text, sizeof *s) : NULL;

	if (!s)
		return err_oom(e);
	y->type = V_TEXT;
	y->value = (struct vec){ .type = V_TEXT, .s = s };
	*x = y;
	return 0;
}

/* What two types make together; V_COUNT: nothing. */
static enum value_type join_types(enum value_type a, enum value_type b)
{
	if (a == b || b == V_NULL)
		return a;
	if (a == V_NULL)
		return b;
	if (value_numeric(a) && value_numeric(b))
		return a == V_F64 || b == V_F64 ? V_F64 : a == V_NUM || b == V_NUM ? V_NUM : V_DEC;
	if ((a == V_TEXT && b == V_JSON) || (a == V_JSON && b == V_TEXT))
		return V_TEXT;
	if ((a == V_DATE && b == V_TIME) || (a == V_TIME && b == V_DATE))
		return V_TIME;
	return V_COUNT;
}

/* Literals say nothing about the type when something else does; what remains is in *ret. */
static int common_type(struct check *c, struct expr *const *v, int n, bool literals, enum value_type *ret, struct err *e)
{
	for (int i = 0; i < n; i++) {
		enum value_type t;

		if (v[i]->literal != literals)
			continue;
		t = join_types(*ret, v[i]->type);
		if (t == V_COUNT && literals && (value_text(*ret) || is_literal_text(v[i])))
			continue; /* told below: the digits as text, or the text read as what the others are */
		if (t == V_COUNT)
			return check_err(c, v[i]->at, e, "this is %s where the values before are %s: convert with text(), num(), ...",
					 value_name(v[i]->type), value_name(*ret));
		*ret = t;
	}
	return 0;
}

int expr_unify(struct check *c, const struct ast *a, struct expr **v, int n, enum value_type *ret, struct err *e)
{
	int rc;
	bool ok;

	(void)a;
	*ret = V_NULL;
	if ((rc = common_type(c, v, n, false, ret, e)) < 0 || (rc = common_type(c, v, n, true, ret, e)) < 0)
		return rc;
	if (*ret == V_OTHER || *ret == V_LIST)
		return check_err(c, v[0]->at, e, "a value of this type can be carried, not chosen");
	for (int i = 0; i < n; i++) {
		if (value_text(*ret) && *ret != V_NUM && v[i]->literal && value_numeric(v[i]->type)) {
			if ((rc = number_as_text(c, &v[i], e)) < 0)
				return rc;
			continue;
		}
		if ((rc = expr_convert(c, &v[i], *ret, &ok, e)) < 0)
			return rc;
		if (!ok || (v[i]->literal && !v[i]->constant && *ret != V_DEC))
			return check_err(c, v[i]->at, e, "%.*s is not %s, as the other values are", STR_ARG(v[i]->text), value_name(*ret));
	}
	return 0;
}
