/* Checking calls of functions against the rows of the function table. Overloads are tried in order; the first whose
 * arguments fit is
 * taken, so a row that reads text as a number stands behind one that takes text. */
#include "lib/expr/convert.h"

const struct fn_group fn_groups[] = {
	{ "text", fns_text }, { "patterns", fns_regex }, { "numbers", fns_number }, { "times", fns_time },
	{ "conversion", fns_convert }, { "lists, for explode", fns_list }, { "JSON", fns_json }, { "the record", fns_record }, { 0 },
};

const struct fn *fn_find(struct str name, int i)
{
	for (const struct fn_group *g = fn_groups; g->title; g++)
		for (const struct fn *f = g->fns; f->name; f++)
			if (str_is(name, f->name) && i-- == 0)
				return f;
	return NULL;
}

/* The special forms of operator.c, told of like functions. */
static const struct fn forms[] = {
	{ .name = "if", .usage = "if(c, a[, b])", .help = "a where c is true, else b, else null; only what is chosen is computed" },
	{ .name = "case", .usage = "case when c then a ... [else b] end", .help = "the value behind the first condition that is true" },
	{ .name = "coalesce", .usage = "coalesce(a, b, ...)", .help = "the first value that is not null" },
	{ .name = "in", .usage = "x [not] in (a, b, ...)", .help = "does x equal one of them?" },
	{ .name = "is", .usage = "x is [not] null", .help = "is there no value?" },
	{ .name = "least", .usage = "least(a, b, ...)", .help = "the smallest of values of one type" },
	{ .name = "greatest", .usage = "greatest(a, b, ...)", .help = "the largest of them" },
	{ 0 },
};

static const struct fn_group choosing = { "choosing", forms };

static int list_group(struct buf *b, const struct fn_group *g)
{
	if (buf_printf(b, "%s\n", g->title))
		return -1;
	for (const struct fn *f = g->fns; f->name; f++)
		if (f->usage && buf_printf(b, "  %-26s %s\n", f->usage, f->help))
			return -1;
	return 0;
}

int functions_list(struct buf *b)
{
	int rc = list_group(b, &choosing);

	for (const struct fn_group *g = fn_groups; rc == 0 && g->title; g++)
		rc = list_group(b, g);
	return rc;
}

static int put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++)
		if (*s == '\\' ? buf_puts(b, "\\e") : buf_byte(b, (uint8_t)*s))
			return -1;
	return 0;
}

static int mdoc_group(struct buf *b, const struct fn_group *g)
{
	if (buf_printf(b, ".Ss Functions: %s\n.Bl -tag -width Ds -compact\n", g->title))
		return -1;
	for (const struct fn *f = g->fns; f->name; f++)
		if (f->usage && (buf_puts(b, ".It Li \"") || put_escaped(b, f->usage) || buf_puts(b, "\"\n") || put_escaped(b, f->help) ||
				 buf_byte(b, '\n')))
			return -1;
	return buf_puts(b, ".El\n");
}

int functions_mdoc(struct buf *b)
{
	int rc = mdoc_group(b, &choosing);

	for (const struct fn_group *g = fn_groups; rc == 0 && g->title; g++)
		rc = mdoc_group(b, g);
	return rc;
}

/* A signature, letter by letter. */
struct signature {
	const char *p;
	bool optional;
	char repeated; /* the letter before * */
};

/* The next letter, or 0 when no more arguments are taken. */
static char next_letter(struct signature *s)
{
	char letter;

	if (s->repeated)
		return s->repeated;
	if (*s->p == '?') {
		s->optional = true;
		s->p++;
	}
	letter = *s->p;
	if (!letter)
		return 0;
	s->p++;
	if (*s->p == '*')
		s->repeated = letter;
	return letter;
}

static bool wants_more(const struct signature *s)
{
	return !s->optional && !s->repeated && *s->p && *s->p != '?';
}

/* The value type of a letter; V_COUNT: no single one. */
static enum value_type letter_type(char letter)
{
	switch (letter) {
	case 's':
	case 'v':
	case 'k':
	case 'r':
		return V_TEXT;
	case 'i':
		return V_I64;
	case 'f':
		return V_F64;
	case 'd':
		return V_DEC;
	case 'b':
		return V_BOOL;
	case 't':
		return V_TIME;
	case 'D':
		return V_DATE;
	case 'u':
		return V_SPAN;
	case 'l':
	case 'L':
		return V_LIST;
	default:
		return V_COUNT;
	}
}

static const char *letter_name(char letter)
{
	switch (letter) {
	case 'n':
		return "a number";
	case 'i':
		return "a whole number";
	case 'k':
		return "text that is written in the program";
	case 'r':
		return "a pattern that is written in the program";
	case 'a':
	case 'v':
		return "a value";
	default:
		return value_name(letter_type(letter));
	}
}

static bool fits(const struct expr *x, char letter)
{
	enum value_type t = x->type;

	if (t == V_NULL)
		return letter != 'k' && letter != 'r' && letter != 'l';
	switch (letter) {
	case 'a':
		return t != V_OTHER && t != V_LIST;
	case 'k':
	case 'r':
		return t == V_TEXT && x->constant;
	case 's':
		return t == V_TEXT || t == V_JSON || t == V_NUM;
	case 'n':
	case 'd':
	case 'f':
		return value_readable(t);
	case 'i':
		return value_readable(t);
	default:
		return t == letter_type(letter) || conversion(t, letter_type(letter)) != NULL;
	}
}

/* Does the row take these arguments? *bad is the first that does not fit (nargs: there are too few; -1: too many). */
static bool row_fits(const struct fn *f, struct expr *const *v, int n, int *bad, char *letter)
{
	struct signature s = { .p = f->args };

	for (*bad = 0; *bad < n; (*bad)++) {
		*letter = next_letter(&s);
		if (!*letter) {
			*bad = -1;
			return false;
		}
		if (!fits(v[*bad], *letter))
			return false;
	}
	return !wants_more(&s);
}

/* The common type of the n arguments. */
static enum value_type number_type(const struct fn *f, struct expr *const *v, int n)
{
	struct signature s = { .p = f->args };
	enum value_type type = V_NULL;

	for (int i = 0; i < n; i++) {
		enum value_type t = v[i]->type;

		if (next_letter(&s) != 'n' || t == V_NULL)
			continue;
		if (t != V_I64 && t != V_F64)
			t = V_DEC;
		if (type == V_NULL || t == V_F64)
			type = t;
		else if (type != V_F64 && t != type)
			type = V_DEC;
	}
	return type == V_NULL ? V_DEC : type;
}

static int convert_args(struct check *c, const struct fn *f, struct expr **v, int n, enum value_type number, struct err *e)
{
	struct signature s = { .p = f->args };
	int rc;

	for (int i = 0; i < n; i++) {
		char letter = next_letter(&s);

		if (letter == 'a')
			continue;
		if ((rc = expr_need(c, &v[i], letter == 'n' ? number : letter_type(letter), f->name, e)) < 0)
			return rc;
	}
	return 0;
}

static int wrong_args(struct check *c, const struct ast *a, const struct fn *f, struct expr *const *v, int bad, char letter,
		struct err *e)
{
	if (bad < 0 || bad == a->nargs)
		return check_err(c, a->at, e, "%s takes %s arguments: %s", f->name, bad < 0 ? "fewer" : "more",
			f->usage ? f->usage : f->name);
	return check_err(c, v[bad]->at, e, "%s takes %s here, not %s: %s", f->name, letter_name(letter), value_name(v[bad]->type),
			 f->usage ? f->usage : f->name);
}

static int call_row(struct check *c, const struct ast *a, const struct fn *f, struct expr **v, struct expr **ret, struct err *e)
{
	enum value_type number = number_type(f, v, a->nargs), type;
	int class = strchr(f->args, 'n') ? (number == V_I64 ? 0 : number == V_F64 ? 1 : 2) : 0, rc;
	struct expr *x;

	if ((rc = convert_args(c, f, v, a->nargs, number, e)) < 0)
		return rc;
	type = f->ret == 'n' ? number : f->ret == 'a' ? v[0]->type : letter_type(f->ret);
	if (!f->kernel[0]) { /* a conversion: its argument, whose reading has been said now */
		if (!(*ret = arena_dup(&c->p->arena, v[0], sizeof *v[0])))
			return err_oom(e);
		(*ret)->raw = (*ret)->literal = false;
		return 0;
	}
	if (!(x = expr_new(c, a, type, a->nargs)))
		return err_oom(e);
	memcpy(x->args, v, (size_t)a->nargs * sizeof *v);
	x->eval = eval_call;
	x->kernel = f->kernel[class];
	x->number = f->ret == 'L';
	*ret = x;
	if (f->prepare && (rc = f->prepare(c, x, e)) < 0)
		return rc;
	return a->nargs && type != V_LIST ? expr_fold(c, x, e) : 0;
}

/* Edit distance, for names up to 31 bytes. */
static int distance(struct str a, const char *b)
{
	int row[32], m = (int)strlen(b);

	if (a.n > 31 || m > 31)
		return 99;
	for (int j = 0; j <= m; j++)
		row[j] = j;
	for (int i = 1; i <= (int)a.n; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= m; j++) {
			int best = diagonal + (a.p[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[m];
}

static int unknown_function(struct check *c, const struct ast *a, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int limit = a->text.n > 4 ? 2 : 1, n = 0;
	const char *last = "";

	for (const struct fn_group *g = fn_groups; g->title; g++)
		for (const struct fn *f = g->fns; f->name; f++) {
			bool like = distance(a->text, f->name) <= limit || (a->text.n > 2 && str_starts(str_of(f->name), a->text));

			if (!like || n == 5 || strcmp(f->name, last) == 0)
				continue;
			last = f->name;
			if (buf_printf(&b, "%s%s", n++ ? ", " : "", f->name))
				return err_oom(e);
		}
	if (!n)
		return check_err(c, a->at, e, "there is no function %.*s (stook map --functions lists them)", STR_ARG(a->text));
	return check_err(c, a->at, e, "there is no function %.*s; near it: %.*s (stook map --functions lists all)", STR_ARG(a->text),
			 STR_ARG(buf_view(&b)));
}

int check_call(struct check *c, const struct ast *a, struct expr **ret, struct err *e)
{
	struct expr **v = arena_array(&c->p->arena, struct expr *, (size_t)a->nargs);
	const struct fn *f, *closest = NULL;
	int rc, bad, closest_bad = 0;
	char letter = 0, closest_letter = 0;

	if (!fn_find(a->text, 0))
		return unknown_function(c, a, e);
	if (!v)
		return err_oom(e);
	for (int i = 0; i < a->nargs; i++)
		if ((rc = check_ast(c, a->args[i], &v[i], e)) < 0)
			return rc;
	for (int k = 0; (f = fn_find(a->text, k)); k++) {
		if (row_fits(f, v, a->nargs, &bad, &letter))
			return call_row(c, a, f, v, ret, e);
		if (!closest || bad > closest_bad) {
			closest = f;
			closest_bad = bad;
			closest_letter = letter;
		}
	}
	return wrong_args(c, a, closest, v, closest_bad, closest_letter, e);
}
