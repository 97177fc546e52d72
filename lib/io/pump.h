/* A thread that reads on while its caller works on what it has got: a few pieces ahead, no more. */
#ifndef STOOK_IO_PUMP_H
#define STOOK_IO_PUMP_H

#include "lib/base/err.h"

#include <sys/types.h>

struct pump;

/* > 0 bytes, 0 the end, < 0 an error. When it has to wait for a descriptor it does so by pump_wait(). */
typedef ssize_t pump_read(void *arg, struct pump *p, void *to, size_t n, struct err *e);

/* Starts the thread; NULL: there is none to be had, and read() has not been called. */
struct pump *pump_start(pump_read *read, void *arg);
/* Bytes in order; 0 the end; IN_LATER: nothing came within timeout_ms (< 0: wait); an error after the bytes before it. */
ssize_t pump_take(struct pump *p, void *to, size_t n, int timeout_ms, struct err *e) nodiscard;
/* Ends the thread wherever it is. NULL is fine. */
void pump_stop(struct pump *p);

/* Within read(): waits until fd can be read. -1: the pump is being stopped, return at once; errno is ECANCELED then. */
int pump_wait(struct pump *p, int fd) nodiscard;

#endif
