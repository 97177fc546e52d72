/* All filters in one program: what fanout ships, and (with TOOL) fanout itself, which starts its workers and the stages that run here
 * as itself. The tool is the name it is called by, stook-sort, or else the first argument. */
#include "lib/io/term.h"
#include "tools/tools.h"

#include <string.h>

#ifdef TOOL
extern const struct tool TOOL;
#endif

/* The far side of fanout (fanout/shim.h): linked in, but its folder lies behind this one. */
int shim_main(const char *base, const char *argv0);
int shim_digest(void);

static const struct tool *by_own_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	const char *base = slash ? slash + 1 : argv0;

	return strncmp(base, "stook-", 6) == 0 ? tool_by_name(str_of(base + 6)) : NULL;
}

#ifdef TOOL
static int by_argument(int argc, char **argv)
{
	return tool_main(&TOOL, argc, argv);
}
#else
static int by_argument(int argc, char **argv)
{
	const struct tool *t = argc > 1 ? tool_by_name(str_of(argv[1])) : NULL;

	if (t)
		return tool_main(t, argc - 1, argv + 1);
	term_err(STR("usage: stook-bundle TOOL [OPTIONS] [FILE]... | --shim DIR | --digest\n"));
	return ST_USAGE;
}
#endif

int main(int argc, char **argv)
{
	const struct tool *t = argc > 0 ? by_own_name(argv[0]) : NULL;

	if (t)
		return tool_main(t, argc, argv);
	if (argc == 3 && strcmp(argv[1], "--shim") == 0)
		return shim_main(argv[2], argv[0]);
	if (argc == 2 && strcmp(argv[1], "--digest") == 0)
		return shim_digest();
	return by_argument(argc, argv);
}
