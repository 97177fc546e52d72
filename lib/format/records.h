/* Sources whose records are lines: what JSON Lines and log formats share. Blocks of lines come from lines.h, a format's
 * parse() makes rows of them; this part makes the batches, keeps their text for finding places, keeps errors behind the rows
 * before them, and lays skipped records aside.
 *
 *     struct x_source { struct records records; ... };     // first member
 *     records_init(&s->records, in, o); ... s->records.schema = ...; s->records.rows = ...; records_start(&s->records, o,
 *     e); */
#ifndef STOOK_FORMAT_RECORDS_H
#define STOOK_FORMAT_RECORDS_H

#include "lib/format/lines.h"

/* The context of origins, for locate(): where `text` begins. */
struct records_text {
	const struct schema *schema;
	int64_t line, column;        /* lines before its first; bytes of that before it */
};

struct records {
	struct source source;
	struct lines lines;
	struct schema *schema;       /* owned */
	struct rows *rows;           /* what parse() fills */
	int64_t record;              /* records begun, good or bad: counted by parse() */
	int64_t parsed;              /* lines that the last parse() consumed */
	int64_t column;              /* bytes of the line before the text: parse() counts them where records are not lines */
	enum on_bad on_bad;
	/* Rows of text[0 .. n), whole lines with LINES_PAD bytes behind. Stops at the end, at BATCH_ROWS, or behind a skipped
	 * record; *used: bytes consumed. An ST_DATA error's line and column are relative to `text`, and the rows before it
	 * are given out first. */
	int (*parse)(struct records *r, const char *text, size_t n, size_t *used, struct err *e);
	void (*locate)(const struct origin *o, int64_t row, int field, int64_t *line, int64_t *column);
	void (*release)(struct records *r); /* frees what the format has besides */
	/* For parsing on several threads; NULL: not this format. `t`, zeroed, of `size` bytes, has schema and functions; it gets what
	 * parse() needs, and none of what r has of its own. release() gets it also after a failure. */
	int (*twin)(const struct records *r, struct records *t, struct err *e);
	size_t size;

	struct schema *nothing;      /* of carriers */
	struct batch *carrier;       /* holds the block */
	const char *text;            /* of it, what is not yet parsed */
	size_t left;
	struct records_crew *crew;   /* parses blocks ahead; NULL: nobody does */
	struct batch *ready;         /* rows of a block that the crew has parsed */
	bool torn;                   /* a failure that is not a matter of the data: rows are not to be used again */
	struct bad_log *log;         /* a reference */
	bool keeps_blank;            /* an empty line is a record */
	bool failed;                 /* `error` is to be returned after the rows before it */
	struct err error;
};

void records_init(struct records *r, struct in *in, const struct read_opts *o); /* owns `in`; a zeroed struct with its functions set */
int records_start(struct records *r, const struct read_opts *o, struct err *e) nodiscard; /* schema and rows are set */
void records_close(struct source *s);

/* A bad record is skipped, with its raw text, or taken with nulls (p = NULL): counted and laid aside. 1: that is one too many; the
 * error to describe is then completed by bad_log_too_many(). */
int records_bad(struct records *r, struct str record, struct err *e) nodiscard;

/* The next block of lines, taken from r, into a carrier of t's, which may be r. t->left = 0: there is none; with !wait, it
 * is not there yet. */
int records_block(struct records *r, struct records *t, bool wait, struct err *e) nodiscard;
/* What is left of the block, or a part of it, as a new batch; r->failed when it ends with an error, which is r->error. */
int records_parse(struct records *r, struct batch **ret, struct err *e) nodiscard;

/* Parsing ahead on `threads` threads. next() sets r->ready, or r->text and r->left; neither at the end. */
int records_crew_open(struct records *r, int threads, struct err *e) nodiscard;
int records_crew_next(struct records *r, struct err *e) nodiscard;
void records_crew_close(struct records_crew *c); /* NULL is fine */

#endif
