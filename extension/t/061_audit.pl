# The audit trail is chained without missing or doubling an event, whatever runs at the same time and
# whoever is killed; the chain verifies in a restored copy, over a change of the master key, and says
# so when the key is another.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Load;
use Authmeter::Service;
use DBI;
use PostgreSQL::Test::Utils;
use Test::More;

use constant {
	CLIENTS => 6,
	EVENTS_A_CLIENT => 400,
};

my $s = Authmeter::Service->new('audit', start_shim => 0, conf => "authmeter.housekeeping_interval_s = 0\n");
my $node = $s->{node};
my $key_file = $node->basedir . '/master.key';

sub connection
{
	return DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
		undef, undef, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
}

# violations [DATABASE [, NODE]]: kinds and their numbers.
sub violations
{
	my ($database, $at) = @_;
	return ($at // $node)->safe_psql($database // 'postgres',
		q{SELECT coalesce(string_agg(kind || ' ' || n, ', ' ORDER BY kind), 'none') FROM (SELECT kind, count(*) AS n FROM authmeter.audit_verify() WHERE kind <> 'summary' GROUP BY 1) v});
}

# ---- while others append -------------------------------------------------------------------------

# Each client appends in transactions of its own length, and rolls some back; two more chain without
# pause, and their backends are terminated now and then.
my $clients = Authmeter::Load::start(CLIENTS, sub {
	my ($number) = @_;
	my $dbh = connection();
	my $kept = 0;
	srand($number);
	for (my $i = 0; $i < EVENTS_A_CLIENT;)
	{
		my $length = 1 + int rand 8;
		my $keep = rand() < 0.8;
		$dbh->begin_work;
		for (1 .. $length)
		{
			$dbh->do(q{SELECT authmeter.audit_append('load', NULL, ?)}, undef, "$number");
			$i++;
		}
		if ($keep) { $dbh->commit; $kept += $length }
		else { $dbh->rollback }
	}
	$dbh->disconnect;
	return { kept => $kept };
});
my $chainers = Authmeter::Load::start(2, sub {
	my %result = (chained => 0, killed => 0);
	my $done = 0;
	my $dbh;
	while ($done < 3)
	{
		my $count = eval {
			$dbh //= connection();
			$dbh->do(q{SET application_name = 'chainer'});
			($dbh->selectrow_array('SELECT authmeter.audit_chain_extend(50)'))[0];
		};
		if (!defined $count) { undef $dbh; $result{killed}++; next }
		$result{chained} += $count;
		# Nothing for three times after the clients have ended.
		my ($running) = eval { $dbh->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clients running'}) };
		$done = $count || $running ? 0 : $done + 1;
	}
	return \%result;
});
my $watch = connection();
$watch->do(q{SET application_name = 'clients running'});
for (1 .. 20)
{
	$watch->do(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chainer' AND query LIKE '%audit_chain_extend%' LIMIT 1});
	select undef, undef, undef, 0.03;
}
my $load = Authmeter::Load::finish($clients);
$watch->disconnect;
my $chaining = Authmeter::Load::finish($chainers);
cmp_ok($load->{kept}, '>', 1000, 'events were appended');
cmp_ok($chaining->{killed}, '>', 0, 'and chainers killed');
is($s->sql('SELECT count(*) FROM authmeter.audit_pending'), 0, 'nothing is left to chain');
is( $s->sql(q{SELECT count(*), count(DISTINCT c.event_id) FROM authmeter.audit_chain c JOIN authmeter.audit_event e ON e.id = c.event_id WHERE action = 'load'}),
	"$load->{kept}|$load->{kept}", 'each event has one link');
is($s->sql('SELECT min(seq), max(seq) = count(*) FROM authmeter.audit_chain'), '1|t', 'numbered without a gap');
is(violations(), 'none', 'and the chain verifies');

# ---- restart, dump and restore -------------------------------------------------------------------

$s->sql(q{SELECT authmeter.audit_append('waits', authmeter.id_new(), 'ö', '2001:db8::1', 'r', '{"ü": [1.0, null, "é"]}')});
$node->stop('immediate');
$node->start;
is($s->sql('SELECT authmeter.audit_chain_extend()'), 1, 'what waited before a crash is chained after it');
$s->sql(q{SELECT authmeter.audit_append('waits', NULL, 'in the dump')});
my $dump = $node->basedir . '/audit.sql';
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'pg_dump');
for my $copy ([ 'copy', q{ENCODING 'UTF8'} ], [ 'latin', q{ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0} ])
{
	my ($name, $options) = @$copy;
	$node->safe_psql('postgres', "CREATE DATABASE $name $options");
	command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-f', $dump, $name ], "restored: $name");
	is(violations($name), 'none', "$name: verifies");
	is($node->safe_psql($name, 'SELECT authmeter.audit_chain_extend()'), 1, "$name: what waited is chained");
	is(violations($name), 'none', "$name: verifies on");
}
my ($code, $out, $err) = $node->psql('copy', 'DELETE FROM authmeter.audit_event');
like($err, qr/append-only/, 'append-only in the copy too');

# Purged in part, then dumped: the checkpoint travels along.
$node->safe_psql('copy', q{SELECT authmeter.setting_set('authmeter.audit_retention_months', '1')});
$node->safe_psql('copy', q{SET authmeter.clock_offset_s = 6000000; SELECT authmeter.audit_purge(500)});
is(violations('copy'), 'none', 'purged in part: verifies');
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', "$dump.2", 'copy' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy2');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-f', "$dump.2", 'copy2' ], 'restored');
is(violations('copy2'), 'none', 'its copy verifies');
is($node->safe_psql('copy2', q{SELECT (detail ->> 'purged')::int FROM authmeter.audit_verify()}), 500, 'and knows what was purged');

# ---- the master key ------------------------------------------------------------------------------

my ($old) = slurp_file($key_file) =~ /^1 (\S+)$/m;
my $new = join '', map { sprintf '%02x', int rand 256 } 1 .. 32;

sub master_key
{
	my ($content) = @_;
	open my $file, '>', "$key_file.new" or die $!;
	chmod 0600, "$key_file.new";
	print $file $content;
	close $file or die $!;
	rename "$key_file.new", $key_file or die $!;
	return;
}

master_key("1 $old\n2 $new\n");
$s->sql(q{SELECT authmeter.audit_append('rotation', NULL, 'new version')});
is($s->sql('SELECT authmeter.audit_chain_extend() > 0'), 't', 'chained under a new version of the master key');
is($s->sql('SELECT string_agg(DISTINCT key_version::text, $$ $$) FROM authmeter.audit_chain'), '1 2', 'old links keep the old one');
is(violations(), 'none', 'verifies over the change');
master_key("2 $new\n");
is(violations(), 'key_missing 1', 'without the old version: that part is told as not checked');
is($s->sql(q{SELECT authmeter.audit_append('rotation', NULL, 'later')}) . $s->sql('SELECT authmeter.audit_chain_extend()'), '1', 'and the chain goes on');
# Another key altogether: nothing verifies, nothing is chained before somebody says so.
master_key("1 $new\n2 $old\n");
is(violations(), 'event_changed 999, head_changed 1', 'under another master key nothing verifies');
($code, $out, $err) = $node->psql('postgres', 'SELECT authmeter.audit_chain_extend()');
like($err, qr/cannot be continued.*made under another master key/s, 'and nothing is chained');
is($s->sql('SELECT authmeter.audit_chain_extend(repair => true)'), 1, 'until the head is made anew');
is($s->sql(q{SELECT count(*) FROM authmeter.audit_event WHERE action = 'audit_repair'}), 1, 'which is audited');

done_testing();
