/* The outputs of a split: files that appear together at the end, or commands that are fed.
 *
 * A part is added by name and written to in any order; it is open from its first batch until partset_end(). No more than partset_room()
 * may be open at once. Batches are formatted, compressed and written by a pool of threads, one job a part at a time. Used by one
 * thread. */
#ifndef STOOK_OP_PARTSET_H
#define STOOK_OP_PARTSET_H

#include "lib/format/format.h"

struct partset_opts {
	const char *pattern;             /* a file's name or a command; {} is replaced by the part's name, quoted for sh if need be */
	bool commands;
	const char *manifest;            /* NULL: none */
	const struct write_opts *write;
	bool in_turn;                    /* one part is ended before the next is written to */
	int64_t memory;                  /* for what is open; 0: no limit */
	struct pool *pool;               /* borrowed; who uses the set gives and waits */
};

struct partset;

int partset_open(const struct partset_opts *o, const struct schema *s, struct partset **ret, struct err *e) nodiscard;
uint32_t partset_room(const struct partset *p); /* how many may be open, at least 1 */
uint32_t partset_count(const struct partset *p);
int partset_add(struct partset *p, struct str name, struct err *e) nodiscard; /* its number is partset_count() before */

int partset_start(struct partset *p, uint32_t part, struct err *e) nodiscard; /* opens it now */
/* The lines that the parts take instead of columns (stream.h); false: columns only. */
bool partset_lines(const struct partset *p, struct line_form *ret);
/* All rows of b, which takes `bytes` or so; it may be borrowed until partset_settle(). */
int partset_give(struct partset *p, uint32_t part, struct batch *b, int64_t bytes, struct err *e) nodiscard;
/* Nothing is borrowed any more. */
int partset_settle(struct partset *p, struct err *e) nodiscard;
/* Rows idx[0 .. n) of b, which has no lines, `each` bytes or so. */
int partset_write(struct partset *p, uint32_t part, const struct batch *b, const uint32_t *idx, int64_t n, int64_t each, struct err *e)
	nodiscard;
int partset_end(struct partset *p, uint32_t part, struct err *e) nodiscard; /* complete; it is opened first if it never was */

int partset_end_open(struct partset *p, struct err *e) nodiscard;           /* all that are open */

/* Ends all parts, puts them on disk, names them, and writes the manifest: `about` is an object without its closing brace. */
int partset_commit(struct partset *p, struct str about, struct err *e) nodiscard;
/* Frees. why: what went wrong, when partset_commit() was not called or failed; NULL: nothing. */
void partset_close(struct partset *p, const struct err *why);

#endif
