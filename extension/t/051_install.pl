# Whoever may create objects in the database beforehand gains nothing by CREATE EXTENSION: what is
# planted under our names makes it fail, what is planted where it looks is not found (security: line
# 20). Leaving and coming back in one session leaves no stale plan or copy behind.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Test::More;

my $s = Authmeter::Service->new('install', environment => 'development', start_shim => 0);
my $node = $s->{node};
my $database = 0;

# fresh SQL: a new database in which SQL was run, and mallory may create objects in schema crypto.
sub fresh
{
	my ($sql) = @_;
	my $name = 'install_' . ++$database;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE SCHEMA crypto; GRANT ALL ON SCHEMA crypto TO mallory; $sql");
	return $name;
}

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');

# PostgreSQL puts the schema of a required extension into the search_path of the script. The planted
# functions fit the arguments of our calls better than those of pg_catalog, which take anything.
my $db = fresh('CREATE EXTENSION pgcrypto SCHEMA crypto');
$node->safe_psql($db, <<'SQL', extra_params => [ '-U', 'mallory' ]);
CREATE FUNCTION crypto.jsonb_build_object(text, text, text, jsonb, text, jsonb) RETURNS jsonb
	LANGUAGE sql AS $$ SELECT '{"evil":1}'::jsonb $$;
CREATE FUNCTION crypto.jsonb_build_object(text, text) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"evil":1}'::jsonb $$;
CREATE FUNCTION crypto.format(text, json) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
CREATE FUNCTION crypto.format(text, json, json) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
CREATE FUNCTION crypto.to_json(text) RETURNS json LANGUAGE sql AS $$ SELECT '"evil"'::json $$;
CREATE FUNCTION crypto.is(text, name) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR crypto.= (FUNCTION = crypto.is, LEFTARG = text, RIGHTARG = name);
CREATE OPERATOR crypto.~ (FUNCTION = crypto.is, LEFTARG = text, RIGHTARG = name);
SQL
is($node->safe_psql($db, 'SET search_path = crypto; SELECT jsonb_build_object($$a$$::text, $$b$$::text)'),
	'{"evil": 1}', 'the planted function is the better fit where it is found');
$node->safe_psql($db, 'CREATE EXTENSION authmeter');
is($node->safe_psql($db, <<'SQL'), '', 'no function, default, check or view depends on a planted object');
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) || ' on ' || pg_describe_object(d.refclassid, d.refobjid, 0)
FROM pg_depend d JOIN pg_depend e ON e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e'
JOIN pg_extension x ON e.refobjid = x.oid AND x.extname = 'authmeter'
WHERE (d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'crypto'::regnamespace))
	OR (d.refclassid = 'pg_operator'::regclass AND d.refobjid IN (SELECT oid FROM pg_operator WHERE oprnamespace = 'crypto'::regnamespace))
SQL
unlike($node->safe_psql($db, q{SELECT authmeter_http.gateway_config('{vsplugin}'), authmeter_http.vsplugin_health('{}'),
	authmeter_http.vsplugin_root('{}'), authmeter_http.vsplugin_error(400, 'x')}), qr/evil/, 'nor calls one');

# Our names are taken: refused as a whole.
for my $planted (
	'CREATE SCHEMA authmeter AUTHORIZATION mallory', 'CREATE SCHEMA authmeter_http AUTHORIZATION mallory')
{
	$db = fresh($planted);
	my ($code, $out, $err) = $node->psql($db, 'CREATE EXTENSION authmeter CASCADE');
	like($err, qr/schema "authmeter(_http)?" already exists/, "refused after $planted");
	is($node->safe_psql($db, q{SELECT count(*) FROM pg_extension WHERE extname = 'authmeter'}), 0, 'nothing is installed');
}

# Only a superuser installs it, and nobody else updates or drops it.
$db = fresh('GRANT CREATE ON DATABASE install_' . ($database + 1) . ' TO mallory; CREATE EXTENSION pgcrypto');
for my $ddl ('CREATE EXTENSION authmeter', 'DROP EXTENSION authmeter', 'ALTER EXTENSION authmeter UPDATE')
{
	my ($code, $out, $err) = $node->psql($db, $ddl, extra_params => [ '-U', 'mallory' ]);
	like($err, qr/permission denied|must be owner/, "mallory: not $ddl");
	$node->safe_psql($db, 'CREATE EXTENSION IF NOT EXISTS authmeter');
}

# One session: used, dropped in a transaction that is rolled back, dropped, made again, used.
my $use = q{SELECT length(authmeter.key_generate('drop')), outcome FROM authmeter.user_create('drop@example.com');
SELECT u.outcome, u.value FROM authmeter.user_find('drop@example.com') f, authmeter.usage_add(f.user_id, 'vsplugin.prompt', 1) u;
SELECT (authmeter.jwt_verify(authmeter.jwt_sign('{}', 'drop', '1 hour'), 'drop')).outcome;
SELECT authmeter.otp_issue('drop', 'drop' || random() || '@example.com'), outcome FROM authmeter.otp_verify('drop', 'drop@example.com', '1');};
my $good = "22|created\nok|1\nok\nissued|refused";
$db = fresh('CREATE EXTENSION authmeter CASCADE');
is( $node->safe_psql($db,
		"$use BEGIN; DROP EXTENSION authmeter; ROLLBACK; SELECT (authmeter.jwt_verify('x', 'drop')).outcome; "
		  . "DROP EXTENSION authmeter; CREATE EXTENSION authmeter; $use"),
	"$good\nmalformed\n$good",
	'dropped and made again in one session');
my ($code, $out, $err) = $node->psql($db,
	"SELECT authmeter.setting_get('vsplugin.threshold'); BEGIN; DROP EXTENSION authmeter; SELECT authmeter.setting_get('vsplugin.threshold')");
like($err, qr/schema "authmeter" does not exist/, 'gone is gone');

done_testing();
