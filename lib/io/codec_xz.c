/* xz through liblzma: streams one after another, each with its integrity check verified. */
#include "lib/io/blocks.h"
#include "lib/io/codec.h"

#include <lzma.h>
#include <stdlib.h>

#define MEMORY_LIMIT ((uint64_t)1 << 30)

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

static void decoder_free(void *state)
{
	lzma_end(state);
	free(state);
}

/* Encoding: one stream of blocks, each with its sizes and its check, and the index of them behind. The dictionary is as large as a
 * block, which bounds the memory of a thread. */

static const lzma_stream_flags flags = { .check = LZMA_CHECK_CRC64 };

static size_t block_size(int level)
{
	return (size_t)(level <= 6 ? 1 : 16) << 20;
}

static int pack(int level, struct str plain, struct buf *packed, uint64_t *note)
{
	lzma_options_lzma options;
	lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
	lzma_block block = { .check = LZMA_CHECK_CRC64, .filters = filters };
	size_t room = lzma_block_buffer_bound(plain.n);

	if (lzma_lzma_preset(&options, (uint32_t)level) || !room || buf_reserve(packed, room))
		return -1;
	if (options.dict_size > block_size(level))
		options.dict_size = (uint32_t)block_size(level);
	if (lzma_block_buffer_encode(&block, NULL, (const uint8_t *)plain.p, plain.n, packed->p, &packed->n, room) != LZMA_OK)
		return -1;
	*note = lzma_block_unpadded_size(&block);
	return 0;
}

static void *begin(int level, struct buf *into)
{
	lzma_index *index;

	(void)level;
	if (buf_reserve(into, LZMA_STREAM_HEADER_SIZE) || lzma_stream_header_encode(&flags, into->p + into->n) != LZMA_OK)
		return NULL;
	if ((index = lzma_index_init(NULL)))
		into->n += LZMA_STREAM_HEADER_SIZE;
	return index;
}

static int add(void *state, struct str plain, struct str packed, uint64_t note, struct buf *into)
{
	return lzma_index_append(state, NULL, note, plain.n) == LZMA_OK ? buf_str(into, packed) : -1;
}

static int end(void *state, struct buf *into)
{
	size_t size = (size_t)lzma_index_size(state);
	lzma_stream_flags behind = flags;

	behind.backward_size = size;
	if (buf_reserve(into, size + LZMA_STREAM_HEADER_SIZE) ||
	    lzma_index_buffer_encode(state, into->p, &into->n, into->n + size) != LZMA_OK ||
	    lzma_stream_footer_encode(&behind, into->p + into->n) != LZMA_OK)
		return -1;
	into->n += LZMA_STREAM_HEADER_SIZE;
	return 0;
}

static void index_free(void *state)
{
	lzma_index_end(state, NULL);
}

static const struct block_coder blocks = { block_size, pack, begin, add, end, index_free };

static void *encoder(int level, int threads)
{
	return blocks_open(&blocks, level, threads);
}

const struct codec_row codec_xz = {
	CODEC_XZ, "xz", ".xz", { "\xfd" "7zXZ\0", 6 }, NULL, true, { decoder, decode, decoder_free },
	6, 1, 9, encoder, blocks_encode, blocks_free,
};
