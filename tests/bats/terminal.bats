# What a person sees: the progress line (only where nobody else writes, never in the data), tables on a terminal; and --stats (right
# for every tool, also when the run fails).

load wait

setup_file() {
	export DATA=$BATS_FILE_TMPDIR
	awk 'BEGIN { print "id,name,v"; for (i = 1; i <= 200000; i++) print i ",name" i "," i % 97 }' >"$DATA/big.csv"
	head -n 2001 "$DATA/big.csv" >"$DATA/some.csv"
	stook cat "$DATA/some.csv" --to arrow >"$DATA/some.arrows"
	printf 'id,label\n1,a\n2,b\n3,c\n' >"$DATA/right.csv"
	gzip -k "$DATA/some.csv"
}

slowly() { # a file with a pause in the middle: a command, or longer than the line waits
	head -n 1000 "$1"
	"${@:2}"
	tail -n +1001 "$1"
}

on_terminal() { # command; what its terminal saw is in ./seen; `line_seen` waits until there is a line of progress
	export -f wait_for
	export line_seen='wait_for grep -q "reading, " seen'
	COLUMNS= TERM=xterm SHELL=$BASH script -qefc "stty cols 60 2>/dev/null; $1" seen >/dev/null </dev/null
}

@test "stderr that is no terminal stays silent" {
	cd "$BATS_TEST_TMPDIR"
	slowly "$DATA/some.csv" sleep 1.6 | stook cat --from csv -o out.csv 2>err
	[ ! -s err ]
	cmp out.csv "$DATA/some.csv"
}

@test "on a terminal a bare key of numbers earns one note that names :num" {
	cd "$BATS_TEST_TMPDIR"
	{ echo n,s; seq 2000 | sed 's/$/,x/'; } >n.csv
	on_terminal "stook sort -k s,n n.csv -o out.csv"
	[ "$(grep -c ':num' seen)" = 1 ]
	grep -q 'field "n" holds numbers and is sorted as text' seen
	for args in '-k s' '-k n:num' '-k n:text' '-q -k n'; do
		on_terminal "stook sort $args n.csv -o out.csv"
		! grep -q ':num' seen
	done
	stook sort -k n n.csv -o out.csv 2>err
	[ ! -s err ]
}

@test "--progress: a line a second where stderr is no terminal; -q hides it" {
	cd "$BATS_TEST_TMPDIR"
	slowly "$DATA/some.csv" wait_for grep -q rows err | stook cat --from csv --progress --to csv 2>err >out.csv
	grep -qE '^stook-cat: reading, [0-9.]+ k?B, [0-9]+ rows' err
	cmp out.csv "$DATA/some.csv"
	slowly "$DATA/some.csv" sleep 1.6 | stook cat --from csv --progress -q -o out.csv 2>err
	[ ! -s err ]
}

@test "--progress: the share of what there is to read" {
	cd "$BATS_TEST_TMPDIR"
	line='^stook-cat: reading, [0-9]+%, [0-9.]+ .B of 7.91 MB, [0-9.]+k rows'
	stook cat "$DATA/big.csv" "$DATA/big.csv" --progress --to csv 2>err | (wait_for grep -qE "$line" err; cat >/dev/null)
	grep -qE "$line" err
}

@test "on a terminal the line comes after a second and is gone at the end" {
	cd "$BATS_TEST_TMPDIR"
	on_terminal "(head -n 1000 '$DATA/some.csv'; eval \$line_seen; tail -n +1001 '$DATA/some.csv') | stook cat --from csv -o out.csv"
	grep -q $'\r\e\\[Kstook-cat: reading, ' seen
	grep -qP '\r\e\[K(\r?\n|$)' seen
	cmp out.csv "$DATA/some.csv"
	quick_is_silent() { # a run of less than a second, as it is unless the machine is busy
		on_terminal "stook cat '$DATA/some.csv' -o out.csv"
		! grep -q reading seen
	}
	wait_for quick_is_silent
}

@test "on a terminal the line leaves before an error, and before the table" {
	cd "$BATS_TEST_TMPDIR"
	on_terminal "(cat '$DATA/some.csv'; eval \$line_seen; echo 'x,\"y') | stook sort -k id --from csv -o out.csv" || true
	grep -q 'reading, ' seen
	grep -qP '\r\e\[Kstook-sort: -:2002:' seen
	on_terminal "(cat '$DATA/right.csv'; eval \$line_seen) | stook sort -k id:num:desc --from csv"
	grep -qP 'reading, .*\r\e\[K[^\r]*id' <(tr '\n' ' ' <seen)
}

@test "into a pipe, -q and TERM=dumb: no line on the terminal" {
	cd "$BATS_TEST_TMPDIR"
	on_terminal "(cat '$DATA/some.csv'; sleep 1.6) | stook cat --from csv --to csv | cat >out.csv"
	! grep -q reading seen || false
	on_terminal "(cat '$DATA/some.csv'; sleep 1.6) | stook cat --from csv -q -o out.csv"
	! grep -q reading seen || false
	on_terminal "(cat '$DATA/some.csv'; sleep 1.6) | TERM=dumb stook cat --from csv -o out.csv"
	! grep -q reading seen || false
}

stats() { # want, command...: [status, rows_in, rows_out, bytes_in, bytes_out, spills > 0, spilled_bytes > 0]
	local want=$1 got
	shift
	rm -f s.json
	eval "stook $* --stats s.json" >out 2>err || true
	got=$(jq -c '[.status, .rows_in, .rows_out, .bytes_in, .bytes_out, .spills > 0, .spilled_bytes > 0]' s.json)
	[ "$got" = "$want" ] || { echo "$*: $got, not $want"; cat err; return 1; }
	[ "$(jq -r 'keys_unsorted | join(" ")' s.json)" = "tool status rows_in rows_out bad_records bytes_in bytes_out spills spilled_bytes seconds peak_bytes" ]
	jq -e '.peak_bytes > 100000 and .seconds >= 0 and .seconds < 60' s.json >/dev/null
}

@test "--stats counts rows and bytes, for every tool" {
	cd "$BATS_TEST_TMPDIR"
	local n=$(stat -c %s "$DATA/some.csv") z=$(stat -c %s "$DATA/some.csv.gz") r=$(stat -c %s "$DATA/right.csv")
	stats "[0,2000,2000,$n,$n,false,false]" cat $DATA/some.csv --to csv
	stats "[0,2000,2000,$z,$n,false,false]" cat $DATA/some.csv.gz --to csv
	stats "[0,4000,4000,$((n + z)),$((2 * n - 10)),false,false]" cat $DATA/some.csv $DATA/some.csv.gz --to csv
	stats "[0,2000,2000,$n,$n,false,false]" "cat - --from csv --to csv <$DATA/some.csv"
	stats "[0,2000,2000,$n,$n,false,false]" "cat - --from csv -o x.csv < <(cat $DATA/some.csv)"
	stats "[0,2000,10,$n,86,false,false]" "map 'where id <= 10; keep name, v; rename n = name' $DATA/some.csv --to csv"
	stats "[0,2000,2000,$n,$n,false,false]" sort -k id:num $DATA/some.csv --to csv
	stats "[0,4000,4000,$((2 * n)),$((2 * n - 10)),false,false]" sort -m -k id:num $DATA/some.csv $DATA/some.csv --to csv
	stats "[0,2000,0,$n,0,false,false]" sort --check -k id:num $DATA/some.csv
	stats "[0,2003,3,$((n + r)),52,false,false]" join -k id $DATA/some.csv $DATA/right.csv --to csv
	stats "[0,2000,1,$n,7,false,false]" reduce -a n=count $DATA/some.csv --to csv
	stats "[0,2000,2000,$n,$((n + 30)),false,false]" split -n 4 --out "'p{}.csv'" $DATA/some.csv
	stats "[0,2000,2000,$n,0,false,false]" sort -k id:num $DATA/some.csv --to csv '>/dev/full' || true
	[ "$(jq .status s.json)" = 74 ]
}

@test "--stats counts what was put away" {
	cd "$BATS_TEST_TMPDIR"
	local n=$(stat -c %s "$DATA/big.csv")
	stats "[0,200000,200000,$n,$n,true,true]" sort -k id:num -S 4M $DATA/big.csv --to csv
	stats "[0,200000,200000,$n,$((n + 200000 * 2 + 2)),true,true]" reduce -g id,name,v -a n=count -S 4M $DATA/big.csv --to csv
}

@test "--stats tells of a run that failed, and none of one that never began" {
	cd "$BATS_TEST_TMPDIR"
	printf 'a,b\n1,2\n3\n' >bad.csv
	stats '[65,1,1,10,8,false,false]' cat bad.csv --to csv
	stats '[0,1,1,10,8,false,false]' cat bad.csv --to csv --on-bad skip
	[ "$(jq .bad_records s.json)" = 1 ]
	rm s.json
	! stook cat --bogus bad.csv --stats s.json 2>err || false
	[ ! -e s.json ]
	run stook cat bad.csv --stats no/such/s.json --to csv
	[ "$status" = 73 ]
	[[ $output == *no/such/s.json* ]]
	stook cat "$DATA/right.csv" --to csv --stats - 2>err >out
	jq -e '.rows_in == 3' err
	cmp out "$DATA/right.csv"
}

@test "a table on a terminal: its width, its colours, NO_COLOR and TERM=dumb" {
	cd "$BATS_TEST_TMPDIR"
	printf 'first,second,third\n1,,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n' >in.csv
	unset COLUMNS NO_COLOR
	TERM=xterm script -qefc "stty cols 40; stook cat in.csv" seen >/dev/null </dev/null
	grep -q $'\e\\[1mfirst\e\\[0m' seen
	grep -q $'\e\\[2m∅\e\\[0m' seen
	TERM=xterm NO_COLOR=1 script -qefc "stty cols 40; stook cat in.csv" seen >/dev/null </dev/null
	! grep -q $'\e' seen || false
	grep -qx $'    1  ∅       aaaaaaaaaaaaaaaaaaaaaaaa…\r' seen
	TERM=dumb script -qefc "stty cols 60; stook cat in.csv" seen >/dev/null </dev/null
	! grep -q $'\e' seen || false
	grep -qx $'    1  ∅       a\{44\}…\r' seen
}

@test "a table of many rows begins at once" {
	cd "$BATS_TEST_TMPDIR"
	mkfifo pipe
	stook cat --from csv --to table <pipe | head -n 1002 | tail -n 1 >out &
	exec 7>pipe
	cat "$DATA/some.csv" >&7
	wait_for grep -q name1000 out
	exec 7>&-
	wait
}
