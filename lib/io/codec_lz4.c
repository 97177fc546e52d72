/* LZ4 frames (not the bare block format): frames and skippable frames one after another; written with the content checksum. */
#include "lib/io/blocks.h"
#include "lib/io/codec.h"

#include <lz4.h>
#include <lz4frame.h>
#include <lz4hc.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void *decoder(void)
{
	LZ4F_dctx *d;

	return LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)) ? NULL : d;
}

static enum step decode(void *state, struct flow *f, const char **why)
{
	size_t nsrc = f->nsrc, ndst = f->ndst, rc = LZ4F_decompress(state, f->dst, &ndst, f->src, &nsrc, NULL);

	if (LZ4F_isError(rc)) {
		*why = LZ4F_getErrorName(rc);
		return STEP_BAD;
	}
	f->src += nsrc;
	f->nsrc -= nsrc;
	f->dst += ndst;
	f->ndst -= ndst;
	return rc == 0 ? STEP_MEMBER : STEP_MORE;
}

static void decoder_free(void *state)
{
	LZ4F_freeDecompressionContext(state);
}

/* Encoding: one frame of independent blocks, put together here, for the library's own frames are made on one thread. */

#define FRAME_MAGIC UINT32_C(0x184d2204)
#define FLAGS 0x64 /* version 1, independent blocks, content checksum */
#define BLOCK_1M 0x60
#define BLOCK_SIZE (1 << 20)
#define UNCOMPRESSED UINT32_C(0x80000000)

static int add32(struct buf *b, uint32_t v)
{
	uint8_t le[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	return buf_add(b, le, sizeof le);
}

static size_t block_size(int level)
{
	(void)level;
	return BLOCK_SIZE;
}

/* A block that does not shrink is stored. */
static int pack(int level, struct str plain, struct buf *packed, uint64_t *note)
{
	int n = (int)plain.n, room = n - 1, got;

	if (buf_reserve(packed, plain.n + 1))
		return -1;
	got = level < LZ4HC_CLEVEL_MIN ? LZ4_compress_default(plain.p, (char *)packed->p, n, room)
				       : LZ4_compress_HC(plain.p, (char *)packed->p, n, room, level);
	*note = got <= 0;
	if (got <= 0)
		return buf_str(packed, plain);
	packed->n = (size_t)got;
	return 0;
}

static void *begin(int level, struct buf *into)
{
	static const uint8_t descriptor[] = { FLAGS, BLOCK_1M };
	XXH32_state_t *sum = XXH32_createState();

	(void)level;
	if (!sum)
		return NULL;
	XXH32_reset(sum, 0);
	if (add32(into, FRAME_MAGIC) || buf_add(into, descriptor, sizeof descriptor) ||
	    buf_byte(into, (uint8_t)(XXH32(descriptor, sizeof descriptor, 0) >> 8))) {
		XXH32_freeState(sum);
		return NULL;
	}
	return sum;
}

static int add(void *state, struct str plain, struct str packed, uint64_t note, struct buf *into)
{
	XXH32_update(state, plain.p, plain.n);
	return add32(into, (uint32_t)packed.n | (note ? UNCOMPRESSED : 0)) ? -1 : buf_str(into, packed);
}

static int end(void *state, struct buf *into)
{
	return add32(into, 0) || add32(into, XXH32_digest(state));
}

static void sum_free(void *state)
{
	XXH32_freeState(state);
}

static const struct block_coder blocks = { block_size, pack, begin, add, end, sum_free };

static void *encoder(int level, int threads)
{
	return blocks_open(&blocks, level, threads);
}

const struct codec_row codec_lz4 = {
	CODEC_LZ4, "lz4", ".lz4", { "\x04\x22\x4d\x18", 4 }, NULL, false, { decoder, decode, decoder_free },
	1, 1, 12, encoder, blocks_encode, blocks_free,
};
