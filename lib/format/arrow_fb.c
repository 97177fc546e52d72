/* FlatBuffers: see arrow_fb.h. Values are loaded and stored bytewise (memcpy), so their alignment never matters here. */
#include "lib/format/arrow_fb.h"

#include "lib/base/utf8.h"

void fb_open(struct fb *f, const void *p, size_t n)
{
	*f = (struct fb){ .p = p, .n = n, .budget = 4 * n + 256 };
	if (n < 8 || n > INT32_MAX)
		fb_fail(f, "metadata too short or too long");
}

void fb_fail(struct fb *f, const char *why)
{
	if (!f->bad)
		f->bad = why;
}

static bool spend(struct fb *f, size_t bytes)
{
	if (bytes > f->budget) {
		fb_fail(f, "metadata refers to the same places too often");
		return false;
	}
	f->budget -= bytes;
	return !f->bad;
}

static int64_t load(const uint8_t *p, int width)
{
	int8_t v1;
	int16_t v2;
	int32_t v4;
	int64_t v8;

	switch (width) {
	case 1:
		memcpy(&v1, p, 1);
		return v1;
	case 2:
		memcpy(&v2, p, 2);
		return v2;
	case 4:
		memcpy(&v4, p, 4);
		return v4;
	default:
		memcpy(&v8, p, 8);
		return v8;
	}
}

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)load(p, 2);
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)load(p, 4);
}

/* The offset stored at `at` (which is inside), followed. 0: wrong. */
static size_t follow(struct fb *f, size_t at)
{
	uint64_t to = (uint64_t)at + load32(f->p + at);

	if (to == at || to > f->n - 4) {
		fb_fail(f, "an offset in the metadata points outside");
		return 0;
	}
	return (size_t)to;
}

static struct fb_table table_at(struct fb *f, size_t at)
{
	struct fb_table none = { 0 }, t = { .at = (uint32_t)at };
	int64_t vtable;

	if (!at || !spend(f, 16))
		return none;
	vtable = (int64_t)at - load(f->p + at, 4);
	if (at % 4 || vtable < 0 || vtable % 2 || vtable > (int64_t)f->n - 4) {
		fb_fail(f, "a table of the metadata is misplaced");
		return none;
	}
	t.vtable = (uint32_t)vtable;
	t.vsize = load16(f->p + t.vtable);
	t.size = load16(f->p + t.vtable + 2);
	if (t.vsize < 4 || t.vsize % 2 || t.vsize > f->n - t.vtable || t.size < 4 || t.size > f->n - at) {
		fb_fail(f, "a table of the metadata has a wrong size");
		return none;
	}
	return t;
}

struct fb_table fb_root(struct fb *f)
{
	return table_at(f, f->bad ? 0 : follow(f, 0));
}

/* Where slot `slot` of t lies; 0: absent or wrong. */
static size_t slot_at(struct fb *f, struct fb_table t, int slot, size_t width)
{
	size_t entry = 4 + 2 * (size_t)slot, value;

	if (f->bad || !t.at || entry + 2 > t.vsize)
		return 0;
	value = load16(f->p + t.vtable + entry);
	if (!value)
		return 0;
	if (value < 4 || value + width > t.size) {
		fb_fail(f, "a field of the metadata lies outside its table");
		return 0;
	}
	return t.at + value;
}

int64_t fb_int(struct fb *f, struct fb_table t, int slot, int width, int64_t absent)
{
	size_t at = slot_at(f, t, slot, (size_t)width);

	return at ? load(f->p + at, width) : absent;
}

bool fb_bool(struct fb *f, struct fb_table t, int slot)
{
	int64_t v = fb_int(f, t, slot, 1, 0);

	if (v != 0 && v != 1)
		fb_fail(f, "a boolean in the metadata is neither 0 nor 1");
	return v == 1;
}

struct fb_table fb_sub(struct fb *f, struct fb_table t, int slot)
{
	size_t at = slot_at(f, t, slot, 4);

	return table_at(f, at ? follow(f, at) : 0);
}

struct str fb_string(struct fb *f, struct fb_table t, int slot)
{
	size_t at = slot_at(f, t, slot, 4), n;
	struct str none = { NULL, 0 };
	const char *p;

	if (!at || !(at = follow(f, at)))
		return none;
	n = load32(f->p + at);
	if (n >= f->n - at - 4 || f->p[at + 4 + n]) {
		fb_fail(f, "a string of the metadata is not terminated");
		return none;
	}
	p = (const char *)f->p + at + 4;
	if (!spend(f, n + 4))
		return none;
	if (!utf8_valid(p, n)) {
		fb_fail(f, "a string of the metadata is not UTF-8");
		return none;
	}
	return (struct str){ p, n };
}

struct fb_vec fb_vector(struct fb *f, struct fb_table t, int slot, size_t width)
{
	size_t at = slot_at(f, t, slot, 4);
	struct fb_vec none = { 0 }, v = { .there = true };

	if (!at || !(at = follow(f, at)))
		return none;
	v.n = load32(f->p + at);
	v.at = (uint32_t)at + 4;
	if (v.n > (f->n - at - 4) / width) {
		fb_fail(f, "a vector of the metadata reaches outside");
		return none;
	}
	return spend(f, v.n * width) ? v : none;
}

struct fb_table fb_vec_table(struct fb *f, struct fb_vec v, uint32_t i)
{
	return table_at(f, f->bad || i >= v.n ? 0 : follow(f, v.at + 4 * (size_t)i));
}

int64_t fb_vec_int(const struct fb *f, struct fb_vec v, size_t at, int width)
{
	return load(f->p + v.at + at, width);
}

static void zeros(struct fbb *f, size_t n)
{
	if (!f->oom && buf_zero(&f->b, n))
		f->oom = true;
}

void fbb_pad(struct fbb *f, size_t multiple)
{
	zeros(f, (multiple - f->b.n % multiple) % multiple);
}

void fbb_put(struct fbb *f, size_t at, int64_t value, int width)
{
	if (!f->oom)
		memcpy(f->b.p + at, &value, (size_t)width); /* little endian: the low bytes come first */
}

void fbb_ref(struct fbb *f, size_t at, size_t target)
{
	fbb_put(f, at, (int64_t)target - (int64_t)at, 4);
}

/* The vtable comes first, the table directly behind it at a position that is 4 modulo 8: then the field behind the table's
 * soffset is 8-aligned, and laying the fields out from wide to narrow aligns them all. */
size_t fbb_table(struct fbb *f, const char *slots, size_t *at)
{
	size_t n = strlen(slots), vsize = 4 + 2 * n, vtable, table, end = 4;

	while ((f->b.n + vsize) % 8 != 4 && !f->oom)
		zeros(f, 2 - f->b.n % 2);
	vtable = f->b.n;
	table = vtable + vsize;
	zeros(f, vsize);
	for (int width = 8; width; width /= 2)
		for (size_t k = 0; k < n; k++)
			if (slots[k] - '0' == width) {
				fbb_put(f, vtable + 4 + 2 * k, (int64_t)end, 2);
				at[k] = table + end;
				end += (size_t)width;
			}
	zeros(f, end);
	fbb_put(f, vtable, (int64_t)vsize, 2);
	fbb_put(f, vtable + 2, (int64_t)end, 2);
	fbb_put(f, table, (int64_t)vsize, 4);
	return table;
}

size_t fbb_string(struct fbb *f, struct str s)
{
	size_t at;

	fbb_pad(f, 4);
	at = f->b.n;
	zeros(f, 4 + s.n + 1);
	fbb_put(f, at, (int64_t)s.n, 4);
	if (!f->oom && s.n)
		memcpy(f->b.p + at + 4, s.p, s.n);
	return at;
}

size_t fbb_vector(struct fbb *f, size_t n, size_t width, size_t *first)
{
	size_t at;

	fbb_pad(f, 4);
	if (width > 4 && f->b.n % 8 != 4)
		zeros(f, 4);
	at = f->b.n;
	zeros(f, 4 + n * width);
	fbb_put(f, at, (int64_t)n, 4);
	*first = at + 4;
	return at;
}
