/* gzip decoded by ISA-L, about three times as fast as zlib. Programs that are linked with the library ask the linker for this
 * file (see the Makefile); where it is absent codec_gzip.c decodes with zlib.
 *
 * The decoder takes up to 8 bytes ahead into a bit buffer; at the end of a member those behind the trailer are given back. They
 * lie before next_in in the same memory: had an earlier call been given them, it would have met the end itself. */
#include "lib/io/codec_isal.h"

#if __has_include(<isa-l.h>)

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#define SLICE ((size_t)1 << 30)

static void start(struct inflate_state *s)
{
	isal_inflate_init(s);
	s->crc_flag = ISAL_GZIP;
}

static void *decoder(void)
{
	struct inflate_state *s = malloc(sizeof *s);

	if (s)
		start(s);
	return s;
}

static const char *reason(int rc)
{
	switch (rc) {
	case ISAL_INVALID_WRAPPER:
		return "not a gzip header";
	case ISAL_UNSUPPORTED_METHOD:
		return "unknown compression method";
	case ISAL_INCORRECT_CHECKSUM:
		return "incorrect data check";
	default:
		return "invalid data";
	}
}

static enum step decode(void *state, struct flow *f, const char **why)
{
	struct inflate_state *s = state;
	uint32_t nsrc = (uint32_t)(f->nsrc < SLICE ? f->nsrc : SLICE), ndst = (uint32_t)(f->ndst < SLICE ? f->ndst : SLICE);
	size_t back;
	int rc;

	s->next_in = (uint8_t *)(uintptr_t)f->src;
	s->avail_in = nsrc;
	s->next_out = f->dst;
	s->avail_out = ndst;
	rc = isal_inflate(s);
	f->src += nsrc - s->avail_in;
	f->nsrc -= nsrc - s->avail_in;
	f->dst += ndst - s->avail_out;
	f->ndst -= ndst - s->avail_out;
	if (rc < 0 || rc == ISAL_NEED_DICT) {
		*why = reason(rc);
		return STEP_BAD;
	}
	if (s->block_state != ISAL_BLOCK_FINISH)
		return STEP_MORE;
	back = s->read_in_length > 0 ? (size_t)s->read_in_length / 8 : 0;
	f->src -= back;
	f->nsrc += back;
	start(s);
	return STEP_MEMBER;
}

const struct decoder codec_isal_decoder = { decoder, decode, free };

#endif
