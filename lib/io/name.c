/* What a name says: see name.h. */
#include "lib/io/name.h"

#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool name_has_scheme(const char *name, const char *scheme)
{
	size_t n = strlen(scheme);

	return strncasecmp(name, scheme, n) == 0 && strncmp(name + n, "://", 3) == 0;
}

static bool is_http(const char *name)
{
	return name_has_scheme(name, "http") || name_has_scheme(name, "https");
}

bool name_is_url(const char *name)
{
	return is_http(name) || name_has_scheme(name, "s3") || name_has_scheme(name, "hdfs");
}

struct str name_path(const char *name)
{
	return (struct str){ name, is_http(name) ? strcspn(name, "?#") : strlen(name) };
}

bool name_is_archive(struct str s)
{
	static const char *const suffixes[] = { ".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.bz2",
						".tar.xz", ".tar.zst", ".tar.lz4" };

	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
		if (str_ends(s, str_of(suffixes[i])))
			return true;
	return false;
}

static bool is_file(struct str path)
{
	char z[4096];
	struct stat st;

	if (path.n == 0 || path.n >= sizeof z)
		return false;
	memcpy(z, path.p, path.n);
	z[path.n] = '\0';
	return stat(z, &st) == 0 && S_ISREG(st.st_mode);
}

size_t name_member(const char *name)
{
	bool url = name_is_url(name);
	struct str path = name_path(name);
	size_t from = url ? (size_t)(strstr(name, "://") - name) + 3 : 0;

	for (size_t i = from + 1; i + 2 < path.n; i++) {
		struct str left = { name, i };

		if (name[i] == '/' && name[i + 1] == '/' && (url ? name_is_archive(left) : is_file(left)))
			return i;
	}
	return 0;
}

bool name_is_far(const char *name)
{
	return name_is_url(name) || (strstr(name, "//") && access(name, F_OK) != 0 && name_member(name));
}

bool name_is_pattern(const char *name)
{
	return strpbrk(is_http(name) ? name + name_member(name) : name, "*?[") && (!is_http(name) || name_member(name));
}

static bool is_secret(struct str key)
{
	static const char *const words[] = { "sig", "token", "secret", "credential", "password", "key" };

	for (size_t w = 0; w < sizeof words / sizeof *words; w++)
		for (size_t i = 0; i + strlen(words[w]) <= key.n; i++)
			if (strncasecmp(key.p + i, words[w], strlen(words[w])) == 0)
				return true;
	return false;
}

/* "?a=1&token=***": from the question mark on. */
static int show_query(struct buf *b, struct str q)
{
	int rc = 0;

	while (q.n && !rc) {
		size_t n = 1, eq;

		while (n < q.n && q.p[n] != '&')
			n++;
		for (eq = 1; eq < n && q.p[eq] != '='; eq++)
			;
		if (eq < n && is_secret((struct str){ q.p + 1, eq - 1 }))
			rc = buf_add(b, q.p, eq + 1) || buf_puts(b, "***");
		else
			rc = buf_add(b, q.p, n);
		q = str_from(q, n);
	}
	return rc;
}

int name_show(struct buf *b, const char *name)
{
	struct str path = name_path(name);
	const char *host, *at, *colon;

	if (!name_is_url(name))
		return buf_puts(b, name);
	host = strstr(name, "://") + 3;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	if (colon) {
		if (buf_add(b, name, (size_t)(colon - name) + 1) || buf_puts(b, "***"))
			return -1;
		path = (struct str){ at, path.n - (size_t)(at - name) };
	}
	return buf_str(b, path) || show_query(b, str_of(path.p + path.n)) ? -1 : 0;
}
