/* What kind of join it is, and the hash join that fits into memory; what does not goes to joinpart.c, sorted inputs to joinmerge.c. */
#include "lib/op/joiner.h"

#include "lib/format/format.h"
#include "lib/op/joinwork.h"

#include <stdlib.h>

struct joiner {
	struct source source;
	struct join join;
	struct source *from[2]; /* until they belong to a feed or to `result` */
	struct feed feed[2];
	struct build build;
	struct line_form lines; /* the result may be lines of that form; print NULL: not asked for */
	bool merge;             /* both inputs claim the order */
	struct source *result;  /* NULL until the right side has been read */
};

static void joiner_close(struct source *s)
{
	struct joiner *o = (struct joiner *)s;

	source_close(o->result);
	for (int i = 0; i < 2; i++) {
		feed_close(&o->feed[i]);
		source_close(o->from[i]);
	}
	build_free(&o->build);
	join_free(&o->join);
	free(o);
}

/* The left key of one alternative. */
static struct key alternative(const struct join *j, int a)
{
	struct key k = j->key[LEFT];

	k.n = 1;
	k.parts += a;
	return k;
}

/* Makes both sides' keys comparable; with `any` every left field with the one on the right: in the exact encoding, all of them, if one
 * needs that. */
static int match_keys(struct join *j, const struct schema *l, const struct schema *r, struct err *e)
{
	bool exact = false;
	int rc = 0;

	if (!j->opts.any)
		return key_match(&j->key[LEFT], l, &j->key[RIGHT], r, e);
	for (int a = 0; a < j->nalts && rc == 0; a++) {
		struct key k = alternative(j, a);

		rc = key_match(&k, l, &j->key[RIGHT], r, e);
		exact |= j->key[RIGHT].parts[0].exact;
	}
	for (int a = 0; a < j->nalts; a++)
		j->key[LEFT].parts[a].exact = exact;
	j->key[RIGHT].parts[0].exact = exact;
	return rc;
}

/* What is compared as text is normalized: there must be some. */
static int check_text(const struct join *j, const struct key *k, const struct schema *s, struct err *e)
{
	const struct field *f = &s->fields[k->n ? k->parts[0].col : 0];

	if (!j->opts.normalize)
		return 0;
	for (int i = 0; i < k->n; i++)
		if (join_key_is_text(&k->parts[i], s))
			return 0;
	err_set(e, ST_USAGE, "only text can be normalized");
	return err_field(e, f->name.p, (int)f->name.n);
}

/* As-of: the time is one more key part, which orders. */
static int bind_time(struct join *j, const struct schema *l, const struct schema *r, struct err *e)
{
	const struct join_asof *o = j->opts.asof;
	const struct schema *s[2] = { l, r };
	bool num = o->left.reading == KEY_NUM;
	struct decpool pool = { 0 };
	struct dec tolerance;
	int rc;

	for (int side = 0; side < 2; side++) {
		const struct key_spec *keys = side ? j->opts.right : j->opts.left;
		struct key_spec spec = { keys->n + 1, arena_array(&j->arena, struct key_part, (size_t)keys->n + 1) };

		if (!spec.parts)
			return err_oom(e);
		if (keys->n)
			memcpy(spec.parts, keys->parts, (size_t)keys->n * sizeof *spec.parts);
		spec.parts[keys->n] = side ? o->right : o->left;
		rc = key_bind(&spec, s[side], &j->arena, &j->on[side], e);
		if (rc < 0 && memchr(spec.parts[keys->n].name.p, ':', spec.parts[keys->n].name.n))
			return err_hint(e, "what may follow the field of --asof: backward forward nearest num time; \\: is part of the name");
		if (rc < 0)
			return rc;
		num |= o->left.reading == KEY_AUTO && type_is_numeric(&s[side]->fields[j->on[side].parts[keys->n].col].type);
	}
	for (int side = 0; side < 2; side++)
		j->on[side].parts[j->on[side].n - 1].reading = num ? KEY_NUM : KEY_TIME;
	rc = asof_tolerance(o, num ? KEY_NUM : KEY_TIME, &pool, &tolerance, e);
	decpool_free(&pool);
	if (rc < 0 || (rc = key_match(&j->on[LEFT], l, &j->on[RIGHT], r, e)) < 0)
		return rc;
	for (int side = 0; side < 2; side++) {
		j->key[side] = j->on[side];
		j->key[side].n--;
	}
	return 0;
}

static int bind_keys(struct join *j, const struct schema *l, const struct schema *r, struct err *e)
{
	int rc;

	j->nalts = 1;
	if (j->opts.kind == JOIN_CROSS)
		return 0;
	if (j->opts.asof)
		return bind_time(j, l, r, e);
	if (j->opts.left->n == 0)
		return err_set(e, ST_USAGE, "join needs a key: -k FIELD[=FIELD]");
	if ((rc = key_bind(j->opts.left, l, &j->arena, &j->key[LEFT], e)) < 0 ||
	    (rc = key_bind(j->opts.right, r, &j->arena, &j->key[RIGHT], e)) < 0)
		return rc;
	if (j->opts.any) {
		j->nalts = j->key[LEFT].n;
		j->key[LEFT].option = j->key[RIGHT].option = "--any";
	}
	if ((rc = match_keys(j, l, r, e)) < 0 || (rc = check_text(j, &j->key[LEFT], l, e)) < 0)
		return rc;
	return check_text(j, &j->key[RIGHT], r, e);
}

/* By the hash of the keys: the right side is read; then it is known whether it fits. */
static int start_hash(struct joiner *o, struct err *e)
{
	struct join *j = &o->join;
	struct pass_opts whole = { .final = true };
	bool full;
	int rc;

	if ((rc = pool_open(&j->pool, j->opts.threads, e)) < 0)
		return rc;
	j->bare = join_keys_are_bare(j, o->feed[LEFT].from->schema, o->feed[RIGHT].from->schema);
	build_init(&o->build, j, false);
	if ((rc = build_fill(&o->build, &o->feed[RIGHT], &full, e)) < 0)
		return rc;
	if (full)
		return parts_open(j, &o->build, &o->feed[RIGHT], &o->feed[LEFT], &o->result, e);
	source_close(o->feed[RIGHT].from);
	o->feed[RIGHT].from = NULL;
	if ((rc = build_index(&o->build, e)) < 0)
		return rc;
	return pass_open(&o->build, &o->feed[LEFT], &whole, &o->result, e);
}

static int start(struct joiner *o, struct err *e)
{
	struct join *j = &o->join;
	int rc;

	if (j->opts.asof) {
		struct source *left = o->from[LEFT], *right = o->from[RIGHT];

		o->from[LEFT] = o->from[RIGHT] = NULL;
		return asof_open(j, left, right, &o->result, e);
	}
	if (o->lines.print && (rc = join_ask_for_lines(j, o->from[LEFT], o->from[RIGHT], &o->lines, e)) < 0)
		return rc;
	for (int i = 0; i < 2; i++) {
		struct source *from = o->from[i];

		o->from[i] = NULL;
		if ((rc = feed_open(&o->feed[i], j, (enum join_side)i, false, from, e)) < 0)
			return rc;
	}
	if (j->opts.kind == JOIN_CROSS)
		return cross_open(j, &o->feed[LEFT], &o->feed[RIGHT], &o->result, e);
	if (o->merge)
		return merge_join_open(j, &o->feed[LEFT], &o->feed[RIGHT], &o->result, e);
	return start_hash(o, e);
}

static int joiner_next(struct source *s, struct batch **ret, struct err *e)
{
	struct joiner *o = (struct joiner *)s;
	int rc = o->result ? 0 : start(o, e);

	return rc < 0 ? rc : source_next(o->result, ret, e);
}

/* Rows that go out as text are moved as that. */
static void joiner_want(struct source *s, const bool *cols, const struct line_form *lines)
{
	struct joiner *o = (struct joiner *)s;
	bool some = !lines || o->merge || !join_lines_apply(&o->join, lines);

	for (int i = 0; i < s->schema->nfields; i++)
		some |= cols[i];
	if (!some)
		o->lines = *lines;
}

static int prepare(struct joiner *o, struct err *e)
{
	const struct schema *l = o->from[LEFT]->schema, *r = o->from[RIGHT]->schema;
	struct join *j = &o->join;
	int rc = bind_keys(j, l, r, e);

	if (rc < 0 || (rc = join_columns(j, l, r, e)) < 0)
		return rc;
	if (j->opts.kind != JOIN_CROSS && !j->opts.asof && (rc = merge_join_applies(j, l, r, &o->merge, e)) < 0)
		return rc;
	o->source.schema = j->out;
	return 0;
}

/* Where the right's column of late JSON keys goes out, if the left has one too; else 0. */
static int second_rest(const struct join *j, const struct schema *right)
{
	int rest = rest_column(right);

	for (int i = 0; i < j->nright && rest >= 0 && rest_column(j->left) >= 0; i++)
		if (j->payload_col[i] == rest)
			return j->nleft + i;
	return 0;
}

int join_open(struct source *left, struct source *right, const struct join_opts *opts, struct source **ret, struct err *e)
{
	struct joiner *o = calloc(1, sizeof *o);
	int second, rc;

	if (!o) {
		source_close(left);
		source_close(right);
		return err_oom(e);
	}
	o->source = (struct source){ NULL, joiner_next, joiner_close, joiner_want };
	o->from[LEFT] = left;
	o->from[RIGHT] = right;
	o->join.opts = *opts;
	o->join.opts.threads = opts->threads < 1 ? 1 : opts->threads;
	if ((rc = prepare(o, e)) < 0) {
		joiner_close(&o->source);
		return rc;
	}
	*ret = &o->source;
	second = second_rest(&o->join, right->schema);
	return second ? join_one_rest(&o->source, rest_column(left->schema), second, opts->suffix, ret, e) : 0;
}
