# The targets of the Makefile that run a server: a second start is harmless, a stop leaves the data,
# whatever was killed comes back at the next start, and Ctrl-C leaves nothing running.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Run qw(run start timeout);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $top = abs_path(dirname(__FILE__) . '/../..');
my $run_dir = PostgreSQL::Test::Utils::tempdir() . '/run';
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $admin = PostgreSQL::Test::Cluster::get_free_port();
my $limit_s = 120;
my @build = split ' ', $ENV{AUTHMETER_BUILD} // '';
my @place = ("RUN_DIR=$run_dir", @build);
my @listen = ("LISTEN=127.0.0.1:$port=vsplugin", "ADMIN=127.0.0.1:$admin");

delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

# make ARGUMENTS: exit status, standard output, standard error
sub make
{
	my ($out, $err) = ('', '');
	run(['make', '-s', '-C', $top, @_], '<', \undef, '>', \$out, '2>', \$err, timeout($limit_s));
	return ($? >> 8, $out, $err);
}

sub query
{
	my ($status, $out) = make('psql', @place, "SQL=$_[0]");
	chomp $out;
	return $status ? "status $status" : $out;
}

sub request
{
	my ($method, $path, $body, %headers) = @_;
	return HTTP::Tiny->new(timeout => 10)->request(
		$method,
		"http://127.0.0.1:$port$path",
		{ headers => { 'Content-Type' => 'application/json', %headers }, $body ? (content => $body) : () });
}

sub track
{
	my $reply = request('POST', '/trackUsage', '{"usage":1}', Authorization => "Bearer $_[0]");
	return $reply->{status} == 200 ? decode_json($reply->{content})->{currentPromptCount} : $reply->{status};
}

sub first_line
{
	open my $file, '<', $_[0] or return '';
	chomp(my $line = <$file> // '');
	return $line;
}

sub shim_pid { return first_line("$run_dir/log/shim.pid"); }
sub mailer_pid { return first_line("$run_dir/log/mailer.pid"); }
sub server_pid { return first_line("$run_dir/data/postmaster.pid"); }

sub is_alive
{
	my ($pid) = @_;
	return $pid && -e "/proc/$pid" && slurp_file("/proc/$pid/status") !~ /^State:\s*[ZX]/m;
}

# Nothing to do yet.
my ($status, $out, $err) = make('stop', @place);
is($status, 0, 'stop before the first start is harmless');
($status, $out, $err) = make('psql', @place, 'SQL=select 1');
isnt($status, 0, 'psql before the first start fails');
like($err, qr/nothing is running/, 'and says why');

# A port that is taken.
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1)
  or die "port $port: $!";
($status, $out, $err) = make('start', @place, @listen);
isnt($status, 0, 'start refuses a port that is taken');
like($err, qr/port $port of 127\.0\.0\.1 is taken.*LISTEN=/, 'and names the variable');
close $taken;

# The first start.
($status, $out, $err) = make('start', @place, @listen);
is($status, 0, 'start') or diag($out, $err);
like($out, qr{curl -s http://127\.0\.0\.1:$port/health}, 'start prints how to call it');
is(request('GET', '/health')->{status}, 200, 'the shim serves');
is(decode_json(request('GET', '/health')->{content})->{environment}, 'development', 'environment');
my $token = decode_json(request('POST', '/signup', '{"email":"ana@example.com"}')->{content})->{sessionToken};
is(track($token), 1, 'the user to try is there');
is(HTTP::Tiny->new->get("http://127.0.0.1:$admin/metrics")->{status}, 200, 'metrics');

# SQL as it is typed, bare rows, the status of psql.
is(query('select 1'), '1', 'psql prints bare rows');
is(query(q{select $$a b$$, 'c"d', 2 * 3}), 'a b|c"d|6', 'psql takes quotes, dollars and stars as they are');
is(query('select 1/0'), 'status 2', 'psql passes a failure on');
is(query('select current_user'), 'postgres', 'as the administrator');
is(query(q{select count(*) from authmeter.status() s where s::text like '%preload%ok%'}), '1', 'preloaded');

# Secrets are the account's own.
for my $path (qw(secrets data sock))
{
	is(sprintf('%04o', (stat "$run_dir/$path")[2] & 07777), '0700', "mode of $path");
}
is(sprintf('%04o', (stat "$run_dir/secrets/master.key")[2] & 07777), '0600', 'mode of the master key');
my $secret = slurp_file("$run_dir/secrets/jwt_secret");
unlike(slurp_file("$run_dir/log/$_"), qr/\Q$secret\E/, "no secret in $_") for qw(shim.log postgres.log);
unlike(slurp_file('/proc/' . shim_pid() . '/cmdline'), qr/\Q$secret\E/, 'no secret in the command line');

# Mails become files.
my $mail = query(q{SELECT authmeter.mail_enqueue('code', 'ana@example.com', '{"code": "271828"}')});
my $eml = "$run_dir/mail/$mail.eml";
for (1 .. $limit_s * 20)
{
	last if -e $eml;
	sleep 0.05;
}
like(-e $eml ? slurp_file($eml) : 'none', qr/^To: ana\@example\.com\r$/m, 'a mail is a file');

# A second start.
my ($shim, $server, $mailer) = (shim_pid(), server_pid(), mailer_pid());
($status, $out, $err) = make('start', @place);
is($status, 0, 'a second start is harmless');
like($out, qr/already running.*already running/s, 'and says so');
is(join(' ', shim_pid(), server_pid(), mailer_pid()), "$shim $server $mailer", 'all processes are the same');

# What was killed comes back.
kill 'KILL', $shim, $mailer;
sleep 0.05 while is_alive($shim) || is_alive($mailer);
($status) = make('start', @place);
is($status, 0, 'start after shim and mailer were killed');
isnt(shim_pid(), $shim, 'a new shim');
isnt(mailer_pid(), $mailer, 'a new mailer');
ok(is_alive(mailer_pid()), 'that runs');
is(track($token), 2, 'it serves, at the listeners of the first start');
kill 'KILL', server_pid(), shim_pid();
($status, $out, $err) = make('start', @place);
is($status, 0, 'start after both were killed') or diag($out, $err);
is(track($token), 3, 'the counter has not lost anything');

# A stop leaves the data.
($shim, $server, $mailer) = (shim_pid(), server_pid(), mailer_pid());
($status) = make('stop', @place);
is($status, 0, 'stop');
ok(!is_alive($shim) && !is_alive($server) && !is_alive($mailer), 'all have ended');
($status) = make('stop', @place);
is($status, 0, 'a second stop is harmless');

# In the foreground, until Ctrl-C.
for my $signal (qw(INT TERM))
{
	my $log = '';
	my $make = start(['make', '-s', '-C', $top, 'run', @place], '<', \undef, '>', \$log, '2>', \$log,
		init => sub { setpgrp; $SIG{INT} = 'DEFAULT' }, timeout($limit_s));
	$make->pump while $log !~ /Stop: Ctrl-C/ && $make->pumpable;
	is(track($token), $signal eq 'INT' ? 4 : 5, 'run serves');
	($shim, $server, $mailer) = (shim_pid(), server_pid(), mailer_pid());
	# Ctrl-C reaches the whole group, a supervisor's signal only make.
	kill $signal, ($signal eq 'INT' ? -1 : 1) * $make->{KIDS}[0]{PID};
	$make->finish;
	ok(!is_alive($shim) && !is_alive($server) && !is_alive($mailer), "$signal ends everything") or diag($log);
	like($log, qr/PostgreSQL has stopped/, "$signal: and says so");
}

# An END of the test, whatever happened before.
END
{
	my $result = $?;
	make('stop', @place) if defined $run_dir && -d $run_dir;
	$? = $result;
}

done_testing();
