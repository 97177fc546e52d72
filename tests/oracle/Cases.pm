# What the oracle scripts share: seeded random numbers, files, running commands, comparing.
package Cases;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(rnd pick spew slurp run same done word lines_of);

my ($count, $failed, $state) = (0, 0, 0);

# A generator of our own (perl's rand differs between builds): a linear congruential one, high bits used.
sub Cases::seed { $state = $_[0] & 0x7fffffff }

sub rnd {
	my ($n) = @_;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return int(($state >> 8) / (0x800000 / $n)) % $n;
}

sub pick { return $_[rnd(scalar @_)] }

# A word of 1 to $most letters; blanks separate the letters of a string that has any.
sub word {
	my ($letters, $most) = @_;
	my @l = $letters =~ / / ? split(/ /, $letters) : split(//, $letters);
	return join '', map { $l[rnd(scalar @l)] } 1 .. 1 + rnd($most);
}

sub spew {
	my ($file, @lines) = @_;
	open my $f, '>:raw', $file or die "$file: $!";
	print $f map { "$_\n" } @lines;
	close $f or die "$file: $!";
}

sub slurp {
	open my $f, '<:raw', $_[0] or die "$_[0]: $!";
	local $/;
	return scalar <$f> // '';
}

sub lines_of { return split /\n/, slurp($_[0]) }

# Runs a shell command; returns its stdout. Dies unless it ends with one of the wanted statuses.
sub run {
	my ($cmd, $want) = @_;
	my $out = `$cmd 2>err.txt`;
	my $got = $? >> 8;
	die "$cmd: status $got, not " . ($want // 0) . "\n" . slurp('err.txt') unless $got == ($want // 0) && !($? & 127);
	return $out;
}

sub same {
	my ($what, $got, $want) = @_;
	$count++;
	return if $got eq $want;
	$failed++;
	print "differs: $what\n--- got\n", substr($got, 0, 1500), "--- wanted\n", substr($want, 0, 1500) if $failed < 4;
}

sub done {
	print "$count cases, $failed differ\n";
	exit($failed ? 1 : 0);
}

1;
