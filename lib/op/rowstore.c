/* Packing and unpacking rows: see rowstore.h. Both go row by row and column by column, so that a row is touched once; short values
 * are moved as 16 bytes whatever their length. Rows are packed by the strip: room for all of it is made first. */
#include "lib/op/rowstore.h"

#include "lib/base/copy.h"
#include "lib/op/grow.h"

#define FIRST_BLOCK ((size_t)64 << 10)
#define STRIP 128  /* rows packed between two looks at the room left */
#define SHORT 256  /* bytes that are not worth a call */
#define AHEAD 12   /* rows whose memory is asked for in advance */

enum { CODE_LONG = 253, CODE_NULL = 254 };

void rowstore_init(struct rowstore *s, const struct schema *schema)
{
	*s = (struct rowstore){ .schema = schema };
}

void rowstore_free(struct rowstore *s)
{
	for (uint32_t i = 0; i < s->nblocks; i++)
		free(s->blocks[i].p);
	free(s->blocks);
	buf_free(&s->nested);
	*s = (struct rowstore){ 0 };
}

size_t rowstore_size(const struct rowstore *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->nblocks; i++)
		n += s->blocks[i].n;
	return n;
}

static int add_block(struct rowstore *s, size_t need, struct err *e)
{
	size_t size = s->nblocks ? s->blocks[s->nblocks - 1].cap * 2 : FIRST_BLOCK;
	struct store_block *b;

	if (size > ROW_BLOCK)
		size = ROW_BLOCK;
	if (size < need)
		size = need;
	if (s->nblocks == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 16;
		int rc = GROW(s->blocks, cap, e);

		if (rc < 0)
			return rc;
		s->cap = cap;
	}
	b = &s->blocks[s->nblocks];
	*b = (struct store_block){ .p = malloc(size), .cap = size };
	if (!b->p)
		return err_oom(e);
	s->nblocks++;
	s->bytes += (int64_t)size;
	return 0;
}

/* The block where n further bytes of rows have room. */
static int make_room(struct rowstore *s, size_t n, struct store_block **ret, struct err *e)
{
	struct store_block *b = s->nblocks ? &s->blocks[s->nblocks - 1] : NULL;
	int rc;

	if (!b || b->n >= ROW_BLOCK || b->cap - b->n < n + ROW_PADDING) {
		if ((rc = add_block(s, n + ROW_PADDING, e)) < 0)
			return rc;
		b = &s->blocks[s->nblocks - 1];
	}
	*ret = b;
	return 0;
}

/* Packing. */

/* So many bytes can be read at `from`: n of them, or more. COPY_SLACK more than n can be written. */
static inline uint8_t *put_bytes(uint8_t *p, const void *from, size_t n, size_t readable)
{
	uint32_t n32 = (uint32_t)n;

	if (n < CODE_LONG) {
		*p++ = (uint8_t)n;
	} else {
		*p++ = CODE_LONG;
		memcpy(p, &n32, 4);
		p += 4;
	}
	if (n <= SHORT && readable >= n + COPY_SLACK)
		return copy_long(p, from, n);
	if (n)
		memcpy(p, from, n);
	return p + n;
}

static int pack_nested(struct buf *b, const struct column *c, int64_t i, struct err *e);

static int pack_elements(struct buf *b, const struct column *c, int64_t from, int64_t n, struct err *e)
{
	uint32_t n32 = (uint32_t)n;
	int rc = buf_add(b, &n32, 4) ? err_oom(e) : 0;

	for (int64_t i = 0; i < n && rc == 0; i++)
		rc = pack_nested(b, c, from + i, e);
	return rc;
}

static int pack_fields(struct buf *b, const struct column *c, int64_t i, struct err *e)
{
	int rc = 0;

	for (int f = 0; f < c->type->nchildren && rc == 0; f++)
		rc = pack_nested(b, &c->children[f], i, e);
	return rc;
}

static int pack_plain(struct buf *b, const void *p, size_t n, struct err *e)
{
	uint32_t n32 = (uint32_t)n;

	return buf_add(b, &n32, 4) || buf_add(b, p, n) ? err_oom(e) : 0;
}

/* A value of any type with its code: what lies inside nested columns. */
static int pack_nested(struct buf *b, const struct column *c, int64_t i, struct err *e)
{
	bool null = column_is_null(c, i), v;
	int64_t width = c->type->list_size;

	if (buf_byte(b, null ? CODE_NULL : 0))
		return err_oom(e);
	if (null)
		return 0;
	switch (c->type->layout) {
	case LAY_BIT:
		v = column_bool(c, i);
		return pack_plain(b, &v, 1, e);
	case LAY_FIXED:
		return pack_plain(b, c->values + i * c->type->width, (size_t)c->type->width, e);
	case LAY_VAR:
		return pack_plain(b, column_str(c, i).p, column_str(c, i).n, e);
	case LAY_LIST:
		return pack_elements(b, &c->children[0], c->offsets[i], c->offsets[i + 1] - c->offsets[i], e);
	case LAY_LIST64:
		return pack_elements(b, &c->children[0], c->offsets64[i], c->offsets64[i + 1] - c->offsets64[i], e);
	case LAY_FIXLIST:
		return pack_elements(b, &c->children[0], i * width, width, e);
	case LAY_STRUCT:
		return pack_fields(b, c, i, e);
	default:
		return err_set(e, ST_DATA, "a union column cannot be moved row by row; drop it (stook map 'drop ...') or convert it first");
	}
}

static bool is_nested(const struct type *t)
{
	return t->layout > LAY_VAR;
}

/* The nested columns of row i, one after another in s->nested; each is preceded by its length. */
static int gather_nested(struct rowstore *s, const struct batch *b, int64_t i, struct err *e)
{
	s->nested.n = 0;
	for (int c = 0; c < s->schema->nfields; c++) {
		size_t at = s->nested.n;
		uint32_t n = 0;
		int rc;

		if (!is_nested(b->cols[c].type))
			continue;
		if (buf_add(&s->nested, &n, 4))
			return err_oom(e);
		if ((rc = pack_nested(&s->nested, &b->cols[c], i, e)) < 0)
			return rc;
		n = (uint32_t)(s->nested.n - at - 4);
		memcpy(s->nested.p + at, &n, 4);
	}
	return 0;
}

/* Bytes of n values: of rows idx[0 .. n), or where idx is NULL from `from` on. */
static inline size_t values_size(const uint32_t *offsets, const uint32_t *idx, int64_t from, int64_t n)
{
	size_t sum = 0;

	if (!idx)
		return offsets[from + n] - offsets[from];
	for (int64_t i = 0; i < n; i++)
		sum += offsets[idx[i] + 1] - offsets[idx[i]];
	return sum;
}

/* Most bytes that these rows can take, nested columns not counted. */
static size_t rows_bound(const struct batch *b, const struct keys *k, const uint32_t *idx, int64_t from, int64_t n)
{
	size_t each = 10 + (size_t)b->schema->nfields * 5, sum = ROW_PADDING + values_size(k->offsets, idx, from, n);

	for (int c = 0; c < b->schema->nfields; c++) {
		const struct column *col = &b->cols[c];

		if (col->type->layout == LAY_VAR)
			sum += values_size((const uint32_t *)col->offsets, idx, from, n);
		else if (col->type->layout == LAY_FIXED)
			each += (size_t)col->type->width;
	}
	return sum + (size_t)n * each;
}

static inline uint8_t *put_text(uint8_t *p, const struct column *c, int64_t i)
{
	int32_t at = c->offsets[i];

	return put_bytes(p, c->values + at, (size_t)(c->offsets[i + 1] - at), (size_t)(c->offsets[c->length] - at));
}

static uint8_t *put_column(uint8_t *p, const struct column *c, int64_t i, const uint8_t **nested)
{
	uint32_t n;

	if (is_nested(c->type)) {
		memcpy(&n, *nested, 4);
		p = put_bytes(p, *nested + 4, n, n);
		*nested += 4 + n;
		return p;
	}
	if (column_is_null(c, i)) {
		*p++ = CODE_NULL;
		return p;
	}
	switch (c->type->layout) {
	case LAY_VAR:
		return put_text(p, c, i);
	case LAY_FIXED:
		*p++ = 0;
		memcpy(p, c->values + i * c->type->width, (size_t)c->type->width);
		return p + c->type->width;
	default:
		*p++ = 0;
		*p++ = column_bool(c, i);
		return p;
	}
}

static bool has_nested(const struct schema *s)
{
	bool any = false;

	for (int c = 0; c < s->nfields; c++)
		any |= is_nested(&s->fields[c].type);
	return any;
}

/* Row i at p, where it has room; returns its end. */
static uint8_t *pack_row(const struct rowstore *s, const struct batch *b, int64_t i, const struct keys *k, uint8_t *row)
{
	const uint8_t *nested = s->nested.p;
	struct str key = keys_at(k, i);
	uint8_t *p = put_bytes(row + 4, key.p, key.n, k->offsets[k->n] - k->offsets[i]);
	uint32_t size;

	for (int c = 0; c < s->schema->nfields; c++) {
		const struct column *col = &b->cols[c];

		p = col->type->layout == LAY_VAR && !col->valid ? put_text(p, col, i) : put_column(p, col, i, &nested);
	}
	size = (uint32_t)(p - row);
	memcpy(row, &size, 4);
	return p;
}

static inline uint64_t first_word(const struct keys *k, int64_t i)
{
	struct str key = keys_at(k, i);

	return k->offsets[k->n] - k->offsets[i] >= 8 ? word_at(key.p, key.n) : key_word(key, 0);
}

/* Where the next row of a block starts. */
static uint8_t *next_row(const struct rowstore *s, const struct store_block *b)
{
	return b->p + (s->spread ? ((b->n + 7) & ~(size_t)7) + s->head : b->n);
}

/* Rows idx[0 .. n), n > 0, next to each other when idx is NULL (then from `from`). */
static int add_strip(struct rowstore *s, const struct batch *b, const uint32_t *idx, int64_t from, int64_t n, const struct keys *k,
		     struct entry *ret, struct err *e)
{
	size_t need = s->nested.n + (size_t)n * (s->spread ? s->head + 7 : 0) + rows_bound(b, k, idx, from, n);
	struct store_block *block;
	int rc;

	if (need > ROW_BLOCK && n > 1) {
		rc = add_strip(s, b, idx, from, n / 2, k, ret, e);
		return rc < 0 ? rc : add_strip(s, b, idx ? idx + n / 2 : NULL, from + n / 2, n - n / 2, k, ret + n / 2, e);
	}
	if (need / (size_t)n > UINT32_MAX - ROW_PADDING)
		return err_set(e, ST_OSERR, "a record of more than 4 GiB");
	if ((rc = make_room(s, need, &block, e)) < 0)
		return rc;
	for (int64_t i = 0; i < n; i++) {
		int64_t row = idx ? idx[i] : from + i;
		uint8_t *to = next_row(s, block);

		block->n = (size_t)(pack_row(s, b, row, k, to) - block->p);
		s->largest = row_size(to) > s->largest ? row_size(to) : s->largest;
		ret[i] = (struct entry){ first_word(k, row), to };
	}
	return 0;
}

int rowstore_add(struct rowstore *s, const struct batch *b, const uint32_t *idx, int64_t n, const struct keys *keys, struct entry *ret,
		 struct err *e)
{
	bool nested = has_nested(s->schema);
	int64_t step = nested ? 1 : STRIP;
	int rc = 0;

	for (int64_t i = 0; i < n && rc == 0; i += step) {
		if (nested && (rc = gather_nested(s, b, idx ? idx[i] : i, e)) < 0)
			break;
		rc = add_strip(s, b, idx ? idx + i : NULL, i, step < n - i ? step : n - i, keys, ret + i, e);
	}
	return rc;
}

/* Unpacking. Builders of flat columns are filled directly: room is made first, nulls are noted as they come. */

/* Appends n bytes to the values; the source may be read 16 bytes on. */
static int append(struct buf *b, const uint8_t *p, uint32_t n)
{
	if (buf_reserve(b, (size_t)n + ROW_PADDING))
		return -1;
	if (n <= 16)
		memcpy(b->p + b->n, p, 16);
	else
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

/* Fast ways for columns without nulls so far; with nulls the general ones, which keep the bitmap. */
static int add_var(struct builder *b, const uint8_t *p, uint32_t n, struct err *e)
{
	int32_t end;

	if (b->nulls || n > VAR_BYTES_MAX - b->values.n)
		return builder_str(b, (struct str){ (const char *)p, n }, e);
	if (append(&b->values, p, n) || buf_reserve(&b->offsets, 4))
		return err_oom(e);
	end = (int32_t)b->values.n;
	memcpy(b->offsets.p + b->offsets.n, &end, 4);
	b->offsets.n += 4;
	b->n++;
	return 0;
}

static int unpack_nested(struct builder *b, const uint8_t **p, struct err *e);

static int unpack_elements(struct builder *b, const uint8_t **p, struct err *e)
{
	uint32_t n;
	int rc = 0;

	memcpy(&n, *p, 4);
	*p += 4;
	while (n-- > 0 && rc == 0)
		rc = unpack_nested(&b->children[0], p, e);
	return rc < 0 ? rc : builder_nest(b, e);
}

static int unpack_fields(struct builder *b, const uint8_t **p, struct err *e)
{
	int rc = 0;

	for (int f = 0; f < b->nchildren && rc == 0; f++)
		rc = unpack_nested(&b->children[f], p, e);
	return rc < 0 ? rc : builder_nest(b, e);
}

static int unpack_plain(struct builder *b, const uint8_t **p, struct err *e)
{
	uint32_t n;
	const uint8_t *value = *p + 4;

	memcpy(&n, *p, 4);
	*p = value + n;
	if (b->type->layout == LAY_VAR)
		return builder_str(b, (struct str){ (const char *)value, n }, e);
	return b->type->layout == LAY_BIT ? builder_bool(b, *value, e) : builder_fixed(b, value, e);
}

static int unpack_nested(struct builder *b, const uint8_t **p, struct err *e)
{
	uint8_t code = *(*p)++;

	if (code == CODE_NULL)
		return builder_null(b, 1, e);
	if (!is_nested(b->type))
		return unpack_plain(b, p, e);
	return b->type->layout == LAY_STRUCT ? unpack_fields(b, p, e) : unpack_elements(b, p, e);
}

static int unpack_column(struct builder *b, const uint8_t **p, struct err *e)
{
	const uint8_t *q = *p;
	uint32_t n;
	int rc;

	if (*q == CODE_NULL) {
		*p = q + 1;
		return builder_null(b, 1, e);
	}
	if (b->type->layout == LAY_FIXED) {
		*p = q + 1 + b->type->width;
		return builder_fixed(b, q + 1, e);
	}
	if (b->type->layout == LAY_BIT) {
		*p = q + 2;
		return builder_bool(b, q[1], e);
	}
	q = row_length(q, &n);
	*p = q + n;
	if (b->type->layout == LAY_VAR)
		return add_var(b, q, n, e);
	rc = unpack_nested(b, &q, e);
	return rc;
}

uint32_t row_measure(const uint8_t *row, const struct schema *s)
{
	struct str key = row_key(row);
	const uint8_t *p = (const uint8_t *)key.p + key.n;
	uint32_t n;

	for (int c = 0; c < s->nfields; c++) {
		const struct type *t = &s->fields[c].type;

		n = *p == CODE_NULL ? 0 : t->layout == LAY_FIXED ? (uint32_t)t->width : 1;
		if (*p == CODE_NULL || t->layout == LAY_FIXED || t->layout == LAY_BIT)
			p++;
		else
			p = row_length(p, &n);
		p += n;
	}
	return (uint32_t)(p - row);
}

static int unpack_row(const uint8_t *row, struct rows *to, struct err *e)
{
	struct str key = row_key(row);
	const uint8_t *p = (const uint8_t *)key.p + key.n;
	int rc = 0;

	for (int c = 0; c < to->schema->nfields && rc == 0; c++)
		rc = unpack_column(&to->cols[c], &p, e);
	return rc;
}

int rows_unpack(const struct entry *v, int64_t n, struct rows *to, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < n && rc == 0; i++) {
		if (i + AHEAD < n) {
			__builtin_prefetch(v[i + AHEAD].row);
			__builtin_prefetch(v[i + AHEAD].row + 64);
		}
		rc = unpack_row(v[i].row, to, e);
	}
	to->n += n;
	return rc;
}

/* The next n lines, of at most STRIP. */
static int copy_lines(const struct entry *v, int64_t n, struct line_batch *to, struct err *e)
{
	struct str lines[STRIP];
	size_t bytes = 0;
	uint8_t *p;
	int rc;

	for (int64_t i = 0; i < n; i++) {
		lines[i] = row_text(v[i].row);
		bytes += lines[i].n;
	}
	if ((rc = line_batch_room(to, n, bytes, e)) < 0)
		return rc;
	p = to->text + to->bytes;
	for (int64_t i = 0; i < n; i++) {
		p = copy_long(p, lines[i].p, lines[i].n);
		to->at[++to->n] = (uint32_t)(p - to->text);
	}
	to->bytes += bytes;
	return 0;
}

int rows_line_schema(struct schema **ret, struct err *e)
{
	static const struct type bytes = TYPE_BINARY;
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? schema_add(s, STR("line"), &bytes, false, e) : err_oom(e);

	if (rc < 0)
		return rc;
	*ret = s;
	s = NULL;
	return 0;
}

int rows_lines(const struct entry *v, int64_t n, const struct schema *schema, struct batch **ret, struct err *e)
{
	struct line_batch to;
	int rc = line_batch_open(&to, schema, n, e);

	for (int64_t i = 0; i < n && rc == 0; i += STRIP) {
		for (int64_t k = i + STRIP; k < n && k < i + 2 * STRIP; k++) {
			__builtin_prefetch(v[k].row);
			__builtin_prefetch(v[k].row + 64);
		}
		rc = copy_lines(v + i, STRIP < n - i ? STRIP : n - i, &to, e);
	}
	if (rc == 0)
		*ret = line_batch_take(&to);
	line_batch_free(&to);
	return rc;
}
