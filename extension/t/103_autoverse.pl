# The autoverse API over HTTP, row by row of its contract, in both policies: status, headers, cookies,
# whole bodies, and the state left behind. Field rules and origins in all variety are in
# sql/api_autoverse*.sql.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Digest::SHA qw(hmac_sha1 hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;

use constant CALLS => 64;

my %secret = ('autoverse' => 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-autoverse-access',
	'autoverse-refresh' => 'pQ4mX7wErT1yUi9oPa2sDf5gHj8kLz3xC-autoverse-refresh');
my $s = Authmeter::Service->new('autoverse', environment => 'development', rings => \%secret,
	mounts => [ '=autoverse,vsplugin', '/s/av=autoverse' ], start_shim => 0,
	shim_conf => "slow_connections = 16\nslow_queue_max = 256\nslow_queue_wait_ms = 30000\nslow_deadline_ms = 30000");
sub set
{
	my ($name, $value) = @_;
	$s->sql("SELECT authmeter.setting_set('$name', " . (defined $value ? "'$value'" : 'NULL') . ')');
	return;
}
set('authmeter.bcrypt_cost', 4);
set('autoverse.login_limit', 'off');
set('autoverse.otp_limit', '100/1h');
$s->start_shim;

my $password = 'Tulip-42?x';
my ($set_access, $set_refresh) = map { "$_->[0]=<jwt>; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=$_->[1]" } [ 'accessToken', 900 ], [ 'refreshToken', 604800 ];
my @set = ($set_access, $set_refresh);
my @clear = map { "$_=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0" } qw(accessToken refreshToken);

# What differs from call to call, by a name.
sub masked
{
	my ($text) = @_;
	$text =~ s/eyJ[\w-]+\.[\w-]+\.[\w-]{43}/<jwt>/g;
	$text =~ s/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/<uuid>/g;
	$text =~ s/[0-9a-f]{64}/<hex>/g;
	$text =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/<time>/g;
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
		is_deeply([ map { masked($_) } @{ $h->{'set-cookie'} // [] } ], $headers{'set-cookie'} // [], 'cookies');
		like($h->{'retry-after'}[0] // 'none', $status == 429 || $status == 503 ? qr/^[1-9]\d{0,3}$/ : qr/^none$/, 'Retry-After');
		delete $headers{'set-cookie'};
		is_deeply($h->{$_}, $headers{$_}, $_) for sort keys %headers;
	};
	return;
}

sub error
{
	my ($message, $code) = @_;
	return qq({"error":"$message","code":"$code"});
}

sub invalid
{
	my ($details) = @_;
	return qq({"error":"Validation failed","details":$details,"code":"VALIDATION_ERROR"});
}

sub user_json
{
	my ($email, $name) = @_;
	return qq({"id":"<uuid>","email":"$email","name":"$name","planType":"free","creditsRemaining":0});
}

# call METHOD, PATH, BODY (a hash, text or undef), OPTIONS: jar (cookies, kept up to date), bearer, headers.
sub call
{
	my ($method, $path, $body, %option) = @_;
	my %headers = %{ $option{headers} // {} };
	my $jar = $option{jar};

	$body = JSON::PP->new->canonical->encode($body) if ref $body;
	$headers{'Content-Type'} = 'application/json' if defined $body;
	$headers{Cookie} = join '; ', map { "$_=$jar->{$_}" } sort keys %$jar if $jar && %$jar;
	$headers{Authorization} = "Bearer $option{bearer}" if defined $option{bearer};
	my $reply = $s->request($method, ($option{prefix} // '/api/auth') . $path, \%headers, $body);
	for (@{ $reply->{headers}{'set-cookie'} // [] })
	{
		my ($name, $value, $attributes) = /^(\w+)=([^;]*)(.*)$/;
		$jar->{$name} = $value if $jar;
		delete $jar->{$name} if $jar && $attributes =~ /Max-Age=0/;
	}
	return $reply;
}

sub post { return call('POST', @_); }

sub field
{
	my ($reply, $name) = @_;
	return decode_json($reply->{body})->{$name};
}

sub claims
{
	my ($token) = @_;
	return decode_json(decode_base64url((split /\./, $token)[1]));
}

# code EMAIL, TEMPLATE: the last one that was mailed.
sub code
{
	my ($email, $template) = @_;
	return $s->sql("SELECT authmeter.mail_params(id)->>'code' FROM authmeter.mail_outbox "
		  . "WHERE recipient = '$email' AND template = '$template' ORDER BY created_at DESC LIMIT 1");
}

sub other_code
{
	my ($code) = @_;
	return sprintf '%06d', ($code + 1) % 1_000_000;
}

# send_code EMAIL, PURPOSE: asks for a code and returns it.
sub send_code
{
	my ($email, $purpose) = @_;
	my $reply = post('/send-otp', { email => $email, purpose => $purpose });
	die "send-otp: $reply->{status} $reply->{body}" unless $reply->{status} == 200;
	return code($email, $purpose);
}

# proof EMAIL, PURPOSE: a verification token, by send-otp and verify-otp.
sub proof
{
	my ($email, $purpose) = @_;
	my $reply = post('/verify-otp', { email => $email, otp => send_code($email, $purpose), purpose => $purpose });
	die "verify-otp: $reply->{status} $reply->{body}" unless $reply->{status} == 200;
	return field($reply, 'token');
}

# user EMAIL, NAME: an active account; login EMAIL: a jar with its cookies.
sub user
{
	my ($email, $name) = @_;
	return $s->sql("SELECT (authmeter.user_create('$email', '$password', '$name', true)).user_id");
}

sub login
{
	my ($email, $with) = @_;
	my $jar = {};
	my $reply = post('/login', { email => $email, password => $with // $password }, jar => $jar);
	die "login: $reply->{status} $reply->{body}" unless $reply->{status} == 200;
	return $jar;
}

sub me { return call('GET', '/me', undef, jar => { %{ $_[0] } })->{status}; }

# in_parallel NUMBER, METHOD, PATH, BODIES, HEADERS: as many connections at once, body n mod the number of
# bodies; returns the replies. All requests are on their way before the first reply is read.
sub in_parallel
{
	my ($calls, $method, $path, $bodies, $headers) = @_;
	my @sockets = map { $s->connect_port or die "connect: $!" } 1 .. $calls;
	my $head = join '', map { "$_: $headers->{$_}\r\n" } sort keys %$headers;

	for my $n (0 .. $#sockets)
	{
		my $body = $bodies->[ $n % @$bodies ];
		print { $sockets[$n] } "$method $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
		  . 'Content-Length: ' . length($body) . "\r\n$head\r\n$body";
		$sockets[$n]->flush;
	}
	return map { my $socket = $_; local $/ = undef; Authmeter::Service::parse(scalar <$socket> // '') } @sockets;
}

sub tally
{
	my %count;
	$count{"$_->{status}"}++ for @_;
	return join ' ', map { "$_:$count{$_}" } sort keys %count;
}

my $credentials = error('Invalid email or password', 'INVALID_CREDENTIALS');
my $missing = error('Access token required', 'TOKEN_MISSING');
my $sent = '{"message":"OTP sent successfully","purpose":"account-verification","expiresIn":600}';
my $verify_body = sub { qq({"message":"OTP verified successfully","verified":true,"email":"$_[0]","purpose":"$_[1]","verificationToken":"<jwt>","token":"<jwt>"}) };
my $pending = sub { '{"message":"Verification code sent. Please verify your email to activate your account.","user":' . user_json(@_) . ',"verificationRequired":true}' };
my $active = sub { '{"message":"Account created successfully. Please login to continue.","user":' . user_json(@_) . '}' };

# ---- registration: register first, the contract's example -------------------------------------

my %ana = (email => 'ana@example.com', password => $password, name => 'Ana Ruiz');
my $reply = post('/register', \%ana, prefix => '/auth');
answer('register: pending', $reply, 201, $pending->('ana@example.com', 'Ana Ruiz'));
my $ana = field($reply, 'user')->{id};
answer('login: pending', post('/login', \%ana), 403, error('Please verify your email before logging in', 'EMAIL_NOT_VERIFIED'));
answer('login: pending, wrong password', post('/login', { %ana, password => 'Tulip-42?y' }), 401, $credentials);
is($s->sql('SELECT count(*) FROM authmeter.user'), 0, 'nobody is in the pool');
my $code = code('ana@example.com', 'account-verification');
answer('verify-otp: wrong', post('/verify-otp', { email => 'ana@example.com', otp => other_code($code) }), 400, error('Invalid OTP', 'INVALID_OTP'));
answer('verify-otp: nothing was sent', post('/verify-otp', { email => 'bob@example.com', otp => $code }), 400,
	error('OTP expired or not found. Please request a new one.', 'OTP_EXPIRED'));
answer('verify-otp: 400', post('/verify-otp', { email => 'nope', otp => 48213 }), 400,
	invalid('{"email":["Please enter a valid email address"],"otp":["OTP must be a string"]}'));
answer('verify-otp', post('/verify-otp', { email => 'ana@example.com', otp => $code }, prefix => '/auth'), 200,
	$verify_body->('ana@example.com', 'account-verification'));
is($s->sql("SELECT id = '$ana', email_verified_at IS NOT NULL FROM authmeter.user"), 't|t', 'the account has the id that was told');
my $jar = {};
$reply = post('/login', { email => 'ANA@example.com', password => $password }, jar => $jar);
answer('login', $reply, 200, '{"message":"Login successful","accessToken":"<jwt>","user":' . user_json('ana@example.com', 'Ana Ruiz') . '}', 'set-cookie' => \@set);
is(field($reply, 'user')->{id}, $ana, 'the same id');
is(field($reply, 'accessToken'), $jar->{accessToken}, 'the token of the body is that of the cookie');
unlike($reply->{body}, qr/\Q$jar->{refreshToken}/, 'the refresh token is in no body');
answer('register: exists', post('/register', \%ana), 409, error('User with this email already exists', 'USER_EXISTS'));

# The tokens, to the letter.
for my $token ([ 'accessToken', 'autoverse', [qw(api email exp iat jti sid use userId ver)], 'access', 900 ],
	[ 'refreshToken', 'autoverse-refresh', [qw(api exp iat jti sid use userId ver)], 'refresh', 604800 ])
{
	my ($name, $ring, $keys, $use, $seconds) = @$token;
	my ($head, $payload, $signature) = split /\./, $jar->{$name};
	my $claims = claims($jar->{$name});

	is(decode_base64url($head), '{"alg":"HS256","typ":"JWT"}', "$name: header");
	is($signature, encode_base64url(hmac_sha256("$head.$payload", $secret{$ring})), "$name: signed by its secret");
	is_deeply([ sort keys %$claims ], $keys, "$name: claims, and no others");
	is("$claims->{userId} $claims->{api} $claims->{use}", "$ana autoverse $use", "$name: whose and what for");
	is($claims->{exp} - $claims->{iat}, $seconds, "$name: lifetime");
}

# ---- token first, code first ---------------------------------------------------------------------

my %tom = (email => 'tom@example.com', password => $password, name => 'Tom Roe');
answer('send-otp', post('/send-otp', { email => 'tom@example.com', purpose => 'account-verification' }), 200, $sent);
$reply = post('/verify-otp', { email => 'tom@example.com', purpose => 'account-verification', otp => code('tom@example.com', 'account-verification') });
answer('verify-otp: by its purpose', $reply, 200, $verify_body->('tom@example.com', 'account-verification'));
my $token = field($reply, 'verificationToken');
my $claims = claims($token);
is_deeply([ sort keys %$claims ], [qw(api email exp iat jti purpose timestamp use ver verified)], 'verification token: claims');
is($claims->{exp} - $claims->{iat}, 3600, 'verification token: an hour');
answer('it is no access token', call('GET', '/me', undef, bearer => $token), 401, error('Invalid token', 'INVALID_TOKEN'));
answer('register: token of another address', post('/register', { %tom, email => 'tim@example.com', verificationToken => $token }), 400,
	error('Invalid verification token', 'INVALID_TOKEN'));
answer('register: token of another purpose', post('/register', { %tom, verificationToken => proof('tom@example.com', 'verification') }), 400,
	error('Invalid verification token', 'INVALID_TOKEN'));
my $register_expired = error('Invalid or expired verification token. Please verify your email again.', 'TOKEN_EXPIRED');
answer('register: no token of ours', post('/register', { %tom, verificationToken => 'x' }), 400, $register_expired);
my @replies = in_parallel(CALLS, 'POST', '/api/auth/register', [ encode_json({ %tom, verificationToken => $token }) ], {});
is(tally(@replies), '201:1 400:63', 'register: 64 at once with one token');
is($s->sql("SELECT count(*) FROM authmeter.user WHERE email = 'tom\@example.com'"), 1, 'one account');
answer('register: the winner', (grep { $_->{status} == 201 } @replies)[0], 201, $active->('tom@example.com', 'Tom Roe'));
answer('register: a loser', (grep { $_->{status} == 400 } @replies)[0], 400, $register_expired);
answer('register: again', post('/register', { %tom, verificationToken => $token }), 400, $register_expired);
is(me(login('tom@example.com')), 200, 'active at once');

my %cid = (email => 'cid@example.com', password => $password, name => 'Cid');
$code = send_code('cid@example.com', 'account-verification');
answer('register: wrong code', post('/register', { %cid, otp => other_code($code) }), 400, error('Invalid or expired OTP', 'INVALID_OTP'));
answer('register: 400', post('/register', { email => 'cid@example.com', password => 'password', name => 'C1d', otp => 5 }), 400,
	invalid('{"password":["Password must contain at least one uppercase letter","Password must contain at least one number",'
		  . '"Password must contain at least one special character (@$!%*?&)","Password is too common. Please choose a stronger password"],'
		  . '"name":["Name can only contain letters, spaces, apostrophes and hyphens"],"otp":["OTP must be a string"]}'));
@replies = in_parallel(CALLS, 'POST', '/api/auth/register', [ encode_json({ %cid, otp => $code }) ], {});
is(tally(@replies), '201:1 400:63', 'register: 64 at once with one code');
answer('register: by code', (grep { $_->{status} == 201 } @replies)[0], 201, $active->('cid@example.com', 'Cid'));
is($s->sql("SELECT count(*) FROM authmeter.user WHERE email = 'cid\@example.com'"), 1, 'one account');

# Hostile: somebody else has registered her address, earlier and later. 64 tries of her code: one account.
my %eva = (email => 'eva@example.com', password => $password, name => 'Eva');
post('/register', { %eva, password => 'Evil-Pass-1!', name => 'Mallory' });
post('/register', \%eva);
$code = code('eva@example.com', 'account-verification');
@replies = in_parallel(CALLS, 'POST', '/api/auth/verify-otp', [ encode_json({ email => 'eva@example.com', otp => $code }) ], {});
is(tally(@replies), '200:1 400:63', 'verify-otp: 64 at once');
is($s->sql("SELECT (SELECT count(*) FROM authmeter.user WHERE email = 'eva\@example.com'), (SELECT count(*) FROM authmeter.registration)"), '1|0',
	'one account, and no registration is left');
answer('login: by the password of the other registration', post('/login', { email => 'eva@example.com', password => 'Evil-Pass-1!' }), 401, $credentials);
is(me(login('eva@example.com')), 200, 'by her own');
post('/register', { email => 'ella@example.com', password => $password, name => 'Ella' });
$code = code('ella@example.com', 'account-verification');
post('/register', { email => 'ella@example.com', password => 'Evil-Pass-1!', name => 'Mallory' });
isnt(code('ella@example.com', 'account-verification'), $code, 'a new code replaces the old one') or diag('one in a million');
answer('verify-otp: the replaced code', post('/verify-otp', { email => 'ella@example.com', otp => $code }), 400, error('Invalid OTP', 'INVALID_OTP'));
answer('register: her own proof', post('/register', { email => 'ella@example.com', password => $password, name => 'Ella', verificationToken => proof('ella@example.com', 'account-verification') }),
	201, $active->('ella@example.com', 'Ella'));
answer('login: the later registration', post('/login', { email => 'ella@example.com', password => 'Evil-Pass-1!' }), 401, $credentials);
post('/register', { email => 'otto@example.com', password => $password, name => 'Otto' });
user('otto@example.com', 'Otto');
answer('verify-otp: overtaken', post('/verify-otp', { email => 'otto@example.com', otp => code('otto@example.com', 'account-verification') }), 409,
	error('User with this email already exists', 'USER_EXISTS'));

# ---- send-otp ------------------------------------------------------------------------------------

answer('send-otp: the example', post('/send-otp', { email => 'nope' }), 400, invalid('{"email":["Please enter a valid email address"]}'));
for my $purpose ('password-reset', 'account-deletion')
{
	my @both = map { post('/send-otp', { email => $_, purpose => $purpose }) } 'ana@example.com', 'nobody@example.com';
	answer("send-otp: $purpose", $_, 200, qq({"message":"If this email exists, an OTP has been sent","purpose":"$purpose","expiresIn":600})) for @both;
	is_deeply([ map { $_ eq 'x-request-id' ? $_ : "$_ @{ $both[0]{headers}{$_} }" } sort grep { $_ ne 'date' } keys %{ $both[0]{headers} } ],
		[ map { $_ eq 'x-request-id' ? $_ : "$_ @{ $both[1]{headers}{$_} }" } sort grep { $_ ne 'date' } keys %{ $both[1]{headers} } ], "$purpose: known and unknown look the same");
}
set('autoverse.otp_limit', '2/1h');
my $too_many = error('Too many OTP requests. Please try again later.', 'RATE_LIMITED');
@replies = in_parallel(CALLS, 'POST', '/api/auth/send-otp', [ '{"email":"limit@example.com"}' ], {});
is(tally(@replies), '200:2 429:62', 'send-otp: the limit is exact');
answer('send-otp: limit', post('/send-otp', { email => 'LIMIT@example.com', purpose => 'password-reset' }), 429, $too_many);
answer('register: limit', post('/register', { email => 'limit@example.com', password => $password, name => 'Lim' }), 429, $too_many);
set('autoverse.otp_limit', '100/1h');

# ---- login ---------------------------------------------------------------------------------------

answer('login: 400', post('/login', {}), 400, invalid('{"email":["Email is required"],"password":["Password is required"]}'));
answer('login: form body counts as empty', $s->request('POST', '/api/auth/login', { 'Content-Type' => 'application/x-www-form-urlencoded' }, 'email=a'), 400,
	invalid('{"email":["Email is required"],"password":["Password is required"]}'));
answer("login: $_", post('/login', { email => $_, password => 'Tulip-42?y' }), 401, $credentials) for 'ana@example.com', 'nobody@example.com';
set('autoverse.login_limit', '3/1h');
is(tally(map { post('/login', $_) } '{', '{}', { email => 'ana@example.com', password => $password }), '200:1 400:2', 'login: every request counts');
my $attempts = error('Too many login attempts. Please try again later.', 'RATE_LIMITED');
answer('login: limit', post('/login', { email => 'ana@example.com', password => $password }), 429, $attempts);
answer('login: limit comes before the body', post('/login', '{'), 429, $attempts);
set('autoverse.login_limit', 'off');
set('authmeter.login_failures', '2/1h');
answer('login: failures of the account', (map { post('/login', { email => 'tom@example.com', password => 'wrong' }) } 1 .. 3)[2], 429, $attempts);
set('authmeter.login_failures', undef);

# ---- who calls: cookie, header, silent refresh, origin -------------------------------------------

answer('me: nobody', call('GET', '/me'), 401, $missing);
answer('me: bad token', call('GET', '/me', undef, bearer => 'x'), 401, error('Invalid token', 'INVALID_TOKEN'));
$jar = login('ana@example.com');
my $me = '{"success":true,"user":' . user_json('ana@example.com', 'Ana Ruiz') . '}';
my $valid = '{"valid":true,"user":{"id":"<uuid>","email":"ana@example.com","planType":"free","creditsRemaining":0}}';
answer('me: cookie', call('GET', '/me', undef, jar => $jar), 200, $me);
answer('me: header, and the other prefix', call('GET', '/me', undef, bearer => $jar->{accessToken}, prefix => '/auth'), 200, $me);
answer('me: trailing slash', call('GET', '/me/', undef, jar => $jar), 200, $me);
answer('verify-token', call('GET', '/verify-token', undef, jar => $jar), 200, $valid);
answer('verify-token: nobody', call('GET', '/verify-token'), 401, $missing);
answer('me: another cookie of the name comes first', call('GET', '/me', undef, headers => { Cookie => "accessToken=x; other=1; accessToken=$jar->{accessToken}" }), 200, $me);
is(call('HEAD', '/me', undef, jar => $jar)->{status}, 200, 'HEAD works where GET does');
set('autoverse.access_ttl', '1s');
my $short = login('ana@example.com');
set('autoverse.access_ttl', undef);
my %stale = %$short;
ok($s->poll(sub { call('GET', '/me', undef, bearer => $stale{accessToken})->{status} == 401 }, 'the token is old'), 'an access token gets old');
answer('me: old token', call('GET', '/me', undef, bearer => $stale{accessToken}), 401, error('Token expired', 'TOKEN_EXPIRED'));
answer('me: silent refresh', call('GET', '/me', undef, jar => $short), 200, $me, 'set-cookie' => [$set_access]);
is($short->{refreshToken}, $stale{refreshToken}, 'the refresh token is not rotated');
answer('me: the new token', call('GET', '/me', undef, jar => $short), 200, $me);
answer('me: refresh cookie alone', call('GET', '/me', undef, jar => { refreshToken => $stale{refreshToken} }), 200, $me, 'set-cookie' => [$set_access]);
set('autoverse.silent_refresh', 'off');
answer('me: no silent refresh', call('GET', '/me', undef, jar => {%stale}), 401, error('Token expired', 'TOKEN_EXPIRED'));
set('autoverse.silent_refresh', undef);
my $foreign = error('Origin not allowed', 'ORIGIN_NOT_ALLOWED');
for my $row ([ '/refresh', {} ], [ '/logout', {} ], [ '/notifications', { emailEnabled => JSON::PP::false } ], [ '/two-factor', { enabled => JSON::PP::true } ])
{
	answer("$row->[0]: foreign origin", post($row->[0], $row->[1], jar => {%$jar}, headers => { Origin => 'https://evil.example' }), 403, $foreign);
}
answer('delete-account: foreign origin', call('DELETE', '/delete-account', {}, jar => {%$jar}, headers => { Origin => 'https://evil.example' }), 403, $foreign);
my $notified = '{"message":"Notification preferences updated successfully","preferences":{"emailEnabled":true}}';
for my $origin ('http://localhost:5173', "http://localhost")
{
	answer("notifications: origin $origin", post('/notifications', { emailEnabled => JSON::PP::true }, jar => $jar, headers => { Origin => $origin }), 200, $notified);
}
answer('notifications: foreign origin, but by header', post('/notifications', { emailEnabled => JSON::PP::true }, bearer => $jar->{accessToken}, headers => { Origin => 'https://evil.example' }), 200, $notified);

# ---- refresh, logout ---------------------------------------------------------------------------------

my $refused = error('Invalid refresh token', 'INVALID_REFRESH_TOKEN');
answer('refresh: no cookie', post('/refresh', undef), 401, error('Refresh token required', 'REFRESH_TOKEN_MISSING'));
answer('refresh: not in the body, not in the header', post('/refresh', { refreshToken => $jar->{refreshToken} }, bearer => $jar->{refreshToken}), 401,
	error('Refresh token required', 'REFRESH_TOKEN_MISSING'));
answer('refresh: bad', post('/refresh', undef, jar => { refreshToken => 'x' }), 401, $refused, 'set-cookie' => \@clear);
answer('refresh: an access token', post('/refresh', undef, jar => { refreshToken => $jar->{accessToken} }), 401, $refused, 'set-cookie' => \@clear);
my %before = %$jar;
answer('refresh', post('/refresh', '{not even JSON', jar => $jar), 200, '{"message":"Token refreshed successfully","accessToken":"<jwt>","user":{"id":"<uuid>","email":"ana@example.com"}}', 'set-cookie' => \@set);
isnt($jar->{refreshToken}, $before{refreshToken}, 'it rotates');
answer('refresh: the old token at once', post('/refresh', undef, jar => {%before}), 401, $refused);
is(me($jar), 200, 'the session goes on');
for my $round (1 .. 5)
{
	my $race = login('ana@example.com');
	@replies = in_parallel(CALLS, 'POST', '/auth/refresh', [''], { Cookie => "refreshToken=$race->{refreshToken}" });
	is(tally(@replies), '200:1 401:63', "refresh: 64 at once, round $round");
	is(scalar(grep { $_->{status} == 401 && exists $_->{headers}{'set-cookie'} } @replies), 0, 'the losers keep their cookies');
}
$s->sql("UPDATE authmeter.session SET rotated_at = rotated_at - interval '11 seconds' WHERE id = '" . claims($jar->{accessToken})->{sid} . "'");
answer('refresh: the old token later', post('/refresh', undef, jar => {%before}), 401, $refused, 'set-cookie' => \@clear);
answer('me: the session has ended', call('GET', '/me', undef, jar => {%$jar}), 401, error('Invalid token', 'INVALID_TOKEN'));
answer('refresh: the session has ended', post('/refresh', undef, jar => {%$jar}), 401, $refused, 'set-cookie' => \@clear);

my $out = '{"message":"Logged out successfully"}';
answer('logout: nobody', post('/logout', undef), 200, $out, 'set-cookie' => \@clear);
$jar = login('ana@example.com');
my $elsewhere = login('ana@example.com');
%before = %$jar;
answer('logout', post('/logout', undef, jar => $jar), 200, $out, 'set-cookie' => \@clear);
is_deeply($jar, {}, 'the browser has no cookies');
answer('me: logged out', call('GET', '/me', undef, jar => {%before}), 401, error('Invalid token', 'INVALID_TOKEN'));
answer('refresh: logged out', post('/refresh', undef, jar => {%before}), 401, $refused, 'set-cookie' => \@clear);
is(me($elsewhere), 200, 'another session goes on');

# ---- change-password, reset-password -------------------------------------------------------------

$jar = login('ana@example.com');
my $changed = '{"message":"Password updated successfully","email":"ana@example.com","accessToken":"<jwt>"}';
answer('change-password: nobody', post('/change-password', {}), 401, $missing);
answer('change-password: 400', post('/change-password', { currentPassword => $password, newPassword => 'short' }, jar => $jar), 400,
	invalid('{"newPassword":["Password must be at least 8 characters long","Password must contain at least one uppercase letter",'
		  . '"Password must contain at least one number","Password must contain at least one special character (@$!%*?&)"]}'));
answer('change-password: wrong', post('/change-password', { currentPassword => 'Tulip-42?y', newPassword => 'Tulip-43?x' }, jar => $jar), 400,
	error('Current password is incorrect', 'INVALID_CURRENT_PASSWORD'));
my %bad = ('x' => error('Invalid or expired verification token', 'INVALID_VERIFICATION_TOKEN'),
	proof('ana@example.com', 'account-verification') => error('Invalid verification token purpose', 'INVALID_TOKEN_PURPOSE'),
	proof('tom@example.com', 'password-reset') => error('Verification token does not match authenticated user', 'TOKEN_EMAIL_MISMATCH'));
answer('change-password: a proof that is none', post('/change-password', { verificationToken => $_, newPassword => 'Tulip-43?x' }, jar => $jar), 400, $bad{$_}) for sort keys %bad;
$token = proof('ana@example.com', 'verification');
$s->sql("UPDATE authmeter.one_time_token SET expires_at = created_at WHERE token_hash = sha256('$token')");
answer('change-password: expired', post('/change-password', { verificationToken => $token, newPassword => 'Tulip-43?x' }, jar => $jar), 400, error('Verification token has expired', 'TOKEN_EXPIRED'));
answer('change-password', post('/change-password', { currentPassword => $password, newPassword => 'Tulip-43?x' }, jar => $jar), 200, $changed, 'set-cookie' => \@set);
is(me($jar), 200, 'the caller goes on');
is(me($elsewhere), 401, 'nobody else does');
is(post('/refresh', undef, jar => {%$elsewhere})->{status}, 401, 'not even by refreshing');
is(post('/refresh', undef, jar => $jar)->{status}, 200, 'the fresh refresh cookie is good');
$token = proof('ana@example.com', 'verification');
@replies = in_parallel(CALLS, 'POST', '/api/auth/change-password', [ encode_json({ verificationToken => $token, newPassword => $password }) ], { Authorization => "Bearer $jar->{accessToken}" });
is(scalar(grep { $_->{status} == 200 } @replies), 1, 'change-password: 64 at once with one token, one wins') or diag(tally(@replies));
is(scalar(grep { $_->{status} >= 500 } @replies), 0, 'and no fault');

answer('reset-password: 400', post('/reset-password', {}), 400, invalid('{"email":["Email is required"],"otp":["OTP is required"],"newPassword":["Password is required"]}'));
my %reset = (email => 'ana@example.com', newPassword => 'Tulip-44?x');
my $otp_refused = error('Invalid or expired OTP', 'INVALID_OTP');
answer('reset-password: unknown', post('/reset-password', { %reset, email => 'nobody@example.com', otp => '000000' }), 400, $otp_refused);
$jar = login('ana@example.com');
$code = send_code('ana@example.com', 'password-reset');
answer('reset-password: wrong code', post('/reset-password', { %reset, otp => other_code($code) }), 400, $otp_refused);
@replies = in_parallel(CALLS, 'POST', '/auth/reset-password', [ encode_json({ %reset, otp => $code }) ], {});
is(tally(@replies), '200:1 400:63', 'reset-password: 64 at once with one code');
answer('reset-password', (grep { $_->{status} == 200 } @replies)[0], 200, '{"message":"Password reset successfully!"}');
is(me($jar), 401, 'every session has ended');
is(post('/refresh', undef, jar => {%$jar})->{status}, 401, 'and cannot be refreshed');
my $by_token = sub { post('/reset-password', { newPassword => $password, @_ }) };
answer('reset-password: bad token', $by_token->(token => 'x'), 400, error('Invalid or expired verification token', 'INVALID_VERIFICATION_TOKEN'));
answer('reset-password: purpose', $by_token->(token => proof('ana@example.com', 'verification')), 400, error('Invalid verification token purpose', 'INVALID_TOKEN_PURPOSE'));
$token = proof('ana@example.com', 'password-reset');
answer('reset-password: other address', $by_token->(verificationToken => $token, email => 'tom@example.com'), 400,
	error('Verification token does not match authenticated user', 'TOKEN_EMAIL_MISMATCH'));
answer('reset-password: by token', $by_token->(verificationToken => $token, email => 'ana@example.com'), 200, '{"message":"Password reset successfully!"}');
answer('reset-password: again', $by_token->(token => $token), 400, error('Invalid or expired verification token', 'INVALID_VERIFICATION_TOKEN'));
my $lea = user('lea@example.com', 'Lea');
$code = send_code('lea@example.com', 'password-reset');
$s->sql("DELETE FROM authmeter.user WHERE id = '$lea'");
answer('reset-password: the user is gone', post('/reset-password', { email => 'lea@example.com', otp => $code, newPassword => $password }), 404, error('User not found', 'USER_NOT_FOUND'));

# ---- switches and the second factor --------------------------------------------------------------

my $kim = user('kim@example.com', 'Kim');
$jar = login('kim@example.com');
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
answer("$_: nobody", post($_, {}), 401, $missing) for '/notifications', '/two-factor', '/two-factor/totp', '/generate-secure-session';
answer('notifications: 400', post('/notifications', { emailEnabled => 'yes' }, jar => $jar), 400, invalid('{"emailEnabled":["emailEnabled must be a boolean (true or false)"]}'));
answer('two-factor: 400', post('/two-factor', {}, jar => $jar), 400, invalid('{"enabled":["enabled is required"]}'));
answer('notifications', post('/notifications', { emailEnabled => $false }, jar => $jar), 200, $notified =~ s/true/false/r);
answer('two-factor: on', post('/two-factor', { enabled => $true }, jar => $jar), 200, '{"message":"Two-factor authentication enabled successfully","twoFactorEnabled":true}');
is($s->sql("SELECT email_enabled, two_factor_enabled FROM authmeter.autoverse_users WHERE id = '$kim'"), 'f|t', 'both are stored');
is(me(login('kim@example.com')), 200, 'documented: the switch is only stored');
set('autoverse.two_factor', 'strict');
my %kim = (email => 'kim@example.com', password => $password);
my $wanted = error('Two-factor code required', 'TWO_FACTOR_REQUIRED');
answer('strict: a code is wanted', post('/login', \%kim), 401, $wanted);
$code = code('kim@example.com', 'two-factor');
answer('strict: wrong code', post('/login', { %kim, otp => other_code($code) }), 400, $otp_refused);
answer('strict: right code, wrong password', post('/login', { %kim, password => 'Tulip-42?y', otp => $code }), 401, $credentials);
@replies = in_parallel(CALLS, 'POST', '/api/auth/login', [ encode_json({ %kim, otp => $code }) ], {});
is(tally(@replies), '200:1 400:63', 'strict: 64 at once with one code, one session');
answer('strict: with the code', (grep { $_->{status} == 200 } @replies)[0], 200, undef, 'set-cookie' => \@set);
answer('two-factor: off', post('/two-factor', { enabled => $false }, jar => $jar), 200, '{"message":"Two-factor authentication disabled successfully","twoFactorEnabled":false}');
is(me(login('kim@example.com')), 200, 'strict: off');

# totp SECRET [, STEP]: RFC 6238, SHA-1, 30 seconds, 6 digits.
sub totp
{
	my ($secret, $step) = @_;
	my $bits = join '', map { sprintf '%05b', index('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_) } split //, $secret;
	my $mac = hmac_sha1(pack('Q>', $step // int(time / 30)), pack 'B*', $bits);
	my $offset = ord(substr $mac, -1) & 15;
	return sprintf '%06d', (unpack('N', substr $mac, $offset, 4) & 0x7fffffff) % 1_000_000;
}
$reply = post('/two-factor/totp', undef, jar => $jar);
answer('totp: enrol', $reply, 200, undef);
my $secret = field($reply, 'secret');
like($reply->{body}, qr{^\{"secret":"[A-Z2-7]{32}","otpauthUrl":"otpauth://totp/Autoverse%20Hub:kim%40example.com\?secret=$secret&issuer=Autoverse%20Hub&algorithm=SHA1&digits=6&period=30"\}$}, 'secret and URI');
answer('totp: wrong code', post('/two-factor/totp/confirm', { code => '0' }, jar => $jar), 400, $otp_refused);
my $first = int(time / 30);
$reply = post('/two-factor/totp/confirm', { code => totp($secret, $first) }, jar => $jar);
answer('totp: confirm', $reply, 200, undef);
my @recovery = @{ field($reply, 'recoveryCodes') };
is(scalar @recovery, 10, 'ten recovery codes');
answer('totp: enrol again', post('/two-factor/totp', undef, jar => $jar), 409, error('Authenticator is already enabled', 'TOTP_ALREADY_ENABLED'));
answer('totp: a code is wanted', post('/login', \%kim), 401, $wanted);
answer('totp: the code of the confirmation is used up', post('/login', { %kim, otp => totp($secret, $first) }), 400, $otp_refused);
@replies = in_parallel(CALLS, 'POST', '/api/auth/login', [ encode_json({ %kim, otp => totp($secret, $first + 1) }) ], {});
is(scalar(grep { $_->{status} == 200 } @replies), 1, 'totp: 64 at once with one code, one session') or diag(tally(@replies));
is($s->sql("SELECT count(*) FROM authmeter.mail_outbox WHERE recipient = 'kim\@example.com' AND template = 'two-factor'"), 1, 'totp: nothing is mailed');
set('authmeter.two_factor_failures', '1000/15m');
answer('totp: recovery code', post('/login', { %kim, otp => $recovery[0] }), 200, undef, 'set-cookie' => \@set);
answer('totp: recovery code again', post('/login', { %kim, otp => $recovery[0] }), 400, $otp_refused);
my $verification = error('Verification required', 'VERIFICATION_REQUIRED');
answer('totp: remove without proof', call('DELETE', '/two-factor/totp', undef, jar => $jar), 400, $verification);
answer('two-factor: off without proof', post('/two-factor', { enabled => $false }, jar => $jar), 400, $verification);
answer('totp: remove, wrong password', call('DELETE', '/two-factor/totp', { password => 'x' }, jar => $jar), 400, error('Current password is incorrect', 'INVALID_CURRENT_PASSWORD'));
answer('totp: remove', call('DELETE', '/two-factor/totp', { code => $recovery[1] }, jar => $jar), 200, '{"message":"Authenticator removed successfully"}');
answer('totp: nothing to remove', call('DELETE', '/two-factor/totp', { code => $recovery[2] }, jar => $jar), 400, error('Authenticator is not set up', 'TOTP_NOT_ENROLLED'));
post('/two-factor', { enabled => $false }, jar => $jar);
set('autoverse.two_factor', undef);

# ---- sessions ----------------------------------------------------------------------------------------

$s->sql("SELECT authmeter.session_end_all('$kim')");
my @jars = map { login('kim@example.com') } 1 .. 3;
my $item = sub { qq({"id":"<uuid>","api":"autoverse","device":null,"address":"127.0.0.1","createdAt":"<time>","lastUsedAt":"<time>","expiresAt":"<time>","current":$_[0]}) };
answer('sessions: nobody', call('GET', '/sessions'), 401, $missing);
$reply = call('GET', '/sessions', undef, jar => $jars[2]);
answer('sessions', $reply, 200, '{"success":true,"sessions":[' . join(',', map { $item->($_) } qw(true false false)) . ']}');
answer('sessions: end one', call('DELETE', '/sessions/' . claims($jars[1]{accessToken})->{sid}, undef, jar => $jars[2]), 200, '{"message":"Session ended successfully"}');
answer('sessions: end it again', call('DELETE', '/sessions/' . claims($jars[1]{accessToken})->{sid}, undef, jar => $jars[2]), 404, error('Session not found', 'SESSION_NOT_FOUND'));
answer("sessions: end $_", call('DELETE', "/sessions/$_", undef, jar => $jars[2]), 404, error('Session not found', 'SESSION_NOT_FOUND')) for 'x', '%00', claims(login('ana@example.com')->{accessToken})->{sid};
answer('sessions: end the others', call('DELETE', '/sessions', undef, jar => $jars[2]), 200, '{"message":"Other sessions ended successfully","ended":1}');
is(join(' ', map { me($_) } @jars), '401 401 200', 'one is left');
answer('sessions: end the own', call('DELETE', '/sessions/' . claims($jars[2]{accessToken})->{sid}, undef, jar => $jars[2]), 200, '{"message":"Session ended successfully"}', 'set-cookie' => \@clear);

# ---- sessions handed over ------------------------------------------------------------------------

$jar = login('kim@example.com');
answer('generate-secure-session: 400', post('/generate-secure-session', {}, jar => $jar), 400, error('Redirect URL is required', 'MISSING_REDIRECT_URL'));
my $not_allowed = error('Redirect URL not allowed', 'REDIRECT_NOT_ALLOWED');
answer("generate-secure-session: $_", post('/generate-secure-session', { redirectUrl => $_ }, jar => $jar), 400, $not_allowed) for 'shop.example', 'javascript:alert(1)', 'https://shop.example@evil.example/';
my %shop = (redirectUrl => 'https://shop.example/welcome');
my $handed = '{"success":true,"sessionId":"<hex>","postUrl":"https://shop.example/api/auth/secure-login"}';
$reply = post('/generate-secure-session', \%shop, jar => $jar);
answer('generate-secure-session', $reply, 200, $handed);
my $exchange = encode_json({ sessionId => field($reply, 'sessionId') });
@replies = in_parallel(CALLS, 'POST', '/api/auth/verify-session', [$exchange], {});
is(tally(@replies), '200:1 401:63', 'verify-session: 64 at once, one wins');
answer('verify-session', (grep { $_->{status} == 200 } @replies)[0], 200, '{"success":true,"user":{"userId":"<uuid>","email":"kim@example.com"}}');
answer('verify-session: again', post('/verify-session', $exchange), 401, '{"error":"Session not found","success":false}');
answer('verify-session: 400', post('/verify-session', {}), 400, '{"error":"Session ID required","success":false}');
$reply = post('/generate-secure-session', \%shop, jar => $jar);
$s->sql("UPDATE authmeter.one_time_token SET expires_at = created_at WHERE purpose = 'secure-session' AND used_at IS NULL");
answer('verify-session: expired', post('/verify-session', { sessionId => field($reply, 'sessionId') }), 401, '{"error":"Session expired","success":false}');
set('autoverse.session_redirect', 'strict');
answer('strict: no origin is allowed', post('/generate-secure-session', \%shop, jar => $jar), 400, $not_allowed);
set('autoverse.redirect_origins', 'https://shop.example');
answer('strict: this one is', post('/generate-secure-session', \%shop, jar => $jar), 200, $handed);
set($_, undef) for 'autoverse.session_redirect', 'autoverse.redirect_origins';

# ---- delete-account ------------------------------------------------------------------------------

my $deleted = '{"message":"Account deleted successfully","deleted":true}';
answer('delete-account: nobody', call('DELETE', '/delete-account'), 401, $missing);
answer('delete-account: POST', post('/delete-account', {}, jar => $jar), 405, error('Method not allowed', 'METHOD_NOT_ALLOWED'), allow => ['DELETE']);
set('autoverse.delete_account', 'strict');
answer('strict: no proof', call('DELETE', '/delete-account', undef, jar => $jar), 400, $verification);
answer("strict: $_->[0] is wrong", call('DELETE', '/delete-account', { @$_ }, jar => $jar), 400, $verification) for [ otp => '000000' ], [ password => 'x' ], [ verificationToken => 'x' ];
answer('strict: a token of another purpose', call('DELETE', '/delete-account', { verificationToken => proof('kim@example.com', 'verification') }, jar => $jar), 400, $verification);
%before = %$jar;
answer('strict: by password', call('DELETE', '/delete-account', { password => $password }, jar => $jar), 200, $deleted, 'set-cookie' => \@clear);
is($s->sql("SELECT (SELECT count(*) FROM authmeter.user WHERE id = '$kim'), (SELECT count(*) FROM authmeter.session WHERE user_id = '$kim'), "
	  . "(SELECT count(*) FROM authmeter.autoverse_profile WHERE user_id = '$kim'), (SELECT count(*) FROM authmeter.otp WHERE address = 'kim\@example.com')"), '0|0|0|0', 'nothing is left');
my $gone = error('User not found', 'USER_NOT_FOUND');
answer('me: deleted', call('GET', '/me', undef, jar => {%before}), 401, $gone);
answer('refresh: deleted', post('/refresh', undef, jar => {%before}), 401, $gone, 'set-cookie' => \@clear);
answer('login: deleted', post('/login', \%kim), 401, $credentials);
for my $row ([ 'otp', sub { send_code('cid@example.com', 'account-deletion') } ], [ 'verificationToken', sub { proof('tom@example.com', 'account-deletion') } ])
{
	my $who = $row->[0] eq 'otp' ? 'cid@example.com' : 'tom@example.com';
	my $theirs = login($who);
	answer("strict: by $row->[0]", call('DELETE', '/delete-account', { $row->[0] => $row->[1]->() }, jar => $theirs), 200, $deleted, 'set-cookie' => \@clear);
}
set('autoverse.delete_account', 'documented');
$jar = login('eva@example.com');
@replies = in_parallel(CALLS, 'DELETE', '/api/auth/delete-account', [''], { Cookie => "accessToken=$jar->{accessToken}" });
is(tally(@replies), '200:1 401:63', 'documented: 64 at once, one deletes');
answer('documented: an access token is enough', (grep { $_->{status} == 200 } @replies)[0], 200, $deleted, 'set-cookie' => \@clear);
set('autoverse.delete_account', undef);

# ---- the rest of the routes, faults ----------------------------------------------------------------

answer('health', $s->request('GET', '/health'), 200, '{"status":"OK","timestamp":"<time>","environment":"development"}');
answer('root', $s->request('GET', '/'), 200, '{"status":"OK","timestamp":"<time>","environment":"development","message":"Autoverse Hub API is running"}');
answer("unknown path $_", $s->request('GET', $_), 404, qq({"error":"Route not found","path":"$_","code":"ROUTE_NOT_FOUND"})) for '/none', '/api/auth', '/api/auth//me', '/auth/Me';
# Who scans mails for links fetches them: that consumes nothing (security: line 14).
my $scanned = send_code('ella@example.com', 'verification');
for my $method (qw(GET HEAD))
{
	is(call($method, "/verify-otp?email=ella%40example.com&otp=$scanned&purpose=verification")->{status}, 405, "verify-otp: $method");
}
is(post('/verify-otp', { email => 'ella@example.com', otp => $scanned, purpose => 'verification' })->{status}, 200, 'and the code is still good');

answer('login: GET', call('GET', '/login'), 405, error('Method not allowed', 'METHOD_NOT_ALLOWED'), allow => ['POST']);
my $no_body = error('Invalid request body', 'VALIDATION_ERROR');
answer("register: $_", post('/register', $_), 400, $no_body) for '{', '[]', '{"email":"a@b.cd","email":"c@d.ef"}', '{"name":"\u0000"}';
answer('register: too large', $s->request('POST', '/auth/register', { 'Content-Type' => 'application/json', 'Content-Length' => 10485761 }, ''), 413,
	error('Request body too large', 'PAYLOAD_TOO_LARGE'));
$jar = login('ana@example.com');
my %area = ('/register' => [ \%ana, 'Registration failed', 'REGISTRATION_ERROR' ], '/login' => [ \%ana, 'Login failed', 'LOGIN_ERROR' ],
	'/send-otp' => [ { email => 'ana@example.com' }, 'Failed to send OTP', 'OTP_ERROR' ], '/change-password' => [ {}, 'Failed to change password', 'PASSWORD_CHANGE_ERROR' ],
	'/reset-password' => [ {}, 'Failed to reset password', 'RESET_PASSWORD_ERROR' ], '/notifications' => [ {}, 'Failed to update notification preferences', 'NOTIFICATION_UPDATE_ERROR' ],
	'/two-factor' => [ {}, 'Failed to update two-factor authentication', 'TWO_FACTOR_UPDATE_ERROR' ], '/generate-secure-session' => [ {}, 'Failed to create secure session', 'SECURE_SESSION_ERROR' ]);
$s->sql('ALTER FUNCTION authmeter_http.autoverse_begin(jsonb, text, text) RENAME TO hidden');
answer("$_: fault", post($_, $area{$_}[0], jar => {%$jar}), 500, error($area{$_}[1], $area{$_}[2])) for sort keys %area;
answer('me: fault', call('GET', '/me', undef, jar => {%$jar}), 500, error('Failed to get user info', 'USER_INFO_ERROR'));
answer('verify-token: fault', call('GET', '/verify-token', undef, jar => {%$jar}, prefix => '/auth'), 500, error('Failed to verify token', 'VERIFY_ERROR'));
answer('delete-account: fault', call('DELETE', '/delete-account', undef, jar => {%$jar}), 500, error('Failed to delete account', 'ACCOUNT_DELETION_ERROR'));
$s->sql('ALTER FUNCTION authmeter_http.hidden(jsonb, text, text) RENAME TO autoverse_begin');
is(me($jar), 200, 'and well again');

# Below a prefix the cookies are for the prefix.
$reply = $s->request('POST', '/s/av/api/auth/login', { 'Content-Type' => 'application/json' }, encode_json({ email => 'ana@example.com', password => $password }));
answer('login below a prefix', $reply, 200, undef, 'set-cookie' => [ map { s{Path=/}{Path=/s/av}r } @set ]);
answer('vsplugin beside it', $s->post('/signup', '{}'), 400, '{"error":"Email is required"}');

is($s->stop_shim, 0, 'the shim stops cleanly');
unlike($s->shim_log, qr/eyJ|Tulip|Evil-Pass|refreshToken=/, 'nothing secret in its log');
unlike(PostgreSQL::Test::Utils::slurp_file($s->{node}->logfile), qr/Tulip-4|Evil-Pass|otpauth:/, 'nor in the server\'s') if $s->{node}->can('logfile');
done_testing();
