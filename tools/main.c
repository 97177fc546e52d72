/* main() of one tool; the makefile compiles it once for each, with TOOL naming the descriptor. */
#include "lib/cli/cli.h"

extern const struct tool TOOL;

int main(int argc, char **argv)
{
	return tool_main(&TOOL, argc, argv);
}
