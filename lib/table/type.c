/* Types, fields and schemas: see type.h. */
#include "lib/table/type.h"

#include "lib/base/buf.h"
#include "lib/base/hash.h"

#include <stdio.h>
#include <stdlib.h>

#define FEW_FIELDS 16 /* are looked through for a name */

static const struct type_row {
	const char *name;
	enum layout layout;
} rows[T_COUNT] = {
	[T_NULL] = { "null", LAY_NULL },
	[T_BOOL] = { "bool", LAY_BIT },
	[T_INT8] = { "int8", LAY_FIXED },
	[T_INT16] = { "int16", LAY_FIXED },
	[T_INT32] = { "int32", LAY_FIXED },
	[T_INT64] = { "int64", LAY_FIXED },
	[T_UINT8] = { "uint8", LAY_FIXED },
	[T_UINT16] = { "uint16", LAY_FIXED },
	[T_UINT32] = { "uint32", LAY_FIXED },
	[T_UINT64] = { "uint64", LAY_FIXED },
	[T_FLOAT16] = { "float16", LAY_FIXED },
	[T_FLOAT32] = { "float32", LAY_FIXED },
	[T_FLOAT64] = { "float64", LAY_FIXED },
	[T_DECIMAL] = { "decimal", LAY_FIXED },
	[T_DATE32] = { "date", LAY_FIXED },
	[T_DATE64] = { "date64", LAY_FIXED },
	[T_TIME32] = { "time32", LAY_FIXED },
	[T_TIME64] = { "time64", LAY_FIXED },
	[T_TIMESTAMP] = { "timestamp", LAY_FIXED },
	[T_DURATION] = { "duration", LAY_FIXED },
	[T_INTERVAL] = { "interval", LAY_FIXED },
	[T_FIXED_BINARY] = { "fixed_binary", LAY_FIXED },
	[T_UTF8] = { "text", LAY_VAR },
	[T_BINARY] = { "binary", LAY_VAR },
	[T_LIST] = { "list", LAY_LIST },
	[T_LARGE_LIST] = { "large_list", LAY_LIST64 },
	[T_FIXED_LIST] = { "fixed_list", LAY_FIXLIST },
	[T_MAP] = { "map", LAY_LIST },
	[T_STRUCT] = { "struct", LAY_STRUCT },
	[T_UNION] = { "union", LAY_UNION },
};

enum layout type_layout(enum type_id id)
{
	return rows[id].layout;
}

static const char *unit_name(int unit)
{
	static const char *const names[] = { "s", "ms", "us", "ns" };

	return unit >= 0 && unit < 4 ? names[unit] : "?";
}

static int put_name(struct buf *b, const struct type *t, int depth);

static int put_children(struct buf *b, const struct type *t, int depth)
{
	for (int i = 0; i < t->nchildren; i++) {
		const struct field *f = &t->children[i];

		if (i && buf_puts(b, ", "))
			return -1;
		if (t->id == T_STRUCT && (buf_str(b, f->name) || buf_puts(b, ": ")))
			return -1;
		if (put_name(b, &f->type, depth + 1))
			return -1;
	}
	return 0;
}

static int put_name(struct buf *b, const struct type *t, int depth)
{
	if (t->mark)
		return buf_puts(b, t->mark == MARK_NUM ? "num" : "json");
	if (buf_puts(b, rows[t->id].name))
		return -1;
	switch (t->id) {
	case T_DECIMAL:
		return buf_printf(b, "%d(%d, %d)", t->width * 8, t->precision, t->scale);
	case T_TIMESTAMP:
		return t->tz.n ? buf_printf(b, "[%s, %.*s]", unit_name(t->unit), STR_ARG(t->tz)) : buf_printf(b, "[%s]", unit_name(t->unit));
	case T_TIME32:
	case T_TIME64:
	case T_DURATION:
		return buf_printf(b, "[%s]", unit_name(t->unit));
	case T_FIXED_BINARY:
		return buf_printf(b, "[%d]", t->width);
	default:
		break;
	}
	if (!t->nchildren || depth > 8)
		return 0;
	return buf_byte(b, '<') || put_children(b, t, depth) || buf_byte(b, '>') ? -1 : 0;
}

const char *type_name(const struct type *t, char *dst, size_t size)
{
	cleanup_buf struct buf b = { 0 };
	size_t n;

	if (put_name(&b, t, 0))
		b.n = 0;
	n = b.n < size - 1 ? b.n : size - 1;
	if (n)
		memcpy(dst, b.p, n);
	dst[n] = '\0';
	return dst;
}

bool type_equal(const struct type *a, const struct type *b)
{
	if (a->id != b->id || a->mark != b->mark || a->width != b->width || a->unit != b->unit || a->precision != b->precision ||
	    a->scale != b->scale || a->list_size != b->list_size || a->nchildren != b->nchildren || !str_eq(a->tz, b->tz))
		return false;
	for (int i = 0; i < a->nchildren; i++)
		if (!type_equal(&a->children[i].type, &b->children[i].type) ||
		    (a->id == T_UNION && a->type_ids[i] != b->type_ids[i]))
			return false;
	return true;
}

struct schema *schema_new(void)
{
	struct schema *s = calloc(1, sizeof *s);

	if (s)
		atomic_init(&s->refs, 1);
	return s;
}

struct schema *schema_ref(const struct schema *s)
{
	struct schema *mine = (struct schema *)(uintptr_t)s;

	atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
	return mine;
}

void schema_unref(const struct schema *s)
{
	struct schema *mine = (struct schema *)(uintptr_t)s;

	if (!mine || atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_free(&mine->arena);
	free(mine);
}

static int copy_str(struct arena *a, struct str *dst, struct str src)
{
	dst->n = src.n;
	dst->p = arena_strdup(a, src);
	return dst->p ? 0 : -1;
}

static int copy_kvs(struct arena *a, struct kvs *dst, const struct kvs *src)
{
	struct kv *v = arena_array(a, struct kv, (size_t)src->n);

	if (!v)
		return -1;
	for (int i = 0; i < src->n; i++)
		if (copy_str(a, &v[i].key, src->v[i].key) || copy_str(a, &v[i].value, src->v[i].value))
			return -1;
	*dst = (struct kvs){ src->n, v };
	return 0;
}

static int copy_type(struct arena *a, struct type *dst, const struct type *src);

static int copy_field(struct arena *a, struct field *dst, const struct field *src)
{
	dst->nullable = src->nullable;
	return copy_str(a, &dst->name, src->name) || copy_kvs(a, &dst->meta, &src->meta) || copy_type(a, &dst->type, &src->type) ? -1 : 0;
}

static int copy_type(struct arena *a, struct type *dst, const struct type *src)
{
	*dst = *src;
	if (copy_str(a, &dst->tz, src->tz))
		return -1;
	if (!src->nchildren)
		return 0;
	dst->children = arena_array(a, struct field, (size_t)src->nchildren);
	if (!dst->children)
		return -1;
	if (src->type_ids && !(dst->type_ids = arena_dup(a, src->type_ids, (size_t)src->nchildren)))
		return -1;
	for (int i = 0; i < src->nchildren; i++)
		if (copy_field(a, &dst->children[i], &src->children[i]))
			return -1;
	return 0;
}

static struct field *add_slot(struct schema *s)
{
	if (s->nfields == s->cap) {
		int cap = s->cap ? s->cap * 2 : 8;
		struct field *f = arena_array(&s->arena, struct field, (size_t)cap);

		if (!f)
			return NULL;
		if (s->nfields)
			memcpy(f, s->fields, (size_t)s->nfields * sizeof *f);
		s->fields = f;
		s->cap = cap;
	}
	return &s->fields[s->nfields];
}

/* The place of a name's first field, or the free one for it. */
static int *place_of(const struct schema *s, struct str name)
{
	size_t i = hash64(name.p, name.n, 0) & (s->nplaces - 1);

	while (s->places[i] && !str_eq(s->fields[s->places[i] - 1].name, name))
		i = (i + 1) & (s->nplaces - 1);
	return &s->places[i];
}

static void note_name(struct schema *s, int field)
{
	int *place = place_of(s, s->fields[field].name);

	if (!*place)
		*place = field + 1;
}

/* Notes the last field's name: places are doubled, and made anew, when half of them are taken. */
static int note_last(struct schema *s)
{
	size_t n = s->nplaces ? s->nplaces * 2 : 4 * FEW_FIELDS;

	if (s->nfields <= FEW_FIELDS)
		return 0;
	if ((size_t)s->nfields * 2 <= s->nplaces) {
		note_name(s, s->nfields - 1);
		return 0;
	}
	if (!(s->places = arena_calloc(&s->arena, n, sizeof *s->places)))
		return -1;
	s->nplaces = n;
	for (int i = 0; i < s->nfields; i++)
		note_name(s, i);
	return 0;
}

int schema_add_field(struct schema *s, const struct field *f, struct err *e)
{
	struct field copy = *f, *slot = add_slot(s); /* f may lie in s->fields */

	if (!slot || copy_field(&s->arena, slot, &copy))
		return err_oom(e);
	s->nfields++;
	return note_last(s) ? err_oom(e) : 0;
}

int schema_add(struct schema *s, struct str name, const struct type *type, bool nullable, struct err *e)
{
	return schema_add_field(s, &(struct field){ .name = name, .type = *type, .nullable = nullable }, e);
}

static struct kv *find_kv(const struct kvs *kvs, struct str key)
{
	for (int i = 0; i < kvs->n; i++)
		if (str_eq(kvs->v[i].key, key))
			return &kvs->v[i];
	return NULL;
}

static int set_kv(struct arena *a, struct kvs *kvs, struct str key, struct str value, struct err *e)
{
	struct kv *v, *old = find_kv(kvs, key);
	struct kv one;

	if (copy_str(a, &one.key, key) || copy_str(a, &one.value, value))
		return err_oom(e);
	if (old) {
		*old = one;
		return 0;
	}
	v = arena_array(a, struct kv, (size_t)kvs->n + 1);
	if (!v)
		return err_oom(e);
	if (kvs->n)
		memcpy(v, kvs->v, (size_t)kvs->n * sizeof *v);
	v[kvs->n] = one;
	*kvs = (struct kvs){ kvs->n + 1, v };
	return 0;
}

int schema_set_meta(struct schema *s, struct str key, struct str value, struct err *e)
{
	return set_kv(&s->arena, &s->meta, key, value, e);
}

int field_set_meta(struct schema *s, int field, struct str key, struct str value, struct err *e)
{
	return set_kv(&s->arena, &s->fields[field].meta, key, value, e);
}

int schema_drop_meta(struct schema *s, struct str key)
{
	struct kv *old = find_kv(&s->meta, key);

	if (!old)
		return 0;
	memmove(old, old + 1, (size_t)(s->meta.v + s->meta.n - old - 1) * sizeof *old);
	s->meta.n--;
	return 1;
}

int schema_copy_meta(struct schema *s, const struct schema *from, struct err *e)
{
	return copy_kvs(&s->arena, &s->meta, &from->meta) ? err_oom(e) : 0;
}

int schema_copy(const struct schema *from, struct schema **ret, struct err *e)
{
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? schema_copy_meta(s, from, e) : err_oom(e);

	for (int i = 0; i < from->nfields && rc == 0; i++)
		rc = schema_add_field(s, &from->fields[i], e);
	if (rc < 0)
		return rc;
	*ret = s;
	s = NULL;
	return 0;
}

const struct str *kvs_get(const struct kvs *kvs, struct str key)
{
	struct kv *kv = find_kv(kvs, key);

	return kv ? &kv->value : NULL;
}

int schema_find(const struct schema *s, struct str name)
{
	if (s->places)
		return *place_of(s, name) - 1;
	for (int i = 0; i < s->nfields; i++)
		if (str_eq(s->fields[i].name, name))
			return i;
	return -1;
}

int schema_find_near(const struct schema *s, struct str name, int guess)
{
	return guess < s->nfields && str_eq(s->fields[guess].name, name) ? guess : schema_find(s, name);
}

bool schema_equal(const struct schema *a, const struct schema *b)
{
	if (a == b)
		return true;
	if (a->nfields != b->nfields)
		return false;
	for (int i = 0; i < a->nfields; i++)
		if (!str_eq(a->fields[i].name, b->fields[i].name) || !type_equal(&a->fields[i].type, &b->fields[i].type))
			return false;
	return true;
}

int schema_no_field(const struct schema *s, struct str name, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = 0;

	for (int i = 0; i < s->nfields && !rc && b.n < 600; i++)
		rc = buf_printf(&b, "%s%.*s", i ? ", " : "", STR_ARG(s->fields[i].name));
	return err_set(e, ST_USAGE, "no field \"%.*s\"; there are: %.*s%s", STR_ARG(name), rc ? 0 : (int)b.n, (char *)b.p,
		       b.n >= 600 ? " ..." : "");
}
