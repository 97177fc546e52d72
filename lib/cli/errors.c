/* One error, one line: "stook-sort: sales.csv:1042:7: field "price": "12,5" is not a number (hint)", or the same as JSON. */
#include "lib/cli/cli.h"

#include "lib/io/term.h"

static int put_place(const struct err *e, struct buf *b)
{
	if (!e->input[0])
		return 0;
	if (term_safe(b, str_of(e->input)))
		return -1;
	if (e->line && buf_printf(b, ":%lld", (long long)e->line))
		return -1;
	if (e->line && e->column && buf_printf(b, ":%lld", (long long)e->column))
		return -1;
	if (!e->line && e->row && buf_printf(b, ": row %lld", (long long)e->row))
		return -1;
	return buf_puts(b, ": ");
}

static int put_text(const struct err *e, const char *program, struct buf *b)
{
	if (buf_printf(b, "%s: ", program) || put_place(e, b))
		return -1;
	if (e->field[0] && (buf_puts(b, "field \"") || term_safe(b, str_of(e->field)) || buf_puts(b, "\": ")))
		return -1;
	if (term_safe(b, str_of(e->msg)))
		return -1;
	if (e->hint[0] && (buf_puts(b, " (") || term_safe(b, str_of(e->hint)) || buf_byte(b, ')')))
		return -1;
	return buf_byte(b, '\n');
}

static int put_member(struct buf *b, const char *name, const char *text)
{
	return text[0] && (buf_printf(b, ",\"%s\":", name) || json_quote(b, str_of(text))) ? -1 : 0;
}

static int put_number(struct buf *b, const char *name, int64_t v)
{
	return v ? buf_printf(b, ",\"%s\":%lld", name, (long long)v) : 0;
}

static int put_json(const struct err *e, const char *program, struct buf *b)
{
	if (buf_puts(b, "{\"program\":") || json_quote(b, str_of(program)) || buf_printf(b, ",\"status\":%d", e->status))
		return -1;
	if (put_member(b, "input", e->input) || put_number(b, "line", e->line) || put_number(b, "column", e->column) ||
	    put_number(b, "row", e->row) || put_member(b, "field", e->field) || put_member(b, "message", e->msg) ||
	    put_member(b, "hint", e->hint))
		return -1;
	return buf_puts(b, "}\n");
}

int err_format(const struct err *e, const char *program, bool json, struct buf *b)
{
	return json ? put_json(e, program, b) : put_text(e, program, b);
}
