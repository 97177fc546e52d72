/* Text for the terminal: what is escaped, how wide it is, where it is cut. */
#include "lib/io/term.h"
#include "tests/unit/test.h"

static struct buf b;

static struct str safe(const char *s, size_t n)
{
	b.n = 0;
	CHECK(term_safe(&b, (struct str){ s, n }) == 0);
	return buf_view(&b);
}

#define SAFE(lit) safe("" lit, sizeof(lit) - 1)

TEST(plain_text_stays)
{
	CHECK_STR(SAFE("a b~"), "a b~");
	CHECK_STR(SAFE("gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80"), "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80");
	CHECK_STR(SAFE(""), "");
}

TEST(controls_are_escaped)
{
	CHECK_STR(SAFE("a\x1b[31mb"), "a\\x1b[31mb");
	CHECK_STR(SAFE("\0\t\n\r\x7f"), "\\x00\\x09\\x0a\\x0d\\x7f");
	CHECK_STR(SAFE("\xc2\x9b" "31m"), "\\u{009B}31m");
	CHECK_STR(SAFE("\xe2\x80\xae" "abc"), "\\u{202E}abc");
	CHECK_STR(SAFE("\xe2\x80\xa8"), "\\u{2028}");
	CHECK_STR(SAFE("\xef\xbb\xbf" "x"), "\\u{FEFF}x");
}

TEST(bad_bytes_are_escaped)
{
	CHECK_STR(SAFE("\xff\x80z"), "\\xff\\x80z");
	CHECK_STR(SAFE("\xe6\xbc"), "\\xe6\\xbc");
	CHECK_STR(SAFE("\xc0\xaf"), "\\xc0\\xaf");
}

/* No byte sequence gives a control byte. */
TEST(nothing_raw_gets_through)
{
	unsigned seed = 7;

	for (int k = 0; k < 20000; k++) {
		char text[12];

		for (size_t i = 0; i < sizeof text; i++)
			text[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
		b.n = 0;
		CHECK(term_safe(&b, (struct str){ text, sizeof text }) == 0);
		for (size_t i = 0; i < b.n; i++)
			CHECK(b.p[i] >= 0x20 && b.p[i] != 0x7f && !(b.p[i] == 0xc2 && b.p[i + 1] < 0xa0));
	}
}

static int width(const char *z)
{
	int cells = -1;

	b.n = 0;
	CHECK(term_safe_width(&b, str_of(z), &cells) == 0);
	return cells;
}

TEST(widths)
{
	CHECK_I64(width("abc"), 3);
	CHECK_I64(width("\xe6\xbc\xa2\xe5\xad\x97"), 4);  /* two ideographs */
	CHECK_I64(width("e\xcc\x81"), 1);                 /* combining acute */
	CHECK_I64(width("\xf0\x9f\x98\x80"), 2);          /* emoji */
	CHECK_I64(width("\xea\xb0\x80"), 2);              /* hangul syllable */
	CHECK_I64(width("\xef\xbc\xa1"), 2);              /* fullwidth A */
	CHECK_I64(width("\xef\xbd\xb1"), 1);              /* halfwidth katakana */
	CHECK_I64(width("\xd7\xa9\xd6\xb8"), 1);          /* hebrew with a point */
	CHECK_I64(width("\x1b"), 4);
	CHECK_I64(width("\xe2\x80\x8b"), 0);              /* zero width space */
}

static int fit(const char *z, int most, size_t *used)
{
	int cells;

	b.n = 0;
	CHECK(term_safe_fit(&b, str_of(z), most, &cells, used) == 0);
	return cells;
}

TEST(cutting)
{
	size_t used;

	CHECK_I64(fit("abcdef", 4, &used), 4);
	CHECK_I64(used, 4);
	CHECK_I64(fit("a\xe6\xbc\xa2\xe6\xbc\xa2", 4, &used), 3);
	CHECK_I64(used, 4);
	CHECK_I64(fit("abce\xcc\x81z", 4, &used), 4); /* the mark goes with its letter */
	CHECK_I64(used, 6);
	CHECK_I64(fit("ab\x1b", 4, &used), 2); /* an escape is whole or absent */
	CHECK_STR(buf_view(&b), "ab");
	CHECK_I64(fit("abc", 0, &used), 0);
	CHECK_I64(used, 0);
}

int main(void)
{
	int rc = RUN_TABLE(T1(plain_text_stays), T1(controls_are_escaped), T1(bad_bytes_are_escaped), T1(nothing_raw_gets_through), T1(widths),
			   T1(cutting));

	buf_free(&b);
	return rc;
}
