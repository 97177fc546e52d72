/* The CSV source, shared by csv_open.c (options, names, types), csv_read.c (text, records, batches), csv_values.c and csv_crew.c
 * (all of that on several threads). */
#ifndef STOOK_FORMAT_CSV_READER_H
#define STOOK_FORMAT_CSV_READER_H

#include "lib/format/csv.h"

/* What is asked for. */
struct csv_wants {
	bool *unwanted;       /* a column: its values are not; where there are lines, if those are asked for */
	bool lines;
	struct line_form form;
	struct csv_keep keep; /* what is to be found for that */
};

struct reader {
	struct source source;
	struct in *in;
	struct dialect d;
	enum on_bad on_bad;
	struct bad_log *log;         /* a reference */
	struct arena arena;          /* names and options */
	bool *binary;                /* a column: need not be UTF-8 */
	struct csv_wants *wants;     /* of the crew's readers: the same */
	enum line_end eol;           /* of the first line; LINE_USUAL: not seen yet */
	bool plain;                  /* no column has a type to convert to */

	struct schema *none; /* of carriers */
	struct batch *carrier;
	uint8_t *text;
	size_t at, n, cap;
	size_t chunk;
	bool shared; /* some batch uses the carrier */
	bool last;   /* the input ends at n */
	int64_t until;     /* when the text that has come must be made into rows, in ms; 0: none has come */
	int64_t slow;      /* what may be added to it: scanning a record that is not complete takes a while, in ms */
	struct err broken; /* status != 0: reading failed at n */
	struct crew *crew; /* parses ahead of `at`; NULL: nobody does */

	int64_t row, line; /* records before text[at], and its line */
	struct fields fields;
	struct fault_at fault; /* of the record at `at` */

	struct batch *ready; /* rows [ready_at, ready_n) are to be given out, but for those in skip */
	int64_t ready_at, ready_n;
	struct bad_values bad;
	struct err later; /* status != 0: what comes behind ready */
};

/* A carrier with room for cap bytes; text[at .. n) moves into it. */
int csv_new_carrier(struct reader *r, size_t cap, struct err *e) nodiscard;

/* More text behind what is left; r->last when the input has ended. Returns when a chunk is full, or 100 ms after the first
 * byte. */
int csv_more_text(struct reader *r, struct err *e) nodiscard;

/* The same, waiting until r->until at most, with !wait not at all. A failure to read is left in r->broken: the text before it
 * comes first. */
int csv_some_text(struct reader *r, bool wait, struct err *e) nodiscard;
bool csv_text_is_due(const struct reader *r);

/* Scans text[at .. n) and steps over its records. 1: there is a batch or a fault; 0: it takes more text. */
int csv_scan_text(struct reader *r, struct err *e) nodiscard;

/* Parsing ahead on o->threads threads. */
int csv_crew_open(struct reader *r, const struct read_opts *o, struct err *e) nodiscard;
void csv_crew_close(struct crew *c); /* NULL is fine */
/* Whether the crew can go on where r stands. */
bool csv_crew_fits(const struct reader *r);
/* r's next rows or its next text. */
int csv_crew_next(struct reader *r, struct err *e) nodiscard;
/* Text that the crew has read, not to be parsed by it: like in_read(); 0: there is none left. */
ssize_t csv_crew_text(struct crew *c, uint8_t *to, size_t n, struct err *e) nodiscard;

/* The error that r->fault describes. */
int csv_fault_error(struct reader *r, struct err *e);

/* Whether the reader's text can have lines of that form. */
bool csv_lines_fit(const struct reader *r, const struct line_form *form);
/* Gives b, whose text r->fields describes, its lines if they are wanted and all are of the form. */
int csv_lines(const struct reader *r, struct batch *b, struct err *e) nodiscard;

/* UTF-8 and declared types of a batch that was filled from r->fields: r->bad says which rows are not to be given out. */
int csv_check_values(struct reader *r, struct batch *b, struct err *e) nodiscard;

int csv_next(struct source *s, struct batch **ret, struct err *e);
void csv_want(struct source *s, const bool *cols, const struct line_form *lines);
void csv_close(struct source *s);

#endif
