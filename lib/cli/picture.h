/* Results as pictures: --plot draws on standard output, --svg into a file. */
#ifndef STOOK_CLI_PICTURE_H
#define STOOK_CLI_PICTURE_H

#include "lib/cli/opt.h"

struct picture {
	int plot;          /* enum chart_kind; CHART_NONE: not on standard output */
	const char *svg, *title;
};

/* Usage, before the first byte. `partial`: there are no results to draw. */
int picture_check(const struct picture *p, const struct common *c, bool partial, struct err *e) nodiscard;

/* As cli_drain(), with pictures: without --plot, or with -o, the table is written too. The SVG file gets its name after the result is
 * complete: neither is there without the other. */
int picture_drain(const struct picture *p, const struct common *c, struct source *from, struct err *e) nodiscard;

#endif
