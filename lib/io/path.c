/* Names of inputs: see path.h. glob() sorts by the locale, which is always C here; what lies far away is matched and sorted by
 * stook-get. */
#include "lib/io/path.h"

#include "lib/io/helper.h"
#include "lib/io/name.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
	struct arena *arena;
	char **v;
	int n, cap;
};

static int add(struct names *to, struct str name, struct err *e)
{
	if (to->n == to->cap) {
		int cap = to->cap ? 2 * to->cap : 16;
		char **v = arena_array(to->arena, char *, (size_t)cap);

		if (!v)
			return err_oom(e);
		if (to->n)
			memcpy(v, to->v, (size_t)to->n * sizeof *v);
		to->v = v;
		to->cap = cap;
	}
	to->v[to->n] = arena_strdup(to->arena, name);
	return to->v[to->n++] ? 0 : err_oom(e);
}

static int no_match(const char *pattern, struct err *e)
{
	err_set(e, ST_NOINPUT, "no file matches this pattern");
	return err_at(e, pattern, 0, 0);
}

/* The files that match; none is no error. */
static int matches(struct names *to, const char *pattern, struct err *e)
{
	glob_t g = { 0 };
	int got = glob(pattern, 0, NULL, &g), rc = 0;

	for (size_t i = 0; got == 0 && i < g.gl_pathc && rc == 0; i++)
		rc = add(to, str_of(g.gl_pathv[i]), e);
	globfree(&g);
	return got == 0 || got == GLOB_NOMATCH ? rc : err_oom(e);
}

/* What matches in an archive or a store. */
static int far_matches(struct names *to, const char *pattern, struct err *e)
{
	cleanup_buf struct buf list = { 0 }, shown = { 0 };
	int rc = helper_answer(HELPER_LIST, pattern, &list, e);

	if (rc < 0) {
		if (name_show(&shown, pattern) || buf_byte(&shown, '\0'))
			return err_oom(e);
		return err_at(e, (const char *)shown.p, 0, 0);
	}
	for (struct str rest = buf_view(&list); rest.n && rc == 0;) {
		size_t n = strnlen(rest.p, rest.n);

		rc = add(to, (struct str){ rest.p, n }, e);
		rest = str_from(rest, n + 1);
	}
	return rc;
}

/* "data/?.zip//m.csv": each archive that matches, then its members. */
static int archive_matches(struct names *to, const char *pattern, struct err *e)
{
	const char *member = strstr(pattern, "//");
	struct names archives = { .arena = to->arena };
	char *left = arena_strdup(to->arena, (struct str){ pattern, (size_t)(member - pattern) });
	int rc = left ? matches(&archives, left, e) : err_oom(e);

	for (int i = 0; i < archives.n && rc == 0; i++) {
		char *name = arena_printf(to->arena, "%s%s", archives.v[i], member);

		if (!name)
			return err_oom(e);
		if (!name_member(name))
			continue;
		rc = name_is_pattern(member) ? far_matches(to, name, e) : add(to, str_of(name), e);
	}
	return rc;
}

static bool exists(const char *name)
{
	return access(name, F_OK) == 0;
}

static int pattern_matches(struct names *to, const char *name, struct err *e)
{
	int before = to->n, rc;

	if (name_is_url(name) || (name_member(name) && name_is_pattern(name + name_member(name))))
		return far_matches(to, name, e);
	rc = matches(to, name, e);
	if (rc == 0 && to->n == before && strstr(name, "//"))
		rc = archive_matches(to, name, e);
	return rc;
}

/* ---- lists ---- */

/* The part up to a comma without a backslash in front; *name goes behind it. */
static char *next_part(struct arena *a, const char **name)
{
	char *part = arena_strdup(a, str_of(*name)), *to = part;
	const char *c = *name;

	if (!part)
		return NULL;
	for (; *c && *c != ','; c++) {
		if (*c == '\\' && c[1] == ',')
			c++;
		*to++ = *c;
	}
	*to = '\0';
	*name = *c ? c + 1 : c;
	return part;
}

/* Whether there is such an input: 1, 0, or an error. What lies far away is taken to be there. */
static int is_there(struct arena *a, const char *part, struct err *e)
{
	struct names found = { .arena = a };
	int rc;

	if (exists(part) || name_is_far(part) || strcmp(part, "-") == 0)
		return 1;
	rc = name_is_pattern(part) ? pattern_matches(&found, part, e) : 0;
	return rc < 0 ? rc : found.n > 0;
}

static int part_missing(const char *part, const char *list, struct err *e)
{
	err_set(e, ST_NOINPUT, "there is no such input");
	err_at(e, part, 0, 0);
	return err_hint(e, "it is part of the list %.150s; a comma that belongs to a name is written \\,", list);
}

/* Whether a name is a list: 1 when all its parts are there; 0 when none is, or when it begins with a URL or a member, whose names may have
 * commas of their own; else an error. */
static int is_list(struct arena *a, const char *name, struct err *e)
{
	const char *rest = name, *missing = NULL;
	int there = 0;

	while (*rest) {
		char *part = next_part(a, &rest);
		int rc = part ? is_there(a, part, e) : err_oom(e);

		if (rc < 0)
			return rc;
		there += rc;
		if (!rc)
			missing = part;
	}
	if (!missing)
		return 1;
	return there && !name_is_far(name) ? part_missing(missing, name, e) : 0;
}

static int add_list(struct names *to, const char *name, struct err *e)
{
	int rc = is_list(to->arena, name, e);

	if (rc <= 0)
		return rc;
	for (rc = 0; *name && rc == 0;) {
		const char *part = next_part(to->arena, &name);

		if (!part)
			return err_oom(e);
		rc = name_is_pattern(part) && !exists(part) ? pattern_matches(to, part, e) : add(to, str_of(part), e);
	}
	return rc;
}

static int add_operand(struct names *to, const char *name, struct err *e)
{
	bool pattern = name_is_pattern(name), list = strchr(name, ',') != NULL;
	int before = to->n, rc = 0;

	if (strcmp(name, "-") == 0 || exists(name))
		return add(to, str_of(name), e);
	if (pattern && !(list && name_is_far(name)))
		rc = pattern_matches(to, name, e);
	if (rc == 0 && to->n == before && list)
		rc = add_list(to, name, e);
	if (rc == 0 && to->n == before && pattern && name_is_far(name))
		rc = far_matches(to, name, e);
	if (rc < 0 || to->n > before)
		return rc;
	return pattern ? no_match(name, e) : add(to, str_of(name), e);
}

int path_expand(int n, char *const *names, struct arena *a, char ***ret, int *count, struct err *e)
{
	struct names all = { .arena = a };
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++)
		rc = add_operand(&all, names[i], e);
	*ret = all.v;
	*count = all.n;
	return rc;
}

int64_t path_size(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

bool path_same(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && S_ISREG(sa.st_mode) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}
