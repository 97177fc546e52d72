/* Cross join: all of the right side is one group, every left row is paired with it. */
#include "lib/op/joinwork.h"

#include <stdlib.h>

struct cross {
	struct source source;
	struct join *j;
	struct feed *left, *right;
	struct group all;
	bool loaded;
	int64_t row;
};

static void cross_close(struct source *s)
{
	struct cross *c = (struct cross *)s;

	group_close(&c->all);
	schema_unref(s->schema);
	free(c);
}

static int load_right(struct cross *c, struct err *e)
{
	int rc;

	c->loaded = true;
	for (;;) {
		if ((rc = feed_next(c->right, e)) < 0 || !c->right->batch)
			return rc;
		if ((rc = group_add(&c->all, c->right, 0, c->right->n, e)) < 0)
			return rc;
	}
}

/* Pairs of the left batch at hand until some are ready; none: it is done. */
static int pair_rows(struct cross *c, struct batch **ret, struct err *e)
{
	struct feed *left = c->left;
	bool done;
	int rc;

	while (left->batch && c->row < left->n) {
		if ((rc = group_pair(&c->all, left->batch, c->row, &done, ret, e)) < 0 || *ret)
			return rc;
		c->row += done;
		if (group_is_full(&c->all))
			return group_flush(&c->all, left->batch, ret, e);
	}
	return c->all.npairs ? group_flush(&c->all, left->batch, ret, e) : 0;
}

static int cross_next(struct source *s, struct batch **ret, struct err *e)
{
	struct cross *c = (struct cross *)s;
	int rc = c->loaded ? 0 : load_right(c, e);

	while (rc == 0) {
		if ((rc = pair_rows(c, ret, e)) < 0 || *ret)
			break;
		c->row = 0;
		if ((rc = feed_next(c->left, e)) < 0 || !c->left->batch)
			break;
	}
	return rc;
}

int cross_open(struct join *j, struct feed *left, struct feed *right, struct source **ret, struct err *e)
{
	struct cross *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return err_oom(e);
	*c = (struct cross){ .source = { schema_ref(j->out), cross_next, cross_close, NULL }, .j = j, .left = left, .right = right };
	if ((rc = group_open(&c->all, j, e)) < 0) {
		cross_close(&c->source);
		return rc;
	}
	*ret = &c->source;
	return 0;
}
