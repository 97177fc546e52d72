/* Keys: order-preserving byte strings. memcmp() order of encoded keys is the order asked for; equal bytes mean equal keys.
 *
 * sort, join, reduce, split, take -g and --check share this encoder. One key is a list of parts; the encoding of a row is the
 * concatenation of its parts, each self-delimiting.
 *
 * A part: 1 byte, 1 for a value, 2 for null (0 under `nullsfirst`), then
 *     text, binary, json   the bytes with 00 -> 00 FF, then 00 00
 *     numeric              one byte of sign and exponent, then the digits of the exact value in base 100 (1 = 1.0 = 1e0; NaN
 *                          last), any length: see keynum.c; ints but uint64 and floats use 8 bytes
 *     bool, date, time...  big-endian with the sign bit flipped, 1 or 8 bytes
 *     exact dates, times   seconds and nanoseconds, 12 bytes
 * `desc` inverts what follows the first byte. Nulls come last in ascending and in descending order, unless `nullsfirst`; parts of
 * fixed width keep it for nulls. */
#ifndef STOOK_TABLE_KEY_H
#define STOOK_TABLE_KEY_H

#include "lib/table/reading.h"

enum key_reading {
	KEY_AUTO,  /* by the column's type: text by bytes, numbers by value */
	KEY_NUM,   /* :num text read as numbers */
	KEY_TEXT,  /* :text bytes, of numbers their digits as written */
	KEY_NAT,   /* :nat file2 < file10: runs of digits compare as numbers, equal ones by bytes */
	KEY_FOLD,  /* :fold ASCII and Unicode simple case folding, ties equal */
	KEY_TIME,  /* :time ISO times by instant */
};

struct key_part {
	struct str name;   /* the field, unescaped; n = 0 when at > 0 */
	int at;            /* @N, from 1; 0 = by name */
	enum key_reading reading;
	bool desc, nullsfirst;
};

struct key_spec {
	int n;
	struct key_part *parts;
};

/* Parses KEY lists of product.md section 4, "day,price:num:desc,@3:nat": known modifiers are stripped from the right, what is
 * left is the name; \ escapes , : = @ * and itself. ranges and globs (a..d, *_x) are resolved by fields_resolve(). */
int key_parse(struct str text, struct arena *a, struct key_spec *ret, struct err *e) nodiscard;

/* FIELDS of section 4 ("a,b", "a..d", "*_time", "@2") against a schema: indices in order, no duplicates; unknown names list
 * what exists. Indices are allocated in `a`. */
int fields_resolve(struct str text, const struct schema *s, struct arena *a, int **ret, int *n, struct err *e) nodiscard;

/* One FIELD: its index in s. */
int field_resolve(struct str text, const struct schema *s, int *ret, struct err *e) nodiscard;

/* A spec bound to a schema. */
struct key {
	int n;
	const char *option; /* the option that gave it, for hints; NULL: -k; "": one of which the key is but a part */
	struct key_bound {
		int col;
		enum key_reading reading;
		bool desc, nullsfirst;
		bool exact;  /* numbers, times: the general encoding, comparable across types (joins of unlike types) */
	} *parts;
};

int key_bind(const struct key_spec *spec, const struct schema *s, struct arena *a, struct key *ret, struct err *e) nodiscard;

/* Makes the keys of two inputs comparable, part by part (join): a reading named on one side counts for both, unlike types of
 * numbers or times get `exact`; text against a number is an ST_USAGE error unless a reading is named. */
int key_match(struct key *left, const struct schema *ls, struct key *right, const struct schema *rs, struct err *e) nodiscard;

/* Encoded keys of a batch: row i is bytes[offsets[i] .. offsets[i+1]). has_null[i] != 0 when a part of it is null. */
struct keys {
	int64_t n;
	const uint8_t *bytes;
	const uint32_t *offsets;
	const uint8_t *has_null; /* NULL: no nulls at all */
	int64_t fixed;           /* > 0: every key has this many bytes */
};

/* Encodes all rows of b into `a`. Bad values as in read_numbers(): a value that is null for being bad has a null's key, and
 * keys from bad->bad_row on are empty. */
int keys_encode(const struct key *k, const struct batch *b, struct bad_values *bad, struct arena *a, struct keys *ret,
		struct err *e) nodiscard;

/* The same for who wants no row behind the key `bound`: the keys of rows behind it may be empty. Cheaper where that is most of them. */
int keys_encode_until(const struct key *k, struct str bound, const struct batch *b, struct bad_values *bad, struct arena *a,
		      struct keys *ret, struct err *e) nodiscard;

/* Whether keys_decode() can have the columns back from the keys: all parts are text, by bytes, ascending. */
bool keys_hold_text(const struct key *k, const struct schema *s);

/* The columns of n keys: appends to out[0 .. k->n). KEY_SLACK bytes behind each key may be read. */
int keys_decode(const struct key *k, const struct str *keys, int64_t n, struct builder *out, struct err *e) nodiscard;
#define KEY_SLACK 8

static inline struct str keys_at(const struct keys *k, int64_t i)
{
	return (struct str){ (const char *)k->bytes + k->offsets[i], k->offsets[i + 1] - k->offsets[i] };
}

/* str_eq() without a call for the lengths that keys have. */
static inline bool key_same(struct str a, struct str b)
{
	uint64_t x[4];
	uint32_t y[4];

	if (a.n != b.n)
		return false;
	if (a.n > 16 || a.n < 4)
		return str_eq(a, b);
	if (a.n >= 8) {
		memcpy(x, a.p, 8);
		memcpy(x + 1, b.p, 8);
		memcpy(x + 2, a.p + a.n - 8, 8);
		memcpy(x + 3, b.p + b.n - 8, 8);
		return ((x[0] ^ x[1]) | (x[2] ^ x[3])) == 0;
	}
	memcpy(y, a.p, 4);
	memcpy(y + 1, b.p, 4);
	memcpy(y + 2, a.p + a.n - 4, 4);
	memcpy(y + 3, b.p + b.n - 4, 4);
	return ((y[0] ^ y[1]) | (y[2] ^ y[3])) == 0;
}

/* Placement hash of row i's key (split --by, --weights): XXH3-64 with `seed` over the key's text. One part: text by its bytes
 * (under :fold the folded ones), numbers by their canonical decimal text (nan, inf, -inf), bools as true and false, dates and
 * times as the decimal text of their seconds since the epoch, null as eight bytes FF. Several parts: each preceded by its
 * length as 8 bytes little endian, null by the length 2^64 - 1 alone. Equal keys have equal hashes whatever their types.
 * Fixed for ever (man page stook-split). */
int placement_hash(const struct key *k, const struct batch *b, uint64_t seed, struct bad_values *bad, struct arena *a,
		   uint64_t **ret, struct err *e) nodiscard;

/* The text "day,price:num:desc" of a bound key for stook.sorted. */
int key_describe(const struct key *k, const struct schema *s, struct buf *b);

#endif
