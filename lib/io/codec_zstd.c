/* Zstandard (RFC 8878): frames and skippable frames one after another; written with the content checksum, which is off by
 * default in the library. */
#include "lib/io/codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define MOST_THREADS 16

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

/* Encoding: one frame, for some readers stop behind the first; its blocks are packed by the library's own threads, which give the
 * same bytes for any number of them but none. Those are begun when there is enough for them to do. */

#define JOB_SIZE (1 << 20)

struct encoder {
	ZSTD_CCtx *c;
	struct buf head; /* the first bytes */
	bool begun;
};

static bool set(ZSTD_CCtx *c, ZSTD_cParameter what, int v)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(c, what, v));
}

/* A library without threads is told so by its refusal. */
static void *encoder(int level, int threads)
{
	struct encoder *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->c = ZSTD_createCCtx();
	if (!s->c || !set(s->c, ZSTD_c_compressionLevel, level) || !set(s->c, ZSTD_c_checksumFlag, 1)) {
		ZSTD_freeCCtx(s->c);
		free(s);
		return NULL;
	}
	if (threads > 0 && set(s->c, ZSTD_c_nbWorkers, threads < MOST_THREADS ? threads : MOST_THREADS))
		(void)set(s->c, ZSTD_c_jobSize, JOB_SIZE);
	return s;
}

static int feed(struct encoder *s, const void *src, size_t n, bool end, struct buf *into)
{
	ZSTD_inBuffer in = { src, n, 0 };
	size_t rc, room = ZSTD_CStreamOutSize();

	s->begun = true;
	do {
		ZSTD_outBuffer out;

		if (buf_reserve(into, room))
			return -1;
		out = (ZSTD_outBuffer){ into->p + into->n, room, 0 };
		rc = ZSTD_compressStream2(s->c, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
		into->n += out.pos;
		if (ZSTD_isError(rc))
			return -1;
	} while (in.pos < in.size || (end && rc));
	return 0;
}

/* `head` is fed when it is known whether more follows: the library treats a whole input unlike a first piece. */
static int encode(void *state, const void *src, size_t n, bool end, struct buf *into)
{
	struct encoder *s = state;
	size_t take = s->begun ? 0 : JOB_SIZE - s->head.n < n ? JOB_SIZE - s->head.n : n;

	if (buf_add(&s->head, src, take))
		return -1;
	src = take ? (const char *)src + take : src;
	n -= take;
	if (!s->begun && n == 0)
		return end ? feed(s, s->head.p, s->head.n, true, into) : 0;
	if (!s->begun && feed(s, s->head.p, s->head.n, false, into))
		return -1;
	return feed(s, src, n, end, into);
}

static void encoder_free(void *state)
{
	struct encoder *s = state;

	ZSTD_freeCCtx(s->c);
	buf_free(&s->head);
	free(s);
}

/* pzstd and others put a skippable frame first; its magic is the same in the lz4 format, whose tools do not. */
const struct codec_row codec_zstd = {
	CODEC_ZSTD, "zstd", ".zst", { "\x28\xb5\x2f\xfd", 4 }, NULL, false, { decoder, decode, decoder_free },
	1, 1, 19, encoder, encode, encoder_free,
};
