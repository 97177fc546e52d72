/* Drives a plan: cutter -> hosts -> merger, one poll loop around the scheduler. */
#ifndef STOOK_FANOUT_DRIVE_H
#define STOOK_FANOUT_DRIVE_H

#include "fanout/cut.h"
#include "fanout/executor.h"

struct drive_opts {
	const struct executor *executor;
	int nhosts;
	char **hosts;
	int slots;              /* tasks a host runs at a time; 0: as many as it has processors */
	int64_t memory;         /* for all stages on one machine; 0: as the machine has */
	const char *tmpdir;
	struct reach_opts reach;
	struct cut_opts cut;
	const char *report;     /* --report FILE; NULL: none */
	bool json, quiet, verbose;
};

/* Returns the exit status (what went wrong has been said), or a negative status with *e for what fanout itself could not do. */
int drive(const struct plan *p, const struct drive_opts *o, struct err *e) nodiscard;

/* A plan of which nothing can be spread: all its stages here. */
int drive_here(const struct plan *p, struct err *e) nodiscard;

#endif
