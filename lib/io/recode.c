/* Encodings: see recode.h. A character cut by the end of a piece waits in `rest` for its other bytes. */
#include "lib/io/recode.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

struct recode {
	iconv_t cd;
	char *name;
	struct buf rest;    /* bytes not converted yet */
	struct buf out;
	size_t given;       /* bytes of out that have been taken */
	int64_t offset;     /* of rest in the input */
};

int recode_open(struct recode **ret, const char *encoding, struct err *e)
{
	struct recode *r = calloc(1, sizeof *r);

	if (!r || !(r->name = strdup(encoding))) {
		free(r);
		return err_oom(e);
	}
	r->cd = iconv_open("UTF-8", encoding);
	if (r->cd == (iconv_t)-1) {
		int why = errno;

		free(r->name);
		free(r);
		if (why != EINVAL)
			return err_sys(e, ST_OSERR, why, "--encoding");
		err_set(e, ST_USAGE, "--encoding: \"%s\" is not known here", encoding);
		return err_hint(e, "`iconv -l` lists what is");
	}
	*ret = r;
	return 0;
}

void recode_close(struct recode *r)
{
	if (!r)
		return;
	iconv_close(r->cd);
	buf_free(&r->rest);
	buf_free(&r->out);
	free(r->name);
	free(r);
}

static int invalid(const struct recode *r, const char *what, struct err *e)
{
	return err_set(e, ST_DATA, "%s %s at byte %lld", what, r->name, (long long)r->offset + 1);
}

/* One call of iconv() on what is in `rest`; 1 when it filled its room and should be called again. */
static int convert(struct recode *r, bool flush, struct err *e)
{
	size_t room, before = r->rest.n, left = r->rest.n, rc;
	char *src = (char *)r->rest.p, *dst;
	int why;

	if (buf_reserve(&r->out, r->rest.n + 64))
		return err_oom(e);
	dst = (char *)r->out.p + r->out.n;
	room = r->out.cap - r->out.n;
	rc = iconv(r->cd, flush ? NULL : &src, flush ? NULL : &left, &dst, &room);
	why = errno;
	r->out.n = r->out.cap - room;
	if (left && left < before)
		memmove(r->rest.p, src, left);
	r->offset += (int64_t)(before - left);
	r->rest.n = left;
	if (rc != (size_t)-1 || why == EINVAL)
		return 0;
	return why == E2BIG ? 1 : invalid(r, "not valid", e);
}

int recode_put(struct recode *r, const void *p, size_t n, bool end, struct err *e)
{
	int rc = 1;

	if (buf_add(&r->rest, p, n))
		return err_oom(e);
	while (rc > 0 && r->rest.n)
		rc = convert(r, false, e);
	if (rc < 0 || !end)
		return rc;
	if (r->rest.n)
		return invalid(r, "the input ends inside a character of", e);
	for (rc = 1; rc > 0;)
		rc = convert(r, true, e);
	return rc;
}

size_t recode_get(struct recode *r, void *p, size_t n)
{
	if (n > r->out.n - r->given)
		n = r->out.n - r->given;
	if (n)
		memcpy(p, r->out.p + r->given, n);
	r->given += n;
	if (r->given == r->out.n)
		r->given = r->out.n = 0;
	return n;
}
