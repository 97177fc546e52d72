#include "fanout/executor.h"

const struct executor executor_ssh = { .name = "ssh", .help = "other machines over SSH", .remote = true };
