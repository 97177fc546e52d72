/* Writes the manual page of one tool, or the shell completion of all, from the option tables.
 *   generate man NAME
 *   generate completion
 *   generate examples          every example of the manuals, one a line, for the tests */
#include "lib/agg/agg.h"
#include "tools/tools.h"

#include <stdio.h>

extern const struct tool tool_fanout;

static void every_tool(const struct tool *list[32])
{
	int n = 0;

	for (; all_tools[n]; n++)
		list[n] = all_tools[n];
	list[n++] = &tool_fanout;
	list[n] = NULL;
}

static int examples(const struct tool *const *list, struct buf *b)
{
	for (; *list; list++)
		for (const struct example *x = (*list)->examples; x && x->command; x++)
			if (buf_printf(b, "%s\n", x->command))
				return -1;
	return agg_examples(b);
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf b = { 0 };
	const struct tool *t = NULL, *list[32];
	int rc = -1;

	every_tool(list);
	if (argc == 3 && strcmp(argv[1], "man") == 0)
		t = strcmp(argv[2], "fanout") == 0 ? &tool_fanout : tool_by_name(str_of(argv[2]));
	if (t)
		rc = opt_man(t, &b);
	else if (argc == 2 && strcmp(argv[1], "completion") == 0)
		rc = opt_complete(list, &b);
	else if (argc == 2 && strcmp(argv[1], "examples") == 0)
		rc = examples(list, &b);
	if (rc) {
		fputs("usage: generate man NAME | generate completion | generate examples\n", stderr);
		return 64;
	}
	return fwrite(b.p, 1, b.n, stdout) == b.n && fflush(stdout) == 0 ? 0 : 74;
}
