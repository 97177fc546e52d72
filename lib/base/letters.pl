#!/usr/bin/perl
# Writes lib/base/letters_data.h: Unicode's simple case mappings and foldings (statuses C and S of CaseFolding.txt) and the code
# points of words, as ranges (see lib/base/letters.h).
#     perl lib/base/letters.pl > lib/base/letters_data.h
use strict;
use warnings;
use Unicode::UCD qw(charinfo casefold);

my (@lower, @upper, @fold, @word);

# Ranges of every step-th code point that maps to itself + delta: first, last, step, delta.
sub add {
	my ($r, $c, $to) = @_;
	return unless length $to;
	my $d = hex($to) - $c or return;
	my $l = $r->[-1];
	if ($l && $l->[3] == $d && $c - $l->[1] <= 2 && ($l->[0] == $l->[1] || $c - $l->[1] == $l->[2])) {
		$l->[2] = $c - $l->[1];
		$l->[1] = $c;
	} else {
		push @$r, [$c, $c, 1, $d];
	}
}

for my $c (0x80 .. 0x323af, 0xe0100 .. 0xe01ef) {
	next if $c >= 0xd800 && $c < 0xe000;
	if (chr($c) =~ /[\p{L}\p{M}\p{N}]/) {
		if (@word && $word[-1][1] == $c - 1) { $word[-1][1] = $c } else { push @word, [$c, $c] }
	}
	my $folded = casefold($c);
	add(\@fold, $c, $folded->{simple}) if $folded;
	next if $c > 0x1ffff || chr($c) !~ /[\p{L}\p{M}\p{N}\p{So}]/;
	my $i = charinfo($c) or next;
	add(\@lower, $c, $i->{lower});
	add(\@upper, $c, $i->{upper});
}
print "/* Letters of Unicode ", Unicode::UCD::UnicodeVersion(), ", written by lib/base/letters.pl: see letters.c. */\n";
for (["lower_ranges", \@lower], ["upper_ranges", \@upper], ["fold_ranges", \@fold]) {
	print "static const struct mapping $_->[0]\[] = {\n";
	printf "\t{ 0x%04x, 0x%04x, %d, %d },\n", @$_ for @{$_->[1]};
	print "};\n";
}
print "static const struct range word_ranges[] = {\n";
printf "\t{ 0x%04x, 0x%04x },\n", @$_ for @word;
print "};\n";
