# Logins give way to metering: the backends of the slow lane, and only they, run at a lower priority,
# among the processes and, where Linux has them, among the autogroups. What that is worth in
# milliseconds, `make bench` measures.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Test::More;

my $s = Authmeter::Service->new('lane_priority');

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/ = undef;
	return scalar(<$file>) // '';
}

# nice values of the backends of each lane: of the process, or of its autogroup
sub nice_values
{
	my ($of_group) = @_;
	my %found;
	for (split /\n/, $s->sql("SELECT pid, application_name FROM pg_stat_activity WHERE application_name ~ '^authmeter-shim/(fast|write|slow)'"))
	{
		my ($pid, $lane) = m{^(\d+)\|authmeter-shim/(\w+)$};
		my $nice = $of_group ? (slurp("/proc/$pid/autogroup") =~ /nice (-?\d+)/)[0] : (split ' ', slurp("/proc/$pid/stat") =~ s/^.*\) //sr)[16];
		push @{ $found{$lane} }, $nice;
	}
	return \%found;
}

sub only { my ($value, $list) = @_; return $list && @$list && !grep { $_ != $value } @$list }

my $own = getpriority 0, $s->{node}->{_pid};
chomp(my $processors = `getconf _NPROCESSORS_ONLN`);
my $nice = nice_values();
ok(only($own, $nice->{$_}), "$_: as the server") for qw(fast write);
ok(only(10, $nice->{slow}), 'slow: lower');
is(scalar @{ $nice->{slow} }, $processors > 2 ? $processors - 1 : 1, 'slow: one processor is left to the others');

SKIP:
{
	skip 'no autogroups here', 2 if slurp('/proc/self/autogroup') eq '';
	$nice = nice_values(1);
	ok(only(10, $nice->{slow}), 'slow: its autogroup too');
	ok(only(0, [ @{ $nice->{fast} }, @{ $nice->{write} } ]), 'the autogroups of the others as ever');
}

$s->sql("SELECT authmeter.setting_set('authmeter.slow_lane_nice', '0')");
$s->stop_shim;
$s->start_shim;
ok(only($own, nice_values()->{slow}), 'a setting: not at all');

my ($status, undef, $error) = $s->{node}->psql('postgres', "SELECT authmeter_http.lane_enter('other')");
is($status, 3, 'an unknown lane is an error');
like($error, qr/unknown lane "other"/, 'that says so');
is($s->stop_shim, 0, 'the shim stops cleanly');
done_testing();
