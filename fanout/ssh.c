#include "fanout/executor.h"

static int open_host(const struct reach_opts *o, const char *host, struct reach **ret, struct err *e)
{
	(void)o;
	(void)ret;
	return err_set(e, ST_UNAVAIL, "%s: this build cannot reach hosts over SSH", host);
}

const struct executor executor_ssh = { .name = "ssh", .help = "other machines over SSH", .remote = true, .open = open_host };
