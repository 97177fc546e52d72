/* Charts on a terminal. Bars lie: one line each, with the value as written before it, so that nothing depends on colour or
 * on how fine a terminal draws. Lines are drawn in braille dots, 2 x 4 to a cell; without Unicode, or for several series
 * without colour, with one letter for each series. */
#include "lib/op/chart.h"

#include "lib/base/utf8.h"
#include "lib/io/term.h"

#include <math.h>
#include <stdlib.h>

#define MAX_BARS 200  /* lines of bars; the rest is counted */
#define HEIGHT 16     /* cells of a line chart */
#define MAX_MARKS 40

static const char plain_marks[] = "*o+x#@%&";
static const char *const marks[] = { "\xe2\x97\x8f", "\xe2\x97\x8b", "+",            "\xc3\x97",
				     "\xe2\x97\x86", "\xe2\x97\x87", "\xe2\x96\xa0", "\xe2\x96\xa1" };
static const uint8_t colours[] = { 68, 173, 72, 167, 97, 137, 175, 244 };
#define NCOLOURS ((int)sizeof colours)

struct pen {
	const struct chart *c;
	const struct chart_look *look;
	struct buf *b;
};

/* One of two spellings. */
static const char *sign(const struct pen *p, const char *utf8, const char *ascii)
{
	return p->look->utf8 ? utf8 : ascii;
}

static int repeat(struct buf *b, const char *s, int n)
{
	int rc = 0;

	while (n-- > 0 && !rc)
		rc = buf_puts(b, s);
	return rc;
}

static int paint(const struct pen *p, int series)
{
	return p->look->colour ? buf_printf(p->b, "\x1b[38;5;%dm", colours[series % NCOLOURS]) : 0;
}

static int unpaint(const struct pen *p)
{
	return p->look->colour ? buf_puts(p->b, "\x1b[0m") : 0;
}

static int cells_of(struct str s)
{
	cleanup_buf struct buf safe = { 0 };
	int cells;

	return term_safe_width(&safe, s, &cells) ? 0 : cells;
}

/* s in exactly `width` cells, cut with an ellipsis when longer. */
static int put_fit(const struct pen *p, struct str s, int width, bool right)
{
	cleanup_buf struct buf safe = { 0 };
	size_t used;
	int cells, rc = term_safe_fit(&safe, s, width, &cells, &used);
	bool cut = used < s.n;

	if (cut) {
		safe.n = 0;
		rc |= term_safe_fit(&safe, s, width - 1, &cells, &used);
		rc |= buf_puts(&safe, sign(p, "\xe2\x80\xa6", "~"));
		cells++;
	}
	if (right)
		rc |= repeat(p->b, " ", width - cells);
	rc |= buf_str(p->b, buf_view(&safe));
	return right ? rc : rc | repeat(p->b, " ", width - cells);
}

static int put_title(const struct pen *p)
{
	cleanup_buf struct buf safe = { 0 };
	int cells;
	size_t used;
	int rc = term_safe_fit(&safe, p->c->title, p->look->width, &cells, &used);

	if (p->look->colour)
		return rc | buf_puts(p->b, "\x1b[1m") | buf_str(p->b, buf_view(&safe)) | buf_puts(p->b, "\x1b[0m\n");
	return rc | buf_str(p->b, buf_view(&safe)) | buf_byte(p->b, '\n');
}

/* What each series is drawn with. */
static int put_legend(const struct pen *p, bool lines)
{
	int rc = 0;

	if (p->c->nseries < 2)
		return 0;
	for (int k = 0; k < p->c->nseries && !rc; k++) {
		const char letter[2] = { plain_marks[k % 8], '\0' };

		rc = buf_puts(p->b, k ? "   " : "") | paint(p, k) |
		     buf_puts(p->b, !p->look->utf8 ? letter : lines && !p->look->colour ? marks[k % 8] : "\xe2\x96\xa0") |
		     unpaint(p) | buf_byte(p->b, ' ') | term_safe(p->b, p->c->series[k].name);
	}
	return rc | buf_byte(p->b, '\n');
}

/* ---- bars ---- */

struct bars {
	int label, value, name; /* widths in cells */
	int area, zero;         /* of the bars; where zero is */
	struct ticks ticks;
	int64_t shown;
};

static int widest_value(const struct pen *p, int64_t n)
{
	cleanup_buf struct buf text = { 0 };
	int widest = 1;

	for (int k = 0; k < p->c->nseries; k++)
		for (int64_t i = 0; i < n; i++) {
			int cells;

			text.n = 0;
			if (chart_value(&p->c->series[k], i, "-", &text))
				continue;
			cells = cells_of(buf_view(&text));
			widest = cells > widest ? cells : widest;
		}
	return widest < 24 ? widest : 24;
}

static int widest_label(const struct pen *p, int64_t n, int most)
{
	int widest = 1;

	for (int64_t i = 0; i < n; i++) {
		int cells = cells_of(p->c->labels[i]);

		widest = cells > widest ? cells : widest;
	}
	return widest < most ? widest : most;
}

static void plan_bars(const struct pen *p, struct bars *m)
{
	const struct chart *c = p->c;
	double lo, hi;

	m->shown = c->n * c->nseries <= MAX_BARS ? c->n : MAX_BARS / c->nseries;
	m->label = widest_label(p, m->shown, p->look->width / 3);
	m->value = widest_value(p, m->shown);
	m->area = p->look->width - m->label - m->value - 4;
	m->area = m->area > 10 ? m->area : 10;
	chart_range(c, &lo, &hi);
	m->ticks = ticks_of(lo, hi, m->area / 12 + 2);
	m->zero = (int)lround(-m->ticks.lo / (m->ticks.hi - m->ticks.lo) * m->area);
}

/* Eighths of cells to the right of zero, half cells to its left. */
static int put_bar(const struct pen *p, const struct bars *m, int k, double v)
{
	static const char *const eighths[] = { "", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d", "\xe2\x96\x8c",
					       "\xe2\x96\x8b", "\xe2\x96\x8a", "\xe2\x96\x89" };
	const char letter[2] = { p->c->nseries > 1 ? plain_marks[k % 8] : '#', '\0' };
	int n = isnan(v) ? 0 : (int)lround(fabs(v) / (m->ticks.hi - m->ticks.lo) * m->area * 8), rc;
	int whole = p->look->utf8 ? n / 8 : (n + 4) / 8, left = v < 0 ? m->zero - whole - (p->look->utf8 && n % 8 >= 4) : m->zero;

	rc = repeat(p->b, " ", left) | (n ? paint(p, k) : 0);
	if (v < 0)
		rc |= buf_puts(p->b, p->look->utf8 && n % 8 >= 4 ? "\xe2\x96\x90" : "");
	if (v < 0)
		rc |= repeat(p->b, sign(p, "\xe2\x96\x88", letter), whole) | (n ? unpaint(p) : 0);
	rc |= v < 0 || !n ? buf_puts(p->b, sign(p, "\xe2\x94\x82", "|")) : 0;
	if (v < 0 || !n)
		return rc;
	rc |= unpaint(p) | buf_puts(p->b, sign(p, "\xe2\x94\x82", "|")) | paint(p, k);
	rc |= repeat(p->b, sign(p, "\xe2\x96\x88", letter), whole);
	return rc | (p->look->utf8 ? buf_puts(p->b, eighths[n % 8]) : 0) | unpaint(p);
}

static int put_point(const struct pen *p, const struct bars *m, int64_t i)
{
	int rc = 0;

	for (int k = 0; k < p->c->nseries && !rc; k++) {
		cleanup_buf struct buf text = { 0 };

		rc = put_fit(p, k ? STR("") : p->c->labels[i], m->label, p->c->bins) | buf_byte(p->b, ' ') |
		     chart_value(&p->c->series[k], i, "-", &text) | put_fit(p, buf_view(&text), m->value, true) | buf_byte(p->b, ' ') |
		     put_bar(p, m, k, p->c->series[k].v[i]) | buf_byte(p->b, '\n');
	}
	return rc;
}

/* Texts under their places, those that would touch left out. */
static int put_marks(const struct pen *p, int left, int area, const struct mark *m, int n, const int *cells)
{
	int at = 0, rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		int width = cells_of(str_of(m[i].text)), from = left + cells[i] - width / 2;

		from = from + width > left + area + 1 ? left + area + 1 - width : from;
		from = from < 0 ? 0 : from;
		if (from < at + (at > 0))
			continue;
		rc = repeat(p->b, " ", from - at) | term_safe(p->b, str_of(m[i].text));
		at = from + width;
	}
	return rc | buf_byte(p->b, '\n');
}

static int put_rule(const struct pen *p, int left, int area, int corner, const int *cells, int n)
{
	int rc = repeat(p->b, " ", left);

	for (int x = 0; x <= area && !rc; x++) {
		bool tick = false;

		for (int i = 0; i < n; i++)
			tick = tick || cells[i] == x;
		if (x == corner)
			rc = buf_puts(p->b, corner ? sign(p, "\xe2\x94\xb4", "+") : sign(p, "\xe2\x94\x94", "+"));
		else
			rc = buf_puts(p->b, tick ? sign(p, "\xe2\x94\xac", "+") : sign(p, "\xe2\x94\x80", "-"));
	}
	return rc | buf_byte(p->b, '\n');
}

static int put_bar_axis(const struct pen *p, const struct bars *m)
{
	struct mark ticks[MAX_MARKS];
	int cells[MAX_MARKS], n = m->ticks.n < MAX_MARKS ? m->ticks.n : MAX_MARKS, left = m->label + m->value + 2;

	for (int i = 0; i < n; i++) {
		ticks[i].at = m->ticks.lo + i * m->ticks.step;
		tick_text(&m->ticks, ticks[i].at, ticks[i].text);
		cells[i] = (int)lround((ticks[i].at - m->ticks.lo) / (m->ticks.hi - m->ticks.lo) * m->area);
	}
	return put_rule(p, left, m->area, m->zero, cells, n) | put_marks(p, left, m->area, ticks, n, cells);
}

static int draw_bars(const struct pen *p)
{
	struct bars m = { 0 };
	int rc = put_title(p) | put_legend(p, false);

	plan_bars(p, &m);
	for (int64_t i = 0; i < m.shown && !rc; i++)
		rc = put_point(p, &m, i);
	rc |= put_bar_axis(p, &m);
	if (m.shown < p->c->n)
		rc |= buf_printf(p->b, "%s %lld more of %lld (stook sort -n chooses)\n", sign(p, "\xe2\x80\xa6", "..."),
				 (long long)(p->c->n - m.shown), (long long)p->c->n);
	return rc;
}

/* ---- lines ---- */

/* Dots, and the series that drew last in a cell. */
struct canvas {
	int w, h;        /* cells */
	uint8_t *dots;   /* a braille pattern a cell */
	int8_t *series;  /* -1: none */
	bool letters;    /* one mark a cell instead of dots */
	struct ticks y;
	double x_lo, x_hi;
};

static void dot(struct canvas *c, int k, int x, int y)
{
	static const uint8_t bits[4][2] = { { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 } };
	int cell = y / 4 * c->w + x / 2;

	if (x < 0 || y < 0 || x >= c->w * 2 || y >= c->h * 4)
		return;
	c->dots[cell] |= bits[y % 4][x % 2];
	c->series[cell] = (int8_t)(k % NCOLOURS);
}

static int place(double v, double lo, double hi, int most)
{
	return hi > lo ? (int)lround((v - lo) / (hi - lo) * most) : most / 2;
}

static void draw_segment(struct canvas *c, int k, int x0, int y0, int x1, int y1)
{
	int dx = abs(x1 - x0), dy = abs(y1 - y0), steps = dx > dy ? dx : dy;

	for (int i = 0; i <= steps; i++)
		dot(c, k, x0 + (steps ? (int)lround((double)(x1 - x0) * i / steps) : 0),
		    y0 + (steps ? (int)lround((double)(y1 - y0) * i / steps) : 0));
}

/* From point to point; a gap where a value is missing. */
static void draw_series(const struct chart *ch, struct canvas *c, int k)
{
	bool before = false;
	int x0 = 0, y0 = 0;

	for (int64_t i = 0; i < ch->n; i++) {
		double v = ch->series[k].v[i];
		int x, y;

		if (isnan(v)) {
			before = false;
			continue;
		}
		x = place(ch->x[i], c->x_lo, c->x_hi, c->w * 2 - 1);
		y = c->h * 4 - 1 - place(v, c->y.lo, c->y.hi, c->h * 4 - 1);
		draw_segment(c, k, before ? x0 : x, before ? y0 : y, x, y);
		x0 = x;
		y0 = y;
		before = true;
	}
}

static int put_cell(const struct pen *p, const struct canvas *c, int cell)
{
	int k = c->series[cell], rc;
	char utf8[4];

	if (k < 0)
		return buf_byte(p->b, ' ');
	if (!p->look->utf8)
		return buf_byte(p->b, (uint8_t)plain_marks[k]);
	if (c->letters)
		return buf_puts(p->b, marks[k]);
	rc = paint(p, k) | buf_add(p->b, utf8, utf8_encode(0x2800 + c->dots[cell], utf8));
	return rc | unpaint(p);
}

static int put_row(const struct pen *p, const struct canvas *c, int row, int left)
{
	char text[48];
	int rc = 0;
	bool tick = false;

	for (int i = 0; i < c->y.n && !tick; i++) {
		double v = c->y.lo + i * c->y.step;

		if (c->h - 1 - place(v, c->y.lo, c->y.hi, c->h - 1) != row)
			continue;
		tick = true;
		rc = put_fit(p, (struct str){ text, tick_text(&c->y, v, text) }, left - 1, true);
	}
	rc |= tick ? 0 : repeat(p->b, " ", left - 1);
	rc |= buf_puts(p->b, tick ? sign(p, " \xe2\x94\xa4", " +") : sign(p, " \xe2\x94\x82", " |"));
	for (int x = 0; x < c->w && !rc; x++)
		rc = put_cell(p, c, row * c->w + x);
	while (p->b->n && p->b->p[p->b->n - 1] == ' ')
		p->b->n--;
	return rc | buf_byte(p->b, '\n');
}

static int put_x_axis(const struct pen *p, const struct canvas *c, int left)
{
	struct mark m[MAX_MARKS];
	int cells[MAX_MARKS], most = c->w / 12 + 1, n = chart_marks(p->c, most < MAX_MARKS ? most : MAX_MARKS, m);

	for (int i = 0; i < n; i++)
		cells[i] = 1 + place(m[i].at, c->x_lo, c->x_hi, c->w - 1);
	return put_rule(p, left, c->w, 0, cells, n) | put_marks(p, left, c->w, m, n, cells);
}

static int y_width(const struct ticks *t)
{
	char text[48];
	int widest = 1;

	for (int i = 0; i < t->n; i++) {
		int n = (int)tick_text(t, t->lo + i * t->step, text);

		widest = n > widest ? n : widest;
	}
	return widest;
}

static int draw_lines(const struct pen *p)
{
	struct canvas c = { .h = HEIGHT, .letters = p->c->nseries > 1 && !p->look->colour };
	int left, rc = -1;
	double lo, hi;

	chart_range(p->c, &lo, &hi);
	c.y = ticks_of(lo, hi, 6);
	left = y_width(&c.y) + 1;
	c.w = p->look->width - left - 2 > 10 ? p->look->width - left - 2 : 10;
	c.x_lo = p->c->n ? p->c->x[0] : 0;
	c.x_hi = p->c->n ? p->c->x[p->c->n - 1] : 0;
	c.dots = calloc((size_t)(c.w * c.h), 1);
	c.series = malloc((size_t)(c.w * c.h));
	if (c.dots && c.series) {
		memset(c.series, -1, (size_t)(c.w * c.h));
		for (int k = 0; k < p->c->nseries; k++)
			draw_series(p->c, &c, k);
		rc = put_title(p) | put_legend(p, true);
		for (int row = 0; row < c.h && !rc; row++)
			rc = put_row(p, &c, row, left);
		rc |= put_x_axis(p, &c, left);
	}
	free(c.dots);
	free(c.series);
	return rc;
}

int charts_text(const struct charts *c, const struct chart_look *look, struct buf *b)
{
	int rc = 0;

	for (int i = 0; i < c->n && !rc; i++) {
		struct pen p = { &c->v[i], look, b };

		rc = i ? buf_byte(b, '\n') : 0;
		rc |= p.c->kind == CHART_LINE ? draw_lines(&p) : draw_bars(&p);
	}
	return rc ? -1 : 0;
}
