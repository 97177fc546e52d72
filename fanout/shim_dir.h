/* The shim's private directory: made when first needed, gone with the shim; what a killed shim left is swept by the next. */
#ifndef STOOK_FANOUT_SHIM_DIR_H
#define STOOK_FANOUT_SHIM_DIR_H

#include "lib/base/err.h"

struct shim_dir {
	char path[4200]; /* "": not made yet */
	int fd;          /* open and locked while the shim lives */
};

/* Makes base/stook-run-UID-XXXXXX (0700) and locks it. */
int shim_dir_make(struct shim_dir *d, const char *base, struct err *e) nodiscard;
void shim_dir_remove(struct shim_dir *d);

/* Removes directories of that name in base that nobody holds locked. */
void shim_dir_sweep(const char *base);

#endif
