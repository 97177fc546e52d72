#include "fanout/failure.h"

#include "lib/cli/cli.h"
#include "lib/io/term.h"

#include <jansson.h>
#include <stdio.h>

void failure_set(struct failure *f, const char *program, const struct err *e)
{
	snprintf(f->program, sizeof f->program, "%s", program);
	f->e = *e;
}

void failure_print(const struct failure *f, bool json)
{
	cleanup_buf struct buf b = { 0 };

	if (!f->e.status || f->e.status == ST_CLOSED)
		return;
	term_err(err_format(&f->e, f->program, json, &b) == 0 ? buf_view(&b) : STR("fanout: out of memory\n"));
}

int root_cause(int n, const struct wire_status *status)
{
	int first = -1;

	for (int i = 0; i < n; i++) {
		if (!status[i].signaled && status[i].code == 0)
			continue;
		if (status[i].signaled || status[i].code != ST_STREAM)
			return i;
		first = first < 0 ? i : first;
	}
	return first;
}

static void take_text(json_t *o, const char *name, char *dst, size_t size)
{
	const char *v = json_string_value(json_object_get(o, name));

	snprintf(dst, size, "%s", v ? v : "");
}

static bool take_object(struct str line, struct failure *f)
{
	json_t *o = line.n && line.p[0] == '{' ? json_loadb(line.p, line.n, 0, NULL) : NULL;
	json_int_t status = json_integer_value(json_object_get(o, "status"));

	if (!o || status < 1 || status > 255) {
		json_decref(o);
		return false;
	}
	memset(f, 0, sizeof *f);
	f->e.status = (int)status;
	f->e.line = json_integer_value(json_object_get(o, "line"));
	f->e.column = json_integer_value(json_object_get(o, "column"));
	f->e.row = json_integer_value(json_object_get(o, "row"));
	take_text(o, "program", f->program, sizeof f->program);
	take_text(o, "input", f->e.input, sizeof f->e.input);
	take_text(o, "field", f->e.field, sizeof f->e.field);
	take_text(o, "message", f->e.msg, sizeof f->e.msg);
	take_text(o, "hint", f->e.hint, sizeof f->e.hint);
	json_decref(o);
	return true;
}

bool failure_from_stderr(struct str text, struct failure *f, struct buf *rest)
{
	bool found = false;

	while (text.n) {
		const char *nl = memchr(text.p, '\n', text.n);
		size_t n = nl ? (size_t)(nl - text.p) : text.n;

		if (take_object((struct str){ text.p, n }, f))
			found = true;
		else if (rest && n && (buf_add(rest, text.p, n) || buf_byte(rest, '\n')))
			return found;
		text = str_from(text, n + 1);
	}
	return found;
}
