/* URLs that RFC 3986 calls equivalent become equal; others stay apart; normalizing twice changes nothing. */
#include "lib/base/url.h"

#include "tests/unit/test.h"

static void is(const char *url, const char *want)
{
	cleanup_buf struct buf b = { 0 }, again = { 0 };

	CHECK(url_normalize(str_of(url), &b) == 0);
	CHECK_STR(buf_view(&b), want);
	CHECK(url_normalize(buf_view(&b), &again) == 0);
	CHECK_STR(buf_view(&again), want);
}

TEST(equivalent_spellings)
{
	is("HTTP://www.EXAMPLE.com/", "http://www.example.com/");
	is("http://example.com", "http://example.com/");
	is("http://example.com:80/a", "http://example.com/a");
	is("http://example.com:/", "http://example.com/");
	is("https://example.com:443?q", "https://example.com/?q");
	is("http://example.com:8080/", "http://example.com:8080/");
	is("http://example.com/a/./b/../c", "http://example.com/a/c");
	is("http://example.com/a/b/..", "http://example.com/a/");
	is("http://example.com/../x", "http://example.com/x");
	is("http://example.com/%7euser/%2f%e4", "http://example.com/~user/%2F%E4");
	is("http://example.com/x#part", "http://example.com/x");
	is("example://a/b/c/%7Bfoo%7D", "example://a/b/c/%7Bfoo%7D");
	is("eXAMPLE://a/./b/../b/%63/%7bfoo%7d", "example://a/b/c/%7Bfoo%7D"); /* the pair of section 6.2.2 */
	is("http://User@[2001:DB8::1]:80/", "http://User@[2001:db8::1]/");
}

TEST(others_stay_apart)
{
	is("https://example.com/", "https://example.com/");
	is("http://example.com/A", "http://example.com/A");
	is("http://example.com/a/", "http://example.com/a/");
	is("http://example.com/a//b", "http://example.com/a//b");
	is("http://example.com/?a=/../b", "http://example.com/?a=/../b");
	is("mailto:Joe@Example.com", "mailto:Joe@Example.com");
	is("www.Example.com/x", "www.Example.com/x");
	is("100%", "100%");
	is("%zz%4", "%zz%4");
	is("", "");
	is(":", ":");
}

int main(void)
{
	return RUN_TABLE(T1(equivalent_spellings), T1(others_stay_apart));
}
