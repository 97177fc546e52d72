/* Pipeline text into words: the part of sh that a plain pipeline needs (quotes, backslash, |, comments, line breaks after |).
 * What sh would expand or run ($, `, globs, ~, redirections, ;, &, parentheses) is refused by name instead of being misread.
 * Source of the rules: POSIX.1-2017 Shell Command Language, 2.2 Quoting and 2.3 Token Recognition. */
#ifndef STOOK_FANOUT_LEX_H
#define STOOK_FANOUT_LEX_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define LEX_STAGES 32
#define LEX_WORDS 4096

struct words {
	int n;
	char **v; /* NULL terminated */
};

/* Stages of words, allocated in a. Returns how many, or a negative status (ST_USAGE). */
int lex_pipeline(struct str text, struct arena *a, struct words stages[LEX_STAGES], struct err *e) nodiscard;

/* Appends word quoted for sh: as it is when it has only harmless characters, else in single quotes. 0 or -1. */
int lex_quote(struct buf *b, struct str word) must_check;

#endif
