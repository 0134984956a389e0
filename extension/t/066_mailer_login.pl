# The mailer talks to mail servers by TLS and with a login: no mail leaves unless the server is who it
# should be, and a password is said to nobody else and shown nowhere.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Mail;
use PostgreSQL::Test::Utils;
use Test::More;

my $m = Authmeter::Mail->new('mailer_login');
my $password = 'Wellenreiter-%20"\'\\ö';
my @logs;

# certificate NAME: one that signs itself for that host name; (certificate, key).
sub certificate
{
	my ($name) = @_;
	my $dir = $m->dir('certificate');
	my @names = $name =~ /^[0-9.]+$/ ? "IP:$name" : "DNS:$name";
	system_or_bail('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
		'-days', 2, '-subj', "/CN=$name", '-addext', "subjectAltName=@names", '-keyout', "$dir/key", '-out', "$dir/cert");
	return ("$dir/cert", "$dir/key");
}

my ($cert, $key) = certificate('localhost');
my ($other_cert, $other_key) = certificate('other.example');

# sends NAME, SERVER, SETTINGS: a mail goes through.
sub sends
{
	my ($name, $server, $setting) = @_;
	my $id = $m->enqueue('ana@example.com');
	my $mailer = $m->mailer({ smtp_host => 'localhost', smtp_port => $server->{port}, %$setting }, '--once');
	is($m->ended($mailer->{pid}), 0, "$name: ends well");
	is($m->state($id), 'sent', "$name: sent") or diag($m->log($mailer));
	my @mails = $m->mails($server);
	push @logs, $m->log($mailer);
	$m->clear;
	return $mails[-1];
}

# refuses NAME, SERVER, SETTINGS, ERROR: none does, and it stays.
sub refuses
{
	my ($name, $server, $setting, $error) = @_;
	my $id = $m->enqueue('ana@example.com');
	my $before = () = $m->mails($server);
	my $mailer = $m->mailer({ smtp_host => 'localhost', smtp_port => $server->{port}, %$setting }, '--once');
	is($m->ended($mailer->{pid}), 256, "$name: ends with 1");
	is($m->state($id), 'deferred', "$name: the mail stays");
	like($m->sql("SELECT error FROM authmeter.mail_info WHERE id = '$id'"), $error, "$name: why");
	is(scalar(() = $m->mails($server)), $before, "$name: nothing arrives");
	push @logs, $m->log($mailer);
	$m->clear;
	return;
}

# ---- TLS -------------------------------------------------------------------------------------------

{
	my $starttls = $m->server(starttls => [ $cert, $key ]);
	my $tls = $m->server(tls => [ $cert, $key ]);
	my $plain = $m->server;
	my $ca = { smtp_ca_file => $cert };
	is(sends('starttls', $starttls, { %$ca, smtp_security => 'starttls' })->{tls}, 1, 'starttls: by TLS');
	is(sends('auto', $starttls, { %$ca, smtp_security => 'auto' })->{tls}, 1, 'auto is starttls');
	is(sends('tls', $tls, { %$ca, smtp_security => 'tls' })->{tls}, 1, 'tls: by TLS');
	is(sends('none', $plain, { smtp_security => 'none' })->{tls}, 0, 'none: in clear text');
	refuses('nobody vouches', $starttls, { smtp_security => 'starttls' }, qr/^at connecting: .*certificate/);
	refuses('nobody vouches, tls', $tls, { smtp_security => 'tls' }, qr/^at connecting: .*certificate/);
	refuses('somebody else vouches', $starttls, { smtp_security => 'starttls', smtp_ca_file => $other_cert }, qr/^at connecting: .*certificate/);
	refuses('TLS was taken out', $plain, { %$ca, smtp_security => 'starttls' }, qr/^at connecting: /);
	refuses('no TLS at all', $plain, { %$ca, smtp_security => 'tls' }, qr/^at connecting: /);
	refuses('another name', $m->server(starttls => [ $other_cert, $other_key ]),
		{ smtp_security => 'starttls', smtp_ca_file => $other_cert }, qr/^at connecting: .*(no alternative certificate subject name matches|certificate)/);
	refuses('an address is no name', $starttls, { %$ca, smtp_host => '127.0.0.1', smtp_security => 'starttls' }, qr/^at connecting: .*(no alternative certificate subject name matches|certificate)/);
	refuses('no such file', $starttls, { smtp_security => 'starttls', smtp_ca_file => '/nonexistent' }, qr/^at connecting: /);
}

# ---- login -----------------------------------------------------------------------------------------

{
	my $server = $m->server(starttls => [ $cert, $key ], login => [ 'app@example.com', $password ]);
	my $setting = { smtp_security => 'starttls', smtp_ca_file => $cert, smtp_user => 'app@example.com' };
	my $file = $m->dir('password') . '/password';
	my $write = sub {
		open my $out, '>', $file or die $!;
		chmod 0600, $file;
		print $out @_;
		close $out or die $!;
	};
	my $quoted = '"' . $password =~ s/"/""/gr . '"';

	is(sends('login', $server, { %$setting, smtp_pass => $quoted })->{login}, 'app@example.com', 'login: who');
	$write->("$password\nmore\n");
	is(sends('password file', $server, { %$setting, smtp_pass_file => $file })->{login}, 'app@example.com', 'password file: who');
	$write->($password);
	sends('password file without an end of line', $server, { %$setting, smtp_pass_file => $file });
	refuses('wrong password', $server, { %$setting, smtp_pass => 'other' }, qr/^at login: 535 /);
	refuses('no login', $server, { smtp_security => 'starttls', smtp_ca_file => $cert }, qr/^at MAIL FROM: 530 /);
	refuses('no password file', $server, { %$setting, smtp_pass_file => "$file.not" }, qr/^could not read smtp_pass_file$/);
	refuses('certificate first', $server, { %$setting, smtp_ca_file => $other_cert, smtp_pass => 'other' }, qr/^at connecting: .*certificate/);
	# To this machine it may go in clear text.
	my $plain = $m->server(login => [ 'app', 'secret' ]);
	is(sends('login in clear text', $plain, { smtp_security => 'none', smtp_user => 'app', smtp_pass => 'secret' })->{login}, 'app', 'login in clear text: who');

	# A wrong password put right: what waited is sent.
	$write->('wrong');
	my $id = $m->enqueue('eve@example.com');
	my $mailer = $m->mailer({ smtp_host => 'localhost', smtp_port => $server->{port}, %$setting, smtp_pass_file => $file });
	ok($m->becomes($id, 'deferred'), 'a wrong password refuses no mail');
	$write->($password);
	kill 'HUP', $mailer->{pid};
	ok($m->becomes($id, 'sent'), 'put right, it is sent');
	my $command = slurp_file("/proc/$mailer->{pid}/cmdline");
	unlike($command, qr/Wellenreiter/, 'the command line does not show the password');
	is($m->end($mailer->{pid}), 0, 'the mailer ends well');
	push @logs, $m->log($mailer);
	# From the environment, by the names that other programs use.
	local @ENV{qw(AM_TEST_USER AM_TEST_PASS)} = ('app@example.com', $password);
	$id = $m->enqueue('env@example.com');
	my $conf = $m->mailer_file({ smtp_host => undef, smtp_port => undef, smtp_security => 'starttls', smtp_ca_file => $cert, mail_from => undef });
	my $log = "$conf.log";
	my $pid = $m->spawn($log, 'env', 'SMTP_HOST=localhost', "SMTP_PORT=$server->{port}", 'SMTP_USER=app@example.com',
		"SMTP_PASS=$password", 'MAIL_FROM=env@example.com', Authmeter::Mail::mailer_binary(), '--config', $conf, '--once');
	is($m->ended($pid), 0, 'settings from the environment');
	is((grep { $_->{recipients}[0] eq 'env@example.com' } $m->mails($server))[0]{sender}, 'env@example.com', 'count');
	push @logs, slurp_file("$log.err");
}

my $all = join '', @logs;
unlike($all, qr/Wellenreiter|V2VsbGVucmVpdGVy/, 'no log holds the password');
unlike($m->sql("SELECT string_agg(o::text, ' ') FROM authmeter.mail_outbox o"), qr/Wellenreiter/, 'nor does the outbox');
done_testing();
