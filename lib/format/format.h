/* Formats: bytes <-> batches. One format, one file, one row in the table of lib/format/format.c.
 *
 * Options of all formats live in the two structs below, filled by lib/cli from the shared option groups; a format reads those that
 * concern it. */
#ifndef STOOK_FORMAT_FORMAT_H
#define STOOK_FORMAT_FORMAT_H

#include "lib/io/in.h"
#include "lib/io/out.h"
#include "lib/table/reading.h"
#include "lib/table/stream.h"

struct read_opts {
	const char *from;          /* --from: format name, NULL = find out */
	const char *delimiter;     /* -t: one character, or \t; NULL = the format's */
	bool no_header;            /* -N: names are then c1, c2, ... */
	const char *header;        /* --header a,b,c: these names (with -N: there is no header line; without: it is replaced) */
	const char *quote, *escape, *comment, *null; /* --quote C|none, --escape C, --comment C, --null TEXT */
	const char *types;         /* --type a=num,b=int64 */
	const char *schema;        /* --schema FILE */
	const char *encoding, *binary;
	int64_t sample;            /* --sample SIZE for jsonl; 0 = 1 MiB */
	bool accept_unterminated;  /* --accept-unterminated */
	enum on_bad on_bad;        /* --on-bad */
	const char *side;          /* --on-bad side=FILE: of bad_log */
	struct bad_log *bad_log;   /* counts bad records, keeps those that are laid aside; borrowed, taken by reference. NULL: nobody */
	void (*note)(const void *arg, const struct err *what); /* takes what a person should know, status 0; NULL: nobody does */
	const void *note_arg;
	const struct schema *like; /* formats that infer their schema take this one: of the first of several inputs. NULL: none */
	bool more;                 /* more inputs follow under this one's schema: it should have a column for what they may bring */
	int64_t max_field;         /* --max-field SIZE; 0 = 1 GiB */
	int64_t chunk;             /* bytes read at a time; 0 = the format's own choice (the result does not depend on it) */
	int threads;               /* -j: how many may parse (the result does not depend on it); 0, 1: only the caller's */
	struct pool *pool;         /* parsing may be jobs of this one; borrowed, closed after the source. NULL: of one of the source's own */
	bool *pooled;              /* with pool: is set when they are */
	bool latency;              /* emit what there is within 100 ms when the input is slow (default on) */
};

struct write_opts {
	const char *to;            /* --to: format name, may carry a codec ("csv.zst"), NULL = by suffix, or arrow/table */
	const char *delimiter;     /* --out-delimiter */
	const char *quote;         /* --out-quote C|none */
	const char *escape;        /* --out-escape C */
	const char *comment;       /* what began comments in the input: first fields that begin so are quoted. NULL: nothing */
	bool no_header;            /* --no-header-out */
	const char *null;          /* --null-out TEXT */
	bool keep_null, rest;      /* --keep-null, --rest */
	bool same_end;             /* CSV: no line end behind the last line if the input had none; for outputs that are the input as it was */
	bool compress;             /* --compress: `packing` says how; else it goes by the suffix */
	struct packing packing;    /* of the bytes around the format */
	const struct packing *bodies; /* Arrow: of the bodies; NULL: zstd in files, none on pipes */
	bool file;                 /* Arrow: the file format (with footer) instead of the stream */
	bool spill;                /* Arrow: a temporary file: batches as they come, bodies LZ4: fast both ways */
	int width;                 /* table: terminal cells, 0 = 80 */
	bool colour;
};

/* Opens take ownership of `in` and `out`, also when they fail. Sources are closed by closing them; sinks commit their `out` in
 * finish() and abort it in fail(). `sorted_hint` and the like travel as schema metadata. */
struct format {
	const char *name;          /* what --from and --to take */
	const char *suffixes;      /* ".csv" or ".jsonl .ndjson" */
	const char *help;
	bool (*magic)(struct str head);  /* NULL: no magic; head has up to 16 bytes */
	int (*read)(struct in *in, const struct read_opts *o, struct source **ret, struct err *e);
	int (*write)(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e);
};

extern const struct format *const formats[]; /* NULL terminated: arrow csv tsv jsonl text table ... */

extern const struct format format_arrow, format_arrow_file, format_csv, format_tsv, format_jsonl, format_text, format_table,
	format_markdown, format_json, format_combined, format_regex;

const struct format *format_by_name(struct str name);
const struct format *format_by_suffix(struct str name, size_t *stem); /* of "x.csv.gz" too: codec suffixes are skipped */
int format_names(struct buf *b, bool readable, bool writable);        /* "arrow, csv, ..." for messages; 0 or -1 */

/* One input, its format found by magic, --from, or suffix. ST_USAGE naming --from when it cannot be known. */
int input_open(const char *name, const struct read_opts *o, struct source **ret, struct err *e) nodiscard;

/* Inputs one after another as one source, concatenated by column name: the first fixes the schema; later ones may have their
 * columns in another order, but must have the same ones. Each is opened when its turn comes. n = 0: stdin. Names are borrowed. */
int inputs_open(int n, char *const *names, const struct read_opts *o, struct source **ret, struct err *e) nodiscard;

/* The sink for an output: -o path (NULL: stdout) and options, per the rules of product.md section 3. */
int output_open(const char *path, const struct write_opts *o, const struct schema *s, struct sink **ret, struct err *e) nodiscard;

/* There will be no output: if it would have been compressed text on a pipe, whoever reads it is not to take nothing for all of it. */
void output_abandon(const struct write_opts *o);

/* One of several outputs: the file `path`, or the open descriptor fd (owned from now on). *out is the caller's to close too. A file's
 * sink only writes in finish(); out_sync() or out_park() and then out_commit() follow (out.h). */
int output_open_part(const char *path, int fd, const struct write_opts *o, const struct schema *s, bool digest, struct sink **ret,
		     struct out **out, struct err *e) nodiscard;

/* The lines that such an output takes instead of columns; false: columns only, or none can be opened so. */
bool output_lines(const char *path, const struct write_opts *o, const struct schema *s, struct line_form *ret);

/* The format that an output would have. */
int output_format(const char *path, const struct write_opts *o, const struct format **ret, struct err *e) nodiscard;

/* Keys of JSON objects that came after the schema was fixed travel in the json column _rest (an object text). CSV, tables and other
 * outputs of fixed columns leave it out and fail at its first value, unless write_opts.rest. */
#define REST_NAME "_rest"
int rest_column(const struct schema *s); /* its index, or -1 */
int rest_refused(const struct batch *b, int col, struct err *e) nodiscard; /* -ST_DATA with the place of its first value; 0: all null */
/* Makes `to`, which is empty, an object of a's members, then b's: a key that has come before gets `suffix` (NULL: _2, or _3, ...). -1: out of memory; 1: they
 * are no objects, or the suffix does not help. */
int rest_merge(struct str a, struct str b, const char *suffix, struct buf *to);

/* Value -> text, shared by csv, jsonl, table, text and map's text(): appends the plain text of row i (not null). Floats shortest,
 * timestamps ISO, bool true/false, decimals with their scale, nested values as JSON. 0 or -1 (memory). */
int value_print(const struct column *c, int64_t i, struct buf *b);
/* The same for rows [from, from + n), one behind the other; ends[i] is where in b that of row from + i ends. Nulls have no text.
 * Fails too when the texts are more than INT32_MAX bytes. */
int values_print(const struct column *c, int64_t from, int64_t n, struct buf *b, int32_t *ends);
/* The same as a JSON value: text quoted, num and json as is, nan/inf as strings, null as null. */
int value_json(const struct column *c, int64_t i, struct buf *b);
/* A record as one JSON object, its fields under their names, nulls left out. */
int record_json(const struct batch *b, int64_t row, struct buf *to);
int json_quote(struct buf *b, struct str s);

#endif
