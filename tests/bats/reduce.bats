# reduce and confusion-matrix against oracles over seeded random cases, and on whole processes.

oracle() { # script cases seed
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	perl "$BATS_TEST_DIRNAME/../oracle/$1.pl" "$2" "$3"
}

@test "reduce and confusion-matrix agree with exact rationals and sqlite3" {
	command -v sqlite3 >/dev/null || skip "sqlite3 is not installed"
	oracle reduce 40 1
}

scikit() { python3 "$BATS_TEST_DIRNAME/../oracle/scikit.py" "$@"; }

@test "confusion-matrix: all figures are scikit-learn's, to 1e-12, of random cases and two real sets" {
	cd "$BATS_TEST_TMPDIR"
	scikit check "$BATS_TEST_DIRNAME/../oracle/scikit.jsonl"
}

@test "confusion-matrix: figures of fresh cases, computed by scikit-learn now" {
	python3 -c 'import sklearn' 2>/dev/null || skip "scikit-learn is not installed; the cases it computed before are compared above"
	cd "$BATS_TEST_TMPDIR"
	scikit make 100 7 >cases.jsonl
	scikit check cases.jsonl
}

@test "reduce: a producer that dies is seen, and nothing is left under the output's name" {
	cd "$BATS_TEST_TMPDIR"
	yes 'a,1' | head -n 400000 | (echo k,v; cat) >big.csv
	stook cat big.csv --to arrow | head -c 1000000 >cut.arrows
	run stook reduce -g k -a sum:v cut.arrows -o out.csv
	[ "$status" -eq 76 ]
	[ ! -e out.csv ]
	run stook confusion-matrix --true k --pred v --svg cm.svg cut.arrows -o out.csv
	[ "$status" -eq 76 ]
	[ ! -e out.csv ] && [ ! -e cm.svg ]
}

@test "reduce: parts reduced one by one, merged in a tree, are the whole" {
	cd "$BATS_TEST_TMPDIR"
	awk 'BEGIN { print "k,v"; for (i = 0; i < 30000; i++) print "k" (i * 7919) % 997 "," i % 1000 "." i % 7 }' >all.csv
	stook reduce -g k -a n=count,sum:v,mean:v,first:v,last:v,p90:v all.csv -o whole.csv
	for i in 1 2 3 4; do
		(head -n 1 all.csv; tail -n +2 all.csv | awk -v i=$i 'int((NR - 1) / 7500) == i - 1') >p$i.csv
		stook reduce -g k -a n=count,sum:v,mean:v,first:v,last:v,p90:v --partial p$i.csv -o p$i.arrow
	done
	stook reduce --merge --partial p2.arrow p3.arrow | stook reduce --merge --partial p1.arrow - | stook reduce --merge - p4.arrow -o merged.csv
	cmp whole.csv merged.csv
}

@test "reduce: states that are lists stay inside -S" {
	cd "$BATS_TEST_TMPDIR"
	awk 'BEGIN { print "k,v"; s = 7; for (i = 0; i < 1500000; i++) { s = (s * 1103515245 + 12345) % 2147483648; print int(s / 64) % 5000 "," s % 100000 / 100 } }' >in.csv
	/usr/bin/time -f %M -o peak stook reduce -g k -a median:v,list:v -S 64M in.csv -o small.csv
	[ "$(tail -n 1 peak)" -le $(((64 + 32) * 1024)) ] || { cat peak; false; }
	stook reduce -g k -a median:v,list:v -S 1G in.csv -o large.csv
	cmp small.csv large.csv
}
