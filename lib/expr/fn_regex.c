/* Patterns: PCRE2, compiled once with the program, with its JIT. Text that is not UTF-8 does not match where it is not.
 *
 * A compiled pattern is shared by all threads; what a match writes to belongs to the run (struct match). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/utf8.h"
#include "lib/expr/fn.h"
#include "lib/expr/kernel.h"
#include "lib/expr/program.h"

#include <stdlib.h>

#define GROUPS_MAX 100
#define JIT_STACK (1 << 20)

struct match {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

void match_free(struct match *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
	free(m);
}

static int match_new(struct eval *ev, struct err *e)
{
	struct match *m;

	if (ev->match)
		return 0;
	if (!(m = calloc(1, sizeof *m)))
		return err_oom(e);
	m->data = pcre2_match_data_create(GROUPS_MAX + 1, NULL);
	m->context = pcre2_match_context_create(NULL);
	m->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, NULL);
	if (!m->data || !m->context) {
		match_free(m);
		return err_oom(e);
	}
	if (m->stack) /* none where the JIT is not built in */
		pcre2_jit_stack_assign(m->context, NULL, m->stack);
	ev->match = m;
	return 0;
}

/* A piece of a replacement: text, or a group of the match. */
struct piece {
	struct str text;
	int group; /* -1: text */
};

struct pattern {
	pcre2_code *code;
	uint32_t groups;
	int group;       /* extract: which one */
	int npieces;     /* sub, gsub */
	struct piece *pieces;
};

static void free_code(void *code) { pcre2_code_free(code); }

/* Compiles argument 1, a constant. */
static int compile(struct check *c, struct expr *x, struct pattern **ret, struct err *e)
{
	struct pattern *p = arena_new(&c->p->arena, struct pattern);
	struct str re = x->args[1]->value.s[0];
	PCRE2_UCHAR msg[200];
	PCRE2_SIZE at;
	int code, rc;

	if (!p)
		return err_oom(e);
	p->code = pcre2_compile((PCRE2_SPTR)re.p, re.n, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at,
		NULL);
	if (!p->code) {
		pcre2_get_error_message(code, msg, sizeof msg);
		return check_err(c, x->args[1]->at, e, "the pattern \"%.*s\" is wrong at its character %zu: %s", STR_ARG(re),
				 utf8_count(re.p, at < re.n ? at : re.n) + 1, (const char *)msg);
	}
	if ((rc = program_own(c->p, p->code, free_code, e)) < 0)
		return rc;
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without it matching is slower, no more */
	pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->groups);
	if (p->groups > GROUPS_MAX)
		return check_err(c, x->args[1]->at, e, "a pattern of more than %d groups", GROUPS_MAX);
	x->data = p;
	*ret = p;
	return 0;
}

static int prepare(struct check *c, struct expr *x, struct err *e)
{
	struct pattern *p;

	return compile(c, x, &p, e);
}

static int prepare_extract(struct check *c, struct expr *x, struct err *e)
{
	struct pattern *p;
	int rc = compile(c, x, &p, e);

	if (rc < 0)
		return rc;
	p->group = p->groups > 0;
	if (x->nargs < 3)
		return 0;
	if (!x->args[2]->constant || vec_null(&x->args[2]->value, 0))
		return check_err(c, x->args[2]->at, e, "the group's number is written in the program");
	if (x->args[2]->value.i[0] < 0 || x->args[2]->value.i[0] > p->groups)
		return check_err(c, x->args[2]->at, e, "the pattern has no group %lld", (long long)x->args[2]->value.i[0]);
	p->group = (int)x->args[2]->value.i[0];
	return 0;
}

/* Takes the replacement apart: \0 is the match, \1 .. \9 its groups, \\ a backslash. */
static int prepare_replace(struct check *c, struct expr *x, struct err *e)
{
	struct str s = x->args[2]->value.s[0];
	struct pattern *p;
	size_t from = 0;
	int rc = compile(c, x, &p, e);

	if (rc < 0)
		return rc;
	if (!(p->pieces = arena_array(&c->p->arena, struct piece, s.n + 1)))
		return err_oom(e);
	for (size_t i = 0; i + 1 < s.n; i++) {
		int group = s.p[i + 1] - '0';

		if (s.p[i] != '\\' || ((group < 0 || group > 9) && s.p[i + 1] != '\\'))
			continue;
		if (s.p[i + 1] == '\\') {
			p->pieces[p->npieces++] = (struct piece){ { s.p + from, i + 1 - from }, -1 };
		} else {
			if (group > (int)p->groups)
				return check_err(c, x->args[2]->at, e, "the pattern has no group %d", group);
			p->pieces[p->npieces++] = (struct piece){ { s.p + from, i - from }, -1 };
			p->pieces[p->npieces++] = (struct piece){ { NULL, 0 }, group };
		}
		from = i + 2;
		i++;
	}
	p->pieces[p->npieces++] = (struct piece){ str_from(s, from), -1 };
	return 0;
}

/* 1: found, 0: not, -1: the pattern took too many steps. */
static int find_match(struct eval *ev, const struct pattern *p, struct str s, size_t from)
{
	int rc = pcre2_match(p->code, (PCRE2_SPTR)(s.p ? s.p : ""), s.n, from, 0, ev->match->data, ev->match->context);

	return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

static int too_hard(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, struct err *e)
{
	return eval_bad(ev, ret, i, x->args[0], e, "matching %.*s takes too many steps", EXCERPT(x->args[1]->text));
}

KERNEL(matches)
{
	const struct pattern *p = x->data;
	int rc = match_new(ev, e), found;

	if (rc < 0)
		return rc;
	EACH(sel, i,
		found = find_match(ev, p, ARG(0, s, i), 0);
		ret->b[i] = found > 0;
		if (found < 0 && (rc = too_hard(ev, x, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

/* The text of a group of the last match; p NULL: it took no part. */
static struct str group_of(struct eval *ev, struct str s, int group)
{
	const PCRE2_SIZE *o = pcre2_get_ovector_pointer(ev->match->data);

	if (o[2 * group] == PCRE2_UNSET || o[2 * group] > o[2 * group + 1])
		return (struct str){ NULL, 0 };
	return (struct str){ s.p + o[2 * group], o[2 * group + 1] - o[2 * group] };
}

KERNEL(extract)
{
	const struct pattern *p = x->data;
	int rc = match_new(ev, e), found;

	if (rc < 0)
		return rc;
	EACH(sel, i,
		const struct str s = { ARG(0, s, i).n ? ARG(0, s, i).p : "", ARG(0, s, i).n };

		found = find_match(ev, p, s, 0);
		ret->s[i] = found > 0 ? group_of(ev, s, p->group) : (struct str){ NULL, 0 };
		if (found < 0)
			rc = too_hard(ev, x, ret, i, e);
		else if (!ret->s[i].p)
			rc = vec_set_null(ev, ret, i, e);
		if (rc < 0)
			return rc;
	);
	return 0;
}

static int put_replacement(struct eval *ev, const struct pattern *p, struct str s)
{
	for (int k = 0; k < p->npieces; k++) {
		const struct piece *q = &p->pieces[k];

		if (buf_str(&ev->tmp, q->group < 0 ? q->text : group_of(ev, s, q->group)))
			return -1;
	}
	return 0;
}

/* Replaces the first match or all; 1: done, 0: no match, -1: too many steps, -2: no memory. An empty match moves on by a
 * character. */
static int replace(struct eval *ev, const struct pattern *p, struct str s, bool all)
{
	size_t at = 0, copied = 0, len;
	int found;

	ev->tmp.n = 0;
	while (at <= s.n && (found = find_match(ev, p, s, at)) != 0) {
		const PCRE2_SIZE *o = pcre2_get_ovector_pointer(ev->match->data);

		if (found < 0)
			return -1;
		if (buf_add(&ev->tmp, s.p + copied, (o[0] > copied ? o[0] : copied) - copied) || put_replacement(ev, p, s))
			return -2;
		at = copied = o[1];
		if (!all)
			break;
		if (o[1] <= o[0]) {
			if (at < s.n)
				utf8_decode(s.p + at, s.n - at, &len);
			else
				len = 1;
			at += len;
		}
	}
	if (!ev->tmp.n && !copied && at == 0)
		return 0;
	return buf_str(&ev->tmp, str_from(s, copied)) ? -2 : 1;
}

static int replace_rows(struct eval *ev, const struct expr *x, const struct vec *args, bool all, struct sel sel,
		struct vec *ret,
			struct err *e)
{
	const struct pattern *p = x->data;
	int rc = match_new(ev, e), found;

	if (rc < 0)
		return rc;
	EACH(sel, i,
		const struct str s = { ARG(0, s, i).n ? ARG(0, s, i).p : "", ARG(0, s, i).n };

		found = replace(ev, p, s, all);
		ret->s[i] = found > 0 ? text_copy(ev, buf_view(&ev->tmp)) : s;
		if (found == -1 && (rc = too_hard(ev, x, ret, i, e)) < 0)
			return rc;
		if (found < -1 || !ret->s[i].p)
			return err_oom(e);
	);
	return 0;
}

KERNEL(sub) { return replace_rows(ev, x, args, false, sel, ret, e); }
KERNEL(gsub) { return replace_rows(ev, x, args, true, sel, ret, e); }

const struct fn fns_regex[] = {
	{ "~", "sr", 'b', { matches }, prepare, "s ~ 'pattern'",
	  "does the pattern (PCRE2) match somewhere in s? !~: does it not?", NULL },
	{ "matches", "sr", 'b', { matches }, prepare, "matches(s, 'pattern')", "the same", NULL },
	{ "extract", "sr?i", 's', { extract }, prepare_extract, "extract(s, 'pattern'[, n])",
	  "the n-th group of the first match (default 1, else the match), or null", NULL },
	{ "sub", "srk", 's', { sub }, prepare_replace, "sub(s, 'pattern', 'with')",
	  "the first match replaced; \\1 .. \\9 are groups, \\0 the match", NULL },
	{ "gsub", "srk", 's', { gsub }, prepare_replace, "gsub(s, 'pattern', 'with')", "every match replaced", NULL },
	{ 0 },
};
