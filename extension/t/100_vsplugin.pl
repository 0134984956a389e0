# The vsplugin API over HTTP, row by row of its contract, in both policies: status, headers, whole
# bodies, and the state left behind.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use Test::More;

my $s = Authmeter::Service->new('vsplugin', environment => 'development');
my $ana = $s->user('ana@example.com', 'sk-ana-1');
my $bob = $s->user('bob@example.com');

# answer NAME, REPLY, STATUS, BODY: also what every answer has (contract A1, A3).
sub answer
{
	my ($name, $reply, $status, $body, %headers) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	subtest $name => sub {
		is($reply->{status}, $status, 'status');
		is($reply->{body}, $body, 'body') if defined $body;
		my $h = $reply->{headers};
		is_deeply($h->{'content-type'}, ['application/json; charset=utf-8'], 'content type');
		is_deeply($h->{'x-content-type-options'}, ['nosniff'], 'nosniff');
		is_deeply($h->{'cache-control'}, ['no-store'], 'no-store');
		like($h->{'x-request-id'}[0], qr/^[\w.-]{8,128}$/, 'request id');
		ok(!exists $h->{$_}, "no $_") for qw(x-powered-by set-cookie);
		unlike($h->{server}[0] // '', qr/\d/, 'no server version');
		is_deeply($h->{$_}, $headers{$_}, $_) for sort keys %headers;
	};
	return;
}

sub counts
{
	my ($email) = @_;
	return $s->sql("SELECT prompt_count, token_count FROM authmeter.vsplugin_users WHERE email = '$email'");
}

sub jwt
{
	my ($claims, $secret, $header) = @_;
	my $input = encode_base64url($header // '{"alg":"HS256","typ":"JWT"}') . '.' . encode_base64url($claims);
	return "$input." . encode_base64url(hmac_sha256($input, $secret));
}

my $down = '{"error":"Authorization header missing or malformed"}';
my $bad = '{"error":"Invalid or expired token"}';
my $email = '{"error":"Email is required"}';

# ---- POST /signup, documented ------------------------------------------------------------------

my $reply = $s->post('/signup', '{"email":" Ana@Example.com "}');
answer('signup: known user', $reply, 201, undef);
like($reply->{body}, qr/^\{"message":"User signed up successfully","sessionToken":"[\w-]+\.[\w-]+\.[\w-]+"\}$/,
	'body holds message and token, compact');
my $token = decode_json($reply->{body})->{sessionToken};
my ($head, $claims, $signature) = split /\./, $token;
is(decode_base64url($head), '{"alg":"HS256","typ":"JWT"}', 'header of the token, to the letter');
is($signature, encode_base64url(hmac_sha256("$head.$claims", $s->{secret})), 'verifies with the shared secret');
$claims = decode_json(decode_base64url($claims));
is_deeply([ sort keys %$claims ], [qw(api apiKey email exp iat jti use userId ver)], 'claims, and no others');
is($claims->{userId}, $ana, 'userId');
is($claims->{email}, 'ana@example.com', 'email is canonical');
is($claims->{apiKey}, 'sk-ana-1', 'apiKey is her own key');
is("$claims->{api} $claims->{use}", 'vsplugin access', 'api and use');
is($claims->{exp} - $claims->{iat}, 2592000, 'thirty days');
ok(abs($claims->{iat} - time) < 60, 'iat is now');

my $bob_claims = decode_json(decode_base64url((split /\./, $s->token('bob@example.com'))[1]));
like($bob_claims->{apiKey}, qr/^akh_[\w-]{24}$/, 'a user without a key gets a handle');

answer('signup: unknown user', $s->post('/signup', '{"email":"no@example.com"}'), 404, '{"error":"User not found"}');
answer('signup: no address', $s->post('/signup', '{"email":"nobody"}'), 404, '{"error":"User not found"}');
for my $body ('{}', '{"email":null}', '{"email":""}', '{"email":" \t"}', '{"email":1}', '{"email":["a@b.c"]}', '{"Email":"ana@example.com"}')
{
	answer("signup: $body", $s->post('/signup', $body), 400, $email);
}
answer('signup: empty body', $s->post('/signup', ''), 400, $email);
answer('signup: form body counts as empty',
	$s->request('POST', '/signup', { 'Content-Type' => 'application/x-www-form-urlencoded' }, 'email=ana%40example.com'),
	400, $email);
answer('signup: text/plain counts as empty',
	$s->request('POST', '/signup', { 'Content-Type' => 'text/plain' }, '{"email":"ana@example.com"}'), 400, $email);
answer('signup: +json counts', $s->request('POST', '/signup', { 'Content-Type' => 'application/vnd.x+json; charset=utf-8' },
		'{"email":"no@example.com"}'), 404, '{"error":"User not found"}');
answer('signup: GET', $s->request('GET', '/signup'), 405, '{"error":"Method not allowed"}', allow => ['POST']);
answer('signup: server-owned keys have no effect',
	$s->post('/signup', '{"email":"no@example.com","id":"1","promptCount":5,"ver":9}'), 404, '{"error":"User not found"}');
is($s->sql("SELECT count(*) FROM authmeter.user"), 2, 'signup never creates a user');

# ---- POST /trackUsage --------------------------------------------------------------------------

sub track
{
	my ($body, $bearer) = @_;
	return $s->post('/trackUsage', $body, { Authorization => 'Bearer ' . ($bearer // $token) });
}

sub tracked
{
	my ($prompts, $tokens) = @_;
	return qq({"message":"Usage tracked successfully","currentPromptCount":$prompts,"currentTokenCount":$tokens,"threshold":10});
}

answer('track: the example', track('{"usage":1,"tokenCount":250}'), 200, tracked(1, 250));
answer('track: wrong numbers count as 0', track('{"usage":-5,"tokenCount":"12"}'), 200, tracked(1, 250));
my @zero = ('"1"', 'true', 'null', '1.5', '0', '-1', '2147483648', '1e400', '-1e400', '1e-400', '99999999999999999999',
	'[1]', '{"a":1}', '1e200000', '-0');
for my $value (@zero)
{
	answer("track: $value counts as 0", track(qq({"usage":$value,"tokenCount":$value})), 200, tracked(1, 250));
}
answer('track: 1.0 and 1e3 are integers', track('{"usage":1.0,"tokenCount":1e3}'), 200, tracked(2, 1250));
answer('track: the largest', track('{"usage":2147483647,"tokenCount":2147483647}'), 200, tracked(2147483649, 2147484897));
answer('track: empty body reads', track(''), 200, tracked(2147483649, 2147484897));
answer('track: nothing in the body selects a user', track(qq({"usage":1,"userId":"$bob","email":"bob\@example.com"})),
	200, tracked(2147483650, 2147484897));
is(counts('ana@example.com'), '2147483650|2147484897', 'the totals are stored');
is(counts('bob@example.com'), '0|0', 'and nobody else has them');
answer('track: trailing slash', $s->post('/trackUsage/', '{}', { Authorization => "Bearer $token" }), 200, undef);

for my $header (undef, '', 'Bearer', 'Bearer ', "bearer $token", "Basic $token", "Token $token", $token, "Bearer  ")
{
	answer('track: ' . (defined $header ? "header '" . substr($header, 0, 12) . "'" : 'no header'),
		$s->post('/trackUsage', '{"usage":1}', defined $header ? { Authorization => $header } : {}), 401, $down);
}
my %good = (%$claims, iat => time, exp => time + 60);
my $sign = sub { jwt(encode_json({ %good, %{ $_[0] } }), $_[1] // $s->{secret}, $_[2]) };
answer('track: a token signed elsewhere with the shared secret', track('{}', $sign->({})), 200, undef);
my %refused = (
	'abc' => 'abc',
	'other secret' => $sign->({}, 'x' x 48),
	'expired' => $sign->({ exp => time - 1 }),
	'exp missing' => jwt(encode_json({ map { $_ eq 'exp' ? () : ($_ => $good{$_}) } keys %good }), $s->{secret}),
	'exp text' => $sign->({ exp => '' . (time + 60) . 'x' }),
	'other api' => $sign->({ api => 'quizzer' }),
	'other use' => $sign->({ use => 'refresh' }),
	'older version' => $sign->({ ver => 0 }),
	'alg none' => jwt(encode_json(\%good), $s->{secret}, '{"alg":"none","typ":"JWT"}'),
	'alg HS512' => jwt(encode_json(\%good), $s->{secret}, '{"alg":"HS512","typ":"JWT"}'),
	'crit' => jwt(encode_json(\%good), $s->{secret}, '{"alg":"HS256","crit":["exp"]}'),
	'no signature' => join('.', (split /\./, $token)[ 0, 1 ], ''),
	'tampered' => do { my $t = $token; substr($t, length($head) + 5, 1) =~ tr/a-zA-Z0-9/b-zA-Z0-9a/; $t },
	'userId of nobody, as text' => $sign->({ userId => 'nobody' }),
	'over 4096 characters' => $sign->({ pad => 'x' x 4096 }),
	'with blank' => "$token x",
);
for my $name (sort keys %refused)
{
	answer("track: $name", track('{"usage":1}', $refused{$name}), 403, $bad);
}
for my $body ('{', '[]', '1', '"x"', 'null', '{"a":1}x', '{"a":1,"a":2}', '{"a":{"b":1,"\u0062":2}}', '{"a":"\u0000"}', "{\"a\":\"\0\"}",
	'{"a":"\ud800"}', "{\"a\":\"\xff\"}", '{"a":01}', '{a:1}', '[' x 65 . ']' x 65, '{"a":' x 65 . '1' . '}' x 65)
{
	answer('track: R3 ' . substr($body, 0, 30), track($body), 400, '{"error":"Invalid request body"}');
}
answer('track: nesting of 64 is allowed', track('{"a":' x 63 . '{}' . '}' x 63), 200, undef);
answer('track: gzip body', $s->request('POST', '/trackUsage',
		{ 'Content-Type' => 'application/json', 'Content-Encoding' => 'gzip', Authorization => "Bearer $token" }, '{}'),
	400, '{"error":"Invalid request body"}');
my $large = '{"pad":"' . 'x' x (102400 - 10) . '"}';
answer('track: 102,400 bytes', track($large), 200, undef);
answer('track: one byte more', track("$large "), 413, '{"error":"Request body too large"}');
is(counts('ana@example.com'), '2147483650|2147484897', 'no refusal has counted');

# Revocation and deletion are in force at once.
$s->sql("SELECT authmeter.revoke_user_tokens('$ana')");
answer('track: revoked', track('{"usage":1}'), 403, $bad);
$token = $s->token('ana@example.com');
answer('track: a new token', track('{"usage":1}'), 200, tracked(2147483651, 2147484897));
my $bob_token = $s->token('bob@example.com');
$s->sql("SELECT authmeter.user_delete('$bob')");
answer('track: deleted user', track('{"usage":1}', $bob_token), 404, '{"error":"User not found"}');

# ---- the rest of the routes --------------------------------------------------------------------

my $time = qr/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/;
like($s->request('GET', '/health')->{body}, qr/^\{"status":"OK","timestamp":$time,"environment":"development"\}$/, 'health');
like($s->request('GET', '/')->{body}, qr/^\{"status":"OK","service":"vsplugin","timestamp":$time\}$/, 'root');
my $get = $s->request('GET', '/health');
my $headers = $s->request('HEAD', '/health');
is($headers->{status}, 200, 'HEAD works where GET does');
is($headers->{body}, '', 'without a body');
is_deeply($headers->{headers}{'content-length'}, $get->{headers}{'content-length'}, 'and says its length');
answer('health: POST', $s->post('/health', '{}'), 405, '{"error":"Method not allowed"}', allow => ['GET, HEAD']);
for my $path ('/none', '/TrackUsage', '//trackUsage', '/trackUsage//', '/./trackUsage', '/x/../trackUsage', '/track%55sage', '/signup%2f')
{
	answer("unknown path $path", $s->post($path, '{}', { Authorization => "Bearer $token" }), 404, '{"error":"Not found"}');
}
is($s->request('GET', '/health', { 'X-Request-Id' => 'my-request-1' })->{headers}{'x-request-id'}[0], 'my-request-1',
	'a request id is taken over');
isnt($s->request('GET', '/health', { 'X-Request-Id' => 'my request' })->{headers}{'x-request-id'}[0], 'my request',
	'an odd one is not');

# ---- CORS --------------------------------------------------------------------------------------

my $origin = { Origin => 'https://app.example' };
my $none = $s->request('GET', '/health', $origin);
ok(!exists $none->{headers}{$_}, "no origin configured: no $_")
  for qw(access-control-allow-origin access-control-allow-credentials);
$s->sql("SELECT authmeter.setting_set('vsplugin.cors_origins', 'https://app.example,https://b.example')");
ok($s->poll(sub { exists $s->request('GET', '/health', $origin)->{headers}{'access-control-allow-origin'} },
		'the shim has the new origins'), 'a changed setting reaches the shim without a restart');
$reply = $s->request('GET', '/health', $origin);
is_deeply($reply->{headers}{'access-control-allow-origin'}, ['https://app.example'], 'the origin');
is_deeply($reply->{headers}{'access-control-allow-credentials'}, ['true'], 'credentials');
is_deeply($reply->{headers}{vary}, ['Origin'], 'vary');
for my $other ('https://app.example.evil', 'http://app.example', 'https://APP.example', 'null', 'https://app.example:443')
{
	ok(!exists $s->request('GET', '/health', { Origin => $other })->{headers}{'access-control-allow-origin'}, "not $other");
}
$reply = $s->request('OPTIONS', '/trackUsage', { %$origin, 'Access-Control-Request-Method' => 'POST' });
is($reply->{status}, 204, 'preflight');
is_deeply($reply->{headers}{'access-control-allow-methods'}, ['GET,POST,PUT,DELETE,OPTIONS'], 'its methods');
is_deeply($reply->{headers}{'access-control-allow-headers'}, ['Content-Type,Authorization'], 'its headers');

# ---- strict ------------------------------------------------------------------------------------

$s->sql("SELECT authmeter.setting_set('vsplugin.signup_proof', 'strict')");
$s->sql("SELECT authmeter.setting_set('vsplugin.api_key_claim', 'strict')");
my $required = '{"error":"Verification required"}';
my $wrong = '{"error":"Invalid or expired code"}';
$reply = $s->post('/signup', '{"email":"ana@example.com"}');
answer('strict: no proof, known', $reply, 401, $required);
my $unknown = $s->post('/signup', '{"email":"no@example.com"}');
answer('strict: no proof, unknown', $unknown, 401, $required);
is_deeply([ sort keys %{ $reply->{headers} } ], [ sort keys %{ $unknown->{headers} } ], 'the same headers for both');
answer('strict: wrong code', $s->post('/signup', '{"email":"ana@example.com","otp":"abcdef"}'), 401, $wrong);
answer('strict: unknown user with a code', $s->post('/signup', '{"email":"no@example.com","otp":"123456"}'), 401, $wrong);
answer('strict: missing e-mail', $s->post('/signup', '{}'), 400, $email);
my $service_token = $s->sql("SELECT authmeter.create_service_token('test', ARRAY['vsplugin:signup'], '1 hour')");
my $foreign_token = $s->sql("SELECT authmeter.create_service_token('other', ARRAY['jobpsych:reset'], '1 hour')");
$reply = $s->post('/signup', '{"email":"ana@example.com"}', { 'X-Service-Token' => $service_token });
answer('strict: service token', $reply, 201, undef);
like(decode_json(decode_base64url((split /\./, decode_json($reply->{body})->{sessionToken})[1]))->{apiKey}, qr/^akh_[\w-]{24}$/,
	'strict: the claim is a handle');
answer('strict: service token, unknown user', $s->post('/signup', '{"email":"no@example.com"}', { 'X-Service-Token' => $service_token }),
	404, '{"error":"User not found"}');
answer('strict: service token of another scope', $s->post('/signup', '{"email":"ana@example.com"}', { 'X-Service-Token' => $foreign_token }),
	401, $required);
$s->sql("SELECT authmeter.setting_set('vsplugin.trusted_networks', '127.0.0.0/8')");
answer('strict: trusted network', $s->post('/signup', '{"email":"ana@example.com"}'), 201, undef);
$s->sql("SELECT authmeter.setting_set('vsplugin.trusted_networks', '10.0.0.0/8')");
answer('strict: a forwarded address from nobody we trust',
	$s->post('/signup', '{"email":"ana@example.com"}', { 'X-Forwarded-For' => '10.1.1.1' }), 401, $required);

# The limit comes first, before the body is looked at, and counts refused bodies too.
# Fresh addresses, so that nothing has been counted for them: those of clients behind a proxy we trust.
$s->sql("SELECT authmeter.setting_set('vsplugin.signup_limit', '2/1h')");
$s->sql("SELECT authmeter.setting_set('authmeter.trusted_proxies', '127.0.0.1')");
sub from
{
	my ($address, $body) = @_;
	return $s->post('/signup', $body, { 'X-Forwarded-For' => $address });
}
ok($s->poll(sub { from('192.0.2.1', '{}')->{status} == 400 }, 'the shim trusts the proxy'),
	'trusted proxies reach the shim without a restart');
my @limited = map { from('192.0.2.2', $_) } '{', '{}', '{', '{"email":"no@example.com"}';
is(join(' ', map { $_->{status} } @limited), '400 400 429 429', 'two pass, the third is refused');
answer('strict: limit', $limited[3], 429, '{"error":"Too many requests"}');
like($limited[3]{headers}{'retry-after'}[0], qr/^\d+$/, 'Retry-After in whole seconds');
cmp_ok($limited[3]{headers}{'retry-after'}[0], '<=', 3600, 'within the window');
is(from('192.0.2.2, 192.0.2.3', '{}')->{status}, 400, 'the right-most address counts');
is(from('192.0.2.4, 192.0.2.2', '{}')->{status}, 429, 'whatever stands left of it');
is(join(' ', map { from("2001:db8::$_", '{}')->{status} } 1 .. 3), '400 400 429', 'an IPv6 client is its /64');

is($s->stop_shim, 0, 'the shim stops cleanly');
unlike($s->shim_log, qr/\Q$token\E|Bearer|\Q$service_token\E|sk-ana/, 'nothing secret in its log');
done_testing();
