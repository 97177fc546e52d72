/* --explain: the plan in words. */
#include "fanout/plan.h"

#include "lib/io/term.h"

static int put_words(struct buf *b, int n, char *const *v)
{
	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf word = { 0 };

		if ((i && buf_byte(b, ' ')) || lex_quote(&word, str_of(v[i])) || term_safe(b, buf_view(&word)))
			return -1;
	}
	return 0;
}

static int put_where(struct buf *b, const struct plan *p, int i)
{
	static const char *const names[] = { [ON_HOSTS] = "on hosts", [ON_HOSTS_MERGED] = "on hosts, merged here", [HERE] = "here" };
	const struct plan_stage *st = &p->stages[i];

	return buf_printf(b, "%2d  %-22s ", i + 1, names[st->where]) || put_words(b, st->words.n, st->words.v) ||
	       (st->why && buf_printf(b, "   (%s)", st->why)) || buf_byte(b, '\n') ? -1 : 0;
}

static int put_remote(struct buf *b, const struct plan *p)
{
	if (buf_puts(b, "on each shard: "))
		return -1;
	for (int i = 0; i < p->task.n; i++)
		if ((i && buf_puts(b, " | ")) || put_words(b, p->task.stages[i].argc, p->task.stages[i].argv))
			return -1;
	return buf_byte(b, '\n');
}

static int put_here(struct buf *b, const struct plan *p)
{
	if (p->nhere == 0)
		return buf_puts(b, "here: the shards' results one after another, written as the last stage says\n");
	if (buf_puts(b, "here: "))
		return -1;
	for (int i = 0; i < p->nhere; i++)
		if ((i && buf_puts(b, " | ")) || put_words(b, p->here[i].n, p->here[i].v) ||
		    (i == 0 && p->combine && buf_puts(b, " SHARDS...")))
			return -1;
	return buf_byte(b, '\n');
}

int plan_explain(const struct plan *p, struct buf *b)
{
	for (int i = 0; i < p->n; i++)
		if (put_where(b, p, i))
			return -1;
	if (p->nremote == 0)
		return put_here(b, p);
	if (buf_puts(b, "input: ") || (p->ninputs == 0 && buf_puts(b, "standard input")) || put_words(b, p->ninputs, p->inputs) ||
	    buf_puts(b, ", decoded and cut here\n") || put_remote(b, p) || put_here(b, p))
		return -1;
	for (int i = 0; i < p->nships; i++)
		if (buf_puts(b, "shipped: ") || term_safe(b, str_of(p->ships[i].path)) ||
		    buf_puts(b, p->ships[i].table ? " (decoded here)\n" : "\n"))
			return -1;
	return 0;
}
