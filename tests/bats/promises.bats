# The promises of the pipe, on real processes: no success with half the data, quiet early close, no half-files, faults that fire.

setup_file() {
	export DATA=$BATS_FILE_TMPDIR
	awk 'BEGIN { print "id,name,v"; for (i = 1; i <= 200000; i++) print i ",name" i "," i % 97 }' >"$DATA/big.csv"
	head -n 2001 "$DATA/big.csv" >"$DATA/some.csv"
	stook cat "$DATA/some.csv" --to arrow >"$DATA/some.arrows"
	printf 'id,label\n1,a\n2,b\n3,c\n' >"$DATA/right.csv"
}

# Every tool with a job that reads $1 and writes records; $2... are more options.
tool_jobs() {
	cat <<-'J'
	cat IN
	map 'w = name' IN
	sort -k name IN
	join -k id IN RIGHT
	reduce -g v -a n=count IN
	take -n 1500 IN
	confusion-matrix --true v --pred v IN
	J
}

run_job() { # line input more...
	local line=${1//IN/"$2"}
	line=${line//RIGHT/$DATA/right.csv}
	shift 2
	eval "stook $line $*"
}

@test "a producer that is killed: every tool fails with 76 and leaves no output" {
	cd "$BATS_TEST_TMPDIR"
	while read -r job; do
		rm -f out.csv
		(stook cat "$DATA/big.csv" | head -c 300000) | run_job "$job" - -o out.csv 2>err && status=0 || status=$?
		[ "$status" = 76 ] || { echo "$job: $status"; cat err; false; }
		[ ! -e out.csv ]
		[ "$(wc -l <err)" = 1 ]
	done < <(tool_jobs)
}

@test "a killed cat before sort: exit 76, no file" {
	cd "$BATS_TEST_TMPDIR"
	(
		(cat "$DATA/big.csv"; sleep 20) | stook cat --from csv & p=$!
		sleep 0.7
		kill -9 $p
	) | { stook sort -k id -o out.csv 2>err && echo 0 >status || echo $? >status; }
	[ "$(cat status)" = 76 ]
	[ ! -e out.csv ]
}

@test "a stream cut at every 97th byte, and at every byte of its head and tail, is exit 76" {
	cd "$BATS_TEST_TMPDIR"
	size=$(stat -c %s "$DATA/some.arrows")
	for cut in $(seq 1 40) $(seq 41 2711 "$size") $(seq $((size - 24)) $((size - 1))); do
		head -c "$cut" "$DATA/some.arrows" >cut
		stook take -n 1000000 --from arrow cut -o out.csv 2>err && status=0 || status=$?
		[ "$status" = 76 ] || { echo "cut at $cut: $status"; cat err; false; }
		[ ! -e out.csv ]
	done
}

@test "flipped bits are detected" {
	cd "$BATS_TEST_TMPDIR"
	size=$(stat -c %s "$DATA/some.arrows")
	for i in $(seq 1 120); do
		perl -e 'my ($f, $seed, $size) = @ARGV; srand($seed); local $/; open F, "<:raw", $f; my $d = <F>; my $p = int(rand($size));
			substr($d, $p, 1) = chr(ord(substr($d, $p, 1)) ^ (1 << int(rand(8)))); binmode STDOUT; print $d' \
			"$DATA/some.arrows" "$i" "$size" >flipped
		stook cat --from arrow flipped -o out.csv 2>err && status=0 || status=$?
		[ "$status" = 76 ] || { echo "seed $i: $status"; cat err; false; }
	done
}

@test "an early close is quiet, quick, and exit 0 for every writer" {
	run timeout 10 bash -c 'set -o pipefail; cd "$BATS_TEST_TMPDIR"; yes 1,2 | stook cat --from csv --header a,b -N 2>err1 | stook take -n 1 --to csv 2>err2; echo "${PIPESTATUS[@]}"; cat err1 err2'
	[ "${lines[1]}" = "1,2" ]
	[ "${lines[2]}" = "141 0 0" ]
	[ "${#lines[@]}" = 3 ]
}

@test "a failure upstream is named downstream" {
	cd "$BATS_TEST_TMPDIR"
	printf 'a,b\n1,2\n3\n' >ragged.csv
	stook cat ragged.csv 2>/dev/null | stook sort -k a -o out.csv 2>err && status=0 || status=$?
	[ "$status" = 76 ]
	grep -q 'ragged.csv:3' err
	[ ! -e out.csv ]
}

@test "a full disk is never success" {
	[ -w /dev/full ] || skip "no /dev/full"
	while read -r job; do
		for to in arrow csv jsonl; do
			run_job "$job" "$DATA/some.csv" --to $to >/dev/full 2>"$BATS_TEST_TMPDIR/err" && status=0 || status=$?
			[ "$status" = 74 ] || { echo "$job --to $to: $status"; cat "$BATS_TEST_TMPDIR/err"; false; }
			[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" = 1 ]
		done
	done < <(tool_jobs)
}

@test "a closed stdout is an error" {
	while read -r job; do
		run_job "$job" "$DATA/some.csv" --to csv >&- 2>"$BATS_TEST_TMPDIR/err" && status=0 || status=$?
		[ "$status" = 74 ] || [ "$status" = 73 ] || { echo "$job: $status"; false; }
	done < <(tool_jobs)
}

@test "a file size limit is an error and leaves no file" {
	cd "$BATS_TEST_TMPDIR"
	(ulimit -f 64; stook cat "$DATA/big.csv" -o out.csv 2>err) && status=0 || status=$?
	[ "$status" = 74 ]
	[ ! -e out.csv ]
	[ -z "$(ls -A | grep -v '^err$')" ]
}

@test "SIGKILL at the k-th write or rename leaves no half-file and no stray file that lasts" {
	cd "$BATS_TEST_TMPDIR"
	mkdir d
	for k in $(seq 1 12); do
		for fault in kill-write kill-rename; do
			rm -f d/* mark
			FAULT=$fault:$k FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so stook-sort -k name "$DATA/big.csv" -o d/out.csv 2>/dev/null || true
			if [ -e d/out.csv ]; then
				[ "$(wc -l <d/out.csv)" = 200001 ]
			fi
			[ -z "$(ls -A d | grep -v '^out.csv$')" ]
		done
	done
	# the fault does fire
	FAULT=kill-write:1 FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so stook-sort -k name "$DATA/big.csv" -o d/out.csv 2>/dev/null || true
	[ -e mark ]
}

@test "short and interrupted reads and writes change nothing" {
	cd "$BATS_TEST_TMPDIR"
	head -n 200 "$DATA/big.csv" >in.csv
	while read -r job; do
		run_job "$job" in.csv --to csv >want
		rm -f mark
		FAULT=short:7 FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so run_job "$job" in.csv --to csv >got
		[ -e mark ]
		cmp want got
	done < <(tool_jobs)
}

@test "failed writes, syncs and names are errors with one line, and leave no file" {
	cd "$BATS_TEST_TMPDIR"
	mkdir d
	for fault in write:1:EIO write:2:ENOSPC fsync:1:EIO rename:1:EIO read:2:EIO; do
		rm -f d/* mark
		FAULT=$fault FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so stook-cat "$DATA/big.csv" -o d/out.csv 2>err && status=0 || status=$?
		[ -e mark ] || { echo "$fault did not fire"; false; }
		[ "$status" != 0 ] && [ "$status" -lt 128 ] || { echo "$fault: $status"; false; }
		[ "$(wc -l <err)" = 1 ]
		[ -z "$(ls -A d)" ]
	done
}

@test "out of memory is exit 71 with a message, for the n-th allocation of every tool" {
	cd "$BATS_TEST_TMPDIR"
	head -n 50 "$DATA/big.csv" >in.csv
	while read -r job; do
		for n in $(seq 1 3 60) 80 110 150 200 300 500; do
			for more in "" +; do
				rm -f mark
				line="stook-${job//IN/in.csv}"
				line=${line//RIGHT/$DATA/right.csv}
				eval "FAULT=malloc:$n$more FAULT_MARK=$PWD/mark LD_PRELOAD=$STOOK_BIN/../faults.so $line --to csv" >got 2>err && status=0 || status=$?
				[ -e mark ] || continue
				[ "$status" = 71 ] || [ "$status" = 0 ] || { echo "$job, allocation $n$more: $status"; cat err; false; }
				[ "$status" = 0 ] || [ -s err ]
			done
		done
	done < <(tool_jobs)
}
