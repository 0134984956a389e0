# The last credit has one winner and a key one effect, with 64 connections at the same moment, round after
# round, with backends cancelled and terminated meanwhile; nothing deadlocks, and after each race the books
# verify (security: line 25).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Race;
use Authmeter::Service;
use Test::More;

use constant CLIENTS => 64;

my $s = Authmeter::Service->new('ledger', environment => 'development', start_shim => 0,
	conf => "fsync = off\nlog_min_messages = fatal");
my $race = Authmeter::Race->new($s->{node}, clients => CLIENTS);

sub sql
{
	return $race->sql($_[0]);
}

sub user
{
	my ($address) = @_;
	return sql("SELECT (authmeter.user_create('$address')).user_id");
}

sub grant
{
	my ($id, $amount, $terms) = @_;
	return sql("SELECT (authmeter.ledger_grant('$id', 'credit', $amount" . ($terms // '') . ')).transaction_id');
}

# books TALLY, PROBLEM: the problem if there is one; else what verify() finds, or ''.
sub books
{
	my ($tally, $problem) = @_;
	return Authmeter::Race::describe($tally) . " ($problem)" if $problem;
	return sql("SELECT coalesce(string_agg(invariant || ': ' || detail, '; '), '') FROM authmeter.ledger_verify()");
}

my ($plain, $dated, $debtor) = map { user("ledger-$_\@example.com") } 'a' .. 'c';

# ---- one winner ----------------------------------------------------------------------------------

sub last_credit
{
	my ($id) = @_;
	my $tally = $race->round(sub { "SELECT outcome || ' ' || balance FROM authmeter.ledger_spend('$id', 'credit', 1)" });
	return books($tally, $tally->{'ok 0'} != 1 || $tally->{'insufficient 0'} != CLIENTS - 1);
}

$race->check('of 64 spends of the last plain credit one wins', sub { grant($plain, 1); return last_credit($plain) });
$race->check('of 64 spends of the last credit of a dated grant one wins',
	sub { grant($dated, 1, ", expires_at => '2100-01-01'"); return last_credit($dated) });
$race->check('of 64 spends down to the credit limit one wins', sub {
	sql("SELECT authmeter.ledger_credit_limit_set('$debtor', 'credit', 1 - balance) FROM authmeter.ledger_balance('$debtor')");
	my $tally = $race->round(sub { "SELECT outcome FROM authmeter.ledger_spend('$debtor', 'credit', 1)" });
	return books($tally, $tally->{ok} != 1 || $tally->{insufficient} != CLIENTS - 1);
});

# ---- one effect ----------------------------------------------------------------------------------

$race->check('64 calls with one key: one effect, 64 equal answers, 63 of them replayed', sub {
	my ($number) = @_;
	grant($plain, 7);
	my $tally = $race->round(sub {
		"SELECT r::text FROM authmeter.ledger_spend('$plain', 'credit', 7, 'text', 'ref', 'one-$number') r" });
	my ($first) = grep { /^\(ok,[0-9a-f-]{36},7,0,0,0,\d+,f\)$/ } keys %$tally;
	return books($tally, 'no first answer') unless $first;
	my $again = $first =~ s/f\)$/t)/r;
	return books($tally, ($tally->{$first} != 1 || $tally->{$again} != CLIENTS - 1) && 'answers differ');
});
$race->check('a refusal is one answer too', sub {
	my ($number) = @_;
	my $tally = $race->round(sub {
		"SELECT r::text FROM authmeter.ledger_spend('$plain', 'credit', 7, NULL, NULL, 'no-$number') r" });
	my @replayed = grep { /^\(insufficient,.*,t\)$/ } keys %$tally;
	return books($tally, keys %$tally != 2 || $tally->{ $replayed[0] } != CLIENTS - 1);
});
$race->check('a key whose first callers are cancelled or terminated still has one effect', sub {
	my ($number) = @_;
	my $before = sql("SELECT balance FROM authmeter.ledger_balance('$plain')");
	my $call = sub { "SELECT outcome FROM authmeter.ledger_grant('$plain', 'credit', 5, idempotency_key => 'kill-$number')" };
	my $tally = $race->round($call, meanwhile =>
		$race->mischief($number % 2 ? 'pg_terminate_backend' : 'pg_cancel_backend', 16));
	my $retried = $race->round($call);
	my $after = sql("SELECT balance FROM authmeter.ledger_balance('$plain')");
	sql("SELECT authmeter.ledger_spend('$plain', 'credit', $after)");
	return books($retried, $after - $before != 5 || $retried->{ok} != CLIENTS);
});

# ---- once ----------------------------------------------------------------------------------------

$race->check('64 captures and voids of one hold: one resolves it', sub {
	grant($plain, 10);
	my $hold = sql("SELECT transaction_id FROM authmeter.ledger_hold('$plain', 'credit', 10)");
	my $tally = $race->round(sub {
		$_[0] % 2 ? "SELECT outcome FROM authmeter.ledger_capture('$hold', '$plain')"
			: "SELECT outcome FROM authmeter.ledger_void('$hold', '$plain')" });
	sql("SELECT authmeter.ledger_spend('$plain', 'credit', 10)");
	return books($tally, $tally->{ok} != 1 || $tally->{hold_resolved} != CLIENTS - 1);
});
$race->check('64 holds of credit for ten: ten are given', sub {
	grant($dated, 10, ", expires_at => '2100-01-01'");
	my $tally = $race->round(sub { "SELECT outcome FROM authmeter.ledger_hold('$dated', 'credit', 1)" });
	my $held = sql("SELECT held FROM authmeter.ledger_balance('$dated')");
	sql("SELECT count(authmeter.ledger_capture(h.id, a.user_id)) FROM authmeter.hold h
		JOIN authmeter.account a ON a.id = h.account_id WHERE a.user_id = '$dated' AND h.state = 'open'");
	return books($tally, $tally->{ok} != 10 || $tally->{insufficient} != CLIENTS - 10 || $held != 10);
});
$race->check('64 refunds of one spend: one is given', sub {
	grant($plain, 3);
	my $spent = sql("SELECT transaction_id FROM authmeter.ledger_spend('$plain', 'credit', 3)");
	my $tally = $race->round(sub { "SELECT outcome FROM authmeter.ledger_refund('$plain', '$spent')" });
	sql("SELECT authmeter.ledger_spend('$plain', 'credit', 3)");
	return books($tally, $tally->{ok} != 1 || $tally->{already_refunded} != CLIENTS - 1);
});

# ---- nothing deadlocks ---------------------------------------------------------------------------

$race->check('64 transfers around a ring: no deadlock, nothing lost', sub {
	my @ring = map { user("ring-$_[0]-$_\@example.com") } 0 .. 3;
	grant($_, 100) for @ring;
	my $tally = $race->round(sub {
		my ($from, $to) = ($ring[$_[0] % 4], $ring[($_[0] + 1 + $_[0] % 3) % 4]);
		"SELECT outcome FROM authmeter.ledger_transfer('$from', '$to', 'credit', 1)" });
	my $total = sql('SELECT sum(balance) FROM authmeter.account WHERE user_id IN (' . join(',', map {"'$_'"} @ring) . ')');
	return books($tally, $tally->{ok} != CLIENTS || $total != 400);
});
$race->check('64 batches in any order of accounts and keys: no deadlock, one effect a key', sub {
	my ($number) = @_;
	my @users = map { user("batch-$number-$_\@example.com") } 0 .. 7;
	grant($_, 10, $_ eq $users[0] ? ", expires_at => '2100-01-01'" : '') for @users;
	my $tally = $race->round(sub {
		my @order = sort { ($a->[1] * ($_[0] + 3)) % 17 <=> ($b->[1] * ($_[0] + 3)) % 17 } map { [ $users[$_], $_ + 1 ] } 0 .. 7;
		my $ids = join ',', map {"'$_->[0]'"} @order;
		"SELECT string_agg(DISTINCT outcome, ' ') FROM authmeter.ledger_spend_many(ARRAY[$ids]::uuid[],
			array_fill('credit'::text, ARRAY[8]), array_fill(4::bigint, ARRAY[8]), array_fill('batch-$number'::text, ARRAY[8]))" });
	my $left = sql('SELECT string_agg(DISTINCT balance::text, \' \') FROM authmeter.account WHERE user_id IN (' . join(',', map {"'$_'"} @users) . ')');
	return books($tally, $tally->{ok} != CLIENTS || $left ne '6');
});

done_testing();
