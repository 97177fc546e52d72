/* The parser of map programs: recursive descent over the grammar in syntax.h. Operators become calls by their symbol, so
 * that the
 * checker knows only literals, fields and calls. The height of every tree is bounded here; whoever walks one may recurse. */
#include "lib/expr/syntax.h"

#include "lib/base/buf.h"

#include <stdlib.h>

#define PARSE_ERR(lx, where, e, ...) program_err((lx)->text, (lx)->name, (where), (e), __VA_ARGS__)

static int parse_expr(struct lexer *lx, struct ast **ret, struct err *e);

static bool is_op(const struct lexer *lx, const char *op)
{
	return lx->tok.kind == TOK_OP && str_is(lx->tok.text, op);
}

static bool is_word(const struct lexer *lx, const char *word)
{
	return lx->tok.kind == TOK_NAME && str_is(lx->tok.text, word);
}

/* Words that cannot be a field's plain name where a value is expected; those of case only inside one. */
static bool is_reserved(const struct lexer *lx, struct str name)
{
	static const char *const words[] = { "and", "or", "not", "when", "then", "else", "end", NULL };

	for (int i = 0; words[i] && (i < 3 || lx->cases); i++)
		if (str_is(name, words[i]))
			return true;
	return false;
}

/* "after X comes Y" for whatever token is in hand. */
static int unexpected(const struct lexer *lx, const char *wanted, struct err *e)
{
	const struct token *t = &lx->tok;
	struct str text = { lx->text.p + t->at, (size_t)(t->end - t->at) };

	if (t->kind == TOK_END)
		return PARSE_ERR(lx, t->at, e, "the program ends where %s should be", wanted);
	if (t->kind == TOK_NEXT)
		return PARSE_ERR(lx, t->at, e, "the statement ends where %s should be", wanted);
	return PARSE_ERR(lx, t->at, e, "\"%.*s\" stands where %s should be", STR_ARG(text), wanted);
}

static int expect_op(struct lexer *lx, const char *op, const char *wanted, struct err *e)
{
	return is_op(lx, op) ? lex_next(lx, e) : unexpected(lx, wanted, e);
}

static int expect_word(struct lexer *lx, const char *word, const char *wanted, struct err *e)
{
	return is_word(lx, word) ? lex_next(lx, e) : unexpected(lx, wanted, e);
}

static struct ast *new_ast(struct lexer *lx, enum ast_kind kind, struct str text)
{
	struct ast *x = arena_new(lx->arena, struct ast);

	if (x)
		*x = (struct ast){ .kind = kind, .text = text, .at = lx->tok.at, .end = lx->tok.end, .height = 1 };
	return x;
}

/* A call with the arguments v[0 .. n), copied. */
static int new_call(struct lexer *lx, struct str name, struct ast *const *v, int n, struct ast **ret, struct err *e)
{
	struct ast *x = new_ast(lx, AST_CALL, name);

	if (!x || !(x->args = arena_dup(lx->arena, v, (size_t)n * sizeof *v)))
		return err_oom(e);
	x->nargs = n;
	x->at = n ? v[0]->at : x->at;
	x->end = lx->last.end;
	for (int i = 0; i < n; i++)
		if (v[i]->height >= x->height)
			x->height = v[i]->height + 1;
	if (x->height > EXPR_HEIGHT_MAX)
		return PARSE_ERR(lx, x->at, e, "this expression is nested too deeply (more than %d levels)", EXPR_HEIGHT_MAX);
	*ret = x;
	return 0;
}

/* A growing list of arguments. */
struct args {
	struct buf b;
};
#define cleanup_args __attribute__((cleanup(args_free)))

static void args_free(struct args *l) { buf_free(&l->b); }
static int args_n(const struct args *l) { return (int)(l->b.n / sizeof(struct ast *)); }
static struct ast *const *args_v(const struct args *l) { return (struct ast *const *)(const void *)l->b.p; }

static int args_expr(struct lexer *lx, struct args *l, struct err *e)
{
	struct ast *x;
	int rc = parse_expr(lx, &x, e);

	if (rc < 0)
		return rc;
	return buf_add(&l->b, &x, sizeof x) ? err_oom(e) : 0;
}

/* expr {"," expr} ")" after an opening bracket. */
static int args_list(struct lexer *lx, struct args *l, struct err *e)
{
	int rc;

	for (;;) {
		if ((rc = args_expr(lx, l, e)) < 0)
			return rc;
		if (!is_op(lx, ","))
			return expect_op(lx, ")", "\",\" or \")\"", e);
		if ((rc = lex_next(lx, e)) < 0)
			return rc;
	}
}

/* NAME "(" ...; the name is in `name`, the bracket in hand. */
static int parse_call(struct lexer *lx, const struct token *name, struct ast **ret, struct err *e)
{
	cleanup_args struct args l = { 0 };
	int rc = lex_next(lx, e);

	if (rc == 0)
		rc = is_op(lx, ")") ? lex_next(lx, e) : args_list(lx, &l, e);
	if (rc < 0 || (rc = new_call(lx, name->text, args_v(&l), args_n(&l), ret, e)) < 0)
		return rc;
	(*ret)->at = name->at;
	return 0;
}

static int parse_case(struct lexer *lx, struct ast **ret, struct err *e)
{
	cleanup_args struct args l = { 0 };
	int start = lx->tok.at, rc;

	lx->depth++;
	lx->cases++;
	if ((rc = lex_next(lx, e)) < 0)
		return rc;
	if (!is_word(lx, "when"))
		return unexpected(lx, "\"when\"", e);
	while (is_word(lx, "when")) {
		if ((rc = lex_next(lx, e)) < 0 || (rc = args_expr(lx, &l, e)) < 0 ||
		    (rc = expect_word(lx, "then", "\"then\"", e)) < 0 || (rc = args_expr(lx, &l, e)) < 0)
			return rc;
	}
	if (is_word(lx, "else") && ((rc = lex_next(lx, e)) < 0 || (rc = args_expr(lx, &l, e)) < 0))
		return rc;
	lx->cases--;
	if (lx->depth > 0)
		lx->depth--;
	if ((rc = expect_word(lx, "end", "\"when\", \"else\" or \"end\"", e)) < 0)
		return rc;
	if ((rc = new_call(lx, STR("case"), args_v(&l), args_n(&l), ret, e)) < 0)
		return rc;
	(*ret)->at = start;
	return 0;
}

/* A literal or a field: the token in hand is all of it. */
static int parse_leaf(struct lexer *lx, enum ast_kind kind, struct ast **ret, struct err *e)
{
	struct ast *x = new_ast(lx, kind, lx->tok.text);

	if (!x)
		return err_oom(e);
	x->number = kind == AST_BOOL ? is_word(lx, "true") : lx->tok.number;
	*ret = x;
	return lex_next(lx, e);
}

static int parse_word(struct lexer *lx, struct ast **ret, struct err *e)
{
	struct token name = lx->tok;
	int rc;

	if (is_word(lx, "true") || is_word(lx, "false"))
		return parse_leaf(lx, AST_BOOL, ret, e);
	if (is_word(lx, "null"))
		return parse_leaf(lx, AST_NULL, ret, e);
	if (is_word(lx, "case"))
		return parse_case(lx, ret, e);
	if (is_reserved(lx, name.text))
		return PARSE_ERR(lx, name.at, e, "\"%.*s\" stands where a value should be (a field of that name is @'%.*s')",
				 STR_ARG(name.text), STR_ARG(name.text));
	if ((rc = parse_leaf(lx, AST_FIELD, ret, e)) < 0)
		return rc;
	return is_op(lx, "(") ? parse_call(lx, &name, ret, e) : 0;
}

static int parse_group(struct lexer *lx, struct ast **ret, struct err *e)
{
	int rc = lex_next(lx, e);

	if (rc < 0 || (rc = parse_expr(lx, ret, e)) < 0)
		return rc;
	return expect_op(lx, ")", "\")\"", e);
}

static int parse_primary(struct lexer *lx, struct ast **ret, struct err *e)
{
	switch (lx->tok.kind) {
	case TOK_STRING:
		return parse_leaf(lx, AST_TEXT, ret, e);
	case TOK_NUMBER:
		return parse_leaf(lx, AST_NUMBER, ret, e);
	case TOK_DURATION:
		return parse_leaf(lx, AST_DURATION, ret, e);
	case TOK_FIELD:
		return parse_leaf(lx, AST_FIELD, ret, e);
	case TOK_AT:
		return parse_leaf(lx, AST_AT, ret, e);
	case TOK_NAME:
		return parse_word(lx, ret, e);
	default:
		return is_op(lx, "(") ? parse_group(lx, ret, e) : unexpected(lx, "a value", e);
	}
}

/* Counts open prefix operators and brackets on the way down, which no tree shows yet. */
static int deeper(struct lexer *lx, struct err *e)
{
	if (++lx->nesting > EXPR_HEIGHT_MAX)
		return PARSE_ERR(lx, lx->tok.at, e, "this expression is nested too deeply (more than %d levels)", EXPR_HEIGHT_MAX);
	return 0;
}

/* A prefix operator's token is in hand; `operand` reads what it applies to. */
static int parse_prefix(struct lexer *lx, const char *name, int (*operand)(struct lexer *, struct ast **, struct err *),
			struct ast **ret, struct err *e)
{
	int start = lx->tok.at, rc;
	struct ast *x;

	if ((rc = deeper(lx, e)) < 0 || (rc = lex_next(lx, e)) < 0 || (rc = operand(lx, &x, e)) < 0 ||
	    (rc = new_call(lx, str_of(name), &x, 1, ret, e)) < 0)
		return rc;
	lx->nesting--;
	(*ret)->at = start;
	return 0;
}

static int parse_unary(struct lexer *lx, struct ast **ret, struct err *e)
{
	return is_op(lx, "-") ? parse_prefix(lx, "unary -", parse_unary, ret, e) : parse_primary(lx, ret, e);
}

/* A level of left-associative binary operators: `names` are the symbols and words, pairs of (as written, as called). */
static int parse_level(struct lexer *lx, const char *const (*names)[2], int (*operand)(struct lexer *, struct ast **,
		struct err *),
		       struct ast **ret, struct err *e)
{
	struct ast *v[2];
	int rc = operand(lx, &v[0], e), i;

	while (rc == 0) {
		for (i = 0; names[i][0]; i++)
			if (is_op(lx, names[i][0]) || is_word(lx, names[i][0]))
				break;
		if (!names[i][0]) {
			*ret = v[0];
			return 0;
		}
		if ((rc = lex_next(lx, e)) == 0 && (rc = operand(lx, &v[1], e)) == 0)
			rc = new_call(lx, str_of(names[i][1]), v, 2, &v[0], e);
	}
	return rc;
}

static int parse_product(struct lexer *lx, struct ast **ret, struct err *e)
{
	static const char *const names[][2] = { { "*", "*" }, { "/", "/" }, { "%", "%" }, { 0 } };

	return parse_level(lx, names, parse_unary, ret, e);
}

static int parse_sum(struct lexer *lx, struct ast **ret, struct err *e)
{
	static const char *const names[][2] = { { "+", "+" }, { "-", "-" }, { 0 } };

	return parse_level(lx, names, parse_product, ret, e);
}

static int negate(struct lexer *lx, struct ast **x, struct err *e)
{
	return new_call(lx, STR("not"), x, 1, x, e);
}

/* "in" is in hand. */
static int parse_in(struct lexer *lx, struct ast *left, struct ast **ret, struct err *e)
{
	cleanup_args struct args l = { 0 };
	int rc;

	if (buf_add(&l.b, &left, sizeof left))
		return err_oom(e);
	if ((rc = lex_next(lx, e)) < 0 || (rc = expect_op(lx, "(", "\"(\"", e)) < 0 || (rc = args_list(lx, &l, e)) < 0)
		return rc;
	return new_call(lx, STR("is in"), args_v(&l), args_n(&l), ret, e);
}

/* "is" is in hand. */
static int parse_is(struct lexer *lx, struct ast *left, struct ast **ret, struct err *e)
{
	bool not = false;
	int rc = lex_next(lx, e);

	if (rc == 0 && is_word(lx, "not")) {
		not = true;
		rc = lex_next(lx, e);
	}
	if (rc < 0 || (rc = expect_word(lx, "null", "\"null\"", e)) < 0 ||
	    (rc = new_call(lx, STR("is null"), &left, 1, ret, e)) < 0)
		return rc;
	return not ? negate(lx, ret, e) : 0;
}

static const char *comparison(const struct lexer *lx)
{
	static const char *const ops[] = { "==", "!=", "<", "<=", ">", ">=", "~", "!~", NULL };

	for (int i = 0; ops[i]; i++)
		if (is_op(lx, ops[i]))
			return ops[i];
	return NULL;
}

static int parse_comparison(struct lexer *lx, const char *op, struct ast *left, struct ast **ret, struct err *e)
{
	struct ast *v[2] = { left };
	bool not = strcmp(op, "!~") == 0;
	int rc;

	if ((rc = lex_next(lx, e)) < 0 || (rc = parse_sum(lx, &v[1], e)) < 0 ||
	    (rc = new_call(lx, str_of(not ? "~" : op), v, 2, ret, e)) < 0)
		return rc;
	if (comparison(lx))
		return PARSE_ERR(lx, lx->tok.at, e, "comparisons do not chain: join them with \"and\"");
	return not ? negate(lx, ret, e) : 0;
}

static int parse_compare(struct lexer *lx, struct ast **ret, struct err *e)
{
	struct ast *left;
	bool not = false;
	int rc = parse_sum(lx, &left, e);

	if (rc < 0)
		return rc;
	if (is_op(lx, "="))
		return PARSE_ERR(lx, lx->tok.at, e, "\"=\" names a result; a comparison is \"==\"");
	if (comparison(lx))
		return parse_comparison(lx, comparison(lx), left, ret, e);
	if (is_word(lx, "is"))
		return parse_is(lx, left, ret, e);
	if (is_word(lx, "not")) {
		not = true;
		if ((rc = lex_next(lx, e)) < 0)
			return rc;
		if (!is_word(lx, "in"))
			return unexpected(lx, "\"in\"", e);
	}
	if (is_word(lx, "in")) {
		rc = parse_in(lx, left, ret, e);
		return rc == 0 && not ? negate(lx, ret, e) : rc;
	}
	*ret = left;
	return 0;
}

static int parse_not(struct lexer *lx, struct ast **ret, struct err *e)
{
	if (is_op(lx, "!") || is_word(lx, "not"))
		return parse_prefix(lx, "not", parse_not, ret, e);
	return parse_compare(lx, ret, e);
}

static int parse_and(struct lexer *lx, struct ast **ret, struct err *e)
{
	static const char *const names[][2] = { { "&&", "and" }, { "and", "and" }, { 0 } };

	return parse_level(lx, names, parse_not, ret, e);
}

static int parse_expr(struct lexer *lx, struct ast **ret, struct err *e)
{
	static const char *const names[][2] = { { "||", "or" }, { "or", "or" }, { 0 } };
	int rc = deeper(lx, e);

	if (rc < 0 || (rc = parse_level(lx, names, parse_and, ret, e)) < 0)
		return rc;
	lx->nesting--;
	return 0;
}

/* A field's name to write to: a plain one or @'odd name'. */
static int parse_target(struct lexer *lx, struct str *ret, struct err *e)
{
	if (lx->tok.kind != TOK_NAME && lx->tok.kind != TOK_FIELD)
		return unexpected(lx, "a field's name", e);
	*ret = lx->tok.text;
	if (!ret->n)
		return PARSE_ERR(lx, lx->tok.at, e, "a field needs a name that is not empty");
	return lex_next(lx, e);
}

static int parse_assign(struct lexer *lx, struct stmt *s, struct err *e)
{
	int rc = parse_target(lx, &s->name, e);

	if (rc < 0 || (rc = expect_op(lx, "=", "\"=\"", e)) < 0)
		return rc;
	return parse_expr(lx, &s->expr, e);
}

static int rename_name(struct lexer *lx, struct buf *names, struct buf *places, struct err *e)
{
	struct str name;
	int place = lx->tok.at, rc = parse_target(lx, &name, e);

	if (rc < 0)
		return rc;
	return buf_add(names, &name, sizeof name) || buf_add(places, &place, sizeof place) ? err_oom(e) : 0;
}

static int parse_rename(struct lexer *lx, struct stmt *s, struct err *e)
{
	cleanup_buf struct buf names = { 0 }, places = { 0 };
	int rc;

	do {
		if ((rc = lex_next(lx, e)) < 0 || (rc = rename_name(lx, &names, &places, e)) < 0 ||
		    (rc = expect_op(lx, "=", "\"=\" (rename NEW = OLD)", e)) < 0 || (rc = rename_name(lx, &names, &places, e)) < 0)
			return rc;
		s->nnames++;
	} while (is_op(lx, ","));
	s->names = arena_dup(lx->arena, names.p, names.n);
	s->places = arena_dup(lx->arena, places.p, places.n);
	return s->names && s->places ? 0 : err_oom(e);
}

/* A name in the FIELDS grammar: what means something there gets a backslash. */
static int put_escaped(struct buf *b, struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		bool range = name.p[i] == '.' && i + 1 < name.n && name.p[i + 1] == '.';

		if ((range || strchr("\\,:=@*", name.p[i])) && buf_byte(b, '\\'))
			return -1;
		if (buf_byte(b, (uint8_t)name.p[i]))
			return -1;
	}
	return 0;
}

static int byte_at(const struct lexer *lx)
{
	return (size_t)lx->pos < lx->text.n ? (unsigned char)lx->text.p[lx->pos] : -1;
}

static void skip_space(struct lexer *lx, bool newlines)
{
	for (;; lx->pos++) {
		int c = byte_at(lx);

		if (c == '#' && newlines)
			while (byte_at(lx) >= 0 && byte_at(lx) != '\n')
				lx->pos++;
		else if (!(c == ' ' || c == '\t' || c == '\r' || (newlines && c == '\n')))
			return;
	}
}

/* One item of keep or drop, from lx->pos: pieces of raw text, 'quoted patterns' and @'odd names' side by side. */
static int fields_item(struct lexer *lx, struct buf *b, struct err *e)
{
	size_t before = b->n;
	struct str s;
	int c, rc;

	while ((c = byte_at(lx)) >= 0 && !strchr(" \t\r\n,;#", c)) {
		bool odd = c == '@' && (size_t)lx->pos + 1 < lx->text.n && strchr("'\"", lx->text.p[lx->pos + 1]);

		if (odd || c == '\'' || c == '"') {
			lx->pos += odd;
			if ((rc = lex_string(lx, &lx->pos, &s, e)) < 0)
				return rc;
			if (odd ? put_escaped(b, s) : buf_str(b, s))
				return err_oom(e);
			continue;
		}
		if (c == '\\' && (size_t)lx->pos + 1 < lx->text.n && buf_byte(b, (uint8_t)lx->text.p[lx->pos++]))
			return err_oom(e);
		if (buf_byte(b, (uint8_t)lx->text.p[lx->pos++]))
			return err_oom(e);
	}
	if (b->n == before)
		return PARSE_ERR(lx, lx->pos, e, "a field should be here (FIELDS: a,b a..d *_time @2)");
	return 0;
}

/* The keyword is in hand; its list is read as raw text, for it has a grammar of its own. */
static int parse_fields(struct lexer *lx, struct stmt *s, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc;

	for (;;) {
		skip_space(lx, b.n > 0);
		if ((rc = fields_item(lx, &b, e)) < 0)
			return rc;
		skip_space(lx, false);
		if (byte_at(lx) != ',')
			break;
		lx->pos++;
		if (buf_byte(&b, ','))
			return err_oom(e);
	}
	s->fields = (struct str){ arena_strdup(lx->arena, buf_view(&b)), b.n };
	if (!s->fields.p)
		return err_oom(e);
	return lex_next(lx, e);
}

/* Is the word in hand followed by a single "="? Then it is a field's name, whatever it says. */
static bool is_assignment(const struct lexer *lx)
{
	struct lexer ahead = *lx;
	struct err ignored;

	if (lx->tok.kind != TOK_NAME)
		return false;
	return lex_next(&ahead, &ignored) == 0 && is_op(&ahead, "=");
}

static int parse_statement(struct lexer *lx, struct stmt *s, struct err *e)
{
	static const struct { const char *word; enum stmt_kind kind; } words[] = {
		{ "where", STMT_WHERE }, { "explode", STMT_EXPLODE }, { "keep", STMT_KEEP }, { "drop", STMT_DROP }, { "rename", STMT_RENAME },
	};
	int rc;

	s->at = lx->tok.at;
	s->kind = STMT_ASSIGN;
	if (!is_assignment(lx))
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (is_word(lx, words[i].word))
				s->kind = words[i].kind;
	switch (s->kind) {
	case STMT_KEEP:
	case STMT_DROP:
		return parse_fields(lx, s, e);
	case STMT_RENAME:
		return parse_rename(lx, s, e);
	case STMT_WHERE:
		return (rc = lex_next(lx, e)) < 0 ? rc : parse_expr(lx, &s->expr, e);
	case STMT_EXPLODE:
		return (rc = lex_next(lx, e)) < 0 ? rc : parse_assign(lx, s, e);
	case STMT_ASSIGN:
		break;
	}
	if (lx->tok.kind == TOK_NAME || lx->tok.kind == TOK_FIELD)
		return parse_assign(lx, s, e);
	return unexpected(lx, "a statement (NAME = EXPR, where, keep, drop, rename, explode)", e);
}

int parse_program(struct lexer *lx, struct stmt **ret, struct err *e)
{
	struct stmt **tail = ret;
	int rc;

	*ret = NULL;
	while (lx->tok.kind != TOK_END) {
		if (lx->tok.kind == TOK_NEXT) {
			if ((rc = lex_next(lx, e)) < 0)
				return rc;
			continue;
		}
		*tail = arena_new(lx->arena, struct stmt);
		if (!*tail)
			return err_oom(e);
		if ((rc = parse_statement(lx, *tail, e)) < 0)
			return rc;
		if (lx->tok.kind != TOK_END && lx->tok.kind != TOK_NEXT)
			return unexpected(lx, "the end of the statement", e);
		tail = &(*tail)->next;
	}
	return 0;
}
