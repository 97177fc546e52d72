# Inputs and outputs as a shell has them: FIFOs, links, slow writers, full disks, closed descriptors.

load wait

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	printf 'a,b\n1,x\n2,y\n' >in.csv
	seq 1 200000 | awk 'BEGIN { print "n,text" } { print $1 ",row " $1 }' >big.csv
}

@test "every codec is read whatever the name, from a file and from a pipe" {
	gzip -c big.csv >one
	bzip2 -c big.csv >two
	xz -0c big.csv >three
	zstd -qc big.csv >four
	lz4 -qc big.csv >five 2>/dev/null || skip "no lz4 program"
	for f in one two three four five; do
		stook cat --from csv "$f" --to csv | cmp - big.csv
		stook cat --from csv --to csv <"$f" | cmp - big.csv
	done
}

@test "what we compress, others read" {
	stook cat big.csv -o o.csv.gz && gzip -dc o.csv.gz | cmp - big.csv
	stook cat big.csv -o o.csv.bz2 && bzip2 -dc o.csv.bz2 | cmp - big.csv
	stook cat big.csv -o o.csv.xz && xz -dc o.csv.xz | cmp - big.csv
	stook cat big.csv -o o.csv.zst && zstd -dc o.csv.zst | cmp - big.csv
	stook cat big.csv -o o.csv.lz4
	stook cat o.csv.lz4 --to csv | cmp - big.csv
	[ "$(xxd -s 4 -l 1 -b o.csv.zst 2>/dev/null | cut -d' ' -f2 | cut -c6)" != 0 ] # the frame says that it has a checksum
}

@test "compressed output is the same each time" {
	stook cat big.csv -o x.csv.gz && stook cat big.csv -o y.csv.gz && cmp x.csv.gz y.csv.gz
	stook cat big.csv -o x.csv.zst && stook cat big.csv --to csv.zst >y.csv.zst && cmp x.csv.zst y.csv.zst
}

@test "a truncated compressed input fails, names the file and the byte, and leaves no output" {
	for z in "gzip -c" "zstd -qc" "xz -0c" "bzip2 -c"; do
		$z big.csv >whole
		head -c 5000 whole >cut
		status=0
		stook cat --from csv cut -o out.csv 2>err || status=$?
		[ "$status" = 76 ]
		grep -q 'cut: .* ends early, at byte 5000 of the compressed file' err
		[ ! -e out.csv ]
	done
}

@test "compressed text of a stage that failed early is not taken for an empty input" {
	printf '{"a":1}\n{"a":}\n' >bad.jsonl
	printf 'a,b\n1\n' >ragged.csv
	for z in gz zst xz bz2 lz4; do
		for writer in "cat bad.jsonl --to jsonl.$z" "cat nofile.jsonl --to jsonl.$z" "cat bad.jsonl --to jsonl --compress $z" \
			"sort -k nofield bad.jsonl --to jsonl.$z" "sort --bogus --to jsonl.$z bad.jsonl" "sort --to jsonl.$z --bogus bad.jsonl" \
			"cat --from csv ragged.csv --to csv.$z --no-header-out"; do
			for reader in "sort --from jsonl" "cat -N --from csv" "cat --from text"; do
				status=0
				stook $writer 2>/dev/null | stook $reader -o out.jsonl 2>err || status=$?
				[ "$status" = 76 ] || { echo "$writer | $reader: $status"; cat err; return 1; }
				grep -q ' ends early, at byte [1-9]' err
				[ ! -e out.jsonl ]
			done
		done
		mkfifo fifo.$z
		stook cat --from csv --to csv.$z fifo.$z >cut & # killed before there is anything to write
		exec 8>fifo.$z
		printf 'a,b\n' >&8
		for ((i = 0; i < 200; i++)); do
			[ ! -s cut ] || break
			sleep 0.05
		done
		kill -9 $!
		exec 8>&-
		run ! stook cat -N --from csv cut
		grep -q 'ends early' <<<"$output"
		stook cat --from jsonl --to jsonl.$z </dev/null | cmp - <(stook cat --from jsonl /dev/null -o nothing.jsonl.$z && cat nothing.jsonl.$z)
	done
}

@test "an input may be the output" {
	cp in.csv x.csv
	stook cat x.csv -o x.csv
	cmp x.csv in.csv
	cp big.csv y.csv
	stook sort -k n:num:desc y.csv -o y.csv
	[ "$(sed -n 2p y.csv)" = "200000,row 200000" ]
}

@test "a replaced file keeps its mode; a new one follows the umask" {
	cp in.csv x.csv
	chmod 604 x.csv
	stook cat in.csv -o x.csv
	[ "$(stat -c %a x.csv)" = 604 ]
	(umask 027 && stook cat in.csv -o y.csv)
	[ "$(stat -c %a y.csv)" = 640 ]
}

@test "a link is followed, not replaced" {
	mkdir real
	cp in.csv real/x.csv
	ln -s real/x.csv link.csv
	stook cat big.csv -o link.csv
	[ -L link.csv ]
	cmp real/x.csv big.csv
	[ "$(ls -A real)" = x.csv ]
}

@test "to a FIFO it writes through" {
	mkfifo fifo
	cat fifo >got &
	stook cat in.csv -o fifo --to csv
	wait $!
	cmp got in.csv
	[ -p fifo ]
}

@test "from a FIFO it reads" {
	mkfifo fifo.csv
	cat in.csv >fifo.csv &
	stook cat fifo.csv --to csv >got
	cmp got in.csv
}

@test "a read-only file is not replaced" {
	[ "$(id -u)" != 0 ] || skip "root may write everything"
	cp in.csv x.csv
	chmod 444 x.csv
	status=0
	stook cat big.csv -o x.csv 2>err || status=$?
	[ "$status" = 77 ]
	cmp x.csv in.csv
}

@test "a failure leaves the old file as it was" {
	cp in.csv x.csv
	printf 'a,b\n1\n' >bad.csv
	status=0
	stook cat bad.csv -o x.csv 2>err || status=$?
	[ "$status" = 65 ]
	cmp x.csv in.csv
	[ -z "$(find . -name '.*.stook-*')" ]
}

@test "a full disk while a file is written: exit 74, no file" {
	[ "$(id -u)" = 0 ] || skip "needs root for a small file system"
	mkdir small
	mount -t tmpfs -o size=256k none small 2>/dev/null || skip "cannot mount"
	status=0
	stook cat big.csv -o small/x.csv 2>err || status=$?
	left=$(ls -A small)
	umount small
	[ "$status" = 74 ]
	[ -z "$left" ]
	grep -q 'x.csv: cannot write: No space left on device' err
}

@test "/dev/full, closed stdout, closed stdin" {
	status=0
	stook cat big.csv --to csv >/dev/full 2>err || status=$?
	[ "$status" = 74 ]
	status=0
	stook cat in.csv --to csv >&- 2>err || status=$?
	[ "$status" = 74 ]
	status=0
	stook cat --from csv --to csv <&- 2>err || status=$?
	[ "$status" = 66 ]
	grep -q 'standard input is closed' err
}

@test "with stdout closed, a file is not written over" {
	cp in.csv x.csv
	stook cat x.csv --to csv >&- 2>/dev/null || true
	cmp x.csv in.csv
}

@test "rows of a slow writer come out while it says nothing" {
	mkfifo pipe
	stook cat --from csv --to csv <pipe | cat >got &
	pid=$!
	exec 7>pipe
	printf 'a,b\n1,2\n' >&7
	wait_for grep -q 1,2 got
	exec 7>&-
	wait $pid
	printf 'a,b\n1,2\n' | cmp - got
}

@test "half a line of a slow writer waits for the rest" {
	(printf 'a,b\n1,'; sleep 0.3; printf '"x\n'; sleep 0.3; printf 'y"\n2,z') | stook cat --from csv --to csv >got
	printf 'a,b\n1,"x\ny"\n2,z' | cmp - got
}

@test "a reader that leaves early is no failure" {
	for k in 1 10 1000; do
		stook cat big.csv --to csv 2>err | head -n $k >/dev/null
		[ "${PIPESTATUS[0]}" = 0 ]
		[ ! -s err ]
	done
}

@test "descriptors that do not block" {
	perl -MFcntl -e '
		open(my $f, "-|", "sleep 0.2; cat big.csv") or die;
		fcntl($f, F_SETFL, fcntl($f, F_GETFL, 0) | O_NONBLOCK) or die;
		open(STDIN, "<&", $f) or die;
		exec "stook", "cat", "--from", "csv", "--to", "csv"' >got
	cmp got big.csv
}

@test "the side file gets the raw records, whole, and only on success" {
	printf 'a,b\r\n1\r\n2,"x\r\ny"\r\n"p"q,3\r\n4,5,6' >bad.csv
	stook cat --on-bad side=raw.txt bad.csv --to csv >got
	printf 'a,b\r\n2,"x\r\ny"\r\n' | cmp - got
	printf '1\r\n"p"q,3\r\n4,5,6\n' | cmp - raw.txt
	rm raw.txt
	printf 'a,b\n1\n2,"\n' >open.csv
	status=0
	stook cat --on-bad side=raw.txt open.csv --to csv >/dev/null 2>&1 || status=$?
	[ "$status" = 65 ]
	[ ! -e raw.txt ]
}

@test "the side file is shared by several inputs" {
	printf 'a,b\n1\n' >x.csv
	printf 'a,b\n2,3,4\n5,6\n' >y.csv
	stook cat --on-bad side=raw.txt x.csv y.csv --to csv >got
	printf 'a,b\n5,6\n' | cmp - got
	printf '1\n2,3,4\n' | cmp - raw.txt
}

@test "100,000 columns" {
	perl -e 'print join(",", map { "name$_" } 1 .. 100000), "\n"; for my $r (1 .. 5) { print join(",", map { $_ * $r } 1 .. 100000), "\n" }' >wide.csv
	stook cat wide.csv --to csv | cmp - wide.csv
	status=0
	(cat wide.csv; echo 1,2) | stook cat --from csv --to csv >/dev/null 2>err || status=$?
	[ "$status" = 65 ]
	grep -q ':7:1: the record has 2 fields, not 100000' err
}

@test "a field of 50 MB, and a limit below it" {
	perl -e 'print "a,b\n1,\"", "x\ny" x 12500000, "\"\n"' >long.csv
	stook cat long.csv --to csv | cmp - long.csv
	status=0
	stook cat --max-field 1M long.csv --to csv 2>err >/dev/null || status=$?
	[ "$status" = 65 ]
	grep -q 'long.csv:2:3: a field is longer than 1048576 bytes' err
}
