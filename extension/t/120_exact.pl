# Counting is exact: 64 parallel clients times 1,000 increments on one user, over HTTP and over SQL,
# and while backends are terminated: what was acknowledged is counted, and with idempotency keys
# nothing is counted twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use DBI;
use Test::More;
use Time::HiRes qw(sleep time);

my $clients = 64;
my $calls = 1000;
my $s = Authmeter::Service->new('exact', environment => 'development');
my $body = '{"usage":1,"tokenCount":2}';

sub request_for
{
	my ($email) = @_;
	$s->user($email);
	my $token = $s->token($email);
	return "POST /trackUsage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $token\r\n"
	  . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

sub total
{
	my ($email) = @_;
	return $s->sql("SELECT prompt_count || ' ' || token_count FROM authmeter.vsplugin_users WHERE email = '$email'");
}

sub http_load
{
	my ($request) = @_;
	my $port = $s->{port};
	return Authmeter::Load::start(
		$clients,
		sub {
			my $client = Authmeter::Load::client($port);
			my %got;
			for (1 .. $calls)
			{
				my $status = $client->send($request);
				$got{ $status == 0 ? 'lost' : $status < 0 ? 'refused' : $status }++;
				# A refused call is told to wait; a client that does not would only spin.
				sleep 0.02 if $status == 503 || $status <= 0;
			}
			return \%got;
		});
}

# ---- undisturbed -------------------------------------------------------------------------------

my $sum = Authmeter::Load::finish(http_load(request_for('http@example.com')));
is_deeply($sum, { 200 => $clients * $calls }, 'HTTP: every call is answered with 200');
is(total('http@example.com'), $clients * $calls . ' ' . 2 * $clients * $calls, 'HTTP: the total is exact');

my $id = $s->user('sql@example.com');
my $script = $s->{node}->basedir . '/add.sql';
open my $file, '>', $script or die $!;
print $file "SELECT authmeter.usage_add('$id', 'vsplugin.prompt', 1);\n";
close $file;
$s->{node}->command_ok(
	[ 'pgbench', '-n', '-M', 'prepared', '-c', $clients, '-j', 2, '-t', $calls, '-f', $script, 'postgres' ],
	"SQL: $clients connections, $calls calls each");
is(total('sql@example.com'), $clients * $calls . ' 0', 'SQL: the total is exact');

# ---- while backends are terminated -------------------------------------------------------------

# Ends backends of the given application every 50 ms until the load has finished.
sub disturb
{
	my ($load, $application) = @_;
	my $dbh = DBI->connect('dbi:Pg:dbname=postgres;host=' . $s->{node}->host . ';port=' . $s->{node}->port,
		undef, undef, { RaiseError => 1 });
	my $killed = 0;
	my $end = time + 3;

	while (time < $end)
	{
		$killed += $dbh->selectrow_array(
			q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			  WHERE application_name LIKE ? AND pid <> pg_backend_pid() AND random() < 0.3}, undef, $application);
		sleep 0.05;
	}
	$dbh->disconnect;
	return ($killed, Authmeter::Load::finish($load));
}

my $killed;
$calls = 500;
($killed, $sum) = disturb(http_load(request_for('killed@example.com')), 'authmeter-shim/%');
my ($counted) = split / /, total('killed@example.com');
my $acknowledged = $sum->{200} // 0;
cmp_ok($killed, '>', 5, "HTTP: $killed backends were terminated");
cmp_ok($acknowledged, '>', 0, "HTTP: $acknowledged calls were acknowledged");
cmp_ok($counted, '>=', $acknowledged, 'HTTP: every acknowledged call is counted');
cmp_ok($counted, '<=', $acknowledged + ($sum->{503} // 0) + ($sum->{lost} // 0),
	'HTTP: and nothing that was not at least sent');
is_deeply([ grep { !/^(200|503)$/ } keys %$sum ], [], 'HTTP: every other answer is 503');

# The same with a key a call, repeated until it is answered: exactly once each, over HTTP too.
my $plain = request_for('once@example.com');
my $shim_port = $s->{port};
my $once = Authmeter::Load::start(
	16,
	sub {
		my ($number) = @_;
		my $client = Authmeter::Load::client($shim_port);
		my %got;
		for my $i (1 .. $calls)
		{
			(my $request = $plain) =~ s/Host: x/Host: x\r\nIdempotency-Key: $number-$i/;
			my $status = 0;
			until ($status == 200)
			{
				$status = $client->send($request);
				next if $status == 200;
				$got{retried}++;
				sleep 0.02;
			}
			$got{200}++;
		}
		return \%got;
	});
($killed, $sum) = disturb($once, 'authmeter-shim/%');
is($sum->{200}, 16 * $calls, "HTTP: every keyed call ended with 200 ($killed terminated, $sum->{retried} retried)");
is(total('once@example.com'), 16 * $calls . ' ' . 32 * $calls, 'HTTP: none is missing, none counted twice');

my $keyed = $s->user('keyed@example.com');
my ($host, $port) = ($s->{node}->host, $s->{node}->port);
my $load = Authmeter::Load::start(
	16,
	sub {
		my ($number) = @_;
		my ($dbh, %got);
		for my $i (1 .. $calls)
		{
			my $outcome;
			until (defined $outcome)
			{
				$dbh //= DBI->connect("dbi:Pg:dbname=postgres;host=$host;port=$port;application_name=worker", undef,
					undef, { RaiseError => 1, PrintError => 0 });
				($outcome, my $replayed) = eval {
					$dbh->selectrow_array('SELECT outcome, replayed FROM authmeter.usage_add(?, ?, 1, ?)',
						undef, $keyed, 'vsplugin.prompt', "$number-$i");
				};
				if (!defined $outcome)
				{
					$got{retried}++;
					undef $dbh;
				}
				elsif ($replayed) { $got{replayed}++ }
			}
			$got{$outcome}++;
		}
		return \%got;
	});
($killed, $sum) = disturb($load, 'worker');
is($sum->{ok}, 16 * $calls, "SQL: every call ended with ok ($killed terminated, $sum->{retried} retried)");
cmp_ok($sum->{retried}, '>', 5, 'SQL: calls were lost and repeated under the same key');
is(total('keyed@example.com'), 16 * $calls . ' 0', 'SQL: none is missing, none counted twice');

done_testing();
