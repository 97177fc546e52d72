/* The plan: pipeline text -> which stages run on the hosts, what merges, what runs here, what is shipped. Pure: it reads no input
 * and starts nothing (a tool's own check of its options may read the program file that it names).
 *
 * The longest prefix of per-record stages runs on every shard, together with at most one stage that has a merge form; that stage's
 * merge form and everything behind it runs here. The first stage's inputs are decoded and cut here, so its reading options stay;
 * the last stage's writing options stay; files that remote stages name are shipped. */
#ifndef STOOK_FANOUT_PLAN_H
#define STOOK_FANOUT_PLAN_H

#include "fanout/lex.h"
#include "fanout/wire.h"
#include "lib/cli/opt.h"

enum where { ON_HOSTS, ON_HOSTS_MERGED, HERE };

struct plan_stage {
	const struct tool *tool;
	void *args;             /* parsed; the first member is struct common */
	struct words words;     /* as written; words.v[0] is "stook-NAME" */
	struct share_plan share;
	enum where where;
	const char *why;        /* HERE: the reason */
};

struct plan_ship {
	const char *path;       /* what the user named */
	const char *name;       /* its name on the hosts */
	bool table;             /* decoded here and sent as an Arrow stream, else byte for byte */
	const struct read_opts *read;
};

struct plan {
	struct arena arena;
	int n;
	struct plan_stage stages[LEX_STAGES];
	int nremote;            /* stages [0, nremote) run on hosts. 0: everything runs here */
	bool combine;           /* the last of them has a merge form, which takes the shards' results as operands */
	bool repeat;            /* the last of them runs once more here, over the shards' results as one stream (take -n) */
	int ninputs;
	char **inputs;          /* to be decoded and cut; "-" is stdin. None: stdin */
	struct wire_task task;  /* what runs on hosts */
	int nhere;
	struct words here[LEX_STAGES]; /* what runs here, the merge form first; its operands, the shards' results, are missing */
	struct words remerge;   /* combine: merges some results into one of the same kind */
	int nships;
	struct plan_ship *ships;
};

/* inputs: fanout's own operands, which feed the first stage. *ret is zeroed and filled; plan_free() it also after a failure. */
int plan_make(struct str text, int ninputs, char **inputs, struct plan *ret, struct err *e) nodiscard;
void plan_free(struct plan *p);

const struct common *plan_common(const struct plan *p, int stage); /* negative counts from the end */
int plan_explain(const struct plan *p, struct buf *b) must_check;

#endif
