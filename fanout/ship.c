/* Scripts are sent to `exec /bin/sh -s` on stdin, which behaves alike under every login shell, and are one function called on the
 * last line: the shell has read all of it before it runs anything, so what follows on stdin is left alone. What login shells and
 * banners print comes before the nonce and is skipped. */
#include "fanout/ship.h"

#include "fanout/pack.h"
#include "fanout/spawn.h"
#include "fanout/spool.h"
#include "lib/base/hash.h"
#include "lib/io/term.h"
#include "lib/io/temp.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHELL "exec /bin/sh -s"
#define SKIP_LINES 1000  /* of a talkative login shell */

static const char find_script[] =
	"main() {\n"
	"	umask 077\n"
	"	if [ \"$(uname -sm)\" != 'Linux %2$s' ]; then echo \"%1$s arch $(uname -sm)\"; return; fi\n"
	"	u=$(id -u)\n"
	"	for b in \"$XDG_CACHE_HOME\" \"$HOME/.cache\" \"$XDG_RUNTIME_DIR\" /tmp /var/tmp /dev/shm; do\n"
	"		d=$b/stook-$u\n"
	"		case $d in /*) ;; *) continue ;; esac\n"
	"		[ -d \"$d\" ] && [ ! -L \"$d\" ] && [ -O \"$d\" ] && [ -x \"$d/%3$s\" ] || continue\n"
	"		if [ \"$(\"$d/%3$s\" --digest 2>/dev/null)\" = '%3$s' ]; then\n"
	"			echo \"%1$s run $d\"\n"
	"			exec \"$d/%3$s\" --shim \"$d\"\n"
	"		fi\n"
	"	done\n"
	"	for b in \"$XDG_CACHE_HOME\" \"$HOME/.cache\" \"$XDG_RUNTIME_DIR\" /tmp /var/tmp /dev/shm; do\n"
	"		d=$b/stook-$u\n"
	"		case $d in /*) ;; *) continue ;; esac\n"
	"		[ -d \"$b\" ] || { [ \"$b\" = \"$HOME/.cache\" ] && mkdir \"$b\" 2>/dev/null; } || continue\n"
	"		[ -d \"$d\" ] || mkdir \"$d\" 2>/dev/null || continue\n"
	"		[ ! -L \"$d\" ] && [ -O \"$d\" ] && chmod 700 \"$d\" 2>/dev/null || continue\n"
	"		t=$d/.try-$$\n"
	"		if (echo '#!/bin/sh' >\"$t\" && chmod 700 \"$t\" && \"$t\") 2>/dev/null; then\n"
	"			rm -f \"$t\"\n"
	"			echo \"%1$s need $d\"\n"
	"			return\n"
	"		fi\n"
	"		rm -f \"$t\" 2>/dev/null\n"
	"		rmdir \"$d\" 2>/dev/null\n"
	"	done\n"
	"	echo \"%1$s nowhere\"\n"
	"}\n"
	"main\n";

static const char send_script[] =
	"main() {\n"
	"	umask 077\n"
	"	d=%2$s t=$d/.new-%1$s\n"
	"	trap 'rm -rf \"$t\" \"$t.x\"' EXIT\n"
	"	trap 'exit 1' HUP INT TERM\n"
	"	find \"$d\" -name '.new-*' -mmin +60 -exec rm -rf {} + 2>/dev/null\n"
	"	find \"$d\" -type f -name '[0-9a-f]*' -mtime +60 -exec rm -f {} + 2>/dev/null\n"
	"	echo '%1$s go'\n"
	"	cat >\"$t.x\" && chmod 700 \"$t.x\" && mkdir \"$t\" && \"$t.x\" \"$t\" &&\n"
	"		[ \"$(\"$t/stook-bundle\" --digest)\" = '%3$s' ] && mv -f \"$t/stook-bundle\" \"$d/%3$s\" &&\n"
	"		echo '%1$s ok' || echo '%1$s bad'\n"
	"}\n"
	"main\n";

struct shipping {
	struct line *line;
	const struct reach_opts *o;
	struct buf *more;
	char nonce[33], digest[17];
	const char *machine;     /* what uname -m must say */
	struct buf answer;       /* the words behind the nonce */
	struct err *e;
};

/* ---- the bundle ---- */

static int open_bundle(const char *path, struct err *e)
{
	int fd;

	if (!path) {
		err_set(e, ST_NOINPUT, "there is no program to ship");
		return err_hint(e, "make builds stook-bundle; name it with --bundle");
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, ST_NOINPUT, errno, "cannot open %s", path);
}

static const char *machine_name(unsigned machine)
{
	return machine == EM_X86_64 ? "x86_64" : machine == EM_AARCH64 ? "aarch64" : machine == EM_RISCV ? "riscv64" : machine == EM_PPC64 ? "ppc64le" : NULL;
}

static int know_bundle(struct shipping *s)
{
	int fd = open_bundle(s->o->bundle, s->e);
	unsigned char head[20] = { 0 };
	struct hasher h;
	char part[64 << 10];
	ssize_t k;
	bool first = true;

	if (fd < 0)
		return fd;
	hasher_init(&h, 0);
	while ((k = read(fd, part, sizeof part)) > 0) {
		if (first)
			memcpy(head, part, k < (ssize_t)sizeof head ? (size_t)k : sizeof head);
		first = false;
		hasher_add(&h, part, (size_t)k);
	}
	close(fd);
	snprintf(s->digest, sizeof s->digest, "%016llx", (unsigned long long)hasher_end(&h));
	s->machine = memcmp(head, ELFMAG, SELFMAG) == 0 ? machine_name(head[18] | (unsigned)head[19] << 8) : NULL;
	return s->machine ? 0 : err_set(s->e, ST_USAGE, "%s is no program that can be shipped", s->o->bundle);
}

/* ---- the archive ---- */

static int add_manifest(struct pack *p, const char *digest, int bundle, const char *tmpdir, struct err *e)
{
	struct stat st;
	json_t *o = fstat(bundle, &st) ? NULL : json_pack("{s:[{s:s, s:I, s:s}]}", "files", "name", "stook-bundle", "size", (json_int_t)st.st_size,
							  "xxh3", digest);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int fd = -1, rc = text ? temp_open(tmpdir, &fd, e) : err_oom(e);

	if (rc == 0)
		rc = spool_write(fd, text, strlen(text), e);
	if (rc == 0)
		rc = pack_add(p, "manifest.json", fd, false, e);
	if (fd >= 0)
		close(fd);
	free(text);
	json_decref(o);
	return rc;
}

static int add_archive(struct shipping *s, int fd)
{
	struct pack *p;
	int bundle = open_bundle(s->o->bundle, s->e), rc;

	if (bundle < 0)
		return bundle;
	rc = pack_open(&p, fd, s->e);
	if (rc == 0) {
		rc = add_manifest(p, s->digest, bundle, s->o->tmpdir, s->e);
		if (rc == 0)
			rc = pack_add(p, "stook-bundle", bundle, true, s->e);
		if (rc == 0)
			rc = pack_finish(p, s->e);
		pack_free(p);
	}
	close(bundle);
	return rc;
}

/* The unpacker lies beside the bundle. */
static int add_unpacker(struct shipping *s, int fd, off_t *size)
{
	const char *slash = strrchr(s->o->bundle, '/');
	char path[4200], part[64 << 10];
	ssize_t k;
	int from;

	snprintf(path, sizeof path, "%.*sstook-unpack", slash ? (int)(slash - s->o->bundle) + 1 : 0, s->o->bundle);
	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return err_sys(s->e, ST_NOINPUT, errno, "cannot open %s", path);
	*size = 0;
	while ((k = read(from, part, sizeof part)) > 0 && spool_write(fd, part, (size_t)k, s->e) == 0)
		*size += k;
	close(from);
	return k == 0 ? 0 : k < 0 ? err_sys(s->e, ST_IO, errno, "cannot read %s", path) : -s->e->status;
}

/* unpacker, archive, and where the archive begins: 16 digits and "stookbox" */
static int build_box(struct shipping *s, int *ret)
{
	char tail[32];
	off_t at = 0;
	int rc = temp_open(s->o->tmpdir, ret, s->e);

	if (rc == 0 && (rc = add_unpacker(s, *ret, &at)) == 0 && (rc = add_archive(s, *ret)) == 0) {
		snprintf(tail, sizeof tail, "%016llxstookbox", (unsigned long long)at);
		lseek(*ret, 0, SEEK_END);
		rc = spool_write(*ret, tail, 24, s->e);
	}
	if (rc < 0 && *ret >= 0)
		close(*ret);
	return rc;
}

/* ---- talking to sh ---- */

static int64_t soon(const struct shipping *s)
{
	return clock_ms() + s->o->timeout;
}

static int new_nonce(struct shipping *s)
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return err_set(s->e, ST_OSERR, "no random bytes");
	for (int i = 0; i < 16; i++)
		snprintf(s->nonce + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* Adds what the host said on stderr to an error. */
static int with_errors(struct shipping *s)
{
	cleanup_buf struct buf safe = { 0 };
	struct str text = buf_view(&s->line->errors);

	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	if (text.n == 0 || term_safe(&safe, text) || buf_byte(&safe, 0))
		return -s->e->status;
	err_hint(s->e, "it said: %.200s", (char *)safe.p);
	return -s->e->status;
}

/* Reads lines until one that begins with the nonce; what is behind it goes to s->answer. */
static int read_answer(struct shipping *s)
{
	int64_t until = soon(s); /* for all lines together: a slow drip is no answer */

	for (int i = 0; i < SKIP_LINES; i++) {
		struct str line;

		if (line_read(s->line, s->more, &s->answer, until, s->e) < 0)
			return s->e->status == ST_CLOSED ? -ST_CLOSED : with_errors(s);
		line = buf_view(&s->answer);
		while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
			line.n--;
		if (line.n < 33 || memcmp(line.p, s->nonce, 32) != 0 || line.p[32] != ' ')
			continue;
		memmove(s->answer.p, line.p + 33, line.n - 33);
		s->answer.n = line.n - 33;
		return 0;
	}
	return err_set(s->e, ST_UNAVAIL, "this is not a shell account");
}

static int send_text(struct shipping *s, const struct buf *text)
{
	int rc = s->line->ops->start(s->line, SHELL, soon(s), s->e);

	s->more->n = 0;
	return rc < 0 ? rc : line_write(s->line, text->p, text->n, soon(s), s->e);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int ask_for_program(struct shipping *s)
{
	cleanup_buf struct buf text = { 0 };

	if (new_nonce(s) < 0)
		return -s->e->status;
	if (buf_printf(&text, find_script, s->nonce, s->machine, s->digest))
		return err_oom(s->e);
	return send_text(s, &text) < 0 ? -s->e->status : read_answer(s);
}

static int start_sending(struct shipping *s, const char *folder)
{
	cleanup_buf struct buf text = { 0 };

	if (new_nonce(s) < 0)
		return -s->e->status;
	if (buf_printf(&text, send_script, s->nonce, folder, s->digest))
		return err_oom(s->e);
	return send_text(s, &text) < 0 ? -s->e->status : read_answer(s);
}
#pragma GCC diagnostic pop

static int send_file(struct shipping *s, int fd, atomic_llong *shipped)
{
	char part[32 << 10];
	off_t at = 0;
	ssize_t k;

	while ((k = pread(fd, part, sizeof part, at)) > 0) {
		if (line_write(s->line, part, (size_t)k, soon(s), s->e) < 0)
			return -s->e->status;
		at += k;
		*shipped += k;
	}
	return k < 0 ? err_sys(s->e, ST_IO, errno, "cannot read a temporary file") : s->line->ops->end_input(s->line, s->e);
}

static bool safe_folder(struct str f)
{
	for (size_t i = 0; i < f.n; i++)
		if ((unsigned char)f.p[i] < ' ' || f.p[i] == 127)
			return false;
	return f.n && f.p[0] == '/';
}

/* One word for sh, whatever bytes it has. */
static int quote(struct buf *b, struct str s)
{
	if (buf_byte(b, '\''))
		return -1;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'' ? buf_puts(b, "'\\''") : buf_byte(b, (uint8_t)s.p[i]))
			return -1;
	return buf_byte(b, '\'') || buf_byte(b, 0) ? -1 : 0;
}

static int ship(struct shipping *s, atomic_llong *shipped)
{
	struct str folder = str_from(buf_view(&s->answer), 5);
	cleanup_buf struct buf quoted = { 0 };
	int fd, rc;

	if (!safe_folder(folder))
		return err_set(s->e, ST_UNAVAIL, "it names an odd folder for the program");
	if (quote(&quoted, folder))
		return err_oom(s->e);
	if ((rc = build_box(s, &fd)) < 0)
		return rc;
	rc = start_sending(s, (const char *)quoted.p);
	if (rc == 0)
		rc = send_file(s, fd, shipped);
	if (rc == 0)
		rc = read_answer(s);
	close(fd);
	if (rc == 0 && !str_is(buf_view(&s->answer), "ok")) {
		err_set(s->e, ST_UNAVAIL, "the program could not be put there");
		return with_errors(s);
	}
	return rc;
}

static int cannot_run(struct shipping *s)
{
	struct str a = buf_view(&s->answer);

	if (str_starts(a, STR("arch ")))
		return err_set(s->e, ST_UNAVAIL, "it is %.*s, and the program to ship is for Linux %s", (int)a.n - 5, a.p + 5, s->machine);
	if (str_is(a, "nowhere"))
		return err_set(s->e, ST_UNAVAIL, "no folder there can be written and executed (tried the caches, /tmp, /var/tmp, /dev/shm)");
	return err_set(s->e, ST_UNAVAIL, "it could not start the program");
}

int ship_start(struct line *l, const struct reach_opts *o, struct buf *more, atomic_llong *shipped, struct err *e)
{
	struct shipping s = { .line = l, .o = o, .more = more, .e = e };
	int rc = know_bundle(&s);

	if (rc == 0)
		rc = ask_for_program(&s);
	if (rc == 0 && str_starts(buf_view(&s.answer), STR("need "))) {
		rc = ship(&s, shipped);
		if (rc == 0)
			rc = ask_for_program(&s);
	}
	if (rc == 0 && !str_starts(buf_view(&s.answer), STR("run ")))
		rc = cannot_run(&s);
	buf_free(&s.answer);
	return rc;
}
