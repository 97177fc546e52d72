/* The option parser: argv against one table, see opt.h. The table is the truth; nothing here knows a tool. */
#include "lib/cli/cli.h"

#include "lib/cli/limits.h"
#include "lib/io/path.h"

#include <stdlib.h>

struct parser {
	const struct tool *tool;
	void *args;
	struct common *common;
	int argc, i;
	char **argv;
	bool only_operands;
};

static const struct opt *next_opt(const struct tool *t, int *group, int *k)
{
	for (; t->groups[*group]; (*group)++, *k = 0) {
		const struct opt *o = &t->groups[*group][*k];

		if (o->name) {
			(*k)++;
			return o;
		}
	}
	return NULL;
}

#define FOR_EACH_OPT(t, o) for (int g_ = 0, k_ = 0; ((o) = next_opt((t), &g_, &k_)) != NULL;)

static const struct opt *find_letter(const struct tool *t, char c)
{
	const struct opt *o;

	FOR_EACH_OPT(t, o)
		if (o->letter == c)
			return o;
	return NULL;
}

/* Letters that differ, counted as an edit distance of at most 2: enough to say "did you mean". */
static int distance(struct str a, struct str b)
{
	int row[64];

	if (a.n > 60 || b.n > 60)
		return 99;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= a.n; i++) {
		int diag = row[0];

		row[0] = (int)i;
		for (size_t j = 1; j <= b.n; j++) {
			int best = diag + (a.p[i - 1] != b.p[j - 1]);

			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

static int unknown_long(const struct tool *t, struct str name, struct err *e)
{
	const struct opt *o, *near = NULL;
	int best = 3;

	FOR_EACH_OPT(t, o) {
		int d = distance(name, str_of(o->name));

		if (d < best) {
			best = d;
			near = o;
		}
	}
	err_set(e, ST_USAGE, "unknown option \"--%.*s\"", STR_ARG(name));
	return near ? err_hint(e, "did you mean --%s?", near->name) : err_hint(e, "stook %s --help lists the options", t->name);
}

/* Exact name, else a unique abbreviation. */
static int find_long(const struct tool *t, struct str name, const struct opt **ret, struct err *e)
{
	const struct opt *o, *hit = NULL;
	int hits = 0;

	FOR_EACH_OPT(t, o) {
		if (str_is(name, o->name)) {
			*ret = o;
			return 0;
		}
		if (str_starts(str_of(o->name), name)) {
			hits++;
			hit = o;
		}
	}
	if (hits == 0)
		return unknown_long(t, name, e);
	if (hits > 1)
		return err_set(e, ST_USAGE, "option \"--%.*s\" is short for several", STR_ARG(name));
	*ret = hit;
	return 0;
}

static int bad_value(const struct opt *o, const char *value, const char *wanted, struct err *e)
{
	return err_set(e, ST_USAGE, "--%s: \"%s\" is not %s", o->name, value, wanted);
}

/* Which of "a|b|c" it is, or -1. */
static int choice_of(const char *choices, const char *value)
{
	struct str want = str_of(value);

	for (int i = 0;; i++) {
		size_t n = strcspn(choices, "|");

		if (str_eq(want, (struct str){ choices, n }))
			return i;
		if (!choices[n])
			return -1;
		choices += n + 1;
	}
}

static int set_choice(const struct opt *o, const char *value, int *to, struct err *e)
{
	*to = choice_of(o->choices, value);
	return *to >= 0 ? 0 : err_set(e, ST_USAGE, "--%s: \"%s\" is none of %s", o->name, value, o->choices);
}

static int set_optional(const struct opt *o, const char *value, const char **to, struct err *e)
{
	int ignored;

	*to = value;
	return value[0] && o->choices ? set_choice(o, value, &ignored, e) : 0;
}

static int add_to_list(struct parser *p, struct strv *v, const char *value, struct err *e)
{
	const char **more = arena_array(&p->common->arena, const char *, (size_t)v->n + 1);

	if (!more)
		return err_oom(e);
	if (v->n)
		memcpy(more, v->v, (size_t)v->n * sizeof *more);
	more[v->n] = value;
	*v = (struct strv){ v->n + 1, more };
	return 0;
}

static int set_real(const struct opt *o, const char *value, double *to, struct err *e)
{
	return num_parse_f64(str_of(value), to) == DEC_OK ? 0 : bad_value(o, value, "a number", e);
}

static int set_value(struct parser *p, const struct opt *o, const char *value, struct err *e)
{
	void *at = (char *)p->args + o->at;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_STR:
		*(const char **)at = value;
		return 0;
	case OPT_OPTSTR:
		return set_optional(o, value, at, e);
	case OPT_LIST:
		return add_to_list(p, at, value, e);
	case OPT_COUNT:
		return parse_count(value, at) ? 0 : bad_value(o, value, "a count (like 20, 10k, 1M)", e);
	case OPT_SIZE:
		return parse_size(value, at) ? 0 : bad_value(o, value, "a size above 0 (like 512M, 2G, or 25% of memory, at most 100%)", e);
	case OPT_DUR:
		return parse_duration(value, at) ? 0 : bad_value(o, value, "a duration (like 10s, 5m)", e);
	case OPT_REAL:
		return set_real(o, value, at, e);
	case OPT_CHOICE:
		return set_choice(o, value, at, e);
	}
	return err_set(e, ST_BUG, "option --%s has no kind", o->name);
}

static int note_parsed(struct parser *p, const struct opt *o, const char *value, struct err *e)
{
	struct common *c = p->common;
	int rc = set_value(p, o, value, e);

	if (rc < 0)
		return rc;
	c->parsed[c->nparsed++] = (struct parsed_opt){ o, o->kind == OPT_FLAG ? NULL : value };
	return 0;
}

static int no_argument(const char *what, int len, struct err *e)
{
	return err_set(e, ST_USAGE, "option \"%.*s\" needs an argument", len, what);
}

/* The value of an OPT_OPTSTR given without one: the next argument if it is one of its choices, and no file. */
static int optional_value(struct parser *p, const struct opt *o, const char **ret, struct err *e)
{
	const char *next = p->i + 1 < p->argc ? p->argv[p->i + 1] : NULL;

	*ret = "";
	if (!next || !o->choices || choice_of(o->choices, next) < 0)
		return 0;
	if (path_size(next) >= 0) {
		err_set(e, ST_USAGE, "\"%s\" behind --%s may be its value or the file of that name", next, o->name);
		return err_hint(e, "--%s=%s is the value, ./%s the file", o->name, next, next);
	}
	*ret = p->argv[++p->i];
	return 0;
}

static int parse_long(struct parser *p, const char *arg, struct err *e)
{
	size_t n = strcspn(arg + 2, "=");
	const char *value = arg[2 + n] ? arg + 2 + n + 1 : NULL;
	const struct opt *o = NULL;
	int rc = find_long(p->tool, (struct str){ arg + 2, n }, &o, e);

	if (rc < 0)
		return rc;
	if (o->kind == OPT_FLAG && value)
		return err_set(e, ST_USAGE, "option \"--%s\" takes no argument", o->name);
	if (o->kind == OPT_OPTSTR && !value && (rc = optional_value(p, o, &value, e)) < 0)
		return rc;
	if (o->kind != OPT_FLAG && !value) {
		if (p->i + 1 >= p->argc)
			return no_argument(arg, (int)n + 2, e);
		value = p->argv[++p->i];
	}
	return note_parsed(p, o, value, e);
}

static int parse_letters(struct parser *p, const char *arg, struct err *e)
{
	for (const char *c = arg + 1; *c; c++) {
		const struct opt *o = find_letter(p->tool, *c);
		const char *value = NULL;
		int rc = 0;

		if (!o) {
			err_set(e, ST_USAGE, "unknown option \"-%c\"", *c);
			return err_hint(e, "stook %s --help lists the options", p->tool->name);
		}
		if (o->kind == OPT_OPTSTR) {
			value = "";
			rc = c[1] ? 0 : optional_value(p, o, &value, e);
		} else if (o->kind != OPT_FLAG) {
			value = c[1] ? c + 1 : ++p->i < p->argc ? p->argv[p->i] : NULL;
			if (!value)
				return no_argument((const char[]){ '-', *c, '\0' }, 2, e);
		}
		if (rc < 0 || (rc = note_parsed(p, o, value, e)) < 0 || (value && o->kind != OPT_OPTSTR))
			return rc;
	}
	return 0;
}

static int parse_one(struct parser *p, struct err *e)
{
	char *arg = p->argv[p->i];

	if (p->only_operands || arg[0] != '-' || !arg[1]) {
		p->common->operands[p->common->noperands++] = arg;
		return 0;
	}
	if (strcmp(arg, "--") == 0) {
		p->only_operands = true;
		return 0;
	}
	return arg[1] == '-' ? parse_long(p, arg, e) : parse_letters(p, arg, e);
}

/* --on-bad skip|null|fail|side=FILE into the struct that formats read. */
static int set_on_bad(struct common *c, struct err *e)
{
	const char *v = c->on_bad;

	if (!v || strcmp(v, "fail") == 0) {
		c->read.on_bad = BAD_FAIL;
	} else if (strcmp(v, "null") == 0) {
		c->read.on_bad = BAD_NULL;
	} else if (strcmp(v, "skip") == 0) {
		c->read.on_bad = BAD_SKIP;
	} else if (strncmp(v, "side=", 5) == 0 && v[5]) {
		c->read.on_bad = BAD_SKIP;
		c->read.side = v + 5;
	} else {
		return err_set(e, ST_USAGE, "--on-bad: \"%s\" is none of fail, skip, null, side=FILE", v);
	}
	return 0;
}

/* --compress into the struct that outputs read. */
static int set_packing(struct common *c, struct err *e)
{
	c->write.compress = c->compress != NULL;
	return c->compress ? packing_parse(str_of(c->compress), "--compress", &c->write.packing, e) : 0;
}

/* "-" is standard output, as is the name it has: a file behind it is written through. */
static int set_output(struct common *c, struct err *e)
{
	if (c->output && (strcmp(c->output, "-") == 0 || strcmp(c->output, "/dev/stdout") == 0))
		c->output = NULL;
	if (c->read.side && strcmp(c->read.side, "-") == 0)
		return err_set(e, ST_USAGE, "--on-bad side=-: bad records go into a file of their own, or a pipe with a name");
	if (c->output && c->read.side && strcmp(c->output, c->read.side) == 0)
		return err_set(e, ST_USAGE, "--on-bad side= and --output name the same file, \"%s\"", c->output);
	return 0;
}

/* All arguments, also behind a mistake: what the output would have been counts even then (output_abandon()). The first one is told. */
static int parse_all(struct parser *p, struct err *e)
{
	struct err later;
	int first = 0, rc;

	for (p->i = 1; p->i < p->argc; p->i++)
		if ((rc = parse_one(p, first ? &later : e)) < 0 && !first)
			first = rc;
	if ((rc = set_packing(p->common, first ? &later : e)) < 0 && !first)
		first = rc;
	return first;
}

int opt_parse(const struct tool *t, int argc, char **argv, void *args, struct err *e)
{
	struct parser p = { .tool = t, .args = args, .common = args, .argc = argc, .argv = argv };
	size_t letters = 1;
	int rc;

	for (int i = 0; i < argc; i++)
		letters += strlen(argv[i]) + 1; /* no argument gives more options than it has letters */
	memset(args, 0, t->size);
	if (t->defaults)
		t->defaults(args);
	p.common->read.latency = true;
	p.common->operands = arena_array(&p.common->arena, char *, (size_t)argc + 1);
	p.common->parsed = arena_array(&p.common->arena, struct parsed_opt, letters);
	p.common->state = arena_new(&p.common->arena, struct run_state);
	if (!p.common->operands || !p.common->parsed || !p.common->state)
		return err_oom(e);
	rc = parse_all(&p, e);
	if (rc < 0 || p.common->help || p.common->version)
		return rc;
	if (!p.common->memory)
		p.common->memory = limits_memory() / 4;
	p.common->write.comment = p.common->read.comment;
	p.common->read.threads = p.common->threads > 0 ? (int)p.common->threads : limits_threads();
	p.common->write.packing.threads = cli_threads(p.common);
	if ((rc = set_on_bad(p.common, e)) < 0 || (rc = bad_check(p.common, e)) < 0 || (rc = set_output(p.common, e)) < 0)
		return rc;
	return t->check ? t->check(args, e) : 0;
}

void opt_free(void *args)
{
	arena_free(&((struct common *)args)->arena);
}
