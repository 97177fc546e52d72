/* fanout: the same pipeline over hosts. Options, then plan, then drive. */
#include "fanout/drive.h"
#include "lib/cli/cli.h"
#include "lib/cli/limits.h"
#include "lib/io/in.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fanout_args {
	struct common common;
	struct strv hosts, identities, known_hosts;
	const char *file, *ssh, *ssh_config, *bundle, *report;
	int64_t workers, slots, shard_rows, shard_size, timeout, silence, port;
	bool explain;
};

#define AT(member) offsetof(struct fanout_args, member)

static const struct opt opts_fanout[] = {
	{ 'H', "hosts", OPT_LIST, ROLE_LOCAL, "HOST,...", AT(hosts), NULL, "run on these hosts over SSH: [user@]host[:port]; repeatable" },
	{ 'f', "file", OPT_STR, ROLE_LOCAL, "FILE", AT(file), NULL, "read the pipeline from FILE" },
	{ 'w', "workers", OPT_COUNT, ROLE_LOCAL, "N", AT(workers), NULL,
	  "without -H: worker processes on this machine (default: all processors)" },
	{ 0, "slots", OPT_COUNT, ROLE_LOCAL, "N", AT(slots), NULL, "shards that a host works on at a time (default: its processors + 1)" },
	{ 0, "shard-rows", OPT_COUNT, ROLE_LOCAL, "N", AT(shard_rows), NULL, "cut the input every N rows" },
	{ 0, "shard-size", OPT_SIZE, ROLE_LOCAL, "SIZE", AT(shard_size), NULL, "cut the input at about SIZE (default 1M, growing to 8M)" },
	{ 0, "explain", OPT_FLAG, ROLE_LOCAL, NULL, AT(explain), NULL, "show the plan and run nothing" },
	{ 0, "report", OPT_STR, ROLE_LOCAL, "FILE", AT(report), NULL, "write what happened on hosts and to shards as JSON Lines" },
	{ 'i', "identity", OPT_LIST, ROLE_LOCAL, "FILE", AT(identities), NULL, "log in with this private key; repeatable" },
	{ 0, "known-hosts", OPT_LIST, ROLE_LOCAL, "FILE", AT(known_hosts), NULL, "host keys to trust, instead of the files ssh uses" },
	{ 'p', "port", OPT_COUNT, ROLE_LOCAL, "N", AT(port), NULL, "port of hosts that name none (default: as ssh is configured, else 22)" },
	{ 'F', "ssh-config", OPT_STR, ROLE_LOCAL, "FILE", AT(ssh_config), NULL, "ssh configuration to follow; none follows none" },
	{ 0, "ssh", OPT_STR, ROLE_LOCAL, "COMMAND", AT(ssh), NULL, "reach hosts through this ssh client, called as COMMAND HOST SCRIPT" },
	{ 0, "bundle", OPT_STR, ROLE_LOCAL, "FILE", AT(bundle), NULL, "program to ship (default: stook-bundle beside this installation)" },
	{ 0, "timeout", OPT_DUR, ROLE_LOCAL, "TIME", AT(timeout), NULL, "for connecting and for logging in (default 15s)" },
	{ 0, "silence", OPT_DUR, ROLE_LOCAL, "TIME", AT(silence), NULL, "a host that says nothing for so long is lost (default 10s)" },
	{ 0 },
};

static const struct opt *const groups[] = { opts_fanout, opts_common, NULL };

static int check(void *args, struct err *e)
{
	const struct fanout_args *a = args;

	if (a->workers < 0 || a->workers > 1000)
		return err_set(e, ST_USAGE, "--workers: between 1 and 1000");
	if (a->workers && a->hosts.n)
		return err_set(e, ST_USAGE, "--workers is for this machine, -H for others: give one of them");
	if (a->port < 0 || a->port > 65535)
		return err_set(e, ST_USAGE, "--port: between 1 and 65535");
	if (!a->file && a->common.noperands == 0)
		return err_set(e, ST_USAGE, "no pipeline: give it as the last argument, in quotes, or with -f FILE");
	return 0;
}

static int read_file(const char *path, struct buf *b, struct err *e)
{
	char part[4096];
	struct in *in;
	ssize_t k;
	int rc = in_open(&in, path, e);

	if (rc < 0)
		return rc;
	while ((k = in_read(in, part, sizeof part, IN_WAIT, e)) > 0)
		if (b->n > (1 << 20) || buf_add(b, part, (size_t)k)) {
			k = err_set(e, ST_USAGE, "%s is no pipeline: too long", path);
			break;
		}
	in_close(in);
	return k < 0 ? (int)k : 0;
}

static int make_plan(const struct fanout_args *a, struct buf *text, struct plan *p, struct err *e)
{
	const struct common *c = &a->common;
	int n = c->noperands - (a->file == NULL), rc;

	if (a->file && (rc = read_file(a->file, text, e)) < 0)
		return rc;
	if (!a->file && buf_puts(text, c->operands[n]))
		return err_oom(e);
	if (!a->file && n && strcmp(c->operands[0], "stook") == 0) {
		err_set(e, ST_USAGE, "the pipeline must be one argument");
		return err_hint(e, "put single quotes around it: fanout 'stook ... | stook ...'");
	}
	return plan_make(buf_view(text), n, c->operands, p, e);
}

static int put_stdout(const struct buf *b, struct err *e)
{
	struct out *o;
	int rc = out_open(&o, NULL, CODEC_NONE, e);

	if (rc == 0 && (rc = out_write(o, b->p, b->n, e)) == 0)
		rc = out_commit(o, e);
	if (rc == 0)
		out_close(o);
	return rc;
}

static int explain(const struct plan *p, const struct drive_opts *o, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (plan_explain(p, &b))
		return err_oom(e);
	if (p->nremote && buf_printf(&b, "where: %s, %d %s\n", o->executor->help, o->nhosts, o->executor->remote ? "hosts" : "workers"))
		return err_oom(e);
	return put_stdout(&b, e);
}

/* "-H a,b -H c" -> a b c */
static int split_hosts(const struct strv *v, struct arena *a, char ***ret, int *n, struct err *e)
{
	int most = 0;

	for (int i = 0; i < v->n; i++)
		for (const char *c = v->v[i]; *c; c++)
			most++;
	*ret = arena_array(a, char *, (size_t)most + 1);
	for (int i = 0; *ret && i < v->n; i++)
		for (struct str s = str_of(v->v[i]); s.n;) {
			const char *comma = memchr(s.p, ',', s.n);
			size_t k = comma ? (size_t)(comma - s.p) : s.n;

			if (k && !((*ret)[(*n)++] = arena_strdup(a, (struct str){ s.p, k })))
				return err_oom(e);
			s = str_from(s, k + 1);
		}
	if (!*ret)
		return err_oom(e);
	return *n ? 0 : err_set(e, ST_USAGE, "-H names no host");
}

static int name_workers(struct drive_opts *o, int n, struct arena *a, struct err *e)
{
	o->hosts = arena_array(a, char *, (size_t)n);
	for (int i = 0; o->hosts && i < n; i++)
		if (!(o->hosts[i] = arena_printf(a, "worker %d", i + 1)))
			return err_oom(e);
	o->nhosts = n;
	o->slots = 1;
	return o->hosts ? 0 : err_oom(e);
}

static const char *const *terminated(const struct strv *v, struct arena *a)
{
	const char **list = arena_array(a, const char *, (size_t)v->n + 1);

	for (int i = 0; list && i < v->n; i++)
		list[i] = v->v[i];
	return list;
}

/* Where the program to ship lies: ../libexec or ../libexec/stook beside this program's folder. */
static const char *find_bundle(struct arena *a)
{
	static const char *const places[] = { "../libexec/stook-bundle", "../libexec/stook/stook-bundle", "../lib/stook/stook-bundle" };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
		char *path = arena_printf(a, "%.*s/%s", (int)(slash - self), self, places[i]);

		if (path && access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

static int set_drive(const struct fanout_args *a, struct arena *arena, struct drive_opts *o, struct err *e)
{
	const struct common *c = &a->common;
	bool set_memory = false;

	for (int i = 0; i < c->nparsed; i++)
		set_memory |= c->parsed[i].opt->letter == 'S';
	*o = (struct drive_opts){
		.executor = a->hosts.n ? &executor_ssh : &executor_local,
		.slots = (int)(a->slots < 1000 ? a->slots : 1000),
		.memory = set_memory ? c->memory : 0,
		.tmpdir = c->tmpdir,
		.cut = { a->shard_rows, a->shard_size, a->hosts.n > 0 },
		.report = a->report,
		.json = c->errors == 1,
		.quiet = c->quiet,
		.verbose = c->verbose,
		.reach = {
			.tmpdir = c->tmpdir,
			.ssh = a->ssh,
			.bundle = a->bundle ? a->bundle : find_bundle(arena),
			.config = a->ssh_config,
			.port = (int)a->port,
			.timeout = a->timeout ? (int)(a->timeout / 1000) : 15000,
			.silence = a->silence ? (int)(a->silence / 1000) : 10000,
		},
	};
	o->reach.identities = terminated(&a->identities, arena);
	o->reach.known_hosts = terminated(&a->known_hosts, arena);
	if (!o->reach.identities || !o->reach.known_hosts)
		return err_oom(e);
	if (a->hosts.n)
		return split_hosts(&a->hosts, arena, &o->hosts, &o->nhosts, e);
	return name_workers(o, (int)(a->workers ? a->workers : c->threads ? c->threads : limits_threads()), arena, e);
}

static int run(void *args, struct err *e)
{
	const struct fanout_args *a = args;
	cleanup_arena struct arena arena = { 0 };
	cleanup_buf struct buf text = { 0 };
	struct drive_opts o;
	struct plan p = { 0 };
	int rc = make_plan(a, &text, &p, e);

	if (rc == 0)
		rc = set_drive(a, &arena, &o, e);
	if (rc == 0 && a->explain)
		rc = explain(&p, &o, e);
	else if (rc == 0)
		rc = p.nremote ? drive(&p, &o, e) : drive_here(&p, e);
	plan_free(&p);
	return rc;
}

static const struct example examples[] = {
	{ "fanout sales.csv -- 'stook map \"where price > 5\" | stook reduce -g shop -a n=count'",
	  "A pipeline over all processors of this machine." },
	{ "fanout -H a,b,c big.csv.gz -- 'stook sort -k day,price:num:desc -o sorted.csv'", "The same over three servers." },
	{ "fanout -H a,b,c --explain -f nightly.stook", "Show what would run where." },
	{ 0 },
};

const struct tool tool_fanout = {
	.name = "fanout",
	.summary = "the same pipeline over hosts",
	.operands = "[INPUT]... [--] PIPELINE",
	.description =
		"Runs a pipeline of stook's own tools, given as one argument or with\n.Fl f ,\n"
		"on worker processes or, with\n.Fl H ,\non other machines over SSH. The input is decoded here and cut into shards;\n"
		"the longest possible beginning of the pipeline runs on every shard by itself, and what remains runs here on the merged\n"
		"results. The output has the same bytes as that of the pipeline run on this machine alone;\n"
		"of CSV that\n.Xr stook-cat 1\nalone would write, all lines end as the first one did.\n"
		".Pp\n"
		"INPUT feeds the first stage; it may name its input itself instead. Only plain pipelines are understood: what the shell would\n"
		"expand or redirect is refused.\n"
		".Pp\n"
		"Hosts need an SSH server and a shell. What runs there is one static program, which is sent when a host does not have it yet\n"
		"and kept in a private cache folder under the name of its contents. Shards are tried again elsewhere when a host is lost, so a\n"
		"shard may be worked on twice; its result counts once, and only when it came whole. A host whose key is unknown or has\n"
		"changed ends the run before any data is sent (exit 77).\n",
	.groups = groups,
	.size = sizeof(struct fanout_args),
	.check = check,
	.run = run,
	.examples = examples,
};
