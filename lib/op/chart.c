/* Tables as charts: see chart.h. Everything of a chart lives in one arena; painters only read it. */
#include "lib/op/chart.h"

#include "lib/format/format.h"
#include "lib/format/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void charts_free(struct charts *c)
{
	arena_free(&c->arena);
	*c = (struct charts){ 0 };
}

/* ---- from columns ---- */

/* A table in several batches. */
struct table {
	struct batch *const *b;
	int nbatches;
	int64_t n;
	const struct schema *schema;
};

static bool holds_numbers(const struct type *t)
{
	return type_is_numeric(t);
}

static int copy_value(struct arena *a, const struct column *c, int64_t row, struct str *ret, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	char *p;

	*ret = (struct str){ NULL, 0 };
	if (column_is_null(c, row))
		return 0;
	if (value_print(c, row, &text) || !(p = arena_strdup(a, buf_view(&text)))) /* ends with a zero: see member() */
		return err_oom(e);
	*ret = (struct str){ p, text.n };
	return 0;
}

static int read_texts(struct arena *a, const struct table *t, int col, struct str **ret, struct err *e)
{
	int64_t at = 0;
	int rc = 0;

	*ret = arena_array(a, struct str, (size_t)t->n + 1);
	if (!*ret)
		return err_oom(e);
	for (int k = 0; k < t->nbatches; k++)
		for (int64_t i = 0; i < t->b[k]->nrows && rc == 0; i++)
			rc = copy_value(a, &t->b[k]->cols[col], i, &(*ret)[at++], e);
	return rc;
}

static bool read_f64(struct str s, double *ret)
{
	return s.p && num_parse_f64(s, ret) == DEC_OK && isfinite(*ret);
}

static int read_series(struct arena *a, const struct table *t, int col, struct series *ret, struct err *e)
{
	int rc = read_texts(a, t, col, &ret->text, e);

	ret->name = (struct str){ arena_strdup(a, t->schema->fields[col].name), t->schema->fields[col].name.n };
	ret->v = arena_array(a, double, (size_t)t->n + 1);
	if (rc < 0 || !ret->name.p || !ret->v)
		return rc < 0 ? rc : err_oom(e);
	for (int64_t i = 0; i < t->n; i++)
		if (!read_f64(ret->text[i], &ret->v[i]))
			ret->v[i] = (double)NAN;
	return 0;
}

/* The label of a point: its label columns, joined by commas. */
static int read_labels(struct arena *a, const struct table *t, int ncols, struct str **ret, struct err *e)
{
	int rc = read_texts(a, t, 0, ret, e);

	for (int c = 1; c < ncols && rc == 0; c++) {
		struct str *more;

		if ((rc = read_texts(a, t, c, &more, e)) < 0)
			return rc;
		for (int64_t i = 0; i < t->n; i++) {
			struct str x = (*ret)[i], y = more[i];
			char *p = arena_printf(a, "%.*s, %.*s", STR_ARG(x), STR_ARG(y));

			if (!p)
				return err_oom(e);
			(*ret)[i] = str_of(p);
		}
	}
	for (int64_t i = 0; i < t->n && rc == 0; i++)
		if (!(*ret)[i].p)
			(*ret)[i] = STR("(missing)");
	return rc;
}

static void find_range(struct chart *c)
{
	bool any = false;

	c->lo = 0;
	c->hi = 1;
	for (int k = 0; k < c->nseries; k++)
		for (int64_t i = 0; i < c->n; i++) {
			double v = c->series[k].v[i];

			if (isnan(v))
				continue;
			c->lo = !any || v < c->lo ? v : c->lo;
			c->hi = !any || v > c->hi ? v : c->hi;
			any = true;
		}
}

/* "n, total by country, day" */
static int name_chart(struct arena *a, const struct schema *s, int nlabels, struct chart *c, struct err *e)
{
	cleanup_buf struct buf b = { 0 }, x = { 0 };
	int rc = 0;

	for (int i = 0; i < nlabels; i++)
		rc |= buf_puts(&x, i ? ", " : "") | buf_str(&x, s->fields[i].name);
	for (int k = 0; k < c->nseries; k++)
		rc |= buf_puts(&b, k ? ", " : "") | buf_str(&b, c->series[k].name);
	if (nlabels)
		rc |= buf_puts(&b, " by ") | buf_str(&b, buf_view(&x));
	c->title = (struct str){ arena_strdup(a, buf_view(&b)), b.n };
	c->x_name = (struct str){ arena_strdup(a, buf_view(&x)), x.n };
	return rc || !c->title.p || !c->x_name.p ? err_oom(e) : 0;
}

static int by_x(const void *a, const void *b, void *arg)
{
	const struct chart *c = arg;
	int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;

	return c->x[i] != c->x[k] ? (c->x[i] > c->x[k]) - (c->x[i] < c->x[k]) : (i > k) - (i < k);
}

/* Points in the order of x. */
static int order_points(struct arena *a, struct chart *c, struct err *e)
{
	int64_t *order = arena_array(a, int64_t, (size_t)c->n + 1);
	double *x = arena_array(a, double, (size_t)c->n + 1);
	struct str *texts = arena_array(a, struct str, (size_t)c->n + 1);

	if (!order || !x || !texts)
		return err_oom(e);
	for (int64_t i = 0; i < c->n; i++)
		order[i] = i;
	qsort_r(order, (size_t)c->n, sizeof *order, by_x, c);
	for (int k = 0; k < c->nseries; k++) {
		for (int64_t i = 0; i < c->n; i++) {
			x[i] = c->series[k].v[order[i]];
			texts[i] = c->series[k].text[order[i]];
		}
		memcpy(c->series[k].v, x, (size_t)c->n * sizeof *x);
		memcpy(c->series[k].text, texts, (size_t)c->n * sizeof *texts);
	}
	for (int64_t i = 0; i < c->n; i++) {
		x[i] = c->x[order[i]];
		texts[i] = c->labels[order[i]];
	}
	c->x = x;
	c->labels = texts;
	return 0;
}

static bool all_numbers(const struct chart *c)
{
	for (int64_t i = 0; i < c->n; i++)
		if (!read_f64(c->labels[i], &c->x[i]))
			return false;
	return true;
}

static bool all_times(const struct chart *c)
{
	int64_t us;

	for (int64_t i = 0; i < c->n; i++) {
		if (!time_parse(c->labels[i], &us))
			return false;
		c->x[i] = (double)us / 1e6;
	}
	return true;
}

/* Where the points of a line stand. */
static int place_points(struct arena *a, struct chart *c, struct err *e)
{
	c->x = arena_array(a, double, (size_t)c->n + 1);
	if (!c->x)
		return err_oom(e);
	c->axis = AXIS_LABELS;
	if (c->kind == CHART_LINE && c->n && all_numbers(c))
		c->axis = AXIS_NUMBERS;
	else if (c->kind == CHART_LINE && c->n && all_times(c))
		c->axis = AXIS_TIMES;
	if (c->axis != AXIS_LABELS)
		return order_points(a, c, e);
	for (int64_t i = 0; i < c->n; i++)
		c->x[i] = (double)i;
	return 0;
}

/* One record and no labels: a bar for each column. */
static int turn_round(struct arena *a, struct chart *c, struct err *e)
{
	struct series *s = arena_array(a, struct series, 1), *old = c->series;

	if (!s || !(s->v = arena_array(a, double, (size_t)c->nseries + 1)) ||
	    !(s->text = arena_array(a, struct str, (size_t)c->nseries + 1)) ||
	    !(c->labels = arena_array(a, struct str, (size_t)c->nseries + 1)))
		return err_oom(e);
	for (int k = 0; k < c->nseries; k++) {
		s->v[k] = old[k].v[0];
		s->text[k] = old[k].text[0];
		c->labels[k] = old[k].name;
	}
	c->n = c->nseries;
	c->nseries = 1;
	c->series = s;
	return 0;
}

static int nothing_to_draw(const struct schema *s, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	for (int i = 0; i < s->nfields; i++)
		if (buf_puts(&b, i ? ", " : "") || buf_str(&b, s->fields[i].name))
			return err_oom(e);
	err_set(e, ST_USAGE, "nothing to draw: the last field holds no numbers (fields: %.*s)", STR_ARG(buf_view(&b)));
	return err_hint(e, "numbers come from aggregates such as count, sum and mean, or from a reading, max:price:num");
}

static int make_chart(struct charts *all, const struct table *t, enum chart_kind kind, struct err *e)
{
	struct chart *c = all->v = arena_new(&all->arena, struct chart);
	int nlabels = t->schema->nfields, rc;
	bool turned;

	while (nlabels && holds_numbers(&t->schema->fields[nlabels - 1].type))
		nlabels--;
	if (nlabels == t->schema->nfields)
		return nothing_to_draw(t->schema, e);
	turned = nlabels == 0 && t->n == 1 && kind == CHART_BAR;
	nlabels += nlabels == 0 && t->schema->nfields > 1 && !turned;
	if (!c || !(c->series = arena_array(&all->arena, struct series, (size_t)t->schema->nfields)))
		return err_oom(e);
	all->n = 1;
	c->kind = kind;
	c->n = t->n;
	for (int i = nlabels; i < t->schema->nfields; i++)
		if ((rc = read_series(&all->arena, t, i, &c->series[c->nseries++], e)) < 0)
			return rc;
	if ((rc = name_chart(&all->arena, t->schema, nlabels, c, e)) < 0)
		return rc;
	if (turned)
		rc = turn_round(&all->arena, c, e);
	else if (nlabels)
		rc = read_labels(&all->arena, t, nlabels, &c->labels, e);
	else if (!(c->labels = arena_array(&all->arena, struct str, (size_t)c->n + 1)))
		rc = err_oom(e);
	if (rc < 0 || (rc = place_points(&all->arena, c, e)) < 0)
		return rc;
	find_range(c);
	return 0;
}

/* ---- from bins ---- */

/* The value of `name` in the object that starts at p, as text without quotes; n = 0: it is not there. */
static struct str member(const char *p, const char *end, const char *name)
{
	char want[16];
	size_t len = (size_t)snprintf(want, sizeof want, "\"%s\":", name), n;
	const char *at = memmem(p, (size_t)(end - p), want, len);

	if (!at)
		return (struct str){ "", 0 };
	at += len;
	if (*at == '"')
		return (struct str){ at + 1, (size_t)(strcspn(at + 1, "\"")) };
	n = strcspn(at, ",}");
	return (struct str){ at, n };
}

/* Room for the bins of [{...},{...}]: as many as there are closing braces. */
static int new_bins(struct arena *a, struct str text, struct chart *c, struct err *e)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '}';
	c->series = arena_array(a, struct series, 1);
	c->labels = arena_array(a, struct str, n);
	c->x = arena_array(a, double, n + 1);
	if (!c->series || !c->labels || !c->x || !(c->series->v = arena_array(a, double, n)) ||
	    !(c->series->text = arena_array(a, struct str, n)))
		return err_oom(e);
	c->nseries = 1;
	c->series->name = STR("n");
	return 0;
}

static int no_bins(struct err *e)
{
	return err_set(e, ST_DATA, "nothing to draw: a json field holds something else than the bins of hist");
}

static int add_bin(struct arena *a, const char *p, const char *end, struct chart *c, struct err *e)
{
	struct str from = member(p, end, "from"), to = member(p, end, "to"), n = member(p, end, "n");
	char *label = arena_printf(a, str_eq(from, to) || !to.n ? "%.*s" : "%.*s to %.*s", STR_ARG(from), STR_ARG(to));
	double lo, hi, v;

	if (!label)
		return err_oom(e);
	if (!from.n || !read_f64(n, &v))
		return no_bins(e);
	c->bins = c->bins && read_f64(from, &lo) && read_f64(to, &hi) && lo < hi && (!c->n || c->x[c->n] == lo);
	if (c->bins) {
		c->x[c->n] = lo;
		c->x[c->n + 1] = hi;
	}
	c->labels[c->n] = str_of(label);
	c->series->v[c->n] = v;
	c->series->text[c->n++] = n;
	return 0;
}

/* One histogram. Bins that are not side by side (a fixed width leaves empty ones out, nan has no place) are plain bars. */
static int read_bins(struct charts *all, struct str text, struct chart *c, struct err *e)
{
	int rc = new_bins(&all->arena, text, c, e);
	const char *p = text.p, *end = text.p + text.n;

	if (text.n && !str_is(text, "[]") && memcmp(text.p, "[{", 2) != 0)
		return no_bins(e);
	c->bins = true;
	c->kind = CHART_BAR;
	while (rc == 0 && p && (p = memchr(p, '{', (size_t)(end - p)))) {
		const char *close = memchr(p, '}', (size_t)(end - p));

		rc = close ? add_bin(&all->arena, p, close + 1, c, e) : 0;
		p = close;
	}
	if (rc == 0 && !c->bins)
		for (int64_t i = 0; i < c->n; i++)
			c->x[i] = (double)i;
	find_range(c);
	return rc;
}

/* "h, country = de" */
static int name_bins(struct arena *a, const struct table *t, int col, struct str label, struct chart *c, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = buf_str(&b, t->schema->fields[col].name);

	for (int i = 0; i < col; i++)
		rc |= buf_puts(&b, ", ") | buf_str(&b, t->schema->fields[i].name);
	if (col)
		rc |= buf_puts(&b, " = ") | buf_str(&b, label);
	c->title = (struct str){ arena_strdup(a, buf_view(&b)), b.n };
	c->x_name = STR("");
	return rc || !c->title.p ? err_oom(e) : 0;
}

static int make_bins(struct charts *all, const struct table *t, int col, struct err *e)
{
	struct str *texts, *labels = NULL;
	int rc = read_texts(&all->arena, t, col, &texts, e);

	if (rc == 0 && col)
		rc = read_labels(&all->arena, t, col, &labels, e);
	if (rc < 0)
		return rc;
	if (t->n > CHART_PANELS)
		return err_set(e, ST_DATA, "%lld histograms are too many for one picture: %d at most", (long long)t->n, CHART_PANELS);
	all->v = arena_array(&all->arena, struct chart, (size_t)t->n + 1);
	if (!all->v)
		return err_oom(e);
	for (int64_t i = 0; i < t->n && rc == 0; i++) {
		struct chart *c = &all->v[all->n++];

		if ((rc = read_bins(all, texts[i].p ? texts[i] : STR(""), c, e)) == 0)
			rc = name_bins(&all->arena, t, col, labels ? labels[i] : STR(""), c, e);
	}
	return rc;
}

int charts_make(struct batch *const *b, int n, const struct schema *s, enum chart_kind kind, struct charts *ret, struct err *e)
{
	struct table t = { b, n, 0, s };
	int col = 0, rc;

	*ret = (struct charts){ 0 };
	for (int k = 0; k < n; k++)
		t.n += b[k]->nrows;
	if (t.n > CHART_POINTS)
		return err_set(e, ST_DATA, "%lld records are too many for a picture: %d at most", (long long)t.n, CHART_POINTS);
	while (col < s->nfields && s->fields[col].type.mark != MARK_JSON)
		col++;
	rc = col < s->nfields ? make_bins(ret, &t, col, e) : make_chart(ret, &t, kind, e);
	if (rc < 0)
		charts_free(ret);
	return rc;
}

/* ---- axes ---- */

/* 10^k, correctly rounded. */
static double ten_to(int k)
{
	char text[16];
	double v = 1;
	int n = snprintf(text, sizeof text, "1e%d", k);

	return num_parse_f64((struct str){ text, (size_t)n }, &v) == DEC_OK ? v : 1;
}

/* floor(log10(v)), v > 0: from the digits, the same on every machine. */
static int exponent(double v)
{
	char text[40];

	snprintf(text, sizeof text, "%.17e", v);
	return (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

/* A unit that leaves more than 3 digits behind the point would hide where neighbours differ. */
static void name_unit(struct ticks *t)
{
	static const struct {
		double unit;
		const char *suffix;
	} units[] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } };
	double most = fabs(t->lo) > fabs(t->hi) ? fabs(t->lo) : fabs(t->hi);
	int k;

	t->unit = 1;
	t->suffix = "";
	for (int i = 0; i < 4 && most >= 1e4 && most < 1e16; i++)
		if (most >= units[i].unit) {
			if (t->step < units[i].unit / 1e3)
				break;
			t->unit = units[i].unit;
			t->suffix = units[i].suffix;
			break;
		}
	k = exponent(t->step / t->unit);
	t->decimals = k < 0 ? -k : 0;
}

struct ticks ticks_of(double lo, double hi, int most)
{
	struct ticks t = { .step = 1 };
	double ten, raw;

	if (!(hi > lo)) {
		double pad = lo != 0 ? fabs(lo) / 10 : 1;

		hi += pad;
		lo -= lo != 0 ? pad : 0;
	}
	raw = hi / most - lo / most;
	ten = ten_to(exponent(raw));
	t.step = raw <= ten ? ten : raw <= 2 * ten ? 2 * ten : raw <= 5 * ten ? 5 * ten : 10 * ten;
	t.lo = floor(lo / t.step) * t.step;
	t.hi = ceil(hi / t.step) * t.step;
	t.n = (int)((t.hi - t.lo) / t.step + 1.5);
	name_unit(&t);
	return t;
}

size_t tick_text(const struct ticks *t, double v, char dst[48])
{
	double shown = v / t->unit;
	int n;

	if (fabs(shown) < t->step / t->unit / 2)
		return (size_t)snprintf(dst, 48, "0");
	if (t->decimals > 6 || fabs(shown) >= 1e15) {
		int digits = exponent(fabs(v)) - exponent(t->step) + 1;

		n = snprintf(dst, 48, "%.*g", digits < 3 ? 3 : digits > 17 ? 17 : digits, v);
	} else {
		n = snprintf(dst, 48, "%.*f%s", t->decimals, shown, t->suffix);
	}
	return (size_t)n;
}

void chart_range(const struct chart *c, double *lo, double *hi)
{
	bool bar = c->kind == CHART_BAR;

	*lo = c->lo;
	*hi = c->hi;
	if (*lo > 0 && (bar || *lo < 0.3 * *hi))
		*lo = 0;
	if (*hi < 0 && (bar || *hi > 0.3 * *lo))
		*hi = 0;
}

/* Steps of time, in seconds; from months on they differ and are counted in the calendar. */
static const int64_t second_steps[] = { 1,    2,    5,    10,    15,    30,    60,    120,    300,    600,    900,     1800,
					3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600 };
static const int month_steps[] = { 1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000, 12000 };

static void time_text(double at, int64_t step, struct mark *m)
{
	int64_t days = (int64_t)floor(at / 86400), y, second = (int64_t)at - days * 86400;
	int month, day;

	date_to_civil(days, &y, &month, &day);
	if (step >= 86400 * 365)
		snprintf(m->text, sizeof m->text, "%lld", (long long)y);
	else if (step >= 86400 * 28)
		snprintf(m->text, sizeof m->text, "%04lld-%02d", (long long)y, month);
	else if (step >= 86400 || second == 0)
		snprintf(m->text, sizeof m->text, "%04lld-%02d-%02d", (long long)y, month, day);
	else if (step >= 60)
		snprintf(m->text, sizeof m->text, "%02d:%02d", (int)(second / 3600), (int)(second / 60 % 60));
	else
		snprintf(m->text, sizeof m->text, "%02d:%02d:%02d", (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
	m->at = at;
}

static int month_marks(double lo, double hi, int most, struct mark *ret)
{
	int64_t first, y, days, step = 0;
	int month, day, n = 0;

	for (size_t i = 0; i < sizeof month_steps / sizeof *month_steps; i++)
		if (!step && (hi - lo) / 2629746.0 / month_steps[i] <= most - 1)
			step = month_steps[i];
	if (!step)
		return 0;
	date_to_civil((int64_t)floor(lo / 86400), &y, &month, &day);
	first = (y * 12 + month - 1) / step * step;
	for (int64_t k = first; n < most; k += step) {
		if (!date_from_civil(k / 12, (int)(k % 12) + 1, 1, &days) || (double)days * 86400 > hi)
			break;
		if ((double)days * 86400 >= lo)
			time_text((double)days * 86400, step * 86400 * 31, &ret[n++]);
	}
	return n;
}

static int time_marks(double lo, double hi, int most, struct mark *ret)
{
	double step = 0;
	int n = 0;

	for (size_t i = 0; i < sizeof second_steps / sizeof *second_steps; i++)
		if (step == 0 && (hi - lo) / (double)second_steps[i] <= most - 1)
			step = (double)second_steps[i];
	if (step == 0)
		return month_marks(lo, hi, most, ret);
	for (double at = ceil(lo / step) * step; at <= hi && n < most; at += step)
		time_text(at, (int64_t)step, &ret[n++]);
	return n;
}

static int number_marks(double lo, double hi, int most, struct mark *ret)
{
	struct ticks t = ticks_of(lo, hi, most - 1);
	int n = 0;

	for (int i = 0; i < t.n && n < most; i++) {
		double at = t.lo + i * t.step;

		if (at < lo - t.step / 1e6 || at > hi + t.step / 1e6)
			continue;
		ret[n].at = at;
		tick_text(&t, at, ret[n++].text);
	}
	return n;
}

/* Every k-th label, from the first. */
static int label_marks(const struct chart *c, int most, struct mark *ret)
{
	int64_t step = (c->n + most - 1) / most;
	int n = 0;

	for (int64_t i = 0; i < c->n && n < most; i += step) {
		size_t len = c->labels[i].n < sizeof ret->text - 1 ? c->labels[i].n : sizeof ret->text - 1;

		while (len && len < c->labels[i].n && ((unsigned char)c->labels[i].p[len] & 0xc0) == 0x80)
			len--;
		if (len)
			memcpy(ret[n].text, c->labels[i].p, len);
		ret[n].text[len] = '\0';
		ret[n++].at = (double)i;
	}
	return n;
}

int chart_marks(const struct chart *c, int most, struct mark *ret)
{
	double lo, hi;

	if (!c->n || most < 1)
		return 0;
	lo = c->x[0];
	hi = c->bins ? c->x[c->n] : c->x[c->n - 1];
	if (c->axis == AXIS_TIMES)
		return time_marks(lo, hi, most, ret);
	return c->axis == AXIS_NUMBERS || c->bins ? number_marks(lo, hi, most, ret) : label_marks(c, most, ret);
}

int chart_value(const struct series *s, int64_t i, const char *none, struct buf *b)
{
	if (!s->text[i].p)
		return buf_puts(b, none);
	if (s->text[i].n <= 12 || isnan(s->v[i]))
		return buf_str(b, s->text[i]);
	return buf_printf(b, "%.6g", s->v[i]);
}
