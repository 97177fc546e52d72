# What no input may do: use up the memory, or change with the number of threads.

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
}

@test "a hundred thousand columns" {
	awk 'BEGIN { for (r = 0; r < 12; r++) for (i = 0; i < 100000; i++) printf "%s%s", (r ? i * 7 + r : "c" i), i < 99999 ? "," : "\n" }' >wide.csv
	for j in 1 3; do
		(ulimit -v 2000000 && stook cat -j $j wide.csv --to csv) | cmp - wide.csv
	done
}

@test "a field of a GiB against a limit: little memory, and the place where it began" {
	status=0
	{
		printf 'a,b\n0,0\n1,"'
		head -c 1G /dev/zero | tr '\0' x
		echo '"'
	} | (ulimit -v 600000 && stook cat --from csv --max-field 16M --to csv) >out 2>err || status=$?
	[ "$status" = 65 ]
	[ "$(cat out)" = $'a,b\n0,0' ]
	grep -q '^stook-cat: -:3:3: a field is longer than 16777216 bytes' err
}

@test "a line of a GiB against a limit" {
	status=0
	{
		printf '{"a":1}\n{"a":"'
		head -c 1G /dev/zero | tr '\0' x
	} | (ulimit -v 600000 && stook cat --from jsonl --max-field 16M --sample 1 --to jsonl) >out 2>err || status=$?
	[ "$status" = 65 ]
	[ "$(cat out)" = '{"a":1}' ]
	grep -q '^stook-cat: -:2:1: a line is longer than 16777216 bytes' err
}

@test "JSON nested a hundred thousand deep" {
	status=0
	{
		head -c 100000 /dev/zero | tr '\0' '['
		head -c 100000 /dev/zero | tr '\0' ']'
	} | sed 's/.*/{"a":&}/' | (ulimit -v 600000 && stook cat --from jsonl --to jsonl) >out 2>err || status=$?
	[ "$status" = 65 ]
	[ ! -s out ]
	grep -q '^stook-cat: -:1:517: nested deeper than 512 levels' err
}

# Quotes, line ends inside and outside of them, stray quotes and bad records, in several MB.
nasty() {
	perl -e '
		srand 7;
		print "a,b,c\n";
		my @v = ("x", "1.50", "\"q\"", "\"two\nlines\"", "\"\"", "5\" pipe", "\"a \"\"b\"\" c\"", "", "\"" . ("z\n" x 9) . "\"");
		for my $i (1 .. 250000) {
			my @f = map { $v[rand @v] } 1 .. 3;
			push @f, "extra" if $ARGV[0] && rand() < 0.00005;
			print join(",", @f), rand() < 0.1 ? "\r\n" : "\n";
		}
		print "1,\"never closed\n" x ($ARGV[0] > 1);
	' "$1"
}

@test "CSV gives the same for any number of threads, broken records included" {
	for kind in 0 1 2; do
		nasty $kind >in.csv
		for bad in fail skip null side=side; do
			for j in 1 2 8; do
				status=0
				stook cat -j $j --on-bad $bad in.csv --to csv >out 2>err || status=$?
				{ echo $status; cat out err; [ $bad != side=side ] || [ ! -e side ] || cat side; } | md5sum >sum.$j
				rm -f side
			done
			cmp sum.1 sum.2
			cmp sum.1 sum.8
		done
	done
}

@test "JSON Lines gives the same for any number of threads, broken records included" {
	perl -e 'srand 3; for (1 .. 200000) { print rand() < 0.00004 ? "{\"a\":\n" : "{\"a\":$_,\"b\":\"x" . ("y" x rand 20) . "\"" . (rand() < 0.01 ? ",\"n$_\":1" : "") . "}\n" }' >in.jsonl
	for bad in fail skip side=side; do
		for j in 1 2 8; do
			status=0
			stook cat -j $j --on-bad $bad in.jsonl --to jsonl >out 2>err || status=$?
			{ echo $status; cat out err; [ $bad != side=side ] || [ ! -e side ] || cat side; } | md5sum >sum.$j
			rm -f side
		done
		cmp sum.1 sum.2
		cmp sum.1 sum.8
	done
}

# The command's peak is within its setting and 32 MiB.
peak() { # MiB, command
	/usr/bin/time -f %M -o peak "${@:2}"
	[ "$(tail -n 1 peak)" -le $((($1 + 32) * 1024)) ] || { echo "${@:2}: $(cat peak)"; false; }
}

@test "long records that come together among short ones: the memory stays within its setting and 32 MiB" {
	[ -x /usr/bin/time ] || skip "needs GNU time"
	perl -e 'srand 5; print "k,p\n"; for (1 .. 400000) { printf "%07d,%s\n", 1e6 + rand 1e6, "s" x 20; printf "%07d,%s\n", $_, "L" x 150000 if $_ % 800 == 0 }' >in.csv
	{ head -n 1 in.csv && tail -n +2 in.csv | LC_ALL=C sort -s -t, -k1,1; } >want.csv
	for s in 16 64; do
		peak $s stook sort -S ${s}M -k k in.csv -o out.csv
		cmp out.csv want.csv
	done
	peak 16 stook sort -S 16M -k k -u in.csv -o out.csv
	stook sort -k k -u in.csv -S 1G --to csv | cmp - out.csv
	perl -e 'print "id,p\n"; printf "%d,%s\n", $_ + 100, "z" x 40 for 1 .. 40000; print "7,zz\n" x 20; print "7,", "L" x 1200000, "\n" for 1 .. 3' >heavy.csv
	peak 16 stook join -j 1 -S 16M -k id heavy.csv heavy.csv -o out.csv
	peak 16 stook join -j 1 -S 1M -k id heavy.csv heavy.csv -o few.csv
	cmp out.csv few.csv
	perl -e 'print "id,x\n"; printf "%d,%d\n", $_ % 20 ? $_ + 10 : 5, $_ for 1 .. 40000' >l.csv
	perl -e 'print "id,p\n"; printf "%d,%s\n", $_, "L" x ($_ == 5 ? 200000 : 5) for 1 .. 40000' >r.csv
	stook sort -k id l.csv -o l.arrow
	stook sort -k id r.csv -o r.arrow
	for kind in inner left full right; do
		for to in jsonl arrow; do
			peak 64 stook join --$kind -S 64M -k id l.csv r.csv -o joined.$to
			peak 64 stook join --$kind -S 64M -k id l.arrow r.arrow -o merged.$to
		done
		case $kind in
		inner | left) [ "$(grep -c LLLLLLLL joined.jsonl)" = 2000 ] ;;
		esac
		cmp <(stook sort -k x,id joined.jsonl --to csv) <(stook sort -k x,id merged.jsonl --to csv)
	done
	stook take -n 2000 l.csv -o few.csv
	stook take --rows 1..9 r.csv -o nine.csv
	peak 64 stook join -S 64M --cross few.csv nine.csv -o crossed.csv
	[ "$(wc -l <crossed.csv)" = 18001 ]
	[ "$(stat -c %s out.csv)" = $((9 + 40000 * 83 + $(seq 101 40100 | tr -d '\n' | wc -c) + 23 * 23 * 4 + 2 * 23 * (40 + 3600000))) ]
}

@test "records of a MiB: the memory stays within its setting and 32 MiB" {
	[ -x /usr/bin/time ] || skip "needs GNU time"
	perl -e 'srand 3; print "id,k,t\n"; printf "%d,%d,%s\n", $_, rand 50, sprintf("%08d", rand 1e8) x 131072 for 1 .. 200' >in.csv
	peak 64 stook sort -S 64M -j 2 -k t in.csv -o sorted.csv
	{ head -n 1 in.csv && tail -n +2 in.csv | LC_ALL=C sort -t, -k3,3; } | cmp - sorted.csv
	peak 64 stook sort -S 64M -j 2 -k t -u in.csv -o sorted.csv
	{ head -n 1 in.csv && tail -n +2 in.csv | LC_ALL=C sort -t, -k3,3 -u; } | cmp - sorted.csv
	peak 64 stook sort -S 64M -j 1 -k k:num:desc in.csv -o sorted.csv
	{ head -n 1 in.csv && tail -n +2 in.csv | LC_ALL=C sort -s -t, -k2,2nr; } | cmp - sorted.csv
	rm sorted.csv
	peak 64 stook take -S 64M --sample 10 in.csv -o some.csv
	[ "$(tail -n +2 some.csv | grep -cxFf - in.csv)" = 10 ]
	[ "$(wc -l <some.csv)" = 11 ]
	tail -n +2 in.csv | cut -d, -f 1,3 | tac | sed '1i id,u' >r.csv
	peak 64 stook join -S 64M -j 2 -k id in.csv r.csv -o out.csv
	{ echo id,k,t,u && tail -n +2 in.csv | awk -F, '{ print $0 "," $3 }'; } | cmp - out.csv
	rm r.csv out.csv
	cat in.csv <(tail -n +2 in.csv) >twice.csv
	peak 64 stook reduce -S 64M -j 2 -g t -a n=count,last:id twice.csv -o out.csv
	{ echo t,n,last_id && tail -n +2 in.csv | awk -F, '{ print $3 ",2," $1 }'; } | cmp - out.csv
}
