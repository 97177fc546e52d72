/* latest, argmin, argmax: values of the row that has the largest or smallest value of an ordering field.
 *
 * latest gives the whole record but the group's key, argmin and argmax one other field. Of equal ones latest takes the last
 * row, the others the first. Rows without an ordering value are the earliest for latest (a record is never lost), the others
 * skip them. State: the ordering value's key (lib/table/key.h) and the row's values, written one after another as length + 1
 * (0: null) and bytes. State columns: OUT:order[.READING]:FIELD for the ordering field, OUT:FUNC:FIELD for the rest. */
#include "lib/agg/agg.h"
#include "lib/agg/cell.h"

static const char *const order_names[] = { "order", "order.num", "order.text", "order.nat", "order.fold", "order.time" };

struct state {
	struct cell key, row;
};

struct by_key_more {
	int n;           /* values of a row */
	int *cols;       /* their columns in the input, or in the partial states */
	int order;       /* which of them orders */
	struct buf line; /* scratch */
};

static bool is_latest(const struct agg *a)
{
	return a->family == &agg_latest;
}

static bool in_group(const struct agg *a, int col)
{
	for (int i = 0; i < a->group->n; i++)
		if (a->group->parts[i].col == col)
			return true;
	return false;
}

static int push(struct agg *a, int col, bool orders, struct err *e)
{
	struct by_key_more *more = a->more;
	const struct type *t = &a->schema->fields[col].type;

	if (!type_has_bytes(t) && t->id != T_NULL) {
		a->cols[0] = col;
		return agg_bad_type(a, 0, e);
	}
	if (orders)
		more->order = more->n;
	more->cols[more->n++] = col;
	return 0;
}

/* The ordering field and those that go with it, in the order of the input. */
static int choose(struct agg *a, struct err *e)
{
	int rc = 0;

	if (!is_latest(a)) {
		int order = a->cols[0], other = a->cols[1];

		return (rc = push(a, order, true, e)) < 0 ? rc : push(a, other, false, e);
	}
	for (int i = 0, order = a->cols[0]; i < a->schema->nfields && rc == 0; i++)
		if (i == order || !in_group(a, i))
			rc = push(a, i, i == order, e);
	return rc;
}

/* In a merge: the state columns by their names. */
static int choose_states(struct agg *a, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	char *order = arena_printf(&arena, "%.*s:%s:", STR_ARG(a->spec.out), order_names[a->spec.reading]);
	char *other = arena_printf(&arena, "%.*s:%s:", STR_ARG(a->spec.out), a->family->name);
	bool found = false;
	int rc = 0;

	if (!order || !other)
		return err_oom(e);
	for (int i = 0; i < a->schema->nfields && rc == 0; i++) {
		bool orders = str_starts(a->schema->fields[i].name, str_of(order));

		if (!orders && !str_starts(a->schema->fields[i].name, str_of(other)))
			continue;
		found |= orders;
		rc = push(a, i, orders, e);
	}
	if (rc == 0 && (!found || (!is_latest(a) && ((struct by_key_more *)a->more)->n != 2)))
		rc = err_set(e, ST_DATA, "the partial states hold no %.*s", STR_ARG(a->spec.text));
	return rc;
}

static struct str plain_name(const struct agg *a, int k, bool merge)
{
	const struct by_key_more *more = a->more;
	struct str name = a->schema->fields[more->cols[k]].name;
	size_t skip = a->spec.out.n + 2 + strlen(k == more->order ? order_names[a->spec.reading] : a->family->name);

	return merge ? str_from(name, skip) : name;
}

static int add_columns(struct agg *a, int k, bool merge, struct err *e)
{
	const struct by_key_more *more = a->more;
	const struct type *t = &a->schema->fields[more->cols[k]].type;
	struct str name = plain_name(a, k, merge);
	char *state = arena_printf(&a->arena, "%s:%.*s", k == more->order ? order_names[a->spec.reading] : a->family->name,
				   STR_ARG(name));
	char *result = arena_printf(&a->arena, "%.*s_%.*s", STR_ARG(a->spec.out), STR_ARG(name));
	int rc = state && result ? agg_add_state(a, state, *t, true, e) : err_oom(e);

	if (rc < 0 || (!is_latest(a) && k == more->order))
		return rc;
	if (!is_latest(a))
		return agg_add_result(a, a->spec.out, *t, true, e);
	return agg_add_result(a, a->spec.named ? str_of(result) : name, *t, true, e);
}

static int by_key_bind(struct agg *a, bool merge, struct err *e)
{
	struct by_key_more *more = a->more;
	const struct type *t;
	int rc;

	if (!merge && a->spec.reading == KEY_AUTO && type_is_text(&a->schema->fields[a->cols[0]].type) && !is_latest(a))
		return agg_say_reading(a, 0, e);
	more->cols = arena_array(&a->arena, int, (size_t)a->schema->nfields + 2);
	if (!more->cols)
		return err_oom(e);
	if (!merge && is_latest(a) && in_group(a, a->cols[0]))
		return err_set(e, ST_USAGE, "-a %.*s: a field of -g cannot order the records of its group",
			       STR_ARG(a->spec.text));
	if (!merge && a->spec.reading == KEY_AUTO && type_is_text(&a->schema->fields[a->cols[0]].type))
		a->spec.reading = KEY_TIME;
	else if (merge && is_latest(a) && a->spec.reading == KEY_AUTO && (rc = choose_states(a, e)) < 0)
		a->spec.reading = KEY_TIME; /* it was text: see above */
	more->n = 0;
	if ((rc = merge ? choose_states(a, e) : choose(a, e)) < 0)
		return rc;
	t = &a->schema->fields[more->cols[more->order]].type;
	if (t->id != T_NULL && (rc = agg_check_key(a, a->schema, more->cols[more->order], e)) < 0)
		return rc;
	a->state_col = more->cols[0];
	a->nargs = 1;
	a->cols[0] = more->cols[more->order];
	a->need[0] = AGG_KEYS;
	for (int k = 0; k < more->n; k++)
		if ((rc = add_columns(a, k, merge, e)) < 0)
			return rc;
	return 0;
}

static bool is_blank(const struct by_key_more *more, const struct batch *b, int64_t row)
{
	for (int k = 0; k < more->n; k++)
		if (!column_is_null(&b->cols[more->cols[k]], row))
			return false;
	return true;
}

static int put_row(struct by_key_more *more, const struct batch *b, int64_t row)
{
	int rc = 0;

	more->line.n = 0;
	for (int k = 0; k < more->n && !rc; k++) {
		const struct column *c = &b->cols[more->cols[k]];
		bool null = column_is_null(c, row);
		char bit;
		struct str s = null ? (struct str){ 0 } : column_bytes_at(c, row, &bit);
		uint32_t len = null ? 0 : (uint32_t)s.n + 1;

		rc = buf_add(&more->line, &len, sizeof len) || buf_str(&more->line, s);
	}
	return rc;
}

/* Whether a row whose key compares so to the kept one takes its place. */
static bool wins(const struct agg *a, int order)
{
	if (is_latest(a))
		return order >= 0;
	return a->family == &agg_argmax ? order > 0 : order < 0;
}

static int fold(struct agg *a, const struct batch *b, const struct keys *keys, const uint32_t *ids, struct err *e)
{
	struct by_key_more *more = a->more;
	const struct column *order = &b->cols[more->cols[more->order]];

	for (int64_t i = 0; i < b->nrows; i++) {
		struct state *s = ids[i] == NO_GROUP ? NULL : AGG_STATE(a, struct state, ids[i]);
		bool null = column_is_null(order, i) || (keys->has_null && keys->has_null[i]);
		struct str key = null ? STR("") : keys_at(keys, i);

		if (!s || (null && (!is_latest(a) || is_blank(more, b, i)))) /* blank is also what a group without rows dumps */
			continue;
		if (cell_has(&s->key) && !wins(a, str_cmp(key, cell_get(&s->key))))
			continue;
		if (put_row(more, b, i) || cell_set(&s->key, key, &a->heap) ||
		    cell_set(&s->row, buf_view(&more->line), &a->heap))
			return err_oom(e);
	}
	return 0;
}

static int by_key_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	return fold(a, b->batch, b->args[0].keys, b->ids, e);
}

static int by_key_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	const struct by_key_more *more = a->more;
	struct key_bound part = { .col = more->cols[more->order], .reading = a->spec.reading };
	struct key key = { .n = 1, .parts = &part };
	struct bad_values bad = bad_values_of(BAD_NULL); /* as --on-bad null took it: the value stays in the record */
	struct keys keys = { 0 };
	int rc = 0;

	if (b->cols[part.col].type->id != T_NULL)
		rc = keys_encode(&key, b, &bad, &arena, &keys, e);
	return rc < 0 ? rc : fold(a, b, &keys, ids, e);
}

/* Value k of a kept row into out; *at moves behind it. */
static int take_value(struct str row, size_t *at, struct builder *out, struct err *e)
{
	uint32_t len;

	memcpy(&len, row.p + *at, sizeof len);
	*at += sizeof len + (len ? len - 1 : 0);
	if (!out)
		return 0;
	return len ? builder_bytes(out, (struct str){ row.p + *at - (len - 1), len - 1 }, e) : builder_null(out, 1, e);
}

static int by_key_write(struct agg *a, uint32_t from, uint32_t n, struct builder *out, bool order_too, struct err *e)
{
	const struct by_key_more *more = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);
		struct str row = cell_get(&s->row);
		size_t at = 0;
		int col = 0;

		for (int k = 0; k < more->n && rc == 0; k++) {
			struct builder *to = order_too || k != more->order ? &out[col++] : NULL;

			if (cell_has(&s->key))
				rc = take_value(row, &at, to, e);
			else if (to)
				rc = builder_null(to, 1, e);
		}
	}
	return rc;
}

static int by_key_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	return by_key_write(a, from, n, out, is_latest(a), e);
}

static int by_key_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	return by_key_write(a, from, n, out, true, e);
}

static void by_key_drop(struct agg *a)
{
	struct by_key_more *more = a->more;

	for (uint32_t g = 0; g < a->ngroups; g++) {
		cell_free(&AGG_STATE(a, struct state, g)->key, &a->heap);
		cell_free(&AGG_STATE(a, struct state, g)->row, &a->heap);
	}
	buf_free(&more->line);
}

#define BY_KEY                                                                                                \
	.reads = true, .size = sizeof(struct state), .more = sizeof(struct by_key_more), .bind = by_key_bind, \
	.update = by_key_update, .finish = by_key_finish, .dump = by_key_dump, .load = by_key_load, .drop = by_key_drop

const struct agg_family agg_latest = {
	.name = "latest",
	.min_fields = 1,
	.max_fields = 1,
	.signature = "latest:FIELD[:num|text|...]",
	.example = "latest:day:text",
	.help = "the record with the largest FIELD, all its fields; of equal ones the last; text is read as time unless "
		"said otherwise",
	BY_KEY,
};

const struct agg_family agg_argmin = {
	.name = "argmin",
	.min_fields = 2,
	.max_fields = 2,
	.signature = "argmin:FIELD:OTHER[:num|text|...]",
	.example = "where=argmin:price:shop:num",
	.help = "OTHER of the first record with the smallest FIELD",
	BY_KEY,
};

const struct agg_family agg_argmax = {
	.name = "argmax",
	.min_fields = 2,
	.max_fields = 2,
	.signature = "argmax:FIELD:OTHER[:num|text|...]",
	.example = "where=argmax:price:shop:num",
	.help = "OTHER of the first record with the largest FIELD",
	BY_KEY,
};
