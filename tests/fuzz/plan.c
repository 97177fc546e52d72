/* Any text as a pipeline, any host name, any known_hosts file: a plan or a usage error, never a crash; and what is planned holds
 * together. */
#include "fanout/knownhosts.h"
#include "fanout/plan.h"
#include "fanout/target.h"

#include <stdint.h>
#include <stdlib.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void whole(int n, char *const *v)
{
	check(n > 0 && v[n] == NULL);
	for (int i = 0; i < n; i++)
		check(v[i] != NULL);
	check(strncmp(v[0], "stook-", 6) == 0);
}

static void try_plan(struct str text)
{
	struct plan p;
	struct err e = { 0 };
	struct buf b = { 0 };

	if (plan_make(text, 0, NULL, &p, &e) == 0) {
		check(p.n > 0 && p.nremote <= p.n && p.task.n == p.nremote);
		check(!(p.combine && p.repeat));
		check(p.nhere == p.n - p.nremote + (p.combine || p.repeat));
		for (int i = 0; i < p.task.n; i++)
			whole(p.task.stages[i].argc, p.task.stages[i].argv);
		for (int i = 0; i < p.nhere; i++)
			whole(p.here[i].n, p.here[i].v);
		check(plan_explain(&p, &b) == 0);
	} else {
		check(e.status > 0 && e.msg[0]);
	}
	buf_free(&b);
	plan_free(&p);
}

/* What is quoted is read back as the same word. */
static void try_quote(struct str word)
{
	struct words stages[LEX_STAGES];
	struct arena a = { 0 };
	struct buf b = { 0 };
	struct err e;

	if (!memchr(word.p, 0, word.n)) {
		check(lex_quote(&b, word) == 0);
		check(lex_pipeline(buf_view(&b), &a, stages, &e) == 1 && stages[0].n == 1);
		check(str_eq(str_of(stages[0].v[0]), word));
	}
	buf_free(&b);
	arena_free(&a);
}

static void try_hosts(struct str text)
{
	struct known_hosts k = { 0 };
	const struct known_entry *where;
	struct arena a = { 0 };
	const char *user, *host;
	struct buf b = { 0 };
	struct err e;
	int port;
	char *spec = arena_strdup(&a, text);

	check(known_parse(&k, text, "f", &e) == 0);
	check((known_check(&k, "h.example", 22, STR("ssh-ed25519"), STR("blob"), &where) == KNOWN_NOT) == (where == NULL));
	known_check(&k, "h.example", 2222, STR("ssh-ed25519"), STR("blob"), &where);
	check(known_types(&k, "h.example", 2222, &b) == 0);
	if (target_split(spec, &a, &user, &host, &port, &e) == 0)
		check(host[0] && host[0] != '-' && (!user || (user[0] && user[0] != '-')) && port >= 0 && port <= 65535);
	buf_free(&b);
	arena_free(&a);
	known_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };

	if (size > 20000)
		return 0;
	try_plan(text);
	try_quote(text);
	try_hosts(text);
	return 0;
}
