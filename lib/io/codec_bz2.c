/* bzip2: streams one after another, as `bzip2 -d` and parallel compressors have them. */
#include "lib/io/codec.h"

#include <bzlib.h>
#include <stdlib.h>

#define ROOM ((size_t)64 << 10)
#define SLICE ((size_t)1 << 30)

struct bunzip {
	bz_stream z;
	bool open;
};

/* "BZh" also begins honest text: the first block's magic decides (pi, or sqrt(pi) for an empty stream). */
static bool check(struct str head)
{
	static const char block[] = "\x31\x41\x59\x26\x53\x59", last[] = "\x17\x72\x45\x38\x50\x90";
	size_t n = head.n - 4;

	if (head.n < 4 || head.p[3] < '1' || head.p[3] > '9')
		return false;
	if (n > 6)
		n = 6;
	return n > 0 && (memcmp(head.p + 4, block, n) == 0 || memcmp(head.p + 4, last, n) == 0);
}

static void *decoder(void)
{
	return calloc(1, sizeof(struct bunzip));
}

static enum step decode(void *state, struct flow *f, const char **why)
{
	struct bunzip *d = state;
	unsigned nsrc = (unsigned)(f->nsrc < SLICE ? f->nsrc : SLICE), ndst = (unsigned)(f->ndst < SLICE ? f->ndst : SLICE);
	int rc;

	if (!d->open && BZ2_bzDecompressInit(&d->z, 0, 0) != BZ_OK)
		return STEP_NOMEM;
	d->open = true;
	d->z.next_in = (char *)(uintptr_t)f->src;
	d->z.avail_in = nsrc;
	d->z.next_out = (char *)f->dst;
	d->z.avail_out = ndst;
	rc = BZ2_bzDecompress(&d->z);
	f->src += nsrc - d->z.avail_in;
	f->nsrc -= nsrc - d->z.avail_in;
	f->dst += ndst - d->z.avail_out;
	f->ndst -= ndst - d->z.avail_out;
	if (rc == BZ_OK)
		return STEP_MORE;
	if (rc == BZ_STREAM_END) {
		BZ2_bzDecompressEnd(&d->z);
		*d = (struct bunzip){ .open = false };
		return STEP_MEMBER;
	}
	if (rc == BZ_MEM_ERROR)
		return STEP_NOMEM;
	*why = rc == BZ_DATA_ERROR_MAGIC ? "not a bzip2 stream" : "invalid data";
	return STEP_BAD;
}

static void decoder_free(void *state)
{
	struct bunzip *d = state;

	if (d->open)
		BZ2_bzDecompressEnd(&d->z);
	free(d);
}

static void *encoder(void)
{
	bz_stream *z = calloc(1, sizeof *z);

	if (z && BZ2_bzCompressInit(z, 9, 0, 0) != BZ_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static int encode(void *state, const void *src, size_t n, bool end, struct buf *into)
{
	bz_stream *z = state;
	int rc = BZ_RUN_OK;

	z->next_in = (char *)(uintptr_t)src;
	while (n || (end && rc != BZ_STREAM_END)) {
		unsigned take = (unsigned)(n < SLICE ? n : SLICE);

		if (buf_reserve(into, ROOM))
			return -1;
		z->avail_in = take;
		z->next_out = (char *)into->p + into->n;
		z->avail_out = (unsigned)ROOM;
		rc = BZ2_bzCompress(z, take ? BZ_RUN : BZ_FINISH);
		n -= take - z->avail_in;
		into->n += ROOM - z->avail_out;
		if (rc < 0)
			return -1;
	}
	return 0;
}

static void encoder_free(void *state)
{
	BZ2_bzCompressEnd(state);
	free(state);
}

const struct codec_row codec_bz2 = {
	CODEC_BZ2, "bzip2", ".bz2", { "BZh", 3 }, check, false,
	{ decoder, decode, decoder_free }, encoder, encode, encoder_free,
};
