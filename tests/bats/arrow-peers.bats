# Arrow as other implementations write and read it: npm apache-arrow and nodejs-polars (tests/peers), in both directions.

setup_file() {
	peers=$BATS_TEST_DIRNAME/../peers
	command -v npm >/dev/null && command -v node >/dev/null || return 0
	[ -d "$peers/node_modules/nodejs-polars" ] || (cd "$peers" && npm install --no-package-lock --silent >/dev/null 2>&1) || true
}

setup() {
	peers=$BATS_TEST_DIRNAME/../peers
	[ -d "$peers/node_modules/apache-arrow" ] || skip "npm install in tests/peers did not work"
	cd "$BATS_TEST_TMPDIR" || return 1
}

js() { node "$peers/arrow-js.cjs" "$@"; }
polars() {
	node -e "require('$peers/node_modules/nodejs-polars')" 2>/dev/null || skip "nodejs-polars has no build for this machine"
	node "$peers/polars.cjs" "$@"
}

@test "every type that apache-arrow writes comes back to it as it was" {
	js write stream >in
	js show <in >want
	[ "$(wc -l <want)" = 7 ]
	stook cat <in | js show >got
	cmp want got
	stook cat <in | stook cat | js show >got
	cmp want got
}

@test "apache-arrow leaves the schema out at the beginning of a file: it is read from the footer" {
	js write file >in.arrow
	js write stream | stook cat --to jsonl --keep-null >want
	stook cat in.arrow --to jsonl --keep-null >got
	cmp want got
	stook cat --to jsonl --keep-null <in.arrow >got
	cmp want got
	stook cat in.arrow | js show >got
	js show <in.arrow | cmp - got
	run bash -c 'cat in.arrow | stook cat --to jsonl'
	[ "$status" = 76 ]
	[[ $output == *"its footer must be a plain file"* ]]
	size=$(wc -c <in.arrow)
	for ((n = 8; n < size; n += 97)); do
		head -c $n in.arrow >cut.arrow
		run stook cat cut.arrow --to jsonl
		[ "$status" = 76 ] || { echo "cut at $n: $status"; false; }
	done
}

@test "values that apache-arrow writes are the values that we print" {
	js write stream bool int64 uint64 float64 utf8 largeUtf8 dateDay timestampMs decimal list struct dictionary >in
	stook cat --to csv <in >got
	cat >want <<-'END'
	bool,int64,uint64,float64,utf8,largeUtf8,dateDay,timestampMs,decimal,list,struct,dictionary
	true,-9223372036854775808,18446744073709551615,0.1,007,007,1970-01-01,1970-01-01T00:00:00Z,123.45,"[""a"",null,""b""]","{""x"":1,""y"":""a""}",b
	,,,,,,,,,,,
	false,0,0,1e+300,"","",2022-01-08,2023-11-14T22:13:20.001Z,0.00,[],"{""x"":null,""y"":""b""}",a
	true,9223372036854775807,1,-0,zwölf €,zwölf €,1969-12-31,1969-12-31T23:59:59.999Z,0.01,"[""c""]","{""x"":2,""y"":null}",b
	,,,,,,,,,,,
	false,0,0,1e+300,"","",2022-01-08,2023-11-14T22:13:20.001Z,0.00,[],"{""x"":null,""y"":""b""}",a
	END
	diff want got
}

@test "polars: streams and files, plain, LZ4 and zstd, with views, categoricals and nested columns" {
	polars write stream uncompressed >in
	polars show <in >want
	for format in stream file; do
		for compression in uncompressed lz4 zstd; do
			polars write $format $compression >in
			stook cat <in | polars show >got
			cmp want got
			stook cat <in -o out.arrow
			polars show <out.arrow >got
			cmp want got
			stook cat <in -o out.arrows
			polars show <out.arrows >got
			cmp want got
		done
	done
}

@test "what both peers see of a CSV is what is in it" {
	printf 'id,name,price\n1,"",1.50\n2,,007\n3,zwölf,9007199254740993\n' >in.csv
	stook cat in.csv --type id=int64 | js show | tail -n +2 >got
	cat >want <<-'END'
	{"id":"1n","name":"","price":"1.50"}
	{"id":"2n","name":null,"price":"007"}
	{"id":"3n","name":"zwölf","price":"9007199254740993"}
	END
	diff want got
	stook cat in.csv --type id=int64 | polars show | tail -n 3 >got
	sed 's/"\([0-9]\)n"/\1/' want >want.polars
	diff want.polars got
}

@test "both peers notice that a writer has failed" {
	printf 'a,b\n1,x\n2,y\nzz,y\n' >bad.csv
	stook cat bad.csv --type a=int64 >part 2>err || [ $? = 65 ]
	[ -s part ]
	run js show <part
	[ "$status" != 0 ]
	run polars show <part
	[ "$status" != 0 ]
	run stook cat --to csv <part
	[ "$status" = 76 ]
	[[ $output == *"upstream failed: bad.csv:4:1: field \"a\": \"zz\" is not"* ]]
}

@test "a stream cut off between two messages ends inside one for polars and for us" {
	stook cat --to arrow - --from csv <<<$'a\n1' | cat >whole
	head -c -4 whole >cut
	run polars show <cut
	[ "$status" != 0 ]
	run stook cat --accept-unterminated --to csv <cut
	[ "$status" = 76 ]
}

@test "a peer's stream without an end marker is an error, and accepted when asked" {
	js write stream int32 >in
	tail -c 8 in | cmp - <(printf '\377\377\377\377\0\0\0\0')
	head -c -8 in >cut
	run stook cat --to csv <cut
	[ "$status" = 76 ]
	[[ $output == *"without its end marker"*"--accept-unterminated"* ]]
	stook cat --accept-unterminated --to csv <cut >got
	[ "$(wc -l <got)" = 7 ]
}

@test "cat --typed hands polars and apache-arrow numbers, dates and times" {
	printf 'id,zip,x,day,at,price\n1,007,0.5,2015-01-02,2015-01-02T03:04:05Z,1.50\n2,1,,2015-01-03,2015-01-02T03:04:06Z,12.00\n' >in.csv
	stook cat --typed in.csv | stook map 'drop price' | polars show | head -n 5 >got
	printf '%s\n' 'id DataType(Int64)' 'zip DataType(String)' 'x DataType(Float64)' 'day DataType(Date)' 'at DataType(Datetime(us,UTC))' |
		diff - got
	stook cat --typed in.csv | js show | tail -n 1 >got
	echo '{"id":"2n","zip":"1","x":null,"day":1420243200000,"at":1420167846000,"price":"\"1200\""}' | diff - got
}
