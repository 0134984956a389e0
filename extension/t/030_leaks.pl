# No secret passed by bind appears anywhere: with every logger on, in no log, no statistics view, no
# dump, and no file of the data directory (tables, WAL).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use DBI;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $s = Authmeter::Service->new(
	'leaks',
	environment => 'development',
	start_shim => 0,
	secret => 'S3cretJwtKeyOfThisVeryTest/0123456789abcdef',
	conf => <<'CONF');
shared_preload_libraries = 'authmeter,auto_explain,pg_stat_statements'
log_statement = 'all'
log_duration = on
log_min_duration_statement = 0
log_min_messages = debug1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_verbose = on
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
CONF
my $node = $s->{node};
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');

# The import of the secret above was a literal in the statement, as psql sends it; what follows goes
# by bind, as services and the shim do.
my $log_begin = -s $node->logfile;
$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
my $dbh = DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
	undef, undef, { RaiseError => 0, PrintError => 0, pg_server_prepare => 1 });

# auto_explain with log_verbose prints the constants of custom plans, of whatever extension; generic
# plans have none. grant_access sets this for the gateway.
$dbh->do('SET plan_cache_mode = force_generic_plan');
is($node->safe_psql('postgres', q{SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'authmeter_shim'::regrole}),
	'{log_parameter_max_length=0,log_parameter_max_length_on_error=0,plan_cache_mode=force_generic_plan}',
	'the gateway logs no bind values');

my %secret = (
	password => 'PassWordOfLeakTest-7391',
	wrong_password => 'WrongPassWordOfLeakTest-8812',
	long_password => 'LongPassWordOfLeakTest-' . 'z' x 80,
	jwt_secret => 'ImportedJwtSecretOfLeakTest-0123456789-abcdef',
	weak_secret => 'WeakSecretOfLeakTest',
	api_key => 'sk-ApiKeyOfLeakTest-55512',
	code => '918273');
my ($id) = $dbh->selectrow_array('SELECT authmeter.vsplugin_create_user(?, ?)', undef, 'leak@example.com', $secret{api_key});
ok($id, 'user with an API key') or diag $dbh->errstr;
$dbh->do('SELECT authmeter.user_password_set(?, ?)', undef, $id, $secret{$_}) for qw(long_password password);
$dbh->do('SELECT authmeter.user_login(?, ?)', undef, 'leak@example.com', $secret{$_})
  for qw(password wrong_password long_password);
$dbh->do('SELECT authmeter.user_create(?, ?)', undef, 'leak@example.com', $secret{password});
$dbh->do('SELECT authmeter.key_import(?, ?)', undef, 'leakring', $secret{$_}) for qw(weak_secret jwt_secret);
$dbh->do('SELECT authmeter.otp_verify(?, ?, ?)', undef, 'vsplugin-signup', 'leak@example.com', $secret{code});
my ($token) = $dbh->selectrow_array(
	q{SELECT authmeter.token_issue(?, 'vsplugin', 'access', lifetime => '1 hour')}, undef, $id);
ok($token, 'token') or diag $dbh->errstr;
$dbh->do('SELECT authmeter.token_verify(?, ?, ?)', undef, $token, 'vsplugin', 'access');
$dbh->do('SELECT authmeter.jwt_verify(?, ?)', undef, "$token.x", 'vsplugin');
my ($service) = $dbh->selectrow_array(
	'SELECT authmeter.create_service_token(?, ARRAY[?], ?)', undef, 'leak', 'vsplugin:signup', '1 hour');
$dbh->do('SELECT status FROM authmeter_http.vsplugin_signup(?)', undef, $_)
  for '{"method":"POST","ip":"127.0.0.1","body":{"email":"leak@example.com"}}',
  qq({"method":"POST","ip":"127.0.0.1","headers":{"x-service-token":"$service"},"body":{"email":"leak\@example.com"}});
$dbh->do('SELECT status FROM authmeter_http.vsplugin_track_usage(?)', undef,
	qq({"method":"POST","ip":"127.0.0.1","bearer":"$token","body":{"usage":1}}));
$dbh->do('SELECT authmeter.key_generate(r, $$HS256$$, false) FROM unnest($$ {leaks,leaks-refresh} $$::text[]) r');
my ($access, $first) = $dbh->selectrow_array(
	'SELECT access_token, refresh_token FROM authmeter.session_start(?, ?)', undef, $id, 'leaks');
my ($second) = $dbh->selectrow_array(
	'SELECT refresh_token FROM authmeter.session_refresh(?, ?)', undef, $first, 'leaks');
ok($second, 'session') or diag $dbh->errstr;
$dbh->do('SELECT authmeter.session_refresh(?, ?)', undef, $_, 'leaks') for "$first.x", $first;
$dbh->do('SELECT authmeter.session_check(?, ?)', undef, $second, 'leaks');
# Codes, tokens and secrets that authmeter makes itself.
for my $form (qw(base64url hex jwt))
{
	($secret{"one_time_$form"}) = $dbh->selectrow_array(
		'SELECT authmeter.one_time_token_issue(?, ?, ?, form => ?)', undef, 'leaks', 'leak', 'leak@example.com', $form);
	$dbh->do("SELECT authmeter.one_time_token_$_", undef, $secret{"one_time_$form"}) for q{check(?, 'leaks')}, 'use(?)';
}
$secret{registration_password} = 'RegistrationOfLeakTest-40417';
$dbh->do('SELECT authmeter.registration_start(?, ?, NULL, ?)', undef, 'pending@example.com', $secret{registration_password}, 'leaks');
$dbh->do('SELECT authmeter.user_login(?, ?)', undef, 'pending@example.com', $secret{registration_password});
($secret{totp_secret}) = $dbh->selectrow_array('SELECT secret FROM authmeter.totp_enroll(?)', undef, $id);
$secret{totp_bytes} = pack 'B*', join '',
  map { sprintf '%05b', index 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_ } split //, $secret{totp_secret};
my ($step_code) = $dbh->selectrow_array(
	q{SELECT authmeter.hotp(decode(?, 'hex'), floor(extract(epoch FROM authmeter.clock()) / 30)::bigint)},
	undef, unpack 'H*', $secret{totp_bytes});
my ($recovery) = $dbh->selectrow_array('SELECT recovery_codes FROM authmeter.totp_confirm(?, ?)', undef, $id, $step_code);
@secret{qw(recovery_used recovery_kept)} = @{$recovery}[ 0, 9 ];
is( ($dbh->selectrow_array('SELECT outcome FROM authmeter.totp_verify(?, ?)', undef, $id, $secret{recovery_used}))[0],
	'ok', 'second factor') or diag $dbh->errstr;
@secret{qw(token service_token session_access session_first session_second)} = ($token, $service, $access, $first, $second);

# Read all views as the superuser before anything is shut down.
my $views = join "\n", map { $node->safe_psql('postgres', "SELECT v::text FROM $_ v") }
  qw(pg_stat_activity pg_stat_statements authmeter.audit_event authmeter.mail_outbox authmeter.session authmeter.setting authmeter.totp
	  authmeter.one_time_token authmeter.registration authmeter.otp);
my $dump = $node->basedir . '/leak.sql';
system_or_bail('pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres');
$dbh->disconnect;
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop;
my $log = substr slurp_file($node->logfile), $log_begin;
ok(index($log, 'user_login') >= 0, 'the log has the statements');
my $files = '';
find({ no_chdir => 1, wanted => sub { $files .= slurp_file($_) if -f $_ && -r $_ } }, $node->data_dir);
cmp_ok(length $files, '>', 1e6, 'the data directory was read');

for my $name (sort keys %secret)
{
	# ok, not unlike: a failure must not print all that was searched.
	ok(index($views, $secret{$name}) < 0, "$name: not in a view");
	ok(index($log, $secret{$name}) < 0, "$name: not in the log");
	ok(index(slurp_file($dump), $secret{$name}) < 0, "$name: not in the dump");
	ok(index($files, $secret{$name}) < 0, "$name: not in the data directory") unless $name eq 'code';
}
ok(index($files, $s->{secret}) < 0, 'the imported signing secret is in no file of the data directory');
done_testing();
