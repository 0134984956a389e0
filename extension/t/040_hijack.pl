# A caller's search_path, temporary objects and settings change nothing, and no role reaches what it
# was not granted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use Test::More;

my $s = Authmeter::Service->new('hijack', environment => 'development', start_shim => 0);
my $node = $s->{node};
my $id = $s->user('ana@example.com', 'sk-ana');
my $token = $s->sql("SELECT authmeter.token_issue('$id', 'vsplugin', 'access', lifetime => '1 hour')");

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE service LOGIN;
CREATE ROLE gateway LOGIN;
CREATE ROLE reader LOGIN;
CREATE ROLE nobody LOGIN;
SELECT authmeter.grant_access('service', 'service');
SELECT authmeter.grant_access('gateway', 'gateway');
SELECT authmeter.grant_access('reader', 'reader');
GRANT CREATE, TEMP ON DATABASE postgres TO service, gateway;
SQL

# What a caller plants: operators, functions and tables under the names that our statements use.
my $plant = <<'SQL';
CREATE SCHEMA evil_$role;
SET search_path = evil_$role, pg_catalog, pg_temp;
CREATE FUNCTION evil_$role.always(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR evil_$role.= (FUNCTION = evil_$role.always, LEFTARG = uuid, RIGHTARG = uuid);
CREATE FUNCTION evil_$role.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR evil_$role.= (FUNCTION = evil_$role.always, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil_$role.<> (FUNCTION = evil_$role.always, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION evil_$role.octet_length(text) RETURNS int LANGUAGE sql AS 'SELECT 0';
CREATE FUNCTION evil_$role.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01Z'::timestamptz $$;
CREATE FUNCTION evil_$role.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
CREATE FUNCTION evil_$role.crypt(text, text) RETURNS text LANGUAGE sql AS $$ SELECT $2 $$;
CREATE TEMP TABLE "user" (id uuid, email text);
CREATE TEMP TABLE usage_counter (user_id uuid, meter_id int, value bigint);
CREATE TEMP TABLE signing_key (kid text);
CREATE TEMP TABLE setting (name text, value text);
SQL

sub as
{
	my ($role, $sql) = @_;
	(my $planted = $plant) =~ s/\$role/$role/g;
	$planted =~ s/CREATE SCHEMA evil_$role/CREATE SCHEMA IF NOT EXISTS evil_$role/;
	$planted =~ s/CREATE FUNCTION/CREATE OR REPLACE FUNCTION/g;
	$planted =~ s/(CREATE OPERATOR (\S+)\.(\S+) \(FUNCTION = \S+, LEFTARG = (\w+), RIGHTARG = \w+\))/DROP OPERATOR IF EXISTS $2.$3 ($4, $4); $1/g;
	my ($code, $out, $err) = $node->psql('postgres', "SET client_min_messages = error; $planted; $sql", extra_params => [ '-U', $role, '-q' ]);
	return $code == 0 ? $out : "ERROR $err";
}

# The planting itself works, or the test would prove nothing.
is(as('service', "SELECT 'a' = 'b', lower('X')"), 't|evil', 'the planted objects are found first by the caller');
is(as('service', "SELECT outcome, value FROM authmeter.usage_add('$id', 'vsplugin.prompt', 1)"), 'ok|1', 'usage_add');
is(as('service', "SELECT outcome FROM authmeter.usage_add('018f0000-0000-7000-8000-000000000000', 'vsplugin.prompt', 1)"),
	'user_unknown', 'usage_add: another user is another user');
is(as('service', "SELECT outcome FROM authmeter.token_verify('$token', 'vsplugin', 'access')"), 'ok', 'token_verify');
is(as('service', "SELECT outcome FROM authmeter.token_verify('$token', 'vsplugin', 'verify')"), 'invalid', 'token_verify: use');
is(as('service', "SELECT outcome FROM authmeter.user_login('ana\@example.com', 'anything at all')"), 'refused', 'user_login');
like(as('gateway', qq(SELECT status, body FROM authmeter_http.vsplugin_signup('{"body":{"email":"no\@example.com"}}'))),
	qr/^404\|/, 'signup');
like(as('gateway', qq(SELECT status FROM authmeter_http.vsplugin_track_usage('{"bearer":"$token","body":{"usage":1}}'))),
	qr/^200/, 'trackUsage');
is($s->sql("SELECT prompt_count FROM authmeter.vsplugin_users"), 2, 'both increments, and no other, arrived');

# Tables and functions are closed to everybody who was not granted them.
my @tables = split /\n/, $s->sql(<<'SQL');
SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
SQL
cmp_ok(scalar @tables, '>', 10, 'there are tables');
for my $role (qw(service gateway reader nobody))
{
	my @open = grep { as($role, "SELECT count(*) FROM $_") !~ /permission denied/ } @tables;
	is("@open", '', "$role reads no table");
}
my @functions = split /\n/, $s->sql(<<'SQL');
SELECT p.oid FROM pg_proc p WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
SQL
is($s->sql("SELECT count(*) FROM unnest(ARRAY[@{[join ',', @functions]}]::oid[]) f WHERE has_function_privilege('nobody', f, 'EXECUTE')"),
	0, 'nobody executes nothing');
for my $call (
	"authmeter.key_list()", "authmeter.setting_set('vsplugin.threshold', '1')", "authmeter.user_delete('$id')",
	"authmeter.revoke_user_tokens('$id')", "authmeter.create_service_token('x', ARRAY['vsplugin:signup'], '1 hour')")
{
	like(as('gateway', "SELECT $call"), qr/permission denied/, "gateway: not $call");
}
like(as('service', "SELECT authmeter_http.vsplugin_signup('{}')"), qr/permission denied/, 'service: no endpoint');
like(as('reader', "SELECT authmeter.usage_add('$id', 'vsplugin.prompt', 1)"), qr/permission denied/, 'reader: writes nothing');
like(as('service', "SET authmeter.clock_offset_s = 5"), qr/permission denied/, 'nobody but a superuser moves the clock');
like(as('service', "SELECT set_config('authmeter.clock_offset_s', '5', false)"), qr/permission denied/, 'by no way');

done_testing();
