/* Dealing rows to parts: see deal.h. Lines are counted by part and then copied once, each behind the one before it of its part. */
#include "lib/op/deal.h"

#include "lib/base/hash.h"
#include "lib/op/pick.h"

/* Parts. */

static uint32_t weigh(const struct split_rule *r, uint64_t hash)
{
	uint32_t i = 0;

	while (i + 1 < (uint32_t)r->opts->nweights && hash >= r->limits[i])
		i++;
	return i;
}

/* hash mod n for many: the quotient is taken from a product, and is one too small at most. */
static void reduce_hashes(const uint64_t *hashes, int64_t rows, uint64_t n, uint32_t *to)
{
	uint64_t inverse = UINT64_MAX / n;

	for (int64_t i = 0; i < rows; i++) {
		uint64_t quotient = (uint64_t)((unsigned __int128)hashes[i] * inverse >> 64), rest = hashes[i] - quotient * n;

		to[i] = (uint32_t)(rest < n ? rest : rest - n);
	}
}

static void by_hash(const struct split_rule *r, struct dealt *x)
{
	if (r->opts->mode == SPLIT_PARTS)
		reduce_hashes(x->hashes, x->batch->nrows, (uint64_t)r->opts->n, x->to);
	for (int64_t i = 0; r->opts->mode == SPLIT_WEIGHTS && i < x->batch->nrows; i++)
		x->to[i] = weigh(r, x->hashes[i]);
	for (int64_t i = 0; x->bad.skip && i < x->batch->nrows; i++)
		if (bit_get(x->bad.skip, i))
			x->to[i] = NO_PART;
}

static void by_number(const struct split_rule *r, struct dealt *x, int64_t row)
{
	for (int64_t i = 0; r->opts->mode == SPLIT_WEIGHTS && i < x->batch->nrows; i++)
		x->to[i] = weigh(r, hash64_number(row + i, r->opts->seed));
	for (int64_t i = 0; r->opts->mode == SPLIT_PARTS && i < x->batch->nrows; i++)
		x->to[i] = (uint32_t)((row + i) % r->opts->n);
}

static int find_parts(struct deal *d, struct dealt *x, int64_t row)
{
	const struct split_rule *r = d->rule;
	int rc = 0;

	x->bad = (struct bad_values){ .policy = r->opts->on_bad, .bad_row = -1 };
	if (!(x->to = arena_alloc(&d->scratch, (size_t)x->batch->nrows * sizeof *x->to)))
		return err_oom(&d->e);
	if (r->opts->mode == SPLIT_VALUE)
		rc = keys_encode(&r->key, x->batch, &x->bad, &d->scratch, &x->keys, &d->e);
	else if (r->key.n && r->opts->mode != SPLIT_SAMPLE)
		rc = placement_hash(&r->key, x->batch, r->opts->seed, &x->bad, &d->scratch, &x->hashes, &d->e);
	if (rc < 0 || x->bad.bad_row >= 0)
		return rc < 0 ? rc : -d->e.status;
	if (x->hashes)
		by_hash(r, x);
	else
		by_number(r, x, row);
	return 0;
}

static bool known(const struct split_rule *r)
{
	return r->opts->mode == SPLIT_PARTS || r->opts->mode == SPLIT_WEIGHTS;
}

void deal_run(struct job *job)
{
	struct deal *d = (struct deal *)job;
	int64_t row = d->first;
	struct dealt *x = d->of;

	for (; x < d->of + d->n && (x->rc = find_parts(d, x, row)) == 0; x++)
		row += x->batch->nrows;
	if (x == d->of + d->n && known(d->rule))
		d->of[0].rc = deal_lay_out(d, &d->e);
}

/* Lines. */

static void count(const struct dealt *x, struct pile *piles)
{
	const uint32_t *at = x->batch->lines.at;

	for (int64_t i = 0; i < x->batch->nrows; i++) {
		if (x->to[i] == NO_PART)
			continue;
		piles[x->to[i]].rows++;
		piles[x->to[i]].bytes += at[i + 1] - at[i];
	}
}

/* Behind each there is room for what a copy may touch, and for the end of its last line. */
static int make_room(struct deal *d, struct err *e)
{
	size_t text = 0, at = 0;

	for (uint32_t p = 0; p < d->rule->piles; p++)
		text += d->piles[p].bytes + LINE_SLACK;
	at = ((size_t)d->rows + d->rule->piles) * sizeof *d->piles->at;
	if (buf_reserve(&d->text, text) || buf_reserve(&d->at, at))
		return err_oom(e);
	text = at = 0;
	for (uint32_t p = 0; p < d->rule->piles; p++) {
		struct pile *x = &d->piles[p];

		x->text = x->end = d->text.p + text;
		x->at = x->at_end = (uint32_t *)(void *)d->at.p + at;
		text += x->bytes + LINE_SLACK;
		at += (size_t)x->rows + 1;
	}
	return 0;
}

/* Mostly one round; what lies behind the line, up to LINE_SLACK, may be read and overwritten. */
static uint8_t *copy_line(uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i += LINE_SLACK)
		memcpy(to + i, from + i, LINE_SLACK);
	return to + n;
}

static void copy(const struct dealt *x, struct pile *piles)
{
	const struct text_lines *l = &x->batch->lines;

	for (int64_t i = 0; i < x->batch->nrows; i++) {
		struct pile *p;

		if (x->to[i] == NO_PART)
			continue;
		p = &piles[x->to[i]];
		*p->at_end++ = (uint32_t)(p->end - p->text);
		p->end = copy_line(p->end, l->text + l->at[i], l->at[i + 1] - l->at[i]);
	}
}

int deal_lay_out(struct deal *d, struct err *e)
{
	int rc;

	if (!d->rule->piles || !d->of[0].batch->lines.at)
		return 0;
	if (!(d->piles = arena_array(&d->scratch, struct pile, d->rule->piles)))
		return err_oom(e);
	for (int k = 0; k < d->n; k++)
		count(&d->of[k], d->piles);
	if ((rc = make_room(d, e)) < 0)
		return rc;
	for (int k = 0; k < d->n; k++)
		copy(&d->of[k], d->piles);
	for (uint32_t p = 0; p < d->rule->piles; p++)
		*d->piles[p].at_end = (uint32_t)d->piles[p].bytes;
	return 0;
}

int deal_pile(const struct deal *d, uint32_t part, struct batch **ret, struct err *e)
{
	const struct pile *p = &d->piles[part];

	if (!(*ret = batch_new(d->of[0].batch->schema, p->rows)))
		return err_oom(e);
	(*ret)->lines = (struct text_lines){ p->text, p->at };
	return 0;
}

/* Filling and emptying. */

/* Several are dealt at once so that what they give each part is worth writing. */
bool deal_add(struct deal *d, struct batch *b)
{
	int64_t size = batch_size(b);

	if (d->n == DEAL_BATCHES || (d->n && (!d->rule->several || !b->lines.at || !d->of[0].batch->lines.at || d->bytes + size > d->rule->bytes)))
		return false;
	d->of[d->n++] = (struct dealt){ .batch = b };
	d->bytes += size;
	d->rows += b->nrows;
	return true;
}

void deal_empty(struct deal *d)
{
	for (int k = 0; k < d->n; k++)
		batch_unref(d->of[k].batch);
	d->n = 0;
	d->rows = d->bytes = 0;
	d->piles = NULL;
	arena_reset(&d->scratch);
}

void deal_free(struct deal *d)
{
	deal_empty(d);
	arena_free(&d->scratch);
	buf_free(&d->text);
	buf_free(&d->at);
}
