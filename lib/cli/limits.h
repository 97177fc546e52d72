/* What this machine allows a process: memory and processors, the control group's limits honoured. */
#ifndef STOOK_CLI_LIMITS_H
#define STOOK_CLI_LIMITS_H

#include <stdint.h>

int64_t limits_memory(void); /* bytes */
int limits_threads(void);    /* processors this process may use, at least 1 */

#endif
