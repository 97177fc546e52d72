/* The CSV sink: rows of text columns are copied as they lie; a value is quoted when it holds the delimiter, a quote, CR or LF,
 * when it is empty or spells the null text, and nowhere else. An escape character, if there is one, stands before itself and,
 * inside quotes, before a quote; without quotes before all that would have needed them.
 *
 * Rows are written by the strip. One look at all bytes of a column's strip says what its values may need; those that need
 * nothing, the common case, cost a copy of 16 bytes. A strip reserves the most that it can take beforehand. */
#include "lib/format/csv.h"

#include "lib/base/copy.h"

#include <stdlib.h>

#define STRIP_FIELDS 8192
#define BLOCK ((size_t)256 << 10)

enum care {
	CARE_NONE,  /* values without nulls, empty ones or special bytes */
	CARE_EMPTY, /* nulls and empty values, no special bytes */
	CARE_EACH,  /* any value may need quotes */
};

/* A column of the strip that is being written. */
struct cell_col {
	const uint8_t *values;
	const int32_t *offsets;
	const struct column *nulls; /* NULL: none in this strip */
	enum care care;
	struct buf text, ends; /* owned: what values and offsets point to when the column was printed or copied */
};

/* What ends a line. */
struct ending {
	uint8_t text[2];
	size_t n;
};

struct writer {
	struct sink sink;
	struct line_form lines; /* what may be copied */
	struct out *out;
	uint8_t delimiter, quote;
	bool quotes;         /* there are some; if not, `quote` is the delimiter */
	int escape;          /* -1: none, a quote is doubled */
	int comment;         /* a line that begins with it would be passed over by who reads it so, as the input was; -1: none */
	struct str null, like_null; /* like_null: a value that would be taken for a null; empty: none would */
	struct ending ends[LINE_OPEN + 1]; /* by enum line_end */
	const uint8_t *line_ends; /* of the rows of the batch; NULL: all the usual one */
	int ncols;           /* that are written */
	bool done, at_start; /* at_start: nothing has been written yet */
	bool same_end, owed; /* lines end as they did; owed: the last one has no end yet, and gets one if another follows */
	int hidden;          /* the column _rest that is not to be written, or -1 */
	bool special[256];   /* bytes that make a value need quotes, or an escape each where there are none */
	struct buf buf;      /* rows on their way out */
	uint32_t *row_ends;  /* where each of them ends there; NULL: nobody asks */
	struct cell_col *cols;
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* The same question as w->special[] for many bytes at once. */
static bool has_special(const struct writer *w, const uint8_t *p, size_t n)
{
	bytes16 any = { 0 };
	uint64_t half[2];
	unsigned rest = 0;
	size_t i = 0;

	for (; n - i >= sizeof any; i += sizeof any) {
		bytes16 v;

		memcpy(&v, p + i, sizeof v);
		any |= (bytes16)(v == w->delimiter) | (bytes16)(v == w->quote) | (bytes16)(v == '\n') | (bytes16)(v == '\r');
	}
	for (; i < n; i++)
		rest |= w->special[p[i]];
	memcpy(half, &any, sizeof half);
	return (half[0] | half[1] | rest) != 0;
}

/* As the first bytes of the output they would be taken for a byte order mark. */
static bool looks_like_bom(struct str s)
{
	return str_starts(s, STR("\xEF\xBB\xBF")) || str_starts(s, STR("\xFE\xFF")) || str_starts(s, STR("\xFF\xFE"));
}

/* Taken for something else as a whole. `first`: it begins a line. */
static bool misread(const struct writer *w, struct str s, bool first)
{
	return (w->at_start && looks_like_bom(s)) || (first && s.n && (uint8_t)s.p[0] == w->comment) ||
	       (w->like_null.n && str_eq(s, w->like_null));
}

/* The most bytes that a value of n bytes can take. */
static size_t most(const struct writer *w, size_t n)
{
	return 2 * n + 2 + w->null.n;
}

static uint8_t *put_bytes(uint8_t *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

static uint8_t *put_value(const struct writer *w, uint8_t *to, struct str s, bool first)
{
	bool odd = misread(w, s, first);
	bool quoted = w->quotes && (odd || s.n == 0 || has_special(w, (const uint8_t *)s.p, s.n));
	int before = w->escape >= 0 ? w->escape : w->quote;

	if (!quoted && w->escape < 0)
		return put_bytes(to, s);
	if (quoted)
		*to++ = w->quote;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		if (c == w->escape || (quoted ? c == w->quote : w->special[c] || (odd && i == 0)))
			*to++ = (uint8_t)before;
		*to++ = c;
	}
	if (quoted)
		*to++ = w->quote;
	return to;
}

/* Only quotes could have made it readable again. */
static bool is_lost(const struct writer *w, struct str s, bool first)
{
	if (w->quotes || s.n == 0)
		return !w->quotes && !w->null.n;
	return w->escape < 0 && (misread(w, s, first) || has_special(w, (const uint8_t *)s.p, s.n));
}

static int refuse_lost(struct err *e)
{
	err_set(e, ST_DATA, "the value cannot be written without quotes");
	return err_hint(e, "--out-escape, and --null-out for empty text beside nulls, or no --out-quote none");
}

/* ---- strips ---- */

/* Prints rows of a column that is not text. */
static int print_strip(const struct column *c, int64_t from, int64_t n, struct cell_col *to)
{
	int32_t *offsets;

	to->text.n = to->ends.n = 0;
	if (buf_reserve(&to->ends, ((size_t)n + 1) * sizeof *offsets))
		return -1;
	offsets = (int32_t *)(void *)to->ends.p;
	offsets[0] = 0;
	if (values_print(c, from, n, &to->text, offsets + 1) || buf_reserve(&to->text, COPY_SLACK))
		return -1;
	to->values = to->text.p;
	to->offsets = offsets;
	return 0;
}

/* Copies read 16 bytes whatever the length: the last values of a column are moved to where that is allowed. */
static int guard_end(const struct column *c, int64_t n, struct cell_col *to)
{
	size_t begin = (size_t)to->offsets[0], end = (size_t)to->offsets[n];

	if (end + COPY_SLACK <= (size_t)c->offsets[c->length])
		return 0;
	to->text.n = 0;
	if (buf_reserve(&to->text, end - begin + COPY_SLACK) || buf_add(&to->text, c->values + begin, end - begin))
		return -1;
	to->values = (const uint8_t *)((uintptr_t)to->text.p - begin);
	return 0;
}

static const struct column *nulls_among(const struct column *c, int64_t from, int64_t n)
{
	if (c->type->id == T_NULL)
		return c;
	return c->null_count && c->valid && bits_count_range(c->valid, from, n) < n ? c : NULL;
}

static bool any_empty(const struct cell_col *c, int64_t n)
{
	uint32_t empty = 0;

	for (int64_t i = 0; i < n; i++)
		empty |= c->offsets[i + 1] == c->offsets[i];
	return empty;
}

static enum care care_of(const struct writer *w, const struct cell_col *c, int64_t n)
{
	const uint8_t *p = c->values + c->offsets[0];
	size_t bytes = (size_t)(c->offsets[n] - c->offsets[0]);

	if (w->at_start || w->null.n || (c == w->cols && w->comment >= 0) || has_special(w, p, bytes) ||
	    (w->escape >= 0 && bytes && memchr(p, w->escape, bytes)))
		return CARE_EACH;
	return c->nulls || any_empty(c, n) ? CARE_EMPTY : CARE_NONE;
}

static int prepare_strip(struct writer *w, const struct column *c, int64_t from, int64_t n, struct cell_col *to)
{
	if (c->type->layout == LAY_VAR) {
		to->values = c->values;
		to->offsets = c->offsets + from;
		if (guard_end(c, n, to))
			return -1;
	} else if (print_strip(c, from, n, to)) {
		return -1;
	}
	to->nulls = nulls_among(c, from, n);
	to->care = care_of(w, to, n);
	return 0;
}

/* The columns that are written, in order; and room for the strip. */
static int prepare(struct writer *w, const struct batch *b, int64_t from, int64_t n)
{
	size_t total = COPY_SLACK + (size_t)n * ((size_t)w->ncols + sizeof w->ends->text);
	struct cell_col *to = w->cols;

	for (int k = 0; k < b->schema->nfields; k++) {
		size_t bytes;

		if (k == w->hidden)
			continue;
		if (prepare_strip(w, &b->cols[k], from, n, to))
			return -1;
		bytes = (size_t)(to->offsets[n] - to->offsets[0]);
		total += to->care == CARE_NONE ? bytes : 2 * bytes + (size_t)n * most(w, 0);
		to++;
	}
	return buf_reserve(&w->buf, total);
}

static uint8_t *put_with_care(const struct writer *w, uint8_t *to, const struct cell_col *c, struct str s, int64_t row)
{
	if (c->nulls && column_is_null(c->nulls, row))
		return put_bytes(to, w->null);
	if (c->care == CARE_EACH)
		return put_value(w, to, s, c == w->cols);
	return put_value(w, to, s, false);
}

static uint8_t *put_end(uint8_t *to, struct ending end)
{
	memcpy(to, end.text, sizeof end.text);
	return to + end.n;
}

static void put_strip(struct writer *w, int64_t from, int64_t n)
{
	const struct cell_col *cols = w->cols, *end = w->cols + w->ncols;
	const uint8_t delimiter = w->delimiter, *line_ends = w->line_ends ? w->line_ends + from : NULL;
	const struct ending usual = w->ends[LINE_USUAL];
	uint8_t *to = w->buf.p + w->buf.n;

	for (int64_t i = 0; i < n; i++) {
		for (const struct cell_col *c = cols; c < end; c++) {
			const uint8_t *value = c->values + c->offsets[i];
			size_t len = (size_t)(c->offsets[i + 1] - c->offsets[i]);

			if (c->care == CARE_NONE || (c->care == CARE_EMPTY && len)) {
				to = copy_short(to, value, len);
			} else {
				to = put_with_care(w, to, c, (struct str){ (const char *)value, len }, from + i);
				w->at_start = false; /* values without care are not there at the start */
			}
			*to++ = delimiter;
		}
		to = put_end(to - (cols < end), line_ends ? w->ends[line_ends[i]] : usual);
		if (w->row_ends)
			*w->row_ends++ = (uint32_t)(to - w->buf.p);
	}
	w->buf.n = (size_t)(to - w->buf.p);
}

/* Rows before the first with a value that cannot be written, and its column. */
static int64_t writable(const struct writer *w, int64_t from, int64_t n, int *col)
{
	for (int64_t i = 0; i < n && !w->quotes; i++)
		for (*col = 0; *col < w->ncols; ++*col) {
			const struct cell_col *c = &w->cols[*col];
			struct str s = { (const char *)c->values + c->offsets[i], (size_t)(c->offsets[i + 1] - c->offsets[i]) };

			if (c->care != CARE_NONE && !(c->nulls && column_is_null(c->nulls, from + i)) && is_lost(w, s, *col == 0))
				return i;
		}
	return n;
}

static int write_strip(struct writer *w, const struct batch *b, int64_t from, int64_t n, struct err *e)
{
	int64_t good;
	int rc = 0, col = 0;

	if (w->buf.n >= BLOCK) {
		rc = out_write(w->out, w->buf.p, w->buf.n, e);
		w->buf.n = 0;
	}
	if (rc == 0 && prepare(w, b, from, n))
		return err_oom(e);
	if (rc < 0)
		return rc;
	good = writable(w, from, n, &col);
	put_strip(w, from, good);
	if (good == n)
		return 0;
	refuse_lost(e);
	return batch_err_at(b, from + good, col + (w->hidden >= 0 && col >= w->hidden), e);
}

static int flush(struct writer *w, struct err *e)
{
	int rc = w->buf.n ? out_write(w->out, w->buf.p, w->buf.n, e) : 0;

	w->buf.n = 0;
	if (rc == 0 && !out_is_file(w->out))
		rc = out_flush(w->out, e);
	return rc;
}

/* Rows before the first that has something in the column that is not shown. */
static int64_t showable(const struct writer *w, const struct batch *b)
{
	int64_t n = w->hidden < 0 || b->cols[w->hidden].null_count == b->nrows ? b->nrows : 0;

	while (n < b->nrows && column_is_null(&b->cols[w->hidden], n))
		n++;
	return n;
}

static int end_line(struct writer *w)
{
	return buf_add(&w->buf, w->ends[LINE_USUAL].text, w->ends[LINE_USUAL].n);
}

/* A null of one column: nothing but its line end says that it is there. */
static bool last_line_is_empty(const struct writer *w)
{
	const uint8_t *end = w->buf.p + w->buf.n - w->ends[LINE_USUAL].n;

	return end == w->buf.p || end[-1] == '\n' || end[-1] == '\r';
}

static int write_lines(struct writer *w, const struct text_lines *l, int64_t n, struct err *e)
{
	int rc = out_write(w->out, w->buf.p, w->buf.n, e);

	w->buf.n = 0;
	w->at_start &= n == 0;
	return rc < 0 ? rc : out_write(w->out, l->text + l->at[0], l->at[n] - l->at[0], e);
}

static int64_t strip_rows(const struct writer *w)
{
	return w->ncols < STRIP_FIELDS ? (STRIP_FIELDS - 1) / (w->ncols + 1) + 1 : 1;
}

static int write_batch(struct sink *s, struct batch *b, struct err *e)
{
	struct writer *w = (struct writer *)s;
	int64_t step = strip_rows(w), n = showable(w, b);
	const struct origin *o = &b->origin;
	int rc = w->owed && n && end_line(w) ? err_oom(e) : 0;

	w->owed &= n == 0;
	w->line_ends = w->same_end && o->line_ends ? o->line_ends + o->text_row : NULL;
	if (b->lines.at && rc == 0)
		rc = write_lines(w, &b->lines, n, e);
	for (int64_t from = 0; rc == 0 && from < n && !b->lines.at; from += step)
		rc = write_strip(w, b, from, n - from < step ? n - from : step, e);
	if (rc == 0 && n < b->nrows)
		rc = rest_refused(b, w->hidden, e);
	if (rc == 0 && n && w->same_end && o->open_end && !last_line_is_empty(w)) {
		w->buf.n -= w->ends[LINE_USUAL].n;
		w->owed = true;
	}
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

static void free_room(struct writer *w)
{
	for (int i = 0; w->cols && i < w->ncols; i++) {
		buf_free(&w->cols[i].text);
		buf_free(&w->cols[i].ends);
	}
	free(w->cols);
	buf_free(&w->buf);
}

static void close_writer(struct sink *s)
{
	struct writer *w = (struct writer *)s;

	free_room(w);
	out_close(w->out);
	free(w);
}

/* lines.end is the usual one. */
static void name_ends(struct writer *w)
{
	w->ends[LINE_LF] = (struct ending){ "\n", 1 };
	w->ends[LINE_CR] = (struct ending){ "\r", 1 };
	w->ends[LINE_CRLF] = (struct ending){ { '\r', '\n' }, 2 };
	w->ends[LINE_USUAL] = w->ends[w->lines.end];
}

static void set_ends(struct writer *w, const struct schema *s, const struct write_opts *o)
{
	const struct str *v = kvs_get(&s->meta, STR(META_EOL));

	w->lines.end = v && str_is(*v, "crlf") ? LINE_CRLF : v && str_is(*v, "cr") ? LINE_CR : LINE_LF;
	name_ends(w);
	w->same_end = o->same_end;
	w->owed = o->same_end && !o->no_header && w->ncols && v && str_is(*v, "none");
}

static int put_header(struct writer *w, const struct schema *s, struct err *e)
{
	uint8_t *to;

	for (int i = 0; i < s->nfields; i++) {
		struct str name = s->fields[i].name;

		if (i == w->hidden)
			continue;
		if (is_lost(w, name, w->buf.n == 0)) {
			refuse_lost(e);
			return err_field(e, name.p, (int)name.n);
		}
		if (buf_reserve(&w->buf, most(w, name.n) + 1))
			return err_oom(e);
		to = put_value(w, w->buf.p + w->buf.n, name, w->buf.n == 0);
		*to++ = w->delimiter;
		w->buf.n = (size_t)(to - w->buf.p);
		w->at_start = false;
	}
	w->buf.n -= w->ncols > 0;
	return w->ncols && !w->owed && end_line(w) ? err_oom(e) : 0;
}

static int set_delimiter(struct writer *w, const char *given, char own, struct err *e)
{
	w->delimiter = (uint8_t)own;
	if (!given)
		return 0;
	w->delimiter = strcmp(given, "\\t") == 0 ? '\t' : (uint8_t)given[0];
	if ((given[0] && given[1] && w->delimiter != '\t') || !given[0] || strchr("\"\r\n", w->delimiter) ||
	    (w->delimiter & 0x80))
		return err_set(e, ST_USAGE, "--out-delimiter: \"%s\" is not one ASCII character (a tab is \\t)", given);
	return 0;
}

static int set_quote(struct writer *w, const char *given, struct err *e)
{
	w->quotes = !given || strcmp(given, "none") != 0;
	w->quote = !w->quotes ? w->delimiter : given ? (uint8_t)given[0] : '"';
	if (given && w->quotes && (!given[0] || given[1] || strchr("\r\n", given[0]) || (w->quote & 0x80) || w->quote == w->delimiter))
		return err_set(e, ST_USAGE, "--out-quote: \"%s\" is not one ASCII character other than the delimiter", given);
	return 0;
}

/* As the quote it is no escape: a quote is doubled. */
static int set_escape(struct writer *w, const char *given, struct err *e)
{
	w->escape = given ? (uint8_t)given[0] : -1;
	if (given && (!given[0] || given[1] || strchr("\r\n", given[0]) || w->escape & 0x80 || w->escape == w->delimiter ||
		      w->escape == w->comment))
		return err_set(e, ST_USAGE,
			       "--out-escape: \"%s\" is not one ASCII character other than the delimiter and that of comments", given);
	if (w->quotes && w->escape == w->quote)
		w->escape = -1;
	return 0;
}

/* A null's text reads back as such when nothing in it has a meaning, but for an escape before an ordinary first byte: no value
 * is written so. */
static int set_null(struct writer *w, const char *given, struct err *e)
{
	struct str s = given ? str_of(given) : STR("");
	const char *escape = w->escape >= 0 && s.n ? memchr(s.p, w->escape, s.n) : NULL;

	w->null = s;
	w->like_null = escape ? STR("") : s;
	if (has_special(w, (const uint8_t *)s.p, s.n) ||
	    (escape && (escape != s.p || s.n < 2 || (uint8_t)s.p[1] == w->comment || memchr(s.p + 1, w->escape, s.n - 1))))
		return err_set(e, ST_USAGE, "--null-out: \"%s\" would need quotes%s, and nulls are written without", given,
			       escape ? " or an escape" : "");
	return 0;
}

static void set_special(struct writer *w)
{
	w->special[w->delimiter] = w->special[w->quote] = w->special['\n'] = w->special['\r'] = true;
}

static int print_strips(struct writer *w, const struct batch *b, struct err *e)
{
	int64_t step = strip_rows(w);

	for (int64_t from = 0; from < b->nrows; from += step) {
		int64_t n = b->nrows - from < step ? b->nrows - from : step;

		if (prepare(w, b, from, n))
			return err_oom(e);
		put_strip(w, from, n);
		if (w->buf.n > INT32_MAX)
			return err_set(e, ST_OSERR, "a batch of more than 2 GiB of text");
	}
	return 0;
}

/* By a writer of that form, without an output. */
static int print_lines(const struct line_form *f, const struct batch *b, struct arena *a, struct text_lines *ret, struct err *e)
{
	int ncols = b->schema->nfields;
	uint32_t *at = arena_alloc(a, ((size_t)b->nrows + 1) * sizeof *at);
	struct writer w = { .lines = *f, .delimiter = f->delimiter, .quote = f->quote, .quotes = true, .escape = -1, .comment = f->comment,
			    .ncols = ncols, .hidden = -1, .cols = calloc((size_t)ncols + 1, sizeof *w.cols),
			    .row_ends = at ? at + 1 : NULL };
	int rc = at && w.cols ? 0 : err_oom(e);

	set_special(&w);
	name_ends(&w);
	if (rc == 0 && (rc = print_strips(&w, b, e)) == 0) {
		at[0] = 0;
		*ret = (struct text_lines){ arena_alloc(a, w.buf.n + LINE_SLACK), at };
		rc = ret->text ? 0 : err_oom(e);
	}
	if (rc == 0 && w.buf.n)
		memcpy((void *)(uintptr_t)ret->text, w.buf.p, w.buf.n);
	free_room(&w);
	return rc;
}

/* Says which lines may come instead of columns; set_ends() has said how they end. */
static void take_lines(struct writer *w, const struct schema *s, const struct write_opts *o)
{
	w->lines.delimiter = w->delimiter;
	w->lines.quote = w->quote;
	w->lines.comment = w->comment;
	w->lines.any_start = !o->no_header;
	w->lines.own_ends = o->same_end;
	w->lines.print = print_lines;
	if (w->ncols && w->ncols == s->nfields && !w->null.n && w->quotes && w->escape < 0)
		w->sink.lines = &w->lines;
}

static int start(struct writer *w, const struct schema *s, const struct write_opts *o, char delimiter, struct err *e)
{
	int rc;

	w->comment = o->comment && o->comment[0] ? (uint8_t)o->comment[0] : -1;
	if ((rc = set_delimiter(w, o->delimiter, delimiter, e)) < 0 || (rc = set_quote(w, o->quote, e)) < 0 ||
	    (rc = set_escape(w, o->escape, e)) < 0)
		return rc;
	set_special(w);
	if ((rc = set_null(w, o->null, e)) < 0)
		return rc;
	w->at_start = true;
	w->hidden = o->rest ? -1 : schema_find(s, STR("_rest"));
	if (w->hidden >= 0 && s->fields[w->hidden].type.mark != MARK_JSON)
		w->hidden = -1;
	w->ncols = s->nfields - (w->hidden >= 0);
	set_ends(w, s, o);
	w->cols = calloc((size_t)s->nfields + 1, sizeof *w->cols);
	if (!w->cols)
		return err_oom(e);
	if (!o->no_header && (rc = put_header(w, s, e)) < 0)
		return rc;
	take_lines(w, s, o);
	return flush(w, e);
}

int csv_open_sink(struct out *out, const struct schema *s, const struct write_opts *o, char delimiter, struct sink **ret,
		  struct err *e)
{
	struct writer *w = calloc(1, sizeof *w);
	int rc;

	if (!w) {
		out_close(out);
		return err_oom(e);
	}
	w->out = out;
	w->sink = (struct sink){ write_batch, finish, fail, close_writer, NULL };
	if ((rc = start(w, s, o, delimiter, e)) < 0) {
		close_writer(&w->sink);
		return rc;
	}
	*ret = &w->sink;
	return 0;
}
