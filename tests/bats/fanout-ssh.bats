# fanout over three SSH servers of our own: the same bytes, lost hosts, keys, logins, and what stays behind.

bats_require_minimum_version 1.5.0
load wait
load sshd

setup_file() {
	local why
	why=$(sshd_missing)
	if [ -n "$why" ]; then
		export SSHD_SKIP=$why
		return
	fi
	export RIG=$BATS_FILE_TMPDIR/rig
	sshds_start "$RIG" 3
	cd "$BATS_FILE_TMPDIR" || exit
	perl -e 'srand(7); print "id,k,price\n"; printf "%d,%s,%d.%02d\n", $_, chr(97 + int rand 9), rand 90, rand 100 for 1 .. 20000' >in.csv
	perl -e 'print "k,name\n"; print "$_,name of $_\n" for "a" .. "f"' >names.csv
	perl -e 'print "id\n"; print "$_\n" for 1 .. 3000000' >many.csv
}

teardown_file() {
	[ -z "${RIG-}" ] || sshds_stop "$RIG"
}

setup() {
	[ -z "${SSHD_SKIP-}" ] || skip "$SSHD_SKIP"
	cd "$BATS_FILE_TMPDIR" || exit
	sshds_hosts "$RIG"
	local i
	for i in 1 2 3; do # a server that the last test stopped, again under its port
		[ -s "$RIG/$i/pid" ] || sshd_again "$RIG/$i"
	done
	unset SSH_AUTH_SOCK
	FAN=(fanout -F none -i "$RIG/user_key" --known-hosts "$RIG/known_hosts")
}

remote_processes() { # what runs on our servers beside sshd itself
	local pids i
	pids=$(children_of $(cat "$RIG"/[123]/pid 2>/dev/null))
	[ -z "$pids" ] || ps -ww -o pid=,comm=,args= -p "${pids//$'\n'/,}" | awk '$2 != "sshd"'
}

left_behind() { # on any host: processes, and files but the program in its cache
	local i
	remote_processes
	for i in 1 2 3; do
		find "$RIG/$i/home" "$RIG/$i/tmp" -type f 2>/dev/null | grep -v '/\.cache/stook-[0-9]*/[0-9a-f]\{16\}$' || true
		find "$RIG/$i/home/.cache" -name 'stook-run-*' 2>/dev/null || true
	done
}

nothing_left() { # soon: a host learns from the end of its connection that it is no longer wanted
	local i
	for i in $(seq 100); do
		[ -n "$(left_behind)" ] || return 0
		sleep 0.1
	done
	left_behind
	return 1
}

same() {
	eval "$1" >want
	"${FAN[@]}" -H "$SSH_LIST" "${@:2}" "$1" >got 2>err || { cat err; return 1; }
	cmp want got
}

@test "the first run ships the program, the second none; equal bytes" {
	p="stook sort -k price:num:desc,id in.csv --to csv"
	same "$p" --shard-rows 1500 --report first.jsonl
	[ "$(grep -c '"event":"host".*"shipped":[1-9]' first.jsonl)" = 3 ]
	same "$p" --shard-rows 1500 --report second.jsonl
	[ "$(grep -c '"event":"host".*"shipped":0,' second.jsonl)" = 3 ]
	[ "$(grep '"event":"end"' second.jsonl)" = '{"event":"end","status":0,"shards":14,"moved":0,"missing":0,"lost_hosts":0}' ] || cat second.jsonl
	nothing_left
}

@test "equal bytes for every kind of plan" {
	same "stook cat in.csv --to csv" --shard-rows 999
	same "stook map 'where price > 50; total = price * 2; keep id, total' in.csv --to jsonl"
	same "stook reduce -g k -a n=count,s=sum:price,m=mean:price in.csv | stook sort -k k --to csv" --shard-rows 1234
	same "stook join -k k in.csv names.csv | stook take -n 50 --to csv" --shard-rows 500
	printf 'where price > 20\nkeep id, price\n' >prog
	same "stook map -f prog in.csv --to csv" --shard-rows 3000
	nothing_left
}

@test "an error has its place in the user's file" {
	sed '15002s/.*/14999,x,oops/' in.csv >broken.csv
	run -65 stook map 'y = price * 2' broken.csv --to csv
	stook map 'y = price * 2' broken.csv --to csv >want 2>want.err || true
	status=0
	"${FAN[@]}" -H "$SSH_LIST" --shard-rows 999 "stook map 'y = price * 2' broken.csv --to csv" >got 2>err || status=$?
	[ "$status" = 65 ]
	cmp want.err err
	cmp want got
	nothing_left
}

# Stops the shims of these servers in the middle of a shard, so that it is still to be done when the test goes on: $frozen.
freeze() { # server...
	local server shim try
	frozen=
	for server in "$@"; do
		for try in $(seq 3000); do
			if shim=$(pgrep -f "^$RIG/$server/home/.* --shim"); then
				kill -STOP $shim
				[ -z "$(ps -o pid= --ppid "$shim")" ] || break
				kill -CONT $shim
			fi
			sleep 0.02
		done
		[ "$try" != 3000 ] || { echo "nothing came to run on $server"; return 1; }
		frozen+=" $shim"
	done
}

running() { # waits until all three hosts work
	freeze 1 2 3
	kill -CONT $frozen
}

@test "a host killed in the middle: same bytes, and the report names it" {
	stook sort -k id:desc many.csv --to csv >want
	"${FAN[@]}" -H "$SSH_LIST" --shard-rows 20000 --report report.jsonl 'stook sort -k id:desc many.csv --to csv' >got 2>err &
	local pid=$!
	freeze 2
	sshd_crash "$RIG" 2
	kill -CONT $frozen
	wait $pid
	cmp want got
	grep -q "lost ${SSH_HOSTS[1]}" err
	grep -q 'moved to other hosts: shards ' err
	grep -q "\"host\":\"${SSH_HOSTS[1]}\",\"state\":\"lost\"" report.jsonl
	grep -q '"moved":true' report.jsonl
	grep '"event":"end"' report.jsonl | grep -q '"status":0.*"missing":0,"lost_hosts":1'
	nothing_left
}

@test "a frozen host: its shards run elsewhere" {
	stook sort -k id:desc many.csv --to csv >want
	"${FAN[@]}" -H "$SSH_LIST" --silence 5s --shard-rows 20000 'stook sort -k id:desc many.csv --to csv' >got 2>err &
	local pid=$!
	freeze 3
	frozen=$(children_of "$(<"$RIG/3/pid")")
	kill -STOP $frozen
	wait $pid || { kill -CONT $frozen; cat err; return 1; }
	kill -CONT $frozen
	cmp want got
	nothing_left
}

@test "all hosts killed is 75, and no output" {
	rm -f out.csv
	"${FAN[@]}" -H "$SSH_LIST" --shard-rows 20000 'stook sort -k id:desc many.csv -o out.csv' 2>err &
	local pid=$! status=0 i
	freeze 1 2 3
	for i in 1 2 3; do sshd_crash "$RIG" $i; done
	kill -CONT $frozen
	wait $pid || status=$?
	[ "$status" = 75 ]
	[ ! -e out.csv ]
	grep -q 'all hosts were lost' err
}

@test "an unreachable host does not matter while another is there; alone it is 69" {
	sshd_stop "$RIG" 3
	stook cat in.csv --to csv >want
	"${FAN[@]}" -H "$SSH_LIST" 'stook cat in.csv --to csv' >got 2>err
	cmp want got
	grep -q "${SSH_HOSTS[2]}: cannot connect" err
	run -69 "${FAN[@]}" -H "${SSH_HOSTS[2]}" 'stook cat in.csv --to csv'
	run -69 "${FAN[@]}" -H "no-such-host.invalid" 'stook cat in.csv --to csv'
}

@test "an unknown key is refused with its fingerprint before any data" {
	local print
	print=$(ssh-keygen -l -f "$RIG/2/host_key.pub" | cut -d' ' -f2)
	grep -v ":${SSH_HOSTS[1]#*:}\b" "$RIG/known_hosts" >two_known
	run -77 fanout -F none -i "$RIG/user_key" --known-hosts two_known -H "$SSH_LIST" --report report.jsonl 'stook cat in.csv --to csv'
	[[ $output == *"host key is not known"*"$print"* ]]
	[[ $output != *"id,k,price"* ]]
	[ "$(grep -c '"event":"host".*"sent":0,' report.jsonl)" = 3 ]
}

@test "a changed key and a revoked key are refused" {
	local other
	ssh-keygen -q -t ed25519 -N '' -f other_key <<<y >/dev/null
	other=$(cut -d' ' -f1,2 other_key.pub)
	printf '[127.0.0.1]:%s %s\n' "${SSH_HOSTS[0]#*:}" "$other" >changed
	run -77 fanout -F none -i "$RIG/user_key" --known-hosts changed -H "${SSH_HOSTS[0]}" 'stook cat in.csv --to csv'
	[[ $output == *"host key has changed"*"changed:1"* ]]
	{ cat "$RIG/known_hosts"; printf '@revoked * %s\n' "$(cut -d' ' -f1,2 "$RIG/1/host_key.pub")"; } >revoked
	run -77 fanout -F none -i "$RIG/user_key" --known-hosts revoked -H "${SSH_HOSTS[0]}" 'stook cat in.csv --to csv'
	[[ $output == *"host key is revoked"* ]]
}

@test "hashed known hosts" {
	cp "$RIG/known_hosts" hashed
	ssh-keygen -q -H -f hashed 2>/dev/null
	grep -q '^|1|' hashed
	fanout -F none -i "$RIG/user_key" --known-hosts hashed -H "${SSH_HOSTS[0]}" 'stook cat in.csv --to csv' | cmp - in.csv
}

@test "a refused login is 77" {
	[ -e stranger ] || ssh-keygen -q -t ed25519 -N '' -f stranger
	run -77 fanout -F none -i stranger --known-hosts "$RIG/known_hosts" -H "$SSH_LIST" 'stook cat in.csv --to csv'
	[[ $output == *"was refused"* ]]
}

@test "ECDSA keys and an agent let us in" {
	[ -e ec ] || ssh-keygen -q -t ecdsa -N '' -f ec
	cat ec.pub >>"$RIG/1/authorized_keys"
	fanout -F none -i ec --known-hosts "$RIG/known_hosts" -H "${SSH_HOSTS[0]}" 'stook cat in.csv --to csv' | cmp - in.csv
	eval "$(ssh-agent)" >/dev/null
	ssh-add -q "$RIG/user_key"
	rm -f nothing
	fanout -F none -i nothing --known-hosts "$RIG/known_hosts" -H "${SSH_HOSTS[1]}" 'stook cat in.csv --to csv' >got || status=$?
	kill "$SSH_AGENT_PID"
	cmp in.csv got
}

@test "the user's own ssh client" {
	command -v ssh >/dev/null || skip "no ssh client here"
	cat >client <<-END
	#!/bin/sh
	exec ssh -F none -i $RIG/user_key -o UserKnownHostsFile=$RIG/known_hosts -o BatchMode=yes -p "\${1#*:}" "\${1%:*}" "\$2"
	END
	chmod +x client
	FAN=(fanout --ssh ./client)
	same "stook sort -k price:num,id in.csv --to csv" --shard-rows 1500
	nothing_left
}

@test "a login shell that talks, and a home that cannot be written" {
	local dir=$RIG/talk
	mkdir -p "$dir/home" "$dir/tmp"
	cp -r "$RIG/1/host_key" "$RIG/1/host_key.pub" "$RIG/1/authorized_keys" "$dir/"
	sshd_start "$dir"
	printf 'ForceCommand echo "Welcome!"; echo; echo "more news"; eval "$SSH_ORIGINAL_COMMAND"\n' >>"$dir/config"
	printf 'SetEnv HOME=/nonexistent TMPDIR=%s XDG_RUNTIME_DIR=%s\n' "$dir/tmp" "$dir/home" >>"$dir/config"
	sed -i '/^SetEnv HOME=.*home TMPDIR/d' "$dir/config"
	sshd_stop "$RIG" talk
	sshd_again "$dir"
	printf '[127.0.0.1]:%s %s\n' "$(<"$dir/port")" "$(cut -d' ' -f1,2 "$dir/host_key.pub")" >talk_known
	fanout -F none -i "$RIG/user_key" --known-hosts talk_known -H "127.0.0.1:$(<"$dir/port")" 'stook cat in.csv --to csv' >got || status=$?
	sshd_stop "$RIG" talk
	cmp in.csv got
	find "$dir/home" -name '[0-9a-f]*' -type f | grep -q .
	rm -rf "$dir"
}

@test "a damaged program in the cache is replaced" {
	local f
	"${FAN[@]}" -H "${SSH_HOSTS[0]}" 'stook cat in.csv --to csv' | cmp - in.csv
	f=$(find "$RIG/1/home/.cache" -type f | head -n 1)
	[ -n "$f" ]
	printf 'x' | dd of="$f" bs=1 seek=100000 conv=notrunc status=none
	"${FAN[@]}" -H "${SSH_HOSTS[0]}" --report report.jsonl 'stook cat in.csv --to csv' | cmp - in.csv
	grep -q '"shipped":[1-9]' report.jsonl
	nothing_left
}

@test "Ctrl-C leaves no process and no file on any host" {
	rm -f out.csv
	setsid "${FAN[@]}" -H "$SSH_LIST" --shard-rows 20000 'stook join -k id many.csv many.csv | stook sort -k id -o out.csv' 2>err &
	local pid=$! status=0
	running
	kill -INT $pid
	wait $pid || status=$?
	[ "$status" = 130 ]
	[ ! -e out.csv ]
	nothing_left
}

@test "kill -9: what was left is gone, at the latest with the next run" {
	setsid "${FAN[@]}" -H "$SSH_LIST" --shard-rows 20000 'stook join -k id many.csv names.csv' >/dev/null 2>&1 || true
	setsid "${FAN[@]}" -H "$SSH_LIST" --shard-rows 20000 'stook map "x = id" many.csv | stook sort -k id' >/dev/null 2>err &
	local pid=$!
	running
	kill -9 $pid
	wait $pid || true
	sleep 2
	same "stook cat in.csv --to csv"
	nothing_left
}

@test "no secret on a command line, in a log or in a file" {
	[ -e locked ] || ssh-keygen -q -t ed25519 -N 'pass-phrase-marker' -f locked
	status=0
	fanout -F none -i locked -i "$RIG/user_key" --known-hosts "$RIG/known_hosts" -H "${SSH_HOSTS[0]}" --report report.jsonl 'stook cat in.csv --to csv' >got 2>err </dev/null || status=$?
	cmp in.csv got
	! grep -rq pass-phrase-marker err report.jsonl "$RIG" || return 1
}
