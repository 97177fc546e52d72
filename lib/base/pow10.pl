#!/usr/bin/perl
# Writes lib/base/pow10.c: powers of ten as 128-bit fractions, rounded down (see lib/base/f64.h).
#     perl lib/base/pow10.pl > lib/base/pow10.c
use strict;
use warnings;
use Math::BigInt;

my ($min, $max) = (-342, 324);

# The top 128 bits of 10^k. For k < 0: of 2^n / 10^-k with n large enough for 128 bits of quotient.
sub top {
	my ($k) = @_;
	my $v = Math::BigInt->new(10)->bpow(abs $k);
	$v = Math::BigInt->new(1)->blsft(length($v->as_bin) + 130)->bdiv($v) if $k < 0;
	my $bits = length($v->as_bin) - 2;
	return $bits > 128 ? $v->brsft($bits - 128) : $v->blsft(128 - $bits);
}

print "/* Powers of ten from 1e$min to 1e$max, written by lib/base/pow10.pl: see f64.h. tests/unit/num.c checks them exactly. */\n";
print "#include \"lib/base/f64.h\"\n\nconst struct pow10 pow10_table[] = {\n";
for my $k ($min .. $max) {
	my $hex = substr(top($k)->as_hex, 2);
	print "\t{ 0x", substr($hex, 0, 16), ", 0x", substr($hex, 16), " },", ($k % 10 ? "" : " /* 1e$k */"), "\n";
}
print "};\n";
