# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
#
# words.pl LINES: makes a text, counts its words and pairs of words, and writes it anew: strings of every length, hashes
# of arrays, regular expressions. Prints one line that depends on every step.
use strict;
use warnings;

my $state = 20260;
sub chance {
    my ($below) = @_;
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return int($state / 65536) % $below;
}

my @syllables = qw(ka lo mi ne ru sa ti vo wu ze an el ir on us);

sub word {
    return join '', map { $syllables[chance(15)] } 0 .. chance(3);
}

my @lines = map { join ' ', map { word() } 0 .. 5 + chance(15) } 1 .. $ARGV[0];

my (%count, %follows);
for my $line (@lines) {
    my @words = split / /, $line;
    $count{$_}++ for @words;
    push @{ $follows{ $words[$_] } }, $words[$_ + 1] for 0 .. $#words - 1;
}

my $written = '';
for my $line (@lines) {
    (my $changed = $line) =~ s/(\w+)(?= )/$count{$1} > 50 ? uc $1 : "<$1>"/ge;
    $written .= ucfirst(reverse $changed) . ".\n";
}

my $pairs = 0;
for my $word (sort keys %follows) {
    my %seen = map { $_ => 1 } @{ $follows{$word} };
    $pairs += keys %seen;
}
my $most = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0];
printf "lines %d, words %d, pairs %d, most %s, written %d, check %d\n", scalar @lines, scalar keys %count, $pairs,
    $most, length $written, unpack '%32C*', $written;
