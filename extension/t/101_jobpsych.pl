# The jobpsych API over HTTP, row by row of its contract, in both policies: status, headers, cookies,
# whole bodies, and the state left behind. All bodies in both error styles are in sql/api_jobpsych.sql.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use JSON::PP;
use Test::More;

use constant { CALLS => 64, FILE_MAX => 10_485_760 };

my %secret = ('jobpsych' => 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-jobpsych-access',
	'jobpsych-refresh' => 'pQ4mX7wErT1yUi9oPa2sDf5gHj8kLz3xC-jobpsych-refresh');
my $s = Authmeter::Service->new('jobpsych', environment => 'development', rings => \%secret,
	mounts => [ '=jobpsych', '/s/jobpsych=jobpsych' ], start_shim => 0,
	shim_conf => "fast_queue_wait_ms = 20000\nfast_deadline_ms = 30000\nwrite_queue_wait_ms = 20000\nwrite_deadline_ms = 30000");
$s->sql("SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4')");
$s->start_shim;

sub set
{
	my ($name, $value) = @_;
	$s->sql("SELECT authmeter.setting_set('$name', " . (defined $value ? "'$value'" : 'NULL') . ')');
	return;
}

# What differs from call to call, by a name.
sub masked
{
	my ($text) = @_;
	$text =~ s/[\w-]{8,}\.[\w-]{8,}\.[\w-]{20,}/<jwt>/g;
	$text =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/<time>/g;
	$text =~ s/"uptime":\d+(?:\.\d{1,3})?/"uptime":<s>/g;
	return $text;
}

# answer NAME, REPLY, STATUS, BODY, HEADERS: also what every answer has (contract A1, A3). A Set-Cookie
# that is not among HEADERS must not come.
sub answer
{
	my ($name, $reply, $status, $body, %headers) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	subtest $name => sub {
		my $h = $reply->{headers};
		is($reply->{status}, $status, 'status');
		is(masked($reply->{body}), $body, 'body') if defined $body;
		is_deeply($h->{'content-type'}, ['application/json; charset=utf-8'], 'content type');
		is_deeply($h->{'x-content-type-options'}, ['nosniff'], 'nosniff');
		is_deeply($h->{'cache-control'}, ['no-store'], 'no-store');
		ok(!exists $h->{'x-powered-by'}, 'no x-powered-by');
		unlike($h->{server}[0] // '', qr/\d/, 'no server version');
		my @cookies = map { masked($_) } @{ $h->{'set-cookie'} // [] };
		is_deeply(\@cookies, $headers{'set-cookie'} // [], 'cookies');
		delete $headers{'set-cookie'};
		is_deeply($h->{$_}, $headers{$_}, $_) for sort keys %headers;
	};
	return $reply;
}

sub refusal
{
	my ($message, $code, $more) = @_;
	return qq({"success":false,"message":"$message","error":"$code","code":"$code") . ($more // '') . '}';
}

my %no = (
	validation => refusal('Validation Error', 'VALIDATION_ERROR'),
	lower => refusal('Validation error', 'VALIDATION_ERROR'),
	taken => refusal('User already exists', 'USER_EXISTS'),
	credentials => refusal('Invalid credentials', 'INVALID_CREDENTIALS'),
	cookie => refusal('Refresh token required', 'UNAUTHORIZED'),
	refresh => refusal('Invalid refresh token', 'TOKEN_VERIFICATION_FAILED'),
	bearer => refusal('Access token is required', 'UNAUTHORIZED'),
	access => refusal('Invalid or expired access token', 'TOKEN_VERIFICATION_FAILED'),
	user => refusal('User not found', 'USER_NOT_FOUND'),
	nobody => refusal('User not found', 'USER_NOT_FOUND', ',"filesUploaded":0'),
	current => refusal('Invalid current password', 'INVALID_CREDENTIALS'),
	reset_required => refusal('Reset token required', 'RESET_TOKEN_REQUIRED'),
	reset_token => refusal('Invalid or expired reset token', 'INVALID_RESET_TOKEN'),
	email => refusal('Email is required', 'VALIDATION_ERROR'),
	format => refusal('Invalid email format', 'VALIDATION_ERROR'),
	token_required => refusal('Token is required', 'VALIDATION_ERROR'),
	token => refusal('Invalid or expired token', 'TOKEN_VERIFICATION_FAILED'),
	no_file => refusal('No file provided', 'VALIDATION_ERROR'),
	type => refusal('Invalid file type. Only PDF, DOC, DOCX, TXT, and image files are allowed.', 'VALIDATION_ERROR'),
	file_large => refusal('File too large', 'PAYLOAD_TOO_LARGE'),
	large => refusal('Request body too large', 'PAYLOAD_TOO_LARGE'),
	quota => refusal('Upload limit reached', 'UPLOAD_LIMIT_REACHED'),
	limit => refusal('Too many requests', 'RATE_LIMITED'),
	method => refusal('Method not allowed', 'METHOD_NOT_ALLOWED'),
);

my @cookie = ('refreshToken=<jwt>; HttpOnly; Secure; SameSite=Strict; Max-Age=604800; Path=/api/auth');
my @cleared = ('refreshToken=; HttpOnly; Secure; SameSite=Strict; Max-Age=0; Path=/api/auth');

sub bearer { return (Authorization => "Bearer $_[0]") }
sub access { return decode_json($_[0]->{body})->{accessToken} }
sub refresh_of { return $_[0]->{headers}{'set-cookie'}[0] =~ /^refreshToken=([^;]+)/ ? $1 : undef }
sub claims { return decode_json(decode_base64url((split /\./, $_[0])[1])) }
sub body { return encode_json({@_}) }

sub jwt
{
	my ($claims, $secret, $header) = @_;
	my $input = encode_base64url($header // '{"alg":"HS256","typ":"JWT"}') . '.' . encode_base64url($claims);
	return "$input." . encode_base64url(hmac_sha256($input, $secret));
}

sub sign_in
{
	my ($email, $password) = @_;
	return $s->post('/api/auth/login', body(email => $email, password => $password));
}

sub refresh
{
	my (@tokens) = @_;
	return $s->request('POST', '/api/auth/refresh', { Cookie => join('; ', map { "refreshToken=$_" } @tokens) });
}

sub profile { return $s->request('GET', '/api/auth/profile', { bearer($_[0]) }) }
sub stored { return $s->sql("SELECT coalesce(refresh_token, 'none') FROM authmeter.jobpsych_users WHERE email = '$_[0]'") }

sub user_json
{
	my ($id, $name, $email, $company, $files, $more) = @_;
	return qq({"id":"$id","name":"$name","email":"$email","company_name":"$company","filesUploaded":$files) . ($more // '') . '}';
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

# ---- upload quota -----------------------------------------------------------------------------------------------------

my $bob = access(sign_in('bob@example.com', 'mailed secret'));
sub uploads { my ($email, %headers) = @_; return $s->request('GET', "/api/auth/user-uploads/$email", \%headers) }
sub increment { my ($email, %headers) = @_; return $s->post('/api/auth/increment-upload', body(email => $email), \%headers) }
sub quota { my ($email, $files, $limit) = @_; $limit //= 10; return qq("email":"$email","filesUploaded":$files,"limit":$limit,"remaining":) . ($files > $limit ? 0 : $limit - $files) }
sub shown { return '{"success":true,' . quota(@_) . ',"message":"Upload statistics retrieved successfully"}' }
sub counted { return '{"success":true,"message":"Upload count incremented successfully",' . quota(@_) . '}' }
sub full { return refusal('Upload limit reached', 'UPLOAD_LIMIT_REACHED', ',' . quota(@_)) }

answer('user-uploads', uploads('Bob%40Example.com'), 200, shown('bob@example.com', 0));
answer('user-uploads: unknown', uploads('no@example.com'), 404, $no{nobody});
answer("user-uploads: $_", uploads($_), 400, $no{format}) for 'nobody', '%zz', 'a%20b@example.com';
answer('increment', increment('BOB@example.com'), 200, counted('bob@example.com', 1));
answer('increment: unknown', increment('no@example.com'), 404, $no{user});
answer("increment: $_", $s->post('/api/auth/increment-upload', $_), 400, $no{email}) for '', '{}', '{"email":""}', '{"email":5}';
answer('increment: no address', increment('nobody'), 400, $no{format});
increment('bob@example.com') for 2 .. 9;
answer('increment: to the limit', increment('bob@example.com'), 200, counted('bob@example.com', 10));
answer('increment: past the limit', increment('bob@example.com'), 200, counted('bob@example.com', 11));
answer('user-uploads: never below 0', uploads('bob@example.com'), 200, shown('bob@example.com', 11));
answer('upload-stats', $s->request('GET', '/api/auth/upload-stats', { bearer($bob) }), 200,
	qq({"success":true,"stats":{"email":"bob\@example.com","name":"$letters","totalUploads":11,"limit":10,"remaining":0,"percentage":100,"canUpload":false}}));
set('jobpsych.enforce_upload_limit', 'on');
answer('increment: enforced', increment('bob@example.com'), 429, full('bob@example.com', 11));
set('jobpsych.upload_limit', '30');
answer('upload-stats: at most two decimals', $s->request('GET', '/api/auth/upload-stats', { bearer($bob) }), 200,
	qq({"success":true,"stats":{"email":"bob\@example.com","name":"$letters","totalUploads":11,"limit":30,"remaining":19,"percentage":36.67,"canUpload":true}}));
{
	my $body = body(email => 'bob@example.com');
	my $bytes = "POST /api/auth/increment-upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	my $sum = Authmeter::Load::finish(Authmeter::Load::start(CALLS, sub { return { Authmeter::Load::client($s->{port})->send($bytes) => 1 } }));
	is_deeply($sum, { 200 => 19, 429 => CALLS - 19 }, 'parallel increments with 19 left: exactly 19 pass');
	answer('and are counted', uploads('bob@example.com'), 200, shown('bob@example.com', 30, 30));
}
set('jobpsych.enforce_upload_limit');
set('jobpsych.upload_limit');

set('jobpsych.upload_routes', 'strict');
for my $call ([ 'user-uploads', \&uploads, shown('bob@example.com', 30), $no{nobody} ], [ 'increment', \&increment, undef, $no{user} ])
{
	my ($name, $code, $body, $unknown) = @$call;
	answer("strict $name: field checks first", $code->('nobody'), 400, $no{format});
	answer("strict $name: nothing", $code->('bob@example.com'), 401, $no{bearer});
	answer("strict $name: bad token", $code->('bob@example.com', bearer('abc')), 401, $no{access});
	answer("strict $name: token of another user", $code->('bob@example.com', bearer($access)), 404, $no{nobody});
	answer("strict $name: unknown address", $code->('no@example.com', bearer($access)), 404, $no{nobody});
	answer("strict $name: service token of another scope", $code->('bob@example.com', 'X-Service-Token' => $reset_token), 401, $no{bearer});
	answer("strict $name: own token", $code->('bob@example.com', bearer($bob)), 200, $body);
	answer("strict $name: service token, unknown address", $code->('no@example.com', 'X-Service-Token' => $upload_token), 404, $unknown);
}
answer('strict user-uploads: service token', uploads('bob@example.com', 'X-Service-Token' => $upload_token), 200, shown('bob@example.com', 31));
set('jobpsych.trusted_networks', '127.0.0.0/8');
answer('strict increment: trusted network', increment('bob@example.com'), 200, counted('bob@example.com', 32));
set('jobpsych.trusted_networks');
set('jobpsych.upload_routes');

# ---- token checks --------------------------------------------------------------------------------------------------------

sub verify { return $s->post('/api/auth/verify-token', $_[0]) }
my $decoded = '"decoded":{"userId":"2","email":"bob@example.com","iat":' . claims($bob)->{iat} . ',"exp":' . claims($bob)->{exp} . '}';
sub valid { return qq({"success":true,"message":"Token is valid",$decoded,"tokenInfo":{"algorithm":"HS256","expiresIn":"15m","secretLength":$_[0]}}) }
answer('verify-token', verify(body(token => $bob)), 200, valid(48));
answer("verify-token: $_", verify($_), 400, $no{token_required}) for '', '{}', map { qq({"token":$_}) } qw(null "" false 0 0.0);
answer("verify-token: $_", verify(qq({"token":$_})), 401, $no{token}) for '"abc"', '" "', '1', 'true', '[]', '{}', qq("$refresh");
sub info
{
	my ($length, $first, $last) = @_;
	return qq({"success":true,"message":"JWT configuration information","jwtInfo":{"algorithm":"HS256","accessTokenExpiry":"15m","refreshTokenExpiry":"7d","secretLength":$length,)
	  . qq("secretFirstChars":"$first","secretLastChars":"$last","environment":"development","timestamp":"<time>"},"note":"Share this info with FastAPI team to ensure JWT secrets match"});
}
answer('jwt-info', $s->request('GET', '/api/auth/jwt-info'), 200, info(48, 'kT9vN2qLrW', 'ych-access'));
set('jobpsych.jwt_info', 'strict');
set('jobpsych.verify_token', 'strict');
my $fingerprint = hmac_sha256_hex('authmeter jwt-info', $secret{jobpsych});
answer('jwt-info: strict', $s->request('GET', '/api/auth/jwt-info'), 200, info(64, substr($fingerprint, 0, 10), substr($fingerprint, -10)));
answer('verify-token: strict', verify(body(token => $bob)), 200, valid(64));
{
	my $client = Authmeter::Load::client($s->{port});
	my %seen;
	$seen{ $client->send("POST /api/auth/verify-token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") }++ for 1 .. 121;
	is_deeply(\%seen, { 400 => 119, 429 => 2 }, 'strict verify-token: 120 a minute');
	$reply = answer('strict verify-token: limited', verify(body(token => $bob)), 429, $no{limit});
	like($reply->{headers}{'retry-after'}[0], qr/^(?:[1-9]|[1-5]\d|60)$/, 'Retry-After within the minute');
}
set('jobpsych.jwt_info');
set('jobpsych.verify_token');

done_testing();
