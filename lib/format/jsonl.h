/* JSON Lines, the parts between which the work is divided: names and the tree of keys, inference, the record parser, the
 * writer.
 *
 * Names. A column is a path of keys joined by dots: {"user":{"id":7}} is the column user.id. So that every JSON key comes
 * back as it was, a key is written into a name with
 *     \.  for a dot,  \\  for a backslash,  \e  for the empty key,  \_rest  for a top-level key "_rest"
 * Reading a name, a backslash before anything else stands for itself, and a name with an empty part ("a..b", "x.") or with
 * more than JSON_DEPTH parts is one key as it stands: headers of CSV files are seldom meant as paths.
 *
 * What does not fit the schema travels in the json column _rest: an object whose keys are the names the columns would have
 * had. */
#ifndef STOOK_FORMAT_JSONL_H
#define STOOK_FORMAT_JSONL_H

#include "lib/format/declare.h"
#include "lib/format/json.h"

#define JSONL_FLATTEN 64 /* objects within objects that become columns; deeper ones stay json */

enum jsonl_kind { KIND_TEXT, KIND_NUM, KIND_BOOL, KIND_JSON, KIND_OTHER };

/* A key, its value a column or an object of further keys. The tree belongs to one parser: it also holds what the parser
 * learns. */
struct jsonl_node {
	struct str key, name;        /* the key decoded; the column's name, or of an object its keys' common beginning */
	int n, cap;                  /* keys below, in order */
	struct jsonl_node **child;
	uint32_t *slots, nslots;     /* hash table over them: index + 1 */
	unsigned kinds;              /* inference: a bit for each kind of value seen */
	int col;                     /* -1: an object */
	bool spelled;                /* --type: strings and numbers are read as what they spell */
	enum jsonl_kind kind;
	struct builder *column;
	char probe[16];              /* key and closing quote as they stand in the text */
	unsigned probe_mask;         /* bits of the bytes of probe that count; 0: does not fit, or needs escapes */
	bool plain;                  /* the text of the key is the key */
	struct jsonl_node *first;    /* the key that came first in this object last time */
	struct jsonl_node *next;     /* the key that came after this one last time */
	int64_t seen;                /* objects, and columns that are not wanted: number of the record that had it last */
	struct str value;            /* writer, members of _rest: the JSON text */
};

/* The child with that key; NULL: none. */
struct jsonl_node *jsonl_find(const struct jsonl_node *o, struct str key);
/* A new child (the key is copied), its name set; NULL: out of memory. */
struct jsonl_node *jsonl_add(struct arena *a, struct jsonl_node *o, struct str key);

/* Appends to `name`, the name of an object ("" = the record), that of `key` in it. */
int jsonl_name(struct buf *name, struct str key);

/* The keys of a column's name, decoded, allocated in `a`. n = 0: out of memory. */
struct jsonl_path {
	int n;
	struct str *keys;
};
struct jsonl_path jsonl_path(struct str name, struct arena *a);

/* The schema of sample lines [text, text + n), which end with a newline and JSON_PAD bytes after it. `complete`: there is no
 * input beyond, so no _rest is needed. Broken records are passed over; the parser reports them. */
int jsonl_infer(const char *text, size_t n, bool complete, const struct declared *d, struct schema **ret, struct err *e) nodiscard;

/* The record parser: lines into column builders, one pass. */
struct jsonl_parser {
	const struct schema *schema;
	const bool *unwanted;        /* by column; NULL: none. Values are checked only, and given as empty; not for `spelled` ones */
	struct arena arena;
	struct jsonl_node *root;
	struct rows rows;            /* rows.n: complete records; columns may be shorter until jsonl_parse() returns */
	enum on_bad on_bad;
	struct jsonl_node rest;      /* column for other keys; col -1: none */
	struct buf rest_text, scratch, name;
	struct jsonl_key {
		uint64_t hash;
		const char *at;
	} *rest_keys;                /* of this record, for finding duplicates */
	size_t nrest, rest_cap;
	int64_t record;              /* records begun so far, good or bad */
	int64_t lines;               /* lines consumed by the last jsonl_parse() */
	int64_t bad;                 /* values or records that were bad and passed over, in total */
	const char *start;           /* of the present record */
	int depth;                   /* objects that are open */
	const char *key;             /* of the present member, where it stands */
	const char *at;              /* where the last failure was */
	bool fatal;                  /* not a matter of the data */
	struct err *e;
	/* A record that is skipped, with its text, or taken with nulls (p = NULL, once a record). 1: one too many, and the record is an
	 * error after all. May be NULL. */
	int (*bad_one)(void *context, struct str record, struct err *e);
	void *bad_context;
	bool array;                  /* a record is not a line: see array.h */
	int64_t nulled;              /* the last record that was taken with nulls */
	bool too_many;               /* the last failure was one too many */
};

/* `spelled`: columns named by --type, whose strings and numbers are read as what they spell; the others take their own kind
 * only. */
int jsonl_parser_init(struct jsonl_parser *x, const struct schema *s, const struct declared *spelled, struct err *e) nodiscard;
void jsonl_parser_free(struct jsonl_parser *x);

/* Parses lines from text[0 .. n) until its end, or until there are BATCH_ROWS rows, or behind a record that was skipped; n
 * ends with a newline, JSON_PAD bytes follow. *used: bytes consumed. A bad record ends it with -ST_DATA (x->lines lines
 * before it, e->line and e->column relative to `text`), unless on_bad says otherwise. The columns all have x->rows.n rows in
 * the end. */
int jsonl_parse(struct jsonl_parser *x, const char *text, size_t n, size_t *used, struct err *e) nodiscard;

/* The place of field `col` (-1: none) of the row-th record: the value, or its record when it has none. */
void jsonl_locate(const struct origin *o, int64_t row, int col, int64_t *line, int64_t *column);
/* The same where records are of an array (array.h). */
void json_locate(const struct origin *o, int64_t row, int col, int64_t *line, int64_t *column);

/* Where `at` lies in text that comes from an array: line ends before it, and bytes of its line, of which `column` are before the
 * text. */
void json_place(const char *text, const char *at, int64_t column, int64_t *lines, int64_t *bytes);

int jsonl_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e) nodiscard;
int json_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e) nodiscard;
int jsonl_write(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e) nodiscard;
int json_write(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e) nodiscard;

#endif
