/* SVG text: see svg.h. */
#include "lib/op/svg.h"

#include "lib/base/utf8.h"
#include "lib/io/term.h"

size_t svg_chars(struct str s)
{
	return utf8_count(s.p, s.n);
}

int svg_text(struct buf *b, struct str s, size_t max)
{
	cleanup_buf struct buf safe = { 0 };
	size_t n = 0, i = 0, len;
	int rc = term_safe(&safe, s);

	for (; i < safe.n && !rc; i += len, n++) {
		char c = (char)safe.p[i];

		if (n + 1 >= max && svg_chars(str_from(buf_view(&safe), i)) > 1)
			return buf_puts(b, "\xe2\x80\xa6");
		utf8_decode(safe.p + i, safe.n - i, &len);
		if (c == '&')
			rc = buf_puts(b, "&amp;");
		else if (c == '<')
			rc = buf_puts(b, "&lt;");
		else if (c == '>')
			rc = buf_puts(b, "&gt;");
		else if (c == '"')
			rc = buf_puts(b, "&quot;");
		else
			rc = buf_add(b, safe.p + i, len);
	}
	return rc;
}
