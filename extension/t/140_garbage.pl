# Garbage for a minute (AUTHMETER_GARBAGE_S seconds): random bytes, half requests, broken chunks,
# connections that come and go, and 10,000 connections held open. The shim goes on serving, and its
# memory stays flat.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{AUTHMETER_GARBAGE_S} // 60;
my $s = Authmeter::Service->new('garbage', environment => 'development');
$s->user('ana@example.com');
my $token = $s->token('ana@example.com');
my $port = $s->{port};

sub memory_kb
{
	open my $file, '<', "/proc/$s->{pid}/status" or die "the shim is gone: $!";
	my ($kb) = join('', <$file>) =~ /^VmRSS:\s+(\d+)/m;
	return $kb;
}

sub random_bytes
{
	my ($length) = @_;
	return join '', map { chr int rand 256 } 1 .. $length;
}

my $good = "POST /trackUsage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $token\r\n"
  . "Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"usage\":1}";
my @kinds = (
	sub { random_bytes(1 + int rand 2000) },
	sub { substr $good, 0, int rand length $good },
	sub { my $bytes = $good; substr($bytes, int rand length $bytes, 1) = random_bytes(1) for 1 .. 1 + int rand 5; $bytes },
	sub { "POST /trackUsage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" . random_bytes(300) },
	sub { "GET /health HTTP/1.1\r\nHost: x\r\n\r\n" x int(rand 50) },
	sub { "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n" . '{"a":[' x 3000 },
	sub { 'GET /' . random_bytes(100) . " HTTP/1.1\r\nHost: x\r\n\r\n" },
);

sub garbage
{
	my ($until) = @_;
	my %got = (sent => 0);

	srand $$;
	while (time < $until)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5);
		if (!$socket)
		{
			$got{not_connected}++;
			sleep 0.01;
			next;
		}
		syswrite $socket, $kinds[ rand @kinds ]->();
		$got{sent}++;
		# Half of them leave at once, the others after an answer or a short while.
		if (rand() < 0.5)
		{
			IO::Select->new($socket)->can_read(0.05) and sysread $socket, my $ignored, 65536;
		}
		close $socket;
	}
	return \%got;
}

# Warm up first with the same load: slots and buffers that are allocated once are there afterwards.
Authmeter::Load::finish(Authmeter::Load::start(4, sub { garbage(time + 25) }));
my $before = memory_kb();
my $begin = time;
my $load = Authmeter::Load::start(4, sub { garbage($begin + $seconds) });
my ($served, $asked, $slowest) = (0, 0, 0);
my $client = Authmeter::Load::client($port);
while (time < $begin + $seconds)
{
	my $sent = time;
	my $status = $client->send($good);
	$asked++;
	$served++ if $status == 200;
	$slowest = time - $sent if time - $sent > $slowest;
	sleep 0.05;
}
my $sum = Authmeter::Load::finish($load);
cmp_ok($sum->{sent}, '>', 100 * $seconds, "$sum->{sent} pieces of garbage were sent");
is($served, $asked, "meanwhile every one of $asked good calls was served");
cmp_ok($slowest, '<', 2, sprintf 'the slowest in %.3f s', $slowest);
my $after = memory_kb();
cmp_ok($after, '<', $before * 1.1 + 2048, "memory is flat: $before kB before, $after kB after");

# 10,000 connections: what is over the limit is turned away, what is inside it is served.
my $hold = $s->{node}->basedir . '/hold';
open my $file, '>', $hold or die $!;
close $file;
my $crowd = Authmeter::Load::start(
	20,
	sub {
		my %got = (open => 0, refused => 0);
		my @sockets;
		for (1 .. 500)
		{
			my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 2);
			$got{ $socket ? 'open' : 'refused' }++;
			push @sockets, $socket if $socket;
		}
		my $end = time + 60;
		sleep 0.05 while -e $hold && time < $end;
		return \%got;
	});
sleep 3;
is($s->admin('/live')->{status}, 200, 'alive with 10,000 connections');
is($client->send($good), 200, 'and a connection that was there before is served');
unlink $hold;
$sum = Authmeter::Load::finish($crowd);
is($sum->{open} + $sum->{refused}, 10000, "10,000 connections were tried, $sum->{open} came through");
ok($s->poll(sub { Authmeter::Load::client($port)->send($good) == 200 }, 'a new connection is served'),
	'a new connection is served afterwards');
my $crowded = memory_kb();
cmp_ok($crowded, '<', $before + 262144, "memory after the crowd: $crowded kB");
is($s->stop_shim, 0, 'the shim stops cleanly');
done_testing();
