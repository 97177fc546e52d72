#!/usr/bin/perl
# Every mode of stook split is a partition of its input; placement depends on key and seed only. stook take against head, tail and
# awk. Usage: split.pl CASES SEED, in an empty folder.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cases;

my ($cases, $seed) = @ARGV;
Cases::seed($seed);

sub body { my @l = split /\n/, $_[0]; shift @l; return @l }

sub table { return map { join ',', "u" . rnd(30), pick('', 'a/b', '.hid', 'x y', "\xc3\xa9", 'plain', '""', 'PLAIN'), $_ } 1 .. $_[0] }

# Runs split into out/, returns part name -> its rows.
sub split_into {
	my ($options, $format) = @_;
	system('rm -rf out && mkdir out') == 0 or die;
	run("stook split $options --out 'out/part-{}.$format' in.csv");
	my %parts;
	for my $file (glob 'out/*') {
		my ($name) = $file =~ m{^out/part-(.*)\.\Q$format\E$} or die "strange file $file";
		$parts{$name} = [body(run("stook cat '$file' --to csv"))];
	}
	return %parts;
}

# Every row once, order kept within a part.
sub partition {
	my ($what, $rows, %parts) = @_;
	my $id = sub { (split /,/, $_[0])[2] };
	my $ordered = 1;
	for my $p (values %parts) {
		$ordered &&= $id->($p->[$_ - 1]) < $id->($p->[$_]) for 1 .. $#$p;
	}
	same("$what: order", $ordered ? 'kept' : 'lost', 'kept');
	same("$what: rows", join("\n", sort map { @$_ } values %parts), join("\n", sort @$rows));
}

sub users_in { my %u; $u{ (split /,/, $_)[0] }++ for @{ $_[0] }; return join ' ', sort keys %u }

sub split_case {
	my @rows = table(rnd(pick(4, 400)));
	my $format = pick(qw(csv arrow arrows jsonl csv.zst csv.gz));
	$format = 'csv' if !@rows; # a JSON Lines file without a line has no columns to read
	$format = 'arrow' if $format eq 'jsonl'; # absent and empty: JSON has other rules for nulls
	my $n = 1 + rnd(20);
	spew('in.csv', 'user,tag,id', @rows);

	bytes_case(60 + rnd(500), \@rows);
	sample_case(\@rows);
	command_case(\@rows);
	my %parts = split_into("-n $n", $format);
	partition("split -n $n", \@rows, %parts);
	same("split -n $n: parts", scalar(keys %parts), $n);

	%parts = split_into("-n $n --by user", $format);
	partition("split -n $n --by user", \@rows, %parts);
	same("split -n $n --by user: parts", scalar(keys %parts), $n);
	my %users = map { $_ => users_in($parts{$_}) } keys %parts;
	spew('in.csv', 'user,tag,id', reverse @rows);
	my %again = split_into("-n $n --by user", $format);
	same('split --by: the order does not matter', join(';', map { users_in($again{$_}) } sort keys %parts),
		join(';', map { $users{$_} } sort keys %parts));
	spew('in.csv', 'user,tag,id', @rows);

	%parts = split_into("--rows $n", $format);
	partition("split --rows $n", \@rows, %parts);
	my $want = '';
	for (my $i = 0; $i < @rows; $i += $n) {
		my $last = $i + $n - 1 < $#rows ? $i + $n - 1 : $#rows;
		$want .= sprintf("%05d:%s\n", $i / $n, join ' ', @rows[$i .. $last]);
	}
	same("split --rows $n: cuts", join('', map { "$_:" . join(' ', @{ $parts{$_} }) . "\n" } sort keys %parts), $want);

	%parts = split_into('--weights train=0.8,test=0.2,none=0 --by user --seed ' . rnd(100), $format);
	partition('split --weights --by', \@rows, %parts);
	same('split --weights: parts', join(' ', sort keys %parts), 'none test train');
	same('split --weights: weight 0', scalar @{ $parts{none} }, 0);
	my %both = map { $_ => 1 } split / /, users_in($parts{train});
	same('split --weights --by: disjoint', join(' ', grep { $both{$_} } split / /, users_in($parts{test})), '');

	%parts = split_into('--value tag', $format);
	partition('split --value', \@rows, %parts);
	my %names = ('' => '%null', '""' => '%empty', 'a/b' => 'a%2Fb', '.hid' => '%2Ehid', 'x y' => 'x%20y');
	my %want;
	push @{ $want{ $names{$_->[1]} // $_->[1] } }, join ',', @{$_} for map { [split /,/, $_] } @rows;
	same('split --value: parts', join(';', map { "$_=@{$parts{$_}}" } sort keys %parts), join(';', map { "$_=@{$want{$_}}" } sort keys %want));
}

# Cuts by bytes: as many records as fit, no file longer than asked for.
sub bytes_case {
	my ($size, $rows) = @_;
	my %parts = split_into("--bytes $size", 'csv');
	partition('split --bytes', $rows, %parts);
	my ($used, @want) = (0);
	for my $row (@$rows) {
		my $n = 1 + length $row;
		(push(@want, ''), $used = length("user,tag,id\n")) if !@want || $used + $n > $size;
		$want[-1] .= "$row\n";
		$used += $n;
	}
	same('split --bytes: cuts', join('|', map { join '', map { "$_\n" } @{ $parts{$_} } } sort keys %parts), join('|', @want));
}

# Samples: exact numbers, of each class if asked; the choice depends on the seed alone.
sub sample_case {
	my ($rows) = @_;
	my ($n, $percent, $seed) = (rnd(30), pick(0, 1, 10, 33.3, 50, 80, 100), rnd(100));
	my %class;
	$class{ (split /,/, $_)[0] }++ for @$rows;
	my %parts = split_into("--sample $n --seed $seed", 'csv');
	partition('split --sample N', $rows, %parts);
	same('split --sample N: exact', scalar @{ $parts{sample} }, $n < @$rows ? $n : scalar @$rows);
	my %again = split_into("--sample $n --seed $seed -j 1 " . pick('-S 1M', '-S 1'), 'csv');
	same('split --sample N: again', "@{$again{sample}}", "@{$parts{sample}}");
	for my $how ($n, "$percent%") {
		%parts = split_into("--sample $how -g user --seed $seed " . pick('', '-S 1'), 'csv');
		partition("split --sample $how -g", $rows, %parts);
		my %got;
		$got{ (split /,/, $_)[0] }++ for @{ $parts{sample} };
		for my $c (sort keys %class) {
			my ($got, $of) = ($got{$c} // 0, $class{$c});
			my $good = $how =~ /%/ ? abs($got - $of * $percent / 100) < 1 + 1e-9 : $got == ($n < $of ? $n : $of);
			same("split --sample $how -g", $good ? 'fair' : "$got of $of", 'fair');
		}
	}
}

# Commands get what files would hold; the manifest tells the truth about both.
sub command_case {
	my ($rows) = @_;
	my %parts = split_into('--value tag --manifest manifest', 'csv');
	partition('split --value with few descriptors', $rows, split_into("--value tag -S 1k", 'csv'));
	my %sum;
	%parts = split_into('--value tag --manifest manifest', 'csv');
	%sum = map { /^(\S+)  (.*)/ ? ($2 => $1) : () } split /\n/, %parts ? run('xxh128sum out/part-*') : '';
	my @told = split /\n/, run("jq -r '.parts[] | [.file, .rows, .bytes, .xxh128] | \@tsv' manifest");
	my @true = map { join "\t", "out/part-$_.csv", scalar @{ $parts{$_} }, -s "out/part-$_.csv", $sum{"out/part-$_.csv"} } keys %parts;
	same('split --manifest', join("\n", sort @told), join("\n", sort @true));
	system('rm -rf cmd && mkdir cmd') == 0 or die;
	run("stook split --value tag --to-cmd 'cat > cmd/part-{}.csv' in.csv");
	same('split --to-cmd', run('cat cmd/* 2>/dev/null; ls cmd'), run('cat out/* 2>/dev/null; ls out'));
}

# 20,000 keys: shares within five standard deviations; another seed, another choice.
sub fairness {
	spew('in.csv', 'user,tag,id', map { "user$_,t,$_" } 1 .. 20000);
	my %seven = split_into('--weights train=8,test=2 --by user --seed 7', 'csv');
	my %eight = split_into('--weights train=8,test=2 --by user --seed 8', 'csv');
	my $n = @{ $seven{test} };
	same('split --weights: shares', abs($n - 4000) < 283 ? 'fair' : "unfair: $n", 'fair');
	my %in = map { $_ => 1 } @{ $seven{test} };
	my $both = grep { $in{$_} } @{ $eight{test} };
	same('split --weights: seeds', abs($both - 800) < 150 ? 'independent' : "dependent: $both", 'independent');
	my %plain = split_into('--weights train=8,test=2 --seed 7', 'csv');
	same('split --weights without --by: shares', abs(@{ $plain{test} } - 4000) < 283 ? 'fair' : 'unfair', 'fair');
	my %parts = split_into('-n 16 --by user', 'csv');
	my @odd = grep { abs(@{ $parts{$_} } - 1250) > 175 } keys %parts;
	same('split -n 16 --by: shares', "@odd", '');
}

sub take_case {
	my @rows = table(rnd(pick(4, 300)));
	my ($n, $skip, $every) = (rnd(40), rnd(60), 1 + rnd(7));
	spew('in.csv', 'user,tag,id', @rows);
	spew('body', @rows);
	my %want = (
		"-n $n" => "head -n $n body",
		"--last $n" => "tail -n $n body",
		"--skip $skip" => "tail -n +" . ($skip + 1) . ' body',
		"--skip $skip -n $n" => "tail -n +" . ($skip + 1) . " body | head -n $n",
		"--rows .." . ($n + 1) => "head -n " . ($n + 1) . " body",
		'--rows ' . ($skip + 1) . '..' . ($skip + $n + 1) => 'sed -n ' . ($skip + 1) . ',' . ($skip + $n + 1) . 'p body',
		'--rows ' . ($skip + 1) . '..' => 'tail -n +' . ($skip + 1) . ' body',
		"--every $every" => "awk 'NR % $every == 1 % $every' body",
		"--skip $skip --every $every -n $n" => "awk 'NR > $skip && (NR - $skip) % $every == 1 % $every' body | head -n $n",
		"-g user -n $n" => "awk -F, 'seen[\$1]++ < $n' body",
		"-g user,tag -n 1" => "awk -F, '!seen[\$1,\$2]++' body",
	);
	for my $options (sort keys %want) {
		my $memory = pick('', '-S 1', '-S 10K', '-S 1M -j 3');
		same("take $options $memory", run("stook take $options $memory in.csv --to csv --no-header-out"), run($want{$options}));
	}
	my @sample = split /\n/, run("stook take --sample $n --seed $skip " . pick('', '-S 1') . ' in.csv --to csv --no-header-out');
	my %in = map { $_ => 1 } @sample;
	same('take --sample: in order', join("\n", @sample), join("\n", grep { $in{$_} } @rows));
	same('take --sample: so many', scalar @sample, $n < @rows ? $n : scalar @rows);
}

for (1 .. $cases) {
	split_case();
	take_case() for 1 .. 2;
}
fairness();
done();
