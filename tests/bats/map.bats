# map on pipes: programs of the user's own, slow inputs, early ends; and its answers beside SQLite's.

bats_require_minimum_version 1.5.0
load wait

setup_file() {
	export DATA=$BATS_FILE_TMPDIR
	awk 'BEGIN { srand(7); print "id,a,b,s"
		for (i = 1; i <= 20000; i++)
			print i "," (rand() < 0.1 ? "" : int(rand() * 2000) - 1000) "," (rand() < 0.1 ? "" : int(rand() * 20) - 10) "," \
			      (rand() < 0.1 ? "" : substr("abcdefghij", 1 + int(rand() * 8), 1 + int(rand() * 3))) }' >"$DATA/t.csv"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

@test "a program over the stream gives back every byte, without either side waiting for the other" {
	for protocol in csv jsonl arrow; do
		timeout 60 stook map --exec cat --protocol $protocol "$DATA/t.csv" --to csv >out.csv
		cmp out.csv "$DATA/t.csv"
	done
}

@test "a program that reads nothing, and one that never ends writing" {
	timeout 20 stook map --exec 'echo a; echo 1' --protocol csv "$DATA/t.csv" --to csv >out
	[ "$(cat out)" = "$(printf 'a\n1')" ]
	timeout 20 stook map --exec 'yes "{\"a\":1}"' "$DATA/t.csv" | stook take -n 2 --to csv >out
	[ "$(cat out)" = "$(printf 'a\n1\n1')" ]
}

@test "a program that fails after all its output is an error, and -o leaves nothing" {
	! timeout 20 stook map --exec 'cat; exit 9' --protocol csv "$DATA/t.csv" -o out.csv 2>err || false
	[ ! -e out.csv ]
	grep -q 'exit status 9' err
}

@test "an input that ends early is what is told, not what the program made of it" {
	run -76 bash -c 'stook cat "$DATA/t.csv" | head -c 100000 | timeout 20 stook map --exec cat --protocol csv -o out.csv'
	[ ! -e out.csv ]
}

@test "slow input comes through at once" {
	mkfifo pipe
	stook map --from csv 'x = a + 1' <pipe | stook take -n 1 --to csv >out &
	exec 7>pipe
	printf 'a\n1\n' >&7
	wait_for grep -q 1,2 out
	exec 7>&-
	wait
	[ "$(cat out)" = "$(printf 'a,x\n1,2')" ]
}

@test "any number of threads gives the same bytes" {
	program='where a is not null; x = a * 1.5 + coalesce(b, 0); explode w = split(coalesce(s, "-"), "b"); k = hash(w)'
	stook map "$program" "$DATA/t.csv" -j1 --to csv >one
	stook map "$program" "$DATA/t.csv" -j8 --to csv >eight
	cmp one eight
	stook cat "$DATA/t.csv" | stook map "$program" --to csv >pipe
	cmp one pipe
}

# One expression in both languages, over rows with nulls in every place.
same_as_sqlite() { # map-expression sql-expression
	stook map "x = $1; keep id, x" "$DATA/t.csv" --to csv | tail -n +2 | sed 's/,true$/,1/; s/,false$/,0/' >ours
	sqlite3 -csv :memory: '.import '"$DATA"'/t.csv raw' \
		"create table t as select cast(id as int) id, cast(nullif(a, '') as int) a, cast(nullif(b, '') as int) b, nullif(s, '') s from raw;
		 select id, $2 from t order by id" >theirs
	cmp ours theirs || { echo "$1"; diff ours theirs | head -4; false; }
}

@test "SQLite gives the same, nulls included" {
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	same_as_sqlite 'a + b' 'a + b'
	same_as_sqlite 'a * b - a' 'a * b - a'
	same_as_sqlite 'num(a) < num(b)' 'a < b'
	same_as_sqlite 'num(a) >= num(b) or s == "abc"' "a >= b or s = 'abc'"
	same_as_sqlite 'num(a) > 0 and num(b) > 0' 'a > 0 and b > 0'
	same_as_sqlite 'not (num(a) > 0 and num(b) > 0)' 'not (a > 0 and b > 0)'
	same_as_sqlite 'not (num(a) > 0 or s < "d")' "not (a > 0 or s < 'd')"
	same_as_sqlite 'a in (1, 2, 3, null)' 'a in (1, 2, 3, null)'
	same_as_sqlite 'a not in (1, 2, 3)' 'a not in (1, 2, 3)'
	same_as_sqlite 's in ("a", "bcd", "ij")' "s in ('a', 'bcd', 'ij')"
	same_as_sqlite 'coalesce(num(a), num(b), 0)' 'coalesce(a, b, 0)'
	same_as_sqlite 'case when a > 500 then "high" when a > 0 then s else "low" end' "case when a > 500 then 'high' when a > 0 then s else 'low' end"
	same_as_sqlite 'if(a > b + 10, num(a), num(b))' 'iif(a > b + 10, a, b)'
	same_as_sqlite 'a is null' 'a is null'
	same_as_sqlite 'a is not null and s is null' 'a is not null and s is null'
	same_as_sqlite 'length(s)' 'length(s)'
	same_as_sqlite 'upper(s)' 'upper(s)'
	same_as_sqlite 'substr(s, 2, 1)' 'substr(s, 2, 1)'
	same_as_sqlite 'replace(s, "b", "xy")' "replace(s, 'b', 'xy')"
	same_as_sqlite 'abs(num(a))' 'abs(a)'
	same_as_sqlite 'find(s, "c")' "instr(s, 'c')"
	same_as_sqlite 'least(num(a), num(b))' 'min(a, b)'
	same_as_sqlite 'greatest(num(a), num(b), 5)' 'max(a, b, 5)'
	same_as_sqlite 'trim(concat(" ", s, " "))' "trim(' ' || s || ' ')"
}
