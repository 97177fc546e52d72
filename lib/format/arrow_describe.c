/* A schema -> the Schema table of Arrow metadata.
 *
 * Some readers refuse fields without a name or with one name twice. Such a field is given a name of its own on the way
 * ("_3", "a_2"), never one that another field has, and its true name travels in its metadata, where our reader finds it. */
#include "lib/format/arrow_wire.h"

#include <stdlib.h>

/* The names of one level. `slot` is a hash table of indices + 1 into `name`, open addressing, a power of two of them. */
struct names {
	int n;
	struct str *name;
	uint32_t *slot;
	size_t mask;
	struct arena arena;
};

/* The slot of name s: it holds an index + 1 or is free. */
static uint32_t *find_name(struct names *t, struct str s)
{
	size_t i = hash64(s.p, s.n, 0) & t->mask;

	while (t->slot[i] && !str_eq(t->name[t->slot[i] - 1], s))
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

/* The first of a, a_2, a_3... that is free, for field i. */
static int make_name(struct names *t, const struct field *f, int i)
{
	struct str stem = f->name.n ? f->name : str_of(arena_printf(&t->arena, "_%d", i + 1) ? : "");
	struct str s = stem;

	for (int k = 2; !s.n || *find_name(t, s) || (k == 2 && f->name.n); k++) {
		const char *z = arena_printf(&t->arena, "%.*s_%d", STR_ARG(stem), k);

		if (!z)
			return -1;
		s = str_of(z);
	}
	t->name[i] = s;
	*find_name(t, s) = (uint32_t)i + 1;
	return 0;
}

/* First all names that may stay, then the ones to be made. */
static int names_make(struct names *t, const struct field *f, int n)
{
	size_t slots = 16;
	uint32_t *slot;

	while (slots < 2 * (size_t)n)
		slots *= 2;
	t->n = n;
	t->mask = slots - 1;
	t->name = arena_array(&t->arena, struct str, (size_t)n);
	t->slot = arena_array(&t->arena, uint32_t, slots);
	if (!t->name || !t->slot)
		return -1;
	for (int i = 0; i < n; i++)
		if (f[i].name.n && !*(slot = find_name(t, f[i].name))) {
			t->name[i] = f[i].name;
			*slot = (uint32_t)i + 1;
		}
	for (int i = 0; i < n; i++)
		if (!t->name[i].n && make_name(t, &f[i], i))
			return -1;
	return 0;
}

static const struct row {
	uint8_t number;
	const char *slots;
} rows[T_COUNT] = {
	[T_NULL] = { AT_NULL, "" },
	[T_BOOL] = { AT_BOOL, "" },
	[T_INT8] = { AT_INT, "41" },
	[T_INT16] = { AT_INT, "41" },
	[T_INT32] = { AT_INT, "41" },
	[T_INT64] = { AT_INT, "41" },
	[T_UINT8] = { AT_INT, "41" },
	[T_UINT16] = { AT_INT, "41" },
	[T_UINT32] = { AT_INT, "41" },
	[T_UINT64] = { AT_INT, "41" },
	[T_FLOAT16] = { AT_FLOAT, "2" },
	[T_FLOAT32] = { AT_FLOAT, "2" },
	[T_FLOAT64] = { AT_FLOAT, "2" },
	[T_DECIMAL] = { AT_DECIMAL, "444" },
	[T_DATE32] = { AT_DATE, "2" },
	[T_DATE64] = { AT_DATE, "2" },
	[T_TIME32] = { AT_TIME, "24" },
	[T_TIME64] = { AT_TIME, "24" },
	[T_TIMESTAMP] = { AT_TIMESTAMP, "24" },
	[T_DURATION] = { AT_DURATION, "2" },
	[T_INTERVAL] = { AT_INTERVAL, "2" },
	[T_FIXED_BINARY] = { AT_FIXED_BINARY, "4" },
	[T_UTF8] = { AT_UTF8, "" },
	[T_BINARY] = { AT_BINARY, "" },
	[T_LIST] = { AT_LIST, "" },
	[T_LARGE_LIST] = { AT_LARGE_LIST, "" },
	[T_FIXED_LIST] = { AT_FIXED_LIST, "4" },
	[T_MAP] = { AT_MAP, "1" },
	[T_STRUCT] = { AT_STRUCT, "" },
	[T_UNION] = { AT_UNION, "24" },
};

/* Parameter `slot` of a type, where it is a number. */
static int64_t param(const struct type *t, int slot)
{
	switch (rows[t->id].number) {
	case AT_INT:
		return slot ? t->id <= T_INT64 : t->width * 8;
	case AT_FLOAT:
		return t->id - T_FLOAT16;
	case AT_DECIMAL:
		return slot == 0 ? t->precision : slot == 1 ? t->scale : t->width * 8;
	case AT_DATE:
		return t->id == T_DATE64;
	case AT_TIME:
		return slot ? t->width * 8 : t->unit;
	case AT_FIXED_BINARY:
		return t->width;
	case AT_FIXED_LIST:
		return t->list_size;
	case AT_MAP:
		return t->keys_sorted;
	default:
		return t->unit;
	}
}

static void put_type(struct fbb *f, const struct type *t, size_t ref)
{
	bool zoned = t->id == T_TIMESTAMP && t->tz.n;
	const char *slots = t->id == T_TIMESTAMP && !zoned ? "2" : rows[t->id].slots;
	size_t at[16], first;

	fbb_ref(f, ref, fbb_table(f, slots, at));
	for (int k = 0; slots[k]; k++)
		if (!(k == 1 && (zoned || t->id == T_UNION)))
			fbb_put(f, at[k], param(t, k), slots[k] - '0');
	if (zoned)
		fbb_ref(f, at[1], fbb_string(f, t->tz));
	if (t->id != T_UNION)
		return;
	fbb_ref(f, at[1], fbb_vector(f, (size_t)t->nchildren, 4, &first));
	for (int i = 0; i < t->nchildren; i++)
		fbb_put(f, first + 4 * (size_t)i, t->type_ids[i], 4);
}

static void put_kv(struct fbb *f, size_t ref, struct str key, struct str value)
{
	size_t at[16];

	fbb_ref(f, ref, fbb_table(f, "44", at));
	fbb_ref(f, at[0], fbb_string(f, key));
	fbb_ref(f, at[1], fbb_string(f, value));
}

static int put_fields(struct fbb *f, const struct field *fields, int n, size_t ref);

static void put_field_meta(struct fbb *f, const struct field *field, bool renamed, size_t ref)
{
	size_t mark = field->type.mark != MARK_NONE, n = (size_t)field->meta.n + mark + renamed, at, i = 0;

	fbb_ref(f, ref, fbb_vector(f, n, 4, &at));
	for (; i < (size_t)field->meta.n; i++)
		put_kv(f, at + 4 * i, field->meta.v[i].key, field->meta.v[i].value);
	if (mark)
		put_kv(f, at + 4 * i++, STR(EXT_NAME), field->type.mark == MARK_NUM ? STR(EXT_NUM) : STR(EXT_JSON));
	if (renamed)
		put_kv(f, at + 4 * i, STR(KEY_NAME), field->name);
}

/* Field: name, nullable, type_type, type, dictionary, children, custom_metadata. */
static int put_field(struct fbb *f, const struct field *field, struct str name, size_t ref)
{
	bool renamed = !str_eq(name, field->name), meta = field->meta.n || field->type.mark || renamed;
	size_t at[16];

	fbb_ref(f, ref, fbb_table(f, meta ? "4114-44" : "4114-4", at));
	fbb_put(f, at[1], field->nullable, 1);
	fbb_put(f, at[2], rows[field->type.id].number, 1);
	fbb_ref(f, at[0], fbb_string(f, name));
	put_type(f, &field->type, at[3]);
	if (meta)
		put_field_meta(f, field, renamed, at[6]);
	return put_fields(f, field->type.children, field->type.nchildren, at[5]);
}

static int put_fields(struct fbb *f, const struct field *fields, int n, size_t ref)
{
	struct names t = { 0 };
	size_t first;
	int rc = names_make(&t, fields, n);

	fbb_ref(f, ref, fbb_vector(f, (size_t)n, 4, &first));
	for (int i = 0; i < n && !rc; i++)
		rc = put_field(f, &fields[i], t.name[i], first + 4 * (size_t)i);
	arena_free(&t.arena);
	return rc;
}

/* Schema: endianness, fields, custom_metadata. */
int describe_schema(struct fbb *f, const struct schema *s, size_t *at, struct err *e)
{
	size_t slot[16], first;

	*at = fbb_table(f, s->meta.n ? "244" : "24", slot);
	if (put_fields(f, s->fields, s->nfields, slot[1]))
		return err_oom(e);
	if (s->meta.n) {
		fbb_ref(f, slot[2], fbb_vector(f, (size_t)s->meta.n, 4, &first));
		for (int i = 0; i < s->meta.n; i++)
			put_kv(f, first + 4 * (size_t)i, s->meta.v[i].key, s->meta.v[i].value);
	}
	return f->oom ? err_oom(e) : 0;
}
