# A verified identity never leaks to the next transaction of a pooled connection, whatever ended the
# one before, and nothing SQL can set forges one. The recipes of docs/identity.md work as they are
# written: its SQL is run here, with the settings that PostgREST makes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use DBI;
use PostgreSQL::Test::Utils;
use Test::More;

my $s = Authmeter::Service->new('identity', environment => 'development', start_shim => 0,
	conf => 'max_prepared_transactions = 5');
my $node = $s->{node};
$s->sql(q{SELECT authmeter.key_import('jobpsych', 'I6entityEWWiENKploddAxayXs6gxvxQ8K6JyRaxcDxF')});
my %id = map { $_ => $s->sql("SELECT user_id FROM authmeter.user_create('$_\@example.com')") } qw(ana bob);
my %token = map { $_ => $s->sql("SELECT authmeter.token_issue('$id{$_}', 'jobpsych', 'access', lifetime => '1 hour')") } keys %id;

sub connection
{
	my ($user) = @_;
	return DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
		$user // scalar getpwuid($<), undef, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
}

# The recipe of the first and third chapter, as it stands in the document.
my @recipe = slurp_file("$Authmeter::Service::top/docs/identity.md") =~ /^```sql\n(.*?)^```$/msg;
is(scalar @recipe, 2, 'two recipes');
$node->safe_psql('postgres', $_) for @recipe;

# ---- the next client of a connection -------------------------------------------------------------

my $dbh = connection();
my $who = 'SELECT coalesce(authmeter.uid()::text, $$nobody$$) || $$ $$ || coalesce(authmeter.claims()::text, $$nothing$$)';

sub authenticate
{
	my ($name) = @_;
	return scalar $dbh->selectrow_array(q{SELECT outcome FROM authmeter.authenticate(?, 'jobpsych')}, undef, $token{$name});
}

# Each way to end a transaction: statements after the authentication; what they raise is swallowed.
my @endings = (
	[ 'commit', 'COMMIT' ],
	[ 'rollback', 'ROLLBACK' ],
	[ 'an error, then rollback', 'SELECT 1/0', 'ROLLBACK' ],
	[ 'an error, then commit', 'SELECT 1/0', 'COMMIT' ],
	[ 'commit and chain', 'COMMIT AND CHAIN' ],
	[ 'rollback and chain', 'ROLLBACK AND CHAIN' ],
	[ 'prepare transaction', q{PREPARE TRANSACTION 'one'} ],
	[ 'a savepoint, then commit', 'SAVEPOINT s', 'COMMIT' ],
	[ 'a savepoint rolled back, then commit', 'SAVEPOINT s', 'ROLLBACK TO s', 'COMMIT' ],
	[ 'a failed commit', 'CREATE TEMP TABLE p (n int PRIMARY KEY)', 'CREATE TEMP TABLE f (n int REFERENCES p DEFERRABLE INITIALLY DEFERRED)', 'INSERT INTO f VALUES (1)', 'COMMIT' ],
	[ 'a failed prepare', 'CREATE TEMP TABLE t (n int)', q{PREPARE TRANSACTION 'two'} ],
	[ 'a cancelled statement', q{SET LOCAL statement_timeout = '10ms'}, 'SELECT pg_sleep(10)', 'ROLLBACK' ],
	[ 'discard all', 'COMMIT', 'DISCARD ALL' ],
	[ 'reset all', 'COMMIT', 'RESET ALL', 'RESET ROLE' ]);
for my $ending (@endings)
{
	my ($name, @statements) = @$ending;
	$dbh->do('BEGIN');
	is(authenticate('ana'), 'ok', "$name: bound");
	my ($bound) = $dbh->selectrow_array($who);
	like($bound, qr/^$id{ana} .*"userId"/, "$name: there");
	eval { $dbh->do($_) } for @statements;
	is(scalar $dbh->selectrow_array($who), 'nobody nothing', "$name: gone");
	eval { local $dbh->{PrintWarn} = 0; $dbh->do('ROLLBACK') };
}
# A prepared transaction hands it to nobody who commits it either.
$dbh->do(q{COMMIT PREPARED 'one'});
is(scalar $dbh->selectrow_array($who), 'nobody nothing', 'commit prepared: nobody');

# Two clients, transaction by transaction, on one connection with the same prepared statement.
$dbh->do('INSERT INTO app.note (owner, body) SELECT ?::uuid, g::text FROM generate_series(1, 3) g', undef, $id{ana});
$dbh->do('INSERT INTO app.note (owner, body) SELECT ?::uuid, g::text FROM generate_series(1, 5) g', undef, $id{bob});
$dbh->do('SET SESSION AUTHORIZATION web_user');
$dbh->do('PREPARE mine AS SELECT count(*), count(*) FILTER (WHERE owner = authmeter.uid()) FROM app.note');
for my $round (1 .. 12)
{
	my $name = (qw(ana bob nobody))[ $round % 3 ];
	$dbh->do('BEGIN');
	authenticate($name) if $name ne 'nobody';
	my $seen = join ' ', $dbh->selectrow_array('EXECUTE mine');
	is($seen, { ana => '3 3', bob => '5 5', nobody => '0 0' }->{$name}, "round $round: ${name}'s rows");
	$dbh->do($round % 2 ? 'COMMIT' : 'ROLLBACK');
}
# The same text twice in one message: each statement of its own transaction.
$dbh->do('RESET SESSION AUTHORIZATION');
is( $node->safe_psql('postgres', "SELECT outcome FROM authmeter.authenticate('$token{ana}', 'jobpsych') \\; COMMIT \\; $who"),
	"ok\nnobody nothing", 'several statements in one message');

# ---- forging -------------------------------------------------------------------------------------

for my $setting (qw(authmeter.uid authmeter.user_id authmeter.claims authmeter.identity))
{
	my ($code, $out, $err) = $node->psql('postgres', "SET $setting = '$id{ana}'; $who", on_error_stop => 0,
		extra_params => [ '-q' ]);
	is($out, 'nobody nothing', "SET $setting makes nobody");
	local $ENV{PGOPTIONS} = "-c $setting=$id{ana}";
	($code, $out, $err) = $node->psql('postgres', $who);
	like("$out $err", qr/invalid configuration parameter name "$setting"/, "PGOPTIONS $setting: refused");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM authmeter.setting_list() WHERE name ~ 'identity|claims|uid'"), 0, 'there is no such setting');

# A function of the caller under our names, in front of the search_path: the policy calls ours.
is( $node->safe_psql('postgres', <<"SQL"), '0', 'planted functions are not what a policy calls');
GRANT TEMP ON DATABASE postgres TO web_user;
SET SESSION AUTHORIZATION web_user;
CREATE FUNCTION pg_temp.uid() RETURNS uuid LANGUAGE sql AS \$\$ SELECT '$id{ana}'::uuid \$\$;
SET search_path = pg_temp, pg_catalog;
SELECT count(*) FROM app.note;
SQL

# ---- PostgREST -----------------------------------------------------------------------------------

# rest HEADERS, STATEMENT, MODE: what PostgREST sends for one request. Returns the rows, or the error's code.
my $rest = connection('authenticator');
sub rest
{
	my ($headers, $statement, $mode) = @_;
	my $result = eval {
		$rest->do('BEGIN ISOLATION LEVEL READ COMMITTED ' . ($mode // 'READ ONLY'));
		$rest->selectrow_array(q{SELECT set_config('search_path', 'app', true), set_config('role', 'web_user', true),
			set_config('request.jwt.claims', '{"role":"web_user"}', true), set_config('request.method', 'GET', true),
			set_config('request.path', '/note', true), set_config('request.headers', ?, true), set_config('request.cookies', '{}', true)},
			undef, $headers);
		$rest->selectrow_array('SELECT app.identify()');
		my $rows = $rest->selectcol_arrayref($statement);
		$rest->do('COMMIT');
		"@$rows";
	};
	return $result if defined $result;
	my $state = $rest->state;
	$rest->do('ROLLBACK');
	return $state;
}

my $count = 'SELECT count(*) FROM note';
is(rest('{}', $count), '0', 'no token: nothing');
is(rest(qq({"authorization":"Bearer $token{ana}"}), $count), '3', 'a bearer token: its rows');
is(rest('{}', $count), '0', 'the next request on the connection: nothing');
is(rest(qq({"x-access-token":"$token{bob}","accept":"*/*"}), $count), '5', 'the other header');
is(rest(qq({"authorization":"Bearer $token{ana}x"}), $count), 'PT401', 'a bad token: 401');
is(rest('{}', $count), '0', 'and nothing after it');
is( rest(qq({"authorization":"Bearer $token{ana}"}), q{INSERT INTO note (body) VALUES ('new') RETURNING owner}, 'READ WRITE'),
	$id{ana}, 'a row is the caller\'s');
is( rest(qq({"authorization":"Bearer $token{ana}"}), qq{INSERT INTO note (owner, body) VALUES ('$id{bob}', 'x') RETURNING owner}, 'READ WRITE'),
	'42501', 'never another\'s');
is(rest(qq({"authorization":"Bearer $token{bob}"}), qq{UPDATE note SET body = 'y' WHERE owner = '$id{ana}' RETURNING id}, 'READ WRITE'),
	'', 'nor are another\'s found');
is(rest('{"x-user":"ana"}', qq{SELECT set_config('request.jwt.claims', '{"userId":"$id{ana}"}', true) IS NULL FROM note}), '',
	'claims in a setting are nobody');
$s->sql("SELECT authmeter.revoke_user_tokens('$id{ana}')");
is(rest(qq({"authorization":"Bearer $token{ana}"}), $count), 'PT401', 'revoked: 401 from the commit on');
is( $s->sql("SELECT owner = '$id{ana}' AS ana, count(*) FROM app.note GROUP BY 1 ORDER BY 1"), "f|5\nt|4",
	'what was written');

$_->disconnect for $dbh, $rest;
done_testing();
