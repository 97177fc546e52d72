/* Opening a CSV source: options, the first record, names and types. The schema stands before the first batch is asked for. */
#include "lib/base/utf8.h"
#include "lib/format/csv_reader.h"
#include "lib/format/lines.h"
#include "lib/format/declare.h"
#include "lib/table/badlog.h"
#include "lib/table/key.h"

#include <stdlib.h>

#define CHUNK ((size_t)512 << 10)

struct names {
	struct reader *r;
	const struct dialect *d;
	const uint8_t *text;
	struct str *v;
	int64_t n;
	bool nomem;
};

static bool collect_name(void *arg, int64_t index, size_t begin, size_t end, bool bad)
{
	struct names *c = arg;
	struct str raw = { (const char *)c->text + begin, end - begin };
	uint8_t *p = arena_alloc(&c->r->arena, raw.n + 1);

	if ((index & (index - 1)) == 0) {
		struct str *v = arena_array(&c->r->arena, struct str, index ? (size_t)index * 2 : 1);

		if (!v)
			return false;
		if (index)
			memcpy(v, c->v, (size_t)index * sizeof *v);
		c->v = v;
	}
	if (!p)
		return false;
	c->v[index] = (struct str){ (char *)p, bad ? 0 : csv_unquote(c->d, raw, p) };
	c->n = index + 1;
	return true;
}

/* How the first line ends goes along, so that the output can end its lines so. */
static void note_eol(struct reader *r, size_t begin, size_t end)
{
	const uint8_t *t = r->text;

	if (r->eol != LINE_USUAL)
		return;
	if (t[end - 1] == '\n')
		r->eol = end > begin + 1 && t[end - 2] == '\r' ? LINE_CRLF : LINE_LF;
	else
		r->eol = t[end - 1] == '\r' ? LINE_CR : LINE_OPEN;
}

/* The line at text[at] is a comment or empty: steps over it. False: it is something else, or its end has not come. */
static bool skip_line(struct reader *r, struct record *rec, size_t *at, int64_t *lines, bool *empty)
{
	if (csv_is_comment(&r->d, r->text, r->n, *at)) {
		size_t end = csv_skip_comment(r->text, r->n, *at, r->last);

		rec->more = end == SIZE_MAX;
		if (rec->more)
			return false;
		note_eol(r, *at, end);
		*at = end;
		++*lines;
		return true;
	}
	if (rec->more || !rec->blank)
		return false;
	note_eol(r, *at, rec->end);
	*at = rec->end;
	*lines += rec->lines;
	*empty = true;
	return true;
}

/* Text up to a whole first record, behind blank lines and comments; *ret: it is there. The position of the record and its line
 * are in rec->begin and *line; r->at stays. Only blank lines: *empty. */
static int first_record(struct reader *r, struct record *rec, int64_t *line, struct names *names, bool *empty, bool *ret,
			struct err *e)
{
	size_t skipped = 0;
	int rc;

	for (*ret = *empty = false, *line = r->line;;) {
		size_t at = r->at + skipped;

		*rec = (struct record){ .more = true };
		names->text = r->text;
		if (at < r->n && !csv_is_comment(&r->d, r->text, r->n, at) &&
		    !csv_record(&r->d, r->text, r->n, at, r->last, collect_name, names, rec))
			return err_oom(e);
		if (at < r->n && skip_line(r, rec, &at, line, empty)) {
			skipped = at - r->at;
			continue;
		}
		*ret = at < r->n && !rec->more;
		if (*ret)
			note_eol(r, at, rec->end);
		if (*ret || r->last)
			return 0;
		if ((rc = csv_more_text(r, e)) < 0)
			return rc;
	}
}

static int refuse_wide(struct reader *r, struct err *e)
{
	return lines_refuse_wide((struct str){ (const char *)r->text, r->n }, in_name(r->in), e);
}

static int skip_bom(struct reader *r, struct err *e)
{
	int rc = 0;

	while (rc == 0 && r->n < 4 && !r->last)
		rc = csv_more_text(r, e);
	if (rc < 0 || (rc = refuse_wide(r, e)) < 0)
		return rc;
	if (r->n >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0)
		r->at = 3;
	return 0;
}

/* --header: names as a record of CSV. */
static int given_names(const char *list, struct names *names, struct err *e)
{
	static const struct dialect plain = {
		.delimiter = ',', .quote = '"', .escape = -1, .comment = -1, .max_field = INT32_MAX
	};
	struct record rec;

	names->text = (const uint8_t *)list;
	names->d = &plain;
	if (!csv_record(&plain, names->text, strlen(list), 0, true, collect_name, names, &rec))
		return err_oom(e);
	return rec.fault == FAULT_NONE && rec.end == strlen(list)
		       ? 0
		       : err_set(e, ST_USAGE, "--header: not a list of names: \"%s\"", list);
}

static int number_names(struct reader *r, struct names *names, struct err *e)
{
	for (int64_t i = 0; i < names->n; i++)
		names->v[i].n = 0;
	return csv_unique_names(names->v, (int)names->n, &r->arena) ? err_oom(e) : 0;
}

static int first_record_fault(struct reader *r, const struct record *rec, struct err *e)
{
	r->fault = (struct fault_at){ .fault = rec->fault, .at = rec->fault_at };
	return csv_fault_error(r, e);
}

static int check_names(struct reader *r, const struct names *names, struct err *e)
{
	for (int64_t i = 0; i < names->n; i++) {
		if (utf8_valid(names->v[i].p, names->v[i].n))
			continue;
		err_set(e, ST_DATA, "name %lld in the header is not valid UTF-8", (long long)i + 1);
		err_at(e, in_name(r->in), r->line, 1);
		return err_hint(e, "convert: --encoding latin1, or give names: --header");
	}
	return 0;
}

static int empty_input(struct reader *r, struct err *e)
{
	err_set(e, ST_DATA, "the input is empty: there is no header line");
	err_at(e, in_name(r->in), 1, 1);
	return err_hint(e, "a file without header: -N, or names: --header");
}

static int header_differs(const struct reader *r, const struct names *given, const struct names *names, struct err *e)
{
	err_set(e, ST_USAGE, "--header gives %lld names, the header line has %lld", (long long)given->n, (long long)names->n);
	return err_at(e, in_name(r->in), r->line, 0);
}

/* There is no header line: c1, c2, ..., or the names given. Blank lines alone are nulls of one column. */
static int names_without_line(struct reader *r, struct names *names, const struct names *given, bool have, bool empty,
			      struct err *e)
{
	if (given->n) {
		*names = *given;
	} else {
		names->n = have ? names->n : empty; /* a blank line has left one name */
		return number_names(r, names, e);
	}
	return csv_unique_names(names->v, (int)names->n, &r->arena) ? err_oom(e) : 0;
}

/* Names that are empty or come again are made up; a person may want to know. */
static int rename_columns(struct reader *r, const struct read_opts *o, struct names *names, int64_t line, struct err *e)
{
	struct str *old = arena_dup(&r->arena, names->v, (size_t)names->n * sizeof *old), *v = names->v;
	struct err note = { 0 };
	int64_t first = -1, renamed = 0;

	if (!old || csv_unique_names(v, (int)names->n, &r->arena))
		return err_oom(e);
	for (int64_t i = names->n; i-- > 0;) {
		if (str_eq(old[i], v[i]))
			continue;
		first = i;
		renamed++;
	}
	if (!renamed || !o->note)
		return 0;
	err_set(&note, ST_OK, "name %lld, \"%.*s\", is %s and becomes \"%.*s\"", (long long)first + 1, STR_ARG(old[first]),
		old[first].n ? "there already" : "empty", STR_ARG(v[first]));
	err_at(&note, in_name(r->in), line, 0);
	if (renamed > 1)
		err_hint(&note, "%lld names were made up", (long long)renamed);
	o->note(o->note_arg, &note);
	return 0;
}

/* The names: from the header line, from --header, or c1, c2, ...; the header line is stepped over. */
static int read_names(struct reader *r, const struct read_opts *o, struct names *names, struct record *rec, struct err *e)
{
	struct names given = { .r = r };
	bool have, empty;
	int64_t line;
	int rc;

	if (o->header && (rc = given_names(o->header, &given, e)) < 0)
		return rc;
	if ((rc = first_record(r, rec, &line, names, &empty, &have, e)) < 0)
		return rc;
	if (o->no_header) {
		if (rec->fault == FAULT_NONE || given.n)
			return names_without_line(r, names, &given, have, empty, e);
	} else if (!have) {
		return empty_input(r, e);
	}
	r->line = line;
	r->at = rec->begin;
	if (rec->fault != FAULT_NONE)
		return first_record_fault(r, rec, e);
	if (given.n && given.n != names->n)
		return header_differs(r, &given, names, e);
	if (!given.n && (rc = check_names(r, names, e)) < 0)
		return rc;
	if (given.n)
		*names = given;
	r->at = rec->end;
	r->line += rec->lines;
	return rename_columns(r, o, names, line, e);
}

static int mark_binary(struct reader *r, const char *fields, const struct schema *text, struct err *e)
{
	int *idx, n, rc;

	if (!(r->binary = arena_calloc(&r->arena, (size_t)text->nfields, sizeof(bool))) ||
	    !(r->wants = arena_new(&r->arena, struct csv_wants)) ||
	    !(r->wants->unwanted = arena_calloc(&r->arena, (size_t)text->nfields, sizeof(bool))) ||
	    !(r->wants->keep.gaps = arena_array(&r->arena, int, (size_t)text->nfields)) ||
	    !(r->wants->keep.slots = arena_array(&r->arena, int, (size_t)text->nfields)))
		return err_oom(e);
	if (!fields)
		return 0;
	if ((rc = fields_resolve(str_of(fields), text, &r->arena, &idx, &n, e)) < 0)
		return rc;
	for (int i = 0; i < n; i++)
		r->binary[idx[i]] = true;
	return 0;
}

/* The schema of names with the types that were declared; `typed` starts empty. */
static int build_schema(struct reader *r, const struct read_opts *o, const struct names *names, struct schema *text,
			struct schema *typed, struct err *e)
{
	const struct type bytes = TYPE_BINARY, plain = TYPE_TEXT;
	struct declared decl;
	int rc = declared_read(o, &r->arena, &decl, e);

	for (int64_t i = 0; rc == 0 && i < names->n; i++)
		rc = schema_add(text, names->v[i], &plain, true, e);
	if (rc < 0 || (rc = declared_check(&decl, text, e)) < 0 || (rc = mark_binary(r, o->binary, text, e)) < 0)
		return rc;
	r->plain = true;
	for (int64_t i = 0; rc == 0 && i < names->n; i++) {
		const struct type *t = declared_find(&decl, names->v[i]);

		r->binary[i] |= t && t->id == T_BINARY;
		if (r->binary[i])
			t = &bytes;
		r->plain &= !t || type_is_text(t) || t->id == T_BINARY;
		rc = schema_add(typed, names->v[i], t ? t : &plain, true, e);
	}
	return rc;
}

static int put_eol(const struct reader *r, struct schema *s, struct err *e)
{
	static const char *const names[] = { [LINE_CR] = "cr", [LINE_CRLF] = "crlf", [LINE_OPEN] = "none" };

	return r->eol == LINE_USUAL || r->eol == LINE_LF ? 0 : schema_set_meta(s, STR(META_EOL), str_of(names[r->eol]), e);
}

static int start(struct reader *r, const struct read_opts *o, char delimiter, struct err *e)
{
	struct names names = { .r = r, .d = &r->d };
	cleanup_schema struct schema *text = schema_new(), *typed = schema_new();
	struct record rec;
	int rc;

	r->none = schema_new();
	r->line = 1;
	r->on_bad = o->on_bad;
	r->log = bad_log_ref(o->bad_log);
	r->chunk = o->chunk > 0 ? (size_t)o->chunk : CHUNK;
	if (!text || !typed || !r->none)
		return err_oom(e);
	if (o->encoding && (rc = in_set_encoding(r->in, o->encoding, e)) < 0)
		return rc;
	if ((rc = dialect_read(o, delimiter, &r->d, e)) < 0 || (rc = skip_bom(r, e)) < 0 ||
	    (rc = read_names(r, o, &names, &rec, e)) < 0 || (rc = build_schema(r, o, &names, text, typed, e)) < 0 ||
	    (rc = put_eol(r, typed, e)) < 0)
		return rc;
	r->source.schema = typed;
	typed = NULL;
	return 0;
}

int csv_open_source(struct in *in, const struct read_opts *o, char delimiter, struct source **ret, struct err *e)
{
	struct reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r) {
		in_close(in);
		return err_oom(e);
	}
	r->in = in;
	r->source.next = csv_next;
	r->source.want = csv_want;
	r->source.close = csv_close;
	if ((rc = start(r, o, delimiter, e)) < 0 || (o->threads > 1 && (rc = csv_crew_open(r, o, e)) < 0)) {
		csv_close(&r->source);
		return rc;
	}
	*ret = &r->source;
	return 0;
}
