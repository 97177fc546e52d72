/* The tree of losers of a k-way merge (D. E. Knuth, The Art of Computer Programming, volume 3, 5.4.1): tree[0] is the cursor that comes
 * first, the others lost against one that came before them. */
#ifndef STOOK_OP_LOSER_H
#define STOOK_OP_LOSER_H

#include <stdbool.h>

/* An empty tree of n places: each cursor is then played once. */
static inline void loser_clear(int *tree, int n)
{
	for (int i = 0; i < n; i++)
		tree[i] = -1;
}

/* Plays cursor i from its leaf up; an empty place, while the tree is built, stops it there. before(merge, a, b): cursor a comes before b. */
static inline void loser_play(int *tree, int n, int i, bool (*before)(const void *merge, int a, int b), const void *merge)
{
	int winner = i;

	for (int at = (i + n) / 2; at > 0; at /= 2) {
		if (tree[at] < 0) {
			tree[at] = winner;
			return;
		}
		if (before(merge, tree[at], winner)) {
			int loser = winner;

			winner = tree[at];
			tree[at] = loser;
		}
	}
	tree[0] = winner;
}

#endif
