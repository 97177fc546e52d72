#!/usr/bin/perl
# The laws of stook cat --typed: CSV out of typed columns is the CSV that went in, whatever the values, the memory and the cut; and
# the types are those that a rule of thumb in Perl gives for each column. Usage: typed.pl CASES SEED, in an empty folder.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cases;

my ($cases, $seed) = @ARGV;
Cases::seed($seed);

sub digits { return join '', map { rnd(10) } 1 .. $_[0] }
sub whole { return rnd(4) ? 1 + rnd(9) . digits(rnd(5)) : '0' }

# Column kinds: what makes a value, and the type when nothing else is mixed in.
my %makers = (
	int => sub { pick('', '-') . (1 + rnd(9)) . digits(rnd(18)) },
	bool => sub { pick('true', 'false') },
	float => sub { pick('', '-') . whole() . '.' . digits(rnd(12)) . (1 + rnd(9)) },
	exponent => sub { (1 + rnd(9)) . '.' . (1 + rnd(9)) . 'e+' . (21 + rnd(200)) },
	decimal => sub { (1 + rnd(9)) . digits(rnd(20)) . '.' . digits(2) },
	date => sub { sprintf '%04d-%02d-%02d', rnd(10000), 1 + rnd(12), 1 + rnd(28) },
	instant => sub { sprintf '%04d-%02d-%02dT%02d:%02d:%02d%sZ', rnd(10000), 1 + rnd(12), 1 + rnd(28), rnd(24), rnd(60), rnd(60),
		pick('', '.' . digits(2) . '1', '.' . digits(5) . '1') },
	wall => sub { sprintf '%04d-%02d-%02dT%02d:%02d:%02d', 1970 + rnd(80), 1 + rnd(12), 1 + rnd(28), rnd(24), rnd(60), rnd(60) },
	zeros => sub { '0' . digits(1 + rnd(6)) },
	odd => sub { pick(qw(nan inf -inf NaN -0 0 -0.00 1. .5 +1 1e5 1E5 0x1F 1_000 TRUE true t yes 2015-1-2 2015-02-30 2015-01-02T24:00:00Z),
		'2015-01-02 03:04:05', '2015-01-02T03:04:05.1Z', '2015-01-02T03:04:05+01:00', '2015-01-02T03:04Z', '9223372036854775808',
		'-9223372036854775808', '12345678901234567890123456789012345678.1', '123456789012345678901234567890123456.12',
		'0.1e1', '1e22', '1e+21', '1e21', '9007199254740993.5', '0.30000000000000004', '0.3000000000000000', "\xc3\xa9", ' 1', '1 ',
		'""', '"a,b"', '+10000-01-01', '10000-01-01', '-0001-01-01', '-00001-01-01', '0000-00-00') },
);
my %simple = (bool => 'bool', date => 'date', instant => 'timestamp[us, UTC]', wall => 'timestamp[us]', zeros => 'text');
my $int_max = '9223372036854775807';

sub is_int {
	my ($v) = @_;
	return 0 unless $v =~ /^(?:0|-?[1-9][0-9]*)$/;
	(my $abs = $v) =~ s/^-//;
	return length $abs < 19 || (length $abs == 19 && $abs le ($v =~ /^-/ ? '9223372036854775808' : $int_max));
}

# The type of a pure column, or undef when the rule of thumb does not say.
sub expected {
	my ($kind, @v) = @_;
	@v = grep { $_ ne '' } @v;
	return 'text' unless @v;
	return $simple{$kind} if $simple{$kind};
	return 'int64' if $kind eq 'int' && !grep { !is_int($_) } @v;
	return undef;
}

for my $case (1 .. $cases) {
	my @kinds = map { pick(keys_sorted()) } 1 .. 1 + rnd(6);
	my $rows = pick(0, 1, 2, rnd(30), rnd(3000));
	my $nulls = pick(0, 0, 3, 1);
	my $mixed = rnd(3) == 0;
	my @columns = map { my $k = $_; [map { $nulls && rnd($nulls + 1) == 0 ? '' : $makers{$mixed && rnd(50) == 0 ? 'odd' : $k}->() } 1 .. $rows] } @kinds;
	my @names = map { "c$_" } 0 .. $#kinds;

	# one more column, so that no line is empty
	spew('in.csv', join(',', @names, 'end'), map { my $r = $_; join ',', (map { $_->[$r] } @columns), 'x' } 0 .. $rows - 1);
	my $in = slurp('in.csv');
	my $options = pick('', '-S 20k -T .', '-j 1', '-j 4');
	same("case $case: bytes $options", run("stook cat --typed $options in.csv --to csv"), $in);
	same("case $case: through a pipe", run('stook cat --typed in.csv | stook cat --to csv'), $in);
	my %type = map { /^(\S+) (.*)$/ } split /\n/, run("stook cat --typed $options in.csv --schema-out -");
	for my $i (0 .. $#kinds) {
		next if $mixed;
		my $want = expected($kinds[$i], @{ $columns[$i] }) // next;
		same("case $case: type of $kinds[$i]", $type{$names[$i]}, $want);
	}
	run('stook cat --typed in.csv --schema-out types -o typed.arrow');
	same("case $case: declared again", run('stook cat --schema types in.csv --to csv'), $in);
	same("case $case: the schema file again", run('stook cat typed.arrow --schema-out -'), slurp('types'));
}
sub keys_sorted { return sort keys %makers }
done();
