/* The encodings that a key's part can have (key.h), one value at a time. Each writes to dst, which has the room that is
 * named, and returns the end. For lib/table. */
#ifndef STOOK_TABLE_KEYCODE_H
#define STOOK_TABLE_KEYCODE_H

#include "lib/base/dec.h"

/* The first byte of a part. */
enum { KEY_MARK_NULL_FIRST, KEY_MARK_VALUE, KEY_MARK_NULL_LAST };

/* Text (keytext.c). */
#define KEY_TEXT_ROOM(n) (5 * (n) + 8)
uint8_t *key_put_escaped(uint8_t *dst, const char *p, size_t n);
uint8_t *key_put_natural(uint8_t *dst, const char *p, size_t n);
uint8_t *key_put_folded(uint8_t *dst, const char *p, size_t n);
size_t key_fold(char *dst, const char *p, size_t n); /* the folded text itself; room 2 n */

/* Numbers in the general encoding (keynum.c). `desc` inverts. */
#define KEY_NUMBER_ROOM 24
uint8_t *key_put_dec(uint8_t *dst, struct dec d, bool desc); /* d.big = 0 */
/* A number's usual text, p[0 .. n) of a text that is readable up to `end`. NULL: something else, not necessarily bad. */
uint8_t *key_put_decimal(uint8_t *dst, const char *p, size_t n, const char *end, bool desc);
uint8_t *key_put_special(uint8_t *dst, double v, bool desc); /* nan, inf */
size_t key_big_room(struct dec d, const struct decpool *pool);
uint8_t *key_put_big(uint8_t *dst, struct dec d, const struct decpool *pool, bool desc); /* NULL: out of memory */

/* Where numbers lie behind the one that a key was made of, by their scale. */
#define KEY_LIMIT_SCALES 19
struct key_limit {
	bool desc;
	int64_t at[KEY_LIMIT_SCALES];
};

/* Of p[0 .. n), a number's key. false: it has no such limits. */
bool key_limit_read(const uint8_t *p, size_t n, bool desc, struct key_limit *ret);

/* Certainly behind it. */
static inline bool key_limit_passed(const struct key_limit *l, struct dec d)
{
	if (d.big || (uint32_t)d.scale >= KEY_LIMIT_SCALES)
		return false;
	return l->desc ? d.m < l->at[d.scale] : d.m > l->at[d.scale];
}

static inline void key_invert(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)~p[i];
}

#endif
