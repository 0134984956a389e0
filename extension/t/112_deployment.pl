# An API is deployed as the service was that it takes the place of: the variables of old reach it, each
# only where its name is beyond doubt, and a mistake stops the start with a reason.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;

use constant EXIT_REFUSED => 4;

my %secret = map { $_ => join '', map { sprintf '%08x', rand(2**32) } 1 .. 6 }
  qw(VSPLUGIN_JWT_SECRET AUTOVERSE_JWT_SECRET AUTOVERSE_JWT_REFRESH_SECRET QUIZZER_JWT_SECRET
  JOBPSYCH_JWT_ACCESS_SECRET JOBPSYCH_JWT_REFRESH_SECRET JOBPSYCH_JWT_SECRET JWT_SECRET JWT_ACCESS_SECRET);
my @ports = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 3;

# A service without keys of its own: everything comes from the variables.
sub service
{
	my ($name, %option) = @_;
	my $s = Authmeter::Service->new($name, environment => 'development', mounts => [], start_shim => 0, %option);
	$s->sql('DELETE FROM authmeter.signing_key');
	$s->sql("SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4')");
	return $s;
}

# Lines of the log with this event, as objects.
sub events
{
	my ($s, $event) = @_;
	return grep { $_->{event} eq $event } map { decode_json($_) } grep { /^\{/ } split /\n/, $s->shim_log;
}

sub told
{
	my ($s, $event) = @_;
	return { map { $_->{subject} => $_->{message} } events($s, $event) };
}

sub signed_by
{
	my ($token, $secret) = @_;
	my ($input, $signature) = $token =~ /^(.+)\.([^.]+)$/;
	return $signature eq encode_base64url(hmac_sha256($input, $secret));
}

# The shim must end by itself with this exit status; returns its log.
sub refused
{
	my ($s, $status, $what) = @_;
	my $ended;
	unlink $s->{log_file} if $s->{log_file};
	$s->spawn_shim;
	$s->poll(sub { waitpid($s->{pid}, 1) == $s->{pid} and defined($ended = $?) }, 'the shim has ended');
	delete $s->{pid};
	is(defined $ended ? $ended >> 8 : undef, $status, "$what: the start is refused");
	return $s->shim_log;
}

# ---- four APIs, each with its own names ----------------------------------------------------------

my $s = service('deployed');
my %usual = (
	AUTOVERSE_PORT => $ports[0], VSPLUGIN_PORT => $ports[0], QUIZZER_PORT => $ports[1], JOBPSYCH_PORT => $ports[2],
	map { $_ => $secret{$_} } grep { !/^JWT/ } keys %secret);
$s->{env} = {
	%usual,
	JWT_SECRET => $secret{JWT_SECRET}, PORT => 1,
	JOBPSYCH_CORS_ORIGINS => 'https://jobs.example, https://files.example', JOBPSYCH_UPLOAD_LIMIT => 3,
	QUIZZER_FRONTEND_URL => 'https://quiz.example', QUIZZER_JWT_EXPIRES_IN => '2d', QUIZZER_BCRYPT_ROUNDS => 5,
	AUTOVERSE_CLIENT_URL => 'https://auto.example', CORS_ORIGINS => 'https://evil.example',
	REDIS_HOST => 'redis', REDIS_PASSWORD => 'x', MONGODB_URI => 'mongodb://x', MONGO_URI => 'mongodb://x',
	NODE_ENV => 'production' };
$s->start_shim;
my $told = told($s, 'deployment_secret');
is($told->{$_}, 'imported', "$_ is imported") for grep { !/^JWT|^JOBPSYCH_JWT_SECRET/ } keys %secret;
is($told->{$_}, 'imported', "$_ is imported")
  for qw(JOBPSYCH_CORS_ORIGINS JOBPSYCH_UPLOAD_LIMIT QUIZZER_FRONTEND_URL QUIZZER_JWT_EXPIRES_IN QUIZZER_BCRYPT_ROUNDS AUTOVERSE_CLIENT_URL);
is($told->{JOBPSYCH_JWT_SECRET}, 'ignored', 'the fallback is not needed');
my @bare = grep { $_->{subject} =~ /^(?:JWT_SECRET|CORS_ORIGINS)$/ } events($s, 'check_warning');
is_deeply([ sort map { $_->{subject} } @bare ], [ 'CORS_ORIGINS', 'JWT_SECRET' ], 'a bare name could be anybody\'s: one warning each');
like($_->{message}, qr/ignored, because several APIs are mounted/, "$_->{subject}: says why") for @bare;
like(join("\n", map { $_->{message} } events($s, 'config_warning')), qr/port \(PORT\) is ignored/, 'PORT too');
unlike($s->shim_log, qr/REDIS|MONGO|NODE_ENV/, 'stores that are not needed are no matter');
is($s->sql("SELECT value FROM authmeter.setting_list() WHERE name = 'authmeter.environment'"), 'development', 'NODE_ENV is not read');
is($s->sql("SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM authmeter.setting WHERE name ~ '^(job|quiz|auto)'"),
	'autoverse.cors_origins=https://auto.example jobpsych.cors_origins=https://jobs.example, https://files.example'
	  . ' jobpsych.upload_limit=3 quizzer.bcrypt_rounds=5 quizzer.cors_origins=https://quiz.example quizzer.token_ttl=2d',
	'the settings of the deployment');

sub at { my ($port, $method, $path, $headers, $body) = @_; return $s->request($method, $path, $headers, $body, port => $port) }

# Contract section 1: on a shared port the first API answers /, /health and unknown paths.
like(at($ports[0], 'GET', '/')->{body}, qr/Autoverse Hub API is running/, '/ of the shared port: autoverse');
like(at($ports[0], 'GET', '/health')->{body}, qr/"status":"OK".*"environment":"development"/, '/health too');
is(at($ports[0], 'GET', '/nosuch')->{body}, '{"error":"Route not found","path":"/nosuch","code":"ROUTE_NOT_FOUND"}', 'unknown paths too');
is(at($ports[0], 'POST', '/trackUsage', { 'Content-Type' => 'application/json' }, '{}')->{status}, 401, 'vsplugin has its own there');
is(at($ports[0], 'GET', '/trackUsage')->{body}, '{"error":"Method not allowed"}', 'and its own style');
like(at($ports[1], 'GET', '/health')->{body}, qr/"success":true,"service":/, 'quizzer at its port');
like(at($ports[2], 'GET', '/health')->{body}, qr/"uptime":/, 'jobpsych at its port');
is(at($ports[2], 'POST', '/trackUsage')->{status}, 404, 'and nothing else there');

# CORS, contract section 11: each API its own list, on every answer, and a preflight for any path.
my @cors = (
	[ 'autoverse', $ports[0], '/api/auth/login', 'https://auto.example' ],
	[ 'quizzer', $ports[1], '/api/auth/login', 'https://quiz.example' ],
	[ 'jobpsych', $ports[2], '/api/auth/login', 'https://files.example' ],
	[ 'jobpsych', $ports[2], '/nosuch', 'https://jobs.example' ]);
for my $case (@cors)
{
	my ($api, $port, $path, $origin) = @$case;
	my %preflight = ('Access-Control-Request-Method' => 'POST');
	my $reply = at($port, 'OPTIONS', $path, { %preflight, Origin => $origin });
	is("$reply->{status}$reply->{body}", '204', "$api: preflight of $path");
	is_deeply(
		[ map { $reply->{headers}{"access-control-allow-$_"}[0] } qw(origin credentials methods headers) ],
		[ $origin, 'true', 'GET,POST,PUT,DELETE,OPTIONS', 'Content-Type,Authorization' ], "$api: its headers");
	is_deeply($reply->{headers}{vary}, ['Origin'], "$api: vary");
	for my $other ('https://evil.example', $origin eq 'https://auto.example' ? 'https://quiz.example' : 'https://auto.example')
	{
		$reply = at($port, 'OPTIONS', $path, { %preflight, Origin => $other });
		ok(!grep({ exists $reply->{headers}{$_} } qw(access-control-allow-origin access-control-allow-credentials vary)),
			"$api: not $other");
	}
	$reply = at($port, 'POST', $path, { Origin => $origin, 'Content-Type' => 'application/json' }, '{}');
	cmp_ok($reply->{status}, '>=', 400, "$api: an error");
	is_deeply($reply->{headers}{'access-control-allow-origin'}, [$origin], "$api: and the origin may read it");
}

# The secrets do what the variables say.
my $reply = at($ports[2], 'POST', '/api/auth/register', { 'Content-Type' => 'application/json' },
	'{"name":"Ana","email":"ana@example.com","password":"abcdefgh","company_name":"A"}');
my $token = decode_json($reply->{body})->{accessToken};
ok(signed_by($token, $secret{JOBPSYCH_JWT_ACCESS_SECRET}), 'jobpsych signs with its access secret');
my ($refresh) = $reply->{headers}{'set-cookie'}[0] =~ /^refreshToken=([^;]+)/;
ok(signed_by($refresh, $secret{JOBPSYCH_JWT_REFRESH_SECRET}), 'and refresh tokens with the other');
$reply = at($ports[1], 'POST', '/api/auth/register', { 'Content-Type' => 'application/json' },
	'{"username":"ben","email":"ben@example.com","password":"abcdefgh"}');
ok(signed_by(decode_json($reply->{body})->{data}{token}, $secret{QUIZZER_JWT_SECRET}), 'quizzer with its own');
like($s->shim_log, qr/weak behaviour active: $_ = documented \(/, "told: $_")
  for qw(vsplugin.signup_proof autoverse.two_factor quizzer.delete_account jobpsych.upload_routes);
unlike($s->shim_log, qr/$secret{$_}/, "$_ is in no log") for keys %secret;

# The second start finds everything there; a variable that has changed meanwhile changes nothing.
is($s->stop_shim, 0, 'stopped');
unlink $s->{log_file};
$s->{env} = { %{ $s->{env} }, QUIZZER_JWT_SECRET => $secret{JWT_SECRET}, JOBPSYCH_UPLOAD_LIMIT => 4,
	JOBPSYCH_CORS_ORIGINS => 'https://jobs.example,https://files.example' };
$s->start_shim;
$told = told($s, 'deployment_secret');
is($told->{$_}, 'present', "$_ is there already") for qw(JOBPSYCH_JWT_ACCESS_SECRET JOBPSYCH_CORS_ORIGINS AUTOVERSE_JWT_SECRET);
$told = told($s, 'check_warning');
like($told->{$_}, qr/another value .* the database's is used/, "$_ has changed") for qw(QUIZZER_JWT_SECRET JOBPSYCH_UPLOAD_LIMIT);
is($s->sql("SELECT authmeter.setting_get('jobpsych.upload_limit')"), '3', 'and changed nothing');
is(at($ports[2], 'GET', '/api/auth/profile', { Authorization => "Bearer $token" })->{status}, 200, 'tokens stay good');
$s->stop_shim;

# ---- mistakes ----------------------------------------------------------------------------------

$s->sql("SELECT authmeter.setting_set('jobpsych.access_ttl', NULL)");
$s->{env} = { %usual, JOBPSYCH_JWT_ACCESS_EXPIRES_IN => 'soon' };
like(refused($s, EXIT_REFUSED, 'a value that means nothing'), qr/JOBPSYCH_JWT_ACCESS_EXPIRES_IN.*refused:/, 'names the variable');

$s->{env} = {%usual};
$s->{mounts} = ['=autoverse,jobpsych'];
like(refused($s, EXIT_REFUSED, 'two APIs with the same routes'),
	qr{POST /api/auth/\S+ belongs to the APIs \\"autoverse\\" and \\"jobpsych\\", which are mounted at the same port and prefix /}, 'names the route and both');

$s->{mounts} = ['=nosuch'];
like(refused($s, EXIT_REFUSED, 'an API that is not there'), qr/API \\"nosuch\\" is mounted, but the database has no route of it/, 'says so');

# ---- one API alone: the bare names are its own ---------------------------------------------------

$s->sql('DELETE FROM authmeter.signing_key');
$s->{mounts} = [];
$s->{env} = { AUTHMETER_APIS => 'jobpsych', PORT => $ports[1], JWT_SECRET => $secret{JWT_SECRET},
	JWT_REFRESH_SECRET => $secret{JOBPSYCH_JWT_REFRESH_SECRET} };
unlink $s->{log_file};
$s->start_shim;
is_deeply(told($s, 'deployment_secret'), { JWT_SECRET => 'imported', JWT_REFRESH_SECRET => 'imported' }, 'the fallback is taken');
$reply = at($ports[1], 'POST', '/api/auth/login', { 'Content-Type' => 'application/json' }, '{"email":"ana@example.com","password":"abcdefgh"}');
ok(signed_by(decode_json($reply->{body})->{accessToken}, $secret{JWT_SECRET}), 'and signs, at the port of PORT');
$s->stop_shim;

$s->sql('DELETE FROM authmeter.signing_key');
$s->{env} = { AUTHMETER_APIS => 'jobpsych', PORT => $ports[1], JWT_SECRET => $secret{JWT_SECRET},
	JWT_ACCESS_SECRET => $secret{JWT_ACCESS_SECRET}, JWT_REFRESH_SECRET => $secret{JWT_ACCESS_SECRET} };
like(refused($s, EXIT_REFUSED, 'one secret for both kinds of token'), qr/signed with the same secret/, 'says so');
ok(signed_by($s->sql("SELECT authmeter.jws_sign('{}', 'jobpsych')"), $secret{JWT_ACCESS_SECRET}),
	'the proper name came before the fallback');

# ---- strict --------------------------------------------------------------------------------------

$s->sql('DELETE FROM authmeter.signing_key');
$s->sql("SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL)");
$s->sql("SELECT authmeter.setting_set('quizzer.bcrypt_rounds', NULL)");
$s->sql("SELECT authmeter.setting_set('authmeter.environment', 'production')");
$s->{env} = {%usual};
unlink $s->{log_file};
$s->start_shim;
unlike($s->shim_log, qr/weak behaviour/, 'production: nothing weak is active');
like(join("\n", map { $_->{message} } events($s, 'check_warning')), qr/jobpsych\.upload_routes/, 'but who has no way in is told');
is($s->stop_shim, 0, 'the shim stops cleanly');
done_testing();
