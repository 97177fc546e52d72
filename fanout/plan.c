/* Three passes: parse every stage against its own option table; decide how long the remote prefix is; write the argument vectors
 * of what runs there and here. Options are rewritten from the parsed list, by role, in the order given. */
#include "fanout/plan.h"

#include "tools/tools.h"

#include <stdio.h>
#include <stdlib.h>

#define ROLE(r) (1u << (r))

static struct common *common_of(const struct plan_stage *st)
{
	return st->args;
}

const struct common *plan_common(const struct plan *p, int stage)
{
	return common_of(&p->stages[stage < 0 ? p->n + stage : stage]);
}

void plan_free(struct plan *p)
{
	for (int i = 0; i < p->n; i++) {
		if (p->stages[i].args && p->stages[i].tool->release)
			p->stages[i].tool->release(p->stages[i].args);
		if (p->stages[i].args)
			opt_free(p->stages[i].args);
		free(p->stages[i].args);
	}
	arena_free(&p->arena);
	p->n = 0;
}

/* ---- parsing ---- */

static struct str base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_of(slash ? slash + 1 : path);
}

static int list_tools(struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	for (int i = 0; all_tools[i]; i++)
		if (buf_printf(&b, "%s%s", i ? ", " : "", all_tools[i]->name))
			return err_oom(e);
	return err_hint(e, "the tools are: %.*s", (int)b.n, (char *)b.p);
}

static int in_stage(int i, const struct plan_stage *st, struct err *e)
{
	char msg[sizeof e->msg];

	memcpy(msg, e->msg, sizeof msg);
	snprintf(e->msg, sizeof e->msg, "stage %d, stook %s: %.900s", i + 1, st->tool->name, msg);
	return -e->status;
}

/* `stook sort ...` and `stook-sort ...` both become words that begin with stook-sort. */
static int find_tool(struct plan *p, int i, struct words w, struct err *e)
{
	struct plan_stage *st = &p->stages[i];
	struct str name = base_name(w.v[0]);

	if (str_is(name, "stook") && w.n > 1) {
		name = str_of(w.v[1]);
		w.v++;
		w.n--;
	} else if (str_starts(name, STR("stook-"))) {
		name = str_from(name, 6);
	} else {
		err_set(e, ST_USAGE, "stage %d runs \"%s\", which is not one of stook's tools", i + 1, w.v[0]);
		return err_hint(e, "a program of your own can run inside: stook map --exec '...'");
	}
	st->tool = tool_by_name(name);
	if (!st->tool) {
		err_set(e, ST_USAGE, "stage %d: unknown tool \"%.*s\"", i + 1, STR_ARG(name));
		return list_tools(e);
	}
	w.v[0] = arena_printf(&p->arena, "stook-%s", st->tool->name);
	st->words = w;
	return w.v[0] ? 0 : err_oom(e);
}

static int parse_stage(struct plan *p, int i, struct words w, struct err *e)
{
	struct plan_stage *st = &p->stages[i];
	int rc = find_tool(p, i, w, e);

	if (rc < 0)
		return rc;
	st->args = calloc(1, st->tool->size);
	if (!st->args)
		return err_oom(e);
	if (opt_parse(st->tool, st->words.n, st->words.v, st->args, e) < 0)
		return in_stage(i, st, e);
	if (common_of(st)->help || common_of(st)->version) {
		err_set(e, ST_USAGE, "--help and --version have no place in a pipeline");
		return in_stage(i, st, e);
	}
	st->share.how = SHARE_GATHER;
	if (st->tool->share)
		st->tool->share(st->args, &st->share);
	return 0;
}

/* ---- what may run on hosts ---- */

static bool has_role(const struct plan_stage *st, enum opt_role role)
{
	const struct common *c = common_of(st);

	for (int i = 0; i < c->nparsed; i++)
		if (c->parsed[i].opt->role == role)
			return true;
	return false;
}

static int leading(const struct plan_stage *st)
{
	return st->share.no_leading ? 0 : st->tool->leading;
}

static int nfiles(const struct plan_stage *st)
{
	int n = common_of(st)->noperands - leading(st);

	return n > 0 ? n : 0;
}

static char **files(const struct plan_stage *st)
{
	return common_of(st)->operands + leading(st);
}

/* True when the stage's input is what comes through its pipe and nothing else. */
static bool reads_pipe(const struct plan_stage *st)
{
	int n = nfiles(st);

	if (st->share.first_operand_only)
		return n == 1 || (n > 1 && strcmp(files(st)[0], "-") == 0);
	return n == 0 || (n == 1 && strcmp(files(st)[0], "-") == 0);
}

/* Why a stage cannot run on the hosts whatever its tool says; NULL: it can. */
static const char *obstacle(const struct plan *p, int i)
{
	const struct plan_stage *st = &p->stages[i];
	const struct common *c = common_of(st);

	if (st->share.how == SHARE_GATHER)
		return st->share.why ? st->share.why : "it needs the whole input in order";
	if ((has_role(st, ROLE_OUTFILE) && st->share.how != SHARE_COMBINE) || c->read.side) /* a merge here writes it */
		return "it writes a file beside its output";
	if (has_role(st, ROLE_LIMIT))
		return "its limit counts over the whole input";
	if (c->stats)
		return "--stats counts over the whole input";
	if (has_role(st, ROLE_WRITE) && i + 1 < p->n)
		return "it says how its output is written for the next stage";
	if (i > 0 && has_role(st, ROLE_READ))
		return "it says how its input is read from the stage before";
	if (i > 0 && !reads_pipe(st))
		return "it reads files and not only the stage before";
	return NULL;
}

static void decide(struct plan *p)
{
	bool open = true;

	for (int i = 0; i < p->n; i++) {
		struct plan_stage *st = &p->stages[i];

		st->where = HERE;
		st->why = open ? obstacle(p, i) : "it comes after a stage that runs here";
		open = open && !st->why;
		if (!open)
			continue;
		st->where = st->share.how == SHARE_COMBINE ? ON_HOSTS_MERGED : ON_HOSTS;
		p->nremote = i + 1;
		if (st->share.how == SHARE_COMBINE) {
			p->repeat = st->share.merge.n == 0 && st->share.remote.n == 0;
			p->combine = !p->repeat;
			for (int k = i + 1; k < p->n; k++) {
				p->stages[k].where = HERE;
				p->stages[k].why = "it comes after a merge";
			}
			return;
		}
	}
}

/* ---- argument vectors ---- */

struct writer {
	struct plan *p;
	struct words w;
	int cap;
	struct err *e;
};

static int put(struct writer *o, const char *word)
{
	if (!word)
		return err_oom(o->e);
	if (o->w.n + 1 >= o->cap) {
		int cap = o->cap ? 2 * o->cap : 32;
		char **v = arena_array(&o->p->arena, char *, (size_t)cap);

		if (!v)
			return err_oom(o->e);
		if (o->w.n)
			memcpy(v, o->w.v, (size_t)o->w.n * sizeof *v);
		o->w.v = v;
		o->cap = cap;
	}
	o->w.v[o->w.n] = arena_strdup(&o->p->arena, str_of(word));
	return o->w.v[o->w.n++] ? 0 : err_oom(o->e);
}

static int put_list(struct writer *o, const struct strv *v)
{
	for (int i = 0; i < v->n; i++)
		if (put(o, v->v[i]) < 0)
			return -o->e->status;
	return 0;
}

static int put_option(struct writer *o, const struct opt *opt, const char *value)
{
	if (opt->kind == OPT_FLAG || (opt->kind == OPT_OPTSTR && !value[0]))
		return put(o, arena_printf(&o->p->arena, "--%s", opt->name));
	return put(o, arena_printf(&o->p->arena, "--%s=%s", opt->name, value));
}

/* The options whose role is in `roles`; files that they name get their shipped names when `there`. */
static const char *shipped_as(const struct plan *p, const char *path, bool table);

static int put_options(struct writer *o, const struct plan_stage *st, unsigned roles, bool there)
{
	const struct common *c = common_of(st);

	for (int i = 0; i < c->nparsed; i++) {
		const struct opt *opt = c->parsed[i].opt;
		const char *value = c->parsed[i].value;

		if (!(roles & ROLE(opt->role)))
			continue;
		if (there && opt->role == ROLE_INFILE)
			value = shipped_as(o->p, value, false);
		if (put_option(o, opt, value) < 0)
			return -o->e->status;
	}
	return 0;
}

static int put_leading(struct writer *o, const struct plan_stage *st)
{
	const struct common *c = common_of(st);

	if (put(o, "--") < 0)
		return -o->e->status;
	for (int i = 0; i < leading(st) && i < c->noperands; i++)
		if (put(o, c->operands[i]) < 0)
			return -o->e->status;
	return 0;
}

/* The files of a join behind its first: where they lie among the operands. */
static int others(const struct plan *p, int i, char ***ret)
{
	const struct plan_stage *st = &p->stages[i];
	int n = nfiles(st), skip;

	*ret = NULL;
	if (!st->share.first_operand_only)
		return 0;
	skip = n > 1;
	*ret = files(st) + skip;
	return n - skip;
}

static int remote_stage(struct plan *p, int i, struct err *e)
{
	struct plan_stage *st = &p->stages[i];
	struct writer o = { .p = p, .e = e };
	unsigned roles = ROLE(ROLE_PLAIN) | ROLE(ROLE_INFILE);
	bool last = i + 1 == p->nremote;
	char **other;
	int n = others(p, i, &other);

	if (put(&o, st->words.v[0]) < 0 || put(&o, "--threads=1") < 0 || put(&o, "--errors=json") < 0)
		return -e->status;
	if (common_of(st)->quiet && put(&o, "--quiet") < 0)
		return -e->status;
	if (put_options(&o, st, roles, true) < 0)
		return -e->status;
	if (last && p->combine && put_list(&o, &st->share.remote) < 0)
		return -e->status;
	if (put_leading(&o, st) < 0 || (n && put(&o, "-") < 0))
		return -e->status;
	for (int k = 0; k < n; k++)
		if (put(&o, shipped_as(p, other[k], true)) < 0)
			return -e->status;
	p->task.stages[i] = (struct wire_stage){ o.w.n, o.w.v };
	p->task.n = i + 1;
	return 0;
}

/* The merge form: `again` makes a result of the same kind as the shards', else the final one. */
static int merge_stage(struct plan *p, bool again, struct words *ret, struct err *e)
{
	struct plan_stage *st = &p->stages[p->nremote - 1];
	struct writer o = { .p = p, .e = e };
	unsigned roles = ROLE(ROLE_PLAIN) | ROLE(ROLE_INFILE) | ROLE(ROLE_LOCAL);
	unsigned result = ROLE(ROLE_WRITE) | ROLE(ROLE_OUTFILE);

	if (put(&o, st->words.v[0]) < 0 || put_options(&o, st, again ? roles : roles | result, false) < 0 ||
	    put_list(&o, &st->share.merge) < 0)
		return -e->status;
	if ((again && put_list(&o, &st->share.remote) < 0) || put_leading(&o, st) < 0)
		return -e->status;
	*ret = o.w;
	return 0;
}

static int here_stages(struct plan *p, struct err *e)
{
	if ((p->combine || p->repeat) && merge_stage(p, false, &p->here[p->nhere++], e) < 0)
		return -e->status;
	if (p->combine && merge_stage(p, true, &p->remerge, e) < 0)
		return -e->status;
	for (int i = p->nremote; i < p->n; i++)
		p->here[p->nhere++] = p->stages[i].words;
	return 0;
}

/* ---- inputs and what is shipped ---- */

static const char *shipped_as(const struct plan *p, const char *path, bool table)
{
	for (int i = 0; i < p->nships; i++)
		if (strcmp(p->ships[i].path, path) == 0 && p->ships[i].table == table)
			return p->ships[i].name;
	return path;
}

/* A name that is plain whatever the path was. */
static char *plain_name(struct plan *p, const char *path, bool table)
{
	struct str base = base_name(path);
	char *name = arena_printf(&p->arena, "%d-%.*s%s", p->nships, (int)(base.n < 60 ? base.n : 60), base.p, table ? ".arrows" : "");

	for (char *c = name; c && *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '-'))
			*c = '_';
	return name;
}

static int ship(struct plan *p, int stage, const char *path, bool table, struct err *e)
{
	struct plan_ship *more;
	char *name;

	if (shipped_as(p, path, table) != path)
		return 0;
	if (strcmp(path, "-") == 0) {
		err_set(e, ST_USAGE, "standard input cannot be shipped to every host");
		return in_stage(stage, &p->stages[stage], e);
	}
	more = arena_array(&p->arena, struct plan_ship, (size_t)p->nships + 1);
	name = plain_name(p, path, table);
	if (!more || !name)
		return err_oom(e);
	if (p->nships)
		memcpy(more, p->ships, (size_t)p->nships * sizeof *more);
	more[p->nships++] = (struct plan_ship){ path, name, table, &common_of(&p->stages[stage])->read };
	p->ships = more;
	return 0;
}

static int ship_files(struct plan *p, int i, struct err *e)
{
	const struct common *c = common_of(&p->stages[i]);
	char **other;
	int n = others(p, i, &other);

	for (int k = 0; k < c->nparsed; k++)
		if (c->parsed[k].opt->role == ROLE_INFILE && ship(p, i, c->parsed[k].value, false, e) < 0)
			return -e->status;
	for (int k = 0; k < n; k++)
		if (ship(p, i, other[k], true, e) < 0)
			return -e->status;
	return 0;
}

static int two_inputs(const struct plan *p, struct err *e)
{
	err_set(e, ST_USAGE, "the input is named twice: before -- and in the pipeline's first stage (%s)", files(&p->stages[0])[0]);
	return err_hint(e, "name it in one place");
}

static int set_inputs(struct plan *p, int ninputs, char **inputs, struct err *e)
{
	struct plan_stage *st = &p->stages[0];
	bool from_pipe = reads_pipe(st);

	if (ninputs && !from_pipe)
		return two_inputs(p, e);
	p->ninputs = ninputs;
	p->inputs = inputs;
	if (from_pipe)
		return 0;
	p->ninputs = st->share.first_operand_only ? 1 : nfiles(st);
	p->inputs = files(st);
	return 0;
}

/* Nothing can be spread: the first stage gets the inputs as operands, in place of a "-". */
static int all_here(struct plan *p, int ninputs, char **inputs, struct err *e)
{
	const struct plan_stage *st = &p->stages[0];
	struct writer o = { .p = p, .e = e };
	struct words w = p->here[0];
	const char *dash = nfiles(st) ? files(st)[0] : NULL;

	if (!ninputs)
		return 0;
	if (st->share.first_operand_only)
		return err_set(e, ST_USAGE, "name all inputs in the pipeline's first stage: it runs here");
	for (int i = 0; i < w.n; i++)
		if (w.v[i] != dash && put(&o, w.v[i]) < 0)
			return -e->status;
	for (int i = 0; i < ninputs; i++) {
		bool option_like = inputs[i][0] == '-' && inputs[i][1];

		if (put(&o, arena_printf(&p->arena, "%s%s", option_like ? "./" : "", inputs[i])) < 0)
			return -e->status;
	}
	p->here[0] = o.w;
	return 0;
}

int plan_make(struct str text, int ninputs, char **inputs, struct plan *ret, struct err *e)
{
	struct words stages[LEX_STAGES];
	int n;

	memset(ret, 0, sizeof *ret);
	n = lex_pipeline(text, &ret->arena, stages, e);
	for (int i = 0; i < n; i++) {
		ret->n = i + 1;
		if (parse_stage(ret, i, stages[i], e) < 0)
			return -e->status;
	}
	if (n < 0)
		return n;
	decide(ret);
	if (set_inputs(ret, ninputs, inputs, e) < 0)
		return -e->status;
	for (int i = 0; i < ret->nremote; i++)
		if (ship_files(ret, i, e) < 0 || remote_stage(ret, i, e) < 0)
			return -e->status;
	if (here_stages(ret, e) < 0)
		return -e->status;
	return ret->nremote ? 0 : all_here(ret, ninputs, inputs, e);
}
