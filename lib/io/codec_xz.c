/* xz through liblzma: streams one after another, each with its integrity check verified. */
#include "lib/io/codec.h"

#include <lzma.h>
#include <stdlib.h>

#define MEMORY_LIMIT ((uint64_t)1 << 30)
#define ROOM ((size_t)64 << 10)

static void *decoder(void)
{
	lzma_stream *s = malloc(sizeof *s);

	if (!s)
		return NULL;
	*s = (lzma_stream)LZMA_STREAM_INIT;
	if (lzma_stream_decoder(s, MEMORY_LIMIT, 0) != LZMA_OK) {
		free(s);
		return NULL;
	}
	return s;
}

static enum step verdict(lzma_stream *s, lzma_ret rc, const char **why)
{
	switch (rc) {
	case LZMA_OK:
	case LZMA_BUF_ERROR:
		return STEP_MORE;
	case LZMA_STREAM_END:
		return lzma_stream_decoder(s, MEMORY_LIMIT, 0) == LZMA_OK ? STEP_MEMBER : STEP_NOMEM;
	case LZMA_MEM_ERROR:
		return STEP_NOMEM;
	case LZMA_MEMLIMIT_ERROR:
		*why = "its dictionary needs more than 1 GiB of memory";
		return STEP_BAD;
	case LZMA_FORMAT_ERROR:
		*why = "not an xz stream";
		return STEP_BAD;
	case LZMA_OPTIONS_ERROR:
		*why = "unsupported filter";
		return STEP_BAD;
	default:
		*why = "invalid data";
		return STEP_BAD;
	}
}

static enum step decode(void *state, struct flow *f, const char **why)
{
	lzma_stream *s = state;
	lzma_ret rc;

	s->next_in = f->src;
	s->avail_in = f->nsrc;
	s->next_out = f->dst;
	s->avail_out = f->ndst;
	rc = lzma_code(s, LZMA_RUN);
	f->src = s->next_in;
	f->nsrc = s->avail_in;
	f->dst = s->next_out;
	f->ndst = s->avail_out;
	return verdict(s, rc, why);
}

static void coder_free(void *state)
{
	lzma_end(state);
	free(state);
}

static void *encoder(void)
{
	lzma_stream *s = malloc(sizeof *s);

	if (!s)
		return NULL;
	*s = (lzma_stream)LZMA_STREAM_INIT;
	if (lzma_easy_encoder(s, LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64) != LZMA_OK) {
		free(s);
		return NULL;
	}
	return s;
}

static int encode(void *state, const void *src, size_t n, bool end, struct buf *into)
{
	lzma_stream *s = state;
	lzma_ret rc;

	s->next_in = src;
	s->avail_in = n;
	do {
		if (buf_reserve(into, ROOM))
			return -1;
		s->next_out = into->p + into->n;
		s->avail_out = ROOM;
		rc = lzma_code(s, end ? LZMA_FINISH : LZMA_RUN);
		into->n += ROOM - s->avail_out;
		if (rc != LZMA_OK && rc != LZMA_STREAM_END && rc != LZMA_BUF_ERROR)
			return -1;
	} while (s->avail_in || s->avail_out == 0 || (end && rc != LZMA_STREAM_END));
	return 0;
}

const struct codec_row codec_xz = {
	CODEC_XZ, "xz", ".xz", { "\xfd" "7zXZ\0", 6 }, NULL, true,
	{ decoder, decode, coder_free }, encoder, encode, coder_free,
};
