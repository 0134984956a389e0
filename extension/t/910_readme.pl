# The calls of README.md work as they are written there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Jobpsych;
use Authmeter::Service;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$Authmeter::Service::top/README.md");
my ($curl) = $readme =~ /<!-- check:curl -->\n```sh\n(.*?)```/s or die 'no curl calls in README.md';
my ($accounts) = $readme =~ /<!-- check:accounts -->\n```sh\n(.*?)```/s or die 'no calls of accounts in README.md';
my ($sql) = $readme =~ /<!-- check:sql -->\n```sql\n(.*?)```/s or die 'no SQL calls in README.md';

# ---- HTTP ----------------------------------------------------------------------------------------

my $s = Authmeter::Service->new('readme', environment => 'development');
$s->user('ana@example.com', 'demo-api-key');
$curl =~ s/127\.0\.0\.1:3000/127.0.0.1:$s->{port}/g;
my ($expected_token, $expected_usage) = $curl =~ /^# (\{.*\})$/mg;
my ($signup, $track) = split /^TOKEN=.*$/m, $curl;
my $reply = `$signup`;
$expected_token =~ s/\.\.\."/REST"/;
$expected_token = quotemeta $expected_token;
$expected_token =~ s/REST/[\\w.-]+/;
like($reply, qr/^$expected_token$/, 'curl /signup answers as shown');
my ($token) = $reply =~ /"sessionToken":"([^"]+)"/;
is(`TOKEN=$token\n$track`, $expected_usage, 'curl /trackUsage answers as shown');

my $j = Authmeter::Jobpsych->new('readme_accounts');
$accounts =~ s/127\.0\.0\.1:5000/127.0.0.1:$j->{port}/g;
my @shown = $accounts =~ /^# (.*)$/mg;
my @calls = grep { /\S/ } split /^# .*\n/m, $accounts;
is(scalar @calls, scalar @shown, 'each call of the accounts shows its answer');
for my $n (0 .. $#calls)
{
	my ($start, $whole) = ($shown[$n] =~ s/\.\.\.$//r, $shown[$n] !~ /\.\.\.$/);
	my $answer = `$calls[$n]`;
	is($whole ? $answer : substr($answer, 0, length $start), $start, "account call $n answers as shown");
}

# ---- SQL -----------------------------------------------------------------------------------------

my $node = $s->{node};
$node->safe_psql('postgres', 'CREATE DATABASE existing');
my ($code, $out, $err) = $node->psql('existing', $sql, extra_params => ['-q']);
is($code, 0, 'the SQL calls run') or diag $err;
like($out, qr/^created\|([\w-]{36})\nok\ncreated\nok\|3\|\{\}\nt\nok\n[\w-]+\|[\w-]+\n[\w.-]+\|ok\n\1$/, 'and answer as a reader expects');

# ---- what the README names exists ----------------------------------------------------------------

for my $path ($readme =~ /\]\(([^)#:]+)\)/g)
{
	ok(-e "$Authmeter::Service::top/$path", "link to $path");
}
my $help = `make -s -C $Authmeter::Service::top help`;
for my $target (sort keys %{ { map { $_ => 1 } $readme =~ /`make ([a-z]+)/g } })
{
	like($help, qr/^  make $target\b/m, "make $target is in make help");
}
done_testing();
