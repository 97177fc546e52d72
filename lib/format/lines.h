/* Text inputs whose records are lines: blocks of whole lines, about LINES_BLOCK (or LINES_PIECE) bytes each, fewer when the
 * input is slow.
 *
 * A JSON array comes as lines too, if `array` is set (array.h): a line is a record then, and `line` the lines of the input as
 * it is.
 *
 * The last line of an input is given its newline if it lacks one; a byte order mark at the beginning is replaced by blanks.
 * What is returned is valid until the next call. */
#ifndef STOOK_FORMAT_LINES_H
#define STOOK_FORMAT_LINES_H

#include "lib/format/array.h"
#include "lib/format/format.h"

#define LINES_BLOCK (1 << 20)
#define LINES_PIECE (512 << 10) /* instead of LINES_BLOCK where many threads parse */
#define LINES_PAD 32          /* zero bytes behind what lines_view() and lines_block() return, or further text */
#define LINES_MAX (1 << 30)   /* bytes of one line, unless --max-field allows less */

struct lines {
	struct in *in;
	struct buf text;
	size_t from, whole;   /* not yet taken from there; whole lines up to there */
	size_t block;         /* bytes of a block, about */
	size_t line_max;
	int64_t line;         /* lines taken */
	int64_t until;        /* when whole lines must be given out, in ms; 0: there are none */
	struct err broken;    /* status != 0: reading failed behind the text */
	bool end;             /* of the input */
	bool patient;         /* no blocks cut by time */
	const char *encoding; /* --encoding, until it is set; borrowed. NULL: UTF-8 */
	bool looked;          /* at how the input begins */
	bool started;         /* past a byte order mark; set it to keep one */
	struct array *array;  /* borrowed; NULL: the input is lines */
};

void lines_init(struct lines *l, struct in *in, const struct read_opts *o); /* owns `in` */
/* Before reading: sets the encoding; done by itself with the first bytes. */
int lines_start(struct lines *l, struct err *e) nodiscard;
void lines_free(struct lines *l);

/* -ST_DATA if the head of text, 4 bytes if it has as many, says UTF-16 or UTF-32. */
int lines_refuse_wide(struct str head, const char *name, struct err *e) nodiscard;

/* Bytes read and not taken. */
static inline size_t lines_pending(const struct lines *l)
{
	return l->text.n - l->from;
}

/* The next block, still to be taken; empty at the end. Waits at most 100 ms when there are whole lines, else for as long as
 * it takes; with !wait not at all: then it is also empty when it is not complete yet. */
int lines_block(struct lines *l, bool wait, struct str *ret, struct err *e) nodiscard;
/* n bytes of it, whole lines, have been dealt with. Who takes them counts them in l->line. */
void lines_take(struct lines *l, size_t n);

/* For sampling: waits for more of the input. 1: there is none to wait for, as reading fails behind the whole lines that are there;
 * lines_block() says so in its turn. */
int lines_more(struct lines *l, struct err *e) nodiscard;
/* Bytes up to the end of the first line that reaches to offset n (from 1) and is not preceded by blank lines only; 0: not
 * there yet. */
size_t lines_reaching(const struct lines *l, size_t n);
/* The first n bytes (SIZE_MAX: all) that are pending. */
int lines_view(struct lines *l, size_t n, struct str *ret, struct err *e) nodiscard;

#endif
