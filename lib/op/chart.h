/* Charts: a table drawn as bars or lines, as text for a terminal and as SVG.
 *
 * What is drawn follows from the types of the columns. The columns up to the last one that holds no numbers label the points; the
 * others are series. When all are numbers the first one labels. One record without a label column is drawn the other way round: a
 * bar for each column. A json column of bins ({"from", "to", "n"}, see hist) is a chart of its own for each record.
 *
 * Nothing is computed from the values: they are placed as the nearest double, and written with the digits they have. Missing values,
 * nan and infinities leave a gap. In a line, labels that are all numbers, or all times, are placed by value, in order. */
#ifndef STOOK_OP_CHART_H
#define STOOK_OP_CHART_H

#include "lib/table/stream.h"

enum chart_kind { CHART_NONE, CHART_BAR, CHART_LINE };
enum chart_axis { AXIS_LABELS, AXIS_NUMBERS, AXIS_TIMES }; /* times: seconds since 1970, UTC */

#define CHART_POINTS 100000 /* records of a picture */
#define CHART_PANELS 24     /* histograms in one picture */

struct series {
	struct str name;
	double *v;        /* NAN: nothing to draw */
	struct str *text; /* as written; n = 0 with p NULL: null */
};

struct chart {
	enum chart_kind kind;
	struct str title, x_name;
	bool bins;                /* bars of a histogram, side by side; x[i], x[i + 1] are their edges */
	int64_t n;
	struct str *labels;
	enum chart_axis axis;
	double *x;                /* n of them, n + 1 with bins; AXIS_LABELS: 0, 1, 2, ... */
	double lo, hi;            /* of all values that are drawn; 0, 1 when there are none */
	int nseries;
	struct series *series;
};

struct charts {
	struct arena arena;
	int n;
	struct chart *v;
};

/* Charts of a table. ST_DATA, ST_USAGE: there is nothing that can be drawn. */
int charts_make(struct batch *const *b, int n, const struct schema *s, enum chart_kind kind, struct charts *ret,
		struct err *e) nodiscard;
void charts_free(struct charts *c);

struct chart_look {
	int width;   /* cells */
	bool colour, utf8;
};

/* 0 or -1 (memory). */
int charts_text(const struct charts *c, const struct chart_look *look, struct buf *b);
int charts_svg(const struct charts *c, struct str title, struct buf *b);

/* ---- for the two painters ---- */

/* Round places on an axis: 1, 2 or 5 times a power of ten apart, at most `most` steps; the range is widened to them. */
struct ticks {
	double lo, hi, step;
	int n;             /* places: lo + i step, i < n */
	int decimals;
	double unit;       /* shown as value / unit with the suffix */
	const char *suffix;
};

struct ticks ticks_of(double lo, double hi, int most);
size_t tick_text(const struct ticks *t, double v, char dst[48]);

/* Labels below an axis of a line, at most `most`. */
struct mark {
	double at; /* in x */
	char text[64];
};

int chart_marks(const struct chart *c, int most, struct mark *ret);

/* The range of values to show: with zero for bars and where it is near. */
void chart_range(const struct chart *c, double *lo, double *hi);

/* A value for people: as written, or with 6 digits when that is long. Null and what has no place: as `none`. */
int chart_value(const struct series *s, int64_t i, const char *none, struct buf *b);

#endif
