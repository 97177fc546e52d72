# fanout on local workers: the same bytes as the pipeline run by hand, whatever the cut, and when workers die.

load wait

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	perl -e 'srand(7); print "id,k,price,city\n"; printf "%d,%s,%d.%02d,%s\n", $_, chr(97 + int rand 9), rand 90, rand 100,
		("Ulm", "\"Aalen, W\"", "\"x\"\"y\"", "", "Bonn")[rand 5] for 1 .. 20000' >in.csv
	perl -e 'print "k,name\n"; print "$_,name of $_\n" for "a" .. "f"' >names.csv
}

same() { # pipeline: equal bytes by sh and by fanout, for several cuts
	eval "$1" >want 2>want.err
	local want_status=$? cut
	for cut in "-w 1" "-w 3 --shard-rows 777" "-w 4 --shard-rows 20000" "-w 2 --shard-size 64k" "-w 3 --shard-rows 5001"; do
		fanout $cut "$1" >got 2>got.err || [ $? = $want_status ]
		cmp want got || { echo "differs with $cut: $1"; cat got.err; return 1; }
	done
}

@test "per-record stages" {
	same "stook cat in.csv --to csv"
	same "stook map 'where price > 50; total = price * 2; keep id, total, city' in.csv --to csv"
	same "stook map 'where price > 50' in.csv | stook map 'keep k, id' | stook cat --to jsonl"
	same "stook map 'where price > 500' in.csv --to csv"
}

@test "sort and its merge" {
	same "stook sort -k city,price:num:desc,id:num in.csv --to csv"
	same "stook sort -k k in.csv --to csv"
	same "stook sort -k price:num -n 17 in.csv --to jsonl"
	same "stook sort -u -k k in.csv --to csv"
	same "stook map 'where k != \"c\"' in.csv | stook sort -k k:desc | stook take -n 5 --to csv"
}

@test "reduce and its merge" {
	same "stook reduce -g k -a n=count,total=sum:price,lo=min:price:num,hi=max:price:num,m=mean:price in.csv --to csv"
	same "stook reduce -a n=count,total=sum:price in.csv --to csv"
	same "stook reduce -g city -a first:id,last:id,d=distinct:k in.csv | stook sort -k city --to csv"
}

@test "join with a shipped right side" {
	same "stook join -k k in.csv names.csv --to csv"
	same "stook join --left -k k in.csv names.csv | stook reduce -g name -a n=count | stook sort -k n:num:desc,name --to csv"
	same "stook join --anti -k k in.csv names.csv | stook take -n 3 --to csv"
}

@test "what cannot be spread runs here" {
	same "stook take --skip 19990 in.csv --to csv"
	same "stook map 'n = row()' in.csv | stook take -n 3 --to csv"
}

@test "confusion matrix" {
	perl -e 'srand(3); print "truth,guess\n"; printf "%s,%s\n", ("cat", "dog", "eel")[rand 3], ("cat", "dog", "eel")[rand 3] for 1 .. 5000' >p.csv
	same "stook confusion-matrix --true truth --pred guess p.csv --to csv"
}

@test "a program file and inputs before the pipeline" {
	printf 'where price > 20\nkeep id, price\n' >prog
	same "stook map -f prog in.csv --to csv"
	stook cat in.csv in.csv --to csv >want
	fanout -w 2 in.csv in.csv -- 'stook cat --to csv' >got
	cmp want got
	fanout -w 2 -- 'stook cat --from csv --to csv' <in.csv >got
	cmp in.csv got
	printf "stook cat in.csv | # a note\n  stook sort -k id:num --to csv\n" >pipe
	fanout -w 2 -f pipe >got
	cmp in.csv got
}

@test "an output file is complete or absent" {
	fanout -w 2 --shard-rows 1000 'stook cat in.csv -o out.csv'
	cmp in.csv out.csv
	stook cat in.csv -o want.arrow
	fanout -w 3 --shard-rows 1000 'stook cat in.csv -o got.arrow'
	cmp want.arrow got.arrow
	sed -i '15000s/,[^,]*,/,oops,/' in.csv
	run fanout -w 2 --shard-rows 1000 "stook cat --type price=int64 in.csv -o bad.csv"
	[ "$status" = 65 ]
	[ ! -e bad.csv ]
}

@test "an error is the local one, after the rows before it" {
	sed -i '15002s/.*/14999,x,oops,Ulm/' in.csv
	for p in "stook cat --type price=float64 in.csv --to csv" "stook map 'y = price * 2' in.csv --to csv" \
		"stook map 'where k == \"x\"; y = price + 1' in.csv --to csv" "stook reduce -g k -a s=sum:price in.csv" \
		"stook sort -k price:num in.csv" "stook sort -k nosuch in.csv" "stook cat nosuch.csv"; do
		local want_status=0 status=0
		eval "$p" >want 2>want.err || want_status=$?
		fanout -w 3 --shard-rows 999 "$p" >got 2>got.err || status=$?
		echo "$p: $status, want $want_status"; diff want.err got.err
		[ "$status" = "$want_status" ]
		cmp want.err got.err
		[ "$p" != "${p/ sort / }" ] || [ "$p" != "${p/reduce/}" ] || cmp want got
	done
}

@test "a reader that stops early stops everything" {
	local start=$SECONDS
	yes 'x,1' | sed '1s/.*/a,b/' | fanout -w 2 'stook cat --from csv --to csv' 2>err | head -n 2 >got
	printf 'a,b\nx,1\n' | cmp - got
	[ ! -s err ]
	[ $((SECONDS - start)) -lt 60 ]
}

shims() { # pid of a fanout: those of its workers
	ps -ww -o pid=,args= --ppid "$1" | awk '/--shim/ { print $1 }'
}

# Stops that many of its workers in the middle of a shard, so that none can end it before it is killed: their pids in $caught.
caught_at_work() { # pid-of-fanout n
	local shim
	caught=
	for shim in $(shims "$1"); do
		kill -STOP "$shim"
		if [ -n "$(ps -o pid= --ppid "$shim")" ]; then
			caught+=" $shim"
		else
			kill -CONT "$shim"
		fi
		[ "$(wc -w <<<"$caught")" != "$2" ] || return 0
	done
	[ -z "$caught" ] || kill -CONT $caught
	return 1
}

@test "a killed worker's shards run elsewhere" {
	perl -e 'print "id\n"; print "$_\n" for 1 .. 3000000' >many.csv
	stook sort -k id:text:desc many.csv --to csv >want
	fanout -w 3 --shard-rows 20000 --report report.jsonl 'stook sort -k id:text:desc many.csv --to csv' >got 2>err &
	local pid=$!
	wait_for caught_at_work $pid 1
	kill -9 $caught
	wait $pid
	cmp want got
	grep -q 'killed by signal 9' err
	grep -q 'lost worker' err
	grep -q '"state":"lost"' report.jsonl
	grep '"event":"end"' report.jsonl | grep -q '"lost_hosts":1'
	grep -q '"moved":true' report.jsonl
}

@test "all workers killed is 75" {
	perl -e 'print "id\n"; print "$_\n" for 1 .. 3000000' >many.csv
	fanout -w 2 --shard-rows 20000 'stook sort -k id many.csv -o out.csv' 2>err &
	local pid=$! status=0
	wait_for caught_at_work $pid 2
	kill -9 $caught
	wait $pid || status=$?
	[ "$status" = 75 ]
	[ ! -e out.csv ]
	grep -q 'all hosts were lost' err
}

@test "an interrupted run leaves nothing behind" {
	mkdir tmp
	perl -e 'print "id\n"; print "$_\n" for 1 .. 3000000' >many.csv
	TMPDIR=$PWD/tmp setsid fanout -w 3 --shard-rows 20000 'stook join -k id many.csv many.csv | stook sort -k id -o out.csv' 2>err &
	local pid=$! status=0 below
	works() { # workers, and a program below one of them
		below=$(ps -eo pid=,ppid= | awk -v p=$pid '{ up[$1] = $2 } END { for (i in up) if (up[i] == p || up[up[i]] == p) print i }')
		[ "$(wc -w <<<"$below")" -gt 3 ]
	}
	wait_for works
	kill -INT $pid
	wait $pid || status=$?
	[ "$status" = 130 ]
	[ ! -e out.csv ]
	[ -z "$(ls -A tmp)" ]
	gone() { ! kill -0 $below 2>/dev/null; }
	wait_for gone
}

@test "an interrupted run ends, also while more of a compressed input is waited for" {
	perl -e 'print "id\n"; print "$_\n" for 1 .. 600000' | gzip >many.gz
	mkfifo pipe
	setsid fanout -w 2 --shard-rows 20000 'stook cat --from csv -o out.csv' <pipe 2>err &
	local pid=$! status=0
	exec 7>pipe
	head -c 1000000 many.gz >&7
	sleep 2 # it has read that by now, and waits
	kill -INT $pid
	gone() { ! kill -0 $pid 2>/dev/null; }
	wait_for gone || kill -9 $pid
	wait $pid || status=$?
	exec 7>&-
	[ "$status" = 130 ]
	[ ! -e out.csv ]
}

@test "out of memory here or in a worker: it is said, and there is no output" {
	[ -e "$STOOK_BIN/../faults.so" ] || skip "make units builds the shim"
	for n in 25 60 162+ 349 351 400+ 700 1000; do
		rm -f out.csv
		FAULT=malloc:$n LD_PRELOAD=$STOOK_BIN/../faults.so fanout -w 2 --shard-rows 5000 'stook sort -k price:num,id in.csv -o out.csv' 2>err && status=0 || status=$?
		case $status in
		0) continue ;; # the shard was done again elsewhere
		69 | 71 | 75) ;;
		*) echo "allocation $n: $status"; cat err; return 1 ;;
		esac
		[ -s err ] || { echo "allocation $n: $status without a word"; return 1; }
		[ ! -e out.csv ]
	done
}

@test "--explain says where each stage runs" {
	fanout --explain 'stook map "where id > 1" in.csv | stook reduce -g k -a n=count | stook sort -k n:num' >got
	grep -q '1  on hosts  .*stook-map' got
	grep -q '2  on hosts, merged here .*stook-reduce' got
	grep -q '3  here .*stook-sort .*after a merge' got
}
