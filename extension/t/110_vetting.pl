# What reaches the shim byte by byte: every request that HTTP servers disagree about is refused and
# the connection closed, so that nothing can be smuggled behind it; after all of it the shim serves.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Test::More;
use Time::HiRes qw(sleep time);

my $s = Authmeter::Service->new(
	'vetting',
	environment => 'development',
	shim_conf => "header_timeout_ms = 1000\nbody_timeout_ms = 1500\nidle_timeout_ms = 2000");
$s->user('ana@example.com');
my $token = $s->token('ana@example.com');

my $smuggled = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
my $auth = "Host: x\r\nAuthorization: Bearer $token\r\nContent-Type: application/json\r\n";
my $chunks = "4\r\n{ } \r\n0\r\n\r\n";

# name, bytes, status (0 = no reply at all), closed afterwards, number of replies
my @cases = (
	[ 'plain', "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200, 0, 1 ],
	[ 'HTTP/1.0', "GET /health HTTP/1.0\r\nHost: x\r\n\r\n", 200, 1, 1 ],
	[ 'pipelined', $smuggled x 3, 200, 0, 3 ],
	[ 'chunked', "POST /trackUsage HTTP/1.1\r\n${auth}Transfer-Encoding: chunked\r\n\r\n$chunks", 200, 0, 1 ],
	[ 'chunked with trailer', "POST /trackUsage HTTP/1.1\r\n${auth}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: b\r\n\r\n", 200, 0, 1 ],
	[ 'Content-Length and chunked', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n$chunks$smuggled", 400, 1, 1 ],
	[ 'two Content-Length', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}$smuggled", 400, 1, 1 ],
	[ 'two different Content-Length', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}$smuggled", 400, 1, 1 ],
	[ 'gzip, chunked', "POST /trackUsage HTTP/1.1\r\n${auth}Transfer-Encoding: gzip, chunked\r\n\r\n$chunks$smuggled", 400, 1, 1 ],
	[ 'xchunked', "POST /trackUsage HTTP/1.1\r\n${auth}Transfer-Encoding: xchunked\r\n\r\n$chunks", 400, 1, 1 ],
	[ 'identity', "POST /trackUsage HTTP/1.1\r\n${auth}Transfer-Encoding: identity\r\n\r\n{}", 400, 1, 1 ],
	[ 'two Transfer-Encoding', "POST /trackUsage HTTP/1.1\r\n${auth}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n$chunks$smuggled", 400, 1, 1 ],
	[ 'no Host', "GET /health HTTP/1.1\r\n\r\n", 400, 1, 1 ],
	[ 'two Hosts', "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, 1, 1 ],
	[ 'blank before the colon', "GET /health HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n", 400, 1, 1 ],
	[ 'blank in a name', "GET /health HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", 400, 1, 1 ],
	[ 'control character in a value', "GET /health HTTP/1.1\r\nHost: x\r\nX-A: b\x01c\r\n\r\n", 400, 1, 1 ],
	[ 'bare CR in a value', "GET /health HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n", 400, 1, 1 ],
	[ 'two Authorization count as none', "POST /trackUsage HTTP/1.1\r\n${auth}Authorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}", 401, 0, 1 ],
	[ 'absolute URI', "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, 1, 1 ],
	[ 'no slash', "GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400, 1, 1 ],
	[ 'lower-case method', "get /health HTTP/1.1\r\nHost: x\r\n\r\n", 405, undef, 1 ],
	[ 'TRACE', "TRACE /health HTTP/1.1\r\nHost: x\r\n\r\n", 405, undef, 1 ],
	[ 'CONNECT', "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", qr/400|404|405/, undef, 1 ],
	[ 'HTTP/1.2', "GET /health HTTP/1.2\r\nHost: x\r\n\r\n", qr/400|505/, 1, 1 ],
	[ 'HTTP/2 preface', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", qr/400|505/, 1, undef ],
	[ 'TLS hello', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\0" x 40 . "\r\n\r\n", qr/400|505|0/, 1, undef ],
	[ 'NUL behind the path', "GET /health%00x HTTP/1.1\r\nHost: x\r\n\r\n", 404, 0, 1 ],
	[ 'encoded dots', "GET /%2e%2e/health HTTP/1.1\r\nHost: x\r\n\r\n", 404, 0, 1 ],
	[ 'encoded slash', "GET %2fhealth HTTP/1.1\r\nHost: x\r\n\r\n", qr/400|404/, undef, 1 ],
	[ 'two slashes', "GET //health HTTP/1.1\r\nHost: x\r\n\r\n", 404, 0, 1 ],
	[ 'negative length', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: -1\r\n\r\n", 400, 1, undef ],
	[ 'length with a plus', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: +2\r\n\r\n{}", 400, 1, undef ],
	[ 'length list', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 2, 2\r\n\r\n{}", 400, 1, undef ],
	[ 'one GB announced', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 1073741824\r\n\r\n{}", 413, 1, 1 ],
	[ 'length beyond 64 bits', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 99999999999999999999999\r\n\r\n{}", qr/400|413/, 1, undef ],
	[ 'a header of 100 kB', "GET /health HTTP/1.1\r\nHost: x\r\nX-A: " . 'a' x 100000 . "\r\n\r\n", qr/400|413|431/, 1, undef ],
	[ 'a path of 100 kB', 'GET /' . 'a' x 100000 . " HTTP/1.1\r\nHost: x\r\n\r\n", qr/400|414|431/, 1, undef ],
	[ 'a thousand headers', "GET /health HTTP/1.1\r\nHost: x\r\n" . join('', map { "X-$_: 1\r\n" } 1 .. 5000) . "\r\n", qr/400|413|431/, 1, undef ],
	[ 'duplicate query key', "GET /health?a=1&a=2 HTTP/1.1\r\nHost: x\r\n\r\n", qr/200|400/, undef, 1 ],
	[ 'bad percent in the query', "GET /health?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n", qr/200|400/, undef, 1 ],
);

for my $case (@cases)
{
	my ($name, $bytes, $status, $closed, $replies) = @$case;
	my ($got, $got_closed) = $s->raw($bytes, idle_s => 0.3);
	my $first = $got =~ m{^HTTP/1\.1 (\d{3})} ? $1 : 0;
	my $count = () = $got =~ m{HTTP/1\.1 \d{3} }g;

	if (ref $status) { like($first, $status, "$name: status") }
	else { is($first, $status, "$name: status") }
	is($got_closed, $closed, "$name: " . ($closed ? 'closed' : 'kept open')) if defined $closed;
	is($count, $replies, "$name: $replies replies") if defined $replies;
	unlike($got, qr/"status":"OK".*"status":"OK"/s, "$name: nothing smuggled") if $status eq '400';
}

# Our own refusals are JSON in the style of the API.
my $reply = $s->request('GET', '/health', { 'X-A' => "b\x01" });
is($reply->{body}, '{"error":"Bad request"}', 'refusal in the style of the API');

# Deadlines are absolute: a client that goes on dripping bytes is cut off all the same.
for my $drip (
	[ 'header', "GET /health HTTP/1.1\r\nX-A: ", 1.0 ],
	[ 'body', "POST /trackUsage HTTP/1.1\r\n${auth}Content-Length: 1000\r\n\r\n{", 1.5 ])
{
	my ($phase, $bytes, $limit_s) = @$drip;
	my $socket = $s->connect_port;
	my $begin = time;
	local $SIG{PIPE} = 'IGNORE';
	syswrite $socket, $bytes;
	my $select = IO::Select->new($socket);
	my $cut = $s->poll(
		sub {
			my $got;
			return 1 if $select->can_read(0) && !sysread $socket, $got, 4096;
			return !defined syswrite $socket, ' ';
		},
		"$phase drip is cut");
	ok($cut, "$phase drip: cut off");
	cmp_ok(time - $begin, '<', $limit_s + 2, "$phase drip: soon after its limit");
	cmp_ok(time - $begin, '>', $limit_s - 0.3, "$phase drip: not before");
}
{
	my $socket = $s->connect_port;
	my $begin = time;
	syswrite $socket, $smuggled;
	my $got;
	1 while sysread $socket, $got, 4096;
	cmp_ok(time - $begin, '>', 1.5, 'idle connection: kept for its time');
	cmp_ok(time - $begin, '<', 5, 'idle connection: then closed');
}

# Exactly 128 and 256 connections at once all get their answer.
for my $many (128, 256)
{
	my @sockets = map { $s->connect_port } 1 .. $many;
	syswrite $_, $smuggled for @sockets;
	my $answered = 0;
	for my $socket (@sockets)
	{
		my $got = '';
		sysread $socket, $got, 4096 if IO::Select->new($socket)->can_read(5);
		$answered++ if $got =~ m{^HTTP/1\.1 200};
	}
	is($answered, $many, "$many connections at once");
}

is($s->request('GET', '/health')->{status}, 200, 'and it still serves');
like($s->admin('/metrics')->{body}, qr/^authmeter_\w*(refus|vet)\w*\{[^}]*\} [1-9]/m, 'by reason');
is($s->sql('SELECT sum(prompt_count) FROM authmeter.vsplugin_users'), 0, 'nothing was counted');
is($s->stop_shim, 0, 'the shim stops cleanly');
done_testing();
