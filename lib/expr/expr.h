/* Map programs: compiled once, run over batches.
 *
 *     program_parse(text, "program", &p, e);      // syntax only
 *     program_bind(p, schema, now, e);            // names, types, constants: p gets its output schema
 *     eval_new(p, policy, &ev, e);                // one a thread; the program is shared and immutable from here on
 *     eval_start(ev, batch, e);                   // takes no reference: the batch must live until the last eval_next()
 *     while ((rc = eval_next(ev, &out, e)) == 0 && out) ...
 *
 * Statements run top to bottom over a whole batch under a selection of rows (MonetDB/X100's selection vectors): `where` narrows
 * it, `and`, `or`, if, case and coalesce evaluate their operands only for the rows that their guards let through. A value
 * that cannot
 * be computed ends the stream after the rows before it have been given out, or becomes null, or takes its row away
 * (--on-bad). */
#ifndef STOOK_EXPR_EXPR_H
#define STOOK_EXPR_EXPR_H

#include "lib/table/reading.h"

struct program;
struct eval;

/* `name` is what messages call the program. Both strings are copied. */
int program_parse(struct str text, const char *name, struct program **ret, struct err *e) nodiscard;
void program_free(struct program *p); /* NULL is fine */

/* Checks the program against the schema of its input. now_us: what now() gives, microseconds since 1970. Once a program. */
int program_bind(struct program *p, const struct schema *in, int64_t now_us, struct err *e) nodiscard;

/* The output's schema, owned by the program; NULL before program_bind(). */
const struct schema *program_schema(const struct program *p);
/* Which fields of the input it looks at or passes on, one each; lives as long as the program. After program_bind(). */
const bool *program_fields(const struct program *p);

/* Why the program's records cannot be computed apart from each other, for --explain ("row() counts the records ..."); NULL:
 * they can. */
const char *program_gathers(const struct program *p);
bool program_calls(const struct program *p, const char *function);

int eval_new(const struct program *p, enum on_bad policy, struct eval **ret, struct err *e) nodiscard;
void eval_free(struct eval *ev); /* NULL is fine */

/* Begins a batch of the bound schema. */
int eval_start(struct eval *ev, struct batch *b, struct err *e) nodiscard;

/* The next batch of results (never one without rows), or NULL when the batch that was started is done, or the error of its
 * first bad
 * record, after which nothing more is to be asked of this batch. */
int eval_next(struct eval *ev, struct batch **ret, struct err *e) nodiscard;

int64_t eval_bad_count(const struct eval *ev); /* values so far that were bad, under BAD_NULL and BAD_SKIP */

/* The functions by group, one line each, "name(args)  what it does": for --functions. 0 or -1 (memory). */
int functions_list(struct buf *b);
int functions_mdoc(struct buf *b); /* the same as subsections of a man page */

#endif
