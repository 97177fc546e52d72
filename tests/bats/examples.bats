# Every example of the manuals runs, on files of the names they use.

setup_file() {
	export EXAMPLES=$BATS_FILE_TMPDIR/files
	mkdir "$EXAMPLES"
	cd "$EXAMPLES"
	cat >sales.csv <<-'D'
	id,country,shop,day,price,qty
	1,DE,north,2015-01-01,10.50,20
	2,FR,south,2015-01-02,7,3
	3,DE,north,2015-01-02,99.99,2
	4,US,west,2015-01-03,,1
	D
	gzip -k sales.csv
	awk -F, '{ print $0 "," (NR == 1 ? "paid" : NR % 2 ? "true" : "false") }' sales.csv >payments.csv
	cp sales.csv jan.csv
	cp sales.csv feb.csv
	cp sales.csv big.csv
	gzip -k big.csv
	printf 'code,name\nDE,Germany\nFR,France\n' >countries.csv
	printf 'id,x\n1,a\n2,b\n' >new.csv
	printf 'id,x\n2,b\n' >seen.csv
	printf '{"id":1,"day":"2015-01-01","user":{"name":"ann"}}\n{"id":2,"day":"2015-01-02"}\n' >orders.jsonl
	cp orders.jsonl events.jsonl
	printf 'id,day,price\n1,2015-01-01,3.50\n' >prices.csv
	printf 'user,time\nb,2015-01-02T03:04:05Z\na,2015-01-02T03:04:06Z\n' | stook cat --from csv -o log.arrow
	printf 'user,name\na,Ann\nb,Bob\n' >users.csv
	printf '{"time":"2015-01-02T03:04:05Z","status":503,"host":"web1"}\n{"time":"2015-01-02T03:05:05Z","status":200,"host":"web2"}\n' >log.jsonl
	printf 'time,status\n2015-01-01T00:10:00Z,200\n2015-01-01T01:00:00Z,500\n' >requests.csv
	printf 'day,user\n2015-01-02,a\n2015-01-01,b\n' >log.csv
	printf 'The cat and the dog.\nThe end.\n' >book.txt
	printf 'name,bytes\nx,12\ny,4000\nz,4000000\n' >files.csv
	printf 'w\nthe\ncat\nthe\n' | stook cat --from csv --to arrow >words.arrows
	printf 'w,n\nthe,2\ncat,1\n' >words.csv
	printf 'k,v\na,1\nb,2.50\n' >a.csv
	printf 'k,v\nb,3\nc,4\n' >b.csv
	printf 'id,ts\n2,5\n1,3\n2,7\n' | gzip >dump.csv.gz
	printf 'time,x\n1,a\n3,b\n' | stook cat --from csv -o part-1.arrow
	printf 'time,x\n2,a\n4,b\n' | stook cat --from csv -o part-2.arrow
	printf 'id\n1\n2\n10\n' >ids.csv
	printf 'url,redirected_url\nhttp://a.example/x,http://b.example/\n' | stook cat --from csv -o pages.arrow
	printf 'url,label\nhttp://B.example,1\n' >labels.csv
	awk 'BEGIN { print "user_id,page"; for (i = 0; i < 3000; i++) print "u" i % 97 ",p" i }' >clicks.csv
	gzip -k clicks.csv
	stook cat clicks.csv -o clicks.arrow
	printf 'y,yhat\nlow,low\nmid,low\nhigh,high\n' >test.csv
	printf 'y,p\nno,0.1\nno,0.4\nyes,0.35\nyes,0.8\n' >scored.csv
	printf 'y,yhat,n\nlow,low,7\nmid,low,2\nhigh,high,5\n' >pairs.csv
	printf "stook sort -k day,price:num:desc sales.csv -o sorted.csv\n" >nightly.stook
	printf 'id,updated_at,ts\n1,2015-01-01,1\n1,2015-01-03,2\n' >dump.csv
	printf 'id,v\n2,5\n1,3\n2,7\n' >changes.csv
	printf 'id,x\n1,3\n2,4\n' >rows.csv
	printf 'import sys\nfor line in sys.stdin:\n    sys.stdout.write(line)\n' >model.py
	printf 'time,symbol,price\n2015-01-02T10:00:03Z,x,1.5\n2015-01-02T10:00:09Z,y,2\n' >trades.csv
	printf 'time,symbol,bid\n2015-01-02T10:00:01Z,x,1.4\n2015-01-02T10:00:04Z,x,1.6\n' >quotes.csv
	printf 'size\nS\nM\n' >sizes.csv
	printf 'colour\nred\nblue\n' >colours.csv
	mkdir data by-country
}

@test "every example of the manuals runs" {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	count=0
	while IFS= read -r example; do
		case $example in
		*" -H "*) [[ $example == *--explain* ]] || continue ;; # hosts have their own tests
		esac
		rm -rf "$BATS_TEST_TMPDIR/work"
		cp -r "$EXAMPLES" "$BATS_TEST_TMPDIR/work"
		(cd "$BATS_TEST_TMPDIR/work" && timeout 60 bash -c "set -o pipefail; $example") >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || {
			echo "failed: $example"
			cat "$BATS_TEST_TMPDIR/err"
			false
		}
		count=$((count + 1))
	done < <("$top/build/bin-doc/generate" examples)
	[ "$count" -ge 25 ]
}
