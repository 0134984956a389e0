# The master key file: what it may be, what is said when it is not, that nothing of it is ever shown,
# and that a new version comes in and an old one goes out without losing a secret.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('master_key');
my $file = $node->basedir . '/master.key';
my @hex = map { join '', map { sprintf '%02x', int rand 256 } 1 .. 32 } 0 .. 2;

$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'authmeter'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION authmeter CASCADE');

sub write_file
{
	my ($content, $mode) = @_;
	unlink $file;
	open my $out, '>', $file or die "$file: $!";
	print $out $content;
	close $out or die "$file: $!";
	chmod $mode // 0600, $file or die "$file: $!";
	return;
}

sub configure
{
	my ($path) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET authmeter.master_key_file = '$path'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT current_setting('authmeter.master_key_file', true) = '$path'")
	  or die 'the setting did not arrive';
	return;
}

# said SQL: what a client is told, with SQLSTATE and hint.
sub said
{
	my ($sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	return $err;
}

# refused STATE, PATTERN, WHAT: no key can be made now, and this is why.
sub refused
{
	my ($state, $pattern, $what) = @_;
	my $err = said("SELECT authmeter.key_generate('refused')");
	like($err, qr/ERROR:  $state: $pattern.*\n(?:DETAIL:.*\n)?HINT: /, $what);
	unlike($err, qr/[0-9a-f]{16}/, "$what: nothing of a key");
	unlike($err, qr/\Q$file\E/, "$what: no path");
	return;
}

refused('MA010', 'no master key file is configured', 'no setting');
is($node->safe_psql('postgres', "SELECT authmeter.setting_get('authmeter.environment')"),
	'production', 'what needs no key works without one');

configure($file);
refused('MA010', 'could not read the master key file: No such file', 'no file');
like(slurp_file($node->logfile), qr/DETAIL:  Path: "\Q$file\E"/, 'the server log names the path');

mkdir $file or die $!;
refused('MA011', 'the master key file is not a regular file', 'a directory');
rmdir $file or die $!;
system_or_bail('mkfifo', '-m', '0600', $file);
refused('MA011', 'the master key file is not a regular file', 'a pipe, without waiting for it');

for my $mode (0640, 0604, 0620, 0602, 0660, 0644, 0777)
{
	write_file("1 $hex[0]\n", $mode);
	refused('MA011', 'the master key file is open to group or others', sprintf 'mode %04o', $mode);
}

my %malformed = (
	'no key' => '',
	'comments only' => "# nothing\n\n",
	'no version' => "$hex[0]\n",
	'version 0' => "0 $hex[0]\n",
	'version 65536' => "65536 $hex[0]\n",
	'version with sign' => "+1 $hex[0]\n",
	'63 digits' => '1 ' . substr($hex[0], 1) . "\n",
	'65 digits' => "1 $hex[0]0\n",
	'upper case' => '1 ' . uc(substr($hex[0], 0, 63)) . "F\n",
	'three columns' => "1 $hex[0] $hex[1]\n",
	'no blank' => "1$hex[0]\n",
	'comment behind' => "1 $hex[0] # first\n",
	'version twice' => "1 $hex[0]\n1 $hex[1]\n",
	'zeros' => '1 ' . '00' x 32 . "\n",
	'a pattern' => '1 ' . 'deadbeef' x 8 . "\n",
	'base64' => "1 q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n",
	'NUL' => "1 \0$hex[0]\n",
	'too large' => "1 $hex[0]\n" . "# comment\n" x 2000,
	'65 versions' => join('', map { my $n = $_; "$n " . join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n" } 1 .. 65));
for my $name (sort keys %malformed)
{
	write_file($malformed{$name});
	refused('MA011', '(?:a|the) master key ', $name);
}
unlike(slurp_file($node->logfile), qr/$hex[0]|$hex[1]/, 'the server log holds nothing of a key');

# Good: comments, blank lines, blanks at the end, CR, last line without newline, any order, 0400, a link.
for my $good (
	"1 $hex[0]\n",
	"# a comment\n\n   \n1 \t $hex[0]  \r\n",
	"1 $hex[0]")
{
	write_file($good);
	is($node->safe_psql('postgres', "SELECT authmeter.key_compare('none', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')"), 'absent', 'a good file');
}
write_file("1 $hex[0]\n", 0400);
rename $file, "$file.real" or die $!;
symlink "$file.real", $file or die $!;
$node->safe_psql('postgres', "SELECT authmeter.key_import('first', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')");
$node->safe_psql('postgres', "SELECT authmeter.key_generate('pair', 'ES256')");


# Refresh tokens are derived from the master key.
$node->safe_psql('postgres', "SELECT authmeter.key_generate(r, 'HS256', false) FROM unnest('{api,api-refresh}'::text[]) r");
my $user = $node->safe_psql('postgres', q{SELECT user_id FROM authmeter.user_create('key@example.com')});
my @refresh = map { $node->safe_psql('postgres', "SELECT refresh_token FROM authmeter.session_start('$user', 'api')") } 1 .. 3;

# refresh TOKEN: what came of it, and the next one.
sub refresh
{
	my ($token) = @_;
	return split /\|/, $node->safe_psql('postgres', "SELECT reason, refresh_token FROM authmeter.session_refresh('$token', 'api')");
}
my ($first, $next) = refresh($refresh[0]);
is($first, 'ok', 'a refresh token under version 1');

my $versions = 'SELECT ring, master_key_version FROM authmeter.key_list() ORDER BY 1';
my $signs = "SELECT (authmeter.jwt_verify(authmeter.jwt_sign('{}', 'first', '1 hour'), 'first')).outcome, length(authmeter.jwt_sign('{}', 'pair', '1 hour')) > 0";
is($node->safe_psql('postgres', $versions), "api|1\napi-refresh|1\nfirst|1\npair|1", 'sealed under version 1');


write_file("2 $hex[1]\n1 $hex[0]\n");
is($node->safe_psql('postgres', $signs), 'ok|t', 'the old version opens');
is((refresh($refresh[0]))[0], 'superseded', 'an answer given under the old version cannot be repeated');
is((refresh($next))[0], 'ok', 'but what it gave is good');
my ($second, $replacement) = refresh($refresh[1]);
$node->safe_psql('postgres', "SELECT authmeter.key_rotate('first', '1 day')");
is($node->safe_psql('postgres', $versions), "api|1\napi-refresh|1\nfirst|2\nfirst|1\npair|1", 'the highest version seals');
is($node->safe_psql('postgres', 'SELECT authmeter.key_reseal(); SELECT authmeter.key_reseal()'), "4\n0", 'sealed anew, once');
is($node->safe_psql('postgres', $versions), "api|2\napi-refresh|2\nfirst|2\nfirst|2\npair|2", 'all under version 2');
write_file("2 $hex[1]\n");
is($node->safe_psql('postgres', $signs), 'ok|t', 'version 1 may go');
is((refresh($refresh[2]))[0], 'ok', 'refresh tokens of then are good');
is((refresh($refresh[1]))[0], 'invalid', 'one that was replaced is refused');
is((refresh($replacement))[0], 'ok', 'and changes nothing');

# In one backend: file exchanged between two statements.
my $both = <<"SQL";
$signs;
\\! chmod 0644 $file
SELECT authmeter.key_generate('other');
\\! chmod 0600 $file
SELECT length(authmeter.key_generate('other'));
SQL
my ($code, $out, $err) = $node->psql('postgres', $both, on_error_stop => 0);
is($out, "ok|t\n22", 'a session notices that the file has become bad, and good again');
like($err, qr/open to group or others/, 'with the reason');

# Without the right key.
write_file("3 $hex[2]\n");
$err = said("SELECT authmeter.jwt_sign('{}', 'first', '1 hour')");
like($err, qr/ERROR:  MA012: sealed signing_key "HS256:[\w-]+" of "first" does not open\nDETAIL:  It was sealed under version 2 of the master key.\nHINT:  Add the line of that version/, 'the version is missing: said which one');
write_file("2 $hex[2]\n");
$err = said("SELECT authmeter.jwt_sign('{}', 'first', '1 hour')");
like($err, qr/ERROR:  MA012: sealed signing_key "HS256:[\w-]+" of "first" does not open\nDETAIL:  It was sealed under version 2/, 'the version is another key');
like(said('SELECT authmeter.key_reseal()'), qr/^$/, 'nothing to seal anew');
write_file("2 $hex[2]\n3 $hex[0]\n");
like(said('SELECT authmeter.key_reseal()'), qr/MA012: sealed signing_key/, 'what does not open is not sealed anew');
is($node->safe_psql('postgres', "SELECT (authmeter.jws_verify('eyJhbGciOiJFUzI1NiJ9.eA.' || repeat('A', 86), 'pair')).outcome"),
	'signature_invalid', 'a public key verifies without the master key');
is($node->safe_psql('postgres', "SELECT jsonb_array_length(authmeter.jwks() -> 'keys')"), '1', 'and is published');
write_file("2 $hex[1]\n");
is($node->safe_psql('postgres', $signs), 'ok|t', 'with the right file everything works again');

unlike(slurp_file($node->logfile), qr/$hex[0]|$hex[1]|$hex[2]/, 'the server log holds nothing of a key');
$node->stop;
done_testing();
