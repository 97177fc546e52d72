# Conditions instead of times: a machine that has other things to do is slow, not wrong.

wait_for() { # command...: until it succeeds; fails after a minute
	local _
	for _ in $(seq 600); do
		"$@" && return
		sleep 0.1
	done
	echo "a minute has passed without: $*"
	return 1
}
