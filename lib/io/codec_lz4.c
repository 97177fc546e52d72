/* LZ4 frames (not the bare block format): frames and skippable frames one after another; written with the content checksum. */
#include "lib/io/codec.h"

#include <lz4frame.h>
#include <stdlib.h>

#define SLICE ((size_t)1 << 20)

struct encoder {
	LZ4F_cctx *c;
	bool begun;
};

static const LZ4F_preferences_t preferences = {
	.frameInfo = { .blockSizeID = LZ4F_max256KB,
		       .blockMode = LZ4F_blockLinked,
		       .contentChecksumFlag = LZ4F_contentChecksumEnabled },
};

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

static void *encoder(void)
{
	struct encoder *s = calloc(1, sizeof *s);

	if (s && LZ4F_isError(LZ4F_createCompressionContext(&s->c, LZ4F_VERSION))) {
		free(s);
		return NULL;
	}
	return s;
}

static int begin(struct encoder *s, struct buf *into)
{
	size_t n;

	if (s->begun)
		return 0;
	if (buf_reserve(into, LZ4F_HEADER_SIZE_MAX))
		return -1;
	n = LZ4F_compressBegin(s->c, into->p + into->n, LZ4F_HEADER_SIZE_MAX, &preferences);
	if (LZ4F_isError(n))
		return -1;
	into->n += n;
	s->begun = true;
	return 0;
}

static int encode(void *state, const void *src, size_t n, bool end, struct buf *into)
{
	struct encoder *s = state;
	const char *p = src;
	size_t put;

	if (begin(s, into))
		return -1;
	while (n || end) {
		size_t take = n < SLICE ? n : SLICE, room = LZ4F_compressBound(take, &preferences);

		if (buf_reserve(into, room))
			return -1;
		put = take ? LZ4F_compressUpdate(s->c, into->p + into->n, room, p, take, NULL)
			   : LZ4F_compressEnd(s->c, into->p + into->n, room, NULL);
		if (LZ4F_isError(put))
			return -1;
		into->n += put;
		p += take;
		n -= take;
		if (!take)
			break;
	}
	return 0;
}

static void encoder_free(void *state)
{
	struct encoder *s = state;

	LZ4F_freeCompressionContext(s->c);
	free(s);
}

const struct codec_row codec_lz4 = {
	CODEC_LZ4, "lz4",  ".lz4",       { "\x04\x22\x4d\x18", 4 }, NULL, false, { decoder, decode, decoder_free },
	encoder,   encode, encoder_free,
};
