/* Key options: see keys.h. */
#include "lib/cli/keys.h"

static int append(struct key_spec *to, const struct key_spec *more, struct arena *a, struct err *e)
{
	struct key_part *parts = arena_array(a, struct key_part, (size_t)(to->n + more->n));

	if (!parts)
		return err_oom(e);
	if (to->n)
		memcpy(parts, to->parts, (size_t)to->n * sizeof *parts);
	memcpy(parts + to->n, more->parts, (size_t)more->n * sizeof *parts);
	*to = (struct key_spec){ to->n + more->n, parts };
	return 0;
}

int cli_keys(const struct strv *lists, struct arena *a, struct key_spec *ret, struct err *e)
{
	int rc = 0;

	*ret = (struct key_spec){ 0 };
	for (int i = 0; i < lists->n && rc == 0; i++) {
		struct key_spec one;

		rc = key_parse(str_of(lists->v[i]), a, &one, e);
		if (rc == 0)
			rc = append(ret, &one, a, e);
	}
	return rc;
}

int cli_keys_unordered(const struct key_spec *k, const char *option, struct err *e)
{
	for (int i = 0; i < k->n; i++)
		if (k->parts[i].desc || k->parts[i].nullsfirst)
			return err_set(e, ST_USAGE, "%s: :%s has no meaning here, only keys that order have it", option,
				       k->parts[i].desc ? "desc" : "nullsfirst");
	return 0;
}
