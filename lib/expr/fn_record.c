/* What a record is and where it came from. */
#include "lib/base/hash.h"
#include "lib/expr/convert.h"
#include "lib/expr/kernel.h"

#include <math.h>

static int64_t batch_row(const struct eval *ev, int64_t i)
{
	return ev->lv->src ? ev->lv->src[i] : i;
}

KERNEL(row)
{
	UNUSED_KERNEL_ARGS;
	EACH(sel, i, ret->i[i] = ev->batch->origin.row + batch_row(ev, i) + 1;);
	return 0;
}

static int64_t line_at(const struct origin *o, int64_t row)
{
	int64_t line = o->line + row, column;

	if (o->locate)
		o->locate(o, row, -1, &line, &column);
	return line;
}

/* Lines of rows [a, b], whose ends are known: where as many lines as rows lie between, each row has one; else halves are
 * looked at. */
static void fill_lines(const struct origin *o, int64_t *line, int64_t a, int64_t b)
{
	int64_t mid = (a + b) / 2;

	if (b - a < 2)
		return;
	if (line[b] - line[a] == b - a) {
		for (int64_t i = a + 1; i < b; i++)
			line[i] = line[a] + i - a;
		return;
	}
	line[mid] = line_at(o, mid);
	fill_lines(o, line, a, mid);
	fill_lines(o, line, mid, b);
}

KERNEL(line)
{
	const struct origin *o = &ev->batch->origin;
	int64_t n = ev->batch->nrows, *line;
	int rc;

	UNUSED_KERNEL_ARGS;
	if (!o->line) {
		EACH(sel, i, if ((rc = vec_set_null(ev, ret, i, e)) < 0) return rc;);
		return 0;
	}
	if (!(line = arena_array(&ev->lv->arena, int64_t, (size_t)n + 1)))
		return err_oom(e);
	line[0] = o->line;
	line[n - 1] = line_at(o, n - 1);
	fill_lines(o, line, 0, n - 1);
	EACH(sel, i, ret->i[i] = line[batch_row(ev, i)];);
	return 0;
}

KERNEL(file)
{
	const char *name = ev->batch->origin.name;
	int rc;

	UNUSED_KERNEL_ARGS;
	EACH(sel, i,
		if (name)
			ret->s[i] = str_of(name);
		else if ((rc = vec_set_null(ev, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

/* Text by its bytes, numbers by their canonical text, anything else as it is printed. */
static int hash_value(struct eval *ev, const struct vec *v, int64_t i, uint64_t seed, uint64_t *ret)
{
	bool float64 = v->type == V_F64 && isfinite(v->f[i & v->mask]);
	struct dec d;

	ev->tmp.n = 0;
	if (value_text(v->type)) {
		struct str s = v->s[i & v->mask];

		if (v->type != V_NUM) {
			*ret = hash64(s.p, s.n, seed);
			return 0;
		}
		if (dec_parse(s, &ev->pool, &d) == DEC_OK ? dec_canonical(d, &ev->pool, &ev->tmp) : buf_str(&ev->tmp, s))
			return -1;
	} else if (float64) {
		if (dec_from_f64(v->f[i & v->mask], &ev->pool, &d) < 0 || dec_canonical(d, &ev->pool, &ev->tmp))
			return -1;
	} else if (v->type == V_DEC && !dec_special(v->d[i & v->mask])) {
		if (dec_canonical(v->d[i & v->mask], &ev->pool, &ev->tmp))
			return -1;
	} else if (print_value(ev, v, i, &ev->tmp)) {
		return -1;
	}
	*ret = hash64(ev->tmp.p, ev->tmp.n, seed);
	return 0;
}

KERNEL(hash)
{
	uint64_t h;

	EACH(sel, i,
		if (hash_value(ev, &args[0], i, x->nargs > 1 ? (uint64_t)ARG(1, i, i) : 0, &h) < 0)
			return err_oom(e);
		ret->i[i] = (int64_t)(h >> 1);
	);
	return 0;
}

#define ROW_WHY "row() counts the records of the whole input"
#define LINE_WHY "line() counts the lines of the whole input"
#define FILE_WHY "file() names the input as it is read here"

const struct fn fns_record[] = {
	{ "row", "", 'i', { row }, NULL, "row()", "number of the record in its input, from 1", ROW_WHY },
	{ "line", "", 'i', { line }, NULL, "line()",
	  "line of the input that the record begins on; null where there are no lines", LINE_WHY },
	{ "file", "", 's', { file }, NULL, "file()", "name of the record's input, - for standard input", FILE_WHY },
	{ "hash", "a?i", 'i', { hash }, NULL, "hash(x[, seed])",
	  "63 bits of XXH3 over text, or a number's canonical text; the same for ever", NULL },
	{ 0 },
};
