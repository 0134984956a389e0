# 64 connections at once, and every way in which a caller could take a counted guess back: logins,
# sign-ups, idempotency keys and rate limits (security: lines 11, 18 and 25; more on
# codes is in 050_guessing.pl).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 64;

my $s = Authmeter::Service->new('races', environment => 'development', start_shim => 0,
	conf => 'max_prepared_transactions = 10');
my $node = $s->{node};
$s->sql(<<'SQL');
CREATE TABLE tries (outcome text);
CREATE TABLE deferred (one integer UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO deferred VALUES (1);
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT authmeter.user_create('race@example.com', 'correct horse');
SQL

# in_parallel SCRIPT: each of the clients runs it once, as one pgbench script; returns the tally.
sub in_parallel
{
	my ($script, $name) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/race.sql';
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	open my $out, '>', $file or die "$file: $!";
	print $out $script;
	close $out or die $!;
	$node->command_ok([ 'pgbench', '-n', '-c', CLIENTS, '-j', 2, '-t', 1, '-f', $file, 'postgres' ], "$name: run");
	my $tally = $s->sql("SELECT string_agg(outcome || ' ' || n, ', ' ORDER BY outcome) FROM "
		  . '(SELECT outcome, count(*) AS n FROM tries GROUP BY 1) t');
	$s->sql('TRUNCATE tries');
	return $tally;
}

sub login
{
	my ($password, $address) = @_;
	return "authmeter.user_login('race\@example.com', '$password', '$address')";
}

# failures_left ADDRESS: how many more wrong passwords are answered.
sub failures_left
{
	my ($address) = @_;
	return $s->sql("SELECT remaining FROM authmeter.rate_peek('authmeter.login_failures', '$address race\@example.com', '20/15m')");
}

# ---- logins --------------------------------------------------------------------------------------

is(in_parallel('INSERT INTO tries SELECT outcome FROM ' . login('wrong horse', '192.0.2.1') . ';', 'wrong password'),
	'rate_limited 44, refused 20', 'wrong password, 64 connections: twenty are answered');
is($s->sql('SELECT outcome FROM ' . login('correct horse', '192.0.2.1')), 'rate_limited', 'then the right one is not');
is($s->sql('SELECT outcome FROM ' . login('correct horse', '192.0.2.2')), 'ok', 'from another address it is');
is( in_parallel(
		"BEGIN;\nSELECT outcome AS o FROM " . login('wrong horse', '192.0.2.3') . " \\gset\nROLLBACK;\nINSERT INTO tries VALUES (':o');\n",
		'wrong password, rolled back'),
	'rate_limited 44, refused 20', 'wrong password, rolled back, 64 connections: twenty are answered');
is(in_parallel('INSERT INTO tries SELECT outcome FROM ' . login('correct horse', '192.0.2.4') . ';', 'right password'),
	'ok 64', 'right password, 64 connections: successes neither count nor wait');
is(failures_left('192.0.2.4'), 20, 'and cost nothing');

# ---- every way back ------------------------------------------------------------------------------

my %taken_back = (
	'ROLLBACK' => 'BEGIN; SELECT * FROM %s; ROLLBACK',
	'ROLLBACK TO a savepoint' => 'BEGIN; SAVEPOINT s; SELECT * FROM %s; ROLLBACK TO s; COMMIT',
	'a subtransaction that raises' =>
	  'DO $$ BEGIN PERFORM * FROM %s; RAISE EXCEPTION USING MESSAGE = 1; EXCEPTION WHEN OTHERS THEN NULL; END $$',
	'an error behind it' => 'SELECT 1 / (0 * length(r::text)) FROM %s r',
	'a deferred constraint' => 'BEGIN; SELECT * FROM %s; INSERT INTO deferred VALUES (1); COMMIT',
	'SERIALIZABLE and ROLLBACK' => 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM %s; ROLLBACK',
	'a read-only transaction' => 'BEGIN READ ONLY; SELECT * FROM %s; ROLLBACK',
	'ROLLBACK PREPARED' => "BEGIN; SELECT * FROM %s; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'",
	'a time-out behind it' => "SET statement_timeout = '200ms'; SELECT pg_sleep(30) FROM %s",
	'a killed backend' => 'SELECT pg_terminate_backend(pg_backend_pid()) FROM %s');

for my $way (sort keys %taken_back)
{
	my $before = failures_left('192.0.2.5');
	$node->psql('postgres', sprintf $taken_back{$way}, login('wrong horse', '192.0.2.5'));
	is(failures_left('192.0.2.5'), $before - 1, "login: $way gives no guess back");

	my $peek = q{SELECT remaining FROM authmeter.rate_peek('back', 'key', '100/1h')};
	$before = $s->sql($peek);
	$node->psql('postgres', sprintf $taken_back{$way}, "authmeter.rate_take('back', 'key', '100/1h')");
	is($s->sql($peek), $before - 1, "rate limit: $way gives no unit back");
}
my $issued = 0;
for my $way (sort keys %taken_back)
{
	my $address = 'back' . ++$issued . '@example.com';
	$s->sql("SELECT authmeter.otp_issue('back', '$address')");
	my $code = $s->sql("SELECT authmeter.mail_params(id)->>'code' FROM authmeter.mail_outbox WHERE recipient = '$address'");
	$node->psql('postgres', sprintf $taken_back{$way}, "authmeter.otp_verify('back', '$address', 'wrong')") for 1 .. 5;
	is($s->sql("SELECT reason FROM authmeter.otp_verify('back', '$address', '$code')"), 'spent',
		"code: $way gives no try back");
}

# A refused login works on after the comparison, to hide what was compared. Who breaks it off then
# would know that the password was wrong: it has counted by that time.
$s->sql(<<'SQL');
SELECT outcome FROM authmeter.user_import('dear@example.com', replace(crypt('x', gen_salt('bf', 4)), '$2a$04', '$2b$14'))
SQL
for my $number (1 .. 3)
{
	my ($code, $out, $err) = $node->psql('postgres',
		"SET statement_timeout = '250ms'; SELECT outcome FROM " . login('wrong horse', '192.0.2.6'));
	like($err, qr/statement timeout/, "login $number is cancelled while it hides the reason");
}
is(failures_left('192.0.2.6'), 17, 'cancelled logins have counted');
$s->sql(q{SELECT authmeter.user_delete(user_id) FROM authmeter.user_find('dear@example.com')});

# ---- one code, one session -----------------------------------------------------------------------

$s->sql(q{SELECT authmeter.setting_set('vsplugin.signup_proof', 'strict'), authmeter.setting_set('vsplugin.signup_limit', 'off')});
my $signup = q{authmeter_http.vsplugin_signup('{"ip":"192.0.2.7","body":{"email":"race@example.com"%s}}')};
is($s->sql('SELECT status FROM ' . sprintf $signup, ''), 401, 'a sign-up call without proof mails a code');
my $code = $s->sql(q{SELECT authmeter.mail_params(id)->>'code' FROM authmeter.mail_outbox WHERE recipient = 'race@example.com'});
like( in_parallel('INSERT INTO tries SELECT status FROM ' . sprintf($signup, qq(,"otp":"$code")) . ';', 'code'),
	qr/^201 1, 401 63$/, 'right code at the endpoint, 64 connections: exactly one session token');
$s->sql(q{SELECT authmeter.setting_set('vsplugin.signup_limit', NULL)});

# ---- one address, one user -----------------------------------------------------------------------

is( in_parallel(
		"\\set n random(0, 4)\nINSERT INTO tries SELECT outcome FROM authmeter.user_create((ARRAY['new\@example.com', "
		  . "' NEW\@Example.COM ', 'new\@EXAMPLE.com', 'New\@example.com', U&'\\FF4E\\FF45\\FF57\@example.com'])[1 + :n]);",
		'sign-up'),
	'created 1, email_taken 63', '64 sign-ups of five spellings: one creates');
is($s->sql(q{SELECT count(*) FROM authmeter.user_list(page_size => 1000) WHERE email = 'new@example.com'}), 1, 'one row');

# ---- one key, one effect -------------------------------------------------------------------------

my $id = $s->sql(q{SELECT user_id FROM authmeter.user_find('race@example.com')});
is( in_parallel("INSERT INTO tries SELECT outcome || ' ' || replayed || ' ' || value FROM authmeter.usage_add('$id', 'vsplugin.prompt', 7, 'race');",
		'one key'),
	'ok false 7 1, ok true 7 63', 'one idempotency key, 64 connections: one effect, 63 replays of it');
is($s->sql("SELECT value FROM authmeter.usage_get('$id', 'vsplugin.prompt')"), 7, 'counted once');
is( in_parallel(
		"\\set n random(1, 2)\nINSERT INTO tries SELECT CASE WHEN outcome = 'ok' AND replayed THEN 'replayed' ELSE outcome END "
		  . "FROM authmeter.usage_add('$id', 'vsplugin.token', 5, 'race ' || :n);",
		'two keys') =~ s/replayed \d+/replayed n/r,
	'ok 2, replayed n', 'two keys: two effects');
is($s->sql("SELECT value FROM authmeter.usage_get('$id', 'vsplugin.token')"), 10, 'counted twice');
$s->sql(q{SELECT authmeter.setting_set('vsplugin.signup_proof', 'documented')});
my $token = $s->sql("SELECT authmeter.token_issue('$id', 'vsplugin', 'access', lifetime => '1 hour')");
is( in_parallel(
		"INSERT INTO tries SELECT status || ' ' || body FROM authmeter_http.vsplugin_track_usage('{\"bearer\":\"$token\","
		  . "\"headers\":{\"idempotency-key\":\"endpoint\"},\"body\":{\"usage\":1}}');",
		'endpoint'),
	'200 {"message":"Usage tracked successfully","currentPromptCount":8,"currentTokenCount":10,"threshold":10} 64',
	'one key at the endpoint, 64 connections: the same answer for all');
is($s->sql("SELECT value FROM authmeter.usage_get('$id', 'vsplugin.prompt')"), 8, 'counted once');
# A key whose call came to nothing is free again.
is( $s->sql("BEGIN; SELECT outcome FROM authmeter.usage_add('$id', 'vsplugin.prompt', 1, 'undone'); ROLLBACK; "
		  . "SELECT outcome, replayed, value FROM authmeter.usage_add('$id', 'vsplugin.prompt', 1, 'undone')"),
	"ok\nok|f|9", 'a key rolled back with its effect is new again');

done_testing();
