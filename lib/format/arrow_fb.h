/* FlatBuffers, as much as Arrow metadata needs: a reader that trusts nothing, and a builder.
 *
 * Reading: every access is checked against the buffer at the moment it is made, so nothing needs to be verified beforehand and
 * nothing that is not used is looked at. The first thing that is wrong is remembered in `bad`; from then on every access gives
 * an absent table, an empty vector, or the default. So a caller reads all it needs and looks at `bad` once, before it believes
 * any of it. A budget over everything visited bounds the work that shared or crossing offsets can cause.
 *
 * Building: front to back, parents before children, so that every offset is positive. Out of memory is remembered, too.
 *
 * Source: FlatBuffers internals (flatbuffers.dev/internals), little-endian. */
#ifndef STOOK_FORMAT_ARROW_FB_H
#define STOOK_FORMAT_ARROW_FB_H

#include "lib/base/buf.h"

struct fb {
	const uint8_t *p;
	size_t n;
	size_t budget;   /* bytes that may still be visited */
	const char *bad; /* what is wrong; NULL: nothing so far */
};

struct fb_table {
	uint32_t at;     /* 0: absent */
	uint32_t vtable;
	uint16_t vsize, size;
};

struct fb_vec {
	uint32_t at, n;  /* position of the first element, number of elements */
	bool there;      /* an empty vector is not an absent one */
};

void fb_open(struct fb *f, const void *p, size_t n);
struct fb_table fb_root(struct fb *f);
int64_t fb_int(struct fb *f, struct fb_table t, int slot, int width, int64_t absent); /* width 1, 2, 4, 8; sign extended */
bool fb_bool(struct fb *f, struct fb_table t, int slot);                              /* absent: false */
struct fb_table fb_sub(struct fb *f, struct fb_table t, int slot);
struct str fb_string(struct fb *f, struct fb_table t, int slot);                      /* absent: p = NULL */
struct fb_vec fb_vector(struct fb *f, struct fb_table t, int slot, size_t width);
struct fb_table fb_vec_table(struct fb *f, struct fb_vec v, uint32_t i);              /* of a vector of offsets (width 4) */
int64_t fb_vec_int(const struct fb *f, struct fb_vec v, size_t at, int width);        /* `at` bytes into a checked vector */
void fb_fail(struct fb *f, const char *why);

struct fbb {
	struct buf b;
	bool oom;
};

/* A table with one slot for each character of `slots`: its width in bytes, '-' = absent. All fields are zero; at[k] is
 * where slot k lies. Returns the table's position. At most 16 slots. */
size_t fbb_table(struct fbb *f, const char *slots, size_t *at);
void fbb_put(struct fbb *f, size_t at, int64_t value, int width);
void fbb_ref(struct fbb *f, size_t at, size_t target); /* the offset at `at` points to `target`, which lies behind it */
size_t fbb_string(struct fbb *f, struct str s);
/* A vector of n zeroed elements of `width` bytes; *first is where they begin. Returns its position. */
size_t fbb_vector(struct fbb *f, size_t n, size_t width, size_t *first);
void fbb_pad(struct fbb *f, size_t multiple);

#endif
