# Files that are uploaded stream through the shim: whatever the bytes and however they are cut, the
# function hears what was in them or that they are malformed, and the shim's memory does not grow
# with them. The API under test exists only here: two routes beside those of vsplugin.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Test::More;
use Time::HiRes qw(sleep time);

use constant {
	FILE_MAX => 10_485_760,
	BODY_MAX => 10_485_760 + 65_536,
	RISE_KB_MAX => 5 * 1024,
	CLIENTS => 20,
};

my $s = Authmeter::Service->new(
	'multipart',
	environment => 'development',
	shim_conf => "body_timeout_ms = 1000\nupload_bytes_per_s_min = 10000\nlog_sample_above = 0",
	start_shim => 0);
$s->sql(<<"SQL");
CREATE FUNCTION authmeter_http.vsplugin_test_upload(request jsonb) RETURNS authmeter_http.response
LANGUAGE sql RETURN ROW(CASE WHEN request ? 'fault' THEN 413 ELSE 200 END, NULL,
	jsonb_strip_nulls(jsonb_build_object('multipart', request->'multipart', 'parts', request->'parts',
		'fault', request->'fault', 'raw', request->'raw', 'body', request->'body'))::text)
	::authmeter_http.response;
GRANT EXECUTE ON FUNCTION authmeter_http.vsplugin_test_upload TO authmeter_shim;
INSERT INTO authmeter_http.route (api, method, path, function, lane, body, body_bytes_max, limited)
VALUES ('vsplugin', 'POST', '/test/upload', 'vsplugin_test_upload', 'write', 'multipart', @{[BODY_MAX]}, false),
	('vsplugin', 'POST', '/test/limited', 'vsplugin_test_upload', 'write', 'multipart', @{[BODY_MAX]}, true);
SQL
$s->start_shim;

my $type = 'multipart/form-data; boundary=XX';
my $end = "--XX--\r\n";

# A part: disposition parameters, data, further header lines.
sub part
{
	my ($disposition, $data, $more) = @_;
	return "--XX\r\nContent-Disposition: form-data; $disposition\r\n" . ($more // '') . "\r\n$data\r\n";
}

sub upload
{
	my ($body, %headers) = @_;
	return $s->request('POST', '/test/upload', { 'Content-Type' => $type, %headers }, $body);
}

sub file
{
	return part('name="file"; filename="cv.txt"', $_[0], "Content-Type: text/plain\r\n");
}

sub chunked
{
	my ($body, $size) = @_;
	my $bytes = '';
	$bytes .= sprintf "%x\r\n%s\r\n", length $_, $_ for unpack "(a$size)*", $body;
	return "POST /test/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: $type\r\n"
	  . "Transfer-Encoding: chunked\r\n\r\n${bytes}0\r\n\r\n";
}

sub text { return qq("text": {"lines": $_[1], "words": $_[0], "characters": $_[2]}) }

my $hello = '{"name": "file", "size": 5, ' . text(1, 1, 5) . ', "type": "text/plain", "filename": "cv.txt"}';
my $malformed = '{"multipart": "malformed"}';
my $absent = '{"multipart": "absent"}';

sub ok_parts { return '{"parts": [' . join(', ', @_) . '], "multipart": "ok"}' }

# name, body, answer [, request headers]
my @cases = (
	[ 'a file', file('hello') . $end, ok_parts($hello) ],
	[ 'two of a name', file('hello') x 2 . $end, ok_parts($hello, $hello) ],
	[ 'a field', part('name=a', "b\nc d") . $end,
		ok_parts('{"name": "a", "size": 5, ' . text(3, 2, 5) . ', "type": "text/plain"}') ],
	[ 'an empty file', file('') . $end, ok_parts($hello =~ s/"size": 5/"size": 0/r =~ s/"words": 1, "characters": 5/"words": 0, "characters": 0/r) ],
	[ 'an image', part('name="file"; filename="a.png"', "\x89PNG\r\n\x1a\n\0", "content-type: IMAGE/Png\r\n") . $end,
		'{"parts": [{"name": "file", "size": 9, "type": "image/png", "filename": "a.png"}], "multipart": "ok"}' ],
	[ 'a name with quotes and letters', part("name=\"file\"; filename=\"a %22\\\"\xc3\xa9\xe2\x84\xa2.txt\"", '1') . $end,
		ok_parts('{"name": "file", "size": 1, ' . text(1, 1, 1) . ", \"type\": \"text/plain\", \"filename\": \"a \\\"\\\"\xc3\xa9\xe2\x84\xa2.txt\"}") ],
	[ 'control characters in a file name', part("name=\"file\"; filename=\"a\x1b\x01.txt\"", '1') . $end,
		ok_parts('{"name": "file", "size": 1, ' . text(1, 1, 1) . ', "type": "text/plain", "filename": "a\u001b\u0001.txt"}') ],
	[ 'a name that is no UTF-8', part("name=\"\xe9\"", '1') . $end,
		ok_parts("{\"name\": \"\xef\xbf\xbd\", \"size\": 1, " . text(1, 1, 1) . ', "type": "text/plain"}') ],
	[ 'preamble and epilogue', "pre\r\n" . file('hello') . $end . file('late') . $end, ok_parts($hello) ],
	[ 'quoted boundary', file('hello') . $end, ok_parts($hello), 'Content-Type' => 'Multipart/form-data; Boundary="XX"' ],
	[ 'empty form', $end, ok_parts() ],
	[ '16 parts', file('hello') x 16 . $end, ok_parts(($hello) x 16) ],
	[ '17 parts', file('hello') x 17 . $end, $malformed ],
	[ '10,000 parts', file('hello') x 10_000 . $end, $malformed ],
	[ 'no end', file('hello'), $malformed ],
	[ 'empty body', '', $malformed ],
	[ 'boundary in the data', file("a\r\n--XXa\r\n") . $end, $malformed ],
	[ 'header of 1 MB', part('name="file"; filename="' . 'a' x 1_000_000 . '"', '1') . $end, $malformed ],
	[ '100,000 headers', part('name="file"', '1', "X: y\r\n" x 100_000) . $end, $malformed ],
	[ 'NUL in a name', part("name=\"fi\0le\"", '1') . $end, $malformed ],
	[ 'two dispositions', part('name="a"', '1', "Content-Disposition: form-data; name=\"file\"\r\n") . $end, $malformed ],
	[ 'two names', part('name="a"; name="file"', '1') . $end, $malformed ],
	[ 'bare LF', (file('hello') . $end) =~ s/\r\n/\n/gr, $malformed ],
	[ 'base64', part('name="file"', 'aGk=', "Content-Transfer-Encoding: base64\r\n") . $end, $malformed ],
	[ 'JSON', '{"a":1}', $absent, 'Content-Type' => 'application/json' ],
	[ 'no type', file('hello') . $end, $absent, 'Content-Type' => undef ],
	[ 'no boundary', file('hello') . $end, $absent, 'Content-Type' => 'multipart/form-data' ],
	[ 'two boundaries', file('hello') . $end, $absent, 'Content-Type' => 'multipart/form-data; boundary=XX; boundary=YY' ],
	[ 'multipart/mixed', file('hello') . $end, $absent, 'Content-Type' => 'multipart/mixed; boundary=XX' ],
);

for my $case (@cases)
{
	my ($name, $body, $answer, %headers) = @$case;
	my $reply = upload($body, %headers);
	is("$reply->{status} $reply->{body}", "200 $answer", $name);
	next if length $body > 10_000 || %headers;
	for my $size (1, 7)
	{
		$reply = Authmeter::Service::parse(scalar $s->raw(chunked($body, $size)));
		is("$reply->{status} $reply->{body}", "200 $answer", "$name: in chunks of $size bytes");
	}
}

# Sizes: up to the envelope's limit everything is counted; the business rule about one file is the function's.
{
	my $large = file('a' x (FILE_MAX + 1)) . $end;
	my $reply = upload($large);
	like($reply->{body}, qr/"size": @{[FILE_MAX + 1]}, "text": \{"lines": 1, "words": 1, "characters": @{[FILE_MAX + 1]}\}/,
		'a file of 10 MiB and a byte is told with its size');

	my $most = file('') . $end;
	$most = file("\n" x (BODY_MAX - length $most)) . $end;
	is(length $most, BODY_MAX, 'a body of exactly the limit');
	$reply = upload($most);
	is($reply->{status}, 200, 'is served');
	like($reply->{body}, qr/"words": 0/, 'and counted');

	for my $way ([ 'declared', undef ], [ 'chunked', 1 ])
	{
		my ($name, $chunks) = @$way;
		$reply = $chunks ? Authmeter::Service::parse(scalar $s->raw(chunked("$most\n", 65536), idle_s => 10)) : upload("$most\n");
		is("$reply->{status} $reply->{body}", '413 {"error":"Request body too large"}', "one byte more, $name: 413");
		is(($reply->{headers}{connection} // [''])->[0], 'close', "one byte more, $name: closed") unless $chunks;
	}
	$reply = $s->request('POST', '/test/limited', { 'Content-Type' => $type }, "$most\n");
	is("$reply->{status} $reply->{body}", '413 {"fault": "body_too_large"}',
		'a route that counts first hears of it');
}
my $coded = upload(file('hello') . $end, 'Content-Encoding' => 'gzip');
is("$coded->{status} $coded->{body}", '400 {"error":"Invalid request body"}', 'a compressed body: 400');

# Memory: while many files are half way, and after all of them, the process is as small as before.
sub memory_kb
{
	my ($field) = @_;
	return slurp_status() =~ /^$field:\s+(\d+) kB$/m ? $1 : die "no $field";
}

sub slurp_status
{
	open my $file, '<', "/proc/$s->{pid}/status" or die "status: $!";
	local $/ = undef;
	return scalar <$file>;
}

{
	my $before = memory_kb('VmRSS');
	my $words = FILE_MAX / 5;
	my $half = 'word ' x (FILE_MAX / 10);
	my $start = part('name="file"; filename="cv.txt"', $half) =~ s/\r\n\z//r;
	my $rest = "$half\r\n$end";
	my $length = length($start) + length $rest;
	my @sockets = map { $s->connect_port } 1 .. CLIENTS;

	print { $_ } "POST /test/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: $type\r\n"
	  . "Content-Length: $length\r\n\r\n$start" for @sockets;
	$_->flush for @sockets;
	my $during = memory_kb('VmRSS');
	cmp_ok($during - $before, '<', RISE_KB_MAX, CLIENTS . ' files of 10 MB half way: RSS + ' . ($during - $before) . ' kB');
	my $answered = 0;
	for my $socket (@sockets)
	{
		print $socket $rest;
		$socket->flush;
		my $reply = do { local $/ = undef; <$socket> };
		$answered++ if $reply =~ /"words": $words, "characters": @{[FILE_MAX]}/;
	}
	is($answered, CLIENTS, 'all of them are counted');
	my $peak = memory_kb('VmHWM') - $before;
	cmp_ok($peak, '<', RISE_KB_MAX, "the highest RSS of all: + $peak kB");
}

# Deadlines: an upload may take longer than a form, by its length; not for ever.
sub drip
{
	my ($path, $content_type, $bytes, $pause_s) = @_;
	my $socket = $s->connect_port;
	local $SIG{PIPE} = 'IGNORE';
	print $socket "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: $content_type\r\n"
	  . 'Content-Length: ' . length($bytes) . "\r\n\r\n";
	$socket->flush;
	for my $piece (unpack '(a5000)*', $bytes)
	{
		sleep $pause_s;
		last unless defined syswrite $socket, $piece;
	}
	my $reply = do { local $/ = undef; <$socket> };
	return $reply // '';
}

my $slow = file('a' x 29_000) . $end;
like(drip('/test/upload', $type, $slow, 0.3), qr/^HTTP\/1\.1 200/, 'a slow upload may last by its length');
is(drip('/test/upload', $type, file('') . $end, 3), '', 'a short one is cut off as any body');

is($s->request('GET', '/health')->{status}, 200, 'and it still serves');
is($s->stop_shim, 0, 'the shim stops cleanly');
unlike($s->shim_log, qr/cv\.txt|hello/, 'nothing of a file is in the log');
done_testing();
