# Inputs from URLs, through stook-get, against real servers: nginx, and tests/servers/web.py, which breaks its word on purpose and checks
# every signature. Each expected table is the file that the server was given.

load wait

setup_file() {
	export SERVERS=$BATS_TEST_DIRNAME/../servers ROOT=$BATS_FILE_TMPDIR/root
	mkdir -p "$ROOT/bkt" "$ROOT/public" "$ROOT/shaky" "$ROOT/hdfs/logs/a" "$ROOT/hdfs/logs/b"
	cd "$ROOT"
	seq 1 20000 | awk 'BEGIN { print "n,text" } { print $1 ",row x " $1 }' >big.csv
	printf 'a,b\n1,x\n2,y\n' >x.csv
	printf 'a,b\n3,z\n' >z.csv
	gzip -nk big.csv x.csv
	printf 'a,b\n' >none.csv
	: >empty.csv
	python3 "$SERVERS/web.py" "$ROOT" "$ROOT/port" 2>"$ROOT/stderr" 3>&- &
	echo $! >"$ROOT/pid"
	wait_for test -s port
	URL=http://127.0.0.1:$(<port)
	export URL
}

teardown_file() {
	kill "$(<"$ROOT/pid")"
	cat "$ROOT/stderr" >&2
	[ ! -s "$ROOT/stderr" ]
}

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	: >servers
	: >"$ROOT/log"
	export STOOK_GET_TIMEOUT=15 STOOK_GET_RETRIES=3 # a server that stalls does so for 20 seconds
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 HADOOP_USER_NAME http_proxy
	export AWS_REGION=eu-test-1
}

teardown() {
	while read -r pid; do kill "$pid" 2>/dev/null || true; done <servers
}

started() { # PORTFILE: the server that was started last is there
	echo $! >>servers
	wait_for test -s "$1"
}

child_of() { # PID: its stook-get is there; ./child says where
	wait_for pgrep -P "$1" stook-get >child
}

same() { # URL FILE: the table from the URL is the file
	stook cat "$1" --to csv >got.csv
	cmp got.csv "$2"
}

fails() { # STATUS TEXT URL: no output, the message says TEXT, in one line
	status=0
	stook cat "$3" -o none.csv 2>err || status=$?
	[ "$status" = "$1" ] || { echo "exit $status, not $1: $(cat err)"; false; }
	[ ! -e none.csv ]
	grep -q -- "$2" err || { cat err; false; }
	[ "$(wc -l <err)" = 1 ]
}

requests() { grep -c "$1" "$ROOT/log" || true; }

@test "a file over http, compressed or not, with a query, and with pauses in between" {
	same "$URL/f/plain/big.csv" "$ROOT/big.csv"
	same "$URL/f/plain/big.csv.gz" "$ROOT/big.csv"
	same "$URL/f/plain/big.csv?version=2" "$ROOT/big.csv"
	same "$URL/f/plain/big.csv#part" "$ROOT/big.csv"
	same "$URL/f/chunked/big.csv" "$ROOT/big.csv"
	same "$URL/f/encoded/big.csv.gz" "$ROOT/big.csv"
	same "$URL/f/strict/big.csv" "$ROOT/big.csv"
	same "$URL/f/plain/none.csv" "$ROOT/none.csv"
	same "$URL/f/plain/x.csv,$URL/f/plain/z.csv" <(printf 'a,b\n1,x\n2,y\n3,z\n')
	[ "$(stook map 'f = file()' "$URL/f/plain/x.csv" --to csv | sed -n 2p)" = "1,x,$URL/f/plain/x.csv" ]
}

@test "a body that breaks off goes on by range, under the same version" {
	for fault in cut reset; do
		for at in 0 1 7 1000 65536 262143 262144 262145; do
			same "$URL/f/$fault-$at/big.csv" "$ROOT/big.csv"
		done
		: >"$ROOT/log"
		same "$URL/f/$fault-100000-3/big.csv" "$ROOT/big.csv"
		[ "$(requests "$fault-100000-3/big.csv")" = 4 ]
		grep -q 'range=bytes=100000- if-range="one"' "$ROOT/log"
		grep -q 'range=bytes=[23]00000- if-range="one"' "$ROOT/log"
	done
	same "$URL/f/cut-5000/big.csv.gz" "$ROOT/big.csv"
	same "$URL/f/dated-100000/big.csv" "$ROOT/big.csv"
	grep -q 'range=bytes=100000- if-range=Sat, 21 Nov 2015 10:00:00 GMT' "$ROOT/log"
	same "$URL/f/chunkcut-150000/big.csv" "$ROOT/big.csv"
	STOOK_GET_TIMEOUT=2 same "$URL/f/stall-150000/big.csv" "$ROOT/big.csv"
}

@test "a server without ranges is read once more, and what came before must be the same" {
	for at in 1 1000 200000; do
		same "$URL/f/norange-$at/big.csv" "$ROOT/big.csv"
	done
	fails 75 'changed while it was being read, after 100000 bytes' "$URL/f/swap-100000/big.csv"
}

@test "two versions are never mixed" {
	fails 75 'changed while it was being read, after 100000 bytes' "$URL/f/change-100000/big.csv"
	fails 76 'another part than was asked for' "$URL/f/wrongrange-100000/big.csv"
	fails 76 'a part that was not asked for' "$URL/f/unasked/big.csv"
}

@test "a body that breaks off wherever it may is never an end" {
	export STOOK_GET_RETRIES=0
	size=$(stat -c %s "$ROOT/x.csv")
	for at in $(seq 0 $((size - 1))); do
		fails 75 "connection broke after $at bytes" "$URL/f/cut-$at-99/x.csv"
	done
	gz=$(stat -c %s "$ROOT/x.csv.gz")
	for at in $(seq 0 5 $((gz - 1))); do
		fails 75 "connection broke after $at bytes" "$URL/f/cut-$at-99/x.csv.gz"
	done
	for at in 0 1 2 3 5 10 14 15 16 17 18 19; do # "c\r\na,b..." and "0\r\n\r\n"
		fails 75 'connection broke' "$URL/f/chunkcut-$at-99/x.csv"
	done
	fails 75 'connection broke' "$URL/f/reset-7-99/x.csv"
}

@test "a length that is not kept, and an end that proves nothing, are errors" {
	fails 75 'connection broke after 12 bytes' "$URL/f/short-3/x.csv"
	for i in $(seq 10); do # body with the head, or behind it
		fails 76 'more than the 8 bytes it promised' "$URL/f/long-4/x.csv"
	done
	fails 76 'neither the length nor the end' "$URL/f/endless/x.csv"
}

@test "a busy server is asked again, as often as it is told to and no more" {
	same "$URL/f/busy-503-2/x.csv" "$ROOT/x.csv"
	[ "$(requests busy-503-2)" = 3 ]
	same "$URL/f/busy-500-1/x.csv" "$ROOT/x.csv"
	start=$(date +%s%N)
	same "$URL/f/busy-429-1-1/x.csv" "$ROOT/x.csv" # Retry-After: 1
	[ $((($(date +%s%N) - start) / 1000000)) -ge 1000 ]
	fails 75 'answers 503' "$URL/f/busy-503-99/x.csv"
	[ "$(requests busy-503-99)" = 4 ]
	fails 75 'come back in 900 seconds' "$URL/f/busy-429-9-900/x.csv"
	[ "$(requests busy-429-9-900)" = 1 ]
}

@test "refusals have their own statuses and are final" {
	fails 66 'answers 404 (not found)' "$URL/f/status-404/x.csv"
	fails 66 'answers 410' "$URL/f/status-410/x.csv"
	fails 77 'answers 401' "$URL/f/status-401/x.csv"
	fails 77 'answers 403 (forbidden)' "$URL/f/status-403/x.csv"
	fails 69 'answers 501' "$URL/f/status-501/x.csv"
	[ "$(requests f/status)" = 5 ]
}

@test "no connection, no host, no answer" {
	export STOOK_GET_RETRIES=1 STOOK_GET_TIMEOUT=2
	fails 69 "connect" "http://127.0.0.1:1/x.csv"
	fails 69 "resolve" "http://no-such-host.invalid/x.csv"
	fails 69 "nothing came for 2 seconds" "$URL/f/stall-0-9/x.csv"
	fails 75 "nothing came for 2 seconds, after 5 bytes" "$URL/f/stall-5-9/x.csv"
	fails 64 'no URL' 'http://a b/x.csv'
}

@test "redirects are followed ten times, and not out of http" {
	same "$URL/f/redirect-1-302/x.csv" "$ROOT/x.csv"
	same "$URL/f/redirect-10-307/x.csv" "$ROOT/x.csv"
	fails 69 'redirected more than 10 times' "$URL/f/redirect-11-302/x.csv"
	fails 69 'redirected more than 10 times' "$URL/f/loop/x.csv"
	fails 77 'redirected to where this must not lead' "$URL/f/elsewhere/x.csv?file:///etc/passwd"
	fails 77 'redirected to where this must not lead' "$URL/f/elsewhere/x.csv?ftp://127.0.0.1/x"
}

@test "https with a certificate that is trusted, one that is not, and no way from https to http" {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
		-keyout key.pem -out cert.pem 2>/dev/null
	python3 "$SERVERS/web.py" "$ROOT" tlsport cert.pem key.pem 2>tls.err 3>&- &
	started tlsport
	tls=https://127.0.0.1:$(<tlsport)
	fails 77 'certificate is not to be trusted' "$tls/f/plain/x.csv"
	export SSL_CERT_FILE=$PWD/cert.pem
	same "$tls/f/plain/big.csv" "$ROOT/big.csv"
	same "$tls/f/cut-100000/big.csv" "$ROOT/big.csv"
	same "$URL/f/elsewhere/x.csv?$tls/f/plain/x.csv" "$ROOT/x.csv"
	fails 77 'redirected to where this must not lead' "$tls/f/elsewhere/x.csv?$URL/f/plain/x.csv"
}

@test "a reader that stops early ends it quietly, and nothing stays behind" {
	stook cat "$URL/f/plain/big.csv" | stook take -n 1 --to csv >got.csv
	[ "$(tail -n 1 got.csv)" = '1,row x 1' ]
	stook take -n 1 "$URL/f/stall-200000-9/big.csv" --to csv 2>err
	[ ! -s err ]
	stook cat "$URL/f/stall-100000-9/big.csv" -o got2.csv 2>/dev/null &
	reader=$!
	child_of $reader
	kill -KILL $reader # it cannot clean up: the child must notice by itself
	gone() { ! kill -0 "$(<child)" 2>/dev/null; }
	wait_for gone
}

@test "stook-get killed on the way is an early end, and so is one that is missing" {
	stook cat "$URL/f/stall-100000-9/big.csv" -o got.csv 2>err &
	reader=$!
	child_of $reader
	kill -KILL "$(<child)"
	status=0
	wait $reader || status=$?
	[ "$status" = 76 ]
	[ ! -e got.csv ]
	grep -q 'stook-get was ended by signal 9' err
	mkdir bin
	cp "$STOOK_BIN/stook-cat" bin
	status=0
	PATH=/usr/bin:/bin bin/stook-cat "$URL/f/plain/x.csv" 2>err || status=$?
	[ "$status" = 69 ]
	grep -q 'stook-get, which is not there' err
}

@test "passwords, signatures and tokens appear in no message, no file() and no command line" {
	secret=pa55w0rd
	status=0
	stook cat "${URL/:\/\//://user:$secret@}/f/status-404/x.csv?a=1&X-Amz-Signature=$secret&sig=$secret&Token=$secret" 2>err || status=$?
	[ "$status" = 66 ]
	grep -q 'user:\*\*\*@127.0.0.1.*x.csv?a=1&X-Amz-Signature=\*\*\*&sig=\*\*\*&Token=\*\*\*: ' err
	stook map 'f = file()' "${URL/:\/\//://user:$secret@}/f/plain/x.csv" --to csv >got.csv
	! grep -q $secret err got.csv || false
	stook cat "${URL/:\/\//://user:$secret@}/f/plain/x.csv" "${URL/:\/\//://user:$secret@}/f/plain/big.csv" --to csv 2>err >got.csv || status=$?
	[ "$status" = 66 ] || [ "$status" = 65 ]
	! grep -q $secret err || false
	stook cat "${URL/:\/\//://user:$secret@}/f/stall-100000-9/big.csv" -o got2.csv 2>/dev/null &
	reader=$!
	child_of $reader
	tr '\0' ' ' <"/proc/$(<child)/cmdline" >cmdline
	kill $reader
	[ "$(cat cmdline)" = 'stook-get ' ]
}

s3_objects() { # names are keys, escaped as in URLs
	(
		cd "$ROOT/bkt"
		for key in data.csv 'year=2024%2F1.csv' 'year=2024%2F2.csv' 'year=2024%2F10.csv' 'year=2024%2Fdeep%2F3.csv' 'a%20b+c%26d%3Fe%23f%2525.csv' \
			'ümlaut%27%28%29%2A%21%3B%3A%40%24%2C.csv' '%2F%2Fslashes%2F%2E%2E%2Fx.csv' 'brackets%5B1%5D.csv'; do
			cp "$ROOT/x.csv" "$key"
		done
		cp "$ROOT/z.csv" 'year=2024%2F2.csv'
		cp "$ROOT/x.csv" ../public/x.csv
		cp "$ROOT/big.csv" ../shaky/big.csv
	)
	export AWS_ENDPOINT_URL=$URL AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY='s3cr3t/Key+With=Signs'
}

@test "s3: signed requests for keys with every kind of character" {
	s3_objects
	same s3://bkt/data.csv "$ROOT/x.csv"
	same 's3://bkt/a b+c&d?e#f%25.csv' "$ROOT/x.csv"
	same "s3://bkt/ümlaut'()*!;:@\$,.csv" "$ROOT/x.csv"
	same 's3://bkt///slashes/../x.csv' "$ROOT/x.csv"
	same 's3://bkt/brackets[1].csv' "$ROOT/x.csv"
	same s3://bkt/data.csv,s3://bkt/year=2024/2.csv <(printf 'a,b\n1,x\n2,y\n3,z\n')
	same s3://shaky/big.csv "$ROOT/big.csv"
	grep -q 'GET /shaky/big.csv range=bytes=' "$ROOT/log"
}

@test "s3: patterns are listed page by page, in byte order" {
	s3_objects
	[ "$(stook map 'keep a; f = file()' 's3://bkt/year=2024/*.csv' --to csv | tr '\n' ' ')" = \
		'a,f 1,s3://bkt/year=2024/1.csv 2,s3://bkt/year=2024/1.csv 1,s3://bkt/year=2024/10.csv 2,s3://bkt/year=2024/10.csv 3,s3://bkt/year=2024/2.csv ' ]
	[ "$(requests list-type)" = 2 ]
	[ "$(stook cat 's3://bkt/year=*/?.csv' --to csv | wc -l)" = 4 ]
	fails 66 'no object matches' 's3://bkt/*.jsonl'
	[ "$(stook sort --merge -k a 's3://bkt/year=2024/[12].csv' --to csv | tail -n 1)" = 3,z ]
}

@test "s3: wrong, missing and temporary credentials; secrets in no message" {
	s3_objects
	unset AWS_ACCESS_KEY_ID
	same s3://public/x.csv "$ROOT/x.csv"
	fails 77 'answers 403 (forbidden): AccessDenied' s3://bkt/data.csv
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=wrong-secret
	fails 77 'SignatureDoesNotMatch' s3://bkt/data.csv
	! grep -q wrong-secret err || false
	export AWS_ACCESS_KEY_ID=AKIDSESSION AWS_SECRET_ACCESS_KEY=another-secret
	fails 77 'InvalidToken' s3://bkt/data.csv
	AWS_SESSION_TOKEN='session/token+==' same s3://bkt/data.csv "$ROOT/x.csv"
	s3_objects
	fails 66 'NoSuchKey: The specified key does not exist' s3://bkt/nothing.csv
	fails 66 'another region: AWS_REGION=ap-test-9' s3://faraway/x.csv
	fails 64 's3://BUCKET/KEY' s3://bkt
	AWS_ENDPOINT_URL=ftp://x fails 64 'AWS_ENDPOINT_URL must be' s3://bkt/data.csv
	AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_ENDPOINT_URL_S3=$URL same s3://bkt/data.csv "$ROOT/x.csv"
}

@test "s3: objects and lists of a store from npm" { # it looks at keys, not at signatures
	peers=$BATS_TEST_DIRNAME/../peers
	if [ ! -d "$peers/node_modules/s3rver" ]; then
		(cd "$peers" && npm install --no-package-lock --silent >/dev/null 2>&1) || skip "npm install in tests/peers did not work"
	fi
	mkdir store
	node "$peers/s3.cjs" store s3port data.csv="$ROOT/big.csv" 'd/a b+c&d=é.csv'="$ROOT/x.csv" d/2.csv="$ROOT/z.csv" d/e/3.csv="$ROOT/z.csv" 3>&- &
	started s3port
	export AWS_ENDPOINT_URL=http://127.0.0.1:$(<s3port) AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
	same s3://bkt/data.csv "$ROOT/big.csv"
	same 's3://bkt/d/a b+c&d=é.csv' "$ROOT/x.csv"
	[ "$(stook map 'keep a; f = file()' 's3://bkt/d/*.csv' --to csv | tail -n 2 | tr '\n' ' ')" = \
		'1,s3://bkt/d/a b+c&d=é.csv 2,s3://bkt/d/a b+c&d=é.csv ' ]
	fails 66 'NoSuchKey' s3://bkt/nothing.csv
	AWS_ACCESS_KEY_ID=wrong fails 77 'InvalidAccessKeyId' s3://bkt/data.csv
}

@test "hdfs: redirected to the data node, resumed by offset, patterns folder by folder" {
	h=hdfs://${URL#http://}
	cp "$ROOT/x.csv" "$ROOT/hdfs/logs/a/1 x?.csv"
	cp "$ROOT/z.csv" "$ROOT/hdfs/logs/b/1.csv"
	cp "$ROOT/big.csv" "$ROOT/hdfs/shaky.csv"
	cp "$ROOT/big.csv" "$ROOT/hdfs/rewritten.csv"
	same "$h/logs/b/1.csv" "$ROOT/z.csv"
	same "$h/logs/a/1 x[?].csv" "$ROOT/x.csv"
	same "$h/logs/*/1*.csv" <(printf 'a,b\n1,x\n2,y\n3,z\n')
	same "$h/shaky.csv" "$ROOT/big.csv"
	grep -q 'offset=[1-9]' "$ROOT/log"
	fails 75 'changed while it was being read' "$h/rewritten.csv"
	fails 66 'File does not exist: /nothing.csv$' "$h/nothing.csv"
	fails 66 'is a directory' "$h/logs"
	fails 66 'no file matches' "$h/logs/*.csv"
	HADOOP_USER_NAME=ann same "$h/logs/b/1.csv" "$ROOT/z.csv"
	grep -q 'user.name=ann' "$ROOT/log"
	fails 77 'Permission denied' "${h/:\/\//://mallory@}/logs/b/1.csv"
}

@test "archives behind URLs" {
	(cd "$ROOT" && tar czf t.tar.gz x.csv z.csv && python3 -m zipfile -c t.zip x.csv z.csv)
	same "$URL/f/plain/t.tar.gz//x.csv" "$ROOT/x.csv"
	same "$URL/f/cut-100/t.zip//*.csv" <(printf 'a,b\n1,x\n2,y\n3,z\n')
	fails 66 'it has x.csv, z.csv' "$URL/f/plain/t.zip//nothing.csv"
	STOOK_GET_RETRIES=0 fails 75 'connection broke after 100 bytes' "$URL/f/cut-100-9/t.tar.gz//x.csv"
	s3_objects
	cp "$ROOT/t.zip" "$ROOT/bkt/t.zip"
	same 's3://bkt/t.zip//z.csv' "$ROOT/z.csv"
}

@test "fanout reads URLs and archives here; both sides of join do" {
	(cd "$ROOT" && tar cf sides.tar x.csv z.csv)
	p='stook reduce -g text -a n=count | stook sort -k text -n 5 --to csv'
	fanout --workers 2 "$URL/f/cut-100000/big.csv.gz" -- "$p" >there.csv
	stook reduce -g text -a n=count "$ROOT/big.csv" | stook sort -k text -n 5 --to csv >here.csv
	cmp here.csv there.csv
	fanout --workers 2 -- "stook join -k a $ROOT/sides.tar//x.csv,$URL/f/plain/z.csv $ROOT/sides.tar//x.csv --to csv" >there.csv
	[ "$(tr '\n' ' ' <there.csv)" = 'a,b,b_2 1,x,x 2,y,y ' ]
	echo 'where a > 1' >"$ROOT/program"
	fanout --workers 2 -- "stook map -f $URL/f/plain/program $URL/f/plain/x.csv --to csv" >there.csv
	cmp there.csv <(printf 'a,b\n2,y\n')
	status=0
	STOOK_GET_RETRIES=0 fanout --workers 2 "$URL/f/cut-100000-99/big.csv" -- "$p" >there.csv 2>err || status=$?
	[ "$status" = 75 ]
	grep -q 'connection broke after 100000 bytes' err
	stook join -k a "$ROOT/sides.tar//?.csv" "$URL/f/plain/x.csv,$URL/f/plain/z.csv" --to csv >got.csv
	[ "$(tr '\n' ' ' <got.csv)" = 'a,b,b_2 1,x,x 2,y,y 3,z,z ' ]
}

@test "nginx: plain and compressed files, basic authentication, redirects, and a server that is killed and comes back" {
	mkdir n
	cp "$ROOT"/big.csv "$ROOT"/big.csv.gz "$ROOT"/x.csv n
	seq 1 1000000 | sed '1i n' >n/large.csv
	printf 'ann:%s\n' "$(openssl passwd -apr1 secret)" >users
	nginx_conf() { # PORT
	cat >nginx.conf <<-E
	daemon off; master_process off; pid $PWD/nginx.pid; error_log $PWD/error.log;
	events { worker_connections 64; }
	http {
		access_log $PWD/access.log; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p; fastcgi_temp_path $PWD/f;
		uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s; gzip on; gzip_types text/csv text/plain application/octet-stream;
		server {
			listen 127.0.0.1:$1; root $PWD/n;
			location /private/ { alias $PWD/n/; auth_basic x; auth_basic_user_file $PWD/users; }
			location /slow/ { alias $PWD/n/; limit_rate 1m; }
			location /old/ { return 301 http://127.0.0.1:$1/x.csv; }
		}
	}
	E
	}
	answers() { (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || ! kill -0 $pid 2>/dev/null; }
	start_nginx() { # under $port; fails when the port is taken
		/usr/sbin/nginx -c "$PWD/nginx.conf" -p "$PWD" 3>&- &
		pid=$!
		echo $pid >>servers
		wait_for answers
		kill -0 $pid 2>/dev/null
	}
	some_nginx() {
		port=$((10000 + RANDOM % 20000)) # below those that the system gives to whoever connects
		nginx_conf $port
		start_nginx
	}
	wait_for some_nginx
	same "http://127.0.0.1:$port/big.csv" "$ROOT/big.csv"
	same "http://127.0.0.1:$port/big.csv.gz" "$ROOT/big.csv"
	same "http://127.0.0.1:$port/old/x.csv" "$ROOT/x.csv"
	same "http://ann:secret@127.0.0.1:$port/private/x.csv" "$ROOT/x.csv"
	fails 77 'answers 401' "http://ann:wrong@127.0.0.1:$port/private/x.csv"
	fails 66 'answers 404' "http://127.0.0.1:$port/nothing.csv"
	STOOK_GET_RETRIES=8 stook cat "http://127.0.0.1:$port/slow/large.csv" --to csv >got.csv &
	reader=$!
	wait_for test -s got.csv
	kill -KILL $pid
	wait $pid || true
	wait_for start_nginx
	wait $reader
	cmp got.csv n/large.csv
	grep -q '"GET /slow/large.csv HTTP/1.1" 206' access.log
}
