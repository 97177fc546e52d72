/* gzip (RFC 1952) through zlib: members one after another, each with its CRC checked. */
#include "lib/io/codec.h"

#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* largest window, gzip wrapping only */
#define LEVEL 1 /* three times as fast as 6, and output a sixth larger */
#define ROOM ((size_t)64 << 10)
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

static void *encoder(void)
{
	z_stream *z = calloc(1, sizeof *z);

	if (z && deflateInit2(z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static int encode(void *state, const void *src, size_t n, bool end, struct buf *into)
{
	z_stream *z = state;
	int rc;

	z->next_in = (Bytef *)(uintptr_t)src;
	do {
		uInt take = (uInt)(n < SLICE ? n : SLICE);

		if (buf_reserve(into, ROOM))
			return -1;
		z->avail_in = take;
		z->next_out = into->p + into->n;
		z->avail_out = (uInt)ROOM;
		rc = deflate(z, end && take == n ? Z_FINISH : Z_NO_FLUSH);
		n -= take - z->avail_in;
		into->n += ROOM - z->avail_out;
		if (rc == Z_MEM_ERROR || rc == Z_STREAM_ERROR)
			return -1;
	} while (n || z->avail_out == 0 || (end && rc != Z_STREAM_END));
	return 0;
}

static void encoder_free(void *state)
{
	deflateEnd(state);
	free(state);
}

const struct codec_row codec_gzip = {
	CODEC_GZIP, "gzip", ".gz", { "\x1f\x8b\x08", 3 }, NULL, true,
	{ decoder, decode, decoder_free }, encoder, encode, encoder_free,
};
