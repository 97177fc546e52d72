/* Archives: whatever the bytes, listing and reading end. A member that is listed reads the same each time, and if it can still be read
 * from a shorter piece of the archive, then as the same bytes. */
#include "get/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST ((size_t)1 << 20)

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

/* 0 and the bytes, or the status. */
static int fetch(int fd, const char *member, struct buf *ret)
{
	cleanup_buf struct buf name = { 0 };
	struct keeper k;
	struct err e = { 0 };
	int rc;

	check(buf_printf(&name, "/proc/self/fd/%d//%s", fd, member) == 0 && buf_byte(&name, '\0') == 0);
	keeper_init(&k, ret, MOST);
	rc = store_archive.fetch((char *)name.p, &k.taker, &e);
	check(rc == 0 || (rc == -e.status && e.msg[0]));
	return -rc;
}

static void compare(int fd, int shorter, const char *member)
{
	cleanup_buf struct buf one = { 0 }, two = { 0 }, cut = { 0 };
	int status = fetch(fd, member, &one);

	check(fetch(fd, member, &two) == status && str_eq(buf_view(&one), buf_view(&two)));
	if (fetch(shorter, member, &cut) == 0 && status == 0)
		check(str_eq(buf_view(&one), buf_view(&cut)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = file_of(data, size), shorter = file_of(data, size - size / 3);
	cleanup_names struct names names = { 0 };
	struct err e = { 0 };
	char pattern[64];

	snprintf(pattern, sizeof pattern, "/proc/self/fd/%d//*", fd);
	if (store_archive.list(pattern, &names, &e) == 0)
		for (int i = 0; i < names.n && i < 8; i++)
			compare(fd, shorter, strstr(names.v[i] + 1, "//") + 2);
	close(fd);
	close(shorter);
	return 0;
}
