/* `ssh -G` says what ssh would do; without an ssh client the usual defaults hold. What the command line names comes first. */
#include "fanout/target.h"

#include "fanout/spawn.h"
#include "lib/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int bad_spec(const char *spec, struct err *e)
{
	err_set(e, ST_USAGE, "\"%s\" is not a host", spec);
	return err_hint(e, "write [user@]host[:port]");
}

static bool harmless(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127 || strchr("'\"`$\\|;&<>()/", s.p[i]))
			return false;
	return s.n && s.p[0] != '-';
}

static bool take_port(struct str s, int *port)
{
	int v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || v > 65535)
			return false;
		v = 10 * v + (s.p[i] - '0');
	}
	*port = v;
	return s.n && v >= 1 && v <= 65535;
}

int target_split(const char *spec, struct arena *a, const char **user, const char **host, int *port, struct err *e)
{
	const char *at = strrchr(spec, '@'), *colon;
	struct str h = str_of(at ? at + 1 : spec), u = { spec, at ? (size_t)(at - spec) : 0 };

	*user = NULL;
	*port = 0;
	if (h.n && h.p[0] == '[') {
		const char *close = memchr(h.p, ']', h.n);

		if (!close || (close[1] && (close[1] != ':' || !take_port(str_of(close + 2), port))))
			return bad_spec(spec, e);
		h = (struct str){ h.p + 1, (size_t)(close - h.p) - 1 };
	} else if ((colon = memchr(h.p, ':', h.n)) && !strchr(colon + 1, ':')) {
		if (!take_port(str_of(colon + 1), port))
			return bad_spec(spec, e);
		h.n = (size_t)(colon - h.p);
	}
	if (!harmless(h) || (at && !harmless(u)))
		return bad_spec(spec, e);
	*host = arena_strdup(a, h);
	if (at)
		*user = arena_strdup(a, u);
	return *host && (!at || *user) ? 0 : err_oom(e);
}

static const char *home(void)
{
	const char *h = getenv("HOME");
	const struct passwd *pw = h && h[0] ? NULL : getpwuid(getuid());

	return h && h[0] ? h : pw ? pw->pw_dir : "/";
}

static int add_file(struct target *t, const char **list, struct str name, struct err *e)
{
	int n = 0;

	while (list[n])
		n++;
	if (n == TARGET_FILES || name.n == 0 || str_is(name, "none"))
		return 0;
	list[n] = str_starts(name, STR("~/")) ? arena_printf(&t->arena, "%s/%.*s", home(), (int)name.n - 2, name.p + 2)
					      : arena_strdup(&t->arena, name);
	return list[n] ? 0 : err_oom(e);
}

static int add_files(struct target *t, const char **list, struct str names, struct err *e)
{
	while (names.n) {
		const char *blank = memchr(names.p, ' ', names.n);
		size_t n = blank ? (size_t)(blank - names.p) : names.n;

		if (add_file(t, list, (struct str){ names.p, n }, e) < 0)
			return -e->status;
		names = str_from(names, n + 1);
	}
	return 0;
}

static int no_proxy(const char *what, struct err *e)
{
	err_set(e, ST_UNAVAIL, "ssh is configured to reach this host through %s", what);
	return err_hint(e, "use --ssh ssh, which follows it");
}

struct config {
	struct target *t;
	const struct reach_opts *o;
	bool own_identities, own_known;
};

static int take_setting(struct config *c, struct str key, struct str value, struct err *e)
{
	struct target *t = c->t;
	bool none = value.n == 0 || str_is(value, "none");

	if (str_is(key, "hostname"))
		return (t->host = arena_strdup(&t->arena, value)) ? 0 : err_oom(e);
	if (str_is(key, "user") && !t->user)
		return (t->user = arena_strdup(&t->arena, value)) ? 0 : err_oom(e);
	if (str_is(key, "port") && !t->port)
		return take_port(value, &t->port) ? 0 : err_set(e, ST_UNAVAIL, "ssh is configured with an odd port");
	if (str_is(key, "hostkeyalias") && !none)
		return (t->alias = arena_strdup(&t->arena, value)) ? 0 : err_oom(e);
	if (str_is(key, "identityfile") && !c->own_identities)
		return add_file(t, t->identities, value, e);
	if ((str_is(key, "userknownhostsfile") || str_is(key, "globalknownhostsfile")) && !c->own_known)
		return add_files(t, t->known_hosts, value, e);
	if (str_is(key, "proxyjump") && !none)
		return no_proxy("another one", e);
	if (str_is(key, "proxycommand") && !none)
		return no_proxy("a command", e);
	return 0;
}

static int take_config(struct config *c, struct str text, struct err *e)
{
	while (text.n) {
		const char *nl = memchr(text.p, '\n', text.n);
		struct str line = { text.p, nl ? (size_t)(nl - text.p) : text.n };
		const char *blank = memchr(line.p, ' ', line.n);

		if (blank && take_setting(c, (struct str){ line.p, (size_t)(blank - line.p) }, str_from(line, (size_t)(blank - line.p) + 1), e) < 0)
			return -e->status;
		text = str_from(text, line.n + 1);
	}
	return 0;
}

/* Runs ssh -G; false when there is no ssh client here. */
static bool ask_ssh(const struct reach_opts *o, const char *host, const char *user, struct buf *b)
{
	static char ssh[] = "ssh", no_tty[] = "-T", show[] = "-G", config[] = "-F", login[] = "-l", end[] = "--";
	char *argv[16] = { ssh, no_tty, show };
	int p[2], n = 3, status;
	struct err ignored;
	char part[4096];
	ssize_t k;
	pid_t pid;

	if (o->config) {
		argv[n++] = config;
		argv[n++] = (char *)(uintptr_t)o->config;
	}
	if (user) {
		argv[n++] = login;
		argv[n++] = (char *)(uintptr_t)user;
	}
	argv[n++] = end;
	argv[n++] = (char *)(uintptr_t)host;
	if (pipe2(p, O_CLOEXEC))
		return false;
	if (spawn(&(struct spawn){ .path = "ssh", .argv = argv, .in = -1, .out = p[1], .own_group = true }, &pid, &ignored) < 0) {
		close(p[0]);
		close(p[1]);
		return false;
	}
	close(p[1]);
	while ((k = read(p[0], part, sizeof part)) > 0 || (k < 0 && errno == EINTR))
		if (k > 0 && (b->n > (1 << 20) || buf_add(b, part, (size_t)k)))
			break;
	close(p[0]);
	status = spawn_end(pid, 2000);
	return status == 0 && b->n;
}

static int defaults(struct target *t, const struct config *c, struct err *e)
{
	static const char *const keys[] = { "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa" };
	static const char *const known[] = { "~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2" };

	for (size_t i = 0; !c->own_identities && i < sizeof keys / sizeof *keys; i++)
		if (add_file(t, t->identities, str_of(keys[i]), e) < 0)
			return -e->status;
	for (size_t i = 0; !c->own_known && i < sizeof known / sizeof *known; i++)
		if (add_file(t, t->known_hosts, str_of(known[i]), e) < 0)
			return -e->status;
	return 0;
}

static const char *own_name(struct arena *a)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (getpwuid_r(getuid(), &pw, buf, sizeof buf, &found) == 0 && found)
		return arena_strdup(a, str_of(pw.pw_name));
	return "root";
}

int target_resolve(struct target *t, const char *spec, const struct reach_opts *o, struct err *e)
{
	struct config c = { t, o, o->identities[0] != NULL, o->known_hosts[0] != NULL };
	cleanup_buf struct buf text = { 0 };
	int rc;

	if ((rc = target_split(spec, &t->arena, &t->user, &t->host, &t->port, e)) < 0)
		return rc;
	if (!t->port)
		t->port = o->port;
	for (int i = 0; o->identities[i]; i++)
		if (add_file(t, t->identities, str_of(o->identities[i]), e) < 0)
			return -e->status;
	for (int i = 0; o->known_hosts[i]; i++)
		if (add_file(t, t->known_hosts, str_of(o->known_hosts[i]), e) < 0)
			return -e->status;
	rc = ask_ssh(o, t->host, t->user, &text) ? take_config(&c, buf_view(&text), e) : defaults(t, &c, e);
	if (rc < 0)
		return rc;
	t->port = t->port ? t->port : 22;
	t->user = t->user ? t->user : own_name(&t->arena);
	t->alias = t->alias ? t->alias : t->host;
	return 0;
}

void target_free(struct target *t)
{
	arena_free(&t->arena);
}
