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

@test "the nightly load: broken records kept apart up to a share, beyond it no result at all" {
	cd "$BATS_TEST_TMPDIR"
	mkdir in
	awk 'BEGIN { for (i = 1; i <= 3000; i++) printf "{\"id\":%d,\"ts\":\"2015-01-%02d\",\"x\":1.50}\n", i, i % 28 + 1; print "{bad" }' | gzip >in/a.jsonl.gz
	printf 'id num\nts text\nx num\n' >orders.schema
	stook cat 'in/*.jsonl.gz' --schema orders.schema --on-bad side=bad.csv --max-errors 0.1% 2>notes |
		stook sort -k id,ts:desc -u -S 1G -o orders.csv
	[ "$(wc -l <orders.csv)" = 3001 ]
	[ "$(cat bad.csv)" = '{bad' ]
	[ "$(cat notes)" = "stook-cat: 1 of 3001 records was bad and laid aside in bad.csv" ]
	rm orders.csv bad.csv
	status=0
	stook cat 'in/*.jsonl.gz' --schema orders.schema --on-bad side=bad.csv --max-errors 0.03% 2>/dev/null |
		stook sort -k id,ts:desc -u -S 1G -o orders.csv 2>notes || status=$?
	[ "$status" = 76 ]
	[[ $(cat notes) == *"1 of 3001 records are bad, more than --max-errors 0.03% allows"* ]]
	[ "$(ls)" = "$(printf 'in\nnotes\norders.schema')" ]
}

@test "bad records are the same whatever the threads, the memory and the cut" {
	cd "$BATS_TEST_TMPDIR"
	awk 'BEGIN { print "k,v"; for (i = 1; i <= 200000; i++) print (i % 997 == 0 ? "bad" : i % 1009 == 0 ? "x" i ",1" : i * 7919 % 100003 "," i) }' >in.csv
	# ragged ones first, as they were read, then those whose key is no number
	awk -F, 'NR > 1 && NF != 2' in.csv >want
	awk -F, 'NR > 1 && NF == 2 && $1 !~ /^[0-9]+$/' in.csv >>want
	for o in "-j 1" "-j 4" "-j 4 -S 3M -T ."; do
		stook sort -k k:num --on-bad side=raw $o in.csv -o "out.csv" 2>notes
		cmp raw want
		[ "$(cat notes)" = "stook-sort: $(wc -l <want) of 200000 records were bad and laid aside in raw" ]
		[ -f first.csv ] || cp out.csv first.csv
		cmp out.csv first.csv
		status=0
		stook sort -k k:num --on-bad skip --max-errors $(($(wc -l <want) - 1)) $o in.csv -o none.csv 2>/dev/null || status=$?
		[ "$status" = 65 ]
		[ ! -e none.csv ]
		stook sort -k k:num --on-bad skip --max-errors "$(wc -l <want)" $o in.csv -o none.csv 2>/dev/null
		rm none.csv
	done
}
