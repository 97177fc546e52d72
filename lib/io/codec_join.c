/* Deflate by libdeflate, three times as fast as zlib's level 1 and smaller. What it makes is complete in itself, with a last block that
 * says so and zeros up to the byte's end; here such pieces are made to follow each other in one stream.
 *
 * A piece is small enough to be one block, so its first bit says that it is the last: that is cleared. Where the block ended in the
 * last byte nobody says, but it ended with the code for "end of block", which its header tells (RFC 1951, 3.2.7), and as long as that
 * is not all zeros the last bit set is in it. An empty stored block behind it reaches the next byte. The rare piece of which this does
 * not hold is made by zlib. Neither depends on the processor: libdeflate has vectors for its tables only, not for its choices. */
#include "lib/io/codec_join.h"

#include <libdeflate.h>

#define PIECE ((size_t)32 << 10) /* 8192 matches of 4 bytes, at most, are one block of its level 1 */
#define CODES 19                 /* of code lengths */

struct bits {
	const uint8_t *p, *end;
	unsigned at; /* of the next bit in *p */
};

static unsigned take(struct bits *b, unsigned n)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n && b->p < b->end; i++) {
		v |= (*b->p >> b->at & 1u) << i;
		b->p += b->at == 7;
		b->at = (b->at + 1) & 7;
	}
	return v;
}

/* The next symbol of a canonical code, given how long the codes are. */
static unsigned symbol(struct bits *b, const uint8_t *lengths, unsigned n)
{
	unsigned code = 0, first = 0;

	for (unsigned len = 1; len < 16; len++) {
		unsigned count = 0;

		code = code << 1 | take(b, 1);
		first <<= 1;
		for (unsigned i = 0; i < n; i++) {
			if (lengths[i] == len && code == first + count)
				return i;
			count += lengths[i] == len;
		}
		first += count;
	}
	return CODES;
}

/* Code lengths of the n literals, lengths and "end of block" (256). */
static bool code_lengths(struct bits *b, unsigned n, uint8_t *lengths)
{
	static const uint8_t order[CODES] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
	uint8_t codes[CODES] = { 0 };
	unsigned ncodes = take(b, 4) + 4;

	for (unsigned i = 0; i < ncodes; i++)
		codes[order[i]] = (uint8_t)take(b, 3);
	for (unsigned i = 0; i < n;) {
		unsigned s = symbol(b, codes, CODES), times = s == 16 ? take(b, 2) + 3 : s == 17 ? take(b, 3) + 3 : s == 18 ? take(b, 7) + 11 : 1;
		uint8_t len = (uint8_t)(s < 16 ? s : s == 16 && i ? lengths[i - 1] : 0);

		if (s >= CODES)
			return false;
		while (times-- && i < n)
			lengths[i++] = len;
	}
	return true;
}

/* The code for "end of block" of the block of dynamic codes at p[0 .. n); 0: all zeros, or not understood. */
static unsigned end_code(const uint8_t *p, size_t n)
{
	struct bits b = { p, p + n, 3 };
	unsigned count = take(&b, 5) + 257, code = 0;
	uint8_t lengths[288] = { 0 };

	(void)take(&b, 5);
	if (!code_lengths(&b, count, lengths))
		return 0;
	for (unsigned i = 0; i < count; i++) { /* shorter codes come first, then those of symbols before it */
		if (lengths[i] && lengths[i] < lengths[256])
			code += 1u << (lengths[256] - lengths[i]);
		code += i < 256 && lengths[i] == lengths[256];
	}
	return code;
}

/* Zero bits behind the last block; -1: cannot be told. */
static int padding(const uint8_t *p, size_t n)
{
	unsigned code = (p[0] >> 1 & 3) == 2 ? end_code(p, n) : 0;
	int zeros = 0;

	if (!code)
		return -1;
	while (n && !p[n - 1]) {
		zeros += 8;
		n--;
	}
	if (!n)
		return -1;
	zeros += __builtin_clz(p[n - 1]) - 24 - __builtin_ctz(code);
	return zeros >= 0 && zeros < 8 ? zeros : -1;
}

/* A complete stream becomes one that others may follow. */
static bool open_end(struct buf *to, size_t begin)
{
	static const uint8_t empty[] = { 0, 0, 0, 0xff, 0xff }; /* the rest of its three bits, if they do not fit before; its length */
	uint8_t *p = to->p + begin;
	size_t n = to->n - begin;
	int pad;

	if (!(p[0] & 1))
		return false;
	if ((p[0] >> 1 & 3) == 0) { /* stored: ends on a byte */
		p[0] &= 0xfe;
		return true;
	}
	if ((pad = padding(p, n)) < 0 || buf_add(to, empty + (pad >= 3), sizeof empty - (pad >= 3)))
		return false;
	to->p[begin] &= 0xfe;
	return true;
}

int deflate_pieces(struct str plain, struct buf *to, int (*other)(struct str plain, struct buf *to))
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
	int rc = c ? 0 : -1;

	for (size_t at = 0, n; at < plain.n && rc == 0; at += n) {
		size_t begin = to->n, room;

		n = plain.n - at < PIECE ? plain.n - at : PIECE;
		room = libdeflate_deflate_compress_bound(c, n);
		if (buf_reserve(to, room + 8)) {
			rc = -1;
			break;
		}
		to->n += libdeflate_deflate_compress(c, plain.p + at, n, to->p + to->n, room);
		if (to->n > begin && open_end(to, begin))
			continue;
		to->n = begin;
		rc = other((struct str){ plain.p + at, n }, to);
	}
	libdeflate_free_compressor(c);
	return rc;
}
