/* The table of filters. */
#include "tools/tools.h"

const struct tool *const all_tools[] = {
	&tool_cat,
	&tool_confusion_matrix,
	&tool_join,
	&tool_map,
	&tool_reduce,
	&tool_sort,
	&tool_split,
	&tool_take,
	NULL,
};

const struct tool *tool_by_name(struct str name)
{
	for (int i = 0; all_tools[i]; i++)
		if (str_is(name, all_tools[i]->name))
			return all_tools[i];
	return NULL;
}
