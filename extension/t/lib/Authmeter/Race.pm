# Authmeter::Race: many connections that do something at the same moment.
#
#   my $race = Authmeter::Race->new($node, clients => 64);
#   my $tally = $race->round(sub { "SELECT outcome FROM f('x')" });     # { ok => 1, refused => 63 }
#   $race->check('name', sub { ...one round...; return $problem or '' });
#
# In each round every connection waits at a gate (an advisory lock held by the controller); when all of
# them have arrived it opens. A call is one SELECT that returns one text. What a call raises is counted
# as "error SQLSTATE", but for SQLSTATE ZZ001, whose message counts as the outcome: so a function can
# tell what it saw and be rolled back. A connection that was terminated counts as "lost" and is made
# anew before the next round.
#
# AUTHMETER_RACE_ROUNDS says how many rounds check() runs, 2 by default.
package Authmeter::Race;

use strict;
use warnings;

use DBD::Pg qw(:async);
use DBI;
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);

use constant {
	GATE_CLASS => 7,
	TIMEOUT_S => 60,
	PROBLEMS_SHOWN => 5,
};

our $rounds = $ENV{AUTHMETER_RACE_ROUNDS} // 2;

sub new
{
	my ($class, $node, %option) = @_;
	my $self = bless { clients => 64, %option, gate => 0, dbh => [], victims => [] }, $class;

	$self->{dsn} = 'dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port;
	$self->{control} = $self->_connect;
	my $gate = GATE_CLASS;
	# The statement that is raced comes after the gate, with a snapshot of its own.
	$self->{control}->do(<<"SQL");
CREATE FUNCTION race_run(gate integer, call text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	result text;
BEGIN
	PERFORM pg_advisory_lock_shared($gate, gate);
	PERFORM pg_advisory_unlock_shared($gate, gate);
	EXECUTE call INTO result;
	RETURN result;
END
\$\$
SQL
	return $self;
}

sub _connect
{
	my ($self) = @_;
	return DBI->connect($self->{dsn}, undef, undef, { RaiseError => 1, PrintError => 0, PrintWarn => 0 });
}

# sql TEXT: the first column of the first row of a SELECT, by the controller; anything else is done.
sub sql
{
	my ($self, $text) = @_;
	return $self->{control}->do($text) if $text !~ /^\s*SELECT/;
	return ($self->{control}->selectrow_array($text))[0];
}

# mischief FUNCTION, COUNT: something to do meanwhile: that many clients meet pg_cancel_backend or
# pg_terminate_backend. Terminated ones get new connections afterwards, wherever it met them.
sub mischief
{
	my ($self, $function, $count) = @_;
	return sub
	{
		my @left = 0 .. $self->{clients} - 1;
		my @victims = map { splice @left, rand @left, 1 } 1 .. $count;
		my $pids = join ',', map { $self->{dbh}[$_]{pg_pid} } @victims;
		push @{ $self->{victims} }, @victims if $function eq 'pg_terminate_backend';
		return $self->sql("SELECT count($function(p)) FROM unnest('{$pids}'::integer[]) p");
	};
}

sub _bury
{
	my ($self, $i) = @_;
	eval { $self->{dbh}[$i]->disconnect } if $self->{dbh}[$i];
	$self->{dbh}[$i] = undef;
	return;
}

sub _send
{
	my ($self, $i, $sql, $begin) = @_;
	my $dbh = $self->{dbh}[$i] //= $self->_connect;

	$dbh->do($begin) if $begin;
	my $statement = $dbh->prepare('SELECT race_run(?, ?)', { pg_async => PG_ASYNC, pg_server_prepare => 0 });
	$statement->execute($self->{gate}, $sql);
	return $statement;
}

sub _open_gate
{
	my ($self) = @_;
	my $arrived = 'SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND NOT granted AND classid = '
	  . GATE_CLASS . " AND objid = $self->{gate}";
	my $end = time + TIMEOUT_S;

	while ($self->sql($arrived) < $self->{clients})
	{
		die 'not all clients came to the gate' if time > $end;
		sleep 0.001;
	}
	$self->{control}->do("SELECT pg_advisory_unlock(@{[GATE_CLASS]}, $self->{gate})");
	return;
}

# The outcome of a client whose answer is there.
sub _collect
{
	my ($self, $i, $statement, $end) = @_;
	my $dbh = $self->{dbh}[$i];
	my $outcome = eval { $dbh->pg_result; ($statement->fetchrow_array)[0] // 'null' };

	if (!defined $outcome)
	{
		my ($state, $message) = ($dbh->state, $dbh->errstr // '');
		$outcome = $state eq 'ZZ001' ? $message =~ s/^ERROR:\s+(\S+).*/$1/sr : "error $state";
		$outcome = 'lost' if $state =~ /^(?:57P01|08|S8006)/ || !$dbh->ping;
	}
	$statement->finish;
	if ($outcome ne 'lost' && $end && !eval { $dbh->do($end); 1 })
	{
		$outcome = 'lost' if !$dbh->ping;
	}
	$self->_bury($i) if $outcome eq 'lost';
	return $outcome;
}

# round CALL, OPTIONS: CALL gets the number of a client and returns the SELECT that it runs. begin and
# end get it too and return what is run before the gate and after the answer; meanwhile is called
# right after the gate has opened. Returns the tally of outcomes.
sub round
{
	my ($self, $call, %option) = @_;
	my (%pending, %statement, %tally);

	$self->{gate}++;
	$self->{control}->do("SELECT pg_advisory_lock(@{[GATE_CLASS]}, $self->{gate})");
	for my $i (0 .. $self->{clients} - 1)
	{
		$statement{$i} = $self->_send($i, $call->($i), $option{begin} ? $option{begin}->($i) : undef);
		$pending{ $self->{dbh}[$i]{pg_socket} } = $i;
	}
	$self->_open_gate;
	$option{meanwhile}->() if $option{meanwhile};

	my $select = IO::Select->new(keys %pending);
	while (%pending)
	{
		my @ready = $select->can_read(TIMEOUT_S) or die 'clients do not answer';
		for my $socket (@ready)
		{
			my $i = $pending{$socket};
			my $ready = eval { $self->{dbh}[$i]->pg_ready };
			next if defined $ready && !$ready;
			delete $pending{$socket};
			$select->remove($socket);
			$tally{ $self->_collect($i, $statement{$i}, $option{end} ? $option{end}->($i) : undef) }++;
		}
	}
	$self->_bury($_) for splice @{ $self->{victims} };
	return \%tally;
}

# describe TALLY: "ok 1, refused 63".
sub describe
{
	my ($tally) = @_;
	return join ', ', map { "$_ $tally->{$_}" } sort keys %$tally;
}

# check NAME, CODE: all rounds; CODE gets the number of the round (from 1 on, never the same twice) and
# returns what went wrong, or ''. One result of the test.
sub check
{
	my ($self, $name, $code) = @_;
	my @problems;
	my $start = time;

	for my $number (1 .. $rounds)
	{
		my $problem = $code->(++$self->{number});
		push @problems, "round $number: $problem" if $problem ne '';
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar @problems, 0, sprintf '%s (%d rounds)', $name, $rounds);
	diag($_) for grep { defined } @problems[ 0 .. PROBLEMS_SHOWN - 1 ];
	note(sprintf '%s: %.1f ms a round', $name, 1000 * (time - $start) / $rounds);
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	# The controller first: it may hold the gate.
	eval { $_->disconnect } for grep { defined } $self->{control}, @{ $self->{dbh} };
	return;
}

1;
