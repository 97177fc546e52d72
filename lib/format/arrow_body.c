/* The buffers of one batch message, in the order in which the schema asks for them.
 *
 * A plain buffer is a piece of the body; a compressed one is unpacked into the arena. What a buffer claims to unpack to is
 * bounded before memory is taken: by what its column can need, and over the message by a multiple of its body. */
#include "lib/format/arrow_wire.h"

#include <lz4frame.h>
#include <stdarg.h>
#include <stdio.h>
#include <zstd.h>
#include <zstd_errors.h>

#define INFLATE_FREE ((int64_t)1 << 30) /* a message may always unpack to this much */
#define INFLATE_RATIO 256               /* or to this many times its body */
#define SLACK 4096                      /* what some writers pad a buffer with */

const uint8_t arrow_zeros[64] __attribute__((aligned(64)));

int body_bad(struct body *b, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	err_set(b->e, ST_STREAM, "not a valid Arrow batch: %s", why);
	return err_field(b->e, b->field.p ? b->field.p : "", (int)(b->field.n < 100 ? b->field.n : 100));
}

int body_open(struct body *b, struct message *m, struct fb_table t, struct arena *a, int64_t *length, struct err *e)
{
	struct fb_table z;
	int64_t codec = BODY_PLAIN;

	*b = (struct body){ .fb = &m->fb, .p = m->body, .n = m->body_length, .a = a, .e = e };
	*length = fb_int(b->fb, t, 0, 8, 0);
	b->nodes = fb_vector(b->fb, t, 1, 16);
	b->buffers = fb_vector(b->fb, t, 2, 16);
	b->variadic = fb_vector(b->fb, t, 4, 8);
	z = fb_sub(b->fb, t, 3);
	if (z.at)
		codec = fb_int(b->fb, z, 0, 1, BODY_LZ4);
	b->codec = (enum arrow_codec)codec;
	b->inflate_left = b->n > INT64_MAX / INFLATE_RATIO ? INT64_MAX : b->n * INFLATE_RATIO;
	if (b->inflate_left < INFLATE_FREE)
		b->inflate_left = INFLATE_FREE;
	if (codec < BODY_PLAIN || codec > BODY_ZSTD || (z.at && fb_int(b->fb, z, 1, 1, 0)))
		return body_bad(b, "an unknown compression");
	if (b->fb->bad || !t.at)
		return body_bad(b, "%s", b->fb->bad ? b->fb->bad : "no content");
	if (*length < 0 || *length > ARROW_ROWS_MAX)
		return body_bad(b, "%lld rows", (long long)*length);
	return 0;
}

int body_node(struct body *b, int64_t *length, int64_t *nulls)
{
	if (b->node >= b->nodes.n)
		return body_bad(b, "fewer nodes than the schema needs");
	*length = fb_vec_int(b->fb, b->nodes, 16 * (size_t)b->node, 8);
	*nulls = fb_vec_int(b->fb, b->nodes, 16 * (size_t)b->node + 8, 8);
	b->node++;
	if (*nulls == -1)
		*nulls = 0; /* some writers have not counted; we count anyway */
	if (*length < 0 || *length > ARROW_ROWS_MAX || *nulls < 0 || *nulls > *length)
		return body_bad(b, "%lld values with %lld nulls", (long long)*length, (long long)*nulls);
	return 0;
}

static int unpack_zstd(struct body *b, struct bytes in, uint8_t *to, int64_t n)
{
	size_t got, end = ZSTD_findFrameCompressedSize(in.p, (size_t)in.n);

	if (ZSTD_isError(end) || end != (size_t)in.n)
		return body_bad(b, "a compressed buffer is not one zstd frame");
	got = ZSTD_decompress(to, (size_t)n, in.p, (size_t)in.n);
	if (ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
		return err_oom(b->e);
	if (ZSTD_isError(got))
		return body_bad(b, "a compressed buffer is damaged (%s)", ZSTD_getErrorName(got));
	return got == (size_t)n ? 0 : body_bad(b, "a compressed buffer is shorter than it claims");
}

static int unpack_lz4(struct body *b, struct bytes in, uint8_t *to, int64_t n)
{
	LZ4F_decompressOptions_t whole = { .stableDst = 1 }; /* what has been made stays where it is */
	LZ4F_dctx *ctx;
	size_t left = 1, at = 0, made = 0;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
		return err_oom(b->e);
	while (left && at < (size_t)in.n) {
		size_t out = (size_t)n - made, used = (size_t)in.n - at;

		left = LZ4F_decompress(ctx, to + made, &out, in.p + at, &used, &whole);
		if (LZ4F_isError(left) || (!out && !used))
			break;
		made += out;
		at += used;
	}
	LZ4F_freeDecompressionContext(ctx);
	if (LZ4F_isError(left) && strcmp(LZ4F_getErrorName(left), "ERROR_allocation_failed") == 0)
		return err_oom(b->e);
	if (left || at != (size_t)in.n || made != (size_t)n)
		return body_bad(b, "a compressed buffer is damaged or not one LZ4 frame");
	return 0;
}

/* in: i64 length, then the compressed or (length -1) raw bytes. */
static int unpack(struct body *b, struct bytes in, int64_t most, struct bytes *ret)
{
	struct bytes packed = { in.p + 8, in.n - 8 };
	int64_t n;
	uint8_t *to;
	int rc;

	if (in.n < 8)
		return body_bad(b, "a compressed buffer is too short");
	memcpy(&n, in.p, 8);
	if (n == -1) {
		*ret = packed;
		return 0;
	}
	if (n < 0 || (most >= 0 && n > 2 * most + SLACK) || n > b->inflate_left)
		return body_bad(b, "a buffer of %lld bytes claims to unpack to %lld", (long long)in.n, (long long)n);
	b->inflate_left -= n;
	to = arena_alloc(b->a, (size_t)n + ARROW_ALIGN);
	if (!to)
		return err_oom(b->e);
	rc = b->codec == BODY_ZSTD ? unpack_zstd(b, packed, to, n) : unpack_lz4(b, packed, to, n);
	if (rc < 0)
		return rc;
	memset(to + n, 0, ARROW_ALIGN);
	*ret = (struct bytes){ to, n };
	return 0;
}

int body_buffer(struct body *b, int64_t need, int64_t most, struct bytes *ret)
{
	int64_t offset, n;
	int rc;

	if (b->buffer >= b->buffers.n)
		return body_bad(b, "fewer buffers than the schema needs");
	offset = fb_vec_int(b->fb, b->buffers, 16 * (size_t)b->buffer, 8);
	n = fb_vec_int(b->fb, b->buffers, 16 * (size_t)b->buffer + 8, 8);
	b->buffer++;
	*ret = (struct bytes){ arrow_zeros, 0 };
	if (n) {
		if (offset < 0 || n < 0 || offset % 8 || offset > b->n || n > b->n - offset)
			return body_bad(b, "a buffer lies outside the body");
		*ret = (struct bytes){ b->p + offset, n };
		if (b->codec != BODY_PLAIN && (rc = unpack(b, *ret, most, ret)) < 0)
			return rc;
	}
	return ret->n >= need ? 0 : body_bad(b, "a buffer has %lld bytes and needs %lld", (long long)ret->n, (long long)need);
}

int body_variadic(struct body *b, int64_t *n)
{
	if (b->nth_variadic >= b->variadic.n)
		return body_bad(b, "fewer counts of view buffers than the schema needs");
	*n = fb_vec_int(b->fb, b->variadic, 8 * (size_t)b->nth_variadic++, 8);
	if (*n < 0 || *n > (int64_t)b->buffers.n - b->buffer)
		return body_bad(b, "%lld view buffers", (long long)*n);
	return 0;
}

int body_done(struct body *b)
{
	b->field = (struct str){ 0 };
	if (b->node != b->nodes.n || b->buffer != b->buffers.n || b->nth_variadic != b->variadic.n)
		return body_bad(b, "more nodes or buffers than the schema needs");
	return 0;
}
