# CREATE EXTENSION works in an existing database with and without preloading, DROP EXTENSION leaves
# nothing behind, a planted object is not adopted, and dump and restore keep users, counters, keys
# and settings.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $service = Authmeter::Service->new('extension', start_shim => 0, environment => 'development');
my $node = $service->{node};
my $port = $node->port;

# Everything in the catalogs that is not there in a database without the extension.
my $inventory = <<'SQL';
SELECT 'namespace', nspname FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
UNION ALL SELECT 'class', oid::regclass::text FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace
UNION ALL SELECT 'proc', oid::regprocedure::text FROM pg_proc
UNION ALL SELECT 'type', oid::regtype::text FROM pg_type WHERE typnamespace <> 'pg_toast'::regnamespace
UNION ALL SELECT 'trigger', evtname FROM pg_event_trigger
UNION ALL SELECT 'acl', defaclobjtype::text FROM pg_default_acl
ORDER BY 1, 2
SQL

$node->safe_psql('postgres', 'CREATE DATABASE existing');
$node->safe_psql('existing', 'CREATE EXTENSION pgcrypto; CREATE TABLE mine (id int)');
my $before = $node->safe_psql('existing', $inventory);
$node->safe_psql('existing', 'CREATE EXTENSION authmeter CASCADE');
isnt($node->safe_psql('existing', $inventory), $before, 'the extension makes objects');
$node->safe_psql('existing', "SELECT authmeter.user_create('x\@example.com', 'correct horse battery')");
$node->safe_psql('existing', 'DROP EXTENSION authmeter');
is($node->safe_psql('existing', $inventory), $before, 'DROP EXTENSION leaves nothing behind');

# The same backend creates, uses, drops and creates again.
is( $node->safe_psql(
		'existing', <<'SQL'), 'created|created|1', 'create, use, drop, create in one session');
CREATE EXTENSION authmeter;
CREATE TEMP TABLE seen AS SELECT (authmeter.user_create('one@example.com')).outcome;
SELECT authmeter.usage_get('018f0000-0000-7000-8000-000000000000');
DROP EXTENSION authmeter;
CREATE EXTENSION authmeter;
SELECT (SELECT outcome FROM seen), (authmeter.user_create('one@example.com')).outcome,
	(SELECT count(*) + 1 FROM authmeter.user WHERE false);
SQL
$node->safe_psql('existing', 'DROP EXTENSION authmeter');

# Objects planted under our names stop the installation.
for my $plant (
	'CREATE SCHEMA authmeter',
	'CREATE SCHEMA authmeter_http')
{
	my ($name) = $plant =~ /(authmeter\w*)/;
	$node->safe_psql('existing', $plant);
	my ($code, $out, $err) = $node->psql('existing', 'CREATE EXTENSION authmeter');
	isnt($code, 0, "$plant: refused");
	like($err, qr/schema "$name" already exists/, 'with the reason');
	$node->safe_psql('existing', "DROP SCHEMA $name");
}

# Dump and restore.
my $id = $service->user('keep@example.com', 'sk-keep');
$service->sql("SELECT authmeter.user_password_set('$id', 'correct horse battery staple')");
$service->sql("SELECT authmeter.meter_create('dump.words', 'word', '{5}')");
$service->sql("SELECT authmeter.usage_add('$id', 'dump.words', 7, 'key-1')");
$service->sql("SELECT authmeter.plan_publish('dump', '[{\"feature\": \"words\", \"kind\": \"metered\", \"meter\": \"dump.words\", \"limit\": 10, \"thresholds\": [50]}]')");
$service->sql("SELECT authmeter.subscription_start('$id', 'dump')");
$service->sql("SELECT authmeter.quota_consume('$id', 'words', 6, 'key-2')");
$service->sql("SELECT authmeter.meter_create('dump.events', dimensions => '{model}', event_log => true)");
$service->sql("SELECT authmeter.event_partition_make(now()::date)");
$service->sql("SELECT authmeter.event_record('$id', 'dump.events', 3, dimensions => '{\"model\": \"m1\"}')");
$service->sql("SELECT authmeter.setting_set('vsplugin.threshold', '77')");
$service->sql("INSERT INTO authmeter.totp (user_id, secret) "
	  . "VALUES ('$id', authmeter.secret_seal('totp', '$id', 'secret', '12345678901234567890'))");
my $recovery_code = $service->sql("SELECT (authmeter.totp_recovery_renew('$id'))[1]");
my $totp_code = q{authmeter.hotp('12345678901234567890', floor(extract(epoch FROM now()) / 30)::bigint)};
my $token =
  $service->sql("SELECT authmeter.token_issue('$id', 'vsplugin', 'access', lifetime => '1 hour')");
$service->sql("SELECT authmeter.key_generate(r, 'HS256', false) FROM unnest('{dump,dump-refresh}'::text[]) r");
my ($live, $ended) = map { $service->sql("SELECT refresh_token FROM authmeter.session_start('$id', 'dump')") } 1 .. 2;
$service->sql("SELECT authmeter.session_end(user_id, session_id) FROM authmeter.session_check('$ended', 'dump')");
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '-h', $node->host, '-p', $port, '-f', $dump, 'postgres' ], 'pg_dump');
unlike(slurp_file($dump), qr/sk-keep|\Q$service->{secret}\E|correct horse|$recovery_code|12345678901234567890/, 'no secret in the dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $port, '-f', $dump, 'restored' ],
	'restore');
is( $node->safe_psql('restored', "SELECT meter_name, value FROM authmeter.usage_get('$id', 'dump.words')"),
	'dump.words|7', 'counters are kept');
is( $node->safe_psql(
		'restored', "SELECT outcome, value, replayed FROM authmeter.usage_add('$id', 'dump.words', 7, 'key-1')"),
	'ok|7|t', 'idempotency keys are kept');
is( $node->safe_psql('restored', "SELECT outcome, used, remaining FROM authmeter.quota_consume('$id', 'words', 5)"),
	'over|6|4', 'plans, subscriptions and quotas are kept');
is($node->safe_psql('restored', 'SELECT threshold, state FROM authmeter.notification'), '50|queued', 'notifications are kept');
is( $node->safe_psql('restored',
		"SELECT value, dimensions FROM authmeter.event_query('dump.events', now() - interval '1 day', now() + interval '1 day', group_by => '{model}')"
		  . " UNION ALL SELECT value, dimensions FROM authmeter.event_list('$id')"),
	qq(3|{"model": "m1"}\n3|{"model": "m1"}), 'events and their partitions are kept');
is($node->safe_psql('restored', "SELECT authmeter.setting_get('vsplugin.threshold')"), '77', 'settings are kept');
is( $node->safe_psql(
		'restored', "SELECT outcome FROM authmeter.user_login('keep\@example.com', 'correct horse battery staple')"),
	'ok', 'passwords are kept');
is( $node->safe_psql(
		'restored', "SELECT outcome FROM authmeter.token_verify('$token', 'vsplugin', 'access')"),
	'ok', 'keys are kept, with the master key');
is( $node->safe_psql('restored',
		"SELECT string_agg(outcome, ',') FROM unnest(ARRAY[$totp_code, '$recovery_code']) c, authmeter.totp_verify('$id', c)"),
	'ok,ok', 'so are the second factor and its recovery codes');
is( $node->safe_psql('restored',
		"SELECT string_agg(r.reason, ',') FROM unnest(ARRAY['$live', '$ended']) t, authmeter.session_refresh(t, 'dump') r"),
	'ok,session_ended', 'sessions are kept, and their ends');
is( $node->safe_psql('restored', 'SELECT count(*), count(DISTINCT name) FROM authmeter.meter'),
	$service->sql('SELECT count(*), count(DISTINCT name) FROM authmeter.meter'), 'builtin rows are not doubled');
is( $node->safe_psql('restored', "SELECT authmeter.meter_create('dump.pages')"),
	'created', 'sequences continue');
is( $node->safe_psql('restored', "SELECT outcome, value FROM authmeter.usage_add('$id', 'dump.words', 1)"),
	'ok|8', 'and the copy goes on counting');

# The same dump where the master key is another one: users and counters are there, keys do not open.
my $other = Authmeter::Service->new('other', start_shim => 0);
$other->sql('CREATE DATABASE restored');
command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $other->{node}->host, '-p', $other->{node}->port,
	  '-f', $dump, 'restored' ],
	'restore under another master key');
is( $other->{node}->safe_psql('restored', "SELECT meter_name, value FROM authmeter.usage_get('$id', 'dump.words')"),
	'dump.words|7', 'counters are there');
my ($code, $out, $err) = $other->{node}->psql(
	'restored', "SELECT authmeter.token_issue('$id', 'vsplugin', 'access', lifetime => '1 hour')");
isnt($code, 0, 'sealed keys are useless without their master key');
like($err, qr/ERROR: .*(sealed|master key|signing key)/, 'and the error says why');
unlike($err, qr/\Q$service->{secret}\E/, 'without the secret');

# Not preloaded: everything but the guess counters inside a transaction block.
my $plain = Authmeter::Service->new('plain', start_shim => 0, preload => 0, environment => 'development');
my $user = $plain->user('plain@example.com');
is($plain->sql("SELECT outcome, value FROM authmeter.usage_add('$user', 'vsplugin.prompt', 2)"), 'ok|2',
	'counting works without preloading');
like($plain->sql('SELECT state FROM authmeter.status() WHERE component = $$preload$$'), qr/^degraded$/,
	'status says what is missing');
like($service->sql('SELECT state FROM authmeter.status() WHERE component = $$preload$$'), qr/^ok$/,
	'status says that nothing is missing');

done_testing();
