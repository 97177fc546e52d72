#!/usr/bin/perl
# stook join against SQLite: every kind, one or two keys, duplicates and nulls; in memory, on disk, sorted inputs merged; cardinality.
# Usage: join.pl CASES SEED, in an empty folder.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cases;

my ($cases, $seed) = @ARGV;
Cases::seed($seed);

my %sql = (
	inner => 'JOIN', left => 'LEFT JOIN', right => 'RIGHT JOIN', full => 'FULL JOIN',
);

# Rows of [k, g, id]; undef is null.
sub table {
	my ($n, $keys) = @_;
	return map { [rnd(6) ? $keys->() : undef, rnd(8) ? word('xy', 1) : undef, $_] } 1 .. $n;
}

sub csv { return map { join ',', map { $_ // '' } @$_ } @_ }

sub quoted { my ($v) = @_; return defined $v ? "'$v'" : 'NULL' }

sub inserts {
	my ($name, @rows) = @_;
	return map { "INSERT INTO $name VALUES(" . quoted($_->[0]) . ',' . quoted($_->[1]) . ",$_->[2]);" } @rows;
}

sub query {
	my ($kind, $on) = @_;
	return "SELECT l.k, l.g, l.id FROM l WHERE EXISTS (SELECT 1 FROM r WHERE $on) ORDER BY l.id" if $kind eq 'semi';
	return "SELECT l.k, l.g, l.id FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE $on) ORDER BY l.id" if $kind eq 'anti';
	return "SELECT KEYS, r.id FROM l $sql{$kind} r ON $on ORDER BY l.id IS NULL, l.id, r.id";
}

sub one_case {
	my $numeric = rnd(3) == 0;
	my $keys = $numeric ? sub { pick(qw(1 1.0 01 2 2.50 2.5 -0 0 3e0 3 1e2 100)) } : sub { word('ab', 2) };
	my @l = table(rnd(pick(3, 40)), $keys);
	my @r = table(rnd(pick(3, 40)), $keys);
	my $kind = pick(qw(inner left right full semi anti));
	my $two = rnd(2);
	my $rest = $kind eq 'right' || $kind eq 'full';
	my $reading = $numeric ? ':num' : '';
	my $eq = $numeric ? 'CAST(l.k AS NUMERIC) = CAST(r.k AS NUMERIC)' : 'l.k = r.k';
	my $on = $two ? "$eq AND l.g = r.g" : $eq;
	my $first = $rest ? 'CASE WHEN l.id IS NULL THEN r.k ELSE l.k END' : 'l.k';
	my $second = $two && $rest ? 'CASE WHEN l.id IS NULL THEN r.g ELSE l.g END' : 'l.g';
	my $sql = query($kind, $on);
	my $columns = "$first, $second, l.id" . ($two ? '' : ', r.g');
	$sql =~ s/KEYS/$columns/;
	spew('l.csv', 'k,g,id', csv(@l));
	spew('r.csv', 'kk,' . ($two ? 'gg' : 'g') . ',id', csv(@r));
	spew('q.sql', '.mode csv', '.headers off', 'CREATE TABLE l(k,g,id); CREATE TABLE r(k,g,id);', inserts('l', @l), inserts('r', @r), "$sql;");
	my $want = run('sqlite3 -batch :memory: <q.sql');
	$want =~ s/\r//g;
	my $key = "k=kk$reading" . ($two ? ',g=gg' : '');
	for my $memory ('', rnd(2) ? () : '-S 1', rnd(4) ? () : '-S 20k -j ' . pick(1, 2, 8)) {
		(my $lines = run("stook join $memory --$kind -k $key l.csv r.csv --to csv")) =~ s/^.*\n//;
		same("join $memory --$kind -k $key", $lines, $want);
		same("join $memory --$kind -k $key, column by column", run("stook join $memory --$kind -k $key l.csv r.csv --to csv --no-header-out"), $want)
			if rnd(2);
	}
	merge_case($kind, $key, $two, $reading) unless rnd(3);
	expect_case($kind, $key, $two, \@l, \@r) unless $numeric || rnd(2);
	return if $kind eq 'inner' || rnd(4);
	same("join --$kind, left from a pipe", run("stook cat l.csv | stook join --$kind -k $key - r.csv --to csv --no-header-out"), $want);
}

# Sorted streams, which say so and are merged, give what the same rows without a claim give.
sub merge_case {
	my ($kind, $key, $two, $reading) = @_;
	my $desc = pick('', ':desc');
	my $memory = pick('', '-S 1');
	my ($ls, $rs) = $two && rnd(2) ? ("g,k$reading$desc", "gg,kk$reading$desc") : ("k$reading$desc" . ($two ? ',g' : ''), "kk$reading$desc" . ($two ? ',gg' : ''));
	run("stook sort -k $ls l.csv -o ls.arrows; stook sort -k $rs r.csv -o rs.arrows; stook cat ls.arrows -o ls.csv; stook cat rs.arrows -o rs.csv");
	same("join $memory --$kind -k $key of sorted streams", run("stook join $memory --$kind -k $key ls.arrows rs.arrows --to csv"),
		run("stook join --$kind -k $key ls.csv rs.csv --to csv"));
}

# --expect: the first left row at fault, and what is said of it.
sub fault {
	my ($expect, $two, $l, $r) = @_;
	my %first;
	for my $x (@$l) {
		next if grep { !defined $x->[$_] } 0 .. $two;
		my @m = grep { my $y = $_; !grep { !defined $y->[$_] || $y->[$_] ne $x->[$_] } 0 .. $two } @$r;
		next unless @m;
		my $key = join ',', @$x[0 .. $two];
		return "r.csv:" . ($m[1][2] + 1) . ": key \"$key\" matches a second record of the right input, the first is line " . ($m[0][2] + 1)
			if $expect =~ /:1/ && @m > 1;
		return "l.csv:" . ($x->[2] + 1) . ": key \"$key\" matches a second record of the left input, the first is line $first{$key}"
			if $expect =~ /1:/ && $first{$key};
		$first{$key} = $x->[2] + 1;
	}
	return;
}

sub expect_case {
	my ($kind, $key, $two, $l, $r) = @_;
	my $expect = pick('1:1', '1:m', 'm:1');
	my $fault = fault($expect, $two, $l, $r);
	my $cmd = "stook join --expect $expect --$kind -k $key";
	my $want = $fault ? "stook-join: $fault; expected $expect\n" : '';
	for my $memory ('', '-S 1') {
		run("$cmd $memory l.csv r.csv --to csv >out.csv", $fault ? 65 : 0);
		same("$cmd $memory: the message", slurp('err.txt'), $want);
		rename 'out.csv', 'whole.csv' if $memory eq '';
	}
	same("$cmd: the rows before it, on disk", slurp('out.csv'), slurp('whole.csv'));
}

sub cross_case {
	my @l = table(rnd(30), sub { word('ab', 2) });
	my @r = table(rnd(30), sub { word('ab', 2) });
	spew('l.csv', 'k,g,id', csv(@l));
	spew('r.csv', 'rk,rg,rid', csv(@r));
	my $want = join '', map { my $x = $_; map { join(',', map { $_ // '' } @$x, @$_) . "\n" } @r } @l;
	same("join $_ --cross", run("stook join $_ --cross l.csv r.csv --to csv --no-header-out"), $want) for '', '-S 1';
}

# --any k,g=kk: either left field equals the right one, each pair once; the right field stays, left fields of right-only rows are null.
sub any_case {
	my @l = table(rnd(pick(3, 40)), sub { word('xy', 2) });
	my @r = table(rnd(pick(3, 40)), sub { word('xy', 2) });
	my $kind = pick(qw(inner left right full semi anti));
	my $sql = query($kind, '(l.k = r.k OR l.g = r.k)');
	$sql =~ s/KEYS/l.k, l.g, l.id, r.k/;
	spew('l.csv', 'k,g,id', csv(@l));
	spew('r.csv', 'kk,id', csv(map { [@$_[0, 2]] } @r));
	spew('q.sql', '.mode csv', '.headers off', 'CREATE TABLE l(k,g,id); CREATE TABLE r(k,g,id);', inserts('l', @l), inserts('r', @r), "$sql;");
	my $want = run('sqlite3 -batch :memory: <q.sql');
	$want =~ s/\r//g;
	same("join $_ --$kind --any", run("stook join $_ --$kind --any k,g=kk l.csv r.csv --to csv --no-header-out"), $want) for '', '-S 1';
}

for my $i (1 .. $cases) {
	one_case();
	any_case() if $i % 3 == 0;
	cross_case() if $i % 20 == 0;
}
done();
