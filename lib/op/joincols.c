/* The columns of a join's result, and putting them together: the left's are shared or sliced where the rows stand as they came, the
 * right's come as a batch of the payload, so no value is copied twice. */
#include "lib/format/format.h"
#include "lib/op/joinwork.h"

void join_free(struct join *j)
{
	pool_close(j->pool);
	schema_unref(j->payload);
	schema_unref(j->cells);
	schema_unref(j->line);
	schema_unref(j->out);
	schema_unref(j->tagged_out);
	arena_free(&j->arena);
}

void join_stop(struct join *j, int64_t row, const struct err *e)
{
	if (j->stopped && row >= j->stop_row)
		return;
	j->stopped = true;
	j->stop_row = row;
	j->failure = *e;
}

/* Is this right column left out, because a left column has the same values? With `any` none has. */
static bool is_key(const struct join *j, int col)
{
	for (int i = 0; i < j->key[RIGHT].n && !j->opts.any; i++)
		if (j->key[RIGHT].parts[i].col == col)
			return true;
	return false;
}

/* Is `name` taken, by an output column so far or by a right column that will keep its name? */
static bool taken(const struct join *j, const struct schema *right, struct str name)
{
	if (schema_find(j->out, name) >= 0)
		return true;
	for (int i = schema_find(right, name); i >= 0 && i < right->nfields; i++)
		if (!is_key(j, i) && str_eq(right->fields[i].name, name))
			return true;
	return false;
}

/* The name of a right column that the left has too. */
static int free_name(struct join *j, const struct schema *right, struct str name, struct str *ret, struct err *e)
{
	for (int i = 2;; i++) {
		char *z = j->opts.suffix ? arena_printf(&j->arena, "%.*s%s", STR_ARG(name), j->opts.suffix) :
					   arena_printf(&j->arena, "%.*s_%d", STR_ARG(name), i);

		if (!z)
			return err_oom(e);
		*ret = str_of(z);
		if (!taken(j, right, *ret))
			return 0;
		if (!j->opts.suffix)
			continue;
		err_set(e, ST_USAGE, "both inputs have \"%.*s\", and the name \"%s\" is taken too", STR_ARG(name), z);
		return err_hint(e, "another --suffix, or rename first: stook map 'rename ...'");
	}
}

static int add_field(struct schema *out, const struct field *f, struct str name, bool nullable, struct err *e)
{
	struct field mine = *f;

	mine.name = name;
	mine.nullable = f->nullable || nullable;
	return schema_add_field(out, &mine, e);
}

/* Right columns that go out. */
static int add_right(struct join *j, const struct schema *left, const struct schema *right, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < right->nfields && rc == 0 && !join_left_only(j); i++) {
		const struct field *f = &right->fields[i];
		struct str name = f->name;

		if (is_key(j, i))
			continue;
		if (schema_find(left, name) >= 0)
			rc = free_name(j, right, name, &name, e);
		if (rc == 0 && (rc = add_field(j->out, f, name, join_pads_left(j), e)) == 0)
			rc = add_field(j->payload, f, name, true, e);
		j->payload_col[j->nright++] = i;
	}
	return rc;
}

/* Right-only rows: where the values of the left's columns come from. */
static int add_rest(struct join *j, const struct schema *right, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < j->nleft; i++)
		j->rest_from[i] = -1;
	for (int i = 0; i < j->key[LEFT].n && join_wants_rest(j) && !j->opts.any && rc == 0; i++) {
		int col = j->key[RIGHT].parts[i].col, *from = &j->rest_from[j->key[LEFT].parts[i].col];

		if (*from >= 0)
			continue;
		*from = j->payload->nfields;
		j->payload_col[*from] = col;
		rc = add_field(j->payload, &right->fields[col], right->fields[col].name, true, e);
	}
	return rc;
}

/* Left keys take right values in right-only rows: their types must allow it. */
static int check_rest_types(const struct join *j, const struct schema *left, const struct schema *right, struct err *e)
{
	char a[64], b[64];

	for (int i = 0; i < j->key[LEFT].n && join_wants_rest(j) && !j->opts.any; i++) {
		const struct field *l = &left->fields[j->key[LEFT].parts[i].col], *r = &right->fields[j->key[RIGHT].parts[i].col];

		if (type_equal(&l->type, &r->type) || l->type.id == T_UTF8)
			continue;
		err_set(e, ST_USAGE, "the key is %s on the left and %s on the right: rows of the right alone have no place in it",
			type_name(&l->type, a, sizeof a), type_name(&r->type, b, sizeof b));
		if (r->type.id == T_UTF8)
			err_hint(e, "read the right's text as that: --type %.*s=%s", STR_ARG(r->name), a);
		else
			err_hint(e, "declare one type for both: --type %.*s=num", STR_ARG(l->name));
		return err_field(e, l->name.p, (int)l->name.n);
	}
	return 0;
}

static int tag_output(struct join *j, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < j->out->nfields && rc == 0; i++)
		rc = schema_add_field(j->tagged_out, &j->out->fields[i], e);
	if (rc == 0 && (rc = schema_add(j->tagged_out, STR(":l"), &TYPE_INT64, true, e)) == 0)
		rc = schema_add(j->tagged_out, STR(":r"), &TYPE_INT64, true, e);
	return rc;
}

int join_columns(struct join *j, const struct schema *left, const struct schema *right, struct err *e)
{
	int rc = check_rest_types(j, left, right, e);

	if (rc < 0)
		return rc;
	j->left = left;
	j->nleft = left->nfields;
	j->out = schema_new();
	j->payload = schema_new();
	j->tagged_out = schema_new();
	j->payload_col = arena_array(&j->arena, int, (size_t)(right->nfields + j->key[RIGHT].n) + 1);
	j->rest_from = arena_array(&j->arena, int, (size_t)left->nfields + 1);
	if (!j->out || !j->payload || !j->tagged_out || !j->payload_col || !j->rest_from)
		return err_oom(e);
	for (int i = 0; i < left->nfields && rc == 0; i++)
		rc = add_field(j->out, &left->fields[i], left->fields[i].name, join_wants_rest(j), e);
	if (rc < 0 || (rc = add_right(j, left, right, e)) < 0 || (rc = add_rest(j, right, e)) < 0 ||
	    (rc = schema_copy_meta(j->out, left, e)) < 0)
		return rc;
	if (join_wants_rest(j))
		schema_drop_meta(j->out, STR("stook.sorted"));
	return tag_output(j, e);
}

/* Rows. */

static bool in_a_row(const uint32_t *idx, int64_t n)
{
	for (int64_t i = 1; i < n; i++)
		if (idx[i] != idx[0] + (uint32_t)i)
			return false;
	return true;
}

int join_rows(struct batch *b, const uint32_t *idx, int64_t n, struct batch **ret, struct err *e)
{
	if (n && !in_a_row(idx, n))
		return batch_gather(b, idx, n, ret, e);
	if (n != b->nrows)
		return batch_slice(b, n ? idx[0] : 0, n, ret, e);
	*ret = batch_ref(b);
	return 0;
}

/* Values as text: the left's key is text, the right's is not. */
static int print_column(struct builder *b, const struct column *c, struct err *e)
{
	cleanup_buf struct buf text = { 0 };
	int rc = 0;

	for (int64_t i = 0; i < c->length && rc == 0; i++) {
		text.n = 0;
		if (column_is_null(c, i))
			rc = builder_null(b, 1, e);
		else if (value_print(c, i, &text))
			rc = err_oom(e);
		else
			rc = builder_str(b, buf_view(&text), e);
	}
	return rc;
}

/* A left column of rows of the right alone: nulls, or the right's key. */
static int right_only_column(const struct join *j, struct batch *b, int col, const struct batch *payload, struct err *e)
{
	const struct type *t = &b->schema->fields[col].type;
	const struct column *from = j->rest_from[col] < 0 ? NULL : &payload->cols[j->rest_from[col]];
	struct builder builder;
	int rc;

	if (from && type_equal(from->type, t)) {
		b->cols[col] = *from;
		b->cols[col].type = t;
		return 0;
	}
	if ((rc = builder_init(&builder, t, e)) == 0)
		rc = from ? print_column(&builder, from, e) : builder_null(&builder, b->nrows, e);
	if (rc == 0)
		rc = builder_column(&builder, &b->arena, &b->cols[col], e);
	builder_free(&builder);
	return rc;
}

/* Negative numbers are nulls. */
static int number_column(struct batch *b, int col, const int64_t *v, struct err *e)
{
	struct column *c = &b->cols[col];
	int64_t nulls = 0;
	uint8_t *valid = NULL;

	for (int64_t i = 0; i < b->nrows; i++)
		nulls += v[i] < 0;
	c->values = arena_dup(&b->arena, v, (size_t)b->nrows * sizeof *v);
	if (!c->values || (nulls && !(valid = arena_calloc(&b->arena, bits_bytes(b->nrows), 1))))
		return err_oom(e);
	for (int64_t i = 0; i < b->nrows && nulls; i++)
		bit_put(valid, i, v[i] >= 0);
	c->valid = valid;
	c->null_count = nulls;
	return 0;
}

static void share_columns(struct batch *b, int at, const struct batch *from, int n)
{
	for (int i = 0; i < n; i++) {
		b->cols[at + i] = from->cols[i];
		b->cols[at + i].type = &b->schema->fields[at + i].type;
	}
}

static int fill(const struct join *j, struct batch *b, struct batch *left, struct batch *payload, const int64_t *l, const int64_t *r,
		struct err *e)
{
	int rc = 0;

	if (left) {
		share_columns(b, 0, left, j->nleft);
		b->origin.name = left->origin.name;
		batch_keep(b, left);
	}
	for (int i = 0; i < j->nleft && !left && rc == 0; i++)
		rc = right_only_column(j, b, i, payload, e);
	if (payload) {
		share_columns(b, j->nleft, payload, j->nright);
		batch_keep(b, payload);
	}
	if (l && rc == 0 && (rc = number_column(b, j->nleft + j->nright, l, e)) == 0)
		rc = number_column(b, j->nleft + j->nright + 1, r, e);
	return rc;
}

int join_compose(const struct join *j, struct batch *left, struct batch *payload, int64_t n, const int64_t *l, const int64_t *r,
		 struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(l ? j->tagged_out : j->out, n);
	int rc;

	if (!b)
		return err_oom(e);
	if ((rc = fill(j, b, left, payload, l, r, e)) < 0)
		return rc;
	*ret = b;
	b = NULL;
	return 0;
}

int join_untag(const struct join *j, struct batch *b, int64_t n, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *kept = NULL;
	struct batch *out;
	int rc = batch_slice(b, 0, n, &kept, e);

	if (rc < 0)
		return rc;
	out = batch_new(j->out, n);
	if (!out)
		return err_oom(e);
	share_columns(out, 0, kept, out->schema->nfields);
	batch_keep(out, kept);
	*ret = out;
	return 0;
}
