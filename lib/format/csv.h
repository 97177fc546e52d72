/* CSV inside: the dialect, the scanner and the index of fields that lie between text and columns. Used by csv*.c only.
 *
 * Text -> (scan) -> index of fields -> (fill) -> columns. A text always begins at the start of a record. */
#ifndef STOOK_FORMAT_CSV_H
#define STOOK_FORMAT_CSV_H

#include "lib/format/format.h"

struct dialect {
	uint8_t delimiter;
	int quote, escape, comment; /* a byte, or -1: none */
	struct str null;            /* an unquoted field that is this text is null */
	int64_t max_field;
};

/* Options to a dialect; `delimiter` is the format's own. ST_USAGE when two roles share a byte and the like. */
int dialect_read(const struct read_opts *o, char delimiter, struct dialect *ret, struct err *e) nodiscard;

/* The separators of a record that are looked for: separator i ends field i. Of the others it is known only that they are there. */
struct csv_keep {
	int n;       /* of them; 0: all */
	bool plain;  /* where the text has quotes or CRs: all */
	int first;   /* the first one's number */
	int *gaps;   /* [n]: from one to the next, from the last to the first of the next record */
	int *slots;  /* [ncols]: how many come before separator i */
};

/* Those that bound the columns that are wanted, and the last. Room for ncols in gaps and slots. Where they are most of all: all. */
void csv_keep_wanted(struct csv_keep *k, const bool *unwanted, int ncols);

/* Fields of complete records, `stride` entries each: field f of record r spans text[begin1[i] + 1 .. end[j]) with
 * i = r * stride + fields_begin(f) and j = r * stride + fields_end(f), quotes included, its terminator not (but see `cr`). In a
 * regular index begin1[i] is end[i - 1]: fields are what lies between separators. */
struct fields {
	int64_t nrows;
	size_t stride;    /* the number of columns, unless: */
	const int *slots; /* only some separators were looked for: those of a csv_keep; NULL: all */
	uint32_t *begin1, *end;
	bool irregular; /* some fields may be absent (begin1 == FIELD_ABSENT) */
	bool quotes;    /* fields may begin with a quote */
	bool cr;        /* the last field of a record may be followed by a CR that its span includes */
	bool lf;        /* all records are known to end with LF */
	bool ascii;     /* every byte is known to be */
	bool suspect;   /* set by csv_scan(): the records are not UTF-8 */
	size_t used;    /* bytes of the records, terminators included */
	int64_t lines;  /* line ends in them */
	int64_t lead;   /* line ends before the first record: blank lines, comments */
	struct buf padded; /* uint32_t: the records that were cut, filled or have faults that became absent fields */

	uint32_t *space[2]; /* owned: what begin1 and end point into */
	size_t cap[2];      /* entries */
};

#define FIELD_ABSENT (UINT32_MAX - 1)

/* Of a column, counted from its record's first entry. Only columns whose separators were looked for have them. */
static inline size_t fields_end(const struct fields *f, int col)
{
	return (size_t)(f->slots ? f->slots[col] : col);
}

static inline size_t fields_begin(const struct fields *f, int col)
{
	return col ? fields_end(f, col - 1) + 1 : 0;
}

void fields_free(struct fields *f);

enum fault {
	FAULT_NONE,
	FAULT_FEW,
	FAULT_MANY,  /* fields */
	FAULT_QUOTE, /* something between a closing quote and the next delimiter */
	FAULT_OPEN,  /* the text ends inside quotes */
	FAULT_LONG,  /* a field above max_field */
};

/* Where and why a scan stopped before a record. */
struct fault_at {
	enum fault fault;
	size_t at;       /* where the fault shows */
	size_t end;      /* where the record ends, its terminator included */
	int64_t nfields; /* FAULT_FEW, FAULT_MANY */
};

#define TEXT_SLACK 64 /* readable bytes behind every text */

/* Finds the fields of the complete records of text[0 .. n), n < UINT32_MAX - 1. `last`: the input ends at n, so that the last
 * record needs no line end. With `pad`, records of the wrong length are cut or filled with absent fields, and fields with
 * something behind their closing quote are absent, instead of being faults. A fault stops the scan: the records before it are
 * in *f. Where all is well, only the separators in `keep` (NULL: all) may be in *f. */
int csv_scan(const struct dialect *d, const uint8_t *text, size_t n, bool last, int ncols, bool pad, const struct csv_keep *keep,
	     struct fields *f, struct fault_at *fault, struct err *e) nodiscard;

/* The two scanners under it. The quick one answers false when the text is not plain enough for it; it gives the same answer
 * with the best vectors that the processor has, with those that every one has, and without. */
enum vectors { VECTORS_BEST, VECTORS_BASE, VECTORS_NONE };
bool csv_scan_quick(const struct dialect *d, const uint8_t *text, size_t n, int ncols, const struct csv_keep *keep, enum vectors v,
		    struct fields *f, bool *nomem);
int csv_scan_careful(const struct dialect *d, const uint8_t *text, size_t n, bool last, int ncols, bool pad, struct fields *f,
		     struct fault_at *fault, struct err *e) nodiscard;

/* One record at text[at]: its fields go through `emit`. */
struct record {
	size_t begin, end; /* end: behind the terminator */
	bool blank;        /* an empty line */
	bool more;         /* the text ended first, and it is not the last */
	int64_t nfields;
	int64_t lines;    /* line ends from begin to end */
	enum fault fault; /* FAULT_QUOTE, FAULT_OPEN, FAULT_LONG */
	size_t fault_at;
};

typedef bool emit_field(void *arg, int64_t index, size_t begin, size_t end, bool bad); /* false: out of memory */
bool csv_record(const struct dialect *d, const uint8_t *text, size_t n, size_t at, bool last, emit_field *emit, void *arg,
		struct record *ret);

/* Whether the record begins with the comment character: such lines are skipped. */
static inline bool csv_is_comment(const struct dialect *d, const uint8_t *text, size_t n, size_t at)
{
	return d->comment >= 0 && at < n && text[at] == d->comment;
}

/* Behind the comment line at text[at]; SIZE_MAX: its end has not come. */
size_t csv_skip_comment(const uint8_t *text, size_t n, size_t at, bool last);

/* The value of a raw field, quotes and escapes taken out; dst has room for raw.n bytes. Returns its length. */
size_t csv_unquote(const struct dialect *d, struct str raw, uint8_t *dst);

/* Fills *o for a batch whose records are text[0 .. n); what it needs is allocated in `a`. `line` is that of text[0]. The batch
 * must keep the text and `name`. */
int csv_origin(struct origin *o, const struct dialect *d, int ncols, int64_t line, struct arena *a, struct err *e) nodiscard;

/* The place of the first byte of a field's raw text that is no UTF-8: quotes and line ends before it count. */
void csv_locate_bad_byte(const struct origin *o, int64_t row, int field, int64_t *line, int64_t *column);

/* Notes the rows of o->text that did not end in the usual way of their input. */
int csv_line_ends(struct origin *o, const struct fields *f, enum line_end usual, struct arena *a, struct err *e) nodiscard;

/* Such a batch was not the first: before it came rows and lines. Only before the batch is shared. */
void csv_origin_move(struct origin *o, int64_t rows, int64_t lines);

/* Unique, non-empty names from a header: empty ones become c3 (their number), repeated ones x_2, x_3. names[0 .. n) are
 * replaced; what is new is allocated in `a`. 0 or -1. */
int csv_unique_names(struct str *names, int n, struct arena *a);

/* Columns of b, all LAY_VAR, from an index. unwanted[i]: column i has no values, only rows; NULL: none is so. */
int csv_fill(const struct dialect *d, const uint8_t *text, const struct fields *f, const bool *unwanted, struct batch *b,
	     struct err *e) nodiscard;

int csv_open_source(struct in *in, const struct read_opts *o, char delimiter, struct source **ret, struct err *e) nodiscard;
int csv_open_sink(struct out *out, const struct schema *s, const struct write_opts *o, char delimiter, struct sink **ret,
		  struct err *e) nodiscard;

#define META_EOL "stook.csv.eol" /* how the first line of the input ended, when not with LF: "crlf", "cr"; "none": it did not */

#endif
