# Nasty texts through the real tools (tests/corpus), and the places that errors name: at the borders of what is read at a time, in
# the last line, behind compression, in the second of two files.

setup() {
	cd "$BATS_TEST_TMPDIR"
	corpus=$BATS_TEST_DIRNAME/../corpus/corpus.py
}

@test "the corpus of CSV: rows, round trip, errors with their places, however it is read" {
	/usr/bin/python3 "$corpus" csv
}

@test "the corpus of JSON Lines" {
	/usr/bin/python3 "$corpus" json
}

@test "random CSV and JSON against the readers of Python" {
	/usr/bin/python3 "$corpus" 700:20261121
}

# Writes FILE with a bad row at the end of about SIZE bytes; prints its line.
csv_with_bad_row() { # file bytes bad-row rest
	awk -v size="$2" -v bad="$3" -v rest="$4" 'BEGIN {
		print "id,text"
		for (at = 8; at + 40 < size; at += length(s) + 1)
			print s = ++n ",\"quoted, text " n % 1000 "\""
		pad = size - at - length(n + 1) - 2
		printf "%d,", n + 1
		while (pad-- > 0) printf "x"
		print ""
		print bad
		printf "%s", rest
	}' >"$1"
	local lines
	lines=$(grep -nFxm1 -- "$3" "$1")
	echo "${lines%%:*}"
}

place() { # want, status, command...: standard error begins with stook-cat: WANT
	local want=$1 status=$2 got=0
	shift 2
	"$@" >out 2>err || got=$?
	[ "$got" = "$status" ] && [ "$(wc -l <err)" = 1 ] && grep -qF "stook-cat: $want: " err && return
	echo "$*: exit $got, want $status $want"
	head -c 500 err
	return 1
}

@test "CSV: a bad row at the borders of what is read at a time" {
	for size in 4096 65535 65536 65537 131072 262143 262144 262145 524288 1048575 1048576 1048577 2097152 4194304; do
		line=$(csv_with_bad_row in.csv $size 'only one' $'1,2\n')
		for j in 1 2 8; do
			place "in.csv:$line:1" 65 stook cat in.csv -j $j --to csv
			[ "$(grep -c . out)" = $((line - 1)) ]
			place "-:$line:1" 65 stook cat --from csv - -j $j --to csv < <(cat in.csv)
			[ "$(grep -c . out)" = $((line - 1)) ]
		done
	done
}

@test "CSV: bad bytes and open quotes far into a file, with any number of threads" {
	line=$(csv_with_bad_row in.csv 5000000 $'7,"x\ny\xff' $'"\n1,2\n')
	line=$(grep -nam1 '^7,"x$' in.csv | cut -d: -f1)
	for j in 1 2 8; do
		place "in.csv:$((line + 1)):2: field \"text\"" 65 stook cat in.csv -j $j --to csv
	done
	line=$(csv_with_bad_row in.csv 3000000 '7,"x' $'1,2\n')
	for j in 1 2 8; do
		place "in.csv:$line:3" 65 stook cat in.csv -j $j --to csv
	done
	line=$(csv_with_bad_row in.csv 3000000 'x7,abc' $'1,2\n')
	for j in 1 2 8; do
		place "in.csv:$line:1: field \"id\"" 65 stook cat in.csv --type id=int64 -j $j --to csv
		[ "$(grep -c . out)" = $((line - 1)) ]
	done
}

@test "JSON Lines: a bad record at the borders of what is read at a time" {
	for size in 4096 65535 65536 65537 262143 262144 262145 1048575 1048576 1048577 2097152; do
		awk -v size=$size 'BEGIN {
			for (at = 0; at + 60 < size; at += length(s) + 1)
				print s = "{\"id\":" ++n ",\"t\":\"some text " n % 1000 "\"}"
			pad = size - at - length(n + 1) - 15
			printf "{\"id\":%d,\"t\":\"", n + 1
			while (pad-- > 0) printf "x"
			print "\"}"
			print "{\"id\":0,\"t\":\"bad\\q\"}"
			print "{\"id\":1}"
		}' >in.jsonl
		line=$(grep -nm1 bad in.jsonl | cut -d: -f1)
		for j in 1 8; do
			place "in.jsonl:$line:17" 65 stook cat in.jsonl -j $j --to jsonl
			[ "$(wc -l <out)" = $((line - 1)) ]
			place "-:$line:17" 65 stook cat --from jsonl -j $j --to jsonl < <(cat in.jsonl)
		done
	done
}

@test "the last line without its end, compressed, in the second of two files, from stdin" {
	printf 'a,b\n1,2\n3' >in.csv
	printf '{"a":1}\n{"a":' >in.jsonl
	printf 'a,b\n5,6\n' >good.csv
	printf '{"a":0}\n' >good.jsonl
	place in.csv:3:1 65 stook cat in.csv --to csv
	place in.jsonl:2:6 65 stook cat in.jsonl --to jsonl
	for c in gzip bzip2 xz zstd lz4; do
		command -v $c >/dev/null || continue
		for f in csv jsonl; do
			$c -qc <in.$f >packed.$f
			place "packed.$f:$([ $f = csv ] && echo 3:1 || echo 2:6)" 65 stook cat packed.$f --to $f
			place "-:$([ $f = csv ] && echo 3:1 || echo 2:6)" 65 stook cat --from $f - --to $f <packed.$f
		done
	done
	for f in csv jsonl; do
		place "in.$f:$([ $f = csv ] && echo 3:1 || echo 2:6)" 65 stook cat good.$f in.$f --to $f
		place "-:$([ $f = csv ] && echo 3:1 || echo 2:6)" 65 stook cat --from $f good.$f - --to $f <in.$f
	done
}

@test "cut and damaged compression is told apart from bad rows" {
	awk 'BEGIN { print "a,b"; for (i = 0; i < 20000; i++) print i "," i * 7919 % 10007 }' >in.csv
	for c in gzip bzip2 xz zstd lz4; do
		command -v $c >/dev/null || continue
		$c -qc <in.csv >whole
		head -c $(($(stat -c %s whole) / 2)) whole >cut.csv
		stook cat --from csv cut.csv --to csv >out 2>err && return 1
		grep -q 'cut.csv: the .* data ends early' err || { echo "$c"; cat err; return 1; }
		cmp -n "$(stat -c %s out)" out in.csv
	done
	seq 20000 | awk '{ print "{\"a\":" $1 ",\"t\":\"" $1 * 7919 % 10007 "\"}" }' >in.jsonl
	gzip -c in.jsonl | head -c 50000 >cut.jsonl
	place cut.jsonl 76 stook cat cut.jsonl --to jsonl
	[ "$(stat -c %s out)" -gt 100000 ] # the rows before are given
	cmp -n "$(stat -c %s out)" out in.jsonl
}
