# The quizzer API over HTTP, row by row of its contract, in both policies and environments: status,
# headers, whole bodies, and the state left behind; and what happens when many call at once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;
use Time::HiRes qw(sleep);

my $secret = join '', map { sprintf '%08x', rand(2**32) } 1 .. 6;
my $s = Authmeter::Service->new('quizzer', environment => 'development', start_shim => 0,
	mounts => [ '=quizzer', '/s/quizzer=quizzer' ]);
$s->sql(q{SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4'), authmeter.setting_set('quizzer.bcrypt_rounds', '4'),
	authmeter.setting_set('authmeter.trusted_proxies', '127.0.0.1')});
{
	local $ENV{QUIZZER_JWT_SECRET} = $secret;
	$s->start_shim;
}
like($s->shim_log, qr/weak behaviour active: quizzer\.delete_account = documented \(a bearer token alone deletes the account\)/,
	'the weak behaviour is told at the start');

my $time = qr/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/;
my @limit_fields = qw(ratelimit-limit ratelimit-policy ratelimit-remaining ratelimit-reset
  x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset);

# call METHOD, PATH [, BODY [, TOKEN [, HEADERS]]]: from a client of its own, behind a proxy we trust.
my $client = 0;

sub call
{
	my ($method, $path, $body, $token, $headers) = @_;
	$client++;
	return $s->request($method, $path,
		{
			'X-Forwarded-For' => sprintf('10.9.%d.%d', $client / 250, $client % 250),
			defined $body ? ('Content-Type' => 'application/json') : (),
			defined $token ? (Authorization => "Bearer $token") : (),
			%{ $headers // {} }
		},
		$body);
}

# answer NAME, REPLY, STATUS, BODY (text, or pattern) [, LIMIT [, HEADERS]]: also what every answer has
# (contract A1, A3), and of a limited route the fields of its counter; LIMIT undef: none at all.
sub answer
{
	my ($name, $reply, $status, $body, $limit, %headers) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	subtest $name => sub {
		my $h = $reply->{headers};
		is($reply->{status}, $status, 'status');
		ref $body ? like($reply->{body}, qr/^$body$/, 'body') : is($reply->{body}, $body, 'body') if defined $body;
		is_deeply($h->{'content-type'}, ['application/json; charset=utf-8'], 'content type');
		is_deeply($h->{'x-content-type-options'}, ['nosniff'], 'nosniff');
		is_deeply($h->{'cache-control'}, ['no-store'], 'no-store');
		ok(!exists $h->{$_}, "no $_") for qw(x-powered-by set-cookie ratelimit);
		unlike($reply->{body}, qr/"password":|\$2b\$|"stack"/, 'nothing secret');
		is_deeply($h->{$_}, $headers{$_}, $_) for sort keys %headers;
		ok(!exists $h->{$_}, "no $_") for defined $limit ? () : @limit_fields;
		limit_told($h, $limit) if defined $limit;
	};
	return $reply->{status} < 300 ? decode_json($reply->{body})->{data} : undef;
}

sub limit_told
{
	my ($h, $limit) = @_;
	my ($reset) = @{ $h->{'ratelimit-reset'} // [-1] };

	is_deeply($h->{'ratelimit-policy'}, ["$limit;w=900"], 'RateLimit-Policy');
	is_deeply([ @$h{qw(ratelimit-limit x-ratelimit-limit)} ], [ [$limit], [$limit] ], 'limit');
	is_deeply($h->{'ratelimit-remaining'}, $h->{'x-ratelimit-remaining'}, 'remaining, twice');
	like($h->{'ratelimit-remaining'}[0], qr/^\d+$/, 'a number');
	ok($reset > 0 && $reset <= 900, 'RateLimit-Reset in seconds');
	ok(abs($h->{'x-ratelimit-reset'}[0] - $reset - time) <= 3, 'X-RateLimit-Reset in seconds since 1970');
	return;
}

sub error
{
	my ($message, $function, $more) = @_;
	$more //= '';
	return qr/\{"success":false,"error":\{"message":"\Q$message\E","timestamp":$time,"functionName":"$function"\Q$more\E\}\}/;
}

sub routed
{
	my ($message, $code) = @_;
	return qr/\{"success":false,"error":\{"message":"\Q$message\E","code":"$code","timestamp":$time,"functionName":"router"\}\}/;
}

sub user
{
	my ($name, $email, $profile, $preferences, $login) = @_;
	return qr/\{"_id":"[0-9a-f]{24}","username":"$name","email":"\Q$email\E","profile":\{$profile\},"preferences":\{$preferences\},/
	  . '"performance":\{"totalQuizzesTaken":0,"averageScore":0,"strongSubjects":\[\],"weakSubjects":\[\]\},'
	  . "\"createdAt\":$time,\"updatedAt\":$time" . ($login ? ",\"lastLoginAt\":$time" : '') . '\}';
}

sub invalid
{
	my ($problem) = @_;
	return error("Validation failed: Body: $problem", 'validateRequest');
}

sub register
{
	my ($name, %more) = @_;
	return call('POST', '/api/auth/register', encode_json({ username => $name, email => "$name\@example.com", password => 'quiz12', %more }));
}

sub login
{
	my ($name, $password, %more) = @_;
	return call('POST', '/api/auth/login', encode_json({ username => $name, password => $password // 'quiz12' }), undef, \%more);
}

sub token
{
	my ($name) = @_;
	return decode_json(login($name)->{body})->{data}{token};
}

my $adaptive = '"emailNotifications":true,"difficulty":"adaptive"';
my $jwt = qr/"[\w-]+\.[\w-]+\.[\w-]+"/;

# ---- POST /api/auth/register -------------------------------------------------------------------

my $data = answer('register: the example',
	call('POST', '/api/auth/register',
		'{"username":"ana_r","email":" Ana@Example.com","password":"quiz12","profile":{"firstName":"Ana","grade":8},"preferences":{"difficulty":"hard"}}'),
	201,
	qr/\{"success":true,"message":"Registration successful","data":\{"user":${\ user('ana_r', 'ana@example.com', '"firstName":"Ana","grade":8,"preferredSubjects":\[\]', '"emailNotifications":true,"difficulty":"hard"') },"token":$jwt,"expiresIn":"7d"\}\}/,
	10);
my ($ana, $id) = ($data->{token}, $data->{user}{_id});
is($data->{user}{createdAt}, $data->{user}{updatedAt}, 'updated when created');
answer('register: the same again', register('ana_r', email => 'ana@example.com'), 409,
	error('Username or email already exists', 'register', ',"details":{"field":"username","message":"username already exists"}'), 10);
answer('register: name in other case', register('ANA_R'), 409,
	error('Username or email already exists', 'register', ',"details":{"field":"username","message":"username already exists"}'), 10);
answer('register: address', register('bea', email => 'ANA@example.com '), 409,
	error('Username or email already exists', 'register', ',"details":{"field":"email","message":"email already exists"}'), 10);
answer('register: fields', register('a!', email => 'x', password => 'quiz', profile => { grade => '8' }, preferences => { difficulty => 'none' }), 400,
	invalid('Username must be at least 3 characters long, Please provide a valid email address, Password must be at least 6 characters long, '
		  . 'Grade must be a number, Difficulty must be easy, medium, hard, or adaptive'), 10);
my $missing = invalid('Username is required, Email is required, Password is required');
answer("register: body '$_'", call('POST', '/api/auth/register', $_), 400, $missing, 10) for '', '{}';
answer('register: form body counts as empty',
	call('POST', '/api/auth/register', 'username=x', undef, { 'Content-Type' => 'application/x-www-form-urlencoded' }), 400, $missing, 10);
for my $body ('{', '[]', '{"a":1,"a":2}', '{"a":"\u0000"}', "{\"a\":\"\xff\"}", '{"username":"bea"}x')
{
	answer('register: R3 ' . substr($body, 0, 12), call('POST', '/api/auth/register', $body), 400, error('Invalid request body', 'validateRequest'), 10);
}
answer('register: gzip', call('POST', '/api/auth/register', '{}', undef, { 'Content-Encoding' => 'gzip' }), 400,
	error('Invalid request body', 'validateRequest'), 10);
my $large = '{"pad":"' . 'x' x (10485760 - 10) . '"}';
answer('register: 10 MB', call('POST', '/api/auth/register', $large), 400, $missing, 10);
answer('register: one byte more', call('POST', '/api/auth/register', "$large "), 413, routed('Request body too large', 'PAYLOAD_TOO_LARGE'), 10);
is($s->sql('SELECT count(*) FROM authmeter.user'), 1, 'one user was made');
is($s->sql(q{SELECT username, left(u.password_hash, 7), u.name FROM authmeter.quizzer_users q JOIN authmeter.user u ON u.id = q.user_id}),
	'ana_r|$2b$04$|Ana', 'with its profile, a hash and a name');

# ---- the token -----------------------------------------------------------------------------------

my ($head, $claims, $signature) = split /\./, $ana;
is(decode_base64url($head), '{"alg":"HS256","typ":"JWT"}', 'header of the token, to the letter');
is($signature, encode_base64url(hmac_sha256("$head.$claims", $secret)), 'verifies with the secret of the deployment');
$claims = decode_json(decode_base64url($claims));
is_deeply([ sort keys %$claims ], [qw(api email exp iat jti uid use userId username ver)], 'claims, and no others');
is_deeply([ @$claims{qw(userId username email api use)} ], [ $id, 'ana_r', 'ana@example.com', 'quizzer', 'access' ], 'their values');
is($claims->{exp} - $claims->{iat}, 604800, 'seven days');

# ---- POST /api/auth/login --------------------------------------------------------------------------

my $shown = user('ana_r', 'ana@example.com', '"firstName":"Ana","grade":8,"preferredSubjects":\[\]', '"emailNotifications":true,"difficulty":"hard"', 1);
$data = answer('login', login('ana_r'), 200, qr/\{"success":true,"message":"Login successful","data":\{"user":$shown,"token":$jwt,"expiresIn":"7d"\}\}/, 10);
is($data->{user}{lastLoginAt}, $data->{user}{updatedAt}, 'is an update');
is($data->{user}{_id}, $id, 'the id stays');
answer('login: other case', login('ANA_r'), 200, undef, 10);
my $refused = error('Invalid username or password', 'login');
answer('login: wrong password', login('ana_r', 'wrong1'), 401, $refused, 10);
answer('login: unknown user', login('nobody', 'wrong1'), 401, $refused, 10);
answer('login: short name', login('an'), 400, invalid('Username must be at least 3 characters long'), 10);
answer('login: long password', login('ana_r', 'x' x 101), 400, invalid('Password cannot exceed 100 characters'), 10);
answer('login: 73 bytes', login('ana_r', 'x' x 73), 400, invalid('Password must be at most 72 bytes long'), 10);
answer('login: empty', call('POST', '/api/auth/login', '{}'), 400, invalid('Username is required, Password is required'), 10);
answer('login: R3', call('POST', '/api/auth/login', '{"username"'), 400, error('Invalid request body', 'validateRequest'), 10);

# ---- what a token may do -----------------------------------------------------------------------

answer('validate', call('POST', '/api/auth/validate', '{}', $ana), 200,
	qr/\{"success":true,"message":"Token is valid","data":\{"user":$shown,"isValid":true\}\}/, 100);
answer('validate: without a body', call('POST', '/api/auth/validate', undef, $ana, { 'Content-Length' => 0 }), 200, undef, 100);
for my $path ('/api/auth/profile', '/api/user/profile', '/api/user/profile/', '/s/quizzer/api/user/profile')
{
	answer("GET $path", call('GET', $path, undef, $ana), 200,
		qr/\{"success":true,"message":"Profile retrieved successfully","data":\{"user":$shown\}\}/, 100);
}

sub updated
{
	my ($profile, $preferences) = @_;
	my $user = user('ana_r', 'ana@example.com', $profile, $preferences, 1);
	return qr/\{"success":true,"message":"Profile updated successfully","data":\{"user":$user\}\}/;
}
my $off = '"emailNotifications":false,"difficulty":"hard"';
answer('PUT /api/user/profile: the example',
	call('PUT', '/api/user/profile', '{"preferences":{"emailNotifications":"false"},"profile":{"grade":null},"performance":{"averageScore":99}}', $ana),
	200, updated('"firstName":"Ana","preferredSubjects":\[\]', $off), 50);
answer('PUT /api/auth/profile: the alias',
	call('PUT', '/api/auth/profile', '{"profile":{"preferredSubjects":["Math","Art"],"lastName":" Ruiz "}}', $ana),
	200, updated('"firstName":"Ana","lastName":"Ruiz","preferredSubjects":\["Math","Art"\]', $off), 50);
answer('PUT: server-owned keys have no effect',
	call('PUT', '/api/auth/profile', '{"profile":{},"_id":"0","username":"evil","email":"e@example.com","password":"evil123","role":"admin","lastLoginAt":"x"}', $ana),
	200, updated('"firstName":"Ana","lastName":"Ruiz","preferredSubjects":\["Math","Art"\]', $off), 50);
answer('PUT: nothing', call('PUT', '/api/auth/profile', '{}', $ana), 400,
	invalid('At least one field (profile or preferences) must be provided'), 50);
answer('PUT: fields', call('PUT', '/api/user/profile', '{"profile":{"grade":13},"preferences":[]}', $ana), 400,
	invalid('Grade cannot exceed 12, Preferences must be an object'), 50);
answer('PUT: R3', call('PUT', '/api/user/profile', '{"profile":{"a":1,"a":2}}', $ana), 400, error('Invalid request body', 'validateRequest'), 50);
answer('PUT: too large', call('PUT', '/api/user/profile', "$large ", $ana), 413, routed('Request body too large', 'PAYLOAD_TOO_LARGE'), 50);
is($s->sql(q{SELECT username, email, last_name, average_score, name FROM authmeter.quizzer_users JOIN authmeter.user_info USING (user_id, email)}),
	'ana_r|ana@example.com|Ruiz|0.0000000000|Ana Ruiz', 'what is stored, and the name that other APIs show');

# ---- bearer failures -----------------------------------------------------------------------------

my @protected = ([qw(POST /api/auth/validate 100)], [qw(GET /api/auth/profile 100)], [qw(GET /api/user/profile 100)],
	[qw(PUT /api/auth/profile 50)], [qw(PUT /api/user/profile 50)], [qw(DELETE /api/user/account 100)]);
sub signed
{
	my ($change, $key, $header) = @_;
	my $input = encode_base64url($header // '{"alg":"HS256","typ":"JWT"}') . '.' . encode_base64url(encode_json({ %$claims, %$change }));
	return "$input." . encode_base64url(hmac_sha256($input, $key // $secret));
}
my %bearer = (
	'Access token required' => [ undef, '', 'Bearer', 'Bearer ', "bearer $ana", "Basic $ana", $ana ],
	'Token expired' => [ 'Bearer ' . signed({ exp => time - 1 }) ],
	'Invalid token' => [
		map { "Bearer $_" } 'abc', signed({}, 'x' x 48), signed({ api => 'vsplugin' }), signed({ use => 'refresh' }), signed({ ver => 0 }),
		signed({}, undef, '{"alg":"none"}'), signed({ pad => 'x' x 4096 }), "$ana.x", "$ana x"
	],
	'User not found' => [ 'Bearer ' . signed({ uid => '0190a1b2-c3d4-7000-8000-000000000001' }) ]);
for my $route (@protected)
{
	my ($method, $path, $limit) = @$route;
	for my $message (sort keys %bearer)
	{
		for my $header (@{ $bearer{$message} })
		{
			answer("$method $path: '" . substr($header // 'none', 0, 24) . "'",
				call($method, $path, $method eq 'GET' ? undef : '{"profile":{}}', undef, { defined $header ? (Authorization => $header) : () }),
				401, error($message, 'authenticateToken'), $limit);
		}
	}
}
answer('a token signed elsewhere with the shared secret', call('GET', '/api/user/profile', undef, signed({})), 200, undef, 100);

# ---- the rest of the routes ----------------------------------------------------------------------

answer('health', call('GET', '/health'), 200, qr/\{"success":true,"service":"auth-service","status":"healthy","timestamp":$time\}/, undef);
my $root = '{"success":true,"message":"Auth Service API","version":"1.0.0","endpoints":{"health":"/health","auth":"/api/auth","user":"/api/user"}}';
answer('root', call('GET', '/'), 200, $root, 100);
answer('root of the prefix', call('GET', '/s/quizzer/'), 200, $root, 100);
is(call('HEAD', '/')->{body}, '', 'HEAD has no body');
is(call('HEAD', '/api/user/profile', undef, $ana)->{status}, 200, 'HEAD works where GET does');
answer("unknown path $_", call('GET', $_), 404, routed("Route $_ not found", 'ROUTE_NOT_FOUND'), undef)
  for '/x', '/api/auth', '/API/auth/profile', '/api//auth/profile', '/api/auth/profile/x';
answer("$_->[0] $_->[1]", call($_->[0], $_->[1], $_->[0] eq 'GET' ? undef : '{}'), 405, routed('Method not allowed', 'METHOD_NOT_ALLOWED'), undef, allow => [ $_->[2] ])
  for [ 'GET', '/api/auth/login', 'POST' ], [ 'POST', '/health', 'GET, HEAD' ], [ 'POST', '/api/user/account', 'DELETE' ],
  [ 'DELETE', '/api/auth/profile', 'GET, HEAD, PUT' ];
my $cors = call('GET', '/health', undef, undef, { Origin => 'http://localhost:3001' })->{headers};
is_deeply($cors->{'access-control-allow-origin'}, ['http://localhost:3001'], 'the origins of development');
ok(!exists call('GET', '/health', undef, undef, { Origin => 'http://localhost:5173' })->{headers}{'access-control-allow-origin'}, 'and no other');

# ---- limits --------------------------------------------------------------------------------------

sub from
{
	my ($address, $method, $path, $body, $token, %headers) = @_;
	return call($method, $path, $body, $token, { 'X-Forwarded-For' => $address, %headers });
}

sub limited
{
	my ($name, $reply, $limit, $message, $code) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($wait) = @{ $reply->{headers}{'retry-after'} // [0] };

	answer($name, $reply, 429, qq({"success":false,"error":{"message":"$message","code":"$code","retryAfter":$wait}}),
		$limit, 'ratelimit-remaining' => [0], 'ratelimit-reset' => [$wait]);
	return ok($wait >= 1 && $wait <= 900, "$name: Retry-After");
}
my $many = 'Too many requests from this IP, please try again later.';
my @statuses = map { from('192.0.2.1', 'POST', $_ % 2 ? '/api/auth/login' : '/api/auth/register', $_ % 3 ? '{}' : '{')->{status} } 1 .. 10;
is_deeply(\@statuses, [ (400) x 10 ], 'ten calls of register and login, refused bodies included');
for my $path ('/api/auth/login', '/api/auth/register')
{
	limited("then $path", from('192.0.2.1', 'POST', $path, encode_json({ username => 'ana_r', password => 'quiz12' })),
		10, 'Too many authentication attempts, please try again later.', 'AUTH_RATE_LIMIT_EXCEEDED');
}
answer('other routes have other counters', from('192.0.2.1', 'GET', '/'), 200, undef, 100, 'ratelimit-remaining' => [99]);
from('192.0.2.1', 'GET', '/health') for 1 .. 3;
from('192.0.2.1', 'OPTIONS', '/', undef, undef, Origin => 'http://localhost:3000', 'Access-Control-Request-Method' => 'GET') for 1 .. 3;
answer('neither health nor OPTIONS counts', from('192.0.2.1', 'POST', '/api/auth/validate', '{}', $ana), 200, undef, 100, 'ratelimit-remaining' => [98]);
my @routes = ([qw(GET /)], [qw(POST /api/auth/validate)], [qw(GET /api/auth/profile)], [qw(GET /api/user/profile)], [qw(DELETE /api/user/account)]);
from('192.0.2.1', @{ $routes[ $_ % @routes ] }) for 1 .. 98;
limited("the 101st call: @$_", from('192.0.2.1', @$_, undef, $ana), 100, $many, 'RATE_LIMIT_EXCEEDED') for @routes;
from('192.0.2.1', 'PUT', $_ % 2 ? '/api/auth/profile' : '/api/user/profile', '{"profile":{"firstName":"Late"}}', $_ % 3 ? $ana : undef) for 1 .. 50;
limited("the 51st update: $_", from('192.0.2.1', 'PUT', $_, '{"profile":{"firstName":"Never"}}', $ana), 50, $many, 'RATE_LIMIT_EXCEEDED')
  for '/api/auth/profile', '/api/user/profile';
is($s->sql(q{SELECT first_name FROM authmeter.quizzer_users}), 'Late', 'what is refused changes nothing');
my $service = $s->sql(q{SELECT authmeter.create_service_token('sibling', ARRAY['quizzer:validate'], '1 hour')});
answer('a sibling service is not limited', from('192.0.2.1', 'POST', '/api/auth/validate', '{}', $ana, 'X-Service-Token' => $service), 200, undef, undef);
limited('a stranger is', from('192.0.2.1', 'POST', '/api/auth/validate', '{}', $ana, 'X-Service-Token' => 'x' . substr $service, 1), 100, $many, 'RATE_LIMIT_EXCEEDED');
is(join(' ', map { from("2001:db8::$_", 'POST', '/api/auth/login', '{}')->{status} } 1 .. 11), join(' ', (400) x 10, 429), 'an IPv6 client is its /64');

# ---- at once -------------------------------------------------------------------------------------

$s->sql(qq{SELECT authmeter.setting_set('quizzer.${_}_limit', 'off')}) for qw(auth general update);

# at_once CLIENTS, ROUNDS, REQUEST->(client, round) => bytes, SEEN->(client, round, status, reply): sums.
sub at_once
{
	my ($clients, $rounds, $request, $seen) = @_;
	return Authmeter::Load::finish(
		Authmeter::Load::start(
			$clients,
			sub {
				my ($number) = @_;
				my $connection = Authmeter::Load::client($s->{port});
				my %got;
				for my $round (1 .. $rounds)
				{
					my $status = $connection->send($request->($number, $round));
					$got{$status}++;
					$got{wrong}++ if $seen && !$seen->($number, $round, $status, $connection->{last});
				}
				return \%got;
			}));
}

sub bytes
{
	my ($method, $path, $body, $token) = @_;
	return "$method $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	  . (defined $token ? "Authorization: Bearer $token\r\n" : '') . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}
is_deeply(at_once(32, 4, sub { bytes('POST', '/api/auth/register', qq({"username":"once$_[1]","email":"c$_[0]r$_[1]\@example.com","password":"quiz12"})) }),
	{ 201 => 4, 409 => 124 }, 'of 32 registrations of one name one succeeds');
is_deeply(at_once(32, 4, sub { bytes('POST', '/api/auth/register', qq({"username":"c$_[0]_r$_[1]","email":"Once$_[1]\@example.com","password":"quiz12"})) }),
	{ 201 => 4, 409 => 124 }, 'of 32 registrations of one address one succeeds');
is($s->sql(q{SELECT count(*), count(q.username) FROM authmeter.user u JOIN authmeter.quizzer_users q ON q.user_id = u.id}), '9|9', 'nothing is left of the others');

# Four clients, each its own keys of one profile: each finds what it wrote, whatever the others write.
my @parts = (
	sub { (qq({"profile":{"firstName":"F$_[0]"}}), qr/"firstName":"F$_[0]"/) },
	sub { (qq({"profile":{"preferredSubjects":["S$_[0]"]}}), qr/"preferredSubjects":\["S$_[0]"\]/) },
	sub { my $g = 1 + $_[0] % 12; (qq({"profile":{"grade":$g,"lastName":"L$_[0]"}}), qr/"lastName":"L$_[0]","grade":$g,/) },
	sub { my $d = (qw(easy medium hard))[ $_[0] % 3 ]; (qq({"preferences":{"difficulty":"$d"}}), qr/"difficulty":"$d"/) });
my $once = token('once1');
is_deeply(
	at_once(4, 50,
		sub { bytes('PUT', '/api/user/profile', ($parts[ $_[0] - 1 ]->($_[1]))[0], $once) },
		sub { $_[3] =~ ($parts[ $_[0] - 1 ]->($_[1]))[1] }),
	{ 200 => 200 }, 'parallel updates of different keys: each holds');
is($s->sql(q{SELECT first_name, preferred_subjects, grade, last_name, difficulty, email_notifications FROM authmeter.quizzer_users WHERE username = 'once1'}),
	'F50|{S50}|3|L50|hard|t', 'all survive');
# Logins, updates and reads of one user at a time: the locks are taken in one order.
my @mixed = (
	bytes('POST', '/api/auth/login', '{"username":"once1","password":"quiz12"}'),
	bytes('PUT', '/api/user/profile', '{"profile":{"firstName":"Mix"}}', $once),
	bytes('GET', '/api/user/profile', '', $once));
is_deeply(at_once(12, 25, sub { $mixed[ $_[0] % 3 ] }), { 200 => 300 }, 'logins and updates of one user');
unlike(slurp($s->{node}->logfile), qr/deadlock|could not serialize/, 'do not deadlock');

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or die "$path: $!";
	local $/ = undef;
	return <$file>;
}

# ---- DELETE /api/user/account --------------------------------------------------------------------

my $gone = token('once2');
my $gone_id = $s->sql(q{SELECT _id FROM authmeter.quizzer_users WHERE username = 'once2'});
answer('delete, documented: the token is enough', call('DELETE', '/api/user/account', undef, $gone), 200,
	qq({"success":true,"message":"Account deleted successfully","data":{"userId":"$gone_id"}}), undef);
for my $route (@protected)
{
	answer("deleted user: $route->[0] $route->[1]", call($route->[0], $route->[1], $route->[0] eq 'GET' ? undef : '{"profile":{}}', $gone), 401,
		error('User not found', 'authenticateToken'), undef);
}
answer('deleted user: login', login('once2'), 401, $refused, undef);
answer('the name is free again', register('once2', email => 'again@example.com'), 201, undef, undef);

# Production: the policy is strict, hashes are dear, nobody's origin is trusted.
$s->sql(q{SELECT authmeter.setting_set('authmeter.bcrypt_cost', '10'), authmeter.setting_set('quizzer.bcrypt_rounds', '10'),
	authmeter.setting_set('authmeter.environment', 'production')});
ok($s->poll(sub { !exists call('GET', '/health', undef, undef, { Origin => 'http://localhost:3000' })->{headers}{'access-control-allow-origin'} },
		'production has reached the shim'), 'production: no origin');
answer('production: register', register('prod'), 201,
	qr/\{"success":true,"message":"Registration successful","data":\{"user":${\ user('prod', 'prod@example.com', '"preferredSubjects":\[\]', $adaptive) },"token":$jwt,"expiresIn":"7d"\}\}/, undef);
is($s->sql(q{SELECT left(password_hash, 7) FROM authmeter.user WHERE email = 'prod@example.com'}), '$2b$10$', 'production: a dear hash');
my $prod = token('prod');
answer("delete, strict: $_", call('DELETE', '/api/user/account', $_, $prod), 400, invalid('Password is required'), undef) for '{}', '{"password":""}', '{"password":1}';
answer('delete, strict: no body', call('DELETE', '/api/user/account', undef, $prod), 400, invalid('Password is required'), undef);
answer('delete, strict: wrong password', call('DELETE', '/api/user/account', '{"password":"wrong1"}', $prod), 401, error('Invalid password', 'deleteAccount'), undef);
answer('delete, strict: the password without a token', call('DELETE', '/api/user/account', '{"password":"quiz12"}'), 401, error('Access token required', 'authenticateToken'), undef);
answer('delete, strict: another user\'s password', call('DELETE', '/api/user/account', '{"password":"quiz12","username":"ana_r"}', $once), 200, undef, undef);
is($s->sql(q{SELECT count(*) FROM authmeter.quizzer_users WHERE username IN ('prod', 'ana_r')}), 2, 'who it is comes from the token');
is_deeply(at_once(16, 1, sub { bytes('DELETE', '/api/user/account', '{"password":"quiz12"}', $prod) }), { 200 => 1, 401 => 15 },
	'delete, strict: of 16 at once one deletes');
is($s->sql(q{SELECT count(*) FROM authmeter.quizzer_users WHERE username = 'prod'}), 0, 'it is gone');
unlike(slurp($s->{node}->logfile), qr/deadlock|could not serialize/, 'without a deadlock');

# A change of the password in any API ends the token.
$s->sql(qq{SELECT authmeter.user_password_set(authmeter.quizzer_user_id('$id'), 'other quiz 12')});
answer('a token from before a password change', call('GET', '/api/user/profile', undef, $ana), 401, error('Invalid token', 'authenticateToken'), undef);
answer('the new password', login('ana_r', 'other quiz 12'), 200, undef, undef);

# ---- faults --------------------------------------------------------------------------------------

$s->sql('ALTER TABLE authmeter.quizzer_profile RENAME TO elsewhere');
answer('a fault', login('ana_r', 'other quiz 12'), 500, error('Internal Server Error', 'router'), undef);
$s->sql('ALTER TABLE authmeter.elsewhere RENAME TO quizzer_profile');
answer('and after it', login('ana_r', 'other quiz 12'), 200, undef, undef);
$s->{node}->stop;
answer('the database is away', call('GET', '/api/user/profile', undef, $ana), 503, routed('Service unavailable', 'SERVICE_UNAVAILABLE'), undef, 'retry-after' => [1]);
answer('health without it', call('GET', '/health'), 503,
	qr/\{"success":false,"service":"auth-service","status":"unhealthy","timestamp":$time\}/, undef, 'retry-after' => [1]);

is($s->stop_shim, 0, 'the shim stops cleanly');
unlike($s->shim_log, qr/\Q$ana\E|\Q$secret\E|\Q$service\E|quiz12/, 'nothing secret in its log');
unlike(slurp($s->{node}->logfile), qr/\Q$ana\E|\Q$secret\E|\Q$service\E|quiz12/, 'nor in the server\'s');
done_testing();
