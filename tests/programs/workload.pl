# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
# Hashes, regular expressions, sorting, closures, large strings and references: what perl asks of a malloc.
use strict;
use warnings;

my $state = 12345;
sub below { my $n = shift; $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $n; }

sub words {
    my @words;
    push @words, join('', map { chr(97 + below(26)) } 1 .. 1 + below(12)) for 1 .. shift;
    return @words;
}

my %count;
$count{$_}++ for words(50000);
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 19];
print "$_ $count{$_}\n" for @top;

my $text = join(' ', words(30000));
my $vowels = () = $text =~ /[aeiou]{2,}/g;
(my $swapped = $text) =~ s/(\w+) (\w+)/$2 $1/g;
print "vowel runs $vowels, length ", length($swapped), ", sum ", unpack('%32C*', $swapped), "\n";

my %tree;
for my $word (words(20000)) {
    my $node = \%tree;
    $node = $node->{$_} //= {} for split //, $word;
    $node->{end}++;
}
sub leaves { my $n = shift; my $sum = 0; $sum += ref $n->{$_} ? leaves($n->{$_}) : $n->{$_} for keys %$n; return $sum; }
print "leaves ", leaves(\%tree), "\n";

my @closures = map { my $n = $_; sub { $n += shift } } 1 .. 20000;
my $total = 0;
$total += $_->(3) for @closures;
print "closures $total\n";

my $string = '';
$string .= 'x' x below(1000) for 1 .. 4000;
substr($string, below(length $string), 100, 'y' x below(300)) for 1 .. 300;
print "string ", length($string), " ", ($string =~ tr/y//), "\n";

my @sorted = sort { $a->[1] <=> $b->[1] || $a->[0] <=> $b->[0] } map { [$_, below(1000)] } 1 .. 30000;
print "sorted $sorted[0][0] $sorted[15000][0] $sorted[-1][0]\n";

for my $child (1 .. 10) {
    my $pid = fork() // die;
    if (!$pid) { my @copy = words(500 * $child); exit(@copy % 251); }
    waitpid($pid, 0);
    print "child $child ", $? >> 8, "\n";
}
