/* Bad records of a whole run, over all its inputs: how many there were, how many are too many, and the text of those that are
 * laid aside (--on-bad side=FILE).
 *
 * Records that cannot be read are counted by the format, in the order of the input; records that hold a value that the work
 * cannot read (a key, an expression) by what reads it, through bad_values_done(). Counted by reference, for a reader on another
 * thread may outlive its stage; all functions are thread safe, and take NULL for "nobody counts". */
#ifndef STOOK_TABLE_BADLOG_H
#define STOOK_TABLE_BADLOG_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct batch;
struct bad_log;

struct bad_opts {
	int64_t most;       /* bad records that are borne */
	const char *side;   /* file for their text, written with its name by bad_log_end(); NULL: none */
	const char *tmpdir; /* for texts that must wait */
	/* Appends the text of a record that has no raw text; 0 or -1. */
	int (*print)(const struct batch *b, int64_t row, struct buf *to);
};

int bad_log_open(const struct bad_opts *o, struct bad_log **ret, struct err *e) nodiscard;
struct bad_log *bad_log_ref(struct bad_log *l);
void bad_log_unref(struct bad_log *l); /* what bad_log_end() has not named is gone with the last one */

/* One record that cannot be read, skipped with its text or taken with nulls (raw.p = NULL). 1: it is one too many, and an error
 * that bad_log_too_many() completes. */
int bad_log_read(struct bad_log *l, struct str raw, struct err *e) nodiscard;
int bad_log_too_many(const struct bad_log *l, struct err *e);

/* Records that the work cannot use, and the texts of those that are skipped: laid aside behind those that could not be read. Work
 * on several threads keeps what it finds and hands it over in the order of the input. */
struct bad_found {
	struct bad_log *log; /* borrowed; NULL: nothing was found */
	int64_t n;
	struct buf texts;
};

int bad_found_add(struct bad_found *f, const struct batch *b, int64_t row, bool skipped, struct err *e) nodiscard;
int bad_found_give(struct bad_found *f, struct err *e) nodiscard; /* to its log; f is empty again */

/* So far. */
int64_t bad_log_count(struct bad_log *l);
int64_t bad_log_count_read(struct bad_log *l);

/* The side file is complete and gets its name. */
int bad_log_end(struct bad_log *l, struct err *e) nodiscard;

#endif
