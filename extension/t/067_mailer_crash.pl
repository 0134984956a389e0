# Mailers beside each other, killed, stopped, and with a database that goes away: every mail arrives, and
# no mail that the server acknowledged to a living mailer is sent again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Mail;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $m = Authmeter::Mail->new('mailer_crash');

# queue COUNT, NAME: that many mails, NAME1@example.com and so on.
sub queue
{
	my ($count, $name) = @_;
	$m->sql("SELECT count(authmeter.mail_enqueue('code', '$name' || n || '\@example.com', '{\"code\": \"271828\"}')) FROM generate_series(1, $count) n");
	return;
}

# mails STATE: how many are in it.
sub in_state
{
	my ($state) = @_;
	return $m->sql("SELECT count(*) FROM authmeter.mail_outbox WHERE state = '$state'");
}

# exactly_once SERVER, COUNT, NAME
sub exactly_once
{
	my ($server, $count, $name) = @_;
	my $arrived = $m->arrived($server);
	is(scalar keys %$arrived, $count, "$name: all arrive");
	is_deeply([ grep { $arrived->{$_} != 1 } sort keys %$arrived ], [], "$name: each once");
	is(in_state('sent'), $count, "$name: all are recorded");
	is($m->sql('SELECT count(*) FROM authmeter.mail_outbox WHERE attempts <> 1 OR params IS NOT NULL OR error IS NOT NULL'), 0, "$name: at the first attempt, and forgotten");
	$m->clear;
	return;
}

# in_flight SERVER: waits until a mail to gate-* is with the server, unanswered.
sub in_flight
{
	my ($server) = @_;
	return $m->poll(sub { $m->mails($server, 'waiting') > 0 }, 'a mail is on its way');
}

sub open_gate
{
	my ($server) = @_;
	open my $file, '>', "$server->{folder}/open" or die $!;
	close $file;
	return;
}

# ---- four at a time ----------------------------------------------------------------------------------

{
	my $server = $m->server;
	my @mailer = map { $m->mailer({ smtp_port => $server->{port}, batch => 7, log_level => 'info' }) } 1 .. 4;
	queue(500, 'four');
	ok($m->poll(sub { in_state('sent') == 500 }, 'all are sent'), 'four mailers: done');
	my @sent = map { my @lines = $m->log($_) =~ /"event":"mail_sent"/g; scalar @lines } @mailer;
	is((grep { $_ == 0 } @sent)[0], undef, "four mailers: all take part (@sent)");
	is($m->end($_->{pid}), 0, 'four mailers: ends well') for @mailer;
	exactly_once($server, 500, 'four mailers');
}

# ---- kill -9 -----------------------------------------------------------------------------------------

{
	my $server = $m->server;
	my @mailer = map { $m->mailer({ smtp_port => $server->{port} }) } 1 .. 2;
	queue(300, 'killed');
	ok($m->poll(sub { in_state('sent') >= 50 }, 'some are sent'), 'kill -9: some are sent');
	kill 'KILL', $mailer[0]{pid};
	$m->ended($mailer[0]{pid});
	my %acknowledged = map { ($_ => 1) } split /\n/, $m->sql("SELECT recipient FROM authmeter.mail_outbox WHERE state = 'sent'");
	cmp_ok(scalar keys %acknowledged, '<', 300, 'kill -9: not all');
	# What the dead one held stays with it until its claim runs out; time passes faster here.
	ok($m->poll(sub { $m->sql("SELECT count(*) FROM authmeter.mail_outbox WHERE state NOT IN ('sent', 'sending')") == 0 }, 'the rest is sent'), 'kill -9: the other goes on');
	$m->sql("UPDATE authmeter.mail_outbox SET next_attempt_at = now() WHERE state = 'sending'");
	ok($m->poll(sub { in_state('sent') == 300 }, 'all are sent'), 'kill -9: what it held is sent, too');
	my $arrived = $m->arrived($server);
	is(scalar keys %$arrived, 300, 'kill -9: no mail is lost');
	my @twice = grep { $arrived->{$_} > 1 } sort keys %$arrived;
	cmp_ok(scalar @twice, '<=', 1, "kill -9: at most the one on its way comes twice (@twice)");
	is((grep { $acknowledged{$_} } @twice)[0], undef, 'kill -9: and none that was recorded');
	is($m->end($mailer[1]{pid}), 0, 'kill -9: the other ends well');
	$m->clear;
}

# ---- the database restarts ---------------------------------------------------------------------------

for my $mode ('fast', 'immediate')
{
	my $server = $m->server;
	my @mailer = map { $m->mailer({ smtp_port => $server->{port} }) } 1 .. 2;
	queue(300, $mode);
	ok($m->poll(sub { in_state('sent') >= 50 }, 'some are sent'), "restart ($mode): some are sent");
	$m->{node}->stop($mode);
	$m->{node}->start;
	cmp_ok(in_state('sent'), '<', 300, "restart ($mode): not all before it");
	ok($m->poll(sub { in_state('sent') == 300 }, 'all are sent'), "restart ($mode): done");
	is($m->end($_->{pid}), 0, "restart ($mode): ends well") for @mailer;
	exactly_once($server, 300, "restart ($mode)");
}

# The server acknowledges while the database is away: that is kept until it is back.
{
	my $server = $m->server;
	my $mailer = $m->mailer({ smtp_port => $server->{port} });
	queue(1, 'gate-away');
	ok(in_flight($server), 'database away: a mail is on its way');
	queue(5, 'away');
	$m->{node}->stop('immediate');
	open_gate($server);
	ok($m->poll(sub { $m->log($mailer) =~ /"event":"mail_sent".*"event":"database_down"/s }, 'acknowledged'), 'database away: acknowledged meanwhile');
	ok($m->poll(sub { $m->log($mailer) =~ /"event":"database_reconnect"/ }, 'tries'), 'database away: it tries to connect');
	$m->{node}->start;
	ok($m->poll(sub { in_state('sent') == 6 }, 'all are sent'), 'database away: recorded when it is back');
	is($m->end($mailer->{pid}), 0, 'database away: ends well');
	exactly_once($server, 6, 'database away');
}

# ---- stopping ----------------------------------------------------------------------------------------

{
	my $server = $m->server;
	my $mailer = $m->mailer({ smtp_port => $server->{port} });
	$m->sql("SELECT count(authmeter.mail_enqueue('code', r)) FROM unnest(ARRAY['gate-1\@example.com', 'two\@example.com', 'three\@example.com']) r");
	ok(in_flight($server), 'SIGTERM: a mail is on its way');
	kill 'TERM', $mailer->{pid};
	open_gate($server);
	is($m->ended($mailer->{pid}), 0, 'SIGTERM: ends well');
	is($m->sql("SELECT string_agg(recipient || ' ' || state || ' ' || attempts, ', ' ORDER BY recipient) FROM authmeter.mail_outbox"),
		'gate-1@example.com sent 1, three@example.com queued 0, two@example.com queued 0', 'SIGTERM: the one on its way is recorded, the others are given back');
	is_deeply($m->arrived($server), { 'gate-1@example.com' => 1 }, 'SIGTERM: and no other was sent');
	$m->clear;

	# A second one ends it at once, and nothing is lost.
	$server = $m->server;
	$mailer = $m->mailer({ smtp_port => $server->{port} });
	queue(1, 'gate-again');
	ok(in_flight($server), 'SIGTERM twice: a mail is on its way');
	my $begun = time;
	kill 'TERM', $mailer->{pid};
	ok($m->poll(sub { kill 'TERM', $mailer->{pid}; waitpid($mailer->{pid}, 1) == $mailer->{pid} }, 'it ends'), 'SIGTERM twice: ends');
	delete $m->{children}{ $mailer->{pid} };
	cmp_ok(time - $begun, '<', 10, 'SIGTERM twice: soon');
	is(in_state('queued'), 1, 'SIGTERM twice: the mail waits for another attempt');
	$m->clear;

	# The database is away at the end: the log says what could not be recorded.
	$server = $m->server;
	$mailer = $m->mailer({ smtp_port => $server->{port}, drain_timeout_ms => 300 });
	queue(1, 'gate-end');
	ok(in_flight($server), 'SIGTERM without database: a mail is on its way');
	my $id = $m->sql('SELECT id FROM authmeter.mail_outbox');
	$m->{node}->stop('immediate');
	kill 'TERM', $mailer->{pid};
	open_gate($server);
	is($m->ended($mailer->{pid}), 256, 'SIGTERM without database: ends with 1');
	like($m->log($mailer), qr/"level":"error","event":"mail_unrecorded","id":"$id"/, 'SIGTERM without database: and says which mail');
	$m->{node}->start;
	$m->clear;
}

# ---- claims ------------------------------------------------------------------------------------------

{
	# A mail is begun only while its claim covers it: behind a slow one it is given back.
	my $server = $m->server;
	my $mailer = $m->mailer({ smtp_port => $server->{port}, smtp_timeout_ms => 1500, lease_ms => 11500 });
	$m->sql("SELECT count(authmeter.mail_enqueue('code', r)) FROM unnest(ARRAY['gate-lease\@example.com', 'behind\@example.com']) r");
	ok(in_flight($server), 'claim: a mail is on its way');
	is($m->sql("SELECT count(*) FROM authmeter.mail_outbox WHERE next_attempt_at > clock_timestamp() + interval '12 seconds'"), 0, 'claim: as long as was asked');
	open_gate($server);
	ok($m->poll(sub { in_state('sent') == 2 }, 'both'), 'claim: both are sent');
	is($m->end($mailer->{pid}), 0, 'claim: ends well');
	$m->clear;
}

# ---- a role without the right, and figures ------------------------------------------------------------

{
	my $server = $m->server;
	my $figures = $m->dir('figures') . '/mailer.prom';
	$m->sql('REVOKE ALL ON FUNCTION authmeter.mail_claim(integer, interval) FROM authmeter_mailer');
	my $mailer = $m->mailer({ smtp_port => $server->{port}, metrics_file => $figures });
	ok($m->poll(sub { $m->log($mailer) =~ /"event":"database_fault"/ }, 'told'), 'no right: told');
	like($m->log($mailer), qr/"event":"database_fault","sqlstate":"42501","subject":"mail_claim","message":"permission denied for function mail_claim","hint":"The role needs authmeter\.grant_access\(role, 'mailer'\)/, 'no right: and what to do');
	$m->sql(q{SELECT authmeter.grant_access('authmeter_mailer', 'mailer')});
	my $id = $m->enqueue('figures@example.com');
	ok($m->becomes($id, 'sent'), 'no right: granted, it works');
	is($m->end($mailer->{pid}), 0, 'no right: ends well');
	my $page = slurp_file($figures);
	like($page, qr/^authmeter_mailer_mails_total\{outcome="sent"\} 1$/m, 'figures: mails');
	like($page, qr/^authmeter_mailer_server_up 1$/m, 'figures: mail server');
	is((grep { !/^(?:# (?:HELP|TYPE) )?authmeter_mailer_[a-z_]+(?:\{outcome="[a-z]+"\})? \S/ } split /\n/, $page)[0], undef, 'figures: well formed');
	$m->clear;
}

# ---- a folder ----------------------------------------------------------------------------------------

{
	my $folder = $m->dir('folder') . '/mails';
	my $id = $m->enqueue('folder@example.com');
	my $mailer = $m->mailer({ smtp_host => undef, smtp_security => undef, mail_folder => $folder, mail_from => undef }, '--once');
	is($m->ended($mailer->{pid}), 0, 'folder: ends well');
	is($m->state($id), 'sent', 'folder: sent');
	like($m->log($mailer), qr{"event":"mail_sent","id":"$id".*"subject":"\Q$folder/$id.eml\E"}, 'folder: the log tells the path');
	my $mail = slurp_file("$folder/$id.eml");
	like($mail, qr/^To: folder\@example\.com\r\n/m, 'folder: the mail');
	like($mail, qr/^    271828\r\n/m, 'folder: and what it says');
	is(sprintf('%o %o', (stat $folder)[2] & 0777, (stat "$folder/$id.eml")[2] & 0777), '700 600', 'folder: for nobody else');
	is_deeply([ map { s{.*/}{}r } glob "$folder/* $folder/.[!.]*" ], ["$id.eml"], 'folder: nothing else is left there');
	# One that cannot be written to keeps the mail.
	$m->clear;
	$id = $m->enqueue('folder@example.com');
	$mailer = $m->mailer({ smtp_host => undef, smtp_security => undef, mail_folder => '/proc/nowhere', mail_from => undef }, '--once');
	is($m->ended($mailer->{pid}), 256, 'no folder: ends with 1');
	is($m->state($id), 'deferred', 'no folder: the mail stays');
	$m->clear;
}
done_testing();
