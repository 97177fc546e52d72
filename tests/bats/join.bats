# join on whole processes: what does not fit into memory, how the work is cut, what is left behind.

# rows: a key in another order, its row, some text; keys beyond the other side's, nulls, and with "one" one key that half of the rows have.
side() { # rows factor text [one]
	awk -v n="$1" -v f="$2" -v t="$3" -v one="$4" 'BEGIN {
		print "id," t "," t "text"
		for (i = 1; i <= n; i++)
			print (i % 97 == 0 ? "" : one && i % 2 ? "k" : "k" (i * f) % (n + n / 10)) "," i ",some text of record " i
	}'
}

@test "any -j, any -S: the same bytes, for every kind" {
	cd "$BATS_TEST_TMPDIR"
	side 30000 7919 a >l.csv
	side 30000 104729 b >r.csv
	for kind in inner left right full semi anti; do
		stook join --$kind -k id l.csv r.csv -j 1 -o want.csv
		for how in '-j 2' '-j 8' '-S 1M' '-S 300k -j 1' '-S 100k -j 2'; do
			stook join --$kind -k id l.csv r.csv $how -o got.csv
			cmp want.csv got.csv || { echo "$kind $how"; false; }
		done
	done
}

@test "one key with half of the rows: the same bytes in little memory" {
	cd "$BATS_TEST_TMPDIR"
	side 600 7 a one >l.csv
	side 5000 11 b one >r.csv
	for kind in inner full semi anti; do
		stook join --$kind -k id l.csv r.csv -o want.csv
		stook join --$kind -k id l.csv r.csv -S 200k -o got.csv
		cmp want.csv got.csv
		stook join --$kind --any id,atext=id l.csv r.csv -o want.csv
		stook join --$kind --any id,atext=id l.csv r.csv -S 200k -o got.csv
		cmp want.csv got.csv
	done
	stook join --cross l.csv r.csv -o want.csv
	stook join --cross l.csv r.csv -S 100k -o got.csv
	cmp want.csv got.csv
}

@test "sorted inputs that say so: the bytes of the join that does not know, also when a group does not fit" {
	cd "$BATS_TEST_TMPDIR"
	side 600 7 a one | stook sort --from csv -k id -o l.arrows
	side 5000 11 b one | stook sort --from csv -k id -o r.arrows
	stook cat l.arrows -o l.csv
	stook cat r.arrows -o r.csv
	for kind in inner left right full semi anti; do
		stook join --$kind -k id l.csv r.csv -o want.csv
		for memory in 1G 100k; do
			stook join --$kind -k id l.arrows r.arrows -S $memory -o got.csv
			cmp want.csv got.csv
		done
	done
}

@test "a join's memory stays within its setting and 32 MiB, however it is done" {
	[ -x /usr/bin/time ] || skip "needs GNU time"
	cd "$BATS_TEST_TMPDIR"
	side 1500000 7919 a >l.csv
	side 1500000 104729 b >r.csv
	peak() { # MiB, command
		/usr/bin/time -f %M -o peak "${@:2}"
		[ "$(tail -n 1 peak)" -le $((($1 + 32) * 1024)) ] || { echo "${@:2}: $(cat peak)"; false; }
	}
	peak 64 stook join --full -k id l.csv r.csv -S 64M -o out.csv
	stook join --full -k id l.csv r.csv -o whole.csv
	cmp whole.csv out.csv
	rm whole.csv
	mkfifo r.fifo
	stook sort -k id -S 64M r.csv >r.fifo &
	stook sort -k id -S 64M l.csv | peak 16 stook join --full -k id - r.fifo -S 16M -o out.csv
}

@test "a join that is killed leaves no temporary file and no output; one that ends neither" {
	cd "$BATS_TEST_TMPDIR"
	side 300000 7919 a >l.csv
	side 300000 104729 b >r.csv
	mkdir tmp
	for pause in 0.1 0.2 0.4 0.8; do
		stook join -k id -S 1M -T tmp l.csv r.csv -o out.csv & p=$!
		sleep $pause
		kill -9 $p 2>/dev/null || true
		wait $p || true
		rm -f out.csv
		[ -z "$(ls -A tmp)" ]
		[ "$(ls -A)" = "$(printf 'l.csv\nr.csv\ntmp')" ]
	done
	stook join -k id -S 1M -T tmp --stats stats.json l.csv r.csv -o out.csv
	[ -z "$(ls -A tmp)" ]
	[ "$(jq '.spills > 10' stats.json)" = true ]
}

@test "whichever allocation fails while both sides lie on disk: exit 71 with one line, no output" {
	[ -e "$STOOK_BIN/../faults.so" ] || skip "make units builds the shim"
	cd "$BATS_TEST_TMPDIR"
	side 90000 7919 a >l.csv
	side 90000 104729 b >r.csv
	for n in $(seq 3000 500 5000) $(seq 5500 60 6500) 7000 8000; do
		rm -f mark out.csv
		FAULT=malloc:$n FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so stook-join --full -k id l.csv r.csv -j 4 -S 1M -o out.csv 2>err && status=0 || status=$?
		[ -e mark ]
		[ "$status" = 0 ] || { [ "$status" = 71 ] && [ "$(wc -l <err)" = 1 ] && [ ! -e out.csv ]; } || { echo "allocation $n: $status"; cat err; false; }
	done
}

@test "an error of the left input comes after the rows before it, in memory and on disk; a cut input is 76" {
	cd "$BATS_TEST_TMPDIR"
	{ side 20000 7919 a; echo 'x,not a number,y'; side 100 3 a | tail -n +2; } >l.csv
	side 20000 104729 b >r.csv
	for memory in 1G 200k; do
		stook join --left -k a=b:num l.csv r.csv -S $memory --to csv 2>err-$memory | cat >out-$memory && status=${PIPESTATUS[0]}
		[ "$status" = 65 ]
		grep -q 'l.csv:20002:.*not a number' err-$memory
	done
	cmp err-1G err-200k
	cmp out-1G out-200k
	[ "$(wc -l <out-1G)" = 20001 ]
	stook cat l.csv -o l.arrows
	head -c $(($(stat -c %s l.arrows) / 2)) l.arrows >cut.arrows
	for memory in 1G 200k; do
		stook join --left -k id cut.arrows r.csv -S $memory -o out.csv 2>err && status=0 || status=$?
		[ "$status" = 76 ]
		[ ! -e out.csv ]
	done
}
