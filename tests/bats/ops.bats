# sort, join, split and take against oracles, over seeded random cases, and on whole processes.

oracle() { # script cases seed
	mkdir -p "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	perl "$BATS_TEST_DIRNAME/../oracle/$1.pl" "$2" "$3"
}

@test "sort is LC_ALL=C sort on text, exact arithmetic on numbers; merge, check, unique and top n with it" {
	oracle sort 230 1
}

@test "join is SQLite's join, for every kind, with duplicates and nulls" {
	command -v sqlite3 >/dev/null || skip "needs sqlite3"
	oracle join 350 1
}

@test "an as-of join is a search through all right rows" {
	oracle asof 250 1
}

@test "split is a partition in every mode; take is head, tail and awk" {
	oracle split 12 1
}

numbers() { # rows: id, a shuffled number, some text
	awk -v n="$1" 'BEGIN { print "id,x,text"; for (i = 1; i <= n; i++) print i "," (i * 7919) % 1000003 ",some text of record " i }'
}

@test "a sort larger than its memory: the same bytes, nothing left in the folder for temporary files" {
	cd "$BATS_TEST_TMPDIR"
	numbers 300000 >in.csv
	mkdir tmp
	stook sort -k x:num in.csv -o all.csv
	stook sort -k x:num -S 2M -T tmp in.csv -o small.csv
	cmp all.csv small.csv
	stook sort -k x:num -S 4M -T tmp -u -n 1000 in.csv -o top.csv
	cmp top.csv <(head -n 1001 all.csv)
	[ -z "$(ls -A tmp)" ]
	TMPDIR=$PWD/tmp stook sort -k x:num:desc -S 2M in.csv | stook sort --check -k x:num:desc
}

@test "a sort's memory stays within its setting and 32 MiB" {
	[ -x /usr/bin/time ] || skip "needs GNU time"
	cd "$BATS_TEST_TMPDIR"
	numbers 2000000 >in.csv
	/usr/bin/time -f %M -o peak stook sort -k text -S 64M in.csv -o out.csv
	[ "$(tail -n 1 peak)" -le $(((64 + 32) * 1024)) ] || { cat peak; false; }
	stook sort --check -k text out.csv
}

@test "a sort that is killed leaves no temporary file and no output" {
	cd "$BATS_TEST_TMPDIR"
	numbers 300000 >in.csv
	mkdir tmp
	for pause in 0.05 0.1 0.2 0.3; do
		stook sort -k x:num -S 1M -T tmp in.csv -o out.csv & p=$!
		sleep $pause
		kill -9 $p 2>/dev/null || true
		wait $p || true
		rm -f out.csv
		[ -z "$(ls -A tmp)" ]
		[ "$(ls -A)" = "$(printf 'in.csv\ntmp')" ]
	done
}

@test "no folder for temporary files, no room in it: an error that says so, no output" {
	cd "$BATS_TEST_TMPDIR"
	numbers 100000 >in.csv
	stook sort -k x:num -S 1M -T nowhere in.csv -o out.csv 2>err && status=0 || status=$?
	[ "$status" = 73 ]
	grep -q 'nowhere.*-T DIR' err
	[ ! -e out.csv ]
	[ "$(id -u)" = 0 ] || skip "a full folder needs root, for a small tmpfs"
	mkdir full
	mount -t tmpfs -o size=256k none full || skip "no tmpfs here"
	stook sort -k x:num -S 1M -T full in.csv -o out.csv 2>err && status=0 || status=$?
	umount full
	[ "$status" = 74 ] || { echo "$status"; cat err; false; }
	grep -q 'No space left' err
	[ ! -e out.csv ]
}

@test "take closes what is before it at once, also when that never ends" {
	cd "$BATS_TEST_TMPDIR"
	timeout 20 bash -c 'yes 1 | stook cat --from csv -N - | stook take -n 3 --to csv --no-header-out' >out 2>err
	[ "$(cat out)" = $'1\n1\n1' ]
	[ ! -s err ]
}

@test "split: all files or none, also on a disk that is full at the end" {
	[ "$(id -u)" = 0 ] || skip "a full disk needs root, for a small tmpfs"
	cd "$BATS_TEST_TMPDIR"
	mkdir small
	mount -t tmpfs -o size=1m none small || skip "no tmpfs here"
	numbers 100000 >in.csv
	stook split -n 4 --by id --out 'small/{}.csv' in.csv 2>err && status=0 || status=$?
	left=$(ls -A small)
	umount small
	[ "$status" = 74 ] || { echo "$status"; cat err; false; }
	[ -z "$left" ]
}

@test "split: more parts than descriptors and memory; killed, nothing is to be seen; the next run removes what is hidden" {
	cd "$BATS_TEST_TMPDIR"
	numbers 300 >in.csv
	mkdir d
	(ulimit -n 64; stook split --value id -S 1M --out 'd/{}.csv' --manifest m.json in.csv)
	[ "$(ls d | wc -l)" = 300 ]
	[ "$(jq '.parts | length' m.json)" = 300 ]
	(cd d && xxh128sum 1.csv 150.csv 300.csv) >sums
	jq -r '.parts[] | select(.name == "1" or .name == "150" or .name == "300") | .xxh128 + "  " + .name + ".csv"' m.json | cmp - sums
	for i in $(seq 300); do tail -n +2 d/$i.csv; done | cmp - <(tail -n +2 in.csv)
	rm -r d m.json
	mkdir d
	for t in 0.05 0.1 0.2 0.3; do
		(ulimit -n 64; exec timeout -s KILL $t stook split --value id -S 1M --out 'd/{}.csv' --manifest m.json in.csv) || true
		[ ! -e m.json ] || break
	done
	(ulimit -n 64; stook split --value id -S 1M --out 'd/{}.csv' --manifest m.json in.csv)
	[ "$(ls -A d | wc -l)" = 300 ]
}

@test "split --sample N, of each class too, where -S does not hold the numbers chosen: a partition, exact, the same rows" {
	cd "$BATS_TEST_TMPDIR"
	awk 'BEGIN { print "id,class"; for (i = 0; i < 60000; i++) print i "," i * i % 5003 }' >in.csv
	mkdir tmp
	for group in '' '-g class'; do
		stook split --sample 9 $group --seed 3 --out 'few.{}.csv' in.csv
		stook split --sample 9 $group --seed 3 -S 200k -T tmp --out 'tight.{}.csv' in.csv
		cmp few.sample.csv tight.sample.csv
		cmp few.rest.csv tight.rest.csv
		stook split --sample 20000 $group --seed 3 -S 200k -T tmp -j 1 --out 'many.{}.csv' in.csv
		for name in few many; do
			for part in sample rest; do tail -n +2 $name.$part.csv >$part; sort -c -n -t , -k 1,1 $part; done
			sort -n -m -t , -k 1,1 sample rest | cmp - <(tail -n +2 in.csv)
			n=20000; [ $name = many ] || n=9
			awk -F , -v n=$n -v group="$group" 'FNR == 1 { next } NR == FNR { had[group ? $2 : 0]++; next } { got[group ? $2 : 0]++ }
				END { for (c in had) if (got[c] + 0 != (had[c] < n ? had[c] : n)) exit 1 }' in.csv $name.sample.csv
		done
	done
	stook split --sample 20000 --seed 3 -S 200k --out 'many.{}.csv' in.csv
	stook take --sample 20000 --seed 3 in.csv -o taken.csv
	cmp taken.csv many.sample.csv
	[ -z "$(ls -A tmp)" ]
}

@test "split --to-cmd: a command that fails is named; names are quoted for sh" {
	cd "$BATS_TEST_TMPDIR"
	numbers 100 >in.csv
	mkdir d
	stook split --weights "it's=1,b c=1" --to-cmd 'cat >d/{}' in.csv
	[ "$(ls d)" = "b c
it's" ]
	stook split -n 2 --to-cmd 'cat >/dev/null; exit $((3 * {}))' --manifest m in.csv 2>err && status=0 || status=$?
	[ "$status" = 65 ]
	grep -q 'exit $((3 \* 1))" failed with exit status 3' err
	[ ! -e m ]
}

@test "split: an input that ends early leaves no file" {
	cd "$BATS_TEST_TMPDIR"
	numbers 1000 | stook cat --from csv >whole.arrows
	head -c $(($(stat -c %s whole.arrows) / 2)) whole.arrows >cut.arrows
	mkdir d
	for mode in '-n 3' '-n 3 --by x' '--rows 10' '--weights a=1,b=2' '--value text'; do
		stook split $mode --out 'd/{}.csv' cut.arrows 2>err && status=0 || status=$?
		[ "$status" = 76 ] || { echo "$mode: $status"; cat err; false; }
		[ -z "$(ls -A d)" ]
	done
}

@test "results do not depend on threads or memory" {
	cd "$BATS_TEST_TMPDIR"
	numbers 50000 >in.csv
	for job in 'sort -k x:num,id' 'join -k id in.csv' 'take --sample 500 --seed 3' 'take -g x -n 1'; do
		stook $job in.csv -j 1 --to csv >1
		stook $job in.csv -j 8 -S 1M --to csv >2
		cmp 1 2
	done
}

@test "take of the first records reads a few batches of a file of 10 GB" {
	command -v strace >/dev/null || skip "needs strace"
	cd "$BATS_TEST_TMPDIR"
	numbers 100000 >big.csv
	truncate -s 10G big.csv
	strace -f -e trace=read,pread64 -o calls stook take -n 5 big.csv -o out.csv
	[ "$(wc -l <out.csv)" = 6 ]
	# bytes read of anything: less than 32 MiB
	awk '/= [0-9]+$/ { sum += $NF } END { exit !(sum > 1000 && sum < 33554432) }' calls
	rm big.csv
}

@test "take -g, --last and --sample of more than the memory holds: the same records, memory within its setting and 32 MiB" {
	cd "$BATS_TEST_TMPDIR"
	numbers 1000000 >in.csv
	mkdir tmp
	for what in '-g x -n 1' '--last 900000' '--sample 600000 --seed 5'; do
		stook take $what in.csv -o all.csv
		/usr/bin/time -f %M -o peak stook take $what -S 16M -T tmp in.csv -o small.csv
		cmp all.csv small.csv
		[ "$(tail -n 1 peak)" -lt $((48 * 1024)) ]
		[ -z "$(ls -A tmp)" ]
	done
	tail -n 900000 in.csv >want
	stook take --last 900000 -S 16M in.csv --to csv --no-header-out | cmp - want
	n=$(stook take --sample 10% --seed 3 in.csv --to csv --no-header-out | wc -l) # 100000, standard deviation 300
	[ "$n" -gt 98500 ]
	[ "$n" -lt 101500 ]
}

@test "a damaged temporary file of a sort is found, whichever block it is in" {
	[ -e "$STOOK_BIN/../faults.so" ] || skip "make units builds the shim"
	cd "$BATS_TEST_TMPDIR"
	numbers 200000 >in.csv
	for k in 1 2 7 15; do
		rm -f mark
		FAULT=flip:$k FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so stook-sort -k x:num -S 1M in.csv -o out.csv 2>err && status=0 || status=$?
		[ -e mark ]
		[ "$status" = 74 ]
		grep -q 'a temporary file is damaged' err
		[ ! -e out.csv ]
	done
}

@test "a merge of more files than descriptors" {
	cd "$BATS_TEST_TMPDIR"
	for i in $(seq 300); do printf 'id,part\n%s,%s\n%s,%s\n' $((i % 7)) "$i" $((i + 10)) "$i" >"p$(printf %03d "$i").csv"; done
	tail -q -n +2 p*.csv | LC_ALL=C sort -s -t, -k1,1n >want
	(ulimit -n 64; stook sort --merge -k id:num -S 256M 'p*.csv' --to csv --no-header-out) >got
	cmp got want
	tail -q -n +2 p*.csv | tac | LC_ALL=C sort -s -u -t, -k1,1n >want
	stook sort --merge -k id:num -u last -S 16M 'p*.csv' --to csv --no-header-out | cmp - want
}
