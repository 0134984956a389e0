# How long a refused login takes does not tell why (security: line 10). What is measured is the time
# that the backend's process spent on a processor, so that a busy machine blurs it less. The tolerance
# is wide enough for neighbours on the same core, and far from what a missing, doubled or cheaper hash
# would show; extension/bench/login_timing.sql measures by the clock, on a quiet machine within 2 %.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use DBI;
use Test::More;

use constant {
	ROUNDS => 9,
	COST => 11,
	TOLERANCE => 0.15,
};

plan skip_all => 'needs /proc/*/schedstat' unless -r "/proc/$$/schedstat";

my $s = Authmeter::Service->new('login_time', environment => 'development', start_shim => 0);
my $cost = COST;
$s->sql(<<"SQL");
SELECT authmeter.setting_set('authmeter.login_failures', 'off'), authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT authmeter.user_create('cheap\@example.com', 'correct horse');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '$cost');
SELECT authmeter.user_create('right\@example.com', 'correct horse'), authmeter.user_create('bare\@example.com');
SELECT authmeter.user_disable((authmeter.user_create('off\@example.com', 'correct horse')).user_id);
SELECT authmeter.quizzer_username_set(user_id, split_part(email, '\@', 1)) FROM authmeter.user_info;
SELECT authmeter.setting_set('quizzer.auth_limit', 'off');
SELECT authmeter.registration_start('pending\@example.com', 'correct horse', NULL, 'test');
SQL
my $node = $s->{node};
my $dbh = DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
	undef, undef, { RaiseError => 1, PrintError => 0 });
my $pid = $dbh->{pg_pid};

sub processor_ns
{
	open my $file, '<', "/proc/$pid/schedstat" or die "schedstat: $!";
	return (split ' ', <$file>)[0];
}

my %attempts = (
	'wrong password' => [ 'right@example.com', 'wrong horse' ],
	'unknown user' => [ 'nobody@example.com', 'correct horse' ],
	'no address' => [ 'nobody', 'correct horse' ],
	'no password set' => [ 'bare@example.com', 'correct horse' ],
	'disabled, right password' => [ 'off@example.com', 'correct horse' ],
	'wrong password, pending registration' => [ 'pending@example.com', 'wrong horse' ],
	'wrong password, cheaper hash' => [ 'cheap@example.com', 'wrong horse' ]);
my %by_name = (
	'by name, wrong password' => [ 'right', 'wrong horse' ],
	'by name, unknown' => [ 'nobody', 'correct horse' ],
	'by name, no password set' => [ 'bare', 'correct horse' ],
	'by name, disabled' => [ 'off', 'correct horse' ]);
%attempts = (%attempts, %by_name);
my $login = 'SELECT * FROM authmeter.user_login(?, ?)';
my $login_by_name = q{SELECT CASE status WHEN 401 THEN 'refused' END, body::jsonb#>>'{error,code}', headers->>'Retry-After'
	FROM authmeter_http.quizzer_login(jsonb_build_object('body', jsonb_build_object('username', ?::text, 'password', ?::text)))};
my (%least, %answer);

# One after the other in each round, so that a slow spell meets all of them; the least time counts,
# because disturbances only ever add.
for my $round (0 .. ROUNDS)
{
	for my $name ('one bcrypt', sort keys %attempts)
	{
		my $before = processor_ns();
		my $row = $attempts{$name}
		  ? $dbh->selectrow_arrayref($by_name{$name} ? $login_by_name : $login, undef, @{ $attempts{$name} })
		  : $dbh->selectrow_arrayref(q{SELECT length(authmeter.password_hash('correct horse'))});
		my $spent = processor_ns() - $before;
		next if $round == 0;
		$answer{$name}{ join '|', map { $_ // '' } @$row } = 1 if $attempts{$name};
		$least{$name} = $spent if !defined $least{$name} || $spent < $least{$name};
	}
}
for my $name (sort keys %attempts)
{
	my $part = $least{$name} / $least{'one bcrypt'};
	is(join(' ', keys %{ $answer{$name} }), 'refused||', "$name: the answer is refused and no more");
	cmp_ok(abs($part - 1), '<=', TOLERANCE, sprintf '%s: %.3f times one bcrypt', $name, $part);
}
$dbh->disconnect;
done_testing();
