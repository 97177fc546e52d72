/* The confusion matrix as a picture: one self-contained SVG file without scripts, links or fonts of its own.
 *
 * Geometry first (struct plan, in pixels), then the parts from top to bottom. A cell's colour is its share of its row, blue on
 * the diagonal and orange beside it, mixed in the file so that any viewer shows the same; the text on it is dark or white,
 * whichever has the higher contrast. Every cell carries a tooltip. */
#include "lib/op/matrix.h"
#include "lib/op/svg.h"

#include <math.h>
#include <stdlib.h>

#define LABEL_CHARS 28 /* longer labels are cut */
#define MARGIN 24
#define TOOLTIPS 20000 /* with more cells than this they would be most of the file */
#define PICTURE_CELLS 900 /* pixels that all cells of a row may take together */

static const char *const whole_names[] = { "of the row", "of the row", "of the column", "of all" };

struct plan {
	const struct matrix *m;
	double cell, font, count_font; /* a cell's side; text sizes */
	double left, top, right;       /* of the grid: room for row labels, title and column labels; what slanted labels need */
	double grid, width, height;
	bool rotated, labels, counts, shares; /* column labels slanted; labels at all; cells show counts, and shares of the row */
};

static bool is_zero(const struct decsum *s)
{
	return !s->any || (!s->big && !s->m);
}

/* A count with its thousands apart: 1 234 567 (thin blanks). */
static int put_count(const struct plan *p, const struct decsum *s, struct buf *b)
{
	cleanup_buf struct buf text = { 0 };
	size_t whole;
	int rc = matrix_print(p->m, s, &text);

	if (rc)
		return rc;
	for (whole = 0; whole < text.n && text.p[whole] != '.'; whole++)
		;
	for (size_t i = 0; i < text.n && !rc; i++) {
		if (i && i < whole && whole > 4 && (whole - i) % 3 == 0)
			rc = buf_puts(b, "\xe2\x80\x89");
		rc |= buf_byte(b, text.p[i]);
	}
	return rc;
}

/* Characters of the longest count. */
static size_t longest_count(const struct plan *p)
{
	size_t longest = 1;
	cleanup_buf struct buf text = { 0 };

	for (uint32_t i = 0; i < p->m->npairs; i++) {
		struct decsum n = matrix_count(p->m, i);

		text.n = 0;
		if (put_count(p, &n, &text) == 0 && svg_chars(buf_view(&text)) > longest)
			longest = svg_chars(buf_view(&text));
	}
	return longest;
}

static double longest_label(const struct plan *p)
{
	size_t longest = 1;

	for (uint32_t i = 0; i < p->m->nclasses; i++) {
		size_t n = svg_chars(matrix_class(p->m, i));

		longest = n > longest ? n : longest;
	}
	return (double)(longest < LABEL_CHARS ? longest : LABEL_CHARS);
}

static void make_plan(struct plan *p)
{
	double n = p->m->nclasses ? p->m->nclasses : 1, label, digits = p->m->normalize ? 6 : (double)longest_count(p);

	p->cell = PICTURE_CELLS / n;
	p->cell = p->cell > 64 ? 64 : p->cell < 2 ? p->cell : floor(p->cell);
	p->font = p->cell > 26 ? 13 : p->cell > 14 ? 11 : p->cell * 0.75;
	p->count_font = p->cell * 0.86 / (digits * SVG_CHAR_EM);
	p->count_font = p->count_font > 15 ? 15 : p->count_font;
	p->counts = p->count_font >= 6;
	p->shares = p->cell >= 48 && p->count_font >= 10 && !p->m->normalize;
	p->labels = p->font >= 4;
	label = p->labels ? longest_label(p) * SVG_CHAR_EM * p->font : 0;
	p->rotated = label > p->cell - 6;
	p->left = MARGIN + 26 + label + 8;
	p->top = MARGIN + 62 + 26 + (p->rotated ? label * 0.72 + p->font : p->font + 8);
	p->grid = p->cell * n;
	p->right = p->rotated ? label * 0.72 : 0;
	p->right = p->right > 96 ? p->right : 96; /* the scale and its numbers */
	p->width = p->left + p->grid + p->right + MARGIN;
	if (p->width < 420)
		p->width = 420;
	p->height = p->top + (p->grid < 140 ? 140 : p->grid) + MARGIN;
}

struct rgb {
	int r, g, b;
};

static int mix(int a, int b, double share)
{
	return (int)lround(a + (b - a) * share);
}

/* From nearly white to a deep blue (right) or a burnt orange (wrong), through a lighter middle. */
static struct rgb colour(double share, bool right)
{
	static const struct rgb ramps[2][3] = { { { 255, 246, 236 }, { 251, 166, 90 }, { 170, 60, 8 } },
						{ { 240, 246, 252 }, { 94, 160, 212 }, { 8, 62, 124 } } };
	const struct rgb *ramp = ramps[right];
	int low;
	double t;

	share = right ? share : sqrt(share); /* errors are rare: small shares must show */
	low = share >= 0.5;
	t = share * 2 - low;
	return (struct rgb){ mix(ramp[low].r, ramp[low + 1].r, t), mix(ramp[low].g, ramp[low + 1].g, t),
			     mix(ramp[low].b, ramp[low + 1].b, t) };
}

static double linear(int channel)
{
	double v = channel / 255.0;

	return v <= 0.03928 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

/* The text colour with the higher contrast (WCAG 2 relative luminance). */
static const char *ink(struct rgb c)
{
	double y = 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);

	return (y + 0.05) / 0.062 > 1.05 / (y + 0.05) ? "#16202c" : "#ffffff";
}

static int put_head(const struct plan *p, struct str title, struct buf *b)
{
	const struct matrix *m = p->m;
	int rc = buf_printf(
		b,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
		"role=\"img\" "
		"font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\" fill=\"#16202c\">\n<title>",
		p->width, p->height, p->width, p->height);

	rc |= svg_text(b, title, SIZE_MAX) | buf_puts(b, "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
	rc |= buf_printf(b, "<text x=\"%d\" y=\"%d\" font-size=\"19\" font-weight=\"600\">", MARGIN, MARGIN + 16);
	rc |= svg_text(b, title, (size_t)((p->width - 2 * MARGIN) / (19 * SVG_CHAR_EM))) | buf_puts(b, "</text>\n");
	rc |= buf_printf(b, "<text x=\"%d\" y=\"%d\" font-size=\"13\" fill=\"#556270\">", MARGIN, MARGIN + 38);
	if (!isnan(m->overall.accuracy))
		rc |= buf_printf(b, "accuracy %.4f", m->overall.accuracy);
	if (!isnan(m->macro.f1))
		rc |= buf_printf(b, " \xc2\xb7 macro F1 %.4f", m->macro.f1);
	rc |= buf_puts(b, isnan(m->overall.accuracy) ? "" : " \xc2\xb7 ") | put_count(p, &m->total, b);
	return rc | buf_puts(b, m->weighted ? " in weight</text>\n" : " pairs</text>\n");
}

static int put_axes(const struct plan *p, struct buf *b)
{
	double x = p->left + p->grid / 2, y = p->top + p->grid / 2;
	int rc = buf_printf(
		b, "<g font-size=\"13\" fill=\"#556270\" text-anchor=\"middle\">\n<text x=\"%.1f\" y=\"%d\">predicted</text>\n",
		x, MARGIN + 70);

	return rc | buf_printf(b, "<text transform=\"translate(%d %.1f) rotate(-90)\">truth</text>\n</g>\n", MARGIN + 10, y);
}

static int put_column_label(const struct plan *p, uint32_t i, struct buf *b)
{
	double x = p->left + p->cell * (i + 0.5);
	int rc;

	if (p->rotated)
		rc = buf_printf(b, "<text transform=\"translate(%.1f %.1f) rotate(-45)\">", x + p->font * 0.25, p->top - 8);
	else
		rc = buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, p->top - 8);
	return rc | svg_text(b, matrix_class(p->m, i), LABEL_CHARS) | buf_puts(b, "</text>\n");
}

static int put_labels(const struct plan *p, struct buf *b)
{
	int rc = buf_printf(b, "<g font-size=\"%.1f\">\n", p->font);

	if (!p->labels)
		return rc | buf_puts(b, "</g>\n");
	for (uint32_t i = 0; i < p->m->nclasses && !rc; i++) {
		double y = p->top + p->cell * (i + 0.5) + p->font * 0.35;

		rc = put_column_label(p, i, b) |
		     buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", p->left - 8, y) |
		     svg_text(b, matrix_class(p->m, i), LABEL_CHARS) | buf_puts(b, "</text>\n");
	}
	return rc | buf_puts(b, "</g>\n");
}

static int put_tooltip(const struct plan *p, uint32_t t, uint32_t c, const struct decsum *n, double share, struct buf *b)
{
	int rc = buf_puts(b, "<title>truth ") | svg_text(b, matrix_class(p->m, t), SIZE_MAX) | buf_puts(b, ", predicted ") |
		 svg_text(b, matrix_class(p->m, c), SIZE_MAX) | buf_puts(b, ": ") | put_count(p, n, b);

	if (!isnan(share))
		rc |= buf_printf(b, " (%.1f %% %s)", share * 100, whole_names[p->m->normalize]);
	return rc | buf_puts(b, "</title>");
}

static int put_numbers(const struct plan *p, double x, double y, struct rgb fill, const struct decsum *n, double share,
		       struct buf *b)
{
	double middle = y + p->cell / 2 + p->count_font * 0.35 - (p->shares ? 7 : 0);
	int rc = buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">", x + p->cell / 2, middle, ink(fill));

	rc |= p->m->normalize ? buf_printf(b, "%.1f%%", share * 100) : put_count(p, n, b);
	rc |= buf_puts(b, "</text>");
	if (p->shares)
		rc |= buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"10\" fill=\"%s\" opacity=\"0.85\">%.1f%%</text>",
				 x + p->cell / 2, middle + 16, ink(fill), share * 100);
	return rc;
}

static int put_cell(const struct plan *p, uint32_t t, uint32_t c, struct decsum n, struct buf *b)
{
	double share = matrix_share(p->m, &n, t, c), x = p->left + p->cell * c, y = p->top + p->cell * t;
	struct rgb fill = colour(isnan(share) ? 0 : share, t == c);
	double side = p->cell > 12 ? p->cell - 1 : p->cell > 0.6 ? p->cell : 0.6;
	int rc;

	if (is_zero(&n))
		fill = (struct rgb){ 247, 248, 250 };
	rc = buf_printf(b, "<g><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#%02x%02x%02x\"/>", x, y,
			side, side, (unsigned)fill.r, (unsigned)fill.g, (unsigned)fill.b);
	if (p->m->npairs <= TOOLTIPS)
		rc |= put_tooltip(p, t, c, &n, share, b);
	if (p->counts && !is_zero(&n))
		rc |= put_numbers(p, x, y, fill, &n, share, b);
	return rc | buf_puts(b, "</g>\n");
}

/* All of them, or where zeros would not be seen anyway those that are not. */
static int put_grid(const struct plan *p, struct buf *b)
{
	const struct matrix *m = p->m;
	uint32_t n = m->nclasses, *cells = p->cell >= 8 ? matrix_cells(m) : NULL;
	int rc = p->cell >= 8 && !cells ? -1 : 0;

	for (size_t i = 0; cells && i < (size_t)n * n && !rc; i++)
		rc = put_cell(p, (uint32_t)(i / n), (uint32_t)(i % n),
			      cells[i] ? matrix_count(m, cells[i] - 1) : (struct decsum){ 0 }, b);
	for (uint32_t i = 0; !cells && i < m->npairs && !rc; i++)
		rc = put_cell(p, m->place[m->pairs[i].truth], m->place[m->pairs[i].predicted], matrix_count(m, i), b);
	free(cells);
	return rc;
}

static int put_cells(const struct plan *p, struct buf *b)
{
	int rc = buf_printf(
		b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#f7f8fa\" stroke=\"#d5dae1\"/>\n",
		p->left - 1, p->top - 1, p->grid + 1, p->grid + 1);

	rc |= buf_printf(b, "<g font-size=\"%.1f\" text-anchor=\"middle\">\n", p->count_font);
	return rc | put_grid(p, b) | buf_puts(b, "</g>\n");
}

/* The scale of colours, right of the grid: 0 % below, 100 % above. */
static int put_scale(const struct plan *p, struct buf *b)
{
	double x = p->left + p->grid + 24, h = 120, y = p->top;
	int rc = 0;

	if (p->width - x < 60)
		return 0;
	for (int i = 0; i < 20 && !rc; i++)
		for (int right = 0; right < 2 && !rc; right++) {
			struct rgb c = colour((20 - i - 0.5) / 20, right);

			rc = buf_printf(b,
					"<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"%.1f\" fill=\"#%02x%02x%02x\"/>\n",
					x + (right ? 0 : 12), y + h * i / 20, h / 20 + 0.3, (unsigned)c.r, (unsigned)c.g,
					(unsigned)c.b);
		}
	rc |= buf_printf(b, "<g font-size=\"10\" fill=\"#556270\">\n<text x=\"%.1f\" y=\"%.1f\">100%%</text>\n", x + 28, y + 9);
	rc |= buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\">0%%</text>\n", x + 28, y + h);
	return rc | buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n</g>\n", x, y + h + 16, whole_names[p->m->normalize]);
}

int matrix_svg(const struct matrix *m, struct str title, struct buf *b)
{
	struct plan p = { .m = m };
	int rc;

	make_plan(&p);
	rc = put_head(&p, title, b) | put_axes(&p, b) | put_labels(&p, b) | put_cells(&p, b) | put_scale(&p, b) |
	     buf_puts(b, "</svg>\n");
	return rc ? -1 : 0;
}
