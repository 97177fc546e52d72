/* A bare key of numbers: see bare.h. One note a run, about the first such field. */
#include "lib/cli/bare.h"

#include "lib/io/term.h"

#include <stdlib.h>

#define LOOKED_AT 1000

struct bare {
	struct source source;
	struct source *from;
	const struct common *common;
	const struct key_spec *spec;
	int64_t rows;
	bool done;
	struct suspect {
		int col; /* -1: cleared */
		int64_t numbers;
	} *v;            /* one a part of the key */
};

static bool reads_as_number(struct str s)
{
	double v;
	enum dec_read how = num_parse_f64(s, &v);

	return how == DEC_OK || how == DEC_LIMIT;
}

static void look(struct bare *a, const struct batch *b)
{
	int64_t n = b->nrows < LOOKED_AT - a->rows ? b->nrows : LOOKED_AT - a->rows;

	for (int k = 0; k < a->spec->n; k++) {
		struct suspect *s = &a->v[k];

		for (int64_t i = 0; i < n && s->col >= 0; i++) {
			const struct column *c = &b->cols[s->col];

			if (column_is_null(c, i))
				continue;
			s->numbers++;
			if (!reads_as_number(column_str(c, i)))
				s->col = -1;
		}
	}
	a->rows += n;
}

static void say(const struct bare *a)
{
	for (int k = 0; k < a->spec->n; k++) {
		const struct suspect *s = &a->v[k];
		struct err note = { 0 };
		struct str name;

		if (s->col < 0 || !s->numbers)
			continue;
		name = a->source.schema->fields[s->col].name;
		(void)err_set(&note, ST_OK, "field \"%.*s\" holds numbers and is sorted as text, 10 before 9 (numbers: %.*s:num)",
			      STR_ARG(name), STR_ARG(name));
		cli_note(a->common, &note);
		return;
	}
}

static int bare_next(struct source *s, struct batch **ret, struct err *e)
{
	struct bare *a = (struct bare *)s;
	int rc = source_next(a->from, ret, e);

	if (rc < 0 || a->done)
		return rc;
	if (*ret)
		look(a, *ret);
	if (*ret && a->rows < LOOKED_AT)
		return rc;
	a->done = true;
	say(a);
	return rc;
}

static void bare_close(struct source *s)
{
	source_close(((struct bare *)s)->from);
	free(((struct bare *)s)->v);
	free(s);
}

static void bare_want(struct source *s, const bool *cols, const struct line_form *lines)
{
	source_want_lines(((struct bare *)s)->from, cols, lines);
}

/* A part that says how it is read, or that is no text, is not suspected; nor one that there is not: sort says so. */
static void suspect(struct bare *a)
{
	const struct schema *s = a->from->schema;

	for (int k = 0; k < a->spec->n; k++) {
		const struct key_part *p = &a->spec->parts[k];
		int col = p->at > 0 ? p->at - 1 : schema_find(s, p->name);

		a->v[k].col = p->reading == KEY_AUTO && col >= 0 && col < s->nfields && type_is_text(&s->fields[col].type) ? col : -1;
	}
}

int note_bare_keys(const struct common *c, const struct key_spec *spec, struct source *from, struct source **ret, struct err *e)
{
	struct bare *a;

	*ret = from;
	if (!spec->n || c->quiet || !term_is(2))
		return 0;
	a = calloc(1, sizeof *a);
	if (a)
		a->v = calloc((size_t)spec->n, sizeof *a->v);
	if (!a || !a->v) {
		free(a);
		source_close(from);
		return err_oom(e);
	}
	a->source = (struct source){ from->schema, bare_next, bare_close, bare_want };
	a->from = from;
	a->common = c;
	a->spec = spec;
	suspect(a);
	*ret = &a->source;
	return 0;
}
