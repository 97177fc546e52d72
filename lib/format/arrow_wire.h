/* Arrow IPC inside lib/format: what the arrow_*.c files say to each other.
 *
 *     arrow_message.c   bytes -> messages: framing, limits, sequence numbers and checksums
 *     arrow_schema.c    Schema message -> `struct wire` (how columns lie in the stream) and a schema (how we hold them)
 *     arrow_body.c      the buffers of one message, decompressed
 *     arrow_load.c      a batch message -> `struct wire_col` trees, every index in them checked
 *     arrow_expand.c    rows of wire_cols -> columns in the layouts of lib/table/type.h
 *     arrow_read.c      all of that as a source; dictionaries, streams one after another, the file format
 *     arrow_describe.c  a schema -> its Schema table
 *     arrow_encode.c    a batch -> one record batch message
 *     arrow_write.c     messages as a sink; where batches are cut; poison; footer
 *
 * Everything read is hostile until checked, and is checked before it is used; wrong bytes are ST_STREAM.
 * Byte reference: Apache Arrow columnar format 1.5, Schema.fbs, Message.fbs, File.fbs. */
#ifndef STOOK_FORMAT_ARROW_WIRE_H
#define STOOK_FORMAT_ARROW_WIRE_H

#include "lib/base/hash.h"
#include "lib/format/arrow_fb.h"
#include "lib/format/format.h"

#define ARROW_MAGIC "ARROW1"
#define ARROW_ALIGN 64u
#define ARROW_MARKER UINT32_MAX       /* before every message */
#define ARROW_METADATA_MAX (64u << 20)
#define ARROW_FIELDS_MAX (1 << 18)    /* fields in one schema, children included */
#define ARROW_DEPTH_MAX 64
#define ARROW_ROWS_MAX INT32_MAX      /* values in one column of one batch, children included */

#define KEY_SEQ "stook.seq"           /* of the message: its number in the stream, from 0, decimal */
#define KEY_SUM "stook.xxh3"          /* of the message: XXH3-64 of it with this value as zeros, 16 hex digits */
#define KEY_ERROR "stook.error"       /* of the last message: why the writer failed; its body does not come */
#define SUM_DIGITS 16
#define UPSTREAM_FAILED "upstream failed: " /* how the reader's message about it begins */

#define KEY_NAME "stook.name"         /* of a field: its name, where that had to be changed to be unique and not empty */

#define EXT_NAME "ARROW:extension:name"
#define EXT_META "ARROW:extension:metadata"
#define EXT_NUM "stook.num"
#define EXT_JSON "arrow.json"

enum arrow_kind { KIND_SCHEMA = 1, KIND_DICTIONARY = 2, KIND_BATCH = 3 };
enum arrow_codec { BODY_PLAIN = -1, BODY_LZ4 = 0, BODY_ZSTD = 1 };

/* Arrow's numbers of types (Schema.fbs, union Type). */
enum arrow_type {
	AT_NONE, AT_NULL, AT_INT, AT_FLOAT, AT_BINARY, AT_UTF8, AT_BOOL, AT_DECIMAL, AT_DATE, AT_TIME, AT_TIMESTAMP,
	AT_INTERVAL, AT_LIST, AT_STRUCT, AT_UNION, AT_FIXED_BINARY, AT_FIXED_LIST, AT_MAP, AT_DURATION, AT_LARGE_BINARY, AT_LARGE_UTF8,
	AT_LARGE_LIST, AT_REE, AT_BINARY_VIEW, AT_UTF8_VIEW, AT_LIST_VIEW, AT_LARGE_LIST_VIEW, AT_COUNT
};

/* How a column lies in the stream, where that is not how it is held. */
enum wire_layout {
	WIRE_PLAIN,      /* as type.layout says */
	WIRE_LARGE,      /* utf8, binary with 64-bit offsets */
	WIRE_VIEW,       /* utf8, binary as views */
	WIRE_LIST_VIEW,  /* list as offsets and sizes; 64-bit when type.id is T_LARGE_LIST */
	WIRE_RUNS,       /* children: run ends, values */
	WIRE_DICT,       /* indices into dict */
};

struct dict;

struct wire {
	enum wire_layout layout;
	bool plain;            /* this and all below it is WIRE_PLAIN: columns are views of the body */
	struct type type;      /* as held */
	struct str name;
	int nchildren;
	struct wire *children;
	struct type index;     /* WIRE_DICT: the integers */
	struct dict *dict;
};

/* A dictionary, by id; several fields may share it. */
struct dict {
	int64_t id;
	const struct wire *values;
	bool defined, grown;   /* grown: the values live in `all`, because deltas came */
	struct column col;     /* the values as held, type = values->type */
	struct builder all;
	struct arena arena;    /* memory of col */
	struct dict *next;
};

/* What a Schema message says. Everything lives in `arena`. */
struct wire_schema {
	int nfields;
	struct wire *fields;
	bool plain;            /* all fields are */
	int64_t total;         /* fields with their children */
	struct dict *dicts;
	struct arena arena;
	struct schema *held;
};

/* Reads the Schema table `t`. On failure nothing is to be freed. */
int wire_schema_read(struct fb *f, struct fb_table t, struct wire_schema *ret, struct err *e) nodiscard;
void wire_schema_free(struct wire_schema *ws);

/* One message. `header` and what hangs on it is read through `fb`, which looks into `meta`. */
struct message {
	enum arrow_kind kind;
	int version;           /* 3: V4, 4: V5 */
	int64_t body_length;
	const uint8_t *body;   /* in the arena given to message_body() */
	struct fb fb;
	struct fb_table header;
	struct buf meta;
	uint8_t prefix[8];
	bool has_seq, has_sum;
	uint64_t seq;
	uint8_t sum[SUM_DIGITS];
	struct str error;      /* p != NULL: the writer failed, and says so */
};

/* The framing of one stream, from its first message to its end marker. */
struct framing {
	struct in *in;
	bool accept_unterminated;
	bool file;             /* the stream is inside a file */
	bool legacy, started;  /* legacy: no marker before messages (writers before 2019) */
	bool bound;            /* messages carry numbers and sums: they all must */
	uint64_t nmessages;
	int64_t batches, rows; /* came so far, over all streams of the input: for messages */
	struct message m;
};

enum framing_next { NEXT_MESSAGE, NEXT_END, NEXT_EOF };

/* The next message's metadata into f->m: NEXT_MESSAGE, or NEXT_END at the end marker, or NEXT_EOF when input ends before the
 * first message of a stream. An input that ends elsewhere is an error. */
int framing_next(struct framing *f, struct err *e) nodiscard;
/* Its body, into the arena `a` (empty before: it may be replaced while the body grows), then number and checksum are verified.
 * Must be called for every message before the next, and before anything in its header is believed. */
int framing_body(struct framing *f, struct arena *a, struct err *e) nodiscard;
void framing_reset(struct framing *f); /* before a further stream of the same input */
void framing_free(struct framing *f);
/* "the stream ended early", with how much came. */
int framing_truncated(const struct framing *f, const char *where, struct err *e);

/* The buffers of one batch, taken in order. */
struct body {
	struct fb *fb;
	struct fb_vec nodes, buffers, variadic;
	uint32_t node, buffer, nth_variadic;
	const uint8_t *p;
	int64_t n;
	enum arrow_codec codec;
	int64_t inflate_left;  /* bytes that decompression may still make */
	struct arena *a;
	struct err *e;
	struct str field;      /* for messages */
};

struct bytes {
	const uint8_t *p;      /* 8-aligned, readable even if n = 0 */
	int64_t n;
};

/* Reads the RecordBatch table `t`; sets *length to its rows. */
int body_open(struct body *b, struct message *m, struct fb_table t, struct arena *a, int64_t *length, struct err *e) nodiscard;
int body_node(struct body *b, int64_t *length, int64_t *nulls) nodiscard;
/* The next buffer; `need` is what it must hold at least; `most` what it may decompress to (-1: no limit of its own). */
int body_buffer(struct body *b, int64_t need, int64_t most, struct bytes *ret) nodiscard;
int body_variadic(struct body *b, int64_t *n) nodiscard;
int body_done(struct body *b) nodiscard; /* everything has been taken */
int body_bad(struct body *b, const char *fmt, ...) printf_like(2, 3); /* ST_STREAM naming the field */

/* A column as it lies in the body, verified. */
struct wire_col {
	const struct wire *w;
	struct column c;       /* w->plain: complete; otherwise length, validity, values (indices, views), offsets */
	const void *sizes;     /* WIRE_LIST_VIEW: like the offsets */
	struct bytes *data;    /* WIRE_VIEW: the buffers */
	int64_t ndata;
	struct wire_col *children;
};

/* The next column. `t` is the type it will have in its batch. V4 unions have validity. */
int wire_load(struct body *b, const struct wire *w, const struct type *t, int version, struct wire_col *ret) nodiscard;

/* Makes null slots of c zero (fixed, bool) or empty (var), in a copy if there are others. Var: needs `bytes` of its values
 * valid. */
int wire_clean_nulls(struct column *c, struct arena *a, struct err *e) nodiscard;
int wire_check_utf8(const struct column *c, struct str field, struct err *e) nodiscard;

/* Rows [from, from + n) of w as a column of type t, its memory in `a` or in the body. *room counts down by what had to be
 * copied; when it is not enough, returns EXPAND_ROOM with nothing in *e: ask for fewer rows. */
#define EXPAND_ROOM 1
int wire_expand(const struct wire_col *w, const struct type *t, int64_t from, int64_t n, struct arena *a, int64_t *room,
		struct column *ret, struct err *e) nodiscard;

/* Writing. */

/* Appends the Schema table, with unique, non-empty names; *at is its position. */
int describe_schema(struct fbb *f, const struct schema *s, size_t *at, struct err *e) nodiscard;

struct block { /* of the footer */
	int64_t offset, body;
	int32_t meta;
};

struct piece {
	const void *p;
	size_t n;
};

/* One message being built: metadata in `meta`, prefix included, and the pieces of the body. */
struct encoder {
	enum arrow_codec codec;
	int level;             /* of the codec, 0: its own choice */
	struct fbb meta;
	struct buf nodes, buffers, pieces; /* FieldNode, Buffer, struct piece */
	struct arena scratch;
	void *zstd;
	int64_t body;          /* bytes so far */
	struct err *e;
};

void encoder_free(struct encoder *x);
/* The Schema message; the message of batch b; the message that says why there are no more. seq is the message's number.
 * Afterwards x->meta and x->pieces are what is to be written, valid until the next call or until b goes. */
int encode_schema(struct encoder *x, const struct schema *s, uint64_t seq, struct err *e) nodiscard;
int encode_batch(struct encoder *x, const struct batch *b, uint64_t seq, struct err *e) nodiscard;
int encode_poison(struct encoder *x, const struct schema *s, struct str why, uint64_t seq, struct err *e) nodiscard;
int encode_footer(struct encoder *x, const struct schema *s, const struct block *blocks, size_t n, struct err *e) nodiscard;

extern const uint8_t arrow_zeros[64];

/* The `write` of the two formats. */
int arrow_write(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
	nodiscard;
int arrow_write_file(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
	nodiscard;

#endif
