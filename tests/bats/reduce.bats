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

# Keys of any bytes and missing ones, in an order of their own for each aggregate; counted once by perl.
many_groups() {
	perl -e '
		srand 11;
		open my $in, ">", "in.csv"; open my $want, ">", "want.csv";
		print $in "a,b,v\n"; print $want "a,b,n,s,f,l\n";
		for (1 .. 150000) {
			my @k = ("k" . int(rand 40000), (",", ",\"\"", ",é", ",x\0y", ",\"q\"\"r\"")[rand 5]);
			my $v = int(rand 1e6);
			my $k = join "", @k;
			print $in "$k,$v.25\n";
			push @order, $k unless $n{$k}++;
			$s{$k} += 4 * $v + 1; $f{$k} //= $v; $l{$k} = $v;
		}
		print $want "$_,$n{$_},", sprintf("%d.%02d", $s{$_} >> 2, 25 * ($s{$_} & 3)), ",$f{$_}.25,$l{$_}.25\n" for @order;
	'
}

@test "reduce: many groups are the same for any number of threads and any memory, and what perl counts" {
	cd "$BATS_TEST_TMPDIR"
	many_groups
	for j in 1 2 3 8; do
		for s in 1M 4M 1G; do
			stook reduce -j $j -S $s -g a,b -a n=count,s=sum:v,f=first:v,l=last:v in.csv -o got.csv --stats stats.json
			cmp want.csv got.csv
			[ $s = 1G ] || ! grep -q '"spills": 0' stats.json
		done
		stook reduce -j $j -g a,b -a n=count,s=sum:v,f=first:v,l=last:v --sorted in.csv -o got.csv
		(head -n 1 want.csv; tail -n +2 want.csv | perl -e 'print map { $_->[0] } sort { $a->[1] cmp $b->[1] || $a->[2] cmp $b->[2] }
			map { chomp; my ($k, $t) = split /,/, $_, -1; $t = "\xff" if $t eq ""; $t =~ s/^"(.*)"$/$1/; $t =~ s/""/"/g; [ "$_\n", $k, $t ] } <>') >sorted.csv
		cmp sorted.csv got.csv
		stook reduce -j $j -g a,b:text,v:num -a n=count in.csv -o by.csv
		[ $j = 1 ] && mv by.csv by1.csv || cmp by1.csv by.csv
	done
}

# Nearly all keys are new; by mode, none comes again, or a few do, or later one all the time or all of them. Counted by perl.
mostly_new() {
	perl -e '
		my $mode = shift;
		srand 5;
		open my $in, ">", "in.csv"; open my $want, ">", "want.csv";
		print $in "a,b,v\n"; print $want "a,b,n,s,f\n";
		for my $i (1 .. 120000) {
			my $j = $i > 10 && ($mode eq "none" ? 0 : $mode eq "few" ? rand() < 0.01 ? 1 + int rand $i : 0 : $i <= 40000 ? 0 : $mode eq "one" ? rand() < 0.9 && 7 : $i - 39999)
				|| $i;
			my $k = "key$j," . ("", "x", "\"a,b\"")[$j % 3];
			my $v = int(rand 1e6);
			print $in "$k,$v.5\n";
			push @order, $k unless $n{$k}++;
			$s{$k} += 2 * $v + 1; $f{$k} //= $v;
		}
		print $want "$_,$n{$_},", sprintf("%d.%d", $s{$_} >> 1, 5 * ($s{$_} & 1)), ",$f{$_}.5\n" for @order;
	' $1
}

@test "reduce: rows that are nearly all groups of their own, and their repetitions" {
	cd "$BATS_TEST_TMPDIR"
	for mode in none few one all; do
		mostly_new $mode
		for j in 1 2 8; do
			for s in 1M 4M; do
				stook reduce -j $j -S $s -g a,b -a n=count,s=sum:v,f=first:v in.csv -o got.csv --stats stats.json
				cmp want.csv got.csv
				! grep -q '"spills": 0' stats.json
			done
			stook reduce -j $j -S 1M -g a,b -a n=count,s=sum:v,f=first:v --partial in.csv | stook reduce --merge -o got.csv
			cmp want.csv got.csv
		done
	done
}

@test "reduce: a failed allocation beyond the memory limit is an error, never a wrong result" {
	[ -e "$STOOK_BIN/../faults.so" ] || skip "make units builds the shim"
	cd "$BATS_TEST_TMPDIR"
	mostly_new few
	for n in 150 300 500 700 900 1100 1300 1500 2000 2500 3000 4000 5000 7000; do
		FAULT=malloc:$n LD_PRELOAD=$STOOK_BIN/../faults.so stook-reduce -j 2 -S 2M -g a,b -a n=count,s=sum:v,f=first:v in.csv -o got.csv 2>err &&
			status=0 || status=$?
		[ $status = 0 ] && cmp want.csv got.csv || [ $status = 71 ]
		rm -f got.csv
	done
}

@test "reduce: a full temporary folder is exit 74, and no file" {
	cd "$BATS_TEST_TMPDIR"
	mkdir small
	mount -t tmpfs -o size=1m none small 2>/dev/null || skip "cannot mount"
	mostly_new few
	stook reduce -S 1M -T small -g a,b -a n=count,s=sum:v in.csv -o got.csv 2>err && status=0 || status=$?
	umount small
	[ $status = 74 ] && [ ! -e got.csv ]
}

@test "reduce: errors and bad records are the same for any number of threads" {
	cd "$BATS_TEST_TMPDIR"
	perl -e 'srand 3; print "k,v\n"; for (1 .. 300000) { print "k", int(rand 1000), ",", (rand() < 0.0001 ? "x" : int(rand 100)), rand() < 0.0001 ? ",more\n" : "\n" }' >in.csv
	for bad in fail skip null side=side; do
		for more in '' '--max-errors 20'; do
			for j in 1 2 8; do
				status=0
				stook reduce -j $j --on-bad $bad $more -g k -a n=count,sum:v,last:v in.csv --to csv >out 2>err || status=$?
				[ "$status" -lt 100 ]
				{ echo $status; cat out err; [ ! -e side ] || cat side; } | md5sum >sum.$j
				rm -f side
			done
			cmp sum.1 sum.2
			cmp sum.1 sum.8
		done
	done
}
