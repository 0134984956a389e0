# The background worker does housekeeping in every database that has the extension, and in no other;
# survives errors, locks, killed workers and restarts; and is in nobody's way: databases and the
# extension can be dropped while it works.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use DBI;
use PostgreSQL::Test::Utils;
use Test::More;

my $s = Authmeter::Service->new('housekeeping', environment => 'development', start_shim => 0,
	conf => "authmeter.housekeeping_interval_s = 0\nrestart_after_crash = on\n");
my $node = $s->{node};

# interval SECONDS: of the server; the worker looks at every database anew.
sub interval
{
	my ($seconds) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET authmeter.housekeeping_interval_s = $seconds");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('authmeter.housekeeping_interval_s') = '$seconds" . ($seconds ? "s'" : "'"))
	  or die 'the setting did not arrive';
	return;
}

# Something of the past, that the worker will remove.
my $expired = <<'SQL';
SET authmeter.clock_offset_s = -1000000;
SELECT authmeter.audit_append('keep_test', NULL, 'x');
INSERT INTO authmeter.otp (purpose, address, id, code_hash, attempts, created_at, expires_at)
	SELECT 'keep-' || g, 'keep@example.com', authmeter.id_new(), '', 0, authmeter.clock(), authmeter.clock() FROM generate_series(1, 2500) g;
SQL
my $over = q{SELECT (SELECT count(*) FROM authmeter.otp) = 0 AND (SELECT count(*) FROM authmeter.audit_pending) = 0};

# kept DATABASE, WHAT: a round has been there.
sub kept
{
	my ($database, $what) = @_;
	return ok($node->poll_query_until($database, $over), $what);
}

sub status
{
	my ($database) = @_;
	return $node->safe_psql($database // 'postgres', q{SELECT state FROM authmeter.status() WHERE component = 'housekeeping'});
}

# ---- switched off, then on -----------------------------------------------------------------------

$node->safe_psql('postgres', $expired);
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('postgres', 'CREATE DATABASE late');
$node->safe_psql('postgres', 'CREATE DATABASE closed ALLOW_CONNECTIONS false');
is($s->sql('SELECT count(*) FROM authmeter.housekeeping_state'), 0, 'switched off: no round');
is(status(), 'degraded', 'and status says so');
is($s->sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'authmeter launcher' AND datname IS NULL}), 1,
	'the launcher is connected to no database');
interval(1);
kept('postgres', 'switched on: more than one batch is removed, the audit trail is chained');
$node->poll_query_until('postgres', q{SELECT count(*) = count(ran_at) FROM authmeter.housekeeping_list()});
is($s->sql('SELECT count(*) FROM authmeter.housekeeping_list() WHERE problem IS NOT NULL'), 0, 'no task has a problem');
is(status(), 'ok', 'status says so');
is($s->sql(q{SELECT count(*) FROM authmeter.audit_verify() WHERE kind <> 'summary'}), 0, 'the trail verifies');
is($node->safe_psql('bare', q{SELECT count(*) FROM pg_class WHERE relname ~ 'housekeeping'}), 0, 'a database without the extension is left alone');

# Found when the extension is made later: by the next look, or at once after a reload.
$node->safe_psql('late', 'CREATE EXTENSION authmeter CASCADE');
$node->safe_psql('late', $expired);
$node->reload;
kept('late', 'a database that has got the extension');

# ---- errors --------------------------------------------------------------------------------------

# A task that fails does not stop the others, nor other databases; well again when the cause is gone.
$node->safe_psql('postgres', 'ALTER TABLE authmeter.session RENAME COLUMN expires_at TO moved');
$node->safe_psql('postgres', $expired);
kept('postgres', 'a task fails: the others run');
ok($node->poll_query_until('postgres', q{SELECT problem ~ '42703' FROM authmeter.housekeeping_list() WHERE task = 'session'}), 'its problem is told');
is(status(), 'degraded', 'by status too');
$node->safe_psql('late', $expired);
kept('late', 'another database goes on');
$node->safe_psql('postgres', 'ALTER TABLE authmeter.session RENAME COLUMN moved TO expires_at');
ok($node->poll_query_until('postgres', q{SELECT state = 'ok' FROM authmeter.status() WHERE component = 'housekeeping'}), 'well again');

# Somebody holds a lock for long: that task gives up, the others run, nobody hangs.
my $dbh = DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
	undef, undef, { RaiseError => 1, PrintError => 0 });
$dbh->begin_work;
$dbh->do('LOCK TABLE authmeter.mail_outbox IN ACCESS EXCLUSIVE MODE');
$node->safe_psql('postgres', $expired);
kept('postgres', 'a table is locked: the other tasks run');
ok($node->poll_query_until('postgres', q{SELECT problem ~ '55P03' FROM authmeter.housekeeping_list() WHERE task = 'mail'}), 'the task gives up waiting');
$dbh->rollback;
$dbh->disconnect;
ok($node->poll_query_until('postgres', q{SELECT state = 'ok' FROM authmeter.status() WHERE component = 'housekeeping'}), 'well again');

# Terminated and killed: the launcher, a worker, the server.
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'authmeter launcher'};
my $pid = $s->sql($launcher);
$s->sql("SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($launcher) l WHERE pid <> $pid"), 'a terminated launcher comes back');
$node->safe_psql('postgres', $expired);
kept('postgres', 'and works on');
for my $signal (qw(TERM KILL))
{
	# A worker that waits for a lock is there for a second.
	my $lock = DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
		undef, undef, { RaiseError => 1, PrintError => 0 });
	$lock->begin_work;
	$lock->do('LOCK TABLE authmeter.idempotency IN ACCESS EXCLUSIVE MODE');
	my $worker;
	$s->poll(sub { $worker = $s->sql(
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'authmeter housekeeping' AND wait_event_type = 'Lock'}) }, 'a worker waits')
	  or die 'no worker waits';
	my $begin = -s $node->logfile;
	kill $signal, $worker;
	# The postmaster starts all afresh when one of its children was killed.
	my $ended = $signal eq 'KILL' ? qr/reinitializing/ : qr/exited with exit code/;
	$s->poll(sub { substr(slurp_file($node->logfile), $begin) =~ $ended }, 'the server has noticed') or die 'not noticed';
	eval { $lock->rollback };
	eval { $lock->disconnect };
	# A psql that is turned away meanwhile may end before it has read anything: that is an exception here.
	$s->poll(sub { (eval { ($node->psql('postgres', $expired))[0] } // 1) == 0 }, 'the server answers') or die 'no answer';
	kept('postgres', "a worker ended by SIG$signal: the next round comes");
}
$node->restart;
$node->safe_psql('postgres', $expired);
kept('postgres', 'after a restart');

# No process left to start: told in the log, and again when there is one.
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
my $log = -s $node->logfile;
$node->restart;
ok($s->poll(sub { substr(slurp_file($node->logfile), $log) =~ /could not start a worker for the housekeeping of authmeter/ }, 'the log tells'),
	'no process to be had: told');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
$node->safe_psql('postgres', $expired);
kept('postgres', 'and on with more');

# ---- in nobody's way -----------------------------------------------------------------------------

for my $round (1 .. 4)
{
	$node->safe_psql('postgres', 'CREATE DATABASE victim');
	$node->safe_psql('victim', 'CREATE EXTENSION authmeter CASCADE');
	$node->safe_psql('victim', $expired);
	$node->reload;
	if ($round % 2)
	{
		$node->poll_query_until('victim', 'SELECT count(*) > 0 FROM authmeter.housekeeping_state');
		is(($node->psql('victim', 'DROP EXTENSION authmeter'))[0], 0, "round $round: DROP EXTENSION while it works");
		is(($node->psql('victim', 'CREATE EXTENSION authmeter'))[0], 0, "round $round: and made again");
	}
	is(($node->psql('postgres', 'DROP DATABASE victim'))[0], 0, "round $round: DROP DATABASE while it works");
}
is(($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE late'))[0], 0, 'a database with the extension as a template');
$node->safe_psql('copy', $expired);
$node->reload;
kept('copy', 'the copy is kept too');

# A server that is told to end does not wait for it.
is($node->stop('fast'), 1, 'stopped');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|segfault|signal 11/, 'nothing crashed by itself');

# ---- not preloaded -------------------------------------------------------------------------------

my $plain = Authmeter::Service->new('plain', start_shim => 0, preload => 0, conf => "authmeter.housekeeping_interval_s = 1\n");
$plain->sql($expired);
is($plain->sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'authmeter'}), 0, 'not preloaded: no worker');
is($plain->sql(q{SELECT state FROM authmeter.status() WHERE component = 'housekeeping'}), 'degraded', 'status says what to do');
is($plain->sql(q{SELECT rows, more FROM authmeter.housekeeping(2000) WHERE task = 'otp'}), '2000|t', 'by hand, in steps');
is($plain->sql(q{SELECT rows, more FROM authmeter.housekeeping(2000) WHERE task = 'otp'}), '500|f', 'to the end');
is($plain->sql(q{SELECT state FROM authmeter.status() WHERE component = 'housekeeping'}), 'ok', 'that is as good');

done_testing();
