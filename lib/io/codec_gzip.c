/* gzip (RFC 1952) through zlib: members one after another, each with its CRC checked. */
#include "lib/io/blocks.h"
#include "lib/io/codec.h"
#include "lib/io/codec_join.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* largest window, gzip wrapping only */
#define RAW_WINDOW (-15)
#define SLICE ((size_t)1 << 30) /* zlib counts in 32 bits */

static void *decoder(void)
{
	z_stream *z = calloc(1, sizeof *z);

	if (z && inflateInit2(z, GZIP_WINDOW) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static enum step decode(void *state, struct flow *f, const char **why)
{
	z_stream *z = state;
	uInt nsrc = (uInt)(f->nsrc < SLICE ? f->nsrc : SLICE), ndst = (uInt)(f->ndst < SLICE ? f->ndst : SLICE);
	int rc;

	z->next_in = (Bytef *)(uintptr_t)f->src;
	z->avail_in = nsrc;
	z->next_out = f->dst;
	z->avail_out = ndst;
	rc = inflate(z, Z_NO_FLUSH);
	f->src += nsrc - z->avail_in;
	f->nsrc -= nsrc - z->avail_in;
	f->dst += ndst - z->avail_out;
	f->ndst -= ndst - z->avail_out;
	switch (rc) {
	case Z_OK:
	case Z_BUF_ERROR:
		return STEP_MORE;
	case Z_STREAM_END:
		return inflateReset(z) == Z_OK ? STEP_MEMBER : STEP_NOMEM;
	case Z_MEM_ERROR:
		return STEP_NOMEM;
	default:
		*why = z->msg ? z->msg : "invalid data";
		return STEP_BAD;
	}
}

static void decoder_free(void *state)
{
	inflateEnd(state);
	free(state);
}

/* Encoding: one member. Each block is deflated by itself and ends on a byte (an empty stored block); the check of the whole is
 * combined from those of the blocks. As pigz does it, but for its dictionaries. */

struct member {
	uLong crc, length;
};

static size_t block_size(int level)
{
	(void)level;
	return (size_t)1 << 20;
}

static int deflate_block(int level, struct str plain, struct buf *packed)
{
	z_stream z = { 0 };
	size_t room = plain.n + plain.n / 1000 + 1024;
	int rc;

	if (buf_reserve(packed, room) || deflateInit2(&z, level, Z_DEFLATED, RAW_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	z.next_in = (Bytef *)(uintptr_t)plain.p;
	z.avail_in = (uInt)plain.n;
	z.next_out = packed->p + packed->n;
	z.avail_out = (uInt)room;
	rc = deflate(&z, Z_FULL_FLUSH);
	packed->n += room - z.avail_out;
	deflateEnd(&z);
	return rc == Z_OK && z.avail_in == 0 && z.avail_out ? 0 : -1;
}

static int fast_block(struct str plain, struct buf *packed)
{
	return deflate_block(1, plain, packed);
}

static int pack(int level, struct str plain, struct buf *packed, uint64_t *note)
{
	*note = libdeflate_crc32(0, plain.p, plain.n);
	return level == 1 ? deflate_pieces(plain, packed, fast_block) : deflate_block(level, plain, packed);
}

static void *begin(int level, struct buf *into)
{
	static const uint8_t head[10] = { 0x1f, 0x8b, Z_DEFLATED, [9] = 3 }; /* no name, no time, made on Unix */
	struct member *m = calloc(1, sizeof *m);

	(void)level;
	if (m && buf_add(into, head, sizeof head)) {
		free(m);
		m = NULL;
	}
	return m;
}

static int add(void *state, struct str plain, struct str packed, uint64_t note, struct buf *into)
{
	struct member *m = state;

	m->crc = crc32_combine(m->crc, (uLong)note, (z_off_t)plain.n);
	m->length += plain.n;
	return buf_str(into, packed);
}

static int end(void *state, struct buf *into)
{
	const struct member *m = state;
	uint8_t tail[10] = { 0x03, 0x00 }; /* the last block, an empty one; then the check and the length */

	for (int i = 0; i < 4; i++) {
		tail[2 + i] = (uint8_t)(m->crc >> 8 * i);
		tail[6 + i] = (uint8_t)(m->length >> 8 * i);
	}
	return buf_add(into, tail, sizeof tail);
}

static const struct block_coder blocks = { block_size, pack, begin, add, end, free };

static void *encoder(int level, int threads)
{
	return blocks_open(&blocks, level, threads);
}

/* Level 1 is three times as fast as 6, and its output a sixth larger. */
const struct codec_row codec_gzip = {
	CODEC_GZIP, "gzip", ".gz", { "\x1f\x8b\x08", 3 }, NULL, true, { decoder, decode, decoder_free },
	1, 1, 9, encoder, blocks_encode, blocks_free,
};
