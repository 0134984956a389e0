# Events signed by the official stripe package of npm are accepted, and what was tampered with is
# refused; whatever we accept, the package's own verification accepts, too.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Service;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use constant {
	STRIPE_VERSION => '23.1.0',
	SECRET => 'whsec_0123456789abcdefghijklmnopqrstuv',
	SECOND => 'whsec_zyxwvutsrqponmlkjihgfedcba98765',
	OTHER => 'whsec_of_somebody_else_entirely_00000',
	TOLERANCE_S => 300,
};

my $dir = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->utf8->canonical;

# command WORDS: whether it ran without failure; its output is thrown away.
sub command
{
	my (@words) = @_;
	my $output = '';
	return eval { IPC::Run::run(\@words, '<', \undef, '>', \$output, '2>&1') };
}

plan skip_all => 'node and npm are not installed' unless command('node', '--version') && command('npm', '--version');
plan skip_all => 'npm could not install stripe ' . STRIPE_VERSION
  unless command('npm', '--prefix', $dir, '--cache', "$dir/cache", 'install', '--silent', '--no-audit', '--no-fund',
	'--no-package-lock', '--ignore-scripts', 'stripe@' . STRIPE_VERSION);

# Reads a list of orders: sign gives the package's header, verify its verdict on one.
PostgreSQL::Test::Utils::append_to_file("$dir/stripe.js", <<'JS');
const { webhooks } = new (require('stripe'))('sk_test_never_used');
const orders = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const answers = orders.map(o => {
  if (o.order === 'sign') {
    return webhooks.generateTestHeaderString({
      payload: o.payload, secret: o.secret, timestamp: o.timestamp, scheme: o.scheme });
  }
  try {
    return webhooks.constructEvent(o.payload, o.header, o.secret, o.tolerance).id;
  } catch (e) {
    return e.type || e.name;
  }
});
console.log(JSON.stringify(answers));
JS

sub stripe
{
	my (@orders) = @_;
	my ($input, $output) = ($json->encode(\@orders), '');
	IPC::Run::run(['node', "$dir/stripe.js"], '<', \$input, '>', \$output) or die 'node failed';
	return @{ $json->decode($output) };
}

sub signed
{
	my (%order) = @_;
	return (stripe({ order => 'sign', secret => SECRET, timestamp => time, %order }))[0];
}

my $s = Authmeter::Service->new('stripe', start_shim => 0);
$s->sql("SELECT authmeter.payment_secret_add('shop', 'stripe', '" . SECRET . "')");

sub ours
{
	my ($payload, $header) = @_;
	utf8::encode($payload);
	my $body = unpack 'H*', $payload;
	$header =~ s/'/''/g;
	return $s->sql("SELECT outcome FROM authmeter.payment_event_verify('shop', 'stripe', '\\x$body', '$header')");
}

my $payload = $json->canonical->encode({ id => 'evt_1', object => 'event', type => 'payment_intent.succeeded',
	data => { object => { id => 'pi_1', amount => 4500, description => "f\x{fc}r 10 \x{20ac}, \"quoted\"" } } });
utf8::decode($payload);
my $header = signed(payload => $payload);
my $now = time;

# NAME, PAYLOAD, HEADER, OUTCOME
my @cases = (
	['as it was signed', $payload, $header, 'ok'],
	['pretty printed', "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\"\n}\n", undef, 'ok'],
	['almost too old', $payload, signed(payload => $payload, timestamp => $now - TOLERANCE_S + 30), 'ok'],
	['beside another scheme', $payload, 'v0=1234,' . $header, 'ok'],
	['beside a signature of a secret we lack', $payload, "$header," . (split /,/, signed(payload => $payload, secret => OTHER))[1], 'ok'],
	['amount raised', $payload =~ s/4500/9500/r, $header, 'signature_invalid'],
	['a blank more', "$payload ", $header, 'signature_invalid'],
	['parsed and written again', $payload =~ s/":/": /gr, $header, 'signature_invalid'],
	['time moved', $payload, $header =~ s/t=(\d+)/'t=' . ($1 + 1)/er, 'signature_invalid'],
	['signature altered', $payload, $header =~ s/(.)$/$1 eq '0' ? '1' : '0'/er, 'signature_invalid'],
	['signature cut', $payload, substr($header, 0, -2), 'malformed'],
	['secret of another', $payload, signed(payload => $payload, secret => OTHER), 'signature_invalid'],
	['scheme of test mode', $payload, signed(payload => $payload, scheme => 'v0'), 'malformed'],
	['too old', $payload, signed(payload => $payload, timestamp => $now - TOLERANCE_S - 30), 'expired'],
	['of the far future', $payload, signed(payload => $payload, timestamp => $now + TOLERANCE_S + 60), 'not_yet_valid'],
	['no time', $payload, $header =~ s/t=\d+,//r, 'malformed'],
	['nothing', $payload, 'x', 'malformed'],
);
$cases[1][2] = signed(payload => $cases[1][1]);

my @theirs = stripe(map { { order => 'verify', payload => $_->[1], header => $_->[2], secret => SECRET, tolerance => TOLERANCE_S } } @cases);
for my $case (@cases)
{
	my ($name, $body, $head, $outcome) = @$case;
	my $their = shift @theirs;
	is(ours($body, $head), $outcome, $name);
	is($their, 'evt_1', "$name: for the package, too") if $outcome eq 'ok';
	is($their, 'StripeSignatureVerificationError', "$name: for the package, too")
	  if $outcome =~ /^(?:signature_invalid|expired)$/;
}

# While a secret is being replaced Stripe signs with both; and each of them alone is good.
my $id = $s->sql("SELECT authmeter.payment_secret_add('shop', 'stripe', '" . SECOND . "')");
my $second = signed(payload => $payload, secret => SECOND);
is(ours($payload, $second), 'ok', 'the new secret is good beside the old one');
is(ours($payload, $header), 'ok', 'the old one is still good');
is(ours($payload, "$header," . (split /,/, signed(payload => $payload, secret => SECOND, timestamp => $header =~ /t=(\d+)/))[1]), 'ok', 'both in one header');
$s->sql("SELECT authmeter.payment_secret_drop('shop', 'stripe', '$id')");
is(ours($payload, $second), 'signature_invalid', 'a dropped secret is good no longer');

done_testing();
