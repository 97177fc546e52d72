/* Where a field of a batch stands in its file: found by reading the batch's text again, when there is an error to report. */
#include "lib/base/utf8.h"
#include "lib/format/csv.h"

struct context {
	struct dialect d;
	int ncols;
	int64_t line; /* of the text's first byte */
};

struct wanted {
	int field;
	size_t begin;
};

static bool note_field(void *arg, int64_t index, size_t begin, size_t end, bool bad)
{
	struct wanted *w = arg;

	(void)end;
	(void)bad;
	if (index == w->field)
		w->begin = begin;
	return true;
}

/* Line and column of text[at], given the line of text[from]. */
static void place_of(const uint8_t *text, size_t from, size_t at, int64_t *line, int64_t *column)
{
	for (size_t i = from; i < at; i++) {
		if (text[i] == '\n') {
			++*line;
			from = i + 1;
		}
	}
	*column = (int64_t)(at - from) + 1;
}

/* Where a record begins and ends in the text, and its field in it. */
struct spot {
	size_t record, field, end;
};

static bool find(const struct origin *o, int64_t row, int field, int64_t *line, struct spot *ret)
{
	const struct context *c = o->context;
	const uint8_t *text = o->text;
	size_t at = 0, n = o->text_size;
	struct record r;

	row += o->text_row;
	*line = c->line;
	while (at < n) {
		struct wanted w = { field, 0 };

		if (csv_is_comment(&c->d, text, n, at)) {
			at = csv_skip_comment(text, n, at, true);
			++*line;
			continue;
		}
		csv_record(&c->d, text, n, at, true, note_field, &w, &r);
		if ((!r.blank || c->ncols == 1) && row-- == 0) {
			*ret = (struct spot){ at, w.begin > at ? w.begin : at, r.end };
			return true;
		}
		*line += r.lines;
		at = r.end;
	}
	return false;
}

static void locate(const struct origin *o, int64_t row, int field, int64_t *line, int64_t *column)
{
	struct spot s;

	*column = 0;
	if (find(o, row, field, line, &s))
		place_of(o->text, s.record, s.field, line, column);
}

void csv_locate_bad_byte(const struct origin *o, int64_t row, int field, int64_t *line, int64_t *column)
{
	const char *text = o->text;
	struct spot s;

	if (find(o, row, field, line, &s))
		place_of(o->text, s.record, s.field + utf8_check(text + s.field, s.end - s.field), line, column);
}

static struct str raw(const struct origin *o, int64_t row)
{
	struct spot s;
	int64_t line;

	if (!find(o, row, -1, &line, &s))
		return (struct str){ NULL, 0 };
	return (struct str){ (const char *)o->text + s.record, s.end - s.record };
}

int csv_origin(struct origin *o, const struct dialect *d, int ncols, int64_t line, struct arena *a, struct err *e)
{
	struct context *c = arena_new(a, struct context);

	if (!c)
		return err_oom(e);
	*c = (struct context){ *d, ncols, line };
	c->d.null = (struct str){ NULL, 0 }; /* not needed, and not ours */
	o->context = c;
	o->locate = locate;
	o->raw = raw;
	return 0;
}

/* How the record ended whose last field is number i; unknown when that field is absent or others followed it. */
static enum line_end end_of(const uint8_t *text, const struct fields *f, size_t i)
{
	size_t at = f->end[i];

	if (f->begin1[i] == FIELD_ABSENT)
		return LINE_USUAL;
	if (f->cr && at > f->begin1[i] + 1u && text[at - 1] == '\r')
		return LINE_CRLF;
	if (text[at] == '\r')
		return text[at + 1] == '\n' ? LINE_CRLF : LINE_CR;
	return text[at] == '\n' ? LINE_LF : LINE_USUAL;
}

int csv_line_ends(struct origin *o, const struct fields *f, enum line_end usual, struct arena *a, struct err *e)
{
	uint8_t *ends = NULL;

	for (int64_t r = 0; r < f->nrows && !(f->lf && usual == LINE_LF); r++) {
		enum line_end end = end_of(o->text, f, (size_t)(r + 1) * f->stride - 1);

		if (end == LINE_USUAL || end == usual)
			continue;
		if (!ends && !(ends = arena_calloc(a, (size_t)f->nrows, 1)))
			return err_oom(e);
		ends[r] = (uint8_t)end;
		o->line_ends = ends;
	}
	return 0;
}

void csv_origin_move(struct origin *o, int64_t rows, int64_t lines)
{
	struct context *c = (struct context *)(uintptr_t)o->context;

	o->row += rows;
	o->line += lines;
	c->line += lines;
}
