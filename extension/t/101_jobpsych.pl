# The jobpsych API over HTTP, row by row of its contract, in both policies: accounts, sessions and
# passwords. Status, headers, cookies, whole bodies, and the state left behind. All bodies in both
# error styles are in sql/api_jobpsych.sql.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Jobpsych;
use Authmeter::Load;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Digest::SHA qw(hmac_sha256 sha256_hex);
use JSON::PP;
use Test::More;

use constant CALLS => 64;

my $s = Authmeter::Jobpsych->new('jobpsych');
my %secret = %{ $s->{rings} };

sub jwt
{
	my ($claims, $secret, $header) = @_;
	my $input = encode_base64url($header // '{"alg":"HS256","typ":"JWT"}') . '.' . encode_base64url($claims);
	return "$input." . encode_base64url(hmac_sha256($input, $secret));
}

sub set { return $s->set(@_) }
sub sign_in { return $s->sign_in(@_) }
sub profile { return $s->request('GET', '/api/auth/profile', { bearer($_[0]) }) }
sub stored { return $s->sql("SELECT coalesce(refresh_token, 'none') FROM authmeter.jobpsych_users WHERE email = '$_[0]'") }

sub refresh
{
	my (@tokens) = @_;
	return $s->request('POST', '/api/auth/refresh', { Cookie => join('; ', map { "refreshToken=$_" } @tokens) });
}

sub session_json
{
	my ($message, $user) = @_;
	return qq({"success":true,"message":"$message","accessToken":"<jwt>","user":$user,"data":{"accessToken":"<jwt>","user":$user}});
}

# ---- what the gateway answers by itself ----------------------------------------------------------

answer('unknown path', $s->request('GET', '/api/auth/nosuch?x=1'), 404,
	'{"success":false,"message":"Route /api/auth/nosuch not found","error":"Not Found","code":"ROUTE_NOT_FOUND"}');
answer('wrong method', $s->request('PATCH', '/api/auth/login'), 405, $no{method}, allow => ['POST']);
answer('body too large', $s->post('/api/auth/login', '{"email":"' . 'x' x 102_400 . '"}'), 413, $no{large});
answer('malformed JSON', $s->post('/api/auth/login', '{"email":'), 400, $no{validation});
answer('doubled keys', $s->post('/api/auth/register', '{"name":"a","name":"b"}'), 400, $no{validation});
answer('form body counts as empty', $s->request('POST', '/api/auth/verify-token',
		{ 'Content-Type' => 'application/x-www-form-urlencoded' }, 'token=x'), 400, $no{token_required});
like($s->shim_log, qr/weak behaviour active: $_ = documented/, "warned: $_")
  for map { "jobpsych.$_" } qw(reset_password upload_routes jwt_info verify_token refresh_reuse);

# ---- register, login ----------------------------------------------------------------------------

my $ana = user_json(1, 'Ana Ruiz', 'ana@example.com', 'Acme', 0);
answer('register', $s->post('/api/auth/register', '{"name":"Ana Ruiz","email":"Ana@Example.com","password":"abcde","company_name":"Acme"}'),
	201, session_json('User registered successfully', $ana), 'set-cookie' => \@cookie);
answer('register: duplicate in another spelling',
	$s->post('/api/auth/register', '{"name":"X","email":" ANA@example.com ","password":"abcde","company_name":"C"}'), 409, $no{taken});
my $letters = "\xc3\xa9 \xc2\xa9 \xe2\x84\xa2 \xf0\x9f\x98\x80 \\\"q\\\" '; --";
answer('register: companyName, letters kept, server-owned keys ignored',
	$s->post('/api/auth/register', qq({"name":"$letters","email":"bob\@example.com","password":"x","companyName":"Bob","id":"9","filesUploaded":7,"role":"admin"})),
	201, session_json('User registered successfully', user_json(2, $letters, 'bob@example.com', 'Bob', 0)), 'set-cookie' => \@cookie);
my %person = (name => 'N', email => 'n@example.com', password => 'p', company_name => 'C');
for my $key (sort keys %person)
{
	for my $value (undef, '', 5, 'x' x 256)
	{
		answer("register: $key = " . substr($value // 'null', 0, 8), $s->post('/api/auth/register', body(%person, $key => $value)), 400, $no{validation});
	}
}
answer('register: no address', $s->post('/api/auth/register', body(%person, email => 'n@example')), 400, $no{validation});
answer('register: 73 bytes', $s->post('/api/auth/register', body(%person, password => 'p' x 73)), 400, $no{validation});
is($s->sql('SELECT count(*) FROM authmeter.user'), 2, 'refused registrations leave nothing');

my $reply = answer('login', sign_in('ana@EXAMPLE.com', 'abcde'), 200, session_json('Login successful', $ana), 'set-cookie' => \@cookie);
answer('login: wrong password', sign_in('ana@example.com', 'wrong'), 401, $no{credentials});
answer('login: unknown address', sign_in('no@example.com', 'abcde'), 401, $no{credentials});
answer("login: $_", $s->post('/api/auth/login', $_), 400, $no{validation})
  for '{}', '{"email":"ana@example.com"}', '{"email":"","password":"x"}', body(email => 'ana@example.com', password => 'p' x 73);
set('jobpsych.error_style', 'text');
answer('login refused, error_style text', sign_in('ana@example.com', 'wrong'), 401,
	'{"success":false,"message":"Invalid credentials","error":"Invalid email or password","code":"INVALID_CREDENTIALS"}');
set('jobpsych.error_style');

# Of parallel registrations of one address one wins.
{
	my $body = body(%person, email => 'race@example.com');
	my $head = "POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n";
	my $sum = Authmeter::Load::finish(Authmeter::Load::start(16, sub {
		my $client = Authmeter::Load::client($s->{port});
		my %seen;
		$seen{ $client->send($head . $body) }++ for 1 .. 2;
		return \%seen;
	}));
	is_deeply($sum, { 201 => 1, 409 => 31 }, '32 registrations of one address: one 201, the others 409');
	is($s->sql("SELECT count(*) FROM authmeter.jobpsych_user_info WHERE email = 'race\@example.com' AND number IS NOT NULL"), 1, 'and one user');
}

# ---- tokens ----------------------------------------------------------------------------------------

my ($access, $refresh) = (access($reply), refresh_of($reply));
my $claims = claims($access);
is(decode_base64url((split /\./, $access)[0]), '{"alg":"HS256","typ":"JWT"}', 'header of the token, to the letter');
is((split /\./, $access)[2], encode_base64url(hmac_sha256($access =~ s/\.[^.]+$//r, $secret{jobpsych})), 'verifies with the shared secret');
is((split /\./, $refresh)[2], encode_base64url(hmac_sha256($refresh =~ s/\.[^.]+$//r, $secret{'jobpsych-refresh'})), 'the refresh token with the other');
is_deeply([ sort keys %$claims ], [qw(api email exp iat jti sid uid use userId ver)], 'claims, and no others');
is($claims->{email}, 'ana@example.com', 'email');
is(encode_json([ $claims->{userId} ]), '["1"]', 'userId is a string');
is($claims->{exp} - $claims->{iat}, 900, '15 minutes');
is(claims($refresh)->{exp} - claims($refresh)->{iat}, 604_800, '7 days');
is(stored('ana@example.com'), sha256_hex($refresh), 'stored as SHA-256');

# ---- refresh, logout ----------------------------------------------------------------------------------

my $renewed = '{"success":true,"message":"Token refreshed successfully","accessToken":"<jwt>","data":{"accessToken":"<jwt>"}}';
answer('refresh: no cookie', $s->request('POST', '/api/auth/refresh'), 401, $no{cookie});
answer('refresh: empty cookie', refresh(''), 401, $no{cookie});
answer('refresh: other cookie', $s->request('POST', '/api/auth/refresh', { Cookie => 'token=x' }), 401, $no{cookie});
answer('refresh: an access token', refresh($access), 401, $no{refresh});
answer('refresh: garbage', refresh('abc'), 401, $no{refresh});
answer('refresh: signed by the access secret', refresh(jwt(encode_json(claims($refresh)), $secret{jobpsych})), 401, $no{refresh});
answer('refresh: expired', refresh(jwt(encode_json({ %{ claims($refresh) }, exp => time - 1 }), $secret{'jobpsych-refresh'})), 401, $no{refresh});
answer('refresh: no session', refresh(jwt(encode_json({ %{ claims($refresh) }, jti => 'x' x 22 }), $secret{'jobpsych-refresh'})), 401, $no{refresh});
is(stored('ana@example.com'), sha256_hex($refresh), 'nothing of that has changed the stored one');
my $second = answer('refresh', refresh($refresh), 200, $renewed, 'set-cookie' => \@cookie);
answer('refresh: the same again', refresh($refresh), 401, $no{refresh});
is(stored('ana@example.com'), sha256_hex(refresh_of($second)), 'documented: the reuse ended nothing');
answer('the new access token', profile(access($second)), 200, undef);
my $third = answer('refresh: several cookies of one name', refresh('abc', $refresh, refresh_of($second)), 200, $renewed, 'set-cookie' => \@cookie);

# Of parallel refreshes with one token one gets the successor.
{
	my $token = refresh_of($third);
	my $bytes = "POST /api/auth/refresh HTTP/1.1\r\nHost: x\r\nCookie: refreshToken=$token\r\nContent-Length: 0\r\n\r\n";
	my $sum = Authmeter::Load::finish(Authmeter::Load::start(CALLS / 4, sub {
		my $client = Authmeter::Load::client($s->{port});
		my %seen;
		$seen{ $client->send($bytes) }++ for 1 .. 4;
		return \%seen;
	}));
	is_deeply($sum, { 200 => 1, 401 => CALLS - 1 }, 'parallel refreshes: one 200');
}

$reply = sign_in('ana@example.com', 'abcde');
my $newer = sign_in('ana@example.com', 'abcde');
answer('the newest login wins', refresh(refresh_of($reply)), 401, $no{refresh});
answer('the access token of the former lives', profile(access($reply)), 200, undef);

my $logged_out = '{"success":true,"message":"Logged out successfully"}';
answer('logout: no cookie', $s->request('POST', '/api/auth/logout'), 200, $logged_out, 'set-cookie' => \@cleared);
answer('logout: bad cookie', $s->request('POST', '/api/auth/logout', { Cookie => 'refreshToken=abc' }), 200, $logged_out, 'set-cookie' => \@cleared);
answer('logout: a displaced cookie', $s->request('POST', '/api/auth/logout', { Cookie => 'refreshToken=' . refresh_of($reply) }),
	200, $logged_out, 'set-cookie' => \@cleared);
is(stored('ana@example.com'), sha256_hex(refresh_of($newer)), 'none of them revoked anything');
answer('logout', $s->request('POST', '/api/auth/logout', { Cookie => 'refreshToken=' . refresh_of($newer) }), 200, $logged_out, 'set-cookie' => \@cleared);
is(stored('ana@example.com'), 'none', 'the stored token is gone');
answer('refresh after logout', refresh(refresh_of($newer)), 401, $no{refresh});
answer('the access token lives until it expires', profile(access($newer)), 200, undef);

# ---- bearer routes ----------------------------------------------------------------------------------------

$access = access($newer);
my %good = (%{ claims($access) });
my @bearer_routes = ([ 'GET', '/api/auth/profile' ], [ 'POST', '/api/auth/change-password' ], [ 'PUT', '/api/auth/update-profile' ],
	[ 'GET', '/api/auth/upload-stats' ], [ 'POST', '/api/files/upload' ], [ 'POST', '/api/files/count' ], [ 'GET', '/api/files/stats' ]);
for (@bearer_routes)
{
	my ($method, $path) = @$_;
	my $call = sub { $s->request($method, $path, { 'Content-Type' => 'application/json', @_ }, $method eq 'GET' ? undef : '{}') };
	answer("$path: no token", $call->(), 401, $no{bearer});
	answer("$path: another scheme", $call->(Authorization => "Basic $access"), 401, $no{bearer});
	answer("$path: a refresh token", $call->(bearer($refresh)), 401, $no{access});
}
my %refused = ('abc' => 'abc', 'other secret' => jwt(encode_json(\%good), 'x' x 48), 'expired' => jwt(encode_json({ %good, exp => time - 1 }), $secret{jobpsych}),
	'other API' => jwt(encode_json({ %good, api => 'vsplugin' }), $secret{jobpsych}), 'other use' => jwt(encode_json({ %good, use => 'verify' }), $secret{jobpsych}),
	'other version' => jwt(encode_json({ %good, ver => $good{ver} + 1 }), $secret{jobpsych}),
	'alg none' => jwt(encode_json(\%good), $secret{jobpsych}, '{"alg":"none","typ":"JWT"}'));
answer("profile: $_", profile($refused{$_}), 401, $no{access}) for sort keys %refused;
answer('profile: a token signed elsewhere with the shared secret', profile(jwt(encode_json(\%good), $secret{jobpsych})), 200, undef);

my $with_time = user_json(1, 'Ana Ruiz', 'ana@example.com', 'Acme', 0, ',"createdAt":"<time>"');
answer('profile', profile($access), 200, qq({"success":true,"message":"Profile retrieved successfully","data":$with_time,"user":$with_time}));

sub update { return $s->request('PUT', '/api/auth/update-profile', { 'Content-Type' => 'application/json', bearer($_[0]) }, $_[1]) }
my $updated = user_json(1, 'Ana', 'ana@example.com', 'Acme', 0, ',"updatedAt":"<time>"');
answer('update-profile: name', update($access, '{"name":"  Ana ","company_name":"Evil","email":"x@example.com","filesUploaded":9}'), 200,
	qq({"success":true,"message":"Profile updated successfully","data":$updated,"user":$updated}));
answer("update-profile: $_", update($access, $_), 400, $no{lower})
  for '{}', '{"name":" "}', body(name => 'n' x 256), '{"newPassword":"new secret"}', body(newPassword => 'new secret', currentPassword => 'abcde', confirmPassword => 'other'),
  body(newPassword => 'short', currentPassword => 'abcde', confirmPassword => 'short');
answer('update-profile: wrong password', update($access, body(name => 'X', newPassword => 'new secret', currentPassword => 'wrong', confirmPassword => 'new secret')), 400, $no{current});
is($s->sql("SELECT name, company_name, files_uploaded FROM authmeter.jobpsych_user_info WHERE email = 'ana\@example.com'"), 'Ana|Acme|0', 'nothing else has changed');

$reply = sign_in('ana@example.com', 'abcde');
my $other = $access;
($access, $refresh) = (access($reply), refresh_of($reply));
my $note = ',"securityNote":"Password has been changed. You have been logged out from other devices."';
answer('update-profile: password', update($access, body(newPassword => 'new secret', currentPassword => 'abcde', confirmPassword => 'new secret')), 200,
	'{"success":true,"message":"Profile updated successfully","data":' . user_json(1, 'Ana', 'ana@example.com', 'Acme', 0, ',"updatedAt":"<time>"' . $note) . qq(,"user":$updated}));
answer('the token that made the call lives', profile($access), 200, undef);
answer('an older token does not', profile($other), 401, $no{access});
answer('the session cannot be refreshed', refresh($refresh), 401, $no{refresh});
is(stored('ana@example.com'), 'none', 'the stored token is gone');

sub change { return $s->post('/api/auth/change-password', body(currentPassword => $_[1], newPassword => $_[2], confirmPassword => $_[3] // $_[2]), { bearer($_[0]) }) }
answer('change-password: missing', $s->post('/api/auth/change-password', '{}', { bearer($access) }), 400, $no{lower});
answer('change-password: differs', change($access, 'new secret', 'third secret', 'other'), 400, $no{lower});
answer('change-password: short', change($access, 'new secret', 'short'), 400, $no{lower});
answer('change-password: 73 bytes', change($access, 'new secret', 'p' x 73), 400, $no{lower});
answer('change-password: wrong', change($access, 'wrong', 'third secret'), 400, $no{current});
$reply = sign_in('ana@example.com', 'new secret');
answer('change-password', change($access, 'new secret', 'third secret'), 200,
	'{"success":true,"message":"Password changed successfully","data":{"message":"Password has been changed. You have been logged out from other devices."}}');
answer('the token that made the call lives', profile($access), 200, undef);
answer('another session is over', profile(access($reply)), 401, $no{access});
answer('and cannot be refreshed', refresh(refresh_of($reply)), 401, $no{refresh});
answer('the old password is', sign_in('ana@example.com', 'new secret'), 401, $no{credentials});

# A deleted user.
$reply = $s->post('/api/auth/register', body(%person, email => 'gone@example.com'));
$s->sql("SELECT authmeter.user_delete(user_id) FROM authmeter.user_find('gone\@example.com')");
for (@bearer_routes)
{
	my ($method, $path) = @$_;
	answer("$path: user deleted", $s->request($method, $path, { bearer(access($reply)) }, $method eq 'GET' ? undef : '{}'), 404, $no{user});
}
answer('refresh: user deleted', refresh(refresh_of($reply)), 401, $no{refresh});

# ---- reset-password, forgot-password ---------------------------------------------------------------------------

my $reset_done = '{"success":true,"message":"Password reset successfully","data":{"message":"Password has been reset. Please login with your new password."}}';
sub reset_password { my ($body, %headers) = @_; return $s->post('/api/auth/reset-password', $body, \%headers) }
$reply = sign_in('bob@example.com', 'x');
answer("reset: $_", reset_password($_), 400, $no{validation}) for '{}', '{"email":"bob@example.com"}', '{"newPassword":"fresh secret"}';
answer('reset: short', reset_password('{"email":"bob@example.com","newPassword":"short"}'), 400, $no{lower});
answer('reset: 73 bytes', reset_password(body(email => 'bob@example.com', newPassword => 'p' x 73)), 400, $no{lower});
answer('reset: unknown', reset_password('{"email":"no@example.com","newPassword":"fresh secret"}'), 404, $no{user});
answer('reset: documented', reset_password('{"email":"Bob@example.com","newPassword":"fresh secret"}'), 200, $reset_done);
answer('all tokens are over', profile(access($reply)), 401, $no{access});
answer('and the session', refresh(refresh_of($reply)), 401, $no{refresh});
answer('the new password is good', sign_in('bob@example.com', 'fresh secret'), 200, undef, 'set-cookie' => \@cookie);

set('jobpsych.reset_password', 'strict');
my %by_email = map { $_ => body(email => "$_\@example.com", newPassword => 'other secret') } qw(bob no);
my @required = map { answer("strict reset: no token, $_", reset_password($by_email{$_}), 401, $no{reset_required}) } qw(bob no);
is_deeply([ sort keys %{ $required[0]{headers} } ], [ sort keys %{ $required[1]{headers} } ], 'the same headers for both');
answer("strict reset: wrong token, $_", reset_password(body(email => "$_\@example.com", newPassword => 'other secret', token => 'wrong')), 401, $no{reset_token}) for qw(bob no);
my $reset_token = $s->sql("SELECT authmeter.create_service_token('reset', '{jobpsych:reset}', '1 hour')");
my $upload_token = $s->sql("SELECT authmeter.create_service_token('uploads', '{jobpsych:uploads}', '1 hour')");
answer('strict reset: service token of another scope', reset_password($by_email{bob}, 'X-Service-Token' => $upload_token), 401, $no{reset_required});
answer('strict reset: service token, unknown', reset_password($by_email{no}, 'X-Service-Token' => $reset_token), 404, $no{user});
answer('strict reset: service token', reset_password($by_email{bob}, 'X-Service-Token' => $reset_token), 200, $reset_done);
my $sent = '{"success":true,"message":"If this email exists, a reset token has been sent"}';
answer('forgot: missing', $s->post('/api/auth/forgot-password', '{}'), 400, $no{validation});
answer('forgot: no address', $s->post('/api/auth/forgot-password', '{"email":"nobody"}'), 400, $no{validation});
answer('forgot: known', $s->post('/api/auth/forgot-password', '{"email":"BOB@example.com"}'), 200, $sent);
answer('forgot: unknown', $s->post('/api/auth/forgot-password', '{"email":"no@example.com"}'), 200, $sent);
is($s->sql("SELECT recipient, state FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' ORDER BY 1"), "bob\@example.com|queued\nno\@example.com|decoy", 'one mail');
my $mailed = $s->sql("SELECT authmeter.mail_params(id)->>'token' FROM authmeter.mail_outbox WHERE recipient = 'bob\@example.com' AND template = 'jobpsych-reset'");
like($mailed, qr/^[\w-]{43}$/, 'with a token of 256 bits');
$reply = sign_in('bob@example.com', 'other secret');
answer('strict reset: token of another address', reset_password(body(email => 'ana@example.com', newPassword => 'mailed secret', token => $mailed)), 401, $no{reset_token});
answer('strict reset: token', reset_password(body(email => 'bob@example.com', newPassword => 'mailed secret', token => $mailed)), 200, $reset_done);
answer('strict reset: token again', reset_password(body(email => 'bob@example.com', newPassword => 'mailed again', token => $mailed)), 401, $no{reset_token});
answer('its sessions are over', refresh(refresh_of($reply)), 401, $no{refresh});
answer('the mailed password is good', sign_in('bob@example.com', 'mailed secret'), 200, undef, 'set-cookie' => \@cookie);
set('jobpsych.reset_password');

# ---- strict refresh_reuse ------------------------------------------------------------------------------------------

set('jobpsych.refresh_reuse', 'strict');
$reply = sign_in('bob@example.com', 'mailed secret');
my $successor = refresh(refresh_of($reply));
answer('strict reuse: refused', refresh(refresh_of($reply)), 401, $no{refresh});
is(stored('bob@example.com'), 'none', 'strict reuse: and the session is closed');
answer('strict reuse: the successor too', refresh(refresh_of($successor)), 401, $no{refresh});
$newer = sign_in('bob@example.com', 'mailed secret');
answer('strict reuse: a displaced token', refresh(refresh_of($successor)), 401, $no{refresh});
answer('strict reuse: never ends a newer login', refresh(refresh_of($newer)), 200, $renewed, 'set-cookie' => \@cookie);
set('jobpsych.refresh_reuse');

is($s->stop_shim, 0, 'the shim stops cleanly');
unlike($s->shim_log, qr/\Q$_\E/, 'nothing secret in its log') for $access, $refresh, $mailed, $reset_token, 'mailed secret';
done_testing();
