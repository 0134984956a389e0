# Guesses are counted before they are evaluated, and nothing a caller does takes the count back: not
# 64 connections at once, not rollback, savepoint, cancel or a killed backend. The right code is good
# for exactly one of 64 (security: lines 11 and 12). 055_codes.pl has the races round after round.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 64;

my $node;

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# issue: a new code for a new address; sets $address, returns the code.
my ($address, $count) = ('', 0);

sub issue
{
	$address = 'guess-' . ++$count . '@example.com';
	is(sql("SELECT authmeter.otp_issue('guess', '$address')"), 'issued', "code $count issued");
	return sql(
		"SELECT authmeter.mail_params(id)->>'code' FROM authmeter.mail_outbox WHERE recipient = '$address'"
	);
}

sub verify
{
	my ($code) = @_;
	return "authmeter.otp_verify('guess', '$address', '$code')";
}

# in_parallel SCRIPT: each of the clients runs it once, as one pgbench script.
sub in_parallel
{
	my ($script) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/guess.sql';

	open my $out, '>', $file or die "$file: $!";
	print $out $script;
	close $out or die $!;
	$node->command_ok([ 'pgbench', '-n', '-c', CLIENTS, '-j', 4, '-t', 1, '-f', $file, 'postgres' ],
		CLIENTS . ' clients run');
	return;
}

sub tally
{
	my $tally =
	  sql("SELECT coalesce(string_agg(reason || ' ' || n, ', ' ORDER BY reason), '') FROM "
		  . '(SELECT reason, count(*) AS n FROM tries GROUP BY 1) t');
	sql('TRUNCATE tries');
	return $tally;
}

sub prepare
{
	sql('CREATE TABLE tries (reason text)');
	return;
}

sub right_code_is_dead
{
	my ($code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql("SELECT reason FROM " . verify($code)), 'spent', $name);
}

my $service = Authmeter::Service->new('guessing', start_shim => 0, environment => 'development',
	conf => 'restart_after_crash = on');
$node = $service->{node};
prepare();

my $code = issue();
in_parallel('INSERT INTO tries SELECT reason FROM ' . verify('wrong') . ';');
is(tally(), 'spent 59, wrong 5', 'wrong code, 64 connections: five are evaluated');
right_code_is_dead($code, 'then the right code is refused');

$code = issue();
in_parallel('INSERT INTO tries SELECT reason FROM ' . verify($code) . ';');
like(tally(), qr/^ok 1, /, 'right code, 64 connections: one succeeds');

$code = issue();
in_parallel("BEGIN;\nSELECT reason AS r FROM " . verify('wrong')
	  . " \\gset\nROLLBACK;\nINSERT INTO tries VALUES (':r');\n");
is(tally(), 'spent 59, wrong 5', 'rolled back, 64 connections: five are evaluated');
is(sql("SELECT attempts FROM authmeter.otp WHERE address = '$address'"), 0, 'of which the row knows none');
right_code_is_dead($code, 'then the right code is refused');

$code = issue();
in_parallel("BEGIN;\nSAVEPOINT s;\nSELECT reason AS r FROM " . verify('wrong')
	  . " \\gset\nROLLBACK TO s;\nINSERT INTO tries VALUES (':r');\nCOMMIT;\n");
is(tally(), 'spent 59, wrong 5', 'rolled back to a savepoint, 64 connections: five are evaluated');
right_code_is_dead($code, 'then the right code is refused');

# A cancel and a terminated backend.
$code = issue();
for (1 .. 2)
{
	my ($status, $out, $err) = $node->psql('postgres',
		"SET statement_timeout = '100ms'; SELECT reason, pg_sleep(30) FROM " . verify('wrong'));
	like($err, qr/statement timeout/, 'cancelled after the guess');
}
for (1 .. 3)
{
	$node->psql('postgres', 'SELECT reason, pg_terminate_backend(pg_backend_pid()) FROM ' . verify('wrong'));
}
right_code_is_dead($code, 'cancelled and terminated guesses have counted');

# A backend killed the hard way takes the counts with it, and so the codes.
$code = issue();
my $checkpointer = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
my $backend = $node->background_psql('postgres', on_error_stop => 0);
kill 'KILL', $backend->query_safe('SELECT pg_backend_pid()');
ok( $node->poll_query_until(
		'postgres', "SELECT pid <> $checkpointer FROM pg_stat_activity WHERE backend_type = 'checkpointer'"),
	'the server has started anew');
right_code_is_dead($code, 'a code whose tries are not known is dead');
$code = issue();
is(sql('SELECT reason FROM ' . verify($code)), 'ok', 'a new one is good');

# Rate limits are exact too.
sql('TRUNCATE tries');
in_parallel("INSERT INTO tries SELECT r.allowed FROM generate_series(1, 10) n, "
	  . "authmeter.rate_take('guess', left('key' || n, 3), '100/1h') r;\n");
is(tally(), 'false 540, true 100', '640 calls of 64 connections against 100/1h');
$node->stop;

# Without preloading the row counts, and what could be taken back is refused.
$service = Authmeter::Service->new('guessing_plain', start_shim => 0, environment => 'development', preload => 0);
$node = $service->{node};
prepare();

$code = issue();
in_parallel('INSERT INTO tries SELECT reason FROM ' . verify('wrong') . ';');
is(tally(), 'spent 59, wrong 5', 'not preloaded, wrong code: five are evaluated');
right_code_is_dead($code, 'then the right code is refused');
$code = issue();
in_parallel('INSERT INTO tries SELECT reason FROM ' . verify($code) . ';');
like(tally(), qr/^ok 1, /, 'not preloaded, right code: one succeeds');
$code = issue();
for my $block ('BEGIN; %s; ROLLBACK', 'BEGIN; SAVEPOINT s; %s', "SELECT 1\\; %s")
{
	my ($status, $out, $err) = $node->psql('postgres',
		sprintf($block, 'SELECT * FROM ' . verify('wrong')), extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/MA008/, "not preloaded: refused in $block");
}
is(sql('SELECT reason FROM ' . verify($code)), 'ok', 'and has cost no try');
in_parallel("INSERT INTO tries SELECT r.allowed FROM authmeter.rate_take('guess', 'key', '10/1h') r;\n");
is(tally(), 'false 54, true 10', 'not preloaded: the limit is exact');

# The second factor likewise.
my $user = sql("SELECT (authmeter.user_create('factor\@example.com')).user_id");
sql("INSERT INTO authmeter.totp (user_id, secret) "
	  . "VALUES ('$user', authmeter.secret_seal('totp', '$user', 'secret', '12345678901234567890'))");
my $right = sql(q{SELECT authmeter.hotp('12345678901234567890', floor(extract(epoch FROM authmeter.clock()) / 30)::bigint)});
in_parallel("INSERT INTO tries SELECT reason FROM authmeter.totp_verify('$user', '$right');");
is(tally(), 'replayed 63, totp 1', 'not preloaded, right code of the authenticator: one succeeds');
in_parallel("INSERT INTO tries SELECT reason FROM authmeter.totp_verify('$user', 'wrong!');");
is(tally(), 'rate_limited 54, wrong 10', 'not preloaded, wrong code of the authenticator: ten are told');
my ($status, $out, $err) = $node->psql('postgres', "BEGIN; SELECT authmeter.totp_verify('$user', 'wrong!'); ROLLBACK",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/MA008/, 'not preloaded: refused in a transaction block');

done_testing();
