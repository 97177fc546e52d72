/* Every filter's descriptor, for whoever needs them all: fanout, the bundle, man pages and completion. */
#ifndef STOOK_TOOLS_TOOLS_H
#define STOOK_TOOLS_TOOLS_H

#include "lib/cli/cli.h"

extern const struct tool tool_cat, tool_map, tool_sort, tool_join, tool_reduce, tool_split, tool_confusion_matrix, tool_take;

extern const struct tool *const all_tools[]; /* NULL terminated */

const struct tool *tool_by_name(struct str name); /* "sort"; NULL: none */

#endif
