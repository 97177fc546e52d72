/* The rows of a batch as lines of the text that they came from, for a writer that would make the same bytes of their values: where
 * the quick scanner has found plain records, it remains to see that each ends as the writer ends lines and that no value is quoted
 * without need. */
#include "lib/format/csv_reader.h"

bool csv_lines_fit(const struct reader *r, const struct line_form *form)
{
	const struct dialect *d = &r->d;

	return r->plain && d->delimiter == form->delimiter && d->quote == form->quote && !d->null.n &&
	       (form->comment < 0 || form->comment == d->comment);
}

/* Whether a writer would quote what is between these quotes. */
static bool in_need(const struct dialect *d, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == d->delimiter || p[i] == d->quote || p[i] == '\n' || p[i] == '\r')
			return true;
	return n == 0;
}

static bool minimally_quoted(const struct dialect *d, const uint8_t *text, const struct fields *f, size_t nfields)
{
	for (size_t i = 0; i < nfields; i++) {
		size_t begin = f->begin1[i] + 1u, end = f->end[i];

		if (text[begin] != d->quote)
			continue;
		end -= text[end - 1] == '\r';
		if (!in_need(d, text + begin + 1, end - begin - 2))
			return false;
	}
	return true;
}

/* at[i]: where row i begins. Returns how many end with CRLF, the others with LF. */
static int64_t cut_lines(const uint8_t *text, const struct fields *f, uint32_t *at)
{
	int64_t crlf = 0;

	at[0] = 0;
	for (int64_t i = 0; i < f->nrows; i++) {
		uint32_t end = f->end[(size_t)(i + 1) * f->stride - 1];

		at[i + 1] = end + 1;
		crlf += end > at[i] && text[end - 1] == '\r';
	}
	return crlf;
}

static bool end_well(const struct reader *r, const struct line_form *form, int64_t crlf)
{
	return (form->end == LINE_LF && crlf == 0) || (form->end == LINE_CRLF && crlf == r->fields.nrows) ||
	       (form->own_ends && form->end == r->eol);
}

static bool look_well(const struct reader *r, const struct line_form *form)
{
	const struct fields *f = &r->fields;
	const uint8_t *text = r->text + r->at;

	return (f->ascii || (form->any_start && !f->suspect)) &&
	       (!f->quotes || minimally_quoted(&r->d, text, f, (size_t)r->source.schema->nfields * (size_t)f->nrows));
}

int csv_lines(const struct reader *r, struct batch *b, struct err *e)
{
	const struct line_form *form = &r->wants->form;
	const struct fields *f = &r->fields;
	bool regular = f->end == f->begin1 + 1;
	uint32_t *at;

	if (!r->wants->lines || !regular)
		return 0;
	if (!(at = arena_alloc(&b->arena, ((size_t)f->nrows + 1) * sizeof *at)))
		return err_oom(e);
	if (end_well(r, form, cut_lines(r->text + r->at, f, at)) && look_well(r, form))
		b->lines = (struct text_lines){ r->text + r->at, at };
	return 0;
}
