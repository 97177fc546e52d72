/* Text back from encoded keys: see key.h. Values are found row by row, some rows at a time, and appended column by column. */
#include "lib/base/swar.h"
#include "lib/table/key.h"
#include "lib/table/keycode.h"

#define SOME 128 /* rows at a time */

bool keys_hold_text(const struct key *k, const struct schema *s)
{
	for (int i = 0; i < k->n; i++) {
		const struct key_bound *p = &k->parts[i];
		const struct type *t = &s->fields[p->col].type;

		if (t->layout != LAY_VAR || p->desc || (p->reading != KEY_TEXT && (p->reading != KEY_AUTO || type_is_num(t))))
			return false;
	}
	return true;
}

/* The first byte 00 from p on: there is one. KEY_SLACK bytes behind it may be read. */
static const uint8_t *find_zero(const uint8_t *p)
{
	for (;; p += 8) {
		uint64_t v, zero;

		memcpy(&v, p, 8);
		v = le64toh(v);
		zero = (v - SWAR_BYTES(1u)) & ~v & SWAR_BYTES(0x80u); /* the lowest is always right */
		if (zero)
			return p + __builtin_ctzll(zero) / 8;
	}
}

/* Text with bytes 00 in it, without their escapes. */
static int unescape(const uint8_t **p, struct arena *a, struct str *ret)
{
	const uint8_t *from = *p, *zero = find_zero(from);
	char *to;

	while (zero[1])
		zero = find_zero(zero + 2);
	to = arena_alloc(a, (size_t)(zero - from));
	*ret = (struct str){ to, 0 };
	*p = zero + 2;
	while (to && from < zero) {
		to[ret->n++] = (char)*from;
		from += *from ? 1 : 2;
	}
	return to ? 0 : -1;
}

/* One part; p = NULL: null. */
static inline int take_part(const uint8_t **p, struct arena *a, struct str *ret)
{
	const uint8_t *from = *p + 1, *zero;

	*ret = (struct str){ 0 };
	if ((*p)[0] != KEY_MARK_VALUE) {
		*p = from;
		return 0;
	}
	zero = find_zero(from);
	if (__builtin_expect(zero[1], 0)) {
		*p = from;
		return unescape(p, a, ret);
	}
	*ret = (struct str){ (const char *)from, (size_t)(zero - from) };
	*p = zero + 2;
	return 0;
}

int keys_decode(const struct key *k, const struct str *keys, int64_t n, struct builder *out, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct str *parts = arena_array(&a, struct str, (size_t)k->n * SOME);
	int rc = parts ? 0 : err_oom(e);

	for (int64_t from = 0, m; from < n && rc == 0; from += m) {
		m = n - from < SOME ? n - from : SOME;
		for (int64_t i = 0; i < m; i++) {
			const uint8_t *p = (const uint8_t *)keys[from + i].p;

			for (int j = 0; j < k->n; j++)
				if (take_part(&p, &a, &parts[j * SOME + i]))
					return err_oom(e);
		}
		for (int j = 0; j < k->n && rc == 0; j++)
			rc = builder_strs(&out[j], parts + j * SOME, m, e);
	}
	return rc;
}
