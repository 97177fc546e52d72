# Throw-away SSH servers for the tests: each with a key, a port and a home folder of its own, on loopback.
#   sshds_start DIR N       starts N; fills SSH_HOSTS (127.0.0.1:PORT ...), writes DIR/known_hosts and DIR/user_key
#   sshd_stop DIR I         stops server I and the sessions that it has
#   sshds_stop DIR          stops them all
# Needs wait.bash. Servers are found again by the process ids that they wrote, so any test or teardown can stop them.

sshd_missing() { # prints why servers cannot run here, if they cannot
	[ -x /usr/sbin/sshd ] || { echo "no sshd here"; return; }
	command -v ssh-keygen >/dev/null || { echo "no ssh-keygen here"; return; }
	[ -x "$STOOK_BIN/../libexec/stook-bundle" ] || [ -x "$STOOK_BIN/../libexec/stook/stook-bundle" ] || echo "no bundle to ship in this build"
}

sshd_config() { # dir port
	cat <<-END
	ListenAddress 127.0.0.1:$2
	HostKey $1/host_key
	PidFile $1/pid
	AuthorizedKeysFile $1/authorized_keys
	StrictModes no
	UsePAM no
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	MaxStartups 50
	PrintMotd no
	LogLevel VERBOSE
	SetEnv HOME=$1/home TMPDIR=$1/tmp
	END
}

sshd_start() { # dir: tries ports until one is free
	local dir=$1 port try
	for try in $(seq 1 30); do
		port=$((10000 + RANDOM % 20000)) # below those that the system gives to whoever connects
		sshd_config "$dir" "$port" >"$dir/config"
		rm -f "$dir/pid"
		# setsid: a group of its own, so that its sessions can be stopped with it
		setsid /usr/sbin/sshd -D -f "$dir/config" -E "$dir/log" </dev/null >/dev/null 2>&1 3>&- 4>&- &
		disown
		for _ in $(seq 1 600); do
			[ -s "$dir/pid" ] && break
			kill -0 $! 2>/dev/null || break
			sleep 0.1
		done
		if [ -s "$dir/pid" ]; then
			echo "$port" >"$dir/port"
			return 0
		fi
	done
	echo "sshd does not start:" >&2
	tail -n 3 "$dir/log" >&2
	return 1
}

sshds_start() { # dir n
	local base=$1 n=$2 i dir
	[ "$(id -u)" = 0 ] && mkdir -p /run/sshd
	mkdir -p "$base"
	ssh-keygen -q -t ed25519 -N '' -C test -f "$base/user_key" </dev/null
	: >"$base/known_hosts"
	SSH_HOSTS=()
	for i in $(seq 1 "$n"); do
		dir=$base/$i
		mkdir -p "$dir/home" "$dir/tmp"
		ssh-keygen -q -t ed25519 -N '' -C host -f "$dir/host_key" </dev/null
		cp "$base/user_key.pub" "$dir/authorized_keys"
		sshd_start "$dir" || return 1
		printf '[127.0.0.1]:%s %s\n' "$(<"$dir/port")" "$(cut -d' ' -f1,2 "$dir/host_key.pub")" >>"$base/known_hosts"
	done
	sshds_hosts "$base"
}

sshds_hosts() { # dir: fills SSH_HOSTS again, in another test of the file
	local port
	SSH_HOSTS=()
	for port in "$1"/[0-9]*/port; do
		SSH_HOSTS+=("127.0.0.1:$(<"$port")")
	done
	SSH_LIST=$(IFS=,; echo "${SSH_HOSTS[*]}")
}

children_of() { # pid...: they and all below them
	ps -eo pid=,ppid= | awk -v roots="$*" '
		{ up[$1] = $2 }
		END {
			n = split(roots, r, " ")
			for (i = 1; i <= n; i++) mine[r[i]] = 1
			for (p in up) for (q = p; q > 1; q = up[q]) if (q in mine) { print p; break }
		}'
}

sshd_stop() { # dir i
	local pid
	[ -s "$1/$2/pid" ] || return 0
	pid=$(<"$1/$2/pid")
	[ "$(ps -o comm= -p "$pid")" = sshd ] && kill -9 $(children_of "$pid") 2>/dev/null
	rm -f "$1/$2/pid"
	return 0
}

# Cuts the connections of server i as a crash of the machine would: server and sessions go, what they had started stays.
sshd_crash() { # dir i
	local pids
	pids=$(children_of "$(<"$1/$2/pid")")
	pids=$(ps -o pid=,comm= -p "${pids//$'\n'/,}" | awk '$2 == "sshd" { print $1 }')
	kill -9 $pids
	rm -f "$1/$2/pid"
	return 0
}

sshds_stop() { # dir
	local dir
	for dir in "$1"/[0-9]*; do
		sshd_stop "$1" "${dir##*/}"
	done
}

sshd_again() { # dir: the same server under the same port
	rm -f "$1/pid"
	setsid /usr/sbin/sshd -D -f "$1/config" -E "$1/log" </dev/null >/dev/null 2>&1 3>&- 4>&- &
	disown
	wait_for test -s "$1/pid"
}
