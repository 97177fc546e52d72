/* One message: metadata and the pieces of its body.
 *
 * The body is not assembled: its pieces point into the batch's columns, so that plain columns go from memory to the pipe
 * untouched. Copied are only offsets that do not start at 0, the last byte of a bitmap with bits behind its end, and what
 * is compressed. Every buffer starts at a multiple of 64 and is padded with zeros. */
#include "lib/format/arrow_wire.h"

#include <lz4frame.h>
#include <stdio.h>
#include <zstd.h>

#define LEVEL 1

void encoder_free(struct encoder *x)
{
	buf_free(&x->meta.b);
	buf_free(&x->nodes);
	buf_free(&x->buffers);
	buf_free(&x->pieces);
	arena_free(&x->scratch);
	ZSTD_freeCCtx(x->zstd);
	*x = (struct encoder){ 0 };
}

static void reset(struct encoder *x, struct err *e)
{
	x->meta.b.n = x->nodes.n = x->buffers.n = x->pieces.n = 0;
	x->meta.oom = false;
	x->body = 0;
	x->e = e;
	arena_reset(&x->scratch);
}

static int add_piece(struct encoder *x, const void *p, size_t n)
{
	struct piece one = { p, n };

	if (n && buf_add(&x->pieces, &one, sizeof one))
		return err_oom(x->e);
	x->body += (int64_t)n;
	return 0;
}

/* 0: failed. */
static size_t zstd_frame(struct encoder *x, void *to, size_t room, const struct piece *p)
{
	size_t got;

	if (!x->zstd) {
		x->zstd = ZSTD_createCCtx();
		if (!x->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(x->zstd, ZSTD_c_compressionLevel, x->level ? x->level : LEVEL)) ||
		    ZSTD_isError(ZSTD_CCtx_setParameter(x->zstd, ZSTD_c_checksumFlag, 1)))
			return 0;
	}
	got = ZSTD_compress2(x->zstd, to, room, p->p, p->n);
	return ZSTD_isError(got) ? 0 : got;
}

static size_t lz4_frame(void *to, size_t room, const struct piece *p, int level)
{
	LZ4F_preferences_t how = { .frameInfo = { .contentSize = p->n }, .compressionLevel = level };
	size_t got = LZ4F_compressFrame(to, room, p->p, p->n, &how);

	return LZ4F_isError(got) ? 0 : got;
}

/* i64 uncompressed length, one frame. */
static int compress(struct encoder *x, struct piece *p)
{
	bool zstd = x->codec == BODY_ZSTD;
	size_t room = zstd ? ZSTD_compressBound(p->n) : LZ4F_compressFrameBound(p->n, NULL), got;
	uint8_t *to = arena_alloc(&x->scratch, room + 8);
	int64_t n = (int64_t)p->n;

	got = !to ? 0 : zstd ? zstd_frame(x, to + 8, room, p) : lz4_frame(to + 8, room, p, x->level);
	if (!got)
		return err_oom(x->e);
	memcpy(to, &n, 8);
	*p = (struct piece){ to, got + 8 };
	return 0;
}

static int add_buffer(struct encoder *x, const void *p, size_t n)
{
	struct piece one = { p, n };
	int64_t place[2];
	int rc;

	if (n && x->codec != BODY_PLAIN && (rc = compress(x, &one)) < 0)
		return rc;
	place[0] = x->body;
	place[1] = (int64_t)one.n;
	if (buf_add(&x->buffers, place, sizeof place))
		return err_oom(x->e);
	if ((rc = add_piece(x, one.p, one.n)) < 0)
		return rc;
	return add_piece(x, arrow_zeros, (ARROW_ALIGN - one.n % ARROW_ALIGN) % ARROW_ALIGN);
}

static int add_bits(struct encoder *x, const uint8_t *bits, int64_t n)
{
	size_t bytes = bits_bytes(n);
	uint8_t *copy;

	if (n % 8 == 0 || bits[bytes - 1] >> n % 8 == 0)
		return add_buffer(x, bits, bytes);
	copy = arena_dup(&x->scratch, bits, bytes);
	if (!copy)
		return err_oom(x->e);
	copy[bytes - 1] &= (uint8_t)((1u << n % 8) - 1);
	return add_buffer(x, copy, bytes);
}

static int add_node(struct encoder *x, int64_t length, int64_t nulls)
{
	int64_t node[2] = { length, nulls };

	return buf_add(&x->nodes, node, sizeof node) ? err_oom(x->e) : 0;
}

static int add_valid(struct encoder *x, const struct column *c)
{
	return c->null_count && c->valid ? add_bits(x, c->valid, c->length) : add_buffer(x, NULL, 0);
}

static int add_offsets(struct encoder *x, const struct column *c)
{
	size_t n = (size_t)c->length + 1;
	int32_t *to;

	if (!c->length)
		return add_buffer(x, arrow_zeros, 4);
	if (!c->offsets[0])
		return add_buffer(x, c->offsets, 4 * n);
	to = arena_alloc(&x->scratch, 4 * n);
	if (!to)
		return err_oom(x->e);
	for (size_t i = 0; i < n; i++)
		to[i] = c->offsets[i] - c->offsets[0];
	return add_buffer(x, to, 4 * n);
}

static int add_offsets64(struct encoder *x, const struct column *c)
{
	size_t n = (size_t)c->length + 1;
	int64_t *to;

	if (!c->length)
		return add_buffer(x, arrow_zeros, 8);
	if (!c->offsets64[0])
		return add_buffer(x, c->offsets64, 8 * n);
	to = arena_alloc(&x->scratch, 8 * n);
	if (!to)
		return err_oom(x->e);
	for (size_t i = 0; i < n; i++)
		to[i] = c->offsets64[i] - c->offsets64[0];
	return add_buffer(x, to, 8 * n);
}

static int add_column(struct encoder *x, const struct column *c);

/* A column without rows, where there is none to point to. */
static int add_empty(struct encoder *x, const struct type *t)
{
	struct column none = { .type = t, .values = arrow_zeros };

	if (!t->nchildren)
		return add_column(x, &none);
	none.children = arena_array(&x->scratch, struct column, (size_t)t->nchildren);
	if (!none.children)
		return err_oom(x->e);
	for (int i = 0; i < t->nchildren; i++)
		none.children[i] = (struct column){ .type = &t->children[i].type, .values = arrow_zeros };
	return add_column(x, &none);
}

/* Rows [from, from + n) of a child. */
static int add_child(struct encoder *x, const struct column *c, int64_t from, int64_t n)
{
	struct column part;
	int rc;

	if (from == 0 && n == c->length)
		return add_column(x, c);
	rc = column_slice(c, from, n, &x->scratch, &part, x->e);
	return rc < 0 ? rc : add_column(x, &part);
}

static int add_children(struct encoder *x, const struct column *c)
{
	int rc = 0;

	for (int i = 0; i < c->type->nchildren && rc == 0; i++) {
		const struct column *k = &c->children[i];

		switch (c->type->layout) {
		case LAY_LIST:
			rc = !c->length ? add_empty(x, k->type) : add_child(x, k, c->offsets[0], c->offsets[c->length] - c->offsets[0]);
			break;
		case LAY_LIST64:
			rc = !c->length ? add_empty(x, k->type) :
					  add_child(x, k, c->offsets64[0], c->offsets64[c->length] - c->offsets64[0]);
			break;
		case LAY_FIXLIST:
			rc = add_child(x, k, 0, c->length * c->type->list_size);
			break;
		case LAY_UNION:
			rc = c->type->unit ? add_column(x, k) : add_child(x, k, 0, c->length);
			break;
		default:
			rc = add_child(x, k, 0, c->length);
		}
	}
	return rc;
}

static int add_var_data(struct encoder *x, const struct column *c)
{
	if (!c->length)
		return add_buffer(x, NULL, 0);
	return add_buffer(x, c->values + c->offsets[0], (size_t)(c->offsets[c->length] - c->offsets[0]));
}

/* The buffers that a column has besides its validity. */
static int add_values(struct encoder *x, const struct column *c)
{
	int rc;

	switch (c->type->layout) {
	case LAY_NULL:
	case LAY_FIXLIST:
	case LAY_STRUCT:
		return 0;
	case LAY_BIT:
		return add_bits(x, c->values, c->length);
	case LAY_FIXED:
		return add_buffer(x, c->values, (size_t)c->length * (size_t)c->type->width);
	case LAY_VAR:
		rc = add_offsets(x, c);
		return rc < 0 ? rc : add_var_data(x, c);
	case LAY_LIST:
		return add_offsets(x, c);
	case LAY_LIST64:
		return add_offsets64(x, c);
	case LAY_UNION:
		rc = add_buffer(x, c->values, (size_t)c->length);
		return rc < 0 || !c->type->unit ? rc : add_buffer(x, c->offsets, 4 * (size_t)c->length);
	}
	return err_set(x->e, ST_BUG, "arrow: layout %d", (int)c->type->layout);
}

static int add_column(struct encoder *x, const struct column *c)
{
	enum layout layout = c->type->layout;
	int rc = 0;

	if (c->type->nchildren && !c->children)
		return add_empty(x, c->type);
	if ((rc = add_node(x, c->length, layout == LAY_NULL ? c->length : c->null_count)) < 0)
		return rc;
	if (layout != LAY_NULL && layout != LAY_UNION && (rc = add_valid(x, c)) < 0)
		return rc;
	rc = add_values(x, c);
	return rc < 0 ? rc : add_children(x, c);
}

/* Message: version, header_type, header, bodyLength, custom_metadata. The prefix comes first in the same buffer: all
 * positions in the flatbuffer are relative, and 8 bytes disturb no alignment. */
static void open_message(struct encoder *x, enum arrow_kind kind, int64_t body, size_t at[16])
{
	struct fbb *f = &x->meta;

	if (buf_zero(&f->b, 12))
		f->oom = true;
	fbb_ref(f, 8, fbb_table(f, "21484", at));
	fbb_put(f, at[0], 4, 2);
	fbb_put(f, at[1], kind, 1);
	fbb_put(f, at[3], body, 8);
}

/* Returns where the value's bytes are. */
static size_t put_key(struct fbb *f, size_t ref, const char *key, struct str value)
{
	size_t at[16], s;

	fbb_ref(f, ref, fbb_table(f, "44", at));
	fbb_ref(f, at[0], fbb_string(f, str_of(key)));
	s = fbb_string(f, value);
	fbb_ref(f, at[1], s);
	return s + 4;
}

/* XXH3 over the message as it stands, its digits put over the zeros at `sum`. */
static void put_sum(struct encoder *x, size_t sum)
{
	const struct piece *p = (const struct piece *)(const void *)x->pieces.p;
	struct hasher h;
	uint64_t v;

	hasher_init(&h, 0);
	hasher_add(&h, x->meta.b.p, x->meta.b.n);
	for (size_t i = 0; i < x->pieces.n / sizeof *p; i++)
		hasher_add(&h, p[i].p, p[i].n);
	v = hasher_end(&h);
	for (int i = SUM_DIGITS - 1; i >= 0; i--, v >>= 4)
		x->meta.b.p[sum + (size_t)i] = (uint8_t)"0123456789abcdef"[v & 15];
}

/* custom_metadata, padding, prefix, checksum. `ref` is the slot of custom_metadata. */
static int close_message(struct encoder *x, size_t ref, uint64_t seq, const struct str *why)
{
	struct fbb *f = &x->meta;
	char digits[24];
	size_t first, sum;
	int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)seq);

	fbb_ref(f, ref, fbb_vector(f, why ? 3 : 2, 4, &first));
	put_key(f, first, KEY_SEQ, (struct str){ digits, (size_t)n });
	sum = put_key(f, first + 4, KEY_SUM, STR("0000000000000000"));
	if (why)
		put_key(f, first + 8, KEY_ERROR, *why);
	fbb_pad(f, ARROW_ALIGN);
	fbb_put(f, 0, ARROW_MARKER, 4);
	fbb_put(f, 4, (int64_t)f->b.n - 8, 4);
	if (f->oom)
		return err_oom(x->e);
	if (f->b.n - 8 > ARROW_METADATA_MAX)
		return err_set(x->e, ST_DATA, "too many columns, or too much metadata, for an Arrow stream");
	put_sum(x, sum);
	return 0;
}

int encode_schema(struct encoder *x, const struct schema *s, uint64_t seq, struct err *e)
{
	size_t at[16], schema;
	int rc;

	reset(x, e);
	open_message(x, KIND_SCHEMA, 0, at);
	if ((rc = describe_schema(&x->meta, s, &schema, e)) < 0)
		return rc;
	fbb_ref(&x->meta, at[2], schema);
	return close_message(x, at[4], seq, NULL);
}

/* RecordBatch: length, nodes, buffers, compression. */
static void put_batch(struct encoder *x, int64_t rows, size_t ref)
{
	struct fbb *f = &x->meta;
	size_t at[16], first;

	fbb_ref(f, ref, fbb_table(f, x->codec != BODY_PLAIN ? "8444" : "844", at));
	fbb_put(f, at[0], rows, 8);
	fbb_ref(f, at[1], fbb_vector(f, x->nodes.n / 16, 16, &first));
	if (!f->oom && x->nodes.n)
		memcpy(f->b.p + first, x->nodes.p, x->nodes.n);
	fbb_ref(f, at[2], fbb_vector(f, x->buffers.n / 16, 16, &first));
	if (!f->oom && x->buffers.n)
		memcpy(f->b.p + first, x->buffers.p, x->buffers.n);
	if (x->codec != BODY_PLAIN) {
		fbb_ref(f, at[3], fbb_table(f, "11", at));
		fbb_put(f, at[0], x->codec, 1);
	}
}

int encode_batch(struct encoder *x, const struct batch *b, uint64_t seq, struct err *e)
{
	size_t at[16];
	int rc;

	reset(x, e);
	for (int i = 0; i < b->schema->nfields; i++)
		if ((rc = add_column(x, &b->cols[i])) < 0)
			return rc;
	open_message(x, KIND_BATCH, x->body, at);
	put_batch(x, b->nrows, at[2]);
	return close_message(x, at[4], seq, NULL);
}

/* Nodes and buffers of one row of which every buffer has 64 bytes: a reader that does not notice that the body is missing
 * stumbles over each of its buffers. */
static void promise(struct encoder *x)
{
	int64_t (*node)[2] = (int64_t (*)[2])(void *)x->nodes.p, (*buffer)[2] = (int64_t (*)[2])(void *)x->buffers.p;

	for (size_t i = 0; i < x->nodes.n / sizeof *node; i++)
		node[i][0] = 1;
	for (size_t i = 0; i < x->buffers.n / sizeof *buffer; i++) {
		buffer[i][0] = (int64_t)(ARROW_ALIGN * i);
		buffer[i][1] = ARROW_ALIGN;
	}
	x->body = (int64_t)(ARROW_ALIGN * (x->buffers.n / sizeof *buffer + 1));
	x->pieces.n = 0;
}

int encode_poison(struct encoder *x, const struct schema *s, struct str why, uint64_t seq, struct err *e)
{
	size_t at[16];
	int rc;

	reset(x, e);
	for (int i = 0; i < s->nfields; i++)
		if ((rc = add_empty(x, &s->fields[i].type)) < 0)
			return rc;
	promise(x);
	open_message(x, KIND_BATCH, x->body, at);
	put_batch(x, 1, at[2]);
	return close_message(x, at[4], seq, &why);
}

/* Footer: version, schema, dictionaries, recordBatches; struct Block: i64 offset, i32 metaDataLength, 4 bytes of padding, i64
 * bodyLength. The root's offset stands at 0: there is no prefix. */
int encode_footer(struct encoder *x, const struct schema *s, const struct block *blocks, size_t n, struct err *e)
{
	struct fbb *f = &x->meta;
	size_t at[16], schema, first;
	int rc;

	reset(x, e);
	if (buf_zero(&f->b, 4))
		f->oom = true;
	fbb_ref(f, 0, fbb_table(f, "2444", at));
	fbb_put(f, at[0], 4, 2);
	if ((rc = describe_schema(f, s, &schema, e)) < 0)
		return rc;
	fbb_ref(f, at[1], schema);
	fbb_ref(f, at[2], fbb_vector(f, 0, 24, &first));
	fbb_ref(f, at[3], fbb_vector(f, n, 24, &first));
	for (size_t i = 0; i < n; i++) {
		fbb_put(f, first + 24 * i, blocks[i].offset, 8);
		fbb_put(f, first + 24 * i + 8, blocks[i].meta, 4);
		fbb_put(f, first + 24 * i + 16, blocks[i].body, 8);
	}
	fbb_pad(f, 8);
	return f->oom ? err_oom(e) : 0;
}
