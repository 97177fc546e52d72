/* Conversions by name. A row without a kernel is its converted argument, now with a reading that somebody has said. */
#include "lib/expr/convert.h"
#include "lib/expr/kernel.h"

const struct fn fns_convert[] = {
	{ "text", "v", 's', { NULL }, NULL, "text(x)", "as text; also says that text compares by bytes", NULL },
	{ "num", "d", 'd', { NULL }, NULL, "num(x)", "as an exact number", NULL },
	{ "int", "i", 'i', { NULL }, NULL, "int(x)", "as int64; what is no whole number is a bad value", NULL },
	{ "float", "f", 'f', { NULL }, NULL, "float(x)", "as float64, rounded once", NULL },
	{ "bool", "b", 'b', { NULL }, NULL, "bool(x)",
	  "text true, t, yes, y, on, 1 or their opposites; a number that is not 0", NULL },
	{ "date", "D", 'D', { NULL }, NULL, "date(x)", "text 2015-01-02, or the day of a timestamp", NULL },
	{ "time", "t", 't', { NULL }, NULL, "time(x)", "text 2015-01-02T03:04:05Z (offsets, dates too), or a date's midnight", NULL },
	{ 0 },
};
