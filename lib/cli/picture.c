/* Results as pictures: see picture.h. The whole result is held; a picture has a limited number of records. */
#include "lib/cli/picture.h"

#include "lib/cli/cli.h"
#include "lib/io/term.h"
#include "lib/op/chart.h"

#include <stdlib.h>
#include <string.h>

int picture_check(const struct picture *p, const struct common *c, bool partial, struct err *e)
{
	if (p->title && !p->svg && !p->plot)
		return err_set(e, ST_USAGE, "--title belongs to --plot or --svg FILE");
	if (!p->plot && !p->svg)
		return 0;
	if (partial)
		return err_set(e, ST_USAGE, "a picture needs the whole: draw it where the parts are merged (--merge --%s)",
			       p->plot ? "plot" : "svg FILE");
	if (p->svg && strcmp(p->svg, "-") == 0 && (p->plot || !c->output))
		return err_set(e, ST_USAGE, "--svg - draws on standard output: give the table a file, -o FILE");
	if (p->plot && c->write.to && !c->output)
		return err_set(e, ST_USAGE, "--plot draws on standard output: give the table a file, -o FILE, or leave --to %s out",
			       c->write.to);
	return 0;
}

/* The batches of a result, and a source of them. */
struct held {
	struct source source;
	struct source *from;
	struct batch **b;
	int n, next;
};

static int held_next(struct source *s, struct batch **ret, struct err *e)
{
	struct held *h = (struct held *)s;

	(void)e;
	if (h->next < h->n) {
		*ret = h->b[h->next];
		h->b[h->next++] = NULL;
	}
	return 0;
}

static void held_close(struct source *s)
{
	struct held *h = (struct held *)s;

	for (int i = h->next; i < h->n; i++)
		batch_unref(h->b[i]);
	free(h->b);
	source_close(h->from);
	free(h);
}

/* Takes `from`, also on failure. Records beyond what a picture can hold are an error when it is made. */
static int hold(struct source *from, struct held **ret, struct err *e)
{
	struct held *h = calloc(1, sizeof *h);
	struct batch *b = NULL;
	int rc = 0;

	if (!h) {
		source_close(from);
		return err_oom(e);
	}
	*h = (struct held){ .source = { from->schema, held_next, held_close, NULL }, .from = from };
	while (rc == 0 && (rc = source_next(from, &b, e)) == 0 && b) {
		struct batch **p = reallocarray(h->b, (size_t)h->n + 1, sizeof(struct batch *));

		if (p) {
			h->b = p;
			p[h->n++] = b;
		} else {
			batch_unref(b);
			rc = err_oom(e);
		}
	}
	if (rc < 0)
		held_close(&h->source);
	else
		*ret = h;
	return rc;
}

static int write_svg(const struct picture *p, const struct charts *charts, struct out **ret, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	struct str title = p->title ? str_of(p->title) : charts->n ? charts->v[0].title : STR("chart");
	size_t stem;
	int rc;

	if (charts_svg(charts, title, &b))
		return err_oom(e);
	if ((rc = out_open(ret, p->svg, codec_of_suffix(str_of(p->svg), &stem), e)) < 0)
		return rc;
	return out_write(*ret, b.p, b.n, e);
}

static int write_text(const struct charts *charts, struct err *e)
{
	struct chart_look look = { term_columns(1), term_colour(1), term_utf8(1) };
	cleanup_buf struct buf b = { 0 };

	return charts_text(charts, &look, &b) ? err_oom(e) : out_put(NULL, CODEC_NONE, buf_view(&b), e);
}

/* Takes h. */
static int write_all(const struct picture *p, const struct common *c, const struct charts *charts, struct held *h,
		     struct err *e)
{
	struct out *svg = NULL;
	int rc = p->svg ? write_svg(p, charts, &svg, e) : 0;

	if (rc == 0 && p->plot)
		rc = write_text(charts, e);
	if (rc == 0 && (!p->plot || c->output))
		rc = cli_drain(c, &h->source, e);
	else
		held_close(&h->source);
	if (rc == 0 && svg)
		rc = out_commit(svg, e);
	if (svg)
		out_close(svg);
	return rc;
}

/* --title instead of the chart's own, or before it when there are several. */
static int set_titles(const struct picture *p, struct charts *c, struct err *e)
{
	for (int i = 0; p->title && i < c->n; i++) {
		char *t = c->n == 1 ? arena_printf(&c->arena, "%s", p->title)
				    : arena_printf(&c->arena, "%s: %.*s", p->title, STR_ARG(c->v[i].title));

		if (!t)
			return err_oom(e);
		c->v[i].title = str_of(t);
	}
	return 0;
}

int picture_drain(const struct picture *p, const struct common *c, struct source *from, struct err *e)
{
	struct charts charts;
	struct held *h = NULL;
	int rc;

	if (!p->plot && !p->svg)
		return cli_drain(c, from, e);
	if ((rc = hold(from, &h, e)) < 0)
		return rc;
	if ((rc = charts_make(h->b, h->n, h->source.schema, p->plot == CHART_LINE ? CHART_LINE : CHART_BAR, &charts, e)) < 0) {
		held_close(&h->source);
		return rc;
	}
	if ((rc = set_titles(p, &charts, e)) == 0)
		rc = write_all(p, c, &charts, h, e);
	else
		held_close(&h->source);
	charts_free(&charts);
	return rc;
}
