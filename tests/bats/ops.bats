# sort, join, split and take against oracles, over seeded random cases, and on whole processes.

oracle() { # script cases seed
	mkdir -p "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	perl "$BATS_TEST_DIRNAME/../oracle/$1.pl" "$2" "$3"
}

@test "sort is LC_ALL=C sort on text, exact arithmetic on numbers; merge, check, unique and top n with it" {
	oracle sort 50 1
}

@test "join is SQLite's join, for every kind, with duplicates and nulls" {
	command -v sqlite3 >/dev/null || skip "needs sqlite3"
	oracle join 300 1
}

@test "split is a partition in every mode; take is head, tail and awk" {
	oracle split 8 1
}
