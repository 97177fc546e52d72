/* The table of aggregates, their grammar, and what all families share: see agg.h.
 *
 * An item is cut at unescaped separators only; names keep their escapes until a schema resolves them. */
#include "lib/agg/agg.h"

#include "lib/base/pages.h"

#include <stdlib.h>

const struct agg_family *const agg_families[] = { &agg_count,
						  &agg_sum,
						  &agg_mean,
						  &agg_min,
						  &agg_max,
						  &agg_first,
						  &agg_last,
						  &agg_distinct,
						  &agg_latest,
						  &agg_argmin,
						  &agg_argmax,
						  &agg_var,
						  &agg_sd,
						  &agg_varp,
						  &agg_sdp,
						  &agg_cov,
						  &agg_corr,
						  &agg_wmean,
						  &agg_median,
						  &agg_quantile,
						  &agg_pnn,
						  &agg_pnn_sketch,
						  &agg_quartiles_sketch,
						  &agg_mode,
						  &agg_hist,
						  &agg_distinct_sketch,
						  &agg_list,
						  &agg_concat,
						  &agg_any,
						  &agg_all,
						  NULL };

static const struct {
	const char *name;
	enum key_reading reading;
} readings[] = { { "num", KEY_NUM }, { "text", KEY_TEXT }, { "nat", KEY_NAT }, { "fold", KEY_FOLD }, { "time", KEY_TIME } };

#define NREADINGS (sizeof readings / sizeof *readings)

int agg_help(struct buf *b)
{
	int rc = buf_puts(b, "\nAggregates:\n");

	for (int i = 0; agg_families[i] && !rc; i++) {
		const struct agg_family *f = agg_families[i];

		rc = buf_printf(b, "  %-38s %s\n%43s-a %s\n", f->signature, f->help, "", f->example);
	}
	return rc;
}

int agg_mdoc(struct buf *b)
{
	int rc = buf_puts(b, ".Ss Aggregates\n.Bl -tag -width Ds -compact\n");

	for (int i = 0; agg_families[i] && !rc; i++) {
		const struct agg_family *f = agg_families[i];

		rc = buf_printf(b, ".It Li \"%s\"\n%s\n.Pq Li \"-a %s\"\n", f->signature, f->help, f->example);
	}
	return rc ? rc : buf_puts(b, ".El\n");
}

int agg_examples(struct buf *b)
{
	int rc = 0;

	for (int i = 0; agg_families[i] && !rc; i++)
		rc = buf_printf(b, "stook reduce -g country -a '%s' --type paid=bool payments.csv\n", agg_families[i]->example);
	return rc;
}

/* Where the first unescaped c is, or s.n. */
static size_t find_plain(struct str s, char c)
{
	size_t i;

	for (i = 0; i < s.n && s.p[i] != c; i++)
		i += s.p[i] == '\\' && i + 1 < s.n;
	return i < s.n ? i : s.n;
}

/* Cuts *s at the first unescaped c: returns what is before it, leaves what follows in *s (empty at the end). */
static struct str cut(struct str *s, char c)
{
	size_t n = find_plain(*s, c);
	struct str head = { s->p, n };

	*s = n < s->n ? str_from(*s, n + 1) : (struct str){ s->p + s->n, 0 };
	return head;
}

static struct str unescape(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; p && i < s.n; i++) {
		i += s.p[i] == '\\' && i + 1 < s.n;
		p[n++] = s.p[i];
	}
	return (struct str){ p, n };
}

/* p95, p99.9 */
static bool is_percentile(struct str func)
{
	size_t digits = 0;

	for (size_t i = 1; i < func.n; i++)
		if (func.p[i] >= '0' && func.p[i] <= '9')
			digits++;
		else if (func.p[i] != '.')
			return false;
	return func.n > 1 && func.p[0] == 'p' && digits;
}

static const struct agg_family *family_find(struct str func)
{
	if (is_percentile(func))
		return &agg_pnn;
	if (func.n && func.p[func.n - 1] == '~' && is_percentile((struct str){ func.p, func.n - 1 }))
		return &agg_pnn_sketch;
	for (int i = 0; agg_families[i]; i++)
		if (str_is(func, agg_families[i]->name))
			return agg_families[i];
	return NULL;
}

static int unknown_function(struct str func, struct err *e)
{
	cleanup_buf struct buf names = { 0 };

	for (int i = 0; agg_families[i]; i++)
		if (buf_printf(&names, "%s%s", i ? ", " : "", agg_families[i]->name))
			return err_oom(e);
	return err_set(e, ST_USAGE, "-a: no aggregate \"%.*s\"; there are: %.*s", STR_ARG(func), STR_ARG(buf_view(&names)));
}

/* Strips known readings from the right of the field part. */
static int strip_reading(struct agg_spec *s, struct str *fields, struct err *e)
{
	struct str rest = *fields, last = { 0 };
	size_t at = 0;

	while (find_plain(rest, ':') < rest.n) {
		cut(&rest, ':');
		at = fields->n - rest.n;
		last = rest;
	}
	for (size_t i = 0; at && i < NREADINGS; i++) {
		if (!str_is(last, readings[i].name))
			continue;
		if (!s->family->reads && readings[i].reading != KEY_NUM)
			return err_set(e, ST_USAGE, "-a %.*s: %s takes no :%s", STR_ARG(s->text), s->family->name,
				       readings[i].name);
		s->reading = readings[i].reading;
		fields->n = at - 1;
		return 0;
	}
	return 0;
}

static int parse_fields(struct agg_spec *s, struct str fields, struct arena *a, struct err *e)
{
	int rc;

	if (!fields.n && !s->family->min_fields)
		return 0;
	if ((rc = strip_reading(s, &fields, e)) < 0)
		return rc;
	for (; fields.n && s->nfields + 1 < s->family->max_fields; s->nfields++)
		s->fields[s->nfields] = cut(&fields, ':');
	if (fields.n && s->nfields < s->family->max_fields) { /* the last one may hold colons of its own */
		s->fields[s->nfields++] = fields;
		fields.n = 0;
	}
	if (s->family->arg && s->nfields == s->family->max_fields)
		s->arg = unescape(s->fields[--s->nfields], a);
	if (s->nfields + (s->arg.n > 0) < s->family->min_fields || fields.n || (s->nfields && !s->fields[s->nfields - 1].n))
		return err_set(e, ST_USAGE, "-a %.*s: the form is %s", STR_ARG(s->text), s->family->signature);
	return 0;
}

static int default_name(struct agg_spec *s, struct arena *a, struct err *e)
{
	struct str n = s->func;
	char *p;

	for (int i = 0; i < s->nfields; i++) {
		struct str f = unescape(s->fields[i], a);

		p = f.p ? arena_printf(a, "%.*s_%.*s", STR_ARG(n), STR_ARG(f)) : NULL;
		if (!p)
			return err_oom(e);
		n = str_of(p);
	}
	s->out = n;
	return 0;
}

static int escape(struct str s, struct buf *b)
{
	int rc = 0;

	for (size_t i = 0; i < s.n && !rc; i++) {
		if (s.p[i] && strchr(",:=\\", s.p[i]))
			rc = buf_byte(b, '\\');
		rc |= buf_byte(b, (uint8_t)s.p[i]);
	}
	return rc;
}

/* Back to text: the same for any way of writing the same request. */
static int canonical(struct agg_spec *s, struct arena *a, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = 0;

	if (s->named)
		rc = escape(s->out, &b) | buf_byte(&b, '=');
	rc |= buf_str(&b, s->func);
	for (int i = 0; i < s->nfields && !rc; i++)
		rc = buf_byte(&b, ':') | buf_str(&b, s->fields[i]);
	if (s->arg.n)
		rc |= buf_byte(&b, ':') | escape(s->arg, &b);
	for (size_t i = 0; i < NREADINGS && !rc; i++)
		if (readings[i].reading == s->reading)
			rc = buf_printf(&b, ":%s", readings[i].name);
	s->text = (struct str){ rc ? NULL : arena_dup(a, b.p, b.n), b.n };
	return s->text.p ? 0 : err_oom(e);
}

static int parse_item(struct str item, struct arena *a, struct agg_spec *s, struct err *e)
{
	struct str rest = item;
	int rc;

	*s = (struct agg_spec){ .text = item };
	if (find_plain(item, '=') < item.n) {
		s->out = unescape(cut(&rest, '='), a);
		if (!s->out.p)
			return err_oom(e);
		s->named = true;
		if (!s->out.n || s->out.p[0] == ':')
			return err_set(e, ST_USAGE, "-a %.*s: a name is missing before =", STR_ARG(item));
	}
	s->func = cut(&rest, ':');
	s->family = family_find(s->func);
	if (!s->family)
		return unknown_function(s->func, e);
	if ((rc = parse_fields(s, rest, a, e)) < 0 || (!s->out.n && (rc = default_name(s, a, e)) < 0))
		return rc;
	return canonical(s, a, e);
}

int agg_parse(struct str text, struct arena *a, struct agg_specs *ret, struct err *e)
{
	do {
		struct agg_spec *v = arena_array(a, struct agg_spec, (size_t)ret->n + 1);
		struct str item = cut(&text, ',');
		int rc;

		if (!v)
			return err_oom(e);
		if (ret->n)
			memcpy(v, ret->v, (size_t)ret->n * sizeof *v);
		ret->v = v;
		if ((rc = parse_item(item, a, &v[ret->n], e)) < 0)
			return rc;
		ret->n++;
	} while (text.n);
	return 0;
}

int agg_bind(const struct agg_spec *spec, const struct schema *s, const struct key *group, bool merge, struct agg *ret,
	     struct err *e)
{
	int rc;

	*ret = (struct agg){ .family = spec->family,
			     .spec = *spec,
			     .schema = schema_ref(s),
			     .nargs = spec->nfields,
			     .size = spec->family->size,
			     .group = group };
	for (int i = 0; !merge && i < spec->nfields; i++) {
		if ((rc = field_resolve(spec->fields[i], s, &ret->cols[i], e)) < 0)
			return rc;
	}
	if (spec->family->more) {
		ret->more = calloc(1, spec->family->more);
		if (!ret->more)
			return err_oom(e);
	}
	rc = spec->family->bind(ret, merge, e);
	ret->group = NULL;
	return rc;
}

static void drop(struct agg *a)
{
	if (a->family && a->family->drop && (a->more || !a->family->more))
		a->family->drop(a);
	a->family = NULL;
}

void agg_replace(struct agg *to, struct agg *from)
{
	drop(from);
	if (from->size == to->size && from->cap) {
		memset(from->groups, 0, from->ngroups * from->size);
		to->groups = from->groups;
		to->cap = from->cap;
		from->cap = 0;
	}
	agg_free(from);
}

void agg_free(struct agg *a)
{
	drop(a);
	pages_free(a->groups, a->cap * a->size);
	free(a->more);
	arena_free(&a->arena);
	schema_unref(a->schema);
	*a = (struct agg){ 0 };
}

size_t agg_memory(const struct agg *a)
{
	return a->cap * a->size + a->heap + (a->family->memory ? a->family->memory(a) : 0);
}

int agg_reserve(struct agg *a, uint32_t ngroups, struct err *e)
{
	size_t size = a->size;

	if (ngroups > a->cap) {
		uint64_t cap = (uint64_t)a->cap + a->cap / 2 + 64;
		uint8_t *p; /* new pages are zero */

		if (cap < ngroups)
			cap = ngroups;
		if (cap > UINT32_MAX)
			cap = UINT32_MAX;
		p = pages_resize(a->groups, a->cap * size, cap * size);
		if (!p)
			return err_oom(e);
		a->groups = p;
		a->cap = (uint32_t)cap;
	}
	if (ngroups > a->ngroups) {
		pages_touch(a->groups, a->ngroups * size, ngroups * size);
		a->ngroups = ngroups;
	}
	return 0;
}

static int add_field(struct agg *a, struct agg_field **list, int *n, struct agg_field f, struct err *e)
{
	struct agg_field *v = arena_array(&a->arena, struct agg_field, (size_t)*n + 1);

	if (!v)
		return err_oom(e);
	if (*n)
		memcpy(v, *list, (size_t)*n * sizeof *v);
	v[(*n)++] = f;
	*list = v;
	return 0;
}

int agg_add_result(struct agg *a, struct str name, struct type t, bool nullable, struct err *e)
{
	return add_field(a, &a->results, &a->nresult, (struct agg_field){ .name = name, .type = t, .nullable = nullable }, e);
}

int agg_add_state(struct agg *a, const char *name, struct type t, bool nullable, struct err *e)
{
	char *full = arena_printf(&a->arena, "%.*s:%s", STR_ARG(a->spec.out), name);

	return full ? add_field(a, &a->states, &a->nstate,
				(struct agg_field){ .name = str_of(full), .type = t, .nullable = nullable }, e)
		    : err_oom(e);
}

int agg_check_key(const struct agg *a, const struct schema *s, int col, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	struct key_part part = { .at = col + 1, .reading = a->spec.reading };
	struct key_spec spec = { .n = 1, .parts = &part };
	struct key key;

	return key_bind(&spec, s, &arena, &key, e);
}

int agg_say_reading(const struct agg *a, int col, struct err *e)
{
	struct str name = a->schema->fields[a->cols[col]].name;
	const char *f = a->family->name;

	return err_set(e, ST_USAGE, "field \"%.*s\" is text: say which reading %s means, %s:%.*s:num or %s:%.*s:text",
		       STR_ARG(name), f, f, STR_ARG(name), f, STR_ARG(name));
}

int agg_bad_type(const struct agg *a, int col, struct err *e)
{
	const struct field *f = &a->schema->fields[a->cols[col]];
	char name[128];

	return err_set(e, ST_USAGE, "field \"%.*s\" is %s: %s cannot compute on it", STR_ARG(f->name),
		       type_name(&f->type, name, sizeof name), a->family->name);
}

int agg_check_numbers(const struct agg *a, int col, struct err *e)
{
	const struct type *t = &a->schema->fields[a->cols[col]].type;

	return t->id == T_UTF8 || t->id == T_NULL || type_is_numeric(t) ? 0 : agg_bad_type(a, col, e);
}

int agg_state_kind(struct agg *a, const char *const *names, int n, struct err *e)
{
	struct str other = { 0 };

	for (int i = 0; i < a->schema->nfields; i++) {
		struct str f = a->schema->fields[i].name;

		if (f.n <= a->spec.out.n || !str_starts(f, a->spec.out) || f.p[a->spec.out.n] != ':')
			continue;
		for (int k = 0; k < n; k++)
			if (str_is(str_from(f, a->spec.out.n + 1), names[k])) {
				a->state_col = i;
				return k;
			}
		other = other.n ? other : str_from(f, a->spec.out.n + 1);
	}
	if (other.n)
		return err_set(e, ST_DATA, "the partial states of %.*s are of the kind \"%.*s\", not \"%s\"", STR_ARG(a->spec.text),
			       STR_ARG(other), names[0]);
	return err_set(e, ST_DATA, "the partial states hold no %.*s", STR_ARG(a->spec.text));
}

int agg_bad_state(const struct agg *a, const struct batch *b, int64_t row, int k, struct err *e)
{
	err_set(e, ST_DATA, "a partial state of %.*s is damaged", STR_ARG(a->spec.text));
	return b ? batch_err_at(b, row, a->state_col + k, e) : -e->status;
}
