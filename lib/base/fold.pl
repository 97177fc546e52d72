#!/usr/bin/perl
# Writes lib/base/fold.c: Unicode's simple case folding (statuses C and S of CaseFolding.txt) as ranges (see lib/base/fold.h).
#     perl lib/base/fold.pl > lib/base/fold.c
use strict;
use warnings;
use Unicode::UCD qw(casefold);

my @r;    # first, last, step, delta
for my $c (0x80 .. 0x1ffff) {
	next if $c >= 0xd800 && $c < 0xe000;
	my $f = casefold($c) or next;
	next if $f->{simple} eq "";
	my $d = hex($f->{simple}) - $c;
	next unless $d;
	my $l = $r[-1];
	if ($l && $l->[3] == $d && $c - $l->[1] <= 2 && ($l->[0] == $l->[1] || $c - $l->[1] == $l->[2])) {
		$l->[2] = $c - $l->[1];
		$l->[1] = $c;
	} else {
		push @r, [$c, $c, 1, $d];
	}
}
print "/* Simple case folding of Unicode ", Unicode::UCD::UnicodeVersion(), ", written by lib/base/fold.pl: see fold.h. */\n";
print "#include \"lib/base/fold.h\"\n\nconst struct fold_range fold_ranges[] = {\n";
printf "\t{ 0x%04x, 0x%04x, %d, %d },\n", @$_ for @r;
print "};\n\nconst int fold_range_count = sizeof fold_ranges / sizeof *fold_ranges;\n";
