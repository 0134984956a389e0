# The mailer against real SMTP servers: what is queued arrives as it was meant, and whatever the server
# or the database does, no mail is lost, and none that was acknowledged is sent twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Mail;
use PostgreSQL::Test::Utils;
use Test::More;

my $m = Authmeter::Mail->new('mailer');
my @logs;

# ended_clean MAILER, NAME: stops it and keeps its log for the search at the end.
sub ended_clean
{
	my ($mailer, $name, $status) = @_;
	is($m->end($mailer->{pid}), $status // 0, "$name: the mailer ends as it should");
	push @logs, $m->log($mailer);
	return;
}

# ---- what arrives ----------------------------------------------------------------------------------

{
	my $server = $m->server;
	$m->sql("SELECT authmeter.setting_set('authmeter.mail_app', 'Grüße & <Co>')");
	my $id = $m->enqueue('Ana@Example.com', '314159');
	my $mailer = $m->mailer({ smtp_port => $server->{port}, smtp_name => 'client.test', mail_reply_to => 'help@example.com' });
	ok($m->becomes($id, 'sent'), 'a mail that waits is sent');
	my ($mail, @more) = $m->mails($server);
	is(scalar @more, 0, 'once');
	is($mail->{sender}, 'noreply@example.com', 'sender of the envelope');
	is_deeply($mail->{recipients}, ['ana@example.com'], 'recipient of the envelope');
	is($mail->{name}, 'client.test', 'name in EHLO');
	my ($head, $body) = split /\r\n\r\n/, $mail->{message}, 2;
	my $date = $m->sql(qq{SET timezone = 'UTC'; SELECT to_char(created_at, 'Dy, DD Mon YYYY HH24:MI:SS') FROM authmeter.mail_info WHERE id = '$id'});
	is($head, join("\r\n",
			"Date: $date +0000",
			'From: "Example"',
			' <noreply@example.com>',
			'Reply-To: help@example.com',
			'To: ana@example.com',
			'Subject: =?UTF-8?Q?Your_code_for_Gr=C3=BC=C3=9Fe_=26_=3CCo=3E?=',
			"Message-ID: <$id\@example.com>",
			'Auto-Submitted: auto-generated',
			'X-Auto-Response-Suppress: All',
			'MIME-Version: 1.0',
			'Content-Type: multipart/alternative;',
			qq{ boundary="=_$id"}), 'the whole header');
	my ($text, $html) = $body =~ /\A--=_\Q$id\E\r\n(.*?)\r\n--=_\Q$id\E\r\n(.*?)\r\n--=_\Q$id\E--\r\n\z/s;
	for ($text, $html)
	{
		s/=\r\n//g;
		s/=([0-9A-F]{2})/chr hex $1/ge;
	}
	like($text, qr{\AContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHere is the code that you asked for:\r\n\r\n    314159\r\n\r\nThe code is good for 10 minutes and works once\.\r\n\r\n.*nobody at Gr\xc3\xbc\xc3\x9fe & <Co> will}s, 'the text');
	like($html, qr{\AContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<!DOCTYPE html>.*>314159</p>.*nobody at Gr\xc3\xbc\xc3\x9fe &amp; &lt;Co&gt; will.*</html>}s, 'the HTML');
	unlike($mail->{message}, qr/[^\r]\n|\r[^\n]/, 'lines end in CR LF');
	is((grep { length > 78 } split /\r\n/, $mail->{message})[0], undef, 'and none is long');
	$m->sql("SELECT authmeter.setting_set('authmeter.mail_app', NULL)");

	# A commit wakes it: there is no time to wait for in this part.
	ended_clean($mailer, 'delivery');
	$mailer = $m->mailer({ smtp_port => $server->{port}, poll_ms => 600000 });
	ok($m->becomes($m->enqueue('first@example.com'), 'sent'), 'it works again');
	ok($m->becomes($m->enqueue('woken@example.com'), 'sent'), 'a commit wakes the mailer');
	# Hundreds over one connection; what nobody shall get is not sent.
	$m->sql("SELECT count(*) FROM generate_series(1, 100) n, authmeter.mail_enqueue('code', 'n' || n || '\@example.com', decoy => n % 10 = 0)");
	ok($m->poll(sub { keys %{ $m->arrived($server) } == 93 }, 'all arrive'), 'a hundred but the decoys');
	ok(!(grep { /^n\d*0@/ } keys %{ $m->arrived($server) }), 'decoys are not sent');
	ended_clean($mailer, 'many');
	# Addresses beyond ASCII.
	my $idn = $m->enqueue('ana@bücher.example');
	my $utf8 = $m->enqueue('añá@example.com');
	$mailer = $m->mailer({ smtp_port => $server->{port} }, '--once');
	is($m->ended($mailer->{pid}), 0, '--once sends what is due and ends');
	is($m->arrived($server)->{'ana@xn--bcher-kva.example'}, 1, 'a domain beyond ASCII');
	is((grep { $_->{message} =~ /^To: añá\@example\.com\r$/m or $_->{message} =~ /^To: a\xf1\xe1\@example\.com\r$/m } $m->mails($server))[0]{sender}, 'noreply@example.com', 'a local part beyond ASCII');
	kill 'KILL', $server->{pid};
	$m->clear;
}

# ---- who may be mailed ------------------------------------------------------------------------------

{
	my $server = $m->server;
	# Nothing gets into the outbox that could name two recipients or begin a line; if it did:
	for my $address (
		'a@example.com>, <b@example.com', "a\@example.com\r\nRCPT TO:<b\@example.com>", '<a@example.com>',
		'a b@example.com', 'a,b@example.com', '"a"@example.com', '@example.com', 'a@', 'a', 'a@exa mple.com', "a\@example.com\n.")
	{
		my $id = $m->enqueue('bad@example.com');
		my $literal = join '', map { sprintf '\\%04x', ord } split //, $address;
		$m->sql("UPDATE authmeter.mail_outbox SET recipient = U&'$literal' WHERE id = '$id'");
	}
	my $good = $m->enqueue('good@example.com');
	my $mailer = $m->mailer({ smtp_port => $server->{port} });
	ok($m->poll(sub { $m->sql("SELECT count(*) FROM authmeter.mail_info WHERE state IN ('queued', 'sending', 'deferred')") == 0 }, 'all are decided'), 'addresses are decided');
	is_deeply($m->arrived($server), { 'good@example.com' => 1 }, 'only the good one gets a mail');
	is($m->sql(q{SELECT count(*) FROM authmeter.mail_dead_list() WHERE error = 'no mail can be sent to such an address'}), 11, 'the others are dead letters');
	ended_clean($mailer, 'addresses');
	$m->clear;
}

# ---- refusals ----------------------------------------------------------------------------------------

{
	my $server = $m->server;
	my $mailer = $m->mailer({ smtp_port => $server->{port} });
	my %id = map { $_ => $m->enqueue("$_-ana\@example.com", '161803') } qw(later never grey quote full);
	ok($m->becomes($id{never}, 'failed'), '550 at RCPT TO: a dead letter');
	ok($m->becomes($id{quote}, 'failed'), '554 after the message: a dead letter');
	ok($m->becomes($id{grey}, 'sent'), 'greylisted: sent at the second try');
	ok($m->poll(sub { $m->sql("SELECT attempts FROM authmeter.mail_info WHERE id = '$id{later}'") > 3 }, 'later is tried again'), '451 at RCPT TO: tried again and again');
	ok($m->becomes($id{$_}, 'deferred'), "$_: deferred between the tries") for qw(later full);
	is($m->sql("SELECT error FROM authmeter.mail_info WHERE id = '$id{never}'"), 'at RCPT TO: 550 5.1.1 no such mailbox', 'the reason is kept');
	is($m->sql("SELECT error FROM authmeter.mail_info WHERE id = '$id{quote}'"), 'at the message: 554 5.6.0 what is *** good for? ***!', 'but not the code that the server quotes');
	like($m->sql("SELECT error FROM authmeter.mail_info WHERE id = '$id{full}'"), qr/^at the message: 452 4\.2\.2 mailbox full$/, '452 after the message');
	is_deeply($m->arrived($server), { 'grey-ana@example.com' => 1 }, 'only one was taken, once');
	is($m->sql(q{SELECT string_agg(recipient, ' ' ORDER BY recipient) FROM authmeter.mail_dead_list()}), 'never-ana@example.com quote-ana@example.com', 'dead letters are visible');
	# Others are not held up.
	ok($m->becomes($m->enqueue('eve@example.com'), 'sent'), 'refused mails hold up nobody');
	# What expires meanwhile is not sent.
	$m->sql("UPDATE authmeter.mail_outbox SET expires_at = now(), recipient = 'late\@example.com' WHERE id = '$id{later}'");
	ok($m->becomes($id{later}, 'expired'), 'expired is expired');
	ok($m->poll(sub { $m->sql("SELECT params IS NULL FROM authmeter.mail_outbox WHERE id = '$id{later}'") eq 't' }, 'forgotten'), 'and what it said is forgotten');
	is($m->arrived($server)->{'late@example.com'}, undef, 'and was not sent');
	ended_clean($mailer, 'refusals');
	$m->clear;
}

# ---- troubles: nobody's mail is refused for them ------------------------------------------------------

# trouble NAME, SETTINGS: with this server no mail leaves, none is lost; and then it is back.
sub trouble
{
	my ($name, $setting, $error, %option) = @_;
	my $good = $m->server(%{ $option{good} // {} });
	my @id = map { $m->enqueue("trouble$_\@example.com") } 1 .. 3;
	my $mailer = $m->mailer({ batch => 10, %$setting });
	ok($m->poll(sub { $m->log($mailer) =~ /"event":"mail_server_down"/ }, 'trouble is told'), "$name: told");
	ok($m->poll(sub { $m->sql("SELECT sum(attempts) FROM authmeter.mail_outbox") >= 3 }, 'tried again'), "$name: tried again");
	like($m->sql("SELECT error FROM authmeter.mail_outbox WHERE error IS NOT NULL LIMIT 1"), $error, "$name: why");
	is($m->sql(q{SELECT count(*) FROM authmeter.mail_info WHERE state IN ('queued', 'deferred', 'sending')}), 3, "$name: all wait");
	$m->mailer_file({ smtp_port => $good->{port}, smtp_security => 'none', %{ $option{then} // {} } }, $mailer->{conf});
	kill 'HUP', $mailer->{pid};
	ok($m->becomes($_, 'sent'), "$name: sent by another server after SIGHUP") for @id;
	is_deeply($m->arrived($good), { map { ("trouble$_\@example.com" => 1) } 1 .. 3 }, "$name: each once");
	ended_clean($mailer, $name);
	kill 'KILL', $good->{pid};
	$m->clear;
	return;
}

{
	my $closed = $m->server;
	$m->end($closed->{pid}, 'KILL');
	trouble('server down', { smtp_port => $closed->{port} }, qr/^at connecting: Failed to connect/);

	my $silent = $m->fake(sub { my ($socket) = @_; <$socket> });
	trouble('server silent', { smtp_port => $silent->{port}, smtp_connect_timeout_ms => 300, smtp_timeout_ms => 300 }, qr/^at connecting: .*(timed out|timeout)/i);
	my $slow = $m->fake(sub { my ($socket) = @_; Authmeter::Mail::talk($socket) && Authmeter::Mail::body($socket) && <$socket> });
	trouble('no answer to the message', { smtp_port => $slow->{port}, smtp_timeout_ms => 300 }, qr/^at the message: .*(timed out|timeout)/i);

	my $refusing = $m->fake(sub { Authmeter::Mail::talk($_[0], greeting => '554 no') });
	trouble('greeting refused', { smtp_port => $refusing->{port} }, qr/^at connecting: 554 no$/);
	my $sender = $m->fake(sub { Authmeter::Mail::talk($_[0], MAIL => '550 not you') });
	trouble('sender refused', { smtp_port => $sender->{port} }, qr/^at MAIL FROM: 550 not you$/);
	my $leaving = $m->fake(sub { Authmeter::Mail::talk($_[0], RCPT => '421 going down') });
	trouble('going down', { smtp_port => $leaving->{port} }, qr/^at RCPT TO: 421 going down$/);

	my $mid = $m->fake(sub { my ($socket) = @_; Authmeter::Mail::talk($socket) && sysread($socket, my $some, 100) && print "BODY\n" });
	trouble('dies in the message', { smtp_port => $mid->{port} }, qr/^at the message: /);
	like(slurp_file($mid->{log}), qr/^DATA\nBODY$/m, 'dies in the message: it got that far');
	my $before = $m->fake(sub { my ($socket) = @_; Authmeter::Mail::talk($socket) && Authmeter::Mail::body($socket) });
	trouble('dies before its answer', { smtp_port => $before->{port} }, qr/^at the message: /);
	my $reset = $m->fake(sub { my ($socket) = @_; Authmeter::Mail::talk($socket) && Authmeter::Mail::body($socket) && Authmeter::Mail::reset_connection($socket) });
	trouble('resets before its answer', { smtp_port => $reset->{port} }, qr/^at the message: /);
}

# ---- acknowledged, then cut ---------------------------------------------------------------------------

for my $how ('closed', 'reset')
{
	my $cutting = $m->fake(
		sub {
			my ($socket) = @_;
			Authmeter::Mail::talk($socket) or return;
			my ($id) = Authmeter::Mail::body($socket) =~ /^Message-ID: <([^@]+)/m;
			print "TAKEN $id\n";
			print $socket "250 taken\r\n";
			Authmeter::Mail::reset_connection($socket) if $how eq 'reset';
		});
	my $mailer = $m->mailer({ smtp_port => $cutting->{port} });
	my @id = map { $m->enqueue("cut$_\@example.com") } 1 .. 5;
	ok($m->becomes($_, 'sent'), "$how after 250: sent") for @id;
	my %taken;
	$taken{$_}++ for slurp_file($cutting->{log}) =~ /^TAKEN (.*)$/mg;
	is_deeply(\%taken, { map { ($_ => 1) } @id }, "$how after 250: each once");
	ended_clean($mailer, "$how after 250");
	$m->clear;
}

# ---- what the log tells -------------------------------------------------------------------------------

my $all = join '', @logs;
unlike($all, qr/271828|314159|161803/, 'no log holds a code');
unlike($all, qr/(?<!noreply)\@(?:example|xn--)/, 'nor an address');
is((grep { !/^\{.*\}$/ } split /\n/, $all)[0], undef, 'every line of a log is one object');
done_testing();
