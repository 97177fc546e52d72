/* Web server logs: the combined format of Apache and nginx, and the common format, which lacks its last two fields.
 *
 *     host ident user [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326 "referer" "agent"
 *
 * The columns are host, ident, user, time, method, url, protocol, status, bytes, referer, agent. A - is null. What stands in
 * quotes keeps the escapes that the server wrote. A request that is not three words is the url as it stands. If the first
 * line has more behind the agent, that is the column `extra` (all of it, as it stands); in later lines only then. */
#include "lib/base/utf8.h"
#include "lib/format/declare.h"
#include "lib/format/records.h"
#include "lib/table/badlog.h"

#include <stdlib.h>

enum { HOST, IDENT, USER, TIME, METHOD, URL, PROTOCOL, STATUS, BYTES, REFERER, AGENT, EXTRA, FIELDS };

static const char *const names[FIELDS] = { "host", "ident", "user", "time", "method", "url", "protocol", "status", "bytes", "referer",
	"agent", "extra" };

struct log_source {
	struct records records;
	struct rows rows;
};

/* One line taken apart: texts of the fields, p = NULL for null; and where the first fault is. */
struct log_line {
	struct str field[FIELDS];
	int64_t time;
	const char *fault, *msg; /* NULL: none */
	int bad_field;           /* of a bad value; -1: the line has not the shape */
};

struct scan {
	const char *p, *end;
	struct log_line *line;
};

static bool fault(struct scan *s, const char *msg)
{
	s->line->fault = s->p;
	s->line->msg = msg;
	s->line->bad_field = -1;
	return false;
}

static struct str or_null(const char *p, size_t n)
{
	return n == 1 && *p == '-' ? (struct str){ NULL, 0 } : (struct str){ p, n };
}

static bool expect(struct scan *s, char c, const char *msg)
{
	if (s->p >= s->end || *s->p != c)
		return fault(s, msg);
	s->p++;
	return true;
}

/* A field up to the next blank or the end. */
static bool word(struct scan *s, int field)
{
	const char *blank = memchr(s->p, ' ', (size_t)(s->end - s->p)), *end = blank ? blank : s->end;

	if (end == s->p)
		return fault(s, "a field is missing here");
	s->line->field[field] = or_null(s->p, (size_t)(end - s->p));
	s->p = end;
	return true;
}

/* A name of a user may have blanks in it: it ends where the time begins. */
static bool user(struct scan *s)
{
	const char *time = memmem(s->p, (size_t)(s->end - s->p), " [", 2);

	if (!time || time == s->p)
		return fault(s, "no [time] follows");
	s->line->field[USER] = or_null(s->p, (size_t)(time - s->p));
	s->p = time + 2;
	return true;
}

/* Text in quotes; a backslash takes the next character's meaning. */
static bool quoted(struct scan *s, struct str *ret)
{
	const char *p;

	if (!expect(s, '"', "a quote must stand here"))
		return false;
	for (p = s->p; p < s->end && *p != '"'; p++)
		p += *p == '\\' && p + 1 < s->end;
	if (p >= s->end)
		return fault(s, "the quoted text is not closed");
	*ret = or_null(s->p, (size_t)(p - s->p));
	s->p = p + 1;
	return true;
}

static bool two(const char *p, int most, int *v)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*v = (p[0] - '0') * 10 + p[1] - '0';
	return *v <= most;
}

/* "10/Oct/2000:13:55:36 -0700" as microseconds since the epoch. */
static bool parse_time(struct str s, int64_t *us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char iso[32];
	const char *m = NULL;
	int v;

	if (s.n != 26 || s.p[2] != '/' || s.p[6] != '/' || s.p[11] != ':' || s.p[20] != ' ')
		return false;
	for (int i = 0; i < 12 && !m; i++)
		m = memcmp(months + 3 * i, s.p + 3, 3) == 0 ? months + 3 * i : NULL;
	if (!m || !two(s.p, 31, &v) || (s.p[21] != '+' && s.p[21] != '-'))
		return false;
	v = (int)(m - months) / 3 + 1;
	memcpy(iso, s.p + 7, 4);
	memcpy(iso + 4, (char[]){ '-', (char)('0' + v / 10), (char)('0' + v % 10), '-' }, 4);
	memcpy(iso + 8, s.p, 2);
	iso[10] = 'T';
	memcpy(iso + 11, s.p + 12, 8);
	memcpy(iso + 19, s.p + 21, 3);
	iso[22] = ':';
	memcpy(iso + 23, s.p + 24, 2);
	return time_parse((struct str){ iso, 25 }, us);
}

/* A value that is not what its column holds: noted once, and null. */
static void bad_value(struct scan *s, int field, const char *msg)
{
	if (!s->line->fault) {
		s->line->fault = s->line->field[field].p;
		s->line->msg = msg;
		s->line->bad_field = field;
	}
	s->line->field[field] = (struct str){ 0 };
}

static bool timestamp(struct scan *s)
{
	const char *close = memchr(s->p, ']', (size_t)(s->end - s->p));

	if (!close)
		return fault(s, "the time is not closed with ]");
	s->line->field[TIME] = (struct str){ s->p, (size_t)(close - s->p) };
	if (!parse_time(s->line->field[TIME], &s->line->time))
		bad_value(s, TIME, "no time such as 10/Oct/2000:13:55:36 -0700");
	s->p = close + 1;
	return true;
}

static bool request(struct scan *s)
{
	struct str r, *f = s->line->field;
	const char *first, *last;

	if (!quoted(s, &r))
		return false;
	if (!r.p || !r.n)
		return true;
	first = memchr(r.p, ' ', r.n);
	last = memrchr(r.p, ' ', r.n);
	if (!first || first == last || first == r.p || last == r.p + r.n - 1) {
		f[URL] = r;
		return true;
	}
	f[METHOD] = (struct str){ r.p, (size_t)(first - r.p) };
	f[URL] = (struct str){ first + 1, (size_t)(last - first - 1) };
	f[PROTOCOL] = (struct str){ last + 1, (size_t)(r.p + r.n - last - 1) };
	return true;
}

static bool number(struct scan *s, int field)
{
	struct str *f = &s->line->field[field];

	if (!expect(s, ' ', "a blank must stand here") || !word(s, field))
		return false;
	for (size_t i = 0; f->p && i < f->n; i++)
		if (f->p[i] < '0' || f->p[i] > '9') {
			bad_value(s, field, "not a number");
			return true;
		}
	return true;
}

static bool tail(struct scan *s)
{
	struct str *f = s->line->field;

	if (s->p == s->end)
		return true; /* the common format */
	if (!expect(s, ' ', "a blank must stand here") || !quoted(s, &f[REFERER]) || !expect(s, ' ', "a blank must stand here") ||
	    !quoted(s, &f[AGENT]))
		return false;
	if (s->p < s->end && *s->p == ' ')
		f[EXTRA] = (struct str){ s->p + 1, (size_t)(s->end - s->p - 1) };
	else if (s->p < s->end)
		return fault(s, "a blank must stand here");
	return true;
}

/* false: the line has not the shape. */
static bool scan_line(struct str text, struct log_line *line)
{
	struct scan s = { text.p, text.p + text.n, line };

	*line = (struct log_line){ .bad_field = -1 };
	if (text.n && text.p[text.n - 1] == '\r')
		s.end--;
	return word(&s, HOST) && expect(&s, ' ', "a blank must stand here") && word(&s, IDENT) && expect(&s, ' ', "a blank must stand here") &&
	       user(&s) && timestamp(&s) && expect(&s, ' ', "a blank must stand here") && request(&s) && number(&s, STATUS) &&
	       number(&s, BYTES) && tail(&s);
}

static int bad_line(struct records *r, const struct log_line *line, const char *start, struct err *e)
{
	err_set(e, ST_DATA, "%s", line->msg);
	if (line->bad_field >= 0)
		err_field(e, names[line->bad_field], -1);
	err_hint(e, "skip such records: --on-bad skip; or read plain lines: --from text");
	e->line = r->parsed + 1;
	e->column = line->fault - start + 1;
	return -e->status;
}

/* Whether the line can be skipped or taken with a null: 0, or its error. */
static int bear(struct records *r, const struct log_line *line, struct str text, struct err *e)
{
	bool skip = r->on_bad == BAD_SKIP, null = r->on_bad == BAD_NULL && line->bad_field >= 0;
	int rc = skip || null ? records_bad(r, skip ? text : (struct str){ NULL, 0 }, e) : 1;

	if (rc <= 0)
		return rc;
	bad_line(r, line, text.p, e);
	return skip || null ? bad_log_too_many(r->log, e) : -e->status;
}

static int put_line(struct log_source *s, const struct log_line *line, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < s->rows.schema->nfields && rc == 0; i++) {
		struct builder *b = &s->rows.cols[i];

		if (!line->field[i].p)
			rc = builder_null(b, 1, e);
		else
			rc = i == TIME ? builder_fixed(b, &line->time, e) : builder_str(b, line->field[i], e);
	}
	s->rows.n++;
	return rc;
}

static void check_line(struct log_source *s, struct str text, struct log_line *line)
{
	size_t bad = utf8_check(text.p, text.n);

	if (bad < text.n) {
		*line = (struct log_line){ .fault = text.p + bad, .msg = "not UTF-8", .bad_field = -1 };
		return;
	}
	if (scan_line(text, line) && line->field[EXTRA].p && s->rows.schema->nfields == EXTRA) {
		line->fault = line->field[EXTRA].p;
		line->msg = "more fields than in the first line";
		line->bad_field = -1;
	}
}

/* Lines until the end of the text, or behind a skipped one. */
static int parse(struct records *r, const char *text, size_t n, size_t *used, struct err *e)
{
	struct log_source *s = (struct log_source *)r;
	const char *p = text, *end = text + n, *next;
	struct log_line line;
	int rc = 0;

	for (r->parsed = 0; p < end && s->rows.n < BATCH_ROWS && rc == 0; r->parsed++, p = next) {
		struct str one = { p, (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p) };

		next = p + one.n + 1;
		if (one.n == 0 || (one.n == 1 && *p == '\r'))
			continue;
		r->record++;
		check_line(s, one, &line);
		if (line.fault) {
			rc = bear(r, &line, one, e);
			if (rc == 0 && r->on_bad == BAD_SKIP) {
				r->parsed++;
				p = next;
				break;
			}
		}
		rc = rc < 0 ? rc : put_line(s, &line, e);
		if (rc < 0)
			break;
	}
	*used = (size_t)(p - text);
	return rc;
}

/* The field again in the raw line. */
static void locate(const struct origin *o, int64_t row, int col, int64_t *line, int64_t *column)
{
	const char *p = o->text, *end = p + o->text_size;
	struct log_line l;

	*column = 1;
	for (*line = o->line; p < end; ++*line) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		bool blank = newline == p || (newline == p + 1 && *p == '\r');

		if (!blank && row-- == 0) {
			scan_line((struct str){ p, (size_t)(newline - p) }, &l);
			if (col >= 0 && col < FIELDS && l.field[col].p)
				*column = l.field[col].p - p + 1;
			return;
		}
		p = newline + 1;
	}
}

/* Does the first line have something behind the agent? */
static int first_line(struct log_source *s, bool *extra, struct err *e)
{
	struct lines *l = &s->records.lines;
	struct log_line line;
	struct str text;
	size_t n = 0;
	int rc = 0;

	while (!(n = lines_reaching(l, 1)) && !l->end && rc == 0)
		rc = lines_more(l, e);
	*extra = false;
	if (rc < 0 || !n)
		return rc < 0 ? rc : 0;
	if ((rc = lines_view(l, n, &text, e)) < 0)
		return rc;
	while (*text.p == '\n' || *text.p == '\r')
		text = str_from(text, 1);
	text.n--;
	*extra = scan_line(text, &line) && line.field[EXTRA].p;
	return 0;
}

static int make_schema(struct log_source *s, const struct read_opts *o, struct err *e)
{
	struct type text = TYPE_TEXT, num = TYPE_NUM, time = TYPE_TIMESTAMP(UNIT_US, STR("UTC"));
	bool extra = o->like && o->like->nfields == FIELDS;
	int rc = o->like ? 0 : first_line(s, &extra, e);

	s->records.schema = schema_new();
	if (!s->records.schema)
		return err_oom(e);
	for (int i = 0; i < (extra ? FIELDS : EXTRA) && rc == 0; i++)
		rc = schema_add(s->records.schema, str_of(names[i]), i == TIME ? &time : i == STATUS || i == BYTES ? &num : &text, true, e);
	if (rc == 0 && (o->types || o->schema))
		return err_set(e, ST_USAGE, "the fields of a log have their types; other types come from stook map");
	return rc < 0 ? rc : rows_init(&s->rows, s->records.schema, e);
}

static void release(struct records *r)
{
	struct log_source *s = (struct log_source *)r;

	if (s->rows.schema)
		rows_free(&s->rows);
}

static int twin(const struct records *r, struct records *t, struct err *e)
{
	struct log_source *s = (struct log_source *)t;

	(void)r;
	t->rows = &s->rows;
	return rows_init(&s->rows, t->schema, e);
}

static int combined_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct log_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->records.parse = parse;
	s->records.locate = locate;
	s->records.release = release;
	s->records.twin = twin;
	s->records.size = sizeof *s;
	s->records.rows = &s->rows;
	records_init(&s->records, in, o);
	if ((rc = make_schema(s, o, e)) < 0 || (rc = records_start(&s->records, o, e)) < 0) {
		records_close(&s->records.source);
		return rc;
	}
	*ret = &s->records.source;
	return 0;
}

const struct format format_combined = {
	.name = "combined",
	.help = "web server log in Apache's and nginx's combined or common format (read only)",
	.read = combined_read,
};
