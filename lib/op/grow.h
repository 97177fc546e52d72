/* Arrays from malloc that grow. */
#ifndef STOOK_OP_GROW_H
#define STOOK_OP_GROW_H

#include "lib/base/err.h"

#include <stdlib.h>

/* Makes array p hold n elements: 0, or err_oom() with p as it was. */
#define GROW(p, n, e)                                                              \
	({                                                                         \
		void *grow_to_ = reallocarray((p), (size_t)(n), sizeof *(p));      \
		if (grow_to_)                                                      \
			(p) = grow_to_;                                            \
		grow_to_ ? 0 : err_oom(e);                                         \
	})

#endif
