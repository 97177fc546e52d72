/* Partitions on disk: rows set aside by the hash of their key, to be read back one partition at a time.
 *
 * Rows of one key always share a partition and keep their order in it. Files have no names (spill.h). */
#ifndef STOOK_OP_REGROUP_H
#define STOOK_OP_REGROUP_H

#include "lib/base/pool.h"
#include "lib/op/spill.h"

#define REGROUP_PARTS 64 /* the usual number */
#define REGROUP_MOST 128

struct regroup { /* zeroed is closed */
	const struct schema *schema;
	int n;
	int64_t flush_bytes;            /* that are collected of a part before they are written; may be set after regroup_open() */
	struct pool *pool;              /* its jobs write, if there is one; may be set after regroup_open(). Borrowed */
	struct regroup_write {
		struct job job;
		struct spill *to;
		struct batch *b;
		bool given;
		int rc;
		struct err e;
	} *writes;                      /* one a part, with a pool */
	struct spill parts[REGROUP_MOST];
	struct rows rows[REGROUP_MOST]; /* on their way to the file */
	bool open;
};

/* n <= REGROUP_MOST partitions. */
int regroup_open(struct regroup *r, const struct schema *schema, int n, const char *tmpdir, struct err *e) nodiscard;
/* Row i of b goes to partition part[i]; to none if there is no such. */
int regroup_add(struct regroup *r, const struct batch *b, const uint8_t *part, struct err *e) nodiscard;
/* b as it is behind what was written of partition `part`: not together with regroup_add(). A reference is taken. */
int regroup_write(struct regroup *r, int part, struct batch *b, struct err *e) nodiscard;
/* Partition `part` as a source; *ret = NULL: it is empty. Each once, after the last regroup_add(). */
int regroup_read(struct regroup *r, int part, struct source **ret, struct err *e) nodiscard;
/* Writes what is on its way: after the last regroup_add(), to give the memory back before the partitions are read. */
int regroup_seal(struct regroup *r, struct err *e) nodiscard;
void regroup_close(struct regroup *r);

#endif
