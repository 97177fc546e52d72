#!/usr/bin/perl
# stook sort against LC_ALL=C sort (text) and exact arithmetic in perl (numbers). Usage: sort.pl CASES SEED, in an empty folder.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cases;
use Math::BigFloat;

my ($cases, $seed) = @ARGV;
Cases::seed($seed);
$ENV{LC_ALL} = 'C';

sub body { my @l = split /^/, $_[0]; shift @l; return join '', @l }

# Of equal keys GNU sort keeps the first: the last is the first of the lines turned round.
sub gnu {
	my ($u, $keys) = @_;
	return ($u eq '-u last' ? 'tac' : 'cat') . ' body | sort -s ' . ($u ? '-u' : '') . " $keys ";
}

# Text keys: columns a,b,id without empty fields, any of the three as keys, each ascending or descending.
sub text_case {
	my $letters = pick('ab', 'abcXYZ019._-', "a \xc3\xa9 ~ \xe2\x82\xac");
	my @rows = map { join ',', word($letters, pick(2, 12)), word('ab', 3), $_ } 1 .. rnd(pick(5, 300));
	my (@k, @s);
	for my $col (grep { rnd(2) } 1 .. 3) {
		my $desc = rnd(2);
		push @k, (qw(a b id))[$col - 1] . ($desc ? ':desc' : '');
		push @s, "-k$col,$col" . ($desc ? 'r' : '');
	}
	my $key = @k ? '-k ' . join(',', @k) : '';
	my $gnu = @s ? "-t, @s" : '-t, -k1,1 -k2,2 -k3,3';
	my ($u, $n) = (pick('', '', '', '-u', '-u last'), rnd(2) ? '' : '-n ' . rnd(20));
	my $head = $n ? '| head ' . $n : '';
	spew('in.csv', 'a,b,id', @rows);
	spew('body', @rows);
	my $want = run(gnu($u, $gnu) . $head);
	same("sort $key $u $n", body(run("stook sort $key $u $n in.csv --to csv")), $want);
	my $how = '-j ' . pick(1, 2, 3, 8) . ' -S ' . pick(1, '1K', '64K', '1M');
	same("sort $key $u $n $how", body(run("stook sort $key $u $n $how in.csv --to csv")), $want) if @rows > 20;
	my $status = system('sort -cs ' . ($u ? '-u' : '') . " $gnu body 2>/dev/null") >> 8;
	run("stook sort --check $key $u in.csv", $status);
	merge_case($key, $gnu, $u, $n, $head, @rows);
}

# The parts sorted, then merged.
sub merge_case {
	my ($key, $gnu, $u, $n, $head, @rows) = @_;
	my (@parts, @names);
	push @{ $parts[rnd(4)] }, $_ for @rows;
	@parts = map { $_ // [] } @parts[0 .. 3];
	for my $i (0 .. 3) {
		spew("p$i.csv", 'a,b,id', @{ $parts[$i] });
		run("stook sort $key p$i.csv -o s$i." . pick(qw(csv arrow arrows)) . ' && touch -r p0.csv s*');
		push @names, glob("s$i.*");
	}
	spew('body', map { @$_ } @parts);
	same("sort --merge $key $u $n", body(run("stook sort --merge $key $u $n @names --to csv")), run(gnu($u, $gnu) . $head));
	unlink @names;
}

# Numbers as people write them, up to 40 digits, equal ones in several spellings. No exponent -0: Math::BigFloat compares it wrongly.
sub number {
	my $digits = pick(1, 1, 2, 5, 19, 20, 40);
	my $x = join '', map { rnd(10) } 1 .. $digits;
	substr($x, rnd($digits + 1), 0) = '.' if rnd(2);
	$x = "0$x" if $x =~ /^\./;
	$x .= pick('0', '00', '') if $x =~ /\..+/;
	$x =~ s/\.$//;
	$x .= pick('e', 'E') . pick('', '+', '-') . (1 + rnd(29)) unless rnd(4);
	return pick('', '', '-', '+') . $x;
}

sub number_case {
	my @seen;
	my @rows = map { my $x = @seen && !rnd(4) ? pick(@seen) : number(); push @seen, $x; [$x, $_] } 1 .. 1 + rnd(60);
	my $desc = rnd(2);
	my @order = sort { $desc ? $b->[2] <=> $a->[2] : $a->[2] <=> $b->[2] } map { [@$_, Math::BigFloat->new($_->[0])] } @rows;
	spew('in.csv', 'x,id', map { "$_->[0],$_->[1]" } @rows);
	my $key = '-k x:num' . ($desc ? ':desc' : '');
	same("sort $key", body(run("stook sort $key in.csv --to csv")), join '', map { "$_->[0],$_->[1]\n" } @order);
}

# Integers beyond 64 bits, and what GNU sort -n reads exactly.
sub integer_case {
	my @rows = map { pick('', '-') . (1 + rnd(9)) . join('', map { rnd(10) } 1 .. rnd(25)) . ",$_" } 1 .. 1 + rnd(200);
	spew('in.csv', 'x,id', @rows);
	spew('body', @rows);
	same('sort -k x:num', body(run('stook sort -k x:num in.csv --to csv')), run('sort -s -t, -k1,1n body'));
}

for (1 .. $cases) {
	text_case();
	number_case();
	integer_case();
}
done();
