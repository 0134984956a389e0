#!/usr/bin/perl
# prove.pl JOBS FILE...
#
# Runs TAP tests as prove does and ends with the exact sum, "tap: N passed, N failed". A file that
# dies, plans wrongly or runs nothing counts as one more failure.
use strict;
use warnings;

use TAP::Harness;

my ($jobs, @files) = @ARGV;

# Long runners first, so that none is left alone at the end: the size of a file is a fair guess.
@files = sort { -s $b <=> -s $a } @files if $jobs > 1;

my $harness = TAP::Harness->new({
	jobs => $jobs,
	timer => 1,
	failures => 1,
	lib => [split /:/, $ENV{PERL5LIB} // ''],
});
my $aggregate = $harness->runtests(@files);
my $failed = $aggregate->failed;

for my $name ($aggregate->descriptions)
{
	my ($parser) = $aggregate->parsers($name);
	my $broken = $parser->parse_errors || $parser->exit || $parser->wait;
	my $nothing = !$parser->tests_run && !$parser->skip_all;

	# A test that failed makes the exit status non-zero too: not counted twice.
	$failed++ if $nothing || ($broken && !$parser->failed);
	printf "tap: %s did not end well\n", $name if $nothing || $broken;
}
printf "tap: %d passed, %d failed, %d skipped\n", scalar $aggregate->passed, $failed,
  scalar $aggregate->skipped;
exit($failed ? 1 : 0);
