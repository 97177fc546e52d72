#!/usr/bin/perl
# stook reduce against exact rational arithmetic in perl and against sqlite3; confusion-matrix against its formulas in rationals.
# Usage: reduce.pl CASES SEED, in an empty folder.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cases;
use Math::BigRat;
use Math::BigInt;

my ($cases, $seed) = @ARGV;
Cases::seed($seed);

sub decimal {
	my $digits = join '', map { rnd(10) } 1 .. 1 + rnd(pick(2, 5, 25));
	$digits =~ s/^0+(?=.)//;
	my $places = rnd(pick(1, 3, 12));
	my $text = $places ? $digits . '.' . join('', map { rnd(10) } 1 .. $places) : $digits;
	return (rnd(3) ? '' : '-') . $text;
}

sub rat { return Math::BigRat->new($_[0]) }

# The exact sum as text with the largest scale of its addends.
sub exact_sum {
	my ($scale, $sum) = (0, Math::BigRat->new(0));
	for (@_) {
		$scale = length $1 if /\.(\d+)/ && length $1 > $scale;
		$sum += rat($_);
	}
	my $int = Math::BigInt->new(($sum * Math::BigRat->new('1' . '0' x $scale))->bstr());
	my $text = $int->copy()->babs()->bstr();
	$text = '0' x ($scale + 1 - length $text) . $text if length $text <= $scale;
	substr($text, -$scale, 0) = '.' if $scale;
	return ($int->is_neg() ? '-' : '') . $text;
}

# Whether a printed double is nearest to an exact ratio: the ratio lies within half a unit in the last place.
sub nearest {
	my ($text, $exact) = @_;
	my $v = $text + 0;
	return $v == 0 if $exact->is_zero();
	my ($bits) = unpack 'Q', pack 'd', abs $v;
	my @next = map { unpack 'd', pack 'Q', $bits + $_ } -1, 1;
	my $x = double(abs $v);
	my $want = $exact->copy()->babs();
	my $error = ($want - $x)->babs();
	return 0 if ($v < 0) != $exact->is_neg();
	return !grep { ($want - double($_))->babs() < $error } @next;
}

# A positive double as an exact ratio.
sub double {
	my ($bits) = unpack 'Q', pack 'd', $_[0];
	my ($e, $m) = ($bits >> 52, $bits & ((1 << 52) - 1));
	$m += 1 << 52 if $e;
	$e = 1 unless $e;
	my $r = Math::BigRat->new("$m");
	my $two = Math::BigInt->new(2)->bpow(abs($e - 1075));
	return $e >= 1075 ? $r * Math::BigRat->new($two->bstr()) : $r / Math::BigRat->new($two->bstr());
}

sub sums_case {
	my (%values, @order);
	my @rows = map {
		my ($k, $v) = (word('abc', 2), rnd(8) ? decimal() : '');
		push @order, $k unless exists $values{$k};
		$values{$k} //= [];
		push @{ $values{$k} }, $v if length $v;
		"$k,$v";
	} 1 .. 1 + rnd(pick(5, 60));
	spew('in.csv', 'k,v', @rows);
	my (undef, @got) = split /\n/, run('stook reduce -g k -a n=count:v,sum:v,mean:v,min:v:num,max:v:num,var:v in.csv --to csv');
	same('groups in first-seen order', join(' ', map { /^([^,]*)/ } @got), join(' ', @order));
	for my $line (@got) {
		my ($k, $n, $sum, $mean, $min, $max, $var) = split /,/, $line, -1;
		my @v = @{ $values{$k} };
		same("count of $k", $n, scalar @v);
		next unless @v;
		same("sum of $k", $sum, exact_sum(@v));
		my $total = Math::BigRat->new(0);
		$total += rat($_) for @v;
		same("mean of @v is $mean: nearest", nearest($mean, $total / @v) ? 1 : 0, 1);
		my @sorted = sort { rat($a) <=> rat($b) } @v;
		same("min of $k", rat($min)->bstr(), rat($sorted[0])->bstr());
		same("max of $k", rat($max)->bstr(), rat($sorted[-1])->bstr());
		next if @v < 2;
		my $squares = Math::BigRat->new(0);
		$squares += (rat($_) - $total / @v)**2 for @v;
		same("variance of @v is $var: nearest", nearest($var, $squares / (@v - 1)) ? 1 : 0, 1);
	}
}

# Whether a printed double is nearest to the root of an exact ratio: that lies between the squares of the middles to its neighbours.
sub nearest_root {
	my ($text, $square) = @_;
	my $v = abs $text;
	return $square->is_zero() if $v == 0;
	my ($bits) = unpack 'Q', pack 'd', $v;
	my ($below, $above) = map { (double(unpack 'd', pack 'Q', $bits + $_) + double($v)) / 2 } -1, 1;
	return $below**2 <= $square && $square <= $above**2;
}

sub total { my $t = Math::BigRat->new(0); $t += $_ for @_; return $t }

# Two fields together, against rationals.
sub pairs_case {
	my (@x, @y, @rows);
	for (1 .. 1 + rnd(pick(4, 40))) {
		my ($x, $y) = (rnd(9) ? decimal() : '', rnd(9) ? decimal() : '');
		push @rows, "$x,$y";
		next unless length $x && length $y;
		push @x, rat($x);
		push @y, rat($y);
	}
	spew('in.csv', 'x,y', @rows);
	my (undef, $got) = split /\n/, run('stook reduce -a cov:x:y,corr:x:y,wmean:x:y in.csv --to csv');
	my ($cov, $corr, $wmean) = split /,/, $got // ',,', -1;
	my ($n, $sx, $sy) = (scalar @x, total(@x), total(@y));
	same('wmean', $wmean, '') if $sy->is_zero();
	same("wmean $wmean: nearest", nearest($wmean, total(map { $x[$_] * $y[$_] } 0 .. $#x) / $sy) ? 1 : 0, 1) unless $sy->is_zero();
	return same('fewer than two pairs', "$cov$corr", '') if $n < 2;
	my ($mx, $my) = ($sx / $n, $sy / $n);
	my $sxy = total(map { ($x[$_] - $mx) * ($y[$_] - $my) } 0 .. $#x);
	my ($sxx, $syy) = (total(map { ($_ - $mx)**2 } @x), total(map { ($_ - $my)**2 } @y));
	same("cov $cov: nearest", nearest($cov, $sxy / ($n - 1)) ? 1 : 0, 1);
	return same('a field that does not vary', $corr, '') if ($sxx * $syy)->is_zero();
	same("corr $corr: nearest", nearest_root($corr, $sxy**2 / ($sxx * $syy)) && ($corr < 0) == $sxy->is_neg() ? 1 : 0, 1);
}

# mode, histograms and estimated percentiles, counted here.
sub counts_case {
	my @v = map { rnd(3) ? rnd(30) : decimal() } 1 .. 1 + rnd(pick(5, 300));
	my (%n, %first, %bins);
	my $width = pick('1', '2.5', '10', '1000');
	for my $i (0 .. $#v) {
		my $key = rat($v[$i])->bstr();
		$first{$key} //= $i;
		$n{$key}++;
		$bins{ (rat($v[$i]) / rat($width))->bfloor()->bstr() }++;
	}
	spew('in.csv', 'v', @v);
	my ($mode) = sort { $n{$b} <=> $n{$a} || $first{$a} <=> $first{$b} } keys %n;
	my $got = run("stook reduce -a mode:v:num,p10~:v,p50~:v,p99~:v,hist:v in.csv --to jsonl");
	my ($value, $p10, $p50, $p99, $hist) =
		$got =~ /^\{"mode_v":"?([^",]*)"?,"p10~_v":([^,]*),"p50~_v":([^,]*),"p99~_v":([^,]*),"hist_v":(.*)\}$/;
	same('mode', $value, $v[ $first{$mode} ]);
	my @sorted = sort { $a <=> $b } map { rat($_) } @v;
	for ([ $p10, 10 ], [ $p50, 50 ], [ $p99, 99 ]) {
		my $exact = $sorted[ int($#sorted * $_->[1] / 100) ];
		my $off = (rat($_->[0]) - $exact)->babs();
		same("p$_->[1]~ $_->[0] of $exact", $off <= $exact->copy()->babs() * rat('0.004') ? 1 : 0, 1);
	}
	hist_case($hist, \@sorted);
	my $want = join ' ', map { $_ . ':' . $bins{$_} } sort { Math::BigInt->new($a) <=> Math::BigInt->new($b) } keys %bins;
	my $fixed = eval { run("stook reduce -a hist:v:$width in.csv --to jsonl") } // return;
	my @got;
	push @got, [ $1, $2 ] while $fixed =~ /"from":([^,]*),"to":[^,]*,"n":([1-9]\d*)/g;
	same("bins of $width", join(' ', map { (rat($_->[0]) / rat($width))->bstr() . ":$_->[1]" } @got), $want);
}

# Bins lie side by side, at most 20 of them, of a round width, and hold what lies between their edges.
sub hist_case {
	my ($hist, $sorted) = @_;
	my ($n, $end) = (0);
	while ($hist =~ /\{"from":([^,]*),"to":([^,]*),"n":(\d+)\}/g) {
		my ($count, $what) = ($3, "from $1 to $2");
		my ($from, $to) = (rat($1), rat($2));
		same('bins lie side by side', $from->bstr(), $end->bstr()) if defined $end;
		same("width $what", ($to - $from)->bstr() =~ m{^(?:1/)?[125]0*$} ? 1 : 0, 1);
		same("values $what", $count, scalar grep { $_ >= $from && $_ < $to } @$sorted);
		$n++;
		$end = $to;
	}
	same("$n bins", $n >= 1 && $n <= 20 ? 1 : 0, 1);
}

# Integers and text, as sqlite3 has them.
sub sqlite_case {
	my @rows = map { join ',', word('xyz', 2), rnd(1000) - 500, word('ab', 4) } 1 .. 1 + rnd(200);
	spew('in.csv', 'k,v,w', @rows);
	my $want = run(q{sqlite3 -csv :memory: '.import in.csv t' 'select k, count(*), sum(cast(v as int)), min(cast(v as int)),
		max(cast(v as int)), count(distinct w), min(w), max(w) from t group by k order by k'});
	$want =~ s/\r//g;
	same('sqlite3', run('stook reduce -g k --sorted -a count,sum:v,min:v:num,max:v:num,distinct:w,min:w:text,max:w:text in.csv --to csv '
		. '--no-header-out'), $want);
}

sub matrix_case {
	my %n;
	my @rows = map { my ($t, $p) = (word('ab', 2), word('ab', 2)); $n{$t}{$p}++; "$t,$p" } 1 .. 1 + rnd(pick(4, 80));
	spew('in.csv', 't,p', @rows);
	my (undef, @got) = split /\n/, run('stook confusion-matrix --true t --pred p in.csv --to csv -q');
	for (@got) {
		my ($l, $precision, $recall, $f1, $support, $predicted, $correct, $specificity) = split /,/, $_, -1;
		my ($tp, $s, $p) = ($n{$l}{$l} // 0, 0, 0);
		$s += $_ for values %{ $n{$l} // {} };
		$p += $n{$_}{$l} // 0 for keys %n;
		same("counts of $l", "$support $predicted $correct", "$s $p $tp");
		same("precision of $l", $precision, $p ? ratio($precision, $tp, $p) : '');
		same("recall of $l", $recall, $s ? ratio($recall, $tp, $s) : '');
		my $all = @rows;
		same("specificity of $l", $specificity, $all > $s ? ratio($specificity, $all - $s - $p + $tp, $all - $s) : '');
		same("f1 of $l", $f1, ratio($f1, 2 * $tp, $s + $p));
	}
	overall_case(\@rows, \%n);
}

# Accuracy and kappa of the same pairs.
sub overall_case {
	my ($rows, $n) = @_;
	my ($all, $right, $sp) = (scalar @$rows, 0, 0);
	my (%s, %p);
	for my $t (keys %$n) {
		for my $p (keys %{ $n->{$t} }) {
			my $c = $n->{$t}{$p};
			$s{$t} += $c;
			$p{$p} += $c;
			$right += $c if $t eq $p;
		}
	}
	$sp += $s{$_} * ($p{$_} // 0) for keys %s;
	my (undef, $macro) = split /\n/, run('stook confusion-matrix --true t --pred p in.csv --report summary --to csv -q');
	my (undef, undef, undef, undef, $accuracy, $support, undef, $kappa) = split /,/, $macro, -1;
	same('accuracy', $accuracy, ratio($accuracy, $right, $all));
	same('kappa', $kappa, $all * $all == $sp ? '' : ratio($kappa, $all * $right - $sp, $all * $all - $sp));
}

# The text itself when it is nearest to a / b, else the ratio to show the difference.
sub ratio {
	my ($text, $a, $b) = @_;
	return length $text && nearest($text, Math::BigRat->new("$a/$b")) ? $text : "$a/$b";
}

for (1 .. $cases) {
	sums_case();
	pairs_case();
	counts_case();
	sqlite_case();
	matrix_case();
}
done();
