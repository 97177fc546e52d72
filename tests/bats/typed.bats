# cat --typed, schemas and metadata on whole processes.

@test "typed columns print back as they came, within any memory, and have the types that every value has" {
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	perl "$BATS_TEST_DIRNAME/../oracle/typed.pl" 60 1
}

@test "cat --typed stays within its memory and leaves nothing behind" {
	[ -x /usr/bin/time ] || skip "needs GNU time"
	cd "$BATS_TEST_TMPDIR"
	awk 'BEGIN { print "id,price,text,day"; for (i = 1; i <= 3000000; i++) printf "%d,%d.%02d,some text of record %d,2015-01-%02d\n", i, i % 977, i % 100, i, i % 28 + 1 }' >in.csv
	mkdir tmp
	/usr/bin/time -f %M -o peak stook cat --typed -S 64M -T tmp in.csv --schema-out types -o out.csv
	cmp in.csv out.csv
	[ "$(tail -n 1 peak)" -le $(((64 + 32) * 1024)) ] || { cat peak; false; }
	[ -z "$(ls -A tmp)" ]
	printf 'id int64\nprice decimal128(38, 2)\ntext text\nday date\n' | diff - types
}

@test "a field that loses its type with the last value has none" {
	cd "$BATS_TEST_TMPDIR"
	awk 'BEGIN { print "a,b"; for (i = 1; i <= 200000; i++) print i "," i; print "007,1" }' >in.csv
	stook cat --typed in.csv --schema-out - >got
	printf 'a text\nb int64\n' | diff - got
	stook cat --typed in.csv --to csv | cmp - in.csv
}
