/* Charts as SVG: one self-contained file without scripts, links or fonts of its own; light, or dark where the viewer
 * prefers that.
 *
 * Panels stand below each other. In one: title, legend, then a plot whose grid and axes come first and the marks on top of
 * them. Bars of labels lie, those of a histogram stand; every mark carries a tooltip. All places are pixels. */
#include "lib/op/chart.h"
#include "lib/op/svg.h"

#include <math.h>

#define WIDTH 760
#define MARGIN 24
#define PLOT 320         /* height of a line or a histogram */
#define BAR 18           /* thickness of a lying bar */
#define GAP 8            /* between records */
#define LABEL_CHARS 30
#define MAX_BARS 1000    /* bars of a panel; the rest is counted */
#define MAX_DOTS 80      /* points of a line that are marked */
#define MAX_MARKS 24

static const char *const colours[] = { "#3b74b9", "#dd7f3c", "#46987a", "#c6505b", "#8069b0", "#8f6d55", "#cf83b4", "#76808c" };
#define NCOLOURS ((int)(sizeof colours / sizeof *colours))

static const char style[] =
	"<style>.bg{fill:#fff}.ink{fill:#16202c}.mute{fill:#556270}.grid{stroke:#e4e9ef}.axis{stroke:#8d99a6}"
	"@media (prefers-color-scheme:dark){.bg{fill:#14181d}.ink{fill:#e8ecf1}.mute{fill:#a3adb9}.grid{stroke:#2b323a}"
	".axis{stroke:#6b7785}}</style>\n";

struct panel {
	const struct chart *c;
	struct buf *b;
	double y;                      /* of its upper edge */
	double left, top, right, bottom; /* of the plot */
	double height;
	struct ticks ticks;
	int64_t shown;
	double legend;                 /* height of it */
};

static double text_width(struct str s, size_t most, double font)
{
	size_t n = svg_chars(s);

	return (double)(n < most ? n : most) * SVG_CHAR_EM * font;
}

static double widest_label(const struct chart *c, int64_t n)
{
	double widest = 0;

	for (int64_t i = 0; i < n; i++) {
		double w = text_width(c->labels[i], LABEL_CHARS, 13);

		widest = w > widest ? w : widest;
	}
	return widest;
}

static double widest_tick(const struct ticks *t)
{
	char text[48];
	double widest = 0;

	for (int i = 0; i < t->n; i++) {
		double w = (double)tick_text(t, t->lo + i * t->step, text) * SVG_CHAR_EM * 12;

		widest = w > widest ? w : widest;
	}
	return widest;
}

static bool lies(const struct chart *c)
{
	return c->kind == CHART_BAR && !c->bins;
}

static void plan_panel(struct panel *p)
{
	const struct chart *c = p->c;
	double lo, hi;

	chart_range(c, &lo, &hi);
	p->ticks = ticks_of(lo, hi, lies(c) ? 8 : 6);
	p->shown = c->n * c->nseries <= MAX_BARS || !lies(c) ? c->n : MAX_BARS / c->nseries;
	p->legend = c->nseries > 1 ? 26 : 0;
	p->top = p->y + MARGIN + 36 + p->legend;
	p->right = WIDTH - MARGIN - (lies(c) ? 48 : 8);
	if (lies(c)) {
		p->left = MARGIN + widest_label(c, p->shown) + 10 + (p->ticks.lo < 0 ? 44 : 0);
		p->bottom = p->top + (double)p->shown * (BAR * c->nseries + GAP) + GAP;
	} else {
		p->left = MARGIN + widest_tick(&p->ticks) + 10;
		p->bottom = p->top + PLOT;
	}
	p->height = p->bottom + 44 + (p->shown < c->n ? 18 : 0) - p->y;
}

/* Of a value along the axis of values. */
static double at_value(const struct panel *p, double v)
{
	double share = (v - p->ticks.lo) / (p->ticks.hi - p->ticks.lo);

	return lies(p->c) ? p->left + share * (p->right - p->left) : p->bottom - share * (p->bottom - p->top);
}

static double at_x(const struct panel *p, double x)
{
	const struct chart *c = p->c;
	double lo = c->n ? c->x[0] : 0, hi = c->n ? c->x[c->bins ? c->n : c->n - 1] : 0;

	return hi > lo ? p->left + (x - lo) / (hi - lo) * (p->right - p->left) : (p->left + p->right) / 2;
}

static int put_title(const struct panel *p)
{
	int rc = buf_printf(p->b, "<text class=\"ink\" x=\"%d\" y=\"%.1f\" font-size=\"17\" font-weight=\"600\">", MARGIN,
			    p->y + MARGIN + 12);

	return rc | svg_text(p->b, p->c->title, (size_t)((WIDTH - 2 * MARGIN) / (17 * SVG_CHAR_EM))) | buf_puts(p->b, "</text>\n");
}

static int put_legend(const struct panel *p)
{
	double x = MARGIN, y = p->y + MARGIN + 36;
	int rc = 0;

	for (int k = 0; p->c->nseries > 1 && k < p->c->nseries && !rc; k++) {
		rc = buf_printf(p->b,
				"<rect x=\"%.1f\" y=\"%.1f\" width=\"11\" height=\"11\" rx=\"2\" fill=\"%s\"/><text class=\"mute\" "
				"x=\"%.1f\" y=\"%.1f\" font-size=\"13\">",
				x, y - 10, colours[k % NCOLOURS], x + 16, y) |
		     svg_text(p->b, p->c->series[k].name, LABEL_CHARS) | buf_puts(p->b, "</text>\n");
		x += 40 + text_width(p->c->series[k].name, LABEL_CHARS, 13);
	}
	return rc;
}

static int put_line(const struct panel *p, const char *class, double x1, double y1, double x2, double y2)
{
	return buf_printf(p->b, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

/* The grid of values, zero a little stronger. */
static int put_grid(const struct panel *p)
{
	int rc = buf_puts(p->b, "<g font-size=\"12\">\n");
	char text[48];

	for (int i = 0; i < p->ticks.n && !rc; i++) {
		double v = p->ticks.lo + i * p->ticks.step, at = at_value(p, v);
		const char *class = fabs(v) < p->ticks.step / 2 ? "axis" : "grid";
		int n = (int)tick_text(&p->ticks, v, text);

		if (lies(p->c))
			rc = put_line(p, class, at, p->top, at, p->bottom) |
			     buf_printf(p->b, "<text class=\"mute\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.*s</text>\n", at,
					p->bottom + 17, n, text);
		else
			rc = put_line(p, class, p->left, at, p->right, at) |
			     buf_printf(p->b, "<text class=\"mute\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.*s</text>\n", p->left - 8,
					at + 4, n, text);
	}
	return rc | buf_puts(p->b, "</g>\n");
}

/* Below a line or a histogram. */
static int put_marks(const struct panel *p)
{
	struct mark m[MAX_MARKS];
	int n = chart_marks(p->c, p->c->axis == AXIS_LABELS && !p->c->bins ? 8 : 9, m);
	int rc = buf_puts(p->b, "<g font-size=\"12\" text-anchor=\"middle\">\n");

	for (int i = 0; i < n && !rc; i++) {
		double x = at_x(p, m[i].at);

		rc = put_line(p, "axis", x, p->bottom, x, p->bottom + 5) |
		     buf_printf(p->b, "<text class=\"mute\" x=\"%.1f\" y=\"%.1f\">", x, p->bottom + 19) |
		     svg_text(p->b, str_of(m[i].text), 14) | buf_puts(p->b, "</text>\n");
	}
	return rc | put_line(p, "axis", p->left, p->bottom, p->right, p->bottom) |
	       buf_printf(p->b, "<text class=\"mute\" x=\"%.1f\" y=\"%.1f\">", (p->left + p->right) / 2, p->bottom + 38) |
	       svg_text(p->b, p->c->x_name, 60) | buf_puts(p->b, "</text>\n</g>\n");
}

/* "de, total: 12.50" */
static int put_tooltip(const struct panel *p, int k, int64_t i)
{
	int rc = buf_puts(p->b, "<title>") | svg_text(p->b, p->c->labels[i], SIZE_MAX) | buf_puts(p->b, ", ");

	return rc | svg_text(p->b, p->c->series[k].name, SIZE_MAX) | buf_puts(p->b, ": ") |
	       svg_text(p->b, p->c->series[k].text[i], SIZE_MAX) | buf_puts(p->b, "</title>");
}

static int put_value(const struct panel *p, int k, int64_t i, double x, double y, const char *anchor)
{
	cleanup_buf struct buf text = { 0 };
	int rc = chart_value(&p->c->series[k], i, "\xe2\x80\x93", &text);

	return rc | buf_printf(p->b, "<text class=\"mute\" x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"%s\">", x, y, anchor) |
	       svg_text(p->b, buf_view(&text), 16) | buf_puts(p->b, "</text>");
}

static int put_rect(const struct panel *p, int k, int64_t i, double x, double y, double w, double h)
{
	return buf_printf(p->b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\">", x, y, w > 0.5 ? w : 0.5,
			  h > 0.5 ? h : 0.5, colours[k % NCOLOURS]) |
	       put_tooltip(p, k, i) | buf_puts(p->b, "</rect>");
}

static int put_lying(const struct panel *p, int k, int64_t i, double y)
{
	double v = p->c->series[k].v[i], zero = at_value(p, 0), end;
	int rc = 0;

	if (isnan(v))
		return put_value(p, k, i, zero + 6, y + BAR * 0.5 + 4, "start") | buf_byte(p->b, '\n');
	end = at_value(p, v);
	if (v != 0)
		rc = put_rect(p, k, i, v < 0 ? end : zero, y + 1, fabs(end - zero), BAR - 2);
	rc |= put_value(p, k, i, v < 0 ? end - 6 : end + 6, y + BAR * 0.5 + 4, v < 0 ? "end" : "start");
	return rc | buf_byte(p->b, '\n');
}

static int put_lying_bars(const struct panel *p)
{
	int rc = 0;

	for (int64_t i = 0; i < p->shown && !rc; i++) {
		double y = p->top + GAP + (double)i * (BAR * p->c->nseries + GAP), label = MARGIN + widest_label(p->c, p->shown);

		rc = buf_printf(p->b, "<text class=\"ink\" x=\"%.1f\" y=\"%.1f\" font-size=\"13\" text-anchor=\"end\">", label,
				y + BAR * p->c->nseries * 0.5 + 4.5) |
		     svg_text(p->b, p->c->labels[i], LABEL_CHARS) | buf_puts(p->b, "</text>\n");
		for (int k = 0; k < p->c->nseries && !rc; k++)
			rc = put_lying(p, k, i, y + k * BAR);
	}
	if (p->shown < p->c->n)
		rc |= buf_printf(p->b, "<text class=\"mute\" x=\"%d\" y=\"%.1f\" font-size=\"12\">and %lld more</text>\n", MARGIN,
				 p->bottom + 36, (long long)(p->c->n - p->shown));
	return rc;
}

static int put_standing_bars(const struct panel *p)
{
	const struct chart *c = p->c;
	int rc = 0;

	for (int64_t i = 0; i < c->n && !rc; i++) {
		double x = at_x(p, c->x[i]), w = at_x(p, c->x[i + 1]) - x, y = at_value(p, c->series->v[i]);

		if (c->series->v[i] != 0)
			rc = put_rect(p, 0, i, x + (w > 4 ? 0.5 : 0), y, w - (w > 4 ? 1 : 0), p->bottom - y);
		if (c->series->v[i] != 0 && (double)c->series->text[i].n * 12 * SVG_CHAR_EM < w - 2)
			rc |= put_value(p, 0, i, x + w / 2, y - 4, "middle");
		rc |= buf_byte(p->b, '\n');
	}
	return rc;
}

/* The stretches of a series between missing values. */
static int put_path(const struct panel *p, int k)
{
	const struct chart *c = p->c;
	int rc = buf_printf(p->b, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\" ",
			    colours[k % NCOLOURS]) |
		 buf_puts(p->b, "stroke-linecap=\"round\" d=\"");
	bool before = false;

	for (int64_t i = 0; i < c->n && !rc; i++) {
		double v = c->series[k].v[i];

		if (!isnan(v))
			rc = buf_printf(p->b, "%c%.1f %.1f", before ? 'L' : 'M', at_x(p, c->x[i]), at_value(p, v)) |
			     (before ? 0 : buf_puts(p->b, "h0")); /* a dot, should nothing follow */
		before = !isnan(v);
	}
	return rc | buf_puts(p->b, "\"/>\n");
}

static int put_dots(const struct panel *p, int k)
{
	const struct chart *c = p->c;
	int rc = 0;

	for (int64_t i = 0; i < c->n && !rc && c->n <= MAX_DOTS; i++)
		if (!isnan(c->series[k].v[i]))
			rc = buf_printf(p->b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\" fill=\"%s\">", at_x(p, c->x[i]),
					at_value(p, c->series[k].v[i]), colours[k % NCOLOURS]) |
			     put_tooltip(p, k, i) | buf_puts(p->b, "</circle>\n");
	return rc;
}

static int put_panel(const struct panel *p)
{
	int rc = put_title(p) | put_legend(p) | put_grid(p);

	if (lies(p->c))
		return rc | put_lying_bars(p);
	if (p->c->bins)
		return rc | put_standing_bars(p) | put_marks(p);
	rc |= put_marks(p);
	for (int k = 0; k < p->c->nseries && !rc; k++)
		rc = put_path(p, k) | put_dots(p, k);
	return rc;
}

int charts_svg(const struct charts *c, struct str title, struct buf *b)
{
	double height = 0;
	int rc;

	for (int i = 0; i < c->n; i++) {
		struct panel p = { .c = &c->v[i], .y = 0 };

		plan_panel(&p);
		height += p.height;
	}
	rc = buf_printf(b,
			"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\" role=\"img\" "
			"font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">\n<title>",
			WIDTH, height, WIDTH, height) |
	     svg_text(b, title, SIZE_MAX) | buf_puts(b, "</title>\n") | buf_puts(b, style) |
	     buf_puts(b, "<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n");
	height = 0;
	for (int i = 0; i < c->n && !rc; i++) {
		struct panel p = { .c = &c->v[i], .b = b, .y = height };

		plan_panel(&p);
		rc = put_panel(&p);
		height += p.height;
	}
	return rc | buf_puts(b, "</svg>\n") ? -1 : 0;
}
