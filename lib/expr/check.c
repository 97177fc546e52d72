/* Checking a program against the schema of its input: names become slots, statements become steps, and what is left at the
 * end is the
 * output's schema. */
#include "lib/expr/convert.h"
#include "lib/table/key.h"

#include <stdio.h>
#include <stdlib.h>

int check_err(const struct check *c, int at, struct err *e, const char *fmt, ...)
{
	char msg[sizeof e->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	return program_err(c->p->text, c->p->name, at, e, "%s", msg);
}

static enum value_type value_of(const struct type *t)
{
	switch (t->id) {
	case T_NULL:
		return V_NULL;
	case T_BOOL:
		return V_BOOL;
	case T_INT8:
	case T_INT16:
	case T_INT32:
	case T_INT64:
	case T_UINT8:
	case T_UINT16:
	case T_UINT32:
		return V_I64;
	case T_UINT64:
		return V_DEC;
	case T_DECIMAL:
		return t->width <= 16 ? V_DEC : V_OTHER;
	case T_FLOAT16:
	case T_FLOAT32:
	case T_FLOAT64:
		return V_F64;
	case T_UTF8:
		return t->mark == MARK_NUM ? V_NUM : t->mark == MARK_JSON ? V_JSON : V_TEXT;
	case T_BINARY:
	case T_FIXED_BINARY:
		return V_BIN;
	case T_DATE32:
	case T_DATE64:
		return V_DATE;
	case T_TIMESTAMP:
		return V_TIME;
	case T_DURATION:
		return V_SPAN;
	case T_LIST:
	case T_LARGE_LIST:
	case T_FIXED_LIST:
		return V_LIST;
	default:
		return V_OTHER;
	}
}

static const struct type *type_of_value(enum value_type t)
{
	static const struct type types[V_COUNT] = {
		[V_NULL] = { .id = T_NULL, .layout = LAY_NULL },
		[V_BOOL] = { .id = T_BOOL, .layout = LAY_BIT },
		[V_I64] = { .id = T_INT64, .layout = LAY_FIXED, .width = 8 },
		[V_F64] = { .id = T_FLOAT64, .layout = LAY_FIXED, .width = 8 },
		[V_DEC] = { .id = T_UTF8, .layout = LAY_VAR, .mark = MARK_NUM },
		[V_NUM] = { .id = T_UTF8, .layout = LAY_VAR, .mark = MARK_NUM },
		[V_TEXT] = { .id = T_UTF8, .layout = LAY_VAR },
		[V_JSON] = { .id = T_UTF8, .layout = LAY_VAR, .mark = MARK_JSON },
		[V_BIN] = { .id = T_BINARY, .layout = LAY_VAR },
		[V_DATE] = { .id = T_DATE32, .layout = LAY_FIXED, .width = 4 },
		[V_TIME] = { .id = T_TIMESTAMP, .layout = LAY_FIXED, .width = 8, .unit = UNIT_US, .tz = { "UTC", 3 } },
		[V_SPAN] = { .id = T_DURATION, .layout = LAY_FIXED, .width = 8, .unit = UNIT_US },
	};

	return &types[t];
}

/* ---- names ---- */

static int scope_find(const struct check *c, struct str name)
{
	for (int i = 0; i < c->scope.n; i++)
		if (str_eq(c->scope.v[i].name, name))
			return i;
	return -1;
}

/* The names in scope as a schema, for what works on schemas. */
static int scope_schema(const struct check *c, struct schema **ret, struct err *e)
{
	struct schema *s = schema_new();
	int rc = s ? 0 : err_oom(e);

	for (int i = 0; rc == 0 && i < c->scope.n; i++)
		rc = schema_add(s, c->scope.v[i].name, type_of_value(V_TEXT), true, e);
	if (rc < 0) {
		schema_unref(s);
		return rc;
	}
	*ret = s;
	return 0;
}

static int no_such_field(struct check *c, struct str name, int at, struct err *e)
{
	cleanup_schema struct schema *s = NULL;
	int rc = scope_schema(c, &s, e);

	if (rc < 0)
		return rc;
	(void)schema_no_field(s, name, e);
	return program_err_at(c->p->text, c->p->name, at, e);
}

static int scope_grow(struct check *c, struct err *e)
{
	int cap = c->cap ? c->cap * 2 : 64;
	struct binding *v;
	struct slot_info *s;

	if (c->scope.n < c->cap && c->p->nslots < c->cap)
		return 0;
	v = arena_array(&c->p->arena, struct binding, (size_t)cap);
	s = arena_array(&c->p->arena, struct slot_info, (size_t)cap);
	if (!v || !s)
		return err_oom(e);
	if (c->scope.n)
		memcpy(v, c->scope.v, (size_t)c->scope.n * sizeof *v);
	if (c->p->nslots)
		memcpy(s, c->p->slots, (size_t)c->p->nslots * sizeof *s);
	c->scope.v = v;
	c->p->slots = s;
	c->cap = cap;
	return scope_grow(c, e);
}

static int new_slot(struct check *c, struct slot_info info, int *ret, struct err *e)
{
	int rc = scope_grow(c, e);

	if (rc < 0)
		return rc;
	*ret = c->p->nslots++;
	c->p->slots[*ret] = info;
	return 0;
}

/* The name now means the slot: in its old place, or as the last field. */
static int bind_name(struct check *c, struct str name, int slot, struct err *e)
{
	int i = scope_find(c, name), rc = scope_grow(c, e);

	if (rc < 0)
		return rc;
	if (i < 0)
		i = c->scope.n++;
	c->scope.v[i] = (struct binding){ name, slot };
	return 0;
}

/* ---- expressions ---- */

static int literal_of(struct check *c, const struct ast *a, enum value_type type, const void *value, size_t size,
		struct expr **ret,
		      struct err *e)
{
	struct expr *x = expr_new(c, a, type, 0);

	if (!x || !(x->value.p = arena_dup(&c->p->arena, value, size)))
		return err_oom(e);
	x->value.type = type;
	x->constant = x->literal = true;
	*ret = x;
	return 0;
}

/* A whole number that fits is int64, another one num; too long a one is kept as it is written. */
static int check_number(struct check *c, const struct ast *a, struct expr **ret, struct err *e)
{
	struct dec d;
	int64_t i;

	switch (dec_parse(a->text, &c->fold->pool, &d)) {
	case DEC_OK:
		break;
	case DEC_NOMEM:
		return err_oom(e);
	default:
		return check_err(c, a->at, e, "this number has too many digits or too large an exponent");
	}
	if (num_parse_i64(a->text, &i) == DEC_OK)
		return literal_of(c, a, V_I64, &i, sizeof i, ret, e);
	return d.big ? literal_of(c, a, V_NUM, &a->text, sizeof a->text, ret, e) : literal_of(c, a, V_DEC, &d, sizeof d, ret, e);
}

static int field_expr(struct check *c, const struct ast *a, int slot, struct expr **ret, struct err *e)
{
	const struct slot_info *info = &c->p->slots[slot];
	struct expr *x;

	if (info->type == V_NULL)
		return expr_null(c, a, V_NULL, ret, e);
	if (!(x = expr_new(c, a, info->type, 0)))
		return err_oom(e);
	x->eval = eval_slot;
	x->slot = slot;
	x->raw = info->raw;
	*ret = x;
	return 0;
}

static int check_field(struct check *c, const struct ast *a, struct expr **ret, struct err *e)
{
	int i = a->kind == AST_AT ? (int)a->number - 1 : scope_find(c, a->text);

	if (a->kind == AST_AT && (i < 0 || i >= c->scope.n))
		return check_err(c, a->at, e, "there is no field @%lld: there are %d", (long long)a->number, c->scope.n);
	if (i < 0)
		return no_such_field(c, a->text, a->at, e);
	return field_expr(c, a, c->scope.v[i].slot, ret, e);
}

#define WEIGHT_MAX 100000

/* An operand that is compared with many things is computed for each: what that multiplies to is bounded. */
static int check_weight(struct check *c, struct expr *x, struct err *e)
{
	int64_t sum = 1;

	for (int i = 0; i < x->nargs; i++)
		sum += x->args[i]->weight;
	if (sum > WEIGHT_MAX)
		return check_err(c, x->at, e, "this expression is too large");
	x->weight = (int)sum;
	return 0;
}

int check_ast(struct check *c, const struct ast *a, struct expr **ret, struct err *e)
{
	uint8_t truth = a->number != 0;
	bool found;
	int rc;

	switch (a->kind) {
	case AST_TEXT:
		return literal_of(c, a, V_TEXT, &a->text, sizeof a->text, ret, e);
	case AST_NUMBER:
		return check_number(c, a, ret, e);
	case AST_DURATION:
		return literal_of(c, a, V_SPAN, &a->number, sizeof a->number, ret, e);
	case AST_BOOL:
		return literal_of(c, a, V_BOOL, &truth, sizeof truth, ret, e);
	case AST_NULL:
		return expr_null(c, a, V_NULL, ret, e);
	case AST_FIELD:
	case AST_AT:
		return check_field(c, a, ret, e);
	case AST_CALL:
		break;
	}
	rc = check_operator(c, a, ret, &found, e);
	if (rc == 0 && !found)
		rc = check_call(c, a, ret, e);
	return rc < 0 ? rc : check_weight(c, *ret, e);
}

/* ---- statements ---- */

static void add_step(struct check *c, enum step_kind kind, int slot, struct expr *x)
{
	c->p->steps[c->p->nsteps++] = (struct step){ .kind = kind, .slot = slot, .expr = x };
}

static int check_assign(struct check *c, const struct stmt *s, struct err *e)
{
	struct expr *x;
	int slot, rc;

	if (s->expr->kind == AST_FIELD || s->expr->kind == AST_AT) { /* a copy: the same slot under two names */
		struct ast *a = s->expr;
		int i = a->kind == AST_AT ? (int)a->number - 1 : scope_find(c, a->text);

		if (i >= 0 && i < c->scope.n)
			return bind_name(c, s->name, c->scope.v[i].slot, e);
	}
	if ((rc = check_ast(c, s->expr, &x, e)) < 0)
		return rc;
	if (x->type == V_LIST)
		return check_err(c, s->expr->at, e, "a list cannot be a field's value: explode %.*s = ... makes a record of each item",
				 STR_ARG(s->name));
	if ((rc = new_slot(c, (struct slot_info){ .type = x->type, .column = type_of_value(x->type), .raw = x->raw }, &slot, e)) < 0)
		return rc;
	add_step(c, STEP_ASSIGN, slot, x);
	return bind_name(c, s->name, slot, e);
}

static int check_explode(struct check *c, const struct stmt *s, struct err *e)
{
	struct slot_info info = { .type = V_TEXT, .column = type_of_value(V_TEXT) };
	struct expr *x;
	int slot, rc;

	if ((rc = check_ast(c, s->expr, &x, e)) < 0)
		return rc;
	if (x->type != V_LIST)
		return check_err(c, s->expr->at, e, "explode takes a list (split, words, range, json_array, a list field), not %s",
				 value_name(x->type));
	if (x->slot >= 0) {
		info.column = &c->p->slots[x->slot].column->children[0].type;
		info.type = value_of(info.column);
	} else if (x->number) {
		info = (struct slot_info){ .type = V_I64, .column = type_of_value(V_I64) };
	}
	info.raw = value_text(info.type);
	if ((rc = new_slot(c, info, &slot, e)) < 0)
		return rc;
	add_step(c, STEP_EXPLODE, slot, x);
	c->p->nlevels++;
	c->sorted_broken = true;
	return bind_name(c, s->name, slot, e);
}

static int check_where(struct check *c, const struct stmt *s, struct err *e)
{
	struct expr *x;
	int rc = check_ast(c, s->expr, &x, e);

	if (rc < 0 || (rc = check_condition(c, &x, "where", e)) < 0)
		return rc;
	add_step(c, STEP_WHERE, 0, x);
	return 0;
}

static int check_fields(struct check *c, const struct stmt *s, struct err *e)
{
	cleanup_schema struct schema *names = NULL;
	struct binding *v;
	int *idx, n, rc, m = 0;

	if ((rc = scope_schema(c, &names, e)) < 0)
		return rc;
	if ((rc = fields_resolve(s->fields, names, &c->p->arena, &idx, &n, e)) < 0)
		return e->status == ST_USAGE ? program_err_at(c->p->text, c->p->name, s->at, e) : rc;
	if (!(v = arena_array(&c->p->arena, struct binding, (size_t)c->cap)))
		return err_oom(e);
	if (s->kind == STMT_KEEP) {
		for (int i = 0; i < n; i++)
			v[m++] = c->scope.v[idx[i]];
	} else {
		for (int i = 0; i < n; i++)
			c->scope.v[idx[i]].slot = -1;
		for (int i = 0; i < c->scope.n; i++)
			if (c->scope.v[i].slot >= 0)
				v[m++] = c->scope.v[i];
	}
	c->scope.v = v;
	c->scope.n = m;
	return 0;
}

static int check_rename(struct check *c, const struct stmt *s, struct err *e)
{
	int *at = arena_array(&c->p->arena, int, (size_t)s->nnames);

	if (!at)
		return err_oom(e);
	for (int k = 0; k < s->nnames; k++) /* all at once, so that two names can be exchanged */
		if ((at[k] = scope_find(c, s->names[2 * k + 1])) < 0)
			return no_such_field(c, s->names[2 * k + 1], s->places[2 * k + 1], e);
	for (int k = 0; k < s->nnames; k++)
		c->scope.v[at[k]].name = s->names[2 * k];
	for (int k = 0; k < s->nnames; k++)
		for (int i = 0; i < c->scope.n; i++)
			if (i != at[k] && str_eq(c->scope.v[i].name, s->names[2 * k]))
				return check_err(c, s->places[2 * k], e, "there would be two fields \"%.*s\"", STR_ARG(s->names[2 * k]));
	return 0;
}

static int check_statement(struct check *c, const struct stmt *s, struct err *e)
{
	switch (s->kind) {
	case STMT_ASSIGN:
		return check_assign(c, s, e);
	case STMT_WHERE:
		return check_where(c, s, e);
	case STMT_EXPLODE:
		return check_explode(c, s, e);
	case STMT_KEEP:
	case STMT_DROP:
		return check_fields(c, s, e);
	case STMT_RENAME:
		return check_rename(c, s, e);
	}
	return 0;
}

/* ---- the whole ---- */

static void mark_slots(const struct expr *x, bool *live)
{
	if (x->slot >= 0)
		live[x->slot] = true;
	for (int i = 0; i < x->nargs; i++)
		mark_slots(x->args[i], live);
}

/* Which slots each explode has to carry on: those that later steps or the output use. */
static int mark_live(struct program *p, struct err *e)
{
	bool *live = arena_array(&p->arena, bool, (size_t)p->nslots);

	if (!live)
		return err_oom(e);
	for (int i = 0; i < p->out->nfields; i++)
		live[p->out_slots[i]] = true;
	for (int k = p->nsteps; k-- > 0;) {
		struct step *s = &p->steps[k];

		if (s->kind == STEP_EXPLODE && !(s->live = arena_dup(&p->arena, live, (size_t)p->nslots)))
			return err_oom(e);
		mark_slots(s->expr, live);
	}
	p->live = live;
	return 0;
}

/* Does the order that stook.sorted tells of still hold? Its fields must all be there under their names, untouched. */
static bool order_holds(const struct check *c)
{
	const struct str *sorted = kvs_get(&c->p->in->meta, STR("stook.sorted"));
	struct arena a = { 0 };
	struct key_spec spec;
	struct err ignored;
	bool holds = !c->sorted_broken;

	if (!sorted || !holds)
		return false;
	holds = key_parse(*sorted, &a, &spec, &ignored) == 0;
	for (int i = 0; holds && i < spec.n; i++) {
		int at = scope_find(c, spec.parts[i].name);

		holds = !spec.parts[i].at && at >= 0 && c->scope.v[at].slot < c->p->in->nfields &&
			str_eq(c->p->in->fields[c->scope.v[at].slot].name, spec.parts[i].name);
	}
	arena_free(&a);
	return holds;
}

static int output_field(struct check *c, struct schema *s, const struct binding *b, struct err *e)
{
	const struct slot_info *info = &c->p->slots[b->slot];
	struct field f;

	if (!info->field)
		return schema_add(s, b->name, info->column, true, e);
	f = *info->field;
	f.name = b->name;
	return schema_add_field(s, &f, e);
}

static int output_schema(struct check *c, struct err *e)
{
	struct program *p = c->p;
	cleanup_schema struct schema *s = schema_new();
	int rc;

	if (!s || !(p->out_slots = arena_array(&p->arena, int, (size_t)c->scope.n)))
		return err_oom(e);
	for (int i = 0; i < c->scope.n; i++) {
		p->out_slots[i] = c->scope.v[i].slot;
		if ((rc = output_field(c, s, &c->scope.v[i], e)) < 0)
			return rc;
	}
	if ((rc = schema_copy_meta(s, p->in, e)) < 0)
		return rc;
	if (!order_holds(c))
		(void)schema_drop_meta(s, STR("stook.sorted"));
	p->out = s;
	s = NULL;
	return 0;
}

static int input_slots(struct check *c, const struct schema *in, struct err *e)
{
	int rc, slot;

	for (int i = 0; i < in->nfields; i++) {
		const struct field *f = &in->fields[i];
		enum value_type t = value_of(&f->type);

		if ((rc = new_slot(c, (struct slot_info){ t, &f->type, f, value_text(t) && t != V_NUM }, &slot, e)) < 0 ||
		    (rc = scope_grow(c, e)) < 0)
			return rc;
		c->scope.v[c->scope.n++] = (struct binding){ f->name, slot };
	}
	return 0;
}

int program_bind(struct program *p, const struct schema *in, int64_t now_us, struct err *e)
{
	struct check *c = arena_new(&p->arena, struct check);
	int n = 0, rc;

	for (struct stmt *s = p->stmts; s; s = s->next)
		n++;
	if (!c || !(p->steps = arena_array(&p->arena, struct step, (size_t)n)))
		return err_oom(e);
	p->in = schema_ref(in);
	p->now_us = now_us;
	c->p = p;
	if ((rc = eval_scratch(p, &p->fold, e)) < 0 || (c->fold = p->fold, rc = input_slots(c, in, e)) < 0)
		return rc;
	for (struct stmt *s = p->stmts; s; s = s->next)
		if ((rc = check_statement(c, s, e)) < 0)
			return rc;
	return (rc = output_schema(c, e)) < 0 ? rc : mark_live(p, e);
}

const bool *program_fields(const struct program *p)
{
	return p->live;
}

const struct schema *program_schema(const struct program *p)
{
	return p->out;
}

/* ---- what can be said without a schema ---- */

int program_parse(struct str text, const char *name, struct program **ret, struct err *e)
{
	struct program *p = calloc(1, sizeof *p);
	struct lexer lx;
	int rc;

	if (!p)
		return err_oom(e);
	p->text = (struct str){ arena_strdup(&p->arena, text), text.n };
	p->name = arena_strdup(&p->arena, str_of(name));
	rc = p->text.p && p->name ? 0 : err_oom(e);
	if (rc < 0 || (rc = lex_start(&lx, p->text, p->name, &p->arena, e)) < 0 || (rc = parse_program(&lx, &p->stmts, e)) < 0) {
		program_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	eval_free(p->fold);
	for (struct resource *r = p->resources; r; r = r->next)
		r->free(r->p);
	schema_unref(p->in);
	schema_unref(p->out);
	arena_free(&p->arena);
	free(p);
}

/* The first call that `test` is true of. */
static const char *find_call(const struct ast *a, const char *(*test)(const struct ast *a, const char *name), const char *name)
{
	const char *found = a->kind == AST_CALL ? test(a, name) : NULL;

	for (int i = 0; !found && i < a->nargs; i++)
		found = find_call(a->args[i], test, name);
	return found;
}

static const char *find_in_program(const struct program *p, const char *(*test)(const struct ast *a, const char *name),
		const char *name)
{
	const char *found = NULL;

	for (const struct stmt *s = p->stmts; s && !found; s = s->next)
		found = s->expr ? find_call(s->expr, test, name) : NULL;
	return found;
}

static const char *gathers(const struct ast *a, const char *name)
{
	const struct fn *f = fn_find(a->text, 0);

	(void)name;
	return f ? f->gathers : NULL;
}

static const char *is_named(const struct ast *a, const char *name)
{
	return str_is(a->text, name) ? name : NULL;
}

const char *program_gathers(const struct program *p)
{
	return find_in_program(p, gathers, NULL);
}

bool program_calls(const struct program *p, const char *function)
{
	return find_in_program(p, is_named, function) != NULL;
}
