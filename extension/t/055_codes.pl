# What is good once has one winner, and what may be guessed is never evaluated more often than allowed:
# 64 connections at the same moment, round after round, with everything a caller or an operator can do
# meanwhile (security: lines 11 to 13). 050_guessing.pl has the server that is killed and the one
# without the library.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Race;
use Authmeter::Service;
use Test::More;

use constant {
	CLIENTS => 64,
	CODE_TRIES => 5,
	FACTOR_TRIES => 10,
};

my $s = Authmeter::Service->new('codes', environment => 'development', start_shim => 0,
	conf => "fsync = off\nlog_min_messages = fatal");
$s->sql(<<'SQL');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4'), authmeter.key_generate('race', 'HS256', false);
CREATE TABLE done (what text, version integer);

-- What an endpoint does with a code that it consumes when its operation has succeeded.
CREATE FUNCTION test_redeem(address text, code text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	verdict record := authmeter.otp_verify('race', address, code, consume => false);
BEGIN
	IF verdict.outcome = 'ok' THEN
		INSERT INTO done VALUES (address);
		ASSERT authmeter.otp_use('race', address);
	END IF;
	RETURN verdict.reason;
END
$$;
-- A password reset by a one-time token, and a password change by its owner.
CREATE FUNCTION test_reset(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found record := authmeter.one_time_token_check(token, 'race');
BEGIN
	IF found.outcome = 'ok' THEN
		ASSERT authmeter.one_time_token_use(token);
		IF found.user_id IS NOT NULL THEN
			PERFORM authmeter.user_password_set(found.user_id, 'battery staple');
		END IF;
		INSERT INTO done SELECT 'reset', (SELECT u.token_version FROM authmeter.user u WHERE u.id = found.user_id);
	END IF;
	RETURN found.outcome;
END
$$;
CREATE FUNCTION test_change(id uuid, address text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.user_password_set(id, 'correct horse');
	PERFORM authmeter.one_time_token_drop(address);
	PERFORM authmeter.otp_drop(address);
	INSERT INTO done SELECT 'change', u.token_version FROM authmeter.user u WHERE u.id = test_change.id;
	RETURN 'changed';
END
$$;
-- What a call saw although all it did is undone: inside, or with the whole statement.
CREATE FUNCTION test_undone(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text;
BEGIN
	EXECUTE call INTO seen;
	RAISE EXCEPTION 'undo';
EXCEPTION WHEN raise_exception THEN
	RETURN seen;
END
$$;
CREATE FUNCTION test_raised(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text;
BEGIN
	EXECUTE call INTO seen;
	RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = seen;
END
$$;
CREATE FUNCTION test_step() RETURNS bigint LANGUAGE sql AS $$ SELECT floor(extract(epoch FROM authmeter.clock()) / 30)::bigint $$;
CREATE FUNCTION test_code(steps integer) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.hotp('12345678901234567890', test_step() + steps) $$;
-- A user with an active factor whose secret is known.
CREATE FUNCTION test_factor(address text) RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO authmeter.totp (user_id, secret)
		SELECT u.user_id, authmeter.secret_seal('totp', u.user_id::text, 'secret', '12345678901234567890')
		FROM authmeter.user_create(address) u RETURNING user_id $$;
SQL
my $race = Authmeter::Race->new($s->{node}, clients => CLIENTS);

sub sql
{
	return $race->sql($_[0]);
}

# ---- one-time codes ------------------------------------------------------------------------------

# issue ADDRESS: a new code.
sub issue
{
	my ($address) = @_;
	sql("SELECT authmeter.otp_issue('race', '$address', rate => 'off')");
	return (mailed($address))[0];
}

# mailed ADDRESS: the codes of the mails to an address, which are taken away.
sub mailed
{
	my ($address) = @_;
	my $codes = $race->{control}->selectcol_arrayref(
		"SELECT authmeter.mail_params(id)->>'code' FROM authmeter.mail_outbox WHERE recipient = '$address' ORDER BY created_at");
	sql("DELETE FROM authmeter.mail_outbox");
	return @$codes;
}

sub other
{
	my ($code, $step) = @_;
	return sprintf '%06d', ($code + $step) % 1_000_000;
}

sub try_code
{
	my ($address, $code) = @_;
	return "SELECT reason FROM authmeter.otp_verify('race', '$address', '$code')";
}

# expect TALLY, COUNTS: each outcome as often as it says, and no error; the problem, or ''.
sub expect
{
	my ($tally, %count) = @_;
	for my $outcome (keys %count)
	{
		return Authmeter::Race::describe($tally) if ($tally->{$outcome} // 0) != $count{$outcome};
	}
	return (grep { /^(?:error|lost)/ } keys %$tally) ? Authmeter::Race::describe($tally) : '';
}

# The rest of the tries of a code, one after the other: all told so far and now are no more than allowed,
# and then the right code is dead.
sub budget_kept
{
	my ($address, $code, $tally) = @_;
	my $told = $tally->{wrong} // 0;

	for my $step (1 .. CODE_TRIES + 1)
	{
		$told++ if sql(try_code($address, other($code, 100 + $step))) eq 'wrong';
	}
	return "$told wrong codes were told, " . Authmeter::Race::describe($tally) if $told > CODE_TRIES;
	my $reason = sql(try_code($address, $code));
	return $reason eq 'spent' ? '' : "the right code is $reason, " . Authmeter::Race::describe($tally);
}

# Ways to take back what was done, by the number of the client.
my %taken_back = (
	begin => sub { ('BEGIN', 'BEGIN; SAVEPOINT s', 'BEGIN ISOLATION LEVEL SERIALIZABLE')[ $_[0] % 5 ] },
	end => sub { ('ROLLBACK', 'ROLLBACK TO s; COMMIT', 'ROLLBACK')[ $_[0] % 5 ] });

sub undone
{
	my ($i, $call) = @_;
	my $quoted = $race->{control}->quote($call);
	return ($call, $call, $call, "SELECT test_undone($quoted)", "SELECT test_raised($quoted)")[ $i % 5 ];
}

# How many clients a mischief met before they had their answer.
my %met;

$race->check('wrong codes: five are evaluated, then the right one is dead', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);
	my $tally = $race->round(sub { try_code($address, other($code, 1 + $_[0])) });

	return expect($tally, wrong => CODE_TRIES, spent => CLIENTS - CODE_TRIES) || budget_kept($address, $code, $tally);
});

$race->check('the right code: one succeeds', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);

	return expect($race->round(sub { try_code($address, $code) }), ok => 1);
});

$race->check('the right code, consumed after the operation: one operation', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);

	sql("SELECT (authmeter.user_create('$address')).outcome") if $_[0] % 2;
	return expect($race->round(sub { "SELECT test_redeem('$address', '$code')" }), ok => 1)
	  || (sql("SELECT count(*) FROM done WHERE what = '$address'") == 1 ? '' : 'not one operation');
});

$race->check('wrong codes, taken back in five ways: five are evaluated', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);
	my $tally = $race->round(sub { undone($_[0], try_code($address, other($code, 1 + $_[0]))) }, %taken_back);

	return expect($tally, wrong => CODE_TRIES, spent => CLIENTS - CODE_TRIES) || budget_kept($address, $code, $tally);
});

$race->check('the right code, taken back by all: told five times, then dead', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);
	my $tally = $race->round(sub { try_code($address, $code) }, begin => sub { 'BEGIN' }, end => sub { 'ROLLBACK' });

	return expect($tally, ok => CODE_TRIES, spent => CLIENTS - CODE_TRIES) || budget_kept($address, $code, $tally);
});

for my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	$race->check("wrong codes, $function meanwhile: no more than five are told", sub
	{
		my $address = "race-$_[0]\@example.com";
		my $code = issue($address);
		my $tally = $race->round(sub { try_code($address, other($code, 1 + $_[0])) },
			meanwhile => $race->mischief($function, CLIENTS / 4));

		$met{$function} += ($tally->{'error 57014'} // 0) + ($tally->{lost} // 0);
		return budget_kept($address, $code, $tally);
	});
	$race->check("the right code, $function meanwhile: no more than one operation", sub
	{
		my $address = "race-$_[0]\@example.com";
		my $code = issue($address);
		my $tally = $race->round(sub { "SELECT test_redeem('$address', '$code')" },
			meanwhile => $race->mischief($function, CLIENTS / 4));

		$met{$function} += ($tally->{'error 57014'} // 0) + ($tally->{lost} // 0);
		return ($tally->{ok} // 0) <= 1 && sql("SELECT count(*) FROM done WHERE what = '$address'") <= 1
		  ? ''
		  : Authmeter::Race::describe($tally);
	});
	note("$function met $met{$function} clients at work");
}

$race->check('a new code while 60 try the old one: one code is alive at a time', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);
	my $tally = $race->round(sub { $_[0] < 4 ? "SELECT authmeter.otp_issue('race', '$address', rate => 'off')" : try_code($address, $code) });
	my %last = map { $_ => 1 } mailed($address);
	my $after = sql(try_code($address, $code));
	my $good = grep { sql(try_code($address, $_)) eq 'ok' } keys %last;

	return expect($tally, issued => 4)
	  || (($tally->{ok} // 0) > 1 || ($tally->{wrong} // 0) > 5 * CODE_TRIES || $good > 1
		|| ($after eq 'ok' && !$last{$code}) ? "afterwards $after, $good good, " . Authmeter::Race::describe($tally) : '');
});

$race->check('three new codes at once, and two tries of the old one: the last one is good', sub
{
	my $address = "race-$_[0]\@example.com";
	my $code = issue($address);
	my $tally = $race->round(sub
	{
		return $_[0] < 3 ? "SELECT authmeter.otp_issue('race', '$address', rate => 'off')"
		  : $_[0] < 5 ? try_code($address, $code) : "SELECT 'idle'";
	});
	my %last = map { $_ => 1 } mailed($address);
	my $good = grep { sql(try_code($address, $_)) eq 'ok' } keys %last;

	return expect($tally, issued => 3) if expect($tally, issued => 3);
	return $last{$code} || $good == 1 ? '' : "$good good, " . Authmeter::Race::describe($tally);
});

# ---- one-time tokens -----------------------------------------------------------------------------

# token ROUND, USER: a token in another form each time.
sub token
{
	my ($number, $user) = @_;
	my $form = (qw(base64url hex jwt))[ $number % 3 ];
	sql('TRUNCATE done');
	return sql("SELECT authmeter.one_time_token_issue('race', 'reset', 'race-$number\@example.com', "
		  . ($user ? "'$user'" : 'NULL') . ", form => '$form')");
}

$race->check('a one-time token: one redeems it', sub
{
	my $token = token($_[0]);
	return expect($race->round(sub { "SELECT test_reset('$token')" }), ok => 1, used => CLIENTS - 1)
	  || (sql('SELECT count(*) FROM done') == 1 ? '' : 'not one operation');
});

$race->check('a one-time token, every second redemption taken back: one stays', sub
{
	my $token = token($_[0]);
	my $tally = $race->round(sub { "SELECT test_reset('$token')" },
		begin => sub { 'BEGIN' }, end => sub { $_[0] % 2 ? 'ROLLBACK' : 'COMMIT' });
	return expect($tally, unknown => 0) || (sql('SELECT count(*) FROM done') == 1 ? '' : 'not one operation');
});

$race->check('a one-time token, all taken back: it is still good', sub
{
	my $token = token($_[0]);
	my $tally = $race->round(sub { "SELECT test_reset('$token')" }, begin => sub { 'BEGIN' }, end => sub { 'ROLLBACK' });
	return expect($tally, ok => CLIENTS) || (sql("SELECT test_reset('$token')") eq 'ok' ? '' : 'not good any more');
});

for my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	$race->check("a one-time token, $function meanwhile: one redeems it", sub
	{
		my $token = token($_[0]);
		my $tally = $race->round(sub { "SELECT test_reset('$token')" }, meanwhile => $race->mischief($function, CLIENTS / 4));
		my $once_more = sql("SELECT test_reset('$token')");
		return sql('SELECT count(*) FROM done') == 1 ? '' : "once more $once_more, " . Authmeter::Race::describe($tally);
	});
}

$race->check('a password change while a reset token is redeemed: no reset after the change', sub
{
	my $address = "race-$_[0]\@example.com";
	my $user = sql("SELECT (authmeter.user_create('$address')).user_id");
	my $token = token($_[0], $user);
	my $tally = $race->round(sub { $_[0] % 32 == 7 ? "SELECT test_change('$user', '$address')" : "SELECT test_reset('$token')" });
	my $late = sql(q{SELECT count(*) FROM done WHERE what = 'reset'
		AND version > (SELECT min(version) FROM done WHERE what = 'change')});

	return expect($tally, changed => 2) if expect($tally, changed => 2);
	return $late == 0 && ($tally->{ok} // 0) <= 1 && sql("SELECT test_reset('$token')") ne 'ok'
	  ? '' : "$late late, " . Authmeter::Race::describe($tally);
});

# ---- pending registrations -----------------------------------------------------------------------

# pending ROUND, COUNT: ids of new registrations of one address.
sub pending
{
	my ($number, $count) = @_;
	return @{ $race->{control}->selectcol_arrayref(<<"SQL") };
INSERT INTO authmeter.registration (id, email, api, password_hash, name, created_at, expires_at)
SELECT gen_random_uuid(), 'race-$number\@example.com', 'race', 'none', n, now(), now() + '1 day' FROM generate_series(1, $count) n
RETURNING id
SQL
}

sub confirmed
{
	my ($number) = @_;
	my $state = sql("SELECT (SELECT count(*) FROM authmeter.user WHERE email = 'race-$number\@example.com') || ' ' "
		  . "|| (SELECT count(*) FROM authmeter.registration WHERE email = 'race-$number\@example.com')");
	return $state eq '1 0' ? '' : "users and registrations left: $state";
}

$race->check('a registration is confirmed by one', sub
{
	my ($id) = pending($_[0], 1);
	return expect($race->round(sub { "SELECT outcome FROM authmeter.registration_confirm('$id')" }),
		created => 1, not_found => CLIENTS - 1) || confirmed($_[0]);
});

$race->check('of several registrations of an address one is confirmed', sub
{
	my @id = pending($_[0], 8);
	return expect($race->round(sub { "SELECT outcome FROM authmeter.registration_confirm('$id[$_[0] % 8]')" }),
		created => 1, not_found => CLIENTS - 1) || confirmed($_[0]);
});

$race->check('registrations and a user of another API: one of them', sub
{
	my ($number) = @_;
	my @id = pending($number, 2);
	my $tally = $race->round(sub
	{
		return $_[0] % 2 ? "SELECT outcome FROM authmeter.registration_confirm('$id[$_[0] % 4 / 2]')"
		  : "SELECT outcome FROM authmeter.user_create('race-$number\@example.com')";
	});
	return expect($tally, created => 1)
	  || (sql("SELECT count(*) FROM authmeter.user WHERE email = 'race-$number\@example.com'") == 1 ? '' : 'not one user');
});

# ---- the second factor ---------------------------------------------------------------------------

sub factor
{
	my ($number) = @_;
	return sql("SELECT test_factor('race-$number\@example.com')");
}

sub try_factor
{
	my ($user, $code) = @_;
	return "SELECT reason FROM authmeter.totp_verify('$user', '$code')";
}

sub failures_left
{
	my ($user) = @_;
	return sql("SELECT remaining FROM authmeter.rate_peek('authmeter.two_factor_failures', '$user', '@{[FACTOR_TRIES]}/15m')");
}

# No digits, so it can never be right by chance.
sub wrong_factor
{
	return sprintf 'x%05d', $_[0];
}

$race->check('a code of the authenticator: one succeeds, and nobody has guessed', sub
{
	my $user = factor($_[0]);
	my $code = sql('SELECT test_code(0)');
	return expect($race->round(sub { try_factor($user, $code) }), totp => 1, replayed => CLIENTS - 1)
	  || (failures_left($user) == FACTOR_TRIES ? '' : 'a replay has counted');
});

$race->check('the codes of two time steps: none is good twice', sub
{
	my $user = factor($_[0]);
	my @code = (sql('SELECT test_code(0)'), sql('SELECT test_code(1)'));
	my $tally = $race->round(sub { try_factor($user, $code[$_[0] % 2]) });
	return ($tally->{totp} // 0) =~ /^[12]$/ && !$tally->{wrong} ? expect($tally) : Authmeter::Race::describe($tally);
});

$race->check('wrong codes of the authenticator: ten are told, then the right one is not', sub
{
	my $user = factor($_[0]);
	return expect($race->round(sub { try_factor($user, wrong_factor($_[0])) }),
		wrong => FACTOR_TRIES, rate_limited => CLIENTS - FACTOR_TRIES)
	  || (sql('SELECT ' . substr try_factor($user, sql('SELECT test_code(0)')), 7) eq 'rate_limited' ? '' : 'the right one is told');
});

$race->check('wrong codes of the authenticator, taken back in five ways: ten are told', sub
{
	my $user = factor($_[0]);
	return expect($race->round(sub { undone($_[0], try_factor($user, wrong_factor($_[0]))) }, %taken_back),
		wrong => FACTOR_TRIES, rate_limited => CLIENTS - FACTOR_TRIES)
	  || (failures_left($user) == 0 ? '' : 'a guess was given back');
});

$race->check('right and wrong codes of the authenticator: one succeeds at most, ten wrong ones are told', sub
{
	my $user = factor($_[0]);
	my $code = sql('SELECT test_code(0)');
	my $tally = $race->round(sub { try_factor($user, $_[0] % 2 ? $code : wrong_factor($_[0])) });
	return ($tally->{totp} // 0) <= 1 ? expect($tally, wrong => FACTOR_TRIES) : Authmeter::Race::describe($tally);
});

for my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	$race->check("wrong codes of the authenticator, $function meanwhile: no more than ten are told", sub
	{
		my $user = factor($_[0]);
		my $tally = $race->round(sub { try_factor($user, wrong_factor($_[0])) }, meanwhile => $race->mischief($function, CLIENTS / 4));
		my $told = $tally->{wrong} // 0;
		$told += sql(try_factor($user, 'xxxxxx')) eq 'wrong' for 0 .. FACTOR_TRIES;
		return $told <= FACTOR_TRIES ? '' : "$told are told, " . Authmeter::Race::describe($tally);
	});
}

$race->check('a recovery code: one succeeds', sub
{
	my $user = factor($_[0]);
	my $code = sql("SELECT (authmeter.totp_recovery_renew('$user'))[1]");
	return expect($race->round(sub { try_factor($user, $code) }), recovery => 1)
	  || (sql("SELECT authmeter.totp_recovery_left('$user')") == 9 ? '' : 'not one code used');
});

$race->check('ten recovery codes: each once', sub
{
	my $user = factor($_[0]);
	my @code = @{ $race->{control}->selectcol_arrayref("SELECT unnest(authmeter.totp_recovery_renew('$user'))") };
	return expect($race->round(sub { $_[0] < 20 ? try_factor($user, $code[$_[0] % 10]) : "SELECT 'idle'" }), recovery => 10, wrong => 10)
	  || (sql("SELECT authmeter.totp_recovery_left('$user')") == 0 ? '' : 'codes are left');
});

$race->check('an enrolment is confirmed by one, whose recovery codes are good', sub
{
	my $user = sql("SELECT user_id FROM authmeter.user_create('race-$_[0]\@example.com')");
	my $code;
	sql("SELECT secret FROM authmeter.totp_enroll('$user')");
	sql("UPDATE authmeter.totp SET pending = authmeter.secret_seal('totp', user_id::text, 'secret', '12345678901234567890') WHERE user_id = '$user'");
	$code = sql('SELECT test_code(0)');
	my $tally = $race->round(sub { "SELECT outcome || coalesce(' ' || recovery_codes[1], '') FROM authmeter.totp_confirm('$user', '$code')" });
	my @winner = map { /^ok (\S+)$/ ? $1 : () } keys %$tally;
	return expect($tally, refused => CLIENTS - 1) if @winner != 1 || expect($tally, refused => CLIENTS - 1);
	return sql(try_factor($user, $winner[0])) eq 'recovery' ? '' : 'the recovery code is not good';
});

done_testing();
