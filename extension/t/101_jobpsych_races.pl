# The jobpsych API with 64 connections of the database at once (the gateway sends what it writes over
# one, so that over HTTP these calls never meet): one winner wherever there may be one, the upload
# limit to the letter, no deadlock whatever meets.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Jobpsych;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 64;

my $s = Authmeter::Jobpsych->new('jobpsych_races', start_shim => 0);
$s->sql('CREATE TABLE tries (status integer)');
$s->set('authmeter.login_failures', 'off');

# call ENDPOINT, REQUEST: as the gateway does; the status.
sub call
{
	my ($endpoint, %request) = @_;
	return "(SELECT status FROM authmeter_http.jobpsych_$endpoint('" . body(ip => '192.0.2.1', %request) . "'))";
}

# once ENDPOINT, REQUEST: the whole answer, as headers and body.
sub once
{
	my ($endpoint, %request) = @_;
	my $row = $s->sql("SELECT coalesce(headers#>>'{Set-Cookie,0}', '') || chr(10) || body FROM authmeter_http.jobpsych_$endpoint('" . body(%request) . "')");
	my ($cookie, $body) = split /\n/, $row, 2;
	return { headers => { 'set-cookie' => [$cookie] }, body => $body };
}

# race NAME, TALLY, STATEMENT, ...: each connection makes one of these calls, in turn; none may raise.
sub race
{
	my ($name, $tally, @calls) = @_;
	my $file = $s->{node}->basedir . '/race.sql';
	my $cases = join '', map { "\\" . ($_ == 0 ? 'if' : 'elif') . " :client_id % ${\ scalar @calls} = $_\nINSERT INTO tries SELECT $calls[$_];\n" } 0 .. $#calls;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	open my $out, '>', $file or die "$file: $!";
	print $out "$cases\\endif\n";
	close $out or die $!;
	$s->{node}->command_ok([ 'pgbench', '-n', '-c', CLIENTS, '-j', 2, '-t', 1, '-f', $file, 'postgres' ], "$name: nothing raised");
	# pgbench forgives deadlocks: a call that ended in one has left no row.
	is($s->sql('SELECT count(status) FROM tries'), CLIENTS, "$name: all are answered");
	is($s->sql("SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM tries GROUP BY 1) t"), $tally, $name)
	  if defined $tally;
	$s->sql('TRUNCATE tries');
	return;
}

sub open_sessions { return $s->sql("SELECT count(*) FROM authmeter.session s JOIN authmeter.user u ON u.id = s.user_id WHERE u.email = '$_[0]' AND s.refresh_hash IS NOT NULL AND s.ended_at IS NULL") }

my %ana = (name => 'Ana', email => 'ana@example.com', password => 'first secret', company_name => 'C');
my %login = (email => 'ana@example.com', password => 'first secret');
race('64 registrations of one address', '201 1, 409 63', call('register', body => \%ana));
is($s->sql('SELECT count(*) FROM authmeter.jobpsych_users'), 1, 'one user');
race('64 logins', '200 64', call('login', body => \%login));
is(open_sessions('ana@example.com'), 1, 'of which one is left');

my $token = refresh_of(once('login', body => \%login));
race('64 refreshes with one token', '200 1, 401 63', call('refresh', cookies => { refreshToken => [$token] }));
is(open_sessions('ana@example.com'), 1, 'documented: the successor is good');
$s->set('jobpsych.refresh_reuse', 'strict');
$token = refresh_of(once('login', body => \%login));
race('64 refreshes with one token, strict', '200 1, 401 63', call('refresh', cookies => { refreshToken => [$token] }));
is(open_sessions('ana@example.com'), 0, 'strict: the successor is closed, although every call that did so was refused');
$s->set('jobpsych.refresh_reuse');
$token = refresh_of(once('login', body => \%login));
race('refresh against logout', undef, call('refresh', cookies => { refreshToken => [$token] }), call('logout', cookies => { refreshToken => [$token] }));

# Passwords: one change, one reset; whatever meets whatever, afterwards nothing older works.
my $access = access(once('login', body => \%login));
race('64 changes of the password from the same one', '200 1, 400 63',
	call('change_password', bearer => $access, body => { currentPassword => 'first secret', newPassword => 'second secret', confirmPassword => 'second secret' }));
$login{password} = 'second secret';
$s->set('jobpsych.reset_password', 'strict');

sub mailed
{
	once('forgot_password', body => { email => 'ana@example.com' });
	return $s->sql("SELECT authmeter.mail_params(id)->>'token' FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' ORDER BY created_at DESC LIMIT 1");
}
race('64 resets with one token', '200 1, 401 63', call('reset_password', body => { email => 'ana@example.com', newPassword => 'third secret', token => mailed() }));
$login{password} = 'third secret';
for my $round (1 .. 2)
{
	my $reply = once('login', body => \%login);
	my $reset = call('reset_password', body => { email => 'ana@example.com', newPassword => 'third secret', token => mailed() });
	race("resets, changes, logins, refreshes, updates at once, round $round", undef, $reset,
		call('change_password', bearer => access($reply), body => { currentPassword => 'third secret', newPassword => 'third secret', confirmPassword => 'third secret' }),
		call('login', body => \%login), call('refresh', cookies => { refreshToken => [ refresh_of($reply) ] }),
		call('update_profile', bearer => access($reply), body => { name => 'Ana' }), call('forgot_password', body => { email => 'ana@example.com' }),
		call('increment_upload', body => { email => 'ana@example.com' }), call('logout', cookies => { refreshToken => [ refresh_of($reply) ] }));
	is($s->sql('SELECT ' . call('refresh', cookies => { refreshToken => [ refresh_of($reply) ] })), 401, 'the refresh token of before is dead');
	cmp_ok(open_sessions('ana@example.com'), '<=', 1, 'and at most one login is left');
}

# The upload limit: a user without a profile too, whose row is made by the first call.
$s->sql("SELECT authmeter.user_create('lazy\@example.com')");
$s->set('jobpsych.enforce_upload_limit', 'on');
race('64 first increments at a limit of 10', '200 10, 429 54', call('increment_upload', body => { email => 'lazy@example.com' }));
is($s->sql("SELECT files_uploaded FROM authmeter.jobpsych_user_info WHERE email = 'lazy\@example.com'"), 10, 'counted to the letter');
$s->set('jobpsych.enforce_upload_limit');
race('64 increments past it', '200 64', call('increment_upload', body => { email => 'lazy@example.com' }));
is($s->sql("SELECT files_uploaded FROM authmeter.jobpsych_user_info WHERE email = 'lazy\@example.com'"), 74, 'none is lost');
$s->sql("UPDATE authmeter.jobpsych_profile SET files_uploaded = 0");
$access = access(once('login', body => \%login));
race('64 uploads at a limit of 10', '200 10, 429 54', call('file_upload', bearer => $access, multipart => 'ok',
		parts => [ { name => 'file', filename => 'a.txt', type => 'text/plain', size => 1 } ]));
is($s->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM authmeter.jobpsych_files"), '1 2 3 4 5 6 7 8 9 10', 'ten files, numbered without gaps');

# The counts survive a caller's rollback only as far as they should: an upload rolled back is none.
$s->sql("UPDATE authmeter.jobpsych_profile SET files_uploaded = 0");
$s->sql('BEGIN; SELECT ' . call('increment_upload', body => { email => 'lazy@example.com' }) . '; ROLLBACK');
is($s->sql("SELECT files_uploaded FROM authmeter.jobpsych_user_info WHERE email = 'lazy\@example.com'"), 0, 'an upload rolled back is not counted');
done_testing();
