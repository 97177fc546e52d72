/* Types, fields and schemas: what the columns of a table are.
 *
 * The in-memory layouts are those of Apache Arrow (columnar format 1.5), reduced on reading to one layout a kind: 64-bit-offset
 * and view strings become utf8/binary with 32-bit offsets, dictionaries and run ends are expanded. What remains:
 *
 *     layout        types                                        buffers of a column (column.h)
 *     LAY_NULL      null                                         none
 *     LAY_BIT       bool                                         values: 1 bit each
 *     LAY_FIXED     ints, floats, decimals, dates, times...      values: type->width bytes each
 *     LAY_VAR       utf8, binary                                 offsets: n + 1 int32, values: the bytes
 *     LAY_LIST      list, map                                    offsets: n + 1 int32, 1 child
 *     LAY_LIST64    large_list                                   offsets64: n + 1 int64, 1 child
 *     LAY_FIXLIST   fixed_size_list                              1 child of n * list_size rows
 *     LAY_STRUCT    struct                                       n children
 *     LAY_UNION     union (carried through `cat` only)           values: type ids, offsets if dense, n children
 *
 * The kinds of product.md section 5: text is utf8; num is utf8 with mark MARK_NUM; json is utf8 with mark MARK_JSON. The marks
 * travel as the field's ARROW:extension:name ("stook.num", "arrow.json").
 *
 * A schema is immutable once shared, counted by reference (thread safe), and owns everything it points to in its arena. */
#ifndef STOOK_TABLE_TYPE_H
#define STOOK_TABLE_TYPE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#include <stdatomic.h>
#include <stdint.h>

enum type_id {
	T_NULL, T_BOOL,
	T_INT8, T_INT16, T_INT32, T_INT64, T_UINT8, T_UINT16, T_UINT32, T_UINT64,
	T_FLOAT16, T_FLOAT32, T_FLOAT64,
	T_DECIMAL,             /* width 4, 8, 16 or 32 bytes; precision, scale */
	T_DATE32, T_DATE64,    /* days; milliseconds */
	T_TIME32, T_TIME64, T_TIMESTAMP, T_DURATION, /* unit */
	T_INTERVAL,            /* unit 0 year-month, 1 day-time, 2 month-day-nano */
	T_FIXED_BINARY,        /* width */
	T_UTF8, T_BINARY,
	T_LIST, T_LARGE_LIST, T_FIXED_LIST, T_MAP, T_STRUCT, T_UNION,
	T_COUNT
};

enum layout { LAY_NULL, LAY_BIT, LAY_FIXED, LAY_VAR, LAY_LIST, LAY_LIST64, LAY_FIXLIST, LAY_STRUCT, LAY_UNION };
enum type_mark { MARK_NONE, MARK_NUM, MARK_JSON };
enum time_unit { UNIT_S, UNIT_MS, UNIT_US, UNIT_NS };

struct field;

struct type {
	enum type_id id;
	enum layout layout;
	enum type_mark mark;   /* utf8 only */
	int32_t width;         /* LAY_FIXED: bytes a value */
	int16_t unit;          /* enum time_unit, or interval unit, or union mode (0 sparse, 1 dense) */
	int32_t precision, scale; /* decimal */
	int32_t list_size;     /* fixed_size_list */
	bool keys_sorted;      /* map */
	struct str tz;         /* timestamp; n = 0: wall-clock time */
	int nchildren;
	struct field *children;
	int8_t *type_ids;      /* union: nchildren of them */
};

struct kv {
	struct str key, value;
};

struct kvs {
	int n;
	struct kv *v;
};

struct field {
	struct str name;
	bool nullable;
	struct type type;
	struct kvs meta;       /* without the ARROW:extension:name that type.mark stands for */
};

struct schema {
	atomic_int refs;
	int nfields;
	struct field *fields;
	struct kvs meta;
	struct arena arena;
	int cap;
	int *places;  /* by hash of the name, nplaces of them, a power of two: the first field of that name, plus 1. NULL: few fields */
	size_t nplaces;
};

#define TYPE_NULL ((struct type){ .id = T_NULL, .layout = LAY_NULL })
#define TYPE_BOOL ((struct type){ .id = T_BOOL, .layout = LAY_BIT })
#define TYPE_INT64 ((struct type){ .id = T_INT64, .layout = LAY_FIXED, .width = 8 })
#define TYPE_FLOAT64 ((struct type){ .id = T_FLOAT64, .layout = LAY_FIXED, .width = 8 })
#define TYPE_TEXT ((struct type){ .id = T_UTF8, .layout = LAY_VAR })
#define TYPE_NUM ((struct type){ .id = T_UTF8, .layout = LAY_VAR, .mark = MARK_NUM })
#define TYPE_JSON ((struct type){ .id = T_UTF8, .layout = LAY_VAR, .mark = MARK_JSON })
#define TYPE_BINARY ((struct type){ .id = T_BINARY, .layout = LAY_VAR })
#define TYPE_DATE ((struct type){ .id = T_DATE32, .layout = LAY_FIXED, .width = 4 })
#define TYPE_TIMESTAMP(u, zone) ((struct type){ .id = T_TIMESTAMP, .layout = LAY_FIXED, .width = 8, .unit = (u), .tz = (zone) })

enum layout type_layout(enum type_id id);

/* Name for messages and --schema files, e.g. "text", "num", "int64", "timestamp[us, UTC]", "list<int32>"; written to dst (cut
 * at size), returns dst. */
const char *type_name(const struct type *t, char *dst, size_t size);

/* Same type: id, mark and parameters, children by type (their names do not matter). */
bool type_equal(const struct type *a, const struct type *b);

static inline bool type_is_text(const struct type *t) { return t->id == T_UTF8 && t->mark == MARK_NONE; }
static inline bool type_is_num(const struct type *t) { return t->id == T_UTF8 && t->mark == MARK_NUM; }
static inline bool type_is_int(const struct type *t) { return t->id >= T_INT8 && t->id <= T_UINT64; }
static inline bool type_is_float(const struct type *t) { return t->id >= T_FLOAT16 && t->id <= T_FLOAT64; }
/* num, integers, floats, decimals: one class of exact values (product.md section 5). */
static inline bool type_is_numeric(const struct type *t)
{
	return type_is_num(t) || type_is_int(t) || type_is_float(t) || t->id == T_DECIMAL;
}

/* A new, empty schema with one reference; NULL when out of memory. */
struct schema *schema_new(void);
struct schema *schema_ref(const struct schema *s); /* the same schema; drops const because the count changes */
void schema_unref(const struct schema *s);         /* NULL is fine */
#define cleanup_schema __attribute__((cleanup(schema_unrefp)))
static inline void schema_unrefp(struct schema **s) { schema_unref(*s); }

/* Appends a field; name, type (deeply) and metadata are copied into the schema. Only before the schema is shared. */
int schema_add(struct schema *s, struct str name, const struct type *type, bool nullable, struct err *e) nodiscard;
int schema_add_field(struct schema *s, const struct field *f, struct err *e) nodiscard; /* with its metadata */
int schema_set_meta(struct schema *s, struct str key, struct str value, struct err *e) nodiscard; /* replaces or adds */
int schema_drop_meta(struct schema *s, struct str key);           /* 1 if it was there */
/* All of it, to be changed. */
int schema_copy(const struct schema *from, struct schema **ret, struct err *e) nodiscard;
int schema_copy_meta(struct schema *s, const struct schema *from, struct err *e) nodiscard;
int field_set_meta(struct schema *s, int field, struct str key, struct str value, struct err *e) nodiscard;
const struct str *kvs_get(const struct kvs *kvs, struct str key);  /* NULL: absent */

/* Index of the first field of that name, or -1. */
int schema_find(const struct schema *s, struct str name);
int schema_find_near(const struct schema *s, struct str name, int guess); /* at once where it is field number `guess` */

/* Same number of fields with equal names and types (metadata and nullability do not count). */
bool schema_equal(const struct schema *a, const struct schema *b);

/* "no field \"x\"; there are: a, b, c" as ST_USAGE. */
int schema_no_field(const struct schema *s, struct str name, struct err *e);

#endif
