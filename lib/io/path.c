/* Names of inputs: see path.h. glob() sorts by the locale, which is always C here. */
#include "lib/io/path.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
	struct arena *arena;
	char **v;
	int n;
};

static int add_names(struct names *to, char *const *names, size_t n)
{
	char **v = arena_array(to->arena, char *, (size_t)to->n + n);

	if (!v)
		return -1;
	if (to->n)
		memcpy(v, to->v, (size_t)to->n * sizeof *v);
	for (size_t i = 0; i < n; i++)
		if (!(v[(size_t)to->n + i] = arena_strdup(to->arena, str_of(names[i]))))
			return -1;
	to->v = v;
	to->n += (int)n;
	return 0;
}

static int add_matches(struct names *to, const char *pattern, struct err *e)
{
	glob_t g = { 0 };
	int rc = 0;

	switch (glob(pattern, 0, NULL, &g)) {
	case 0:
		if (add_names(to, g.gl_pathv, g.gl_pathc))
			rc = err_oom(e);
		break;
	case GLOB_NOMATCH:
		err_set(e, ST_NOINPUT, "no file matches this pattern");
		rc = err_at(e, pattern, 0, 0);
		break;
	default:
		rc = err_oom(e);
	}
	globfree(&g);
	return rc;
}

int path_expand(int n, char *const *names, struct arena *a, char ***ret, int *count, struct err *e)
{
	struct names all = { .arena = a };
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		if (strpbrk(names[i], "*?[") && access(names[i], F_OK) != 0)
			rc = add_matches(&all, names[i], e);
		else if (add_names(&all, &names[i], 1))
			rc = err_oom(e);
	}
	*ret = all.v;
	*count = all.n;
	return rc;
}

int64_t path_size(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}
