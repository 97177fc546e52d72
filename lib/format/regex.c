/* Lines by a pattern: --from regex:PATTERN. PCRE2; every named group is a column, in the order of the groups; a group that took
 * no part in the match is null. The pattern may match anywhere in the line (^ and $ hold it at its ends); a line that it does not
 * match is a bad record, which --on-bad null makes a record of nulls. Every line is a record, an empty one too; a CR before the
 * line end is not part of it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/utf8.h"
#include "lib/format/declare.h"
#include "lib/format/records.h"
#include "lib/table/badlog.h"

#include <stdlib.h>

#define PREFIX "regex:"

struct regex_source {
	struct records records;
	struct rows rows;
	pcre2_code *code;
	pcre2_match_data *match;
	uint32_t *groups; /* of the columns */
};

static int compile(struct regex_source *s, const char *pattern, struct err *e)
{
	PCRE2_UCHAR why[160];
	PCRE2_SIZE at;
	int code;

	s->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
	if (!s->code) {
		pcre2_get_error_message(code, why, sizeof why);
		return err_set(e, ST_USAGE, "--from regex: at character %zu of the pattern: %s", at + 1, (char *)why);
	}
	pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); /* without it matching is slower, no more */
	s->match = pcre2_match_data_create_from_pattern(s->code, NULL);
	return s->match ? 0 : err_oom(e);
}

/* The name of a group; n = 0: it has none. */
static struct str name_of(const pcre2_code *code, uint32_t group)
{
	uint32_t n, size;
	PCRE2_SPTR table;

	pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &n);
	pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; i < n; i++, table += size)
		if (((uint32_t)table[0] << 8 | table[1]) == group)
			return str_of((const char *)table + 2);
	return (struct str){ NULL, 0 };
}

/* The schema: named groups with their declared types. */
static int add_columns(struct regex_source *s, const struct declared *d, struct err *e)
{
	const struct type text = TYPE_TEXT;
	uint32_t n;
	int rc = 0;

	pcre2_pattern_info(s->code, PCRE2_INFO_CAPTURECOUNT, &n);
	s->records.schema = schema_new();
	s->groups = calloc((size_t)n + 1, sizeof *s->groups);
	if (!s->records.schema || !s->groups)
		return err_oom(e);
	for (uint32_t g = 1; g <= n && rc == 0; g++) {
		struct str name = name_of(s->code, g);
		const struct type *t = declared_find(d, name);

		if (!name.n)
			continue;
		s->groups[s->records.schema->nfields] = g;
		rc = schema_add(s->records.schema, name, t ? t : &text, true, e);
	}
	if (rc == 0 && !s->records.schema->nfields)
		return err_set(e, ST_USAGE, "--from regex: the pattern has no named group, such as (?<status>[0-9]+), for a column");
	return rc < 0 ? rc : declared_check(d, s->records.schema, e);
}

static int make_schema(struct regex_source *s, const struct read_opts *o, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct declared d;
	int rc = compile(s, o->from + sizeof PREFIX - 1, e);

	if (rc < 0 || (rc = declared_read(o, &a, &d, e)) < 0 || (rc = add_columns(s, &d, e)) < 0)
		return rc;
	return rows_init(&s->rows, s->records.schema, e);
}

/* What is wrong with a line. */
struct flaw {
	const char *msg; /* NULL: nothing */
	size_t at;
	int field;       /* -1: the line as a whole */
};

static struct flaw match_line(const struct regex_source *s, struct str line)
{
	size_t bad = utf8_check(line.p, line.n);
	int n;

	if (bad < line.n)
		return (struct flaw){ "not UTF-8", bad, -1 };
	n = pcre2_match(s->code, (PCRE2_SPTR)line.p, line.n, 0, PCRE2_NO_UTF_CHECK, s->match, NULL);
	if (n >= 0)
		return (struct flaw){ .field = -1 };
	return (struct flaw){ n == PCRE2_ERROR_NOMATCH ? "the line does not match the pattern" : "matching the line takes too long",
			      0, -1 };
}

/* The text of column i; p = NULL: null. */
static struct str group_text(const struct regex_source *s, struct str line, int i)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->match) + 2 * s->groups[i];

	if (at[0] == PCRE2_UNSET || at[0] > at[1])
		return (struct str){ NULL, 0 };
	return (struct str){ line.p + at[0], at[1] - at[0] };
}

/* Whether the flaw can be borne by a skipped record or a null: 0, or its error. *counted: once a record. */
static int bear(struct records *r, const struct flaw *f, struct str line, bool *counted, struct err *e)
{
	int rc = 1;

	if (r->on_bad != BAD_FAIL)
		rc = *counted ? 0 : records_bad(r, r->on_bad == BAD_SKIP ? line : (struct str){ NULL, 0 }, e);
	*counted = true;
	if (rc <= 0)
		return rc;
	err_set(e, ST_DATA, "%s", f->msg);
	err_hint(e, "skip such lines: --on-bad skip; keep them apart: --on-bad side=FILE");
	if (f->field >= 0)
		err_field(e, r->schema->fields[f->field].name.p, (int)r->schema->fields[f->field].name.n);
	e->line = r->parsed + 1;
	e->column = (int64_t)f->at + 1;
	return r->on_bad == BAD_FAIL ? -e->status : bad_log_too_many(r->log, e);
}

/* Takes back what the skipped record has put into the first n columns. */
static int drop_row(struct regex_source *s, int n, struct err *e)
{
	struct rows kept = { 0 };
	cleanup_batch struct batch *b = NULL;
	int rc;

	for (int i = n; i < s->rows.schema->nfields; i++)
		if ((rc = builder_null(&s->rows.cols[i], 1, e)) < 0)
			return rc;
	s->rows.n++;
	if ((rc = rows_view(&s->rows, &b, e)) < 0 || (rc = rows_init(&kept, s->rows.schema, e)) < 0)
		return rc;
	rc = rows_add(&kept, b, 0, s->rows.n - 1, e);
	rows_free(&s->rows);
	s->rows = kept;
	return rc;
}

/* A row of the line: 0, 1 when it was skipped, or an error. */
static int take_line(struct regex_source *s, struct str raw, struct err *e)
{
	struct str line = { raw.p, raw.n - (raw.n && raw.p[raw.n - 1] == '\r') };
	struct flaw f = match_line(s, line);
	bool counted = false, matched = !f.msg, skip = s->records.on_bad == BAD_SKIP;
	int rc = f.msg ? bear(&s->records, &f, raw, &counted, e) : 0;

	if (rc < 0 || (f.msg && skip))
		return rc < 0 ? rc : 1;
	for (int i = 0; i < s->rows.schema->nfields; i++) {
		struct str v = matched ? group_text(s, line, i) : (struct str){ NULL, 0 };

		rc = v.p ? value_parse(&s->rows.cols[i], v, e) : builder_null(&s->rows.cols[i], 1, e);
		if (rc < 0)
			return rc;
		if (rc > 0 || !v.p)
			continue;
		f = (struct flaw){ "the value is not of its field's type", (size_t)(v.p - line.p), i };
		rc = bear(&s->records, &f, raw, &counted, e);
		if (rc < 0 || skip) {
			struct err ignored;
			int undo = drop_row(s, i, rc < 0 ? &ignored : e);

			return rc < 0 ? rc : undo < 0 ? undo : 1;
		}
		if ((rc = builder_null(&s->rows.cols[i], 1, e)) < 0)
			return rc;
	}
	s->rows.n++;
	return 0;
}

static int parse(struct records *r, const char *text, size_t n, size_t *used, struct err *e)
{
	struct regex_source *s = (struct regex_source *)r;
	const char *p = text, *end = text + n;
	int rc = 0;

	for (r->parsed = 0; p < end && s->rows.n < BATCH_ROWS && rc == 0;) {
		struct str line = { p, (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p) };

		r->record++;
		if ((rc = take_line(s, line, e)) < 0)
			break;
		r->parsed++;
		p += line.n + 1;
	}
	*used = (size_t)(p - text);
	return rc < 0 ? rc : 0;
}

/* The line; which part of it a field was is not known any more. */
static void locate(const struct origin *o, int64_t row, int field, int64_t *line, int64_t *column)
{
	(void)field;
	*line = o->line + row;
	*column = 1;
}

static void release(struct records *r)
{
	struct regex_source *s = (struct regex_source *)r;

	pcre2_match_data_free(s->match);
	pcre2_code_free(s->code);
	free(s->groups);
	if (s->rows.schema)
		rows_free(&s->rows);
}

static int regex_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct regex_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->records.parse = parse;
	s->records.locate = locate;
	s->records.release = release;
	s->records.rows = &s->rows;
	s->records.keeps_blank = true;
	records_init(&s->records, in, o);
	if ((rc = make_schema(s, o, e)) < 0 || (rc = records_start(&s->records, o, e)) < 0) {
		records_close(&s->records.source);
		return rc;
	}
	*ret = &s->records.source;
	return 0;
}

const struct format format_regex = {
	.name = PREFIX "PATTERN",
	.help = "lines matched by a pattern (PCRE2), its named groups are the columns (read only)",
	.read = regex_read,
};
