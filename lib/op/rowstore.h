/* Rows packed one after another: what a sort keeps in memory and in its temporary files. A row lies in one piece, so moving it costs
 * one or two cache misses however many columns it has, and the batches it came from can go.
 *
 *     row      u32 size of all of it | key | column | column ...
 *     key      its length as below and its bytes
 *     column   code 0 .. 252: so many bytes follow (fixed-width values and bools: 0, then the value)
 *              253: u32 length, then so many bytes      254: null
 *     nested   their bytes are their elements, packed in the same way
 *
 * Rows follow each other without gaps inside a block, or, where they are spread, at multiples of 8 and with a head before each. They
 * start in the first ROW_BLOCK bytes of it. Where rows lie, ROW_PADDING bytes behind the last one may be read. */
#ifndef STOOK_OP_ROWSTORE_H
#define STOOK_OP_ROWSTORE_H

#include "lib/table/batch.h"
#include "lib/table/key.h"

#define ROW_PADDING 16
#define ROW_BLOCK ((size_t)2 << 20)

/* One row: 8 bytes of its key as a big-endian number, zero padded, and where it is. */
struct entry {
	uint64_t word;
	const uint8_t *row;
};

struct rowstore {
	const struct schema *schema; /* borrowed */
	bool spread;                 /* set after rowstore_init(), as is: */
	uint32_t head;               /* bytes before each row for the caller, a multiple of 8, not filled */
	struct store_block {
		uint8_t *p;
		size_t n, cap;
	} *blocks;
	uint32_t nblocks, cap;
	int64_t bytes;               /* held */
	size_t largest;              /* row */
	struct buf nested;           /* scratch */
};

void rowstore_init(struct rowstore *s, const struct schema *schema);
void rowstore_free(struct rowstore *s);

/* Appends rows idx[0 .. n) of b (idx NULL: rows 0 .. n) under their keys; fills ret[0 .. n), the words with the keys' first 8 bytes.
 * Rows stay where they are until the store is freed. */
int rowstore_add(struct rowstore *s, const struct batch *b, const uint32_t *idx, int64_t n, const struct keys *keys, struct entry *ret,
		 struct err *e) nodiscard;

/* Bytes of all rows, if they are not spread. */
size_t rowstore_size(const struct rowstore *s);

/* Unpacks the rows of v[0 .. n) into builders of the schema that they were packed with. */
int rows_unpack(const struct entry *v, int64_t n, struct rows *to, struct err *e) nodiscard;

/* The schema of rows that are packed as lines: one column of text. */
int rows_line_schema(struct schema **ret, struct err *e) nodiscard;

/* Rows v[0 .. n) that have one column of text, as the lines of a batch without columns. */
int rows_lines(const struct entry *v, int64_t n, const struct schema *schema, struct batch **ret, struct err *e) nodiscard;

/* The 8 bytes of a key from `depth`, zero padded. Keys of one spec are prefix-free (lib/table/key.h), so padding never makes two
 * different ones equal. */
static inline uint64_t key_word(struct str key, size_t depth)
{
	uint64_t w = 0;

	if (key.n >= depth + 8) {
		memcpy(&w, key.p + depth, 8);
		return __builtin_bswap64(w);
	}
	for (size_t i = depth; i < depth + 8; i++)
		w = w << 8 | (i < key.n ? (uint8_t)key.p[i] : 0);
	return w;
}

static inline uint32_t row_size(const uint8_t *row)
{
	uint32_t n;

	memcpy(&n, row, 4);
	return n;
}

/* The length at p, of a key or of a value that is not null; returns where its bytes begin. */
static inline const uint8_t *row_length(const uint8_t *p, uint32_t *n)
{
	*n = *p++;
	if (*n >= 253) {
		memcpy(n, p, 4);
		p += 4;
	}
	return p;
}

static inline struct str row_key(const uint8_t *row)
{
	uint32_t n;
	const uint8_t *p = row_length(row + 4, &n);

	return (struct str){ (const char *)p, n };
}

/* What row_size() says, where a caller who needs the room has written over it. */
uint32_t row_measure(const uint8_t *row, const struct schema *s);

/* The value of a row's first column: of text, and not null. */
static inline struct str row_text(const uint8_t *row)
{
	struct str key = row_key(row);
	uint32_t n;
	const uint8_t *p = row_length((const uint8_t *)key.p + key.n, &n);

	return (struct str){ (const char *)p, n };
}

/* The first 8 bytes of a key of n bytes, of which 8 may be read in any case. */
static inline uint64_t word_at(const void *key, size_t n)
{
	uint64_t w;

	memcpy(&w, key, 8);
	w = __builtin_bswap64(w);
	return n >= 8 ? w : n ? w & ~(uint64_t)0 << (64 - 8 * n) : 0;
}

static inline uint64_t row_word(const uint8_t *row)
{
	struct str key = row_key(row);

	return word_at(key.p, key.n);
}

static inline struct entry row_entry(const uint8_t *row)
{
	return (struct entry){ row_word(row), row };
}

/* Order of two rows by their keys. */
static inline int entry_cmp(const struct entry *a, const struct entry *b)
{
	if (a->word != b->word)
		return a->word < b->word ? -1 : 1;
	return str_cmp(row_key(a->row), row_key(b->row));
}

#endif
