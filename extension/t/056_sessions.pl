# Sessions under 64 connections at once: one refresh token has one successor, an older one ends the
# session, one never issued changes nothing, and after a revocation nothing that is older works
# (security: lines 15 and 16). AUTHMETER_RACE_ROUNDS is how often each race is run.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Race;
use Authmeter::Service;
use Test::More;

use constant CLIENTS => 64;

my $s = Authmeter::Service->new('sessions', environment => 'development', start_shim => 0, conf => 'fsync = off');
my $race = Authmeter::Race->new($s->{node}, clients => CLIENTS);

$s->sql(<<'SQL');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4'), authmeter.setting_set('authmeter.login_failures', 'off');
SELECT authmeter.key_generate('race', 'HS256', false), authmeter.key_generate('race-refresh', 'HS256', false);
CREATE UNLOGGED TABLE tries (access text, refresh text);
-- What a call gave out is kept; what it said is returned.
CREATE FUNCTION tried(r authmeter.session_result) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO tries SELECT $1.access_token, $1.refresh_token WHERE $1.outcome = 'ok';
	RETURN $1.reason;
END $$;
CREATE FUNCTION login(email text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	l authmeter.login_result := authmeter.user_login(email, 'correct horse');
BEGIN
	RETURN CASE WHEN l.outcome = 'ok' THEN 'ok ' || tried(authmeter.session_start(l.user_id, 'race')) ELSE l.outcome END;
END $$;
-- What still works of all that was given out: access tokens, and refresh tokens that are current.
CREATE FUNCTION alive() RETURNS text LANGUAGE sql AS $$
	SELECT count(DISTINCT t.access) FILTER (WHERE a.outcome = 'ok') || ' ' || count(DISTINCT t.refresh) FILTER (WHERE c.outcome = 'ok')
	FROM tries t, authmeter.token_verify(t.access, 'race', 'access') a, authmeter.session_check(t.refresh, 'race') c $$;
SQL

# session USER, GENERATION: makes a session and refreshes it; returns its id and its tokens, oldest first.
sub session
{
	my ($user, $generation) = @_;
	my $started = $race->sql("SELECT session_id || ' ' || refresh_token FROM authmeter.session_start('$user', 'race')");
	my ($id, @tokens) = split ' ', $started;

	push @tokens, $race->sql("SELECT refresh_token FROM authmeter.session_refresh('$tokens[-1]', 'race')") for 2 .. $generation;
	$race->sql('TRUNCATE tries');
	return ($id, @tokens);
}

sub refresh
{
	my ($token, $options) = @_;
	return "SELECT tried(authmeter.session_refresh('$token', 'race'" . ($options ? ", $options" : '') . '))';
}

# now TALLY: how the calls ended, and what is alive afterwards.
sub now
{
	my ($tally) = @_;
	return Authmeter::Race::describe($tally) . '; alive ' . $race->sql('SELECT alive()');
}

# differs IS, MUST: what went wrong, for check.
sub differs
{
	my ($is, $must) = @_;
	return $is eq $must ? '' : "$is, not $must";
}

sub user
{
	my ($email) = @_;
	return $race->sql("SELECT (authmeter.user_create('$email', 'correct horse')).user_id");
}

my $user = user('race@example.com');

# ---- one successor (line 15) ---------------------------------------------------------------------

$race->check('one refresh token: one exchange, its successor for all',
	sub {
		my ($id, $token) = session($user, 1);
		my $now = now($race->round(sub { refresh($token) }));
		my $made = $race->sql('SELECT count(DISTINCT refresh) FROM tries')
		  . $race->sql("SELECT ' of generation ' || generation FROM authmeter.session WHERE id = '$id'");
		return differs("$now; $made", 'ok 1, replayed 63; alive 64 1; 1 of generation 2');
	});

my %strict = (
	'a tolerance: the session goes on' => [ "grace => '0', tolerance => '10 seconds'", 'ok 1, superseded 63; alive 1 1' ],
	'reuse only refused: the session goes on' => [ "grace => '0', reuse => 'refuse'", 'ok 1, reused 63; alive 1 1' ],
	'reuse closes: its access token goes on' => [ "grace => '0', reuse => 'close'", 'ok 1, reused 1, session_closed 62; alive 1 0' ],
	'reuse ends the session' => [ "grace => '0'", 'ok 1, reused 1, session_ended 62; alive 0 0' ]);
for my $name (sort keys %strict)
{
	my ($options, $must) = @{ $strict{$name} };
	$race->check("without a grace one wins; $name",
		sub {
			my ($id, $token) = session($user, 1);
			return differs(now($race->round(sub { refresh($token, $options) })), $must);
		});
}

$race->check('an older token ends the session, committed although every call is refused',
	sub {
		my ($id, $oldest) = session($user, 3);
		my $now = now($race->round(sub { refresh($oldest) }));
		$now .= $race->sql("SELECT '; ' || end_reason FROM authmeter.session WHERE id = '$id'");
		return differs($now, 'reused 1, session_ended 63; alive 0 0; reused');
	});

# A thief's old token against the owner's current one: whoever comes first, nothing is left.
$race->check('an older token among good ones ends the session',
	sub {
		my ($id, $oldest, $parent, $current) = session($user, 3);
		my $tally = $race->round(sub { refresh($_[0] % 2 ? $oldest : $current) });
		return differs($race->sql('SELECT alive()') . " $tally->{reused}", '0 0 1');
	});

# ---- never issued (line 16) ----------------------------------------------------------------------

# Signed with our own secret for the right session, and of an old generation as it says; but the jti is
# none that we made.
$race->check('tokens never issued change nothing, whatever their signature',
	sub {
		my ($id, @tokens) = session($user, 3);
		my $forged = $race->sql(
			q{SELECT authmeter.jwt_sign(claims || '{"jti":"AAEAAAAAAAEAAAAAAAAAAAAAAAAAAAAA"}', 'race-refresh') }
			  . "FROM authmeter.jwt_decode('$tokens[2]')");
		my $now = now($race->round(sub { refresh($_[0] == 40 ? $tokens[2] : $forged) }));
		return differs($now, 'invalid 63, ok 1; alive 1 1');
	});

# ---- revocation against refresh and login (line 16) ----------------------------------------------

my %revocation = (
	'a new password' => q{SELECT 'done' FROM authmeter.user_password_set('%2$s', 'another horse')},
	'deleting the user' => q{SELECT 'done' FROM authmeter.user_delete('%2$s')},
	'disabling the user' => q{SELECT 'done' FROM authmeter.user_disable('%2$s')},
	'ending all sessions' => q{SELECT 'done' FROM authmeter.session_end_all('%2$s')},
	'ending the session' => q{SELECT 'done' FROM authmeter.session_end('%2$s', '%1$s')},
	'proof of the mailbox' => q{SELECT 'done' || authmeter.user_email_prove('%2$s')::text},
	'revoking the tokens' => q{SELECT 'done' FROM authmeter.revoke_user_tokens('%2$s')});

# afterwards TALLY, ALLOWED: of the outcomes only these, the revocation once, and nothing alive.
sub afterwards
{
	my ($tally, $allowed) = @_;
	my @wrong = grep { !/^(?:done|$allowed)$/ } sort keys %$tally;
	my $alive = $race->sql('SELECT alive()');
	return @wrong || ($tally->{done} // 0) != 1 || $alive ne '0 0' ? now($tally) : '';
}

# Half of the callers have the current token, half its parent: exchanges and replays both meet it.
for my $way (sort keys %revocation)
{
	$race->check("$way against 63 refreshes: nothing works afterwards",
		sub {
			my ($round) = @_;
			my $id = user("refresh$round\@example.com");
			my ($session, $parent, $current) = session($id, 2);
			my $revoker = int rand CLIENTS;
			my $tally = $race->round(
				sub {
					my ($i) = @_;
					return sprintf $revocation{$way}, $session, $id if $i == $revoker;
					return refresh($i % 2 ? $parent : $current);
				});
			my $problem = afterwards($tally, 'ok|replayed|reused|session_ended|user_unknown|user_disabled');
			$race->sql("SELECT authmeter.user_delete('$id')");
			return $problem;
		});
}

for my $way ('a new password', 'deleting the user', 'disabling the user', 'revoking the tokens')
{
	$race->check("$way against 63 logins: nothing of before works afterwards",
		sub {
			my ($round) = @_;
			my $id = user("login$round\@example.com");
			my $revoker = int rand CLIENTS;
			$race->sql('TRUNCATE tries');
			my $tally = $race->round(
				sub { $_[0] == $revoker ? sprintf $revocation{$way}, $id, $id : "SELECT login('login$round\@example.com')" });
			# Whoever logs in after the tokens were revoked is not revoked.
			$race->sql(q{DELETE FROM tries t WHERE (SELECT d.claims ->> 'ver' FROM authmeter.jwt_decode(t.access) d)::integer }
				  . "= (SELECT token_version FROM authmeter.user_get('$id'))")
			  if $way eq 'revoking the tokens';
			my $problem = afterwards($tally, 'ok ok|ok user_unknown|refused');
			$race->sql("SELECT authmeter.user_delete('$id')");
			return $problem;
		});
}

# ---- one session a user --------------------------------------------------------------------------

$race->check('64 starts of a single session: one can be refreshed, the others\' access tokens live on',
	sub {
		my ($round) = @_;
		my $id = user("single$round\@example.com");
		$race->sql('TRUNCATE tries');
		my $now = now($race->round(sub { "SELECT tried(authmeter.session_start('$id', 'race', single => true))" }));
		$race->sql("SELECT authmeter.user_delete('$id')");
		return differs($now, 'ok 64; alive 64 1');
	});

done_testing();
