#!/usr/bin/perl
# prove.pl JOBS FILE...
#
# Runs TAP tests as prove does and ends with the exact sum, "tap: N passed, N failed". A file that
# dies, bails out, plans wrongly, runs nothing or takes longer than its limit is one more failure.
#
# Each test runs under a keeper (this program with --keep): it adopts and reaps what the test's
# processes leave behind, which not every init does, and a killed server that nobody has reaped looks
# alive to PostgreSQL; and when the test ends it ends whatever is left.
use strict;
use warnings;

use POSIX qw(:sys_wait_h);
use TAP::Harness;

use constant {
	TEST_LIMIT_S => 300,
	SWEEPS_MAX => 100,
	PR_SET_CHILD_SUBREAPER => 36,
};

# A test that bails out has failed; the others run on.
package CheckHarness
{
	our @ISA = ('TAP::Harness');

	sub _bailout
	{
		my ($self, $result) = @_;
		printf "tap: bailed out: %s\n", $result->explanation;
		return;
	}
}

# prctl has no perl function; where its number is not known the tests run without adoption.
sub become_subreaper
{
	my %prctl = (x86_64 => 157, aarch64 => 167, riscv64 => 167, ppc64le => 171, s390x => 172);
	my $number = $prctl{(POSIX::uname())[4]};
	syscall($number, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) if defined $number;
	return;
}

# children: processes whose parent is this one
sub children
{
	my @children;
	for my $path (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $path or next;
		my ($pid, $parent) = (<$file> // '') =~ /^(\d+) \(.*\) \S (\d+)/ or next;
		push @children, $pid if $parent == $$ && $pid != $$;
	}
	return @children;
}

# Killing a process hands its children to us, so that this ends with none.
sub end_all
{
	for (1 .. SWEEPS_MAX)
	{
		my @left = children();
		last unless @left;
		kill 'KILL', @left;
		1 while waitpid(-1, WNOHANG) > 0;
		select undef, undef, undef, 0.02;
	}
	return;
}

# keep FILE: runs it and exits with its status.
sub keep
{
	my ($file) = @_;
	my $status = 255;

	become_subreaper();
	my $test = fork // die "fork: $!";
	if (!$test)
	{
		exec $^X, $file or die "$file: $!";
	}
	for my $signal (qw(TERM INT HUP ALRM))
	{
		$SIG{$signal} = sub {
			print STDERR "$file: " . ($signal eq 'ALRM' ? "longer than ${\ TEST_LIMIT_S} s\n" : "SIG$signal\n");
			end_all();
			exit 255;
		};
	}
	alarm TEST_LIMIT_S;
	while ((my $pid = waitpid(-1, 0)) > 0)
	{
		next if $pid != $test;
		$status = WIFEXITED($?) ? WEXITSTATUS($?) : 255;
		last;
	}
	alarm 0;
	end_all();
	exit $status;
}

sub run_all
{
	my ($jobs, @files) = @_;
	# Long runners first, so that none is left alone at the end: the size of a file is a fair guess.
	@files = sort { -s $b <=> -s $a } @files if $jobs > 1;
	my $harness = CheckHarness->new({
		jobs => $jobs,
		timer => 1,
		failures => 1,
		exec => [$^X, $0, '--keep'],
	});
	return $harness->runtests(@files);
}

# summarize AGGREGATE: prints the sum; true when nothing failed.
sub summarize
{
	my ($aggregate) = @_;
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
	return !$failed;
}

keep($ARGV[1]) if @ARGV == 2 && $ARGV[0] eq '--keep';
exit(summarize(run_all(@ARGV)) ? 0 : 1);
