/* Tables for people: `table` for the terminal, `markdown` for documents. Written only.
 *
 * A table is streamed. The widths of its columns are those of the first SCREEN rows; a terminal sees the first batch at once,
 * so that a live stream lives. Too wide a table is fitted by lowering the widest columns to a common width; when even that is
 * not enough, the last columns are left out and named below. A later cell that is wider than its column may use what is free
 * on its line, and is cut with an ellipsis otherwise. Nulls are shown as a dim sign. Numbers stand right: columns of numeric types,
 * and of text whose measured values all read as numbers, as those of CSV do. */
#include "lib/base/dec.h"
#include "lib/format/format.h"
#include "lib/io/term.h"

#include <stdlib.h>

#define SCREEN 100   /* rows that are measured */
#define GAP 2        /* cells between columns */
#define NARROW 8     /* no column is lowered below this to make room for others */
#define DEFAULT_WIDTH 80

#define NULL_SIGN "\xe2\x88\x85"
#define ELLIPSIS "\xe2\x80\xa6"
#define RULE "\xe2\x94\x80"
#define BOLD "\x1b[1m"
#define DIM "\x1b[2m"
#define PLAIN "\x1b[0m"

struct shown {
	int col;       /* of the schema */
	bool right;    /* numbers */
	bool numbers, others; /* among the values measured */
	int width;     /* cells */
};

struct pretty {
	struct sink sink;
	struct out *out;
	const struct schema *schema;
	int n, hidden;             /* columns shown, and left out at the end */
	struct shown *cols;
	int rest;                  /* column that must stay null; -1: none */
	int width, slack;          /* of the line; of it not taken by columns */
	bool colour, live, started, header;
	struct str null;
	struct batch *held[SCREEN]; /* before the widths are known */
	int nheld;
	int64_t rows_held;
	struct buf text, value, cell;
};

static void release(struct pretty *t)
{
	while (t->nheld)
		batch_unref(t->held[--t->nheld]);
}

/* The value's text into t->value. */
static int print_value(struct pretty *t, const struct column *c, int64_t row)
{
	t->value.n = 0;
	return value_print(c, row, &t->value);
}

/* Cells of s, or `most` if it has more. */
static int measure(struct pretty *t, struct str s, int most, int *cells)
{
	size_t used;

	t->cell.n = 0;
	if (term_safe_fit(&t->cell, s, most, cells, &used))
		return -1;
	if (used < s.n)
		*cells = most;
	return 0;
}

/* Raises the width to what row's value takes; notes whether it is a number. */
static int widen(struct pretty *t, const struct column *c, int64_t row, struct shown *s)
{
	bool null = column_is_null(c, row);
	double number;
	int cells;

	if (!null && print_value(t, c, row))
		return -1;
	if (measure(t, null ? t->null : buf_view(&t->value), t->width, &cells))
		return -1;
	if (!null)
		*(num_parse_f64(buf_view(&t->value), &number) == DEC_OK ? &s->numbers : &s->others) = true;
	if (cells > s->width)
		s->width = cells;
	return 0;
}

static int natural_width(struct pretty *t, struct shown *s)
{
	int64_t left = SCREEN;

	if (measure(t, t->schema->fields[s->col].name, t->width, &s->width))
		return -1;
	for (int k = 0; k < t->nheld && left; k++) {
		const struct batch *b = t->held[k];

		for (int64_t row = 0; row < b->nrows && left; row++, left--)
			if (widen(t, &b->cols[s->col], row, s))
				return -1;
	}
	if (s->width == 0)
		s->width = 1;
	s->right |= s->numbers && !s->others && type_is_text(&t->schema->fields[s->col].type);
	return 0;
}

/* Cells of a line when text columns have at most `text`, numbers at most `numbers` of them. */
static int total(const struct pretty *t, int text, int numbers)
{
	int sum = (t->n - 1) * GAP;

	for (int i = 0; i < t->n; i++) {
		int most = t->cols[i].right ? numbers : text;

		sum += t->cols[i].width < most ? t->cols[i].width : most;
	}
	return sum;
}

/* Lowers the widest columns until the table fits, text before numbers; leaves out columns at the end when there are too
 * many. */
static void fit(struct pretty *t)
{
	int text = t->width, numbers = t->width;

	if (t->n > t->width && t->width > 0) { /* each takes a cell at least */
		t->hidden += t->n - t->width;
		t->n = t->width;
	}
	while (t->n > 1 && total(t, NARROW, NARROW) > t->width) {
		t->n--;
		t->hidden++;
	}
	while (text > NARROW && total(t, text, numbers) > t->width)
		text--;
	while (numbers > 1 && total(t, text, numbers) > t->width)
		numbers--;
	while (text > 1 && total(t, text, numbers) > t->width)
		text--;
	for (int i = 0; i < t->n; i++) {
		int most = t->cols[i].right ? numbers : text;

		if (t->cols[i].width > most)
			t->cols[i].width = most;
	}
	t->slack = t->width - total(t, t->width, t->width);
}

static int pad(struct buf *b, int n)
{
	while (n-- > 0)
		if (buf_byte(b, ' '))
			return -1;
	return 0;
}

static int styled(const struct pretty *t, struct buf *b, const char *style)
{
	return t->colour && style ? buf_puts(b, style) : 0;
}

/* One cell: s in `width` cells, or more as long as *free lasts. `last`: no padding behind it. */
static int put_cell(struct pretty *t, const struct shown *c, struct str s, const char *style, bool last, int *over)
{
	int most = c->width, cells, free = t->slack - *over;
	size_t used;

	t->cell.n = 0;
	if (term_safe_fit(&t->cell, s, most + free, &cells, &used))
		return -1;
	if (used < s.n) {
		t->cell.n = 0;
		if (term_safe_fit(&t->cell, s, most + free - 1, &cells, &used) || buf_puts(&t->cell, ELLIPSIS))
			return -1;
		cells++;
	}
	if (c->right && cells + *over < c->width && pad(&t->text, c->width - cells - *over))
		return -1;
	if (styled(t, &t->text, style) || buf_str(&t->text, buf_view(&t->cell)) || (style && styled(t, &t->text, PLAIN)))
		return -1;
	if (last)
		return 0;
	if (!c->right && cells + *over < c->width && pad(&t->text, c->width - cells - *over))
		return -1;
	*over = cells + *over > c->width ? cells + *over - c->width : 0;
	return pad(&t->text, GAP);
}

static int put_header(struct pretty *t)
{
	int over = 0;

	for (int i = 0; i < t->n; i++)
		if (put_cell(t, &t->cols[i], t->schema->fields[t->cols[i].col].name, BOLD, i == t->n - 1, &over))
			return -1;
	if (buf_byte(&t->text, '\n') || styled(t, &t->text, DIM))
		return -1;
	for (int i = 0; i < t->n; i++) {
		for (int k = 0; k < t->cols[i].width; k++)
			if (buf_puts(&t->text, RULE))
				return -1;
		if (i < t->n - 1 && pad(&t->text, GAP))
			return -1;
	}
	return styled(t, &t->text, PLAIN) || buf_byte(&t->text, '\n') ? -1 : 0;
}

static int put_row(struct pretty *t, const struct batch *b, int64_t row)
{
	int over = 0;

	for (int i = 0; i < t->n; i++) {
		const struct column *c = &b->cols[t->cols[i].col];
		bool null = column_is_null(c, row);

		if (!null && print_value(t, c, row))
			return -1;
		if (put_cell(t, &t->cols[i], null ? t->null : buf_view(&t->value), null ? DIM : NULL, i == t->n - 1, &over))
			return -1;
	}
	while (t->text.n && t->text.p[t->text.n - 1] == ' ')
		t->text.n--;
	return buf_byte(&t->text, '\n');
}

static int flush(struct pretty *t, struct err *e)
{
	int rc = out_write(t->out, t->text.p, t->text.n, e);

	t->text.n = 0;
	return rc < 0 ? rc : out_flush(t->out, e);
}

static int put_rows(struct pretty *t, const struct batch *b, struct err *e)
{
	int rc = 0;

	for (int64_t row = 0; row < b->nrows && rc == 0; row++) {
		if (put_row(t, b, row))
			return err_oom(e);
		if (t->text.n > 1 << 16)
			rc = flush(t, e);
	}
	return rc < 0 ? rc : flush(t, e);
}

/* Fixes the widths, writes the header and what was held. */
static int start_table(struct pretty *t, struct err *e)
{
	int rc = 0;

	t->started = true;
	for (int i = 0; i < t->n; i++)
		if (natural_width(t, &t->cols[i]))
			return err_oom(e);
	if (t->n)
		fit(t);
	if (t->header && t->n && put_header(t))
		return err_oom(e);
	for (int k = 0; k < t->nheld && rc == 0; k++)
		rc = put_rows(t, t->held[k], e);
	release(t);
	return rc < 0 ? rc : flush(t, e);
}

static int write_rows(struct sink *sink, struct batch *b, struct err *e)
{
	struct pretty *t = (struct pretty *)sink;

	if (t->started)
		return put_rows(t, b, e);
	if (b->nrows == 0)
		return 0;
	t->held[t->nheld++] = batch_ref(b);
	t->rows_held += b->nrows;
	return t->live || t->rows_held >= SCREEN ? start_table(t, e) : 0;
}

/* Writes the rows before the first that has something in _rest, if there is one, which is then the error. */
static int write_before_rest(struct pretty *t, struct batch *b, int (*write)(struct sink *, struct batch *, struct err *),
			     struct err *e)
{
	cleanup_batch struct batch *before = NULL;
	struct err refused;
	int64_t row = 0;
	int rc;

	if (t->rest < 0 || rest_refused(b, t->rest, &refused) == 0)
		return write(&t->sink, b, e);
	while (column_is_null(&b->cols[t->rest], row))
		row++;
	if ((rc = batch_slice(b, 0, row, &before, e)) < 0 || (rc = write(&t->sink, before, e)) < 0)
		return rc;
	*e = refused;
	return -e->status;
}

static int write_table(struct sink *sink, struct batch *b, struct err *e)
{
	return write_before_rest((struct pretty *)sink, b, write_rows, e);
}

/* "... and 3 more columns: a, b, c", as many names as the line holds. */
static int put_hidden(struct pretty *t)
{
	cleanup_buf struct buf line = { 0 };
	int cells, room = t->width > 3 ? t->width - 3 : 0;
	size_t used;

	if (buf_printf(&line, "%d more column%s:", t->hidden, t->hidden == 1 ? "" : "s"))
		return -1;
	for (int i = 0; i < t->hidden && line.n < (size_t)t->width * 4; i++) {
		struct str name = t->schema->fields[t->cols[t->n + i].col].name;

		if (buf_puts(&line, i ? ", " : " ") || buf_str(&line, name))
			return -1;
	}
	if (styled(t, &t->text, DIM) || buf_puts(&t->text, ELLIPSIS " ") ||
	    term_safe_fit(&t->text, buf_view(&line), room, &cells, &used) || (used < line.n && buf_puts(&t->text, ELLIPSIS)))
		return -1;
	return styled(t, &t->text, PLAIN) || buf_byte(&t->text, '\n') ? -1 : 0;
}

static int finish_table(struct sink *sink, struct err *e)
{
	struct pretty *t = (struct pretty *)sink;
	int rc = t->started ? 0 : start_table(t, e);

	if (rc < 0)
		return rc;
	if (t->hidden && put_hidden(t))
		return err_oom(e);
	if ((rc = flush(t, e)) < 0)
		return rc;
	return out_commit(t->out, e);
}

/* One cell of a Markdown table (GitHub Flavored Markdown, "Tables"): on one line, with bars, backslashes and tags taken literally. */
static int put_markdown(struct buf *b, struct str s)
{
	for (size_t i = 0, from = 0; i <= s.n; i++) {
		const char *as = i == s.n ? "" : s.p[i] == '|' ? "\\|" : s.p[i] == '\\' ? "\\\\" : s.p[i] == '<' ? "&lt;" : s.p[i] == '\n' ? "<br>" : NULL;

		if (!as)
			continue;
		if (term_safe(b, (struct str){ s.p + from, i - from }) || buf_puts(b, as))
			return -1;
		from = i + 1;
	}
	return 0;
}

static int markdown_header(struct pretty *t)
{
	t->started = true;
	for (int i = 0; i < t->n; i++)
		if (buf_puts(&t->text, "| ") || put_markdown(&t->text, t->schema->fields[t->cols[i].col].name) || buf_byte(&t->text, ' '))
			return -1;
	if (buf_puts(&t->text, "|\n"))
		return -1;
	for (int i = 0; i < t->n; i++)
		if (buf_puts(&t->text, t->cols[i].right ? "| ---: " : "| --- "))
			return -1;
	return buf_puts(&t->text, "|\n");
}

static int markdown_row(struct pretty *t, const struct batch *b, int64_t row)
{
	for (int i = 0; i < t->n; i++) {
		const struct column *c = &b->cols[t->cols[i].col];
		bool null = column_is_null(c, row);

		if (!null && print_value(t, c, row))
			return -1;
		if (buf_puts(&t->text, "| ") || put_markdown(&t->text, null ? t->null : buf_view(&t->value)) || buf_byte(&t->text, ' '))
			return -1;
	}
	return buf_puts(&t->text, "|\n");
}

static int markdown_rows(struct sink *sink, struct batch *b, struct err *e)
{
	struct pretty *t = (struct pretty *)sink;
	int rc = 0;

	if (!t->started && markdown_header(t))
		return err_oom(e);
	for (int64_t row = 0; row < b->nrows && rc == 0; row++) {
		if (markdown_row(t, b, row))
			return err_oom(e);
		if (t->text.n > 1 << 16)
			rc = flush(t, e);
	}
	return rc < 0 ? rc : flush(t, e);
}

static int write_markdown(struct sink *sink, struct batch *b, struct err *e)
{
	return write_before_rest((struct pretty *)sink, b, markdown_rows, e);
}

static int finish_markdown(struct sink *sink, struct err *e)
{
	struct pretty *t = (struct pretty *)sink;
	int rc;

	if (!t->started && markdown_header(t))
		return err_oom(e);
	rc = flush(t, e);
	return rc < 0 ? rc : out_commit(t->out, e);
}

static void fail(struct sink *sink, const struct err *why)
{
	(void)why;
	out_abort(((struct pretty *)sink)->out);
}

/* The rows before an error are shown, also when they were still being held. */
static void fail_table(struct sink *sink, const struct err *why)
{
	struct pretty *t = (struct pretty *)sink;
	struct err ignored;

	if (!t->started && t->nheld && why->status != ST_CLOSED && start_table(t, &ignored) < 0)
		release(t); /* the error that is being reported came first */
	fail(sink, why);
}

static void close_pretty(struct sink *sink)
{
	struct pretty *t = (struct pretty *)sink;

	release(t);
	out_close(t->out);
	schema_unref(t->schema);
	buf_free(&t->text);
	buf_free(&t->value);
	buf_free(&t->cell);
	free(t->cols);
	free(t);
}

static struct pretty *open_pretty(struct out *out, const struct schema *schema, const struct write_opts *o)
{
	struct pretty *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->cols = calloc((size_t)schema->nfields + 1, sizeof *t->cols);
	if (!t->cols) {
		free(t);
		return NULL;
	}
	t->rest = o->rest ? -1 : rest_column(schema);
	for (int i = 0; i < schema->nfields; i++)
		if (i != t->rest)
			t->cols[t->n++] = (struct shown){ .col = i, .right = type_is_numeric(&schema->fields[i].type) };
	t->out = out;
	t->schema = schema_ref(schema);
	t->width = o->width > 0 ? o->width : DEFAULT_WIDTH;
	t->colour = o->colour;
	t->header = !o->no_header;
	t->live = !out_is_file(out) && !out_is_pipe(out);
	return t;
}

static int open_table(struct out *out, const struct schema *schema, const struct write_opts *o, struct sink **ret, struct err *e)
{
	struct pretty *t = open_pretty(out, schema, o);

	if (!t) {
		out_close(out);
		return err_oom(e);
	}
	t->sink = (struct sink){ write_table, finish_table, fail_table, close_pretty, NULL };
	t->null = o->null ? str_of(o->null) : STR(NULL_SIGN);
	*ret = &t->sink;
	return 0;
}

static int open_markdown(struct out *out, const struct schema *schema, const struct write_opts *o, struct sink **ret, struct err *e)
{
	struct pretty *t = open_pretty(out, schema, o);

	if (!t) {
		out_close(out);
		return err_oom(e);
	}
	t->sink = (struct sink){ write_markdown, finish_markdown, fail, close_pretty, NULL };
	t->null = o->null ? str_of(o->null) : STR("");
	*ret = &t->sink;
	return 0;
}

const struct format format_table = {
	.name = "table",
	.help = "a table that fits the terminal (written only)",
	.write = open_table,
};

const struct format format_markdown = {
	.name = "markdown",
	.suffixes = ".md",
	.help = "a Markdown table (written only)",
	.write = open_markdown,
};
