/* Where names lead: one file and one row in get/main.c for each kind. */
#ifndef STOOK_GET_STORE_H
#define STOOK_GET_STORE_H

#include "get/give.h"
#include "get/names.h"

struct store {
	bool (*owns)(const char *name);
	/* All bytes under the name, to `to`. */
	int (*fetch)(const char *name, struct taker *to, struct err *e);
	/* The names that match, in any order; NULL: there are no patterns. None is ST_NOINPUT. */
	int (*list)(const char *pattern, struct names *ret, struct err *e);
};

extern const struct store store_archive, store_http, store_s3, store_hdfs;

#endif
