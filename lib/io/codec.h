/* Compression codecs behind in.c and out.c: one table row each, the library called directly.
 *
 * A decoder turns compressed bytes into plain ones, member by member (gzip members, zstd and lz4 frames, xz and bzip2 streams
 * may follow one another). An encoder is the reverse; its output depends on the bytes and the level alone, not on how they were cut
 * into calls, nor on the number of threads
 * (0: only the caller's; zstd then packs differently). */
#ifndef STOOK_IO_CODEC_H
#define STOOK_IO_CODEC_H

#include "lib/io/out.h"

struct flow {
	const uint8_t *src;
	size_t nsrc;
	uint8_t *dst;
	size_t ndst;
};

enum step {
	STEP_MORE,   /* call again with more source or more room */
	STEP_MEMBER, /* a member is complete: what follows is another, or the end */
	STEP_BAD,    /* *why says what is wrong with the data */
	STEP_NOMEM,
};

struct decoder {
	void *(*open)(void); /* NULL: out of memory */
	enum step (*step)(void *state, struct flow *f, const char **why);
	void (*free)(void *state);
};

struct codec_row {
	enum codec codec;
	const char *name;   /* "gzip", for messages; the suffix without its dot is what options take */
	const char *suffix; /* ".gz" */
	struct str magic;   /* what every member begins with */
	/* Checks what `magic` cannot say; head is at least `head` bytes long or all there is. NULL: nothing more. */
	bool (*check)(struct str head);
	bool padding; /* zero bytes may follow a member */

	struct decoder decoder;

	int level, least, most;                    /* level: what is taken when none is asked for */
	void *(*encoder)(int level, int threads); /* NULL: out of memory */
	/* Consumes all of src, appends to `into`. end: completes the member. -1: out of memory. */
	int (*encode)(void *state, const void *src, size_t n, bool end, struct buf *into);
	void (*encoder_free)(void *state);
};

const struct codec_row *codec_row(enum codec c); /* NULL for CODEC_NONE */

const struct decoder *codec_decoder(const struct codec_row *row); /* the best there is for it */

#define CODEC_HEAD 10 /* bytes that decide */

/* Looks at the first bytes of an input: 1 and *ret (NULL: plain), or 0 when more bytes are needed and not all have come. */
int codec_detect(struct str head, bool all, const struct codec_row **ret);

extern const struct codec_row codec_gzip, codec_zstd, codec_xz, codec_bz2, codec_lz4;

#endif
