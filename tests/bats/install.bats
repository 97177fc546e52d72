# What is installed works where it lies, and goes away again; the bundle needs nothing but itself.

top() { cd "$BATS_TEST_DIRNAME/../.." && pwd; }

@test "make install, run from there, make uninstall leaves nothing" {
	cd "$(top)"
	make --no-print-directory install DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr >"$BATS_TEST_TMPDIR/log" 2>&1
	root=$BATS_TEST_TMPDIR/root/usr
	cd "$BATS_TEST_TMPDIR"
	printf 'k,v\nb,1\na,2\n' >t.csv
	[ "$(env -i PATH=/bin:/usr/bin "$root/bin/stook" sort -k k t.csv --to csv | tail -n +2 | tr '\n' ' ')" = "a,2 b,1 " ]
	for tool in cat map sort join reduce split confusion-matrix take; do
		[ -x "$root/bin/stook-$tool" ]
		[ -s "$root/share/man/man1/stook-$tool.1" ]
		"$root/bin/stook-$tool" --help | grep -q '^Usage: stook '
	done
	python3 -m zipfile -c t.zip t.csv
	[ "$(env -i PATH=/bin:/usr/bin "$root/bin/stook" take -n 1 t.zip//t.csv --to csv | tail -n 1)" = b,1 ]
	mv "$root/bin/stook-get" "$root/libexec/stook" # where it may lie as well
	[ "$(env -i PATH=/bin:/usr/bin "$root/bin/stook" take -n 1 t.zip//t.csv --to csv | tail -n 1)" = b,1 ]
	mv "$root/libexec/stook/stook-get" "$root/bin"
	[ -s "$root/share/man/man1/stook-get.1" ]
	"$root/bin/fanout" --help | grep -q '^Usage: fanout '
	env -i PATH=/bin:/usr/bin "$root/bin/fanout" --workers 2 t.csv -- 'stook sort -k k -o sorted.csv'
	[ "$(tail -n +2 sorted.csv | tr '\n' ' ')" = "a,2 b,1 " ]
	[ -s "$root/share/bash-completion/completions/stook" ]
	cd "$(top)"
	make --no-print-directory uninstall DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr >>"$BATS_TEST_TMPDIR/log" 2>&1
	[ -z "$(find "$BATS_TEST_TMPDIR/root" -type f)" ]
}

@test "the bundle runs in an empty root" {
	[ "$(id -u)" = 0 ] || skip "chroot needs root"
	root=$BATS_TEST_TMPDIR/empty
	mkdir "$root"
	cp "$STOOK_BIN/../libexec/stook-bundle" "$root/stook"
	printf 'k,v\nb,1\na,2\n' >"$root/t.csv"
	[ "$(chroot "$root" /stook sort -k k /t.csv --to csv | tail -n +2 | tr '\n' ' ')" = "a,2 b,1 " ]
	[ "$(chroot "$root" /stook map 'where v ~ "2"' /t.csv --to jsonl)" = '{"k":"a","v":"2"}' ]
}

@test "only stook-get needs libraries for HTTP and archives" {
	for program in "$STOOK_BIN"/stook-*; do
		[ "${program##*/}" = stook-get ] || ! readelf -d "$program" | grep 'libcurl\|libarchive\|libcrypto'
	done
}

@test "the bundle is static and at most 4 MB" {
	bundle=$STOOK_BIN/../libexec/stook-bundle
	! readelf -d "$bundle" | grep -q NEEDED
	[ "$(stat -c %s "$bundle")" -le 4194304 ]
}

@test "programs are position independent, with full relro and a stack protector" {
	for program in "$STOOK_BIN"/*; do
		readelf -h "$program" | grep -q 'Type:.*DYN'
		readelf -d "$program" | grep -q 'BIND_NOW\|NOW'
		readelf -l "$program" | grep -q GNU_RELRO
	done
}

@test "manual pages are sound mdoc and completion is sound bash" {
	cd "$(top)"
	make --no-print-directory man completion >/dev/null
	for page in build/man/*.1 man/*.5; do
		mandoc -T lint -W warning "$page" | grep -v 'referenced manual not found' >"$BATS_TEST_TMPDIR/lint" || true
		[ ! -s "$BATS_TEST_TMPDIR/lint" ] || { head "$BATS_TEST_TMPDIR/lint"; false; }
	done
	bash -n build/completion/stook
	out=$(bash -c 'source build/completion/stook; COMP_WORDS=(stook sort --un); COMP_CWORD=2; _stook; echo "${COMPREPLY[@]}"')
	[ "$out" = --unique ]
}

@test "every option is in the tool's help and in its manual" {
	cd "$(top)"
	make --no-print-directory man >/dev/null
	for tool in cat map sort join reduce split confusion-matrix take; do
		for option in $("stook-$tool" --help | grep -o '^ *\(-., \)\?--[a-z-]*' | grep -o -- '--[a-z-]*'); do
			grep -q "Fl -${option#--}\b" "build/man/stook-$tool.1"
		done
	done
}
