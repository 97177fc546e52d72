/* The syntax of map programs: tokens, and the tree that the parser makes of them. Nothing here knows a schema.
 *
 *     program    = [statement] { (";" | newline) [statement] }
 *     statement  = NAME "=" expr | "where" expr | "explode" NAME "=" expr
 *                | ("keep" | "drop") FIELDS | "rename" NAME "=" NAME { "," NAME "=" NAME }        # new = old
 *     expr       = and { ("or" | "||") and }
 *     and        = not { ("and" | "&&") not }
 *     not        = ("not" | "!") not | compare
 *     compare    = sum [ (== != < <= > >= ~ !~) sum | ["not"] "in" "(" expr {"," expr} ")" | "is" ["not"] "null" ]
 *     sum        = product { (+ -) product }
 *     product    = unary { (* / %) unary }
 *     unary      = "-" unary | primary
 *     primary    = NUMBER | DURATION | STRING | "true" | "false" | "null" | NAME | "@" NUMBER | "@" STRING | NAME "(" args ")"
 *                | "(" expr ")" | "case" { "when" expr "then" expr } ["else" expr] "end"
 *
 * A newline ends a statement unless a bracket or `case` is open, the line ends in an operator or a comma, or the next one
 * begins with
 * and, or, && or ||. `#` starts a comment. `!` binds tighter than a comparison only through brackets: `!a == b` is `!(a == b)`.
 *
 * Everything is allocated in the program's arena; strings point into it. Places are byte offsets into the program's text. */
#ifndef STOOK_EXPR_SYNTAX_H
#define STOOK_EXPR_SYNTAX_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum token_kind {
	TOK_END,       /* of the program */
	TOK_NEXT,      /* ; or newline */
	TOK_NAME,
	TOK_FIELD,     /* @'odd name': `text` is the name */
	TOK_AT,        /* @3: `number` */
	TOK_STRING,
	TOK_NUMBER,    /* `text` as written */
	TOK_DURATION,  /* `number` microseconds */
	TOK_OP,        /* operator or bracket: `text` */
};

struct token {
	enum token_kind kind;
	int at, end;           /* offsets of the first byte and behind the last */
	struct str text;
	int64_t number;
};

/* Where a program is being read. `tok` is the token in hand. */
struct lexer {
	struct str text;       /* the whole program */
	const char *name;      /* for messages: "program" or the file's name */
	int pos;               /* behind tok */
	int depth;             /* open brackets and cases: newlines are blanks then */
	int cases;             /* open ones: when, then, else, end are no names there */
	int nesting;           /* of the parser: brackets and prefix operators on the way down */
	struct token tok, last; /* last: the one before */
	struct arena *arena;
};

enum ast_kind { AST_TEXT, AST_NUMBER, AST_DURATION, AST_BOOL, AST_NULL, AST_FIELD, AST_AT, AST_CALL };

/* An expression. A call's name is a function or an operator: "+" "unary -" "and" "not" "==" "~" "is in" "is null" "if" "case"
 * (conditions and values in turn, an odd last one is `else`). */
struct ast {
	enum ast_kind kind;
	int at, end;           /* its part of the program */
	struct str text;       /* AST_TEXT, AST_NUMBER (digits), AST_FIELD, AST_CALL (name) */
	int64_t number;        /* AST_DURATION (microseconds), AST_AT (from 1), AST_BOOL */
	int nargs, height;
	struct ast **args;
};

enum stmt_kind { STMT_ASSIGN, STMT_WHERE, STMT_EXPLODE, STMT_KEEP, STMT_DROP, STMT_RENAME };

struct stmt {
	enum stmt_kind kind;
	int at;
	struct str name;       /* ASSIGN, EXPLODE */
	struct ast *expr;      /* ASSIGN, EXPLODE, WHERE */
	struct str fields;     /* KEEP, DROP: the FIELDS grammar, odd names escaped */
	int nnames;            /* RENAME: pairs (new, old) */
	struct str *names;
	int *places;           /* of each name */
	struct stmt *next;
};

#define EXPR_HEIGHT_MAX 500    /* deepest expression */
#define PROGRAM_MAX (1 << 20)  /* longest program, bytes */

int lex_start(struct lexer *lx, struct str text, const char *name, struct arena *a, struct err *e) nodiscard;
int lex_next(struct lexer *lx, struct err *e) nodiscard; /* the next token into lx->tok */

/* Reads a quoted string whose quote is at text[*pos]; moves *pos behind it. */
int lex_string(struct lexer *lx, int *pos, struct str *ret, struct err *e) nodiscard;

/* The list of statements of a program; NULL for an empty one. */
int parse_program(struct lexer *lx, struct stmt **ret, struct err *e) nodiscard;

/* ST_USAGE at byte `at` of a program. */
int program_err(struct str text, const char *name, int at, struct err *e, const char *fmt, ...) printf_like(5, 6);
/* Places an error that has been set at byte `at` of the program. */
int program_err_at(struct str text, const char *name, int at, struct err *e);

#endif
