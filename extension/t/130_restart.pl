# PostgreSQL is killed and restarted under load: the shim answers 503 with Retry-After meanwhile,
# recovers by itself in under 2 s, and no acknowledged increment is missing.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $s = Authmeter::Service->new('restart', environment => 'development');
$s->user('ana@example.com');
my $token = $s->token('ana@example.com');
my $body = '{"usage":1}';
my $request = "POST /trackUsage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $token\r\n"
  . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
my ($acknowledged, $doubtful) = (0, 0);

for my $mode ('immediate', 'kill -9', 'fast')
{
	my $port = $s->{port};
	my $stop = $s->{node}->basedir . '/stop';
	my $load = Authmeter::Load::start(
		16,
		sub {
			my $client = Authmeter::Load::client($port);
			my %got;
			my $end = time + 60;
			until (-e $stop || time > $end)
			{
				my $status = $client->send($request);
				$got{ $status == 0 ? 'lost' : $status < 0 ? 'refused' : $status }++;
				$got{without_retry_after}++ if $status == 503 && $client->{last} !~ /^Retry-After: 1\r$/mi;
				$got{wrong_body}++
				  if $status == 503 && $client->{last} !~ /\r\n\r\n\{"error":"Service unavailable"\}\z/;
				sleep 0.01 if $status != 200;
			}
			return \%got;
		});
	my $done = sub {
		$s->sql("SELECT prompt_count FROM authmeter.vsplugin_users WHERE email = 'ana\@example.com'");
	};
	my $before = $done->();
	$s->poll(sub { $done->() > $before + 100 }, 'load has begun');
	if ($mode eq 'kill -9')
	{
		my ($pid) = slurp_file($s->{node}->data_dir . '/postmaster.pid') =~ /^(\d+)/;
		$s->{node}->kill9;
		$s->poll(sub { !kill 0, $pid }, 'the server is gone');
	}
	else { $s->{node}->stop($mode) }
	my $client = Authmeter::Load::client($port);
	is($client->send($request), 503, "$mode: 503 while the server is away");
	ok($s->poll(sub { $s->admin('/ready')->{status} == 503 }, 'not ready'), "$mode: not ready");
	is($s->admin('/live')->{status}, 200, "$mode: but alive");
	$s->{node}->start;
	my $up = time;
	ok($s->poll(sub { $client->send($request) == 200 }, 'recovery'), "$mode: recovers by itself");
	cmp_ok(time - $up, '<', 2, "$mode: in under 2 s");
	ok($s->poll(sub { $s->admin('/ready')->{status} == 200 }, 'ready'), "$mode: ready again");
	open my $file, '>', $stop or die $!;
	close $file;
	my $sum = Authmeter::Load::finish($load);
	unlink $stop;
	$acknowledged += $sum->{200} + 1;
	$doubtful += ($sum->{503} // 0) + ($sum->{lost} // 0) + 2;
	ok(!$sum->{without_retry_after}, "$mode: every 503 says Retry-After");
	ok(!$sum->{wrong_body}, "$mode: in the style of the API");
	is_deeply([ grep { !/^(200|503)$/ } sort keys %$sum ], [], "$mode: nothing but 200 and 503");
	my $counted = $done->();
	cmp_ok($counted, '>=', $acknowledged, "$mode: no acknowledged increment is missing");
	cmp_ok($counted, '<=', $acknowledged + $doubtful, "$mode: and none too many");
}
is($s->stop_shim, 0, 'the shim stops cleanly');
done_testing();
