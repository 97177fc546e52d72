/* The counters of this process: see meter.h. */
#include "lib/io/meter.h"

struct meter meter;
