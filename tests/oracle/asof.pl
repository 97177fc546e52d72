#!/usr/bin/perl
# stook join --asof against a search through all right rows. Usage: asof.pl CASES SEED, in an empty folder.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cases;

my ($cases, $seed) = @ARGV;
Cases::seed($seed);

# Rows of [group, time, id]; times are whole numbers here, undef is null.
sub table {
	my ($n, $groups, $span) = @_;
	return map { [rnd(12) ? word($groups, 1) : undef, rnd(10) ? rnd($span) : undef, $_] } 1 .. $n;
}

# A time of so many seconds as text, in one of several spellings; a number likewise.
sub time_text {
	my ($t) = @_;
	my $clock = sprintf '%02d:%02d:%02d', int($t / 3600), int($t / 60) % 60, $t % 60;
	return pick("2015-03-01T${clock}Z", "2015-03-01 $clock", "2015-03-01T$clock.000Z");
}

sub num_text {
	my ($t) = @_;
	return pick($t, "$t.0", sprintf('%de-1', $t * 10), "0$t");
}

sub csv {
	my ($print, @rows) = @_;
	return map { join ',', $_->[0] // '', defined $_->[1] ? $print->($_->[1]) : '', $_->[2] } @rows;
}

# The right row that goes with left row $x.
sub match {
	my ($x, $how, $tolerance, $keyed, @r) = @_;
	return unless defined $x->[1] && (!$keyed || defined $x->[0]);
	my ($before, $after);
	for my $y (grep { defined $_->[1] && (!$keyed || (defined $_->[0] && $_->[0] eq $x->[0])) } @r) {
		$before = $y if $y->[1] <= $x->[1] && (!$before || $y->[1] >= $before->[1]);
		$after = $y if $y->[1] >= $x->[1] && (!$after || $y->[1] < $after->[1]);
	}
	undef $before if defined $tolerance && $before && $x->[1] - $before->[1] > $tolerance;
	undef $after if defined $tolerance && $after && $after->[1] - $x->[1] > $tolerance;
	return $how eq 'backward' ? $before : $how eq 'forward' ? $after
		: !$before || ($after && $after->[1] - $x->[1] < $x->[1] - $before->[1]) ? $after : $before;
}

sub one_case {
	my ($keyed, $num, $span) = (rnd(3) > 0, rnd(2), pick(5, 200, 3000));
	my @l = table(rnd(pick(4, 60)), 'ab', $span);
	my @r = table(rnd(pick(4, 60)), 'abc', $span);
	my ($how, $kind) = (pick(qw(backward forward nearest)), pick(qw(inner left semi anti)));
	my $tolerance = rnd(2) ? rnd($span) : undef;
	my $print = $num ? \&num_text : \&time_text;
	spew('l.csv', 'g,t,id', csv($print, @l));
	spew('r.csv', 'gg,at,rid', csv($print, @r));
	my @want;
	for my $x (@l) {
		my $y = match($x, $how, $tolerance, $keyed, @r);
		next if $kind eq 'anti' ? $y : !$y && $kind ne 'left';
		push @want, join(',', $x->[2], $kind eq 'semi' || $kind eq 'anti' ? () : $y ? $y->[2] : '') . "\n";
	}
	my $asof = 't=at' . ($how eq 'backward' && rnd(2) ? '' : ":$how") . ($num ? ':num' : pick('', ':time')) .
		(defined $tolerance ? ",tolerance=$tolerance" . ($num ? '' : 's') : '');
	my $cmd = "stook join --$kind" . ($keyed ? ' -k g=gg' : '') . " --asof $asof";
	my $cut = "stook map 'keep " . ($kind eq 'semi' || $kind eq 'anti' ? 'id' : 'id, rid') . "' --to csv --no-header-out";
	same("$cmd $_", run("$cmd $_ l.csv r.csv | $cut"), join '', @want) for '', pick('', '-S 64k');
	return if rnd(4);
	my $on = ($num ? ':num' : ':time');
	run("stook sort -k " . ($keyed ? 'g,' : '') . "t$on l.csv -o ls.arrows; stook sort -k " . ($keyed ? 'gg,' : '') . "at$on r.csv -o rs.arrows");
	same("$cmd of sorted streams", run("$cmd ls.arrows rs.arrows | stook sort -k id:num | $cut"), join '', @want);
}

one_case() for 1 .. $cases;
done();
