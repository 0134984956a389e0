# 2,000 parallel requests against a limit of 100: exactly 100 pass. By fixed window and by GCRA, over
# SQL and over HTTP, in shared memory and in the table; and whatever a caller does to its transaction,
# what was counted stays counted (security: lines 11 and 23).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { CLIENTS => 50, CALLS => 40, LIMIT => 100 };

# With burst 100 and 100 a day a unit comes back each 14 minutes: none while this runs.
my %take = (
	window => "authmeter.rate_take('limits', '%s', '100/1d')",
	gcra => "authmeter.gcra_take('limits', '%s', '100/1d', 100)",
	policy =>
	  q{(SELECT retry_after_s IS NULL AS allowed FROM authmeter_http.limit_take('{"ip":"%s"}', 'test', 'many')) l});
my $s;

# in_parallel SCRIPT, NAME: each client runs it for each of its calls; returns the tally of table tries.
sub in_parallel
{
	my ($script, $name) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/limits.sql';
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	open my $out, '>', $file or die "$file: $!";
	print $out $script;
	close $out or die $!;
	$s->{node}->command_ok([ 'pgbench', '-n', '-c', CLIENTS, '-j', 2, '-t', CALLS, '-f', $file, 'postgres' ], "$name: run");
	my $tally = $s->sql("SELECT string_agg(outcome || ' ' || n, ', ' ORDER BY outcome) FROM "
		  . '(SELECT outcome, count(*) AS n FROM tries GROUP BY 1) t');
	$s->sql('TRUNCATE tries');
	return $tally;
}

sub prepare
{
	$s->sql(q{CREATE TABLE tries (outcome text);
		SELECT authmeter.rate_policy_set('many', 'test', 'many', 'address', 'gcra', '100/1d'),
			authmeter.rate_policy_set('more', 'test', '*', 'address', 'window', '1000/1d')});
	return;
}

# request ADDRESS, EMAIL: bytes of a sign-up call from a client behind a trusted proxy.
sub request
{
	my ($address, $email) = @_;
	my $body = qq({"email":"$email"});
	return "POST /signup HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: $address\r\nContent-Type: application/json\r\n"
	  . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}

# over_http REQUEST: 2,000 calls of it on 50 connections; statuses with their counts, and under "r=N"
# how often the answer said that N are left.
sub over_http
{
	my ($request) = @_;
	return Authmeter::Load::finish(
		Authmeter::Load::start(
			CLIENTS,
			sub {
				my ($number) = @_;
				my $client = Authmeter::Load::client($s->{port});
				my %got;
				for my $call (1 .. CALLS)
				{
					my $status = $client->send($request->($number, $call));
					$got{$status}++;
					$got{"r=$1"}++ if $status != 429 && $client->{last} =~ /^ratelimit: "[^"]+";r=(\d+);t=\d+\r$/mi;
					$got{told}++
					  if $status == 429 && $client->{last} =~ /^retry-after: \d+\r$/mi && $client->{last} =~ /;r=0;t=\d+\r$/m;
				}
				return \%got;
			}));
}

# Of the answers that passed each told another rest, down to none; of the others each when to come again.
my %exactly = (404 => LIMIT, 429 => 1900, told => 1900, map { ("r=$_" => 1) } 0 .. LIMIT - 1);

# ---- shared memory -----------------------------------------------------------------------------

$s = Authmeter::Service->new('limits', environment => 'development',
	conf => 'max_prepared_transactions = 10');
prepare();
for my $kind (sort keys %take)
{
	is(in_parallel('INSERT INTO tries SELECT allowed FROM ' . sprintf($take{$kind}, 'many') . ";\n", $kind),
		'false 1900, true 100', "$kind: 2,000 parallel calls, 100 pass");
	is( in_parallel("BEGIN;\nSELECT allowed AS a FROM " . sprintf($take{$kind}, '192.0.2.1')
			  . " \\gset\nROLLBACK;\nINSERT INTO tries VALUES (CASE ':a' WHEN 't' THEN 'true' ELSE 'false' END);\n", "$kind, rolled back"),
		'false 1900, true 100', "$kind: the same when every caller rolls back");
	is( in_parallel("BEGIN;\nSAVEPOINT s;\nSELECT allowed AS a FROM " . sprintf($take{$kind}, '192.0.2.2')
			  . " \\gset\nROLLBACK TO s;\nINSERT INTO tries VALUES (CASE ':a' WHEN 't' THEN 'true' ELSE 'false' END);\nCOMMIT;\n",
			"$kind, rolled back to a savepoint"),
		'false 1900, true 100', "$kind: the same with savepoints");
}

# Every other way back, one unit each.
my %back = (
	'a subtransaction that raises' =>
	  'DO $$ BEGIN PERFORM * FROM %s; RAISE EXCEPTION USING MESSAGE = 1; EXCEPTION WHEN OTHERS THEN NULL; END $$',
	'an error behind it' => 'SELECT 1 / (0 * length(allowed::text)) FROM %s',
	'SERIALIZABLE and ROLLBACK' => 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT allowed FROM %s; ROLLBACK',
	'a read-only transaction' => 'BEGIN READ ONLY; SELECT allowed FROM %s; ROLLBACK',
	'ROLLBACK PREPARED' => "BEGIN; SELECT allowed FROM %s; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'",
	'a cancel behind it' => "SET statement_timeout = '200ms'; SELECT allowed, pg_sleep(30) FROM %s",
	'a terminated backend' => 'SELECT allowed, pg_terminate_backend(pg_backend_pid()) FROM %s');
my %left = (
	window => "SELECT remaining FROM authmeter.rate_peek('limits', '192.0.2.3', '100/1d')",
	gcra => "SELECT remaining FROM authmeter.gcra_peek('limits', '192.0.2.3', '100/1d', 100)",
	policy => "SELECT remaining FROM authmeter.gcra_peek('policy/many', '192.0.2.3', '100/1d', 100)");
for my $kind (sort keys %take)
{
	for my $way (sort keys %back)
	{
		my $before = $s->sql($left{$kind});
		$s->{node}->psql('postgres', sprintf $back{$way}, sprintf $take{$kind}, '192.0.2.3');
		is($s->sql($left{$kind}), $before - 1, "$kind: $way gives no unit back");
	}
}

# ---- HTTP --------------------------------------------------------------------------------------

$s->sql(q{SELECT authmeter.setting_set('authmeter.trusted_proxies', '127.0.0.1'), authmeter.setting_set('vsplugin.signup_limit', '100/1d')});
ok($s->poll(sub { Authmeter::Load::client($s->{port})->send(request('192.0.2.9', 'a@b.example')) == 404
		  && $s->sql(q{SELECT remaining FROM authmeter.rate_peek('vsplugin.signup_limit', '192.0.2.9', '100/1d')}) < 100 },
		'the shim trusts the proxy'), 'the shim trusts the proxy');
is_deeply(over_http(sub { request('192.0.2.10', 'no@example.com') }), \%exactly, 'HTTP, window: 2,000 calls, 100 pass');
is_deeply(over_http(sub { request(sprintf('2001:db8:1:2:%x::%x', @_), 'no@example.com') }),
	\%exactly, 'HTTP, window: an IPv6 client is its /64, however many addresses it has');
$s->sql(q{SELECT authmeter.setting_set('vsplugin.signup_limit', 'off'),
	authmeter.rate_policy_set('signup', 'vsplugin', 'signup', 'address', 'gcra', '100/1d')});
is_deeply(over_http(sub { request('192.0.2.11', 'no@example.com') }), \%exactly, 'HTTP, GCRA: 2,000 calls, 100 pass');
$s->sql(q{SELECT authmeter.rate_policy_set('signup', 'vsplugin', 'signup', 'email', 'gcra', '100/1d')});
is_deeply(over_http(sub { request("192.0.2.$_[0]", $_[1] % 2 ? 'Many@example.com' : ' many@EXAMPLE.com ') })->{429},
	1900, 'HTTP, GCRA by e-mail: from 50 addresses 100 pass');
$s->sql(q{SELECT authmeter.rate_policy_drop('signup')});
is_deeply(over_http(sub { request('192.0.2.11', 'no@example.com') }), { 404 => 2000 }, 'HTTP: a dropped policy refuses nobody');

# Policies outlast a restart; what they counted does not.
$s->stop_shim;
$s->{node}->restart;
is($s->sql(q{SELECT string_agg(name, ' ' ORDER BY name) FROM authmeter.rate_policy_list()}), 'many more', 'policies are data');
is($s->sql($left{policy}), 100, 'counts are state');
$s->{node}->stop;

# ---- the table ---------------------------------------------------------------------------------

$s = Authmeter::Service->new('limits_plain', environment => 'development', preload => 0);
prepare();
for my $kind (sort keys %take)
{
	is(in_parallel('INSERT INTO tries SELECT allowed FROM ' . sprintf($take{$kind}, '192.0.2.1') . ";\n", "not preloaded, $kind"),
		'false 1900, true 100', "not preloaded, $kind: 2,000 parallel calls, 100 pass");
	my ($status, $out, $err) = $s->{node}->psql('postgres', 'BEGIN; SELECT * FROM ' . sprintf($take{$kind}, '192.0.2.2'),
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/MA008/, "not preloaded, $kind: not counted where a rollback could take it back");
}
$s->sql(q{SELECT authmeter.setting_set('vsplugin.signup_limit', '100/1d')});
my $got = over_http(sub { request('192.0.2.10', 'no@example.com') });
is("$got->{404} $got->{429}", '100 1900', 'not preloaded, HTTP: 2,000 calls, 100 pass');
is($s->sql(q{SELECT count(*) FROM authmeter.rate_window}), 5, 'one row a key');

done_testing();
