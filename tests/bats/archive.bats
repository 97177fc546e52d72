# Members of archives as inputs: zip, tar and compressed tar, whole, cut at every place, and hostile.

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	mkdir inner
	printf 'a,b\n1,x\n2,y\n' >x.csv
	printf 'a,b\n3,z\n' >inner/z.csv
	printf '{"a":"4","b":"w"}\n' >inner/w.jsonl
	printf 'a,b\n1,x\n2,y\n3,z\n' >both.csv
}

make_all() {
	python3 -m zipfile -c t.zip x.csv inner
	tar cf t.tar x.csv inner
	tar czf t.tgz ./x.csv ./inner
	tar cJf t.tar.xz x.csv inner
	tar cjf t.tar.bz2 x.csv inner
	zstd -q t.tar
	lz4 -q t.tar t.tar.lz4
}

fails() { # STATUS TEXT NAME
	status=0
	stook cat "$3" -o none.csv 2>err || status=$?
	[ "$status" = "$1" ] || { echo "exit $status, not $1: $(cat err)"; false; }
	[ ! -e none.csv ]
	grep -q -- "$2" err || { cat err; false; }
	[ "$(wc -l <err)" = 1 ]
}

# python with an archive to build: z is a ZipFile, t a TarFile, add(NAME, BYTES, TYPE, LINK) adds to t.
zip_with() { python3 -c "import zipfile; z = zipfile.ZipFile('$1', 'w', zipfile.ZIP_DEFLATED)
$2
z.close()"; }
tar_with() { python3 -c "import tarfile, io; t = tarfile.open('$1', 'w', format=tarfile.PAX_FORMAT)
def add(name, data=b'', type=tarfile.REGTYPE, link=''):
    i = tarfile.TarInfo(name); i.type = type; i.linkname = link; i.size = len(data); t.addfile(i, io.BytesIO(data))
$2
t.close()"; }

@test "members, patterns and formats in every kind of archive" {
	make_all
	for a in t.zip t.tar t.tgz t.tar.xz t.tar.bz2 t.tar.zst t.tar.lz4; do
		stook cat "$a//x.csv" --to csv | cmp - x.csv
		stook cat "$a//inner/w.jsonl" --to csv | cmp - <(printf 'a,b\n4,w\n')
		stook cat "$a//*.csv" "$a//*/*.csv" --to csv | cmp - both.csv
		stook cat "$a//x.csv,$a//inner/z.csv" --to csv | cmp - both.csv
		stook take -n 1 "$a//x.csv" --to csv | cmp - <(printf 'a,b\n1,x\n')
		[ "$(stook map 'f = file()' "$a//inner/z.csv" --to csv | tail -n 1)" = "3,z,$a//inner/z.csv" ]
		fails 66 'the archive has no such member (it has .*x.csv' "$a//nothing.csv"
		fails 66 'no member of the archive matches this pattern (it has .*inner/z.csv' "$a//*.parquet"
	done
	[ "$(stook cat 't.*//x.csv' --to csv | wc -l)" = 15 ]
	fails 66 'no file matches' 'none*.zip//x.csv'
	fails 66 'cannot open: No such file' 'nothing.zip//x.csv'
	stook cat inner//z.csv --to csv | cmp - inner/z.csv # a folder: an ordinary slash
	stook cat 'inner//*.csv' --to csv | cmp - inner/z.csv
}

@test "members may be compressed themselves, large, empty, and of any name" {
	seq 1 300000 | awk 'BEGIN { print "n" } { print }' >big.csv
	gzip -k big.csv
	printf 'a,b\n' >none.csv2
	python3 -m zipfile -c t.zip big.csv big.csv.gz
	stook cat t.zip//big.csv --to csv | cmp - big.csv
	stook cat t.zip//big.csv.gz --to csv | cmp - big.csv
	zip_with names.zip "
for n in ['../up.csv', '/abs.csv', 'b[1].csv', 'ü b.csv', 'a//b.csv', 'x,y.csv', '*.csv']: z.writestr(n, 'a,b\n1,x\n')"
	tar_with names.tar "
for n in ['../up.csv', '/abs.csv', 'b[1].csv', 'ü b.csv', 'x,y.csv', 'l' * 300 + '.csv', '*.csv']: add(n, b'a,b\n1,x\n')"
	for name in ../up.csv /abs.csv 'b[1].csv' 'ü b.csv' 'x,y.csv' '*.csv'; do
		for a in names.zip names.tar; do
			stook cat "$a//$name" --to csv | cmp - <(printf 'a,b\n1,x\n')
		done
	done
	stook cat names.zip//a//b.csv --to csv | cmp - <(printf 'a,b\n1,x\n')
	stook cat "names.tar//$(printf 'l%.0s' $(seq 300)).csv" --to csv | cmp - <(printf 'a,b\n1,x\n')
	[ ! -e ../up.csv ] && [ ! -e /abs.csv ]
}

cut_everywhere() { # ARCHIVE STEP
	size=$(stat -c %s "$1")
	for ((at = 0; at < size; at += $2)); do
		head -c $at "$1" >cut
		for member in x.csv inner/z.csv '*.csv'; do
			status=0
			stook cat "cut//$member" -o none.csv 2>err || status=$?
			[[ $status = 65 || $status = 76 ]] && [ ! -e none.csv ] && continue
			echo "$1 cut at $at, $member: exit $status, $(cat err)"
			return 1
		done
	done
}

@test "a tar that is cut anywhere is damaged, whichever member is asked for" {
	tar -cf t.tar -b 1 x.csv inner/z.csv
	[ "$(stat -c %s t.tar)" = 3072 ]
	cut_everywhere t.tar 128
	for at in 1535 1536 1537 2047 2049 2559 2561 3071; do # data, padding, the end marker
		head -c $at t.tar >cut
		fails 76 'cut off' cut//x.csv
	done
}

@test "a compressed tar or a zip that is cut anywhere is damaged" {
	tar czf t.tgz -b 1 x.csv inner/z.csv
	python3 -m zipfile -c t.zip x.csv inner/z.csv
	cut_everywhere t.tgz 3
	cut_everywhere t.zip 3
}

@test "a flipped bit in a zip or a compressed tar is found, or changes nothing" {
	python3 -m zipfile -c t.zip x.csv inner/z.csv
	tar czf t.tgz -b 1 x.csv inner/z.csv
	for a in t.zip t.tgz; do
		rm -rf bad
		mkdir bad
		python3 -c "
d = open('$a', 'rb').read()
for i in range(0, len(d), 2):
    b = bytearray(d); b[i] ^= 1 << (i // 2 % 8); open(f'bad/{i}', 'wb').write(b)"
		for bad in bad/*; do
			status=0
			stook cat $bad//x.csv --to csv >got 2>err || status=$?
			[[ $status = 65 || $status = 66 || $status = 76 ]] || cmp got x.csv || { echo "$a, $bad: exit $status"; false; }
		done
	done
}

@test "checksum errors name the member" {
	python3 -m zipfile -c t.zip x.csv
	python3 -c "
d = bytearray(open('t.zip', 'rb').read()); d[30 + len('x.csv') + 5] ^= 4; open('t.zip', 'wb').write(d)"
	fails 65 't.zip//x.csv: this member is damaged: ' t.zip//x.csv
	zip_with s.zip "z.compression = zipfile.ZIP_STORED; z.writestr('x.csv', 'a,b\n1,x\n')"
	sed -i 's/1,x/1,y/' s.zip
	fails 65 's.zip//x.csv: this member is damaged: .*CRC' s.zip//x.csv
}

@test "only files are read: links, folders, devices and encrypted members are refused by name" {
	tar_with t.tar "
add('x.csv', b'a,b\n1,x\n'); add('soft.csv', type=tarfile.SYMTYPE, link='x.csv'); add('hard.csv', type=tarfile.LNKTYPE, link='x.csv')
add('fifo.csv', type=tarfile.FIFOTYPE); add('dir.csv', type=tarfile.DIRTYPE); add('dev.csv', type=tarfile.CHRTYPE)"
	fails 65 't.tar//soft.csv: this member is a link' t.tar//soft.csv
	fails 65 'is a link' t.tar//hard.csv
	fails 65 'is a special file' t.tar//fifo.csv
	fails 65 'is a special file' t.tar//dev.csv
	stook cat 't.tar//*.csv' --to csv | cmp - <(printf 'a,b\n1,x\n') # a pattern takes files
	zip_with e.zip "z.writestr('x.csv', 'a,b\n1,x\n')"
	python3 -c "
d = bytearray(open('e.zip', 'rb').read()); d[6] |= 1; d[d.index(b'PK\1\2') + 8] |= 1; open('e.zip', 'wb').write(d)"
	fails 65 'is encrypted' e.zip//x.csv
}

@test "two members of one name are an error, not a guess" {
	tar_with t.tar "add('x.csv', b'a,b\n1,x\n'); add('./x.csv', b'a,b\n2,y\n')"
	fails 65 'two members of this name' t.tar//x.csv
	fails 65 'two of the name' 't.tar//*.csv'
	python3 -W ignore -c "
import zipfile; z = zipfile.ZipFile('t.zip', 'w'); z.writestr('x.csv', 'a\n1\n'); z.writestr('x.csv', 'a\n2\n'); z.close()"
	fails 65 'two members of this name' t.zip//x.csv
}

@test "no control byte of a member's name reaches a terminal raw" {
	tar_with t.tar "add('\x1b[31mred\x1b[0m\n.csv', b'a,b\n1\n')"
	fails 66 'x1b' t.tar//nothing.csv
	! grep -q "$(printf '\033')" err || false
	fails 65 'x1b' 't.tar//*.csv'
	! grep -q "$(printf '\033')" err || false
}

@test "a bomb is refused, in little memory" {
	python3 -c "
import tarfile, sys
i = tarfile.TarInfo('x.csv'); i.size = 2 << 30
sys.stdout.buffer.write(i.tobuf())
for _ in range(2048): sys.stdout.buffer.write(bytes(1 << 20))
sys.stdout.buffer.write(bytes(1024))" | zstd -q >bomb.tar.zst
	[ "$(stat -c %s bomb.tar.zst)" -lt 100000 ]
	fails 65 'unpacks to more than 10000 times its size: refused' bomb.tar.zst//x.csv
	grep -q 'bomb.tar.zst//x.csv: ' err
	printf 'not an archive at all\n' >text
	fails 65 'no tar or zip archive' text//x.csv
	: >empty
	fails 65 'archive is empty' empty//x.csv
}

@test "with short reads and writes, interrupts and failed calls it is the same table or an error" {
	make_all
	shim=$STOOK_BIN/../faults.so
	[ -e "$shim" ] || skip "make units builds the shim"
	for a in t.zip t.tgz t.tar.zst; do
		FAULT=short:7 FAULT_MARK=$PWD/mark LD_PRELOAD=$shim stook-cat $a//x.csv --to csv >got
		cmp got x.csv
		[ -e mark ]
		for fault in read write; do
			for n in $(seq 1 12); do
				status=0
				rm -f mark
				FAULT=$fault:$n:EIO FAULT_MARK=$PWD/mark LD_PRELOAD=$shim stook-cat $a//x.csv --to csv >got 2>err || status=$?
				[ $status = 71 ] || [ $status = 74 ] || [ $status = 76 ] || { [ $status = 0 ] && cmp got x.csv; } || { cat err; echo "$fault $n: $status"; false; }
				[ $n != 1 ] || [ -e mark ]
			done
		done
	done
}

@test "whichever allocation fails, on either side, it is the same table or an error that says so" {
	make_all
	shim=$STOOK_BIN/../faults.so
	[ -e "$shim" ] || skip "make units builds the shim"
	for a in t.zip t.tgz; do
		for n in $(seq 1 60) $(seq 61 13 400); do
			for more in "" +; do
				status=0
				FAULT=malloc:$n$more LD_PRELOAD=$shim stook-cat $a//x.csv --to csv >got 2>err || status=$?
				[ $status -lt 128 ] || { echo "malloc $n$more: $status"; false; }
				[ $status = 0 ] || grep -q . err
				[ $status != 0 ] || cmp got x.csv
			done
		done
	done
}
