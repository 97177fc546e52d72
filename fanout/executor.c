/* What executors share. */
#include "fanout/executor.h"

#include <unistd.h>

void reach_hang_up(struct reach *r)
{
	if (r && r->fd >= 0) {
		close(r->fd);
		r->fd = -1;
	}
}
