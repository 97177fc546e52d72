/* Whole lines: see lines.h. Invariant: text[from .. whole) are whole lines, text[whole .. n) is the beginning of another
 * one. */
#include "lib/format/lines.h"

#include "lib/base/clock.h"

#define LATENCY_MS 100

void lines_init(struct lines *l, struct in *in, const struct read_opts *o)
{
	*l = (struct lines){ .in = in, .patient = !o->latency, .line_max = LINES_MAX, .encoding = o->encoding };
	l->block = o->threads > 1 ? LINES_PIECE : LINES_BLOCK;
	if (o->chunk > 0)
		l->block = (size_t)o->chunk;
	if (o->max_field > 0 && o->max_field < LINES_MAX)
		l->line_max = (size_t)o->max_field;
}

void lines_free(struct lines *l)
{
	buf_free(&l->text);
	in_close(l->in);
}

/* Moves what is pending to the front when that is cheap: little is left, or nothing fits behind it. */
static void compact(struct lines *l)
{
	size_t left = lines_pending(l);

	if (!l->from)
		return;
	memmove(l->text.p, l->text.p + l->from, left);
	l->text.n = left;
	l->whole -= l->from;
	l->from = 0;
}

static void end_text(struct lines *l)
{
	l->end = true;
	if (l->whole < l->text.n)
		l->text.p[l->text.n++] = '\n';
	l->whole = l->text.n;
}

static void drop_bom(struct lines *l)
{
	if (l->text.n >= 3 && memcmp(l->text.p, "\xef\xbb\xbf", 3) == 0)
		memset(l->text.p, ' ', 3);
	l->started = l->text.n >= 3;
}

/* n bytes more behind the text: those of records. Returns n, or an error behind the records that are whole. */
static ssize_t gather_records(struct lines *l, uint8_t *p, ssize_t n, struct err *e)
{
	size_t keep = 0;
	int rc = n > 0 ? array_lines(l->array, p, (size_t)n, &keep, e) : array_end(l->array, e);
	uint8_t *last = memrchr(p, '\n', keep);

	l->text.n += keep;
	if (last)
		l->whole = (size_t)(last - l->text.p) + 1;
	if (rc == 0 && n == 0)
		end_text(l);
	return rc < 0 ? rc : n;
}

int lines_refuse_wide(struct str head, const char *name, struct err *e)
{
	const char *code = NULL;

	if (str_starts(head, (struct str){ "\xFF\xFE\0\0", 4 }) || str_starts(head, (struct str){ "\0\0\xFE\xFF", 4 }))
		code = "UTF-32";
	else if (str_starts(head, STR("\xFF\xFE")) || str_starts(head, STR("\xFE\xFF")))
		code = "UTF-16";
	if (!code)
		return 0;
	err_set(e, ST_DATA, "the text is %s", code);
	err_at(e, name, 1, 1);
	return err_hint(e, "convert: --encoding %s", code);
}

int lines_start(struct lines *l, struct err *e)
{
	const char *encoding = l->encoding;

	l->encoding = NULL;
	return encoding ? in_set_encoding(l->in, encoding, e) : 0;
}

/* Before the first bytes are read. */
static int look(struct lines *l, struct err *e)
{
	struct str head;
	int rc = lines_start(l, e);

	l->looked = true;
	if (rc == 0 && l->started)
		return 0;
	if (rc == 0)
		rc = in_peek(l->in, 4, &head, e);
	return rc < 0 ? rc : lines_refuse_wide(head, in_name(l->in), e);
}

static ssize_t gather(struct lines *l, int timeout_ms, struct err *e)
{
	uint8_t *p, *last;
	ssize_t n;

	if (!l->looked && look(l, e) < 0)
		return -e->status;
	compact(l);
	if (buf_reserve(&l->text, LINES_BLOCK + LINES_PAD + 1))
		return err_oom(e);
	p = l->text.p + l->text.n;
	n = in_read(l->in, p, LINES_BLOCK, timeout_ms, e);
	if (n >= 0 && l->array)
		return gather_records(l, p, n, e);
	if (n == 0)
		end_text(l);
	if (n <= 0)
		return n;
	l->text.n += (size_t)n;
	last = memrchr(p, '\n', (size_t)n);
	if (last)
		l->whole = (size_t)(last - l->text.p) + 1;
	if (!l->started)
		drop_bom(l);
	return n;
}

/* The line behind `before` ones that are still to be taken. */
static int too_long(const struct lines *l, int64_t before, struct err *e)
{
	err_set(e, ST_DATA, "a line is longer than %zu byte%s", l->line_max, l->line_max == 1 ? "" : "s");
	err_at(e, in_name(l->in), l->line + before + 1, 1);
	return err_hint(e, "allow more: --max-field SIZE");
}

static bool is_blank(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
			return false;
	return true;
}

size_t lines_reaching(const struct lines *l, size_t n)
{
	const uint8_t *p = l->text.p + l->from, *end;
	size_t whole = l->whole - l->from;

	while (n <= whole) {
		end = memchr(p + n - 1, '\n', whole - (n - 1));
		n = (size_t)(end - p) + 1;
		if (!is_blank(p, n))
			return n;
		n++;
	}
	return 0;
}

static int64_t count_lines(const struct lines *l)
{
	int64_t lines = 0;

	for (size_t i = l->from; i < l->whole; i++)
		lines += l->text.p[i] == '\n';
	return lines;
}

int lines_more(struct lines *l, struct err *e)
{
	ssize_t n;

	if (l->broken.status)
		return 1;
	if (l->text.n - l->whole > l->line_max)
		n = too_long(l, count_lines(l), &l->broken);
	else
		n = gather(l, IN_WAIT, &l->broken);
	if (n >= 0)
		return 0;
	if (l->whole > l->from) /* told behind the whole lines */
		return 1;
	*e = l->broken;
	return (int)n;
}

int lines_view(struct lines *l, size_t n, struct str *ret, struct err *e)
{
	if (buf_reserve(&l->text, LINES_PAD))
		return err_oom(e);
	memset(l->text.p + l->text.n, 0, LINES_PAD);
	if (n > l->whole - l->from)
		n = l->whole - l->from;
	*ret = (struct str){ (char *)l->text.p + l->from, n };
	return 0;
}

/* Bytes of the next block; 0: it is not complete. */
static size_t block_bytes(const struct lines *l)
{
	const uint8_t *p = l->text.p + l->from, *last;
	size_t n = l->whole - l->from;

	if (n <= l->block)
		return lines_pending(l) >= l->block || l->end ? n : 0;
	last = memrchr(p, '\n', l->block);
	if (!last)
		last = memchr(p, '\n', n);
	return (size_t)(last - p) + 1;
}

/* How long the next bytes may take: whole lines do not wait longer than LATENCY_MS. */
static int patience(struct lines *l, bool wait)
{
	int64_t now = clock_mono() / 1000;

	if (l->whole > l->from && !l->patient && !l->until)
		l->until = now + LATENCY_MS;
	if (!wait)
		return 0;
	return !l->until ? IN_WAIT : l->until > now ? (int)(l->until - now) : 0;
}

/* Reads until a block is complete, or what there is is due: *n bytes of it; 0: the end, or nothing for now. */
static int read_block(struct lines *l, bool wait, size_t *n, struct err *e)
{
	while (!(*n = block_bytes(l)) && !l->end) {
		ssize_t got;

		if (l->broken.status || l->text.n - l->whole > l->line_max) { /* behind the whole lines */
			*n = l->whole - l->from;
			if (!*n && l->broken.status)
				*e = l->broken;
			return *n ? 0 : l->broken.status ? -e->status : too_long(l, 0, e);
		}
		got = gather(l, patience(l, wait), &l->broken);
		if (got != IN_LATER)
			continue;
		if (l->until && clock_mono() / 1000 >= l->until)
			*n = l->whole - l->from;
		return 0;
	}
	return 0;
}

/* Of the next n bytes those before the first line that is too long: refused also when it came whole, so that the result does not
 * depend on how it came. */
static size_t before_long(const struct lines *l, size_t n)
{
	const uint8_t *p = l->text.p + l->from;
	size_t at = 0, end;

	if (n <= l->line_max)
		return n;
	while (at < n) {
		end = (size_t)((const uint8_t *)memchr(p + at, '\n', n - at) - p);
		if (end - at > l->line_max)
			return at;
		at = end + 1;
	}
	return n;
}

int lines_block(struct lines *l, bool wait, struct str *ret, struct err *e)
{
	size_t n, good;
	int rc = read_block(l, wait, &n, e);

	if (rc == 0 && n) {
		good = before_long(l, n);
		rc = good ? 0 : too_long(l, 0, e);
		n = good;
	}
	if (n)
		l->until = 0;
	return rc < 0 ? rc : lines_view(l, n, ret, e);
}

void lines_take(struct lines *l, size_t n)
{
	l->from += n;
}
