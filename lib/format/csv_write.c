/* The CSV sink: rows of text columns are copied as they lie; a value is quoted when it holds the delimiter, a quote, CR or LF, when
 * it is empty or spells the null text, and nowhere else.
 *
 * What a strip of a column needs is found by one look at all its bytes: values that hold nothing special, the common case, then
 * cost a copy. Other types are printed by value_print(). */
#include "lib/format/csv.h"

#include <stdlib.h>

#define STRIP_FIELDS 8192
#define BLOCK ((size_t)256 << 10)
#define SLACK 16

struct writer {
	struct sink sink;
	struct out *out;
	char delimiter;
	struct str null, eol;
	int ncols;
	bool done, at_start; /* at_start: nothing has been written yet */
	int hidden;         /* the column _rest that is not to be written, or -1 */
	bool special[256];  /* bytes that make a value need quotes */
	struct buf buf;     /* rows on their way out */
	struct buf cells;   /* printed values of columns that are not text */
	struct cell_col *cols;
};

/* A column of the strip that is being written. */
struct cell_col {
	const uint8_t *values;
	const int32_t *offsets;
	const uint8_t *valid;
	bool plain;               /* no value needs quotes */
	struct buf text, ends;    /* what offsets and values point to when the column was printed */
};

static bool has_special(const struct writer *w, const uint8_t *p, size_t n)
{
	unsigned any = 0;

	for (size_t i = 0; i < n; i++)
		any |= w->special[p[i]];
	return any != 0;
}

/* As the first bytes of the output they would be taken for a byte order mark. */
static bool looks_like_bom(struct str s)
{
	return str_starts(s, STR("\xEF\xBB\xBF")) || str_starts(s, STR("\xFE\xFF")) || str_starts(s, STR("\xFF\xFE"));
}

static bool needs_quotes(const struct writer *w, struct str s)
{
	if (w->at_start && looks_like_bom(s))
		return true;
	return s.n == 0 || has_special(w, (const uint8_t *)s.p, s.n) || (w->null.n && str_eq(s, w->null));
}

static int put_quoted(struct buf *b, struct str s)
{
	uint8_t *to;

	if (buf_reserve(b, s.n * 2 + 2))
		return -1;
	to = b->p + b->n;
	*to++ = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			*to++ = '"';
		*to++ = (uint8_t)s.p[i];
	}
	*to++ = '"';
	b->n = (size_t)(to - b->p);
	return 0;
}

static int put_value(struct writer *w, struct buf *b, struct str s)
{
	return needs_quotes(w, s) ? put_quoted(b, s) : buf_str(b, s);
}

/* ---- strips ---- */

/* Prints rows of a column that is not text. */
static int print_strip(const struct column *c, int64_t from, int64_t n, struct cell_col *to)
{
	int32_t end = 0;

	to->text.n = to->ends.n = 0;
	if (buf_add(&to->ends, &end, sizeof end))
		return -1;
	for (int64_t i = from; i < from + n; i++) {
		if (!column_is_null(c, i) && value_print(c, i, &to->text))
			return -1;
		if (to->text.n > INT32_MAX)
			return -1;
		end = (int32_t)to->text.n;
		if (buf_add(&to->ends, &end, sizeof end))
			return -1;
	}
	if (buf_reserve(&to->text, SLACK))
		return -1;
	to->values = to->text.p;
	to->offsets = (const int32_t *)(const void *)to->ends.p;
	return 0;
}

static bool any_empty(const struct cell_col *c, int64_t n)
{
	int32_t least = 1;

	for (int64_t i = 0; i < n; i++)
		least &= c->offsets[i + 1] != c->offsets[i];
	return !least;
}

static bool is_plain(const struct writer *w, const struct cell_col *c, int64_t n)
{
	return !w->null.n && !c->valid && !any_empty(c, n) &&
	       !has_special(w, c->values + c->offsets[0], (size_t)(c->offsets[n] - c->offsets[0]));
}

static int prepare_strip(struct writer *w, const struct column *c, int64_t from, int64_t n, struct cell_col *to)
{
	to->valid = NULL;
	if (c->type->layout == LAY_VAR) {
		to->values = c->values;
		to->offsets = c->offsets + from;
	} else if (print_strip(c, from, n, to)) {
		return -1;
	}
	for (int64_t i = from; c->null_count && !to->valid && i < from + n; i++)
		if (column_is_null(c, i))
			to->valid = c->valid;
	if (c->type->id == T_NULL)
		to->valid = (const uint8_t *)"";
	to->plain = !w->at_start && is_plain(w, to, n);
	return 0;
}

static int put_cell(struct writer *w, const struct column *c, const struct cell_col *cell, int64_t from, int64_t i)
{
	struct str s = { (const char *)cell->values + cell->offsets[i], (size_t)(cell->offsets[i + 1] - cell->offsets[i]) };

	if (cell->valid && column_is_null(c, from + i))
		return buf_str(&w->buf, w->null);
	return cell->plain ? buf_str(&w->buf, s) : put_value(w, &w->buf, s);
}

static int put_row(struct writer *w, const struct batch *b, int64_t from, int64_t i)
{
	bool first = true;

	for (int k = 0; k < w->ncols; k++) {
		if (k == w->hidden)
			continue;
		if (!first && buf_byte(&w->buf, (uint8_t)w->delimiter))
			return -1;
		first = false;
		if (put_cell(w, &b->cols[k], &w->cols[k], from, i))
			return -1;
		w->at_start = false;
	}
	return buf_str(&w->buf, w->eol);
}

static int write_strip(struct writer *w, const struct batch *b, int64_t from, int64_t n, struct err *e)
{
	for (int k = 0; k < w->ncols; k++)
		if (prepare_strip(w, &b->cols[k], from, n, &w->cols[k]))
			return err_oom(e);
	for (int64_t i = 0; i < n; i++) {
		if (put_row(w, b, from, i))
			return err_oom(e);
		if (w->buf.n >= BLOCK) {
			int rc = out_write(w->out, w->buf.p, w->buf.n, e);

			w->buf.n = 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int flush(struct writer *w, struct err *e)
{
	int rc = w->buf.n ? out_write(w->out, w->buf.p, w->buf.n, e) : 0;

	w->buf.n = 0;
	if (rc == 0 && !out_is_file(w->out))
		rc = out_flush(w->out, e);
	return rc;
}

/* A column that is not shown must have nothing to show. */
static int check_hidden(const struct writer *w, const struct batch *b, struct err *e)
{
	const struct column *c;

	if (w->hidden < 0)
		return 0;
	c = &b->cols[w->hidden];
	for (int64_t i = 0; i < c->length; i++) {
		if (column_is_null(c, i))
			continue;
		err_set(e, ST_DATA, "late keys, not among the columns: %.*s", (int)column_str(c, i).n, column_str(c, i).p);
		batch_err_at(b, i, w->hidden, e);
		return err_hint(e, "look at more input for the columns: --sample 100M; write them as one column: --rest");
	}
	return 0;
}

static int write_batch(struct sink *s, struct batch *b, struct err *e)
{
	struct writer *w = (struct writer *)s;
	int64_t step = w->ncols < STRIP_FIELDS ? STRIP_FIELDS / (w->ncols + 1) : 1;
	int rc = check_hidden(w, b, e);

	for (int64_t from = 0; rc == 0 && from < b->nrows; from += step)
		rc = write_strip(w, b, from, b->nrows - from < step ? b->nrows - from : step, e);
	return rc < 0 ? rc : flush(w, e);
}

static int finish(struct sink *s, struct err *e)
{
	struct writer *w = (struct writer *)s;

	w->done = true;
	return out_commit(w->out, e);
}

static void fail(struct sink *s, const struct err *why)
{
	struct writer *w = (struct writer *)s;
	struct err e;

	(void)why;
	if (!w->done) { /* the rows before the error are good: to a pipe they go */
		int rc = w->buf.n ? out_write(w->out, w->buf.p, w->buf.n, &e) : 0;

		rc = rc < 0 ? rc : out_flush(w->out, &e);

		(void)rc;
	}
	w->done = true;
	out_abort(w->out);
}

static void close_writer(struct sink *s)
{
	struct writer *w = (struct writer *)s;

	for (int i = 0; w->cols && i < w->ncols; i++) {
		buf_free(&w->cols[i].text);
		buf_free(&w->cols[i].ends);
	}
	free(w->cols);
	buf_free(&w->buf);
	buf_free(&w->cells);
	out_close(w->out);
	free(w);
}

static struct str eol_of(const struct schema *s)
{
	const struct str *v = kvs_get(&s->meta, STR(META_EOL));

	if (v && str_is(*v, "crlf"))
		return STR("\r\n");
	return v && str_is(*v, "cr") ? STR("\r") : STR("\n");
}

static int put_header(struct writer *w, const struct schema *s)
{
	bool first = true;

	for (int i = 0; i < s->nfields; i++) {
		if (i == w->hidden)
			continue;
		if (!first && buf_byte(&w->buf, (uint8_t)w->delimiter))
			return -1;
		first = false;
		if (put_value(w, &w->buf, s->fields[i].name))
			return -1;
		w->at_start = false;
	}
	return first ? 0 : buf_str(&w->buf, w->eol);
}

static int set_delimiter(struct writer *w, const char *given, char own, struct err *e)
{
	w->delimiter = own;
	if (!given)
		return 0;
	w->delimiter = strcmp(given, "\\t") == 0 ? '\t' : given[0];
	if ((given[0] && given[1] && w->delimiter != '\t') || !given[0] || strchr("\"\r\n", w->delimiter) || (w->delimiter & 0x80))
		return err_set(e, ST_USAGE, "--out-delimiter: \"%s\" is not one ASCII character (a tab is \\t)", given);
	return 0;
}

static int start(struct writer *w, const struct schema *s, const struct write_opts *o, char delimiter, struct err *e)
{
	int rc = set_delimiter(w, o->delimiter, delimiter, e);

	if (rc < 0)
		return rc;
	w->ncols = s->nfields;
	w->at_start = true;
	w->null = o->null ? str_of(o->null) : STR("");
	w->eol = eol_of(s);
	w->special[(uint8_t)w->delimiter] = w->special['"'] = w->special['\n'] = w->special['\r'] = true;
	if (has_special(w, (const uint8_t *)w->null.p, w->null.n))
		return err_set(e, ST_USAGE, "--null-out: \"%s\" would need quotes, and nulls are written without", o->null);
	w->hidden = o->rest ? -1 : schema_find(s, STR("_rest"));
	if (w->hidden >= 0 && s->fields[w->hidden].type.mark != MARK_JSON)
		w->hidden = -1;
	w->cols = calloc((size_t)s->nfields + 1, sizeof *w->cols);
	if (!w->cols || (!o->no_header && put_header(w, s)))
		return err_oom(e);
	return flush(w, e);
}

int csv_open_sink(struct out *out, const struct schema *s, const struct write_opts *o, char delimiter, struct sink **ret, struct err *e)
{
	struct writer *w = calloc(1, sizeof *w);
	int rc;

	if (!w) {
		out_close(out);
		return err_oom(e);
	}
	w->out = out;
	w->sink = (struct sink){ write_batch, finish, fail, close_writer };
	if ((rc = start(w, s, o, delimiter, e)) < 0) {
		close_writer(&w->sink);
		return rc;
	}
	*ret = &w->sink;
	return 0;
}
