/* Zstandard (RFC 8878): frames and skippable frames one after another; written with the content checksum, which is off by
 * default in the library. */
#include "lib/io/codec.h"

#include <zstd.h>
#include <zstd_errors.h>

#define LEVEL 1

static void *decoder(void)
{
	return ZSTD_createDStream();
}

static enum step decode(void *state, struct flow *f, const char **why)
{
	ZSTD_inBuffer in = { f->src, f->nsrc, 0 };
	ZSTD_outBuffer out = { f->dst, f->ndst, 0 };
	size_t rc = ZSTD_decompressStream(state, &out, &in);

	f->src += in.pos;
	f->nsrc -= in.pos;
	f->dst += out.pos;
	f->ndst -= out.pos;
	if (ZSTD_isError(rc)) {
		*why = ZSTD_getErrorName(rc);
		return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation ? STEP_NOMEM : STEP_BAD;
	}
	return rc == 0 ? STEP_MEMBER : STEP_MORE;
}

static void decoder_free(void *state)
{
	ZSTD_freeDStream(state);
}

static void *encoder(void)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	if (!c)
		return NULL;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1))) {
		ZSTD_freeCCtx(c);
		return NULL;
	}
	return c;
}

static int encode(void *state, const void *src, size_t n, bool end, struct buf *into)
{
	ZSTD_inBuffer in = { src, n, 0 };
	size_t rc, room = ZSTD_CStreamOutSize();

	do {
		ZSTD_outBuffer out;

		if (buf_reserve(into, room))
			return -1;
		out = (ZSTD_outBuffer){ into->p + into->n, room, 0 };
		rc = ZSTD_compressStream2(state, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
		into->n += out.pos;
		if (ZSTD_isError(rc))
			return -1;
	} while (in.pos < in.size || (end && rc));
	return 0;
}

static void encoder_free(void *state)
{
	ZSTD_freeCCtx(state);
}

/* pzstd and others put a skippable frame first; its magic is the same in the lz4 format, whose tools do not. */
const struct codec_row codec_zstd = {
	CODEC_ZSTD, "zstd", ".zst",       { "\x28\xb5\x2f\xfd", 4 }, NULL, false, { decoder, decode, decoder_free },
	encoder,    encode, encoder_free,
};
