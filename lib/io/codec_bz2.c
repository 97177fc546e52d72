/* bzip2: streams one after another, as `bzip2 -d` and parallel compressors have them. */
#include "lib/io/blocks.h"
#include "lib/io/codec.h"

#include <bzlib.h>
#include <stdlib.h>

#define SLICE ((size_t)1 << 30)

struct bunzip {
	bz_stream z;
	bool open;
};

/* "BZh" also begins honest text: the first block's magic decides (pi, or sqrt(pi) for an empty stream). "BZh" alone is what an output
 * of ours that failed leaves. */
static bool check(struct str head)
{
	static const char block[] = "\x31\x41\x59\x26\x53\x59", last[] = "\x17\x72\x45\x38\x50\x90";
	size_t n = head.n - 4;

	if (head.n < 4 || head.p[3] < '1' || head.p[3] > '9')
		return head.n == 3;
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

/* Encoding: a stream for each block of the format's own size, as pbzip2 does it. */

static size_t block_size(int level)
{
	return (size_t)level * 100000;
}

static int pack(int level, struct str plain, struct buf *packed, uint64_t *note)
{
	unsigned room = (unsigned)(plain.n + plain.n / 100 + 600); /* as the library asks for */

	(void)note;
	if (buf_reserve(packed, room) || BZ2_bzBuffToBuffCompress((char *)packed->p, &room, (char *)(uintptr_t)plain.p,
								   (unsigned)plain.n, level, 0, 0) != BZ_OK)
		return -1;
	packed->n = room;
	return 0;
}

struct streams {
	int level;
	bool any;
};

static void *begin(int level, struct buf *into)
{
	struct streams *s = calloc(1, sizeof *s);

	(void)into;
	if (s)
		s->level = level;
	return s;
}

static int add(void *state, struct str plain, struct str packed, uint64_t note, struct buf *into)
{
	struct streams *s = state;

	(void)plain;
	(void)note;
	s->any = true;
	return buf_str(into, packed);
}

/* Nothing is a stream too. */
static int end(void *state, struct buf *into)
{
	const struct streams *s = state;
	cleanup_buf struct buf empty = { 0 };
	uint64_t note;

	if (s->any)
		return 0;
	return pack(s->level, STR(""), &empty, &note) ? -1 : buf_str(into, buf_view(&empty));
}

static const struct block_coder blocks = { block_size, pack, begin, add, end, free };

static void *encoder(int level, int threads)
{
	return blocks_open(&blocks, level, threads);
}

const struct codec_row codec_bz2 = {
	CODEC_BZ2, "bzip2", ".bz2", { "BZh", 3 }, check, false, { decoder, decode, decoder_free },
	9, 1, 9, encoder, blocks_encode, blocks_free,
};
