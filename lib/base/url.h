/* URLs in one spelling: the syntax-based and scheme-based normalization of RFC 3986, sections 6.2.2 and 6.2.3. */
#ifndef STOOK_BASE_URL_H
#define STOOK_BASE_URL_H

#include "lib/base/buf.h"

/* Appends the normalized URL: scheme and host in lower case, the scheme's default port and the fragment left out, dot segments
 * removed, an empty path as "/", %XX in capitals, and unreserved characters plain. Equivalent spellings become equal; http and
 * https, www. or a slash at the end stay different. What has no scheme keeps its path as it is. 0 or -1. */
int url_normalize(struct str url, struct buf *b);

#endif
