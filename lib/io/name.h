/* What the name of an input says about where it lies.
 *
 *     https://host/x.csv.gz   s3://bucket/key   hdfs://host:9870/path     a URL
 *     2024.zip//eu/sales.csv                                              a member of an archive (zip, tar, compressed tar)
 *     anything else                                                       a file, or "-" for standard input
 *
 * URLs and members come through the program stook-get (lib/io/helper.h). A "//" in the path of a file that exists is an ordinary
 * slash: it begins a member only behind a regular file, or in a URL behind the suffix of an archive. */
#ifndef STOOK_IO_NAME_H
#define STOOK_IO_NAME_H

#include "lib/base/buf.h"

bool name_is_url(const char *name);
bool name_has_scheme(const char *name, const char *scheme); /* "s3" */

/* Where the "//" in front of a member's name lies; 0: the name is no member's. */
size_t name_member(const char *name);

/* Whether stook-get must bring it. */
bool name_is_far(const char *name);

/* Whether it has * ? or [, which make it a pattern; in http and https URLs these are ordinary. */
bool name_is_pattern(const char *name);

/* Does it end as zip and tar archives do? */
bool name_is_archive(struct str name);

/* Its path without the query of a URL: what the suffix is looked for in. */
struct str name_path(const char *name);

/* Appends the name as messages may have it: passwords, signatures and tokens in URLs as "***". 0 or -1. */
int name_show(struct buf *b, const char *name);

#endif
