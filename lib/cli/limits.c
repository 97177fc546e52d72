/* Limits of the machine, of cgroup v2 (memory.max, cpu.max) and of v1 (memory.limit_in_bytes), whichever is smaller; and the
 * suffixed numbers of the command line. */
#include "lib/cli/limits.h"

#include "lib/base/dec.h"
#include "lib/cli/opt.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

static int64_t read_number(const char *path, int64_t otherwise)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int64_t v;

	if (fd < 0)
		return otherwise;
	n = read(fd, text, sizeof text);
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n <= 0 || num_parse_i64((struct str){ text, (size_t)n }, &v) != DEC_OK || v <= 0)
		return otherwise;
	return v;
}

int64_t limits_memory(void)
{
	int64_t all = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	int64_t v2 = read_number("/sys/fs/cgroup/memory.max", all);
	int64_t v1 = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", all);

	if (v2 < all)
		all = v2;
	return v1 < all ? v1 : all;
}

int limits_threads(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > 0 ? n : 1;
}

static bool scaled(double v, double unit, double most, int64_t *ret)
{
	double r = v * unit;

	if (!(r >= 0) || r > most)
		return false;
	*ret = (int64_t)(r + 0.5);
	return true;
}

/* A number and the suffix after it. */
static bool split_number(const char *s, double *v, const char **suffix)
{
	size_t n = strspn(s, "0123456789.");

	*suffix = s + n;
	return n > 0 && num_parse_f64((struct str){ s, n }, v) == DEC_OK;
}

struct unit {
	const char *suffix;
	double factor;
};

static bool with_unit(const char *s, const struct unit *units, int64_t *ret)
{
	const char *suffix;
	double v;

	if (!split_number(s, &v, &suffix))
		return false;
	for (; units->suffix; units++)
		if (strcmp(suffix, units->suffix) == 0)
			return scaled(v, units->factor, 9e18, ret);
	return false;
}

bool parse_count(const char *s, int64_t *n)
{
	static const struct unit units[] = { { "", 1 }, { "k", 1e3 }, { "K", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { NULL, 0 } };

	if (num_parse_i64(str_of(s), n) == DEC_OK)
		return *n >= 0;
	return (!strchr(s, '.') || strpbrk(s, "kKMG")) && with_unit(s, units, n); /* 1.5k, but not 1.5 */
}

bool parse_size(const char *s, int64_t *bytes)
{
	static const struct unit units[] = { { "", 1 }, { "B", 1 }, { "k", 1 << 10 }, { "K", 1 << 10 }, { "KiB", 1 << 10 },
		{ "M", 1 << 20 }, { "MiB", 1 << 20 }, { "G", 1 << 30 }, { "GiB", 1 << 30 }, { "T", 1099511627776.0 },
		{ "TiB", 1099511627776.0 }, { NULL, 0 } };
	struct unit percent[] = { { "%", (double)limits_memory() / 100 }, { NULL, 0 } };

	return (with_unit(s, units, bytes) || (with_unit(s, percent, bytes) && *bytes <= limits_memory())) && *bytes > 0;
}

bool parse_duration(const char *s, int64_t *us)
{
	static const struct unit units[] = { { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "m", 60e6 }, { "h", 3600e6 },
		{ "d", 86400e6 }, { NULL, 0 } };

	return with_unit(s, units, us);
}
