/* Names of inputs as a person gives them: patterns and lists become the inputs they stand for. */
#ifndef STOOK_IO_PATH_H
#define STOOK_IO_PATH_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

#include <stdbool.h>

/* Each of `names` is the first of these that fits:
 *   - a file, or "-": itself;
 *   - a pattern (* ? [ in the path of a file, in the member of an archive, in an s3 or hdfs URL): what matches it, in byte order;
 *   - a list a,b,c of which each part is a file, a pattern that matches, a URL or a member: each of them (a comma of a name itself is
 *     written \,);
 *   - anything else: itself, to be opened or missed.
 * A pattern that matches nothing is ST_NOINPUT, and so is a list of which only some parts exist. *ret has *count names in `a`. */
int path_expand(int n, char *const *names, struct arena *a, char ***ret, int *count, struct err *e) nodiscard;

/* Bytes of the regular file of that name; -1: it is none, or there is none. */
int64_t path_size(const char *name);

/* Do both names stand for the same regular file? */
bool path_same(const char *a, const char *b);

#endif
