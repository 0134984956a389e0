# Authmeter::Mail: a database with mail to send, real SMTP servers, servers that misbehave, and mailers.
#
#   my $m = Authmeter::Mail->new('mail');
#   my $server = $m->server(login => ['app', 'secret']);
#   my $mailer = $m->mailer({smtp_port => $server->{port}, ...});
#   $m->enqueue('ana@example.com');
#   my @mails = $m->mails($server);
package Authmeter::Mail;

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(sleep time);

use parent -norequire, 'Authmeter::Service';
use Authmeter::Service;

my $smtpd = dirname(__FILE__) . '/../smtpd.py';

sub new
{
	my ($class, $name, %option) = @_;
	my $self = Authmeter::Service::new($class, $name, start_shim => 0, %option);
	$self->sql(<<'SQL');
CREATE ROLE authmeter_mailer LOGIN;
SELECT authmeter.grant_access('authmeter_mailer', 'mailer');
SELECT authmeter.setting_set('authmeter.mail_retry_min', '100ms');
SELECT authmeter.setting_set('authmeter.mail_retry_max', '200ms');
SQL
	$self->{serial} = 0;
	$self->{children} = {};
	return $self;
}

# dir KIND: a new directory.
sub dir
{
	my ($self, $kind) = @_;
	my $dir = $self->{node}->basedir . "/$kind-" . ++$self->{serial};
	make_path($dir, { mode => 0700 });
	return $dir;
}

sub spawn
{
	my ($self, $log, @command) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		delete @ENV{ grep { /^(?:SMTP|MAIL|AUTHMETER)_|^DATABASE_URL$/ } keys %ENV };
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>>', "$log.err";
		exec { $command[0] } @command;
		die "exec: $!";
	}
	$self->{children}{$pid} = 1;
	return $pid;
}

# ended PID: its wait status once it has ended, within the time limit; undef if it has not.
sub ended
{
	my ($self, $pid) = @_;
	my $status;
	$self->poll(sub { waitpid($pid, 1) == $pid and defined($status = $?) }, "process $pid has ended")
	  or return undef;
	delete $self->{children}{$pid};
	return $status;
}

sub end
{
	my ($self, $pid, $signal) = @_;
	kill $signal // 'TERM', $pid;
	return $self->ended($pid);
}

# ---- servers -------------------------------------------------------------------------------------

# server OPTIONS of smtpd.py: a real SMTP server; {port, folder, pid}.
sub server
{
	my ($self, %option) = @_;
	my $folder = $option{folder} // $self->dir('smtpd');
	my $log = "$folder.port";
	my @option = map { ("--$_", ref $option{$_} ? @{ $option{$_} } : $option{$_}) }
	  grep { $_ ne 'folder' } sort keys %option;

	unlink $log;
	my $pid = $self->spawn($log, '/usr/bin/python3', $smtpd, $folder, @option);
	$self->poll(sub { -s $log }, 'the SMTP server listens') or die slurp_file("$log.err");
	my ($port) = slurp_file($log) =~ /^(\d+)/;
	return { port => $port, folder => $folder, pid => $pid };
}

# mails SERVER [KIND]: what it has accepted (or, kind waiting, not answered yet), as a list.
sub mails
{
	my ($self, $server, $kind) = @_;
	return map { decode_json(slurp_file($_)) }
	  sort glob "$server->{folder}/" . ($kind // 'mail') . '-*.json';
}

# arrived SERVER: recipient => number of times.
sub arrived
{
	my ($self, $server) = @_;
	my %times;
	$times{ $_->{recipients}[0] }++ for $self->mails($server);
	return \%times;
}

# fake SCRIPT: a server for one kind of misbehaviour; each connection is served in turn by
# SCRIPT(socket, number), number from 1. {port, pid, log}: the script's output goes to the log.
sub fake
{
	my ($self, $script) = @_;
	my $listener = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', Listen => 16, ReuseAddr => 1, Proto => 'tcp') or die $!;
	my $log = $self->dir('fake') . '/log';
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		local $SIG{PIPE} = 'IGNORE';
		open STDOUT, '>>', $log;
		STDOUT->autoflush(1);
		for (my $number = 1; my $socket = $listener->accept; $number++)
		{
			$socket->autoflush(1);
			$script->($socket, $number);
			close $socket;
		}
		POSIX::_exit(0);
	}
	$self->{children}{$pid} = 1;
	my $port = $listener->sockport;
	close $listener;
	return { port => $port, pid => $pid, log => $log };
}

# talk SOCKET, REPLIES: greets and answers each command by its verb, as the server of RFC 5321 would;
# REPLIES{verb} in place of the usual; '' says nothing. Ends when the client does, or (true) after
# answering DATA with 354.
sub talk
{
	my ($socket, %reply) = @_;
	my %usual = (
		EHLO => "250-fake\r\n250 8BITMIME",
		MAIL => '250 ok', RCPT => '250 ok', DATA => '354 go on', QUIT => '221 bye', RSET => '250 ok');
	my $say = sub { print $socket "$_[0]\r\n" if $_[0] ne '' };

	$say->($reply{greeting} // '220 fake ESMTP');
	while (my $line = <$socket>)
	{
		my ($verb) = uc($line) =~ /^([A-Z]+)/;
		print STDOUT "$verb\n";
		my $answer = $reply{ $verb // '' } // $usual{ $verb // '' } // '500 what?';
		$say->($answer);
		return 1 if $verb eq 'DATA' && $answer =~ /^354/;
	}
	return 0;
}

# body SOCKET: reads the message up to its end.
sub body
{
	my ($socket) = @_;
	my $body = '';
	while (my $line = <$socket>)
	{
		return $body if $line eq ".\r\n";
		$body .= $line;
	}
	return $body;
}

# reset SOCKET: closes with RST instead of FIN.
sub reset_connection
{
	my ($socket) = @_;
	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('II', 1, 0);
	close $socket;
	return;
}

# ---- mailers -------------------------------------------------------------------------------------

sub mailer_binary
{
	return $ENV{AUTHMETER_MAILER} // ($ENV{AUTHMETER_SHIM} // "$Authmeter::Service::top/build/authmeter-shim") =~ s/-shim/-mailer/r;
}

# mailer_file SETTINGS [, PATH]: a configuration file.
sub mailer_file
{
	my ($self, $setting, $path) = @_;
	my $node = $self->{node};
	my %all = (
		database => "host=@{[$node->host]} port=@{[$node->port]} dbname=postgres user=authmeter_mailer",
		smtp_host => '127.0.0.1',
		smtp_security => 'none',
		smtp_connect_timeout_ms => 5000,
		smtp_pause_min_ms => 50,
		smtp_pause_max_ms => 200,
		mail_from => 'Example <noreply@example.com>',
		log_level => 'debug',
		%$setting);

	$path //= $self->dir('mailer') . '/mailer.conf';
	open my $file, '>', $path or die "$path: $!";
	print $file "$_ = $all{$_}\n" for sort grep { defined $all{$_} } keys %all;
	close $file or die $!;
	return $path;
}

# mailer SETTINGS [, ARGUMENTS]: starts one; {pid, conf, log}.
sub mailer
{
	my ($self, $setting, @argument) = @_;
	my $conf = $self->mailer_file($setting);
	my $log = dirname($conf) . '/log';
	my $pid = $self->spawn($log, mailer_binary(), '--config', $conf, @argument);
	return { pid => $pid, conf => $conf, log => $log };
}

# log MAILER: what it has logged.
sub log
{
	my ($self, $mailer) = @_;
	return join '', map { -e $_ ? slurp_file($_) : '' } "$mailer->{log}.err", $mailer->{log};
}

# ---- the outbox ----------------------------------------------------------------------------------

# enqueue RECIPIENT [, CODE]: the mail's id.
sub enqueue
{
	my ($self, $recipient, $code) = @_;
	$code //= '271828';
	return $self->sql("SELECT authmeter.mail_enqueue('code', '$recipient', '{\"code\": \"$code\", \"minutes\": 10}')");
}

# state ID: what the outbox says.
sub state
{
	my ($self, $id) = @_;
	return $self->sql("SELECT state FROM authmeter.mail_info WHERE id = '$id'");
}

# becomes ID, STATE: waits for it.
sub becomes
{
	my ($self, $id, $state) = @_;
	my $is = '';
	return $self->poll(sub { ($is = $self->state($id)) eq $state }, "mail $id is $state") || (diag("it is $is"), 0)[1];
}

sub clear
{
	my ($self) = @_;
	$self->sql('DELETE FROM authmeter.mail_outbox');
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	for my $pid (keys %{ $self->{children} })
	{
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	return;
}

1;
