/* Getting the shim to run on a host that has nothing but sshd and sh.
 *
 * A script finds a private folder (0700, ours, on a file system that may be written and executed) and runs the bundle that lies
 * there under the name of its contents' hash, after the bundle itself has confirmed the hash. When there is none yet, a
 * self-unpacking program is sent: a small unpacker in front, behind it a tar+zstd archive with the bundle and a manifest; it is
 * unpacked beside, verified and renamed, so that a folder never holds half a program. */
#ifndef STOOK_FANOUT_SHIP_H
#define STOOK_FANOUT_SHIP_H

#include "fanout/line.h"

/* On success the shim's frames follow on the line; bytes of them that came already are in `more`. *shipped counts what was sent. */
int ship_start(struct line *l, const struct reach_opts *o, struct buf *more, atomic_llong *shipped, struct err *e) nodiscard;

#endif
