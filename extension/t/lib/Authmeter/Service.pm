# Authmeter::Service: a real PostgreSQL server with the extension and a real shim in front of it.
#
#   my $service = Authmeter::Service->new('name', environment => 'development');
#   my $reply = $service->request('POST', '/signup', {'Content-Type' => 'application/json'}, '{}');
#   is($reply->{status}, 400);
#
# Nothing here waits a fixed time for a state: every wait polls the state, with an upper bound.
package Authmeter::Service;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our $top = abs_path(dirname(__FILE__) . '/../../../..');
our $timeout_s = 30;

# new NAME, OPTIONS: environment (production), preload (1), conf (lines of postgresql.conf),
# shim_conf (lines of the shim's file), secret (of ring vsplugin), rings (further rings with their
# secrets), mounts (what is served at the port, "[/PREFIX]=API[,API]"), start_shim (1).
sub new
{
	my ($class, $name, %option) = @_;
	my $self = bless {
		environment => 'production',
		preload => 1,
		conf => '',
		shim_conf => '',
		secret => join('', map { sprintf '%08x', rand(2**32) } 1 .. 6),
		rings => {},
		mounts => ['=vsplugin'],
		start_shim => 1,
		%option,
	}, $class;

	$self->{node} = PostgreSQL::Test::Cluster->new($name);
	$self->_init_server;
	$self->{port} = PostgreSQL::Test::Cluster::get_free_port();
	$self->{admin_port} = PostgreSQL::Test::Cluster::get_free_port();
	$self->start_shim if $self->{start_shim};
	return $self;
}

sub _init_server
{
	my ($self) = @_;
	my $node = $self->{node};
	my $key_file = $node->basedir . '/master.key';

	open my $file, '>', $key_file or die "$key_file: $!";
	chmod 0600, $key_file;
	print $file '1 ' . join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n";
	close $file or die $!;
	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'authmeter'")
	  if $self->{preload};
	$node->append_conf('postgresql.conf', <<"CONF");
authmeter.master_key_file = '$key_file'
fsync = on
max_connections = 200
log_statement = 'none'
$self->{conf}
CONF
	$node->start;
	$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION authmeter CASCADE;
CREATE ROLE authmeter_shim LOGIN;
SELECT authmeter.grant_access('authmeter_shim', 'gateway');
SELECT authmeter.setting_set('authmeter.environment', '$self->{environment}');
SELECT authmeter.key_import('vsplugin', '$self->{secret}');
SQL
	$self->sql("SELECT authmeter.key_import('$_', '$self->{rings}{$_}')") for sort keys %{ $self->{rings} };
	return;
}

# sql TEXT: one statement as the administrator, bare rows.
sub sql
{
	my ($self, $text) = @_;
	return $self->{node}->safe_psql('postgres', $text);
}

# user EMAIL [API_KEY]: makes a user of the vsplugin API, returns its id.
sub user
{
	my ($self, $email, $api_key) = @_;
	my $key = defined $api_key ? "'$api_key'" : 'NULL';
	return $self->sql("SELECT authmeter.vsplugin_create_user('$email', $key)");
}

# token EMAIL: a session token for the user, made in SQL as /signup makes it.
sub token
{
	my ($self, $email) = @_;
	my $reply = $self->request(
		'POST', '/signup',
		{ 'Content-Type' => 'application/json' },
		qq({"email":"$email"}));
	return $reply->{body} =~ /"sessionToken":"([^"]+)"/ ? $1 : die "no token: $reply->{body}";
}

sub shim_binary
{
	return $ENV{AUTHMETER_SHIM} // "$top/build/authmeter-shim";
}

# start_shim: starts the program and returns when it is ready.
sub start_shim
{
	my ($self) = @_;
	$self->spawn_shim;
	$self->poll(sub { ($self->admin('/ready')->{status} // 0) == 200 }, 'the shim is ready')
	  or die 'the shim did not become ready: ' . $self->shim_log;
	return;
}

# spawn_shim: starts the program and does not wait.
sub spawn_shim
{
	my ($self) = @_;
	my $node = $self->{node};
	my $conf = $node->basedir . '/shim.conf';

	my $listen = join '', map { "listen = 127.0.0.1:$self->{port}$_\n" } @{ $self->{mounts} };

	$self->{log_file} = $node->basedir . '/shim.log';
	open my $file, '>', $conf or die "$conf: $!";
	print $file <<"CONF";
database = host=@{[$node->host]} port=@{[$node->port]} dbname=postgres user=authmeter_shim
${listen}admin = 127.0.0.1:$self->{admin_port}
$self->{shim_conf}
CONF
	close $file or die $!;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		delete @ENV{qw(PORT LISTEN DATABASE_URL)};
		@ENV{ keys %{ $self->{env} } } = values %{ $self->{env} };
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $self->{log_file};
		open STDERR, '>&', \*STDOUT;
		exec { $self->shim_binary } $self->shim_binary, '--config', $conf;
		die "exec: $!";
	}
	$self->{pid} = $pid;
	return;
}

# stop_shim [SIGNAL]: sends it (default TERM), waits, and returns the wait status.
sub stop_shim
{
	my ($self, $signal) = @_;
	my $status;

	return undef unless $self->{pid};
	kill $signal // 'TERM', $self->{pid};
	$self->poll(sub { waitpid($self->{pid}, 1) == $self->{pid} and defined($status = $?) },
		'the shim has ended')
	  or kill 'KILL', $self->{pid};
	delete $self->{pid};
	return $status;
}

sub shim_log
{
	my ($self) = @_;
	return slurp_file($self->{log_file});
}

# poll CODE, WHAT: calls CODE until it is true, at most $timeout_s; says what was missed.
sub poll
{
	my ($self, $code, $what) = @_;
	my $end = time + $timeout_s;

	while (time < $end)
	{
		return 1 if $code->();
		sleep 0.02;
	}
	diag("gave up waiting: $what");
	return 0;
}

sub connect_port
{
	my ($self, $port) = @_;
	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $port // $self->{port},
		Proto => 'tcp',
		Timeout => $timeout_s);
}

# raw BYTES [, PORT]: sends them on a new connection and returns all that comes back until the other
# side closes or nothing comes for idle_s seconds; in list context also whether it was closed.
sub raw
{
	my ($self, $bytes, %option) = @_;
	my $socket = $self->connect_port($option{port}) or return;
	my $idle_s = $option{idle_s} // 2;
	my $select = IO::Select->new($socket);
	my ($reply, $closed) = ('', 0);

	local $SIG{PIPE} = 'IGNORE';
	syswrite $socket, $bytes;
	while ($select->can_read($idle_s))
	{
		my $got = sysread $socket, my $part, 65536;
		if (!$got)
		{
			$closed = 1;
			last;
		}
		$reply .= $part;
	}
	close $socket;
	return wantarray ? ($reply, $closed) : $reply;
}

# parse BYTES: {status, headers => {lower-case name => [values]}, body} of one reply.
sub parse
{
	my ($bytes) = @_;
	my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
	my ($first, @lines) = split /\r\n/, $head // '';
	my %headers;

	for (@lines)
	{
		my ($name, $value) = split /:\s*/, $_, 2;
		push @{ $headers{ lc $name } }, $value;
	}
	return {
		status => ($first // '') =~ m{^HTTP/1\.1 (\d{3})} ? $1 : undef,
		headers => \%headers,
		body => $body // ''
	};
}

# request METHOD, PATH, HEADERS, BODY: one request on a connection of its own.
sub request
{
	my ($self, $method, $path, $headers, $body, %option) = @_;
	my %all = (Host => 'localhost', Connection => 'close', %{ $headers // {} });

	$all{'Content-Length'} //= length $body if defined $body;
	my $head = join '', map { "$_: $all{$_}\r\n" } grep { defined $all{$_} } sort keys %all;
	return parse(
		scalar $self->raw(
			"$method $path HTTP/1.1\r\n$head\r\n" . ($body // ''),
			idle_s => $timeout_s, %option) // '');
}

# post PATH, BODY, HEADERS: JSON.
sub post
{
	my ($self, $path, $body, $headers) = @_;
	return $self->request('POST', $path,
		{ 'Content-Type' => 'application/json', %{ $headers // {} } }, $body);
}

sub admin
{
	my ($self, $path) = @_;
	return $self->request('GET', $path, {}, undef, port => $self->{admin_port});
}

# metric NAME [, LABELS]: value of one sample of /metrics, 0 if it is not there.
sub metric
{
	my ($self, $name, $labels) = @_;
	my $sample = $name . (defined $labels ? "{$labels}" : '');
	return $self->admin('/metrics')->{body} =~ /^\Q$sample\E ([0-9.e+-]+)$/m ? $1 : 0;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	$self->stop_shim('KILL') if $self->{pid};
	return;
}

1;
