/* JSON Lines. The first byte chooses options, the rest is the input. Properties: the record parser takes a line exactly when
 * the scanner of JSON text does (but for repeated keys), and blames the same byte; what is parsed, written and parsed again
 * is written the same; rows do not depend on how the lines are divided into blocks, nor on which columns are wanted; every row and
 * field has a place inside the text. */
#include "lib/format/jsonl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct result {
	struct buf text;
	int status;
	struct err e;
};

/* The places of all values lie in the text. */
static void check_places(const struct batch *b)
{
	const struct origin *o = &b->origin;

	for (int64_t row = 0; row < b->nrows && row < 4; row++)
		for (int col = -1; col < b->schema->nfields && col < 8; col++) {
			int64_t line = 0, column = 0;

			o->locate(o, row, col, &line, &column);
			check(line >= o->line + row && column >= 1 && column <= (int64_t)o->text_size);
		}
}

static int copy(struct source *s, struct sink *k, struct err *e)
{
	struct batch *b;
	int rc;

	while ((rc = source_next(s, &b, e)) == 0 && b) {
		check_places(b);
		rc = k->write(k, b, e);
		batch_unref(b);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : k->finish(k, e);
}

static struct result convert(struct str text, const struct read_opts *ro, const struct write_opts *wo)
{
	struct result r = { 0 };
	struct source *s = NULL;
	struct sink *k = NULL;
	struct out *out;
	struct in *in;

	check(in_open_mem(&in, text.p, text.n, "in", &r.e) == 0 && out_open_mem(&out, &r.text, &r.e) == 0);
	r.status = jsonl_read(in, ro, &s, &r.e);
	if (r.status == 0)
		r.status = jsonl_write(out, s->schema, wo, &k, &r.e);
	else
		out_close(out);
	if (r.status == 0)
		r.status = copy(s, k, &r.e);
	sink_close(k);
	source_close(s);
	return r;
}

/* The first line that is no record, as the scanner sees it: line and column from 1, or 0. */
static void first_fault(const char *p, const char *end, int64_t *line, int64_t *column)
{
	for (*line = 1, *column = 0; p < end; ++*line) {
		const char *q = json_blanks(p, NULL), *next = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
		struct json_fault f = { .at = q };

		if (*q != '\n') {
			if (*q == '{' && (q = json_value(q, NULL, &f)) != NULL)
				f.at = json_blanks(q, NULL);
			if (!q || *f.at != '\n' || f.at + 1 != next) {
				*column = f.at - p + 1;
				return;
			}
		}
		p = next;
	}
}

static bool same_builder(const struct builder *a, const struct builder *b)
{
	return a->n == b->n && a->nulls == b->nulls && a->values.n == b->values.n && a->offsets.n == b->offsets.n &&
	       (!a->values.n || memcmp(a->values.p, b->values.p, a->values.n) == 0) &&
	       (!a->offsets.n || memcmp(a->offsets.p, b->offsets.p, a->offsets.n) == 0) &&
	       (!a->nulls || memcmp(a->valid.p, b->valid.p, bits_bytes(a->n) - (a->n % 8 != 0)) == 0);
}

/* `whole` is all of the text parsed, how it ended included; here every other column is not wanted. */
static void check_wants(const char *text, size_t n, const struct jsonl_parser *whole, int rc, const struct err *e)
{
	const struct schema *s = whole->schema;
	bool *unwanted = calloc((size_t)s->nfields + 1, sizeof *unwanted);
	struct declared none = { 0 };
	struct jsonl_parser x;
	struct err e2;
	size_t used;
	int rc2 = 0;

	check(unwanted && jsonl_parser_init(&x, s, &none, &e2) == 0);
	for (int i = 0; i < s->nfields; i++)
		unwanted[i] = (i ^ (int)n) & 1 && i != x.rest.col && s->fields[i].type.id == T_UTF8;
	x.on_bad = whole->on_bad;
	x.unwanted = unwanted;
	for (size_t at = 0; at < n && rc2 == 0; at += used)
		rc2 = jsonl_parse(&x, text + at, n - at, &used, &e2);
	check(rc == rc2 && whole->rows.n == x.rows.n && whole->record == x.record && whole->bad == x.bad);
	check(rc == 0 || (e->line == e2.line && e->column == e2.column && strcmp(e->msg, e2.msg) == 0));
	for (int i = 0; i < s->nfields; i++)
		check(unwanted[i] ? x.rows.cols[i].n == x.rows.n && !x.rows.cols[i].nulls && !x.rows.cols[i].values.n
				  : same_builder(&whole->rows.cols[i], &x.rows.cols[i]));
	jsonl_parser_free(&x);
	free(unwanted);
}

/* Whole, and line by line. */
static void check_pieces(const char *text, size_t n, const struct schema *s, enum on_bad on_bad)
{
	struct declared none = { 0 };
	struct jsonl_parser whole, parts;
	struct err e, e2;
	size_t used, at = 0;
	int64_t lines = 0, whole_lines = 0;
	int rc = 0, rc2 = 0;

	check(jsonl_parser_init(&whole, s, &none, &e) == 0 && jsonl_parser_init(&parts, s, &none, &e) == 0);
	whole.on_bad = parts.on_bad = on_bad;
	for (; at < n && rc == 0; at += used) {
		rc = jsonl_parse(&whole, text + at, n - at, &used, &e);
		whole_lines += whole.lines;
	}
	for (at = 0; at < n && rc2 == 0; at += used) {
		size_t one = (size_t)((const char *)memchr(text + at, '\n', n - at) - (text + at)) + 1;

		rc2 = jsonl_parse(&parts, text + at, one, &used, &e2);
		lines += parts.lines;
	}
	check(rc == rc2 && lines == whole_lines && whole.rows.n == parts.rows.n && whole.record == parts.record && whole.bad == parts.bad);
	check(rc == 0 || (e.column == e2.column && strcmp(e.msg, e2.msg) == 0));
	for (int i = 0; i < s->nfields; i++)
		check(same_builder(&whole.rows.cols[i], &parts.rows.cols[i]));
	check_wants(text, n, &whole, rc, &e);
	jsonl_parser_free(&whole);
	jsonl_parser_free(&parts);
}

static void check_text(const uint8_t *data, size_t size, bool complete, enum on_bad on_bad)
{
	char *text = calloc(1, size + 1 + JSON_PAD);
	struct declared none = { 0 };
	struct schema *s = NULL;
	struct err e;
	int64_t line, column;

	check(text != NULL);
	memcpy(text, data, size);
	if (size && text[size - 1] != '\n')
		text[size++] = '\n';
	check(jsonl_infer(text, complete || !size ? size : (size_t)((char *)memchr(text, '\n', size) - text) + 1, complete, &none, &s, &e) == 0);
	check_pieces(text, size, s, on_bad);
	if (complete && on_bad == BAD_FAIL) {
		struct jsonl_parser x;
		size_t used = 0;

		check(jsonl_parser_init(&x, s, &none, &e) == 0);
		first_fault(text, text + size, &line, &column);
		if (size && jsonl_parse(&x, text, size, &used, &e) < 0)
			check(strstr(e.msg, "has come before") ? column == 0 || e.line <= line : e.line == line && e.column == column);
		else
			check(column == 0);
		jsonl_parser_free(&x);
	}
	schema_unref(s);
	free(text);
}

/* Small pieces, parsed on three threads. */
static void check_threads(struct str text, const struct read_opts *ro, const struct write_opts *wo, const struct result *one)
{
	struct read_opts o = *ro;
	struct result many;

	o.threads = 3;
	o.chunk = 1 + (int64_t)text.n / 10;
	many = convert(text, &o, wo);
	check(many.status == one->status && str_eq(buf_view(&many.text), buf_view(&one->text)));
	check(!one->status || (many.e.line == one->e.line && many.e.column == one->e.column && strcmp(many.e.msg, one->e.msg) == 0));
	buf_free(&many.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read_opts ro = { 0 }, again = { 0 };
	struct write_opts wo = { .keep_null = true };
	struct result first, second;

	if (size < 1 || size > 1 << 16)
		return 0;
	ro.sample = data[0] & 1 ? 1 : 0;
	ro.on_bad = (data[0] >> 1 & 3) % 3;
	check_text(data + 1, size - 1, ro.sample == 0, ro.on_bad);
	first = convert((struct str){ (const char *)data + 1, size - 1 }, &ro, &wo);
	check_threads((struct str){ (const char *)data + 1, size - 1 }, &ro, &wo, &first);
	if (first.text.n) {
		second = convert(buf_view(&first.text), &again, &wo);
		check(second.status == 0);
		if (ro.sample == 0 && first.status == 0 && ro.on_bad == BAD_FAIL) /* else the schema knew more than the output */
			check(str_eq(buf_view(&first.text), buf_view(&second.text)));
		buf_free(&second.text);
	}
	buf_free(&first.text);
	return 0;
}
