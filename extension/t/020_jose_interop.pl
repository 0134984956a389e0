# Tokens travel: what authmeter signs verifies with other JOSE libraries that have the key, and the
# reverse, for each algorithm. Two independent implementations: Perl's Crypt::JWT and the jose program.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

eval { require Crypt::JWT; Crypt::JWT->VERSION('0.030'); 1 }
  or plan skip_all => 'Crypt::JWT (libcrypt-jwt-perl) is not installed';

my $node = PostgreSQL::Test::Cluster->new('jose');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->canonical->utf8;

sub write_file
{
	my ($name, $content) = @_;
	open my $out, '>', "$dir/$name" or die "$dir/$name: $!";
	print $out $content;
	close $out or die "$dir/$name: $!";
	chmod 0600, "$dir/$name" or die $!;
	return "$dir/$name";
}

my $key_file = write_file('master.key', '1 ' . join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
$node->init;
$node->append_conf('postgresql.conf', "authmeter.master_key_file = '$key_file'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION authmeter CASCADE');

sub sql
{
	my ($text) = @_;
	return $node->safe_psql('postgres', $text);
}

sub literal
{
	my ($text) = @_;
	return q{'} . ($text =~ s/'/''/gr) . q{'};
}

my %claims = (sub => "user \x{fc} \x{1f600}", n => 12.5, list => [1, undef, { a => 'b' }], exp => time + 3600, iat => time);
my $claims_sql = literal($json->encode(\%claims));

# ours_with_perl RING, ALG, KEY: a token of the ring, read by Crypt::JWT with that key.
sub ours_with_perl
{
	my ($ring, $alg, $key) = @_;
	my $token = sql("SELECT authmeter.jwt_sign($claims_sql, '$ring')");
	my ($header, $seen) = Crypt::JWT::decode_jwt(token => $token, key => $key, accepted_alg => $alg, decode_header => 1, verify_exp => 1);
	is_deeply($seen, \%claims, "$ring: Crypt::JWT reads our token");
	is($header->{alg}, $alg, "$ring: with the algorithm");
	substr($token, -3, 1) = substr($token, -3, 1) eq 'A' ? 'B' : 'A';
	ok(!eval { Crypt::JWT::decode_jwt(token => $token, key => $key, accepted_alg => $alg); 1 }, "$ring: and refuses it altered");
	return;
}

sub theirs_with_perl
{
	my ($ring, $alg, $key, %extra) = @_;
	my $token = Crypt::JWT::encode_jwt(payload => \%claims, key => $key, alg => $alg, extra_headers => { typ => 'JWT', %extra });
	is( sql("SELECT outcome, claims = ${claims_sql}::jsonb FROM authmeter.jwt_verify('$token', '$ring')"),
		'ok|t', "$ring: we read a token of Crypt::JWT");
	return;
}

# jose INPUT, ARGUMENTS: output of the program, undef when it failed.
sub jose
{
	my ($input, @arguments) = @_;
	my $output = '';
	my $ok = IPC::Run::run(['jose', @arguments], '<', \$input, '>', \$output, '2>', '/dev/null');
	return $ok ? $output : undef;
}

sub with_jose
{
	my ($ring, $private, $public) = @_;
	my $token = sql("SELECT authmeter.jwt_sign($claims_sql, '$ring')");
	my $key = write_file("$ring.pub.jwk", $json->encode($public));
	my $seen = jose($token, 'jws', 'ver', '-i-', '-k', $key, '-O-');
	ok(defined $seen, "$ring: jose verifies our token") and is_deeply($json->decode($seen), $json->decode($json->encode(\%claims)), "$ring: and reads the claims");
	return unless $private;
	$key = write_file("$ring.jwk", $json->encode($private));
	$token = jose($json->encode(\%claims), 'jws', 'sig', '-I-', '-c', '-k', $key, '-s', '{"protected":{"alg":"' . $private->{alg} . '","typ":"JWT"}}');
	chomp $token;
	is( sql("SELECT outcome, claims = ${claims_sql}::jsonb FROM authmeter.jwt_verify('$token', '$ring')"),
		'ok|t', "$ring: we read a token of jose");
	return;
}

my $have_jose = grep { -x "$_/jose" } split /:/, $ENV{PATH};
note('the jose program is not installed') unless $have_jose;

# A secret that services share, as text and as bytes.
my $secret = 'Shared between services: 9fK2mQ7xT4vB8nL5';
sql("SELECT authmeter.key_import('shared', " . literal($secret) . ')');
ours_with_perl('shared', 'HS256', $secret);
theirs_with_perl('shared', 'HS256', $secret);
if ($have_jose)
{
	my $k = sql('SELECT translate(encode(' . literal($secret) . q{::bytea, 'base64'), E'+/=\n', '-_')});
	my $jwk = { kty => 'oct', alg => 'HS256', k => $k };
	with_jose('shared', $jwk, $jwk);
}

# Keys of others, private: PEM and JWK; keys of ours, public: from the JWK set.
my %made = (
	RS256 => [qw(genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048)],
	ES256 => [qw(genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)],
	EdDSA => [qw(genpkey -algorithm ED25519)]);
for my $alg (sort keys %made)
{
	my $ring = lc $alg;
	my ($pem, $ignored) = run_command(['openssl', @{ $made{$alg} }]);
	my $kid = sql("SELECT authmeter.key_import('$ring', " . literal($pem) . ", '$alg')");
	my $public = $json->decode(sql("SELECT authmeter.jwks('$ring')"))->{keys}[0];
	is($public->{kid}, $kid, "$alg: the key is published");
	ours_with_perl($ring, $alg, $public);
	theirs_with_perl($ring, $alg, \$pem);
	theirs_with_perl($ring, $alg, \$pem, kid => $kid);

	my $own = $ring . '-own';
	sql("SELECT authmeter.key_generate('$own', '$alg')");
	my $set = $json->decode(sql("SELECT authmeter.jwks('$own')"));
	ours_with_perl($own, $alg, $set->{keys}[0]);
	with_jose($own, undef, $set->{keys}[0]) if $have_jose && $alg ne 'EdDSA';
	is(sql("SELECT (authmeter.jwt_verify(authmeter.jwt_sign($claims_sql, '$own'), '$ring')).outcome"), 'key_unknown', "$alg: rings are apart");
}

# A key pair that jose made, and its thumbprint against ours.
for my $alg ($have_jose ? qw(RS256 ES256) : ())
{
	my $private = $json->decode(jose('', 'jwk', 'gen', '-i', qq({"alg":"$alg"})));
	delete $private->{key_ops};
	my $ring = lc "jose-$alg";
	my $kid = sql("SELECT authmeter.key_import('$ring', " . literal($json->encode($private)) . ", '$alg')");
	my $thumbprint = jose($json->encode($private), 'jwk', 'thp', '-i-', '-a', 'S256');
	is($kid, $thumbprint =~ s/\s+//gr, "$alg: the thumbprint (RFC 7638) is that of jose");
	with_jose($ring, $private, $json->decode(sql("SELECT authmeter.jwks('$ring')"))->{keys}[0]);
}

# Tokens of another algorithm or of no algorithm, as the library makes them.
my $refused = sub {
	my ($token, $ring) = @_;
	return sql("SELECT (authmeter.jwt_verify('$token', '$ring')).outcome");
};
is($refused->(Crypt::JWT::encode_jwt(payload => \%claims, key => $secret, alg => $_), 'shared'), 'algorithm_refused', "$_ with our secret")
  for qw(HS384 HS512);
like($refused->(Crypt::JWT::encode_jwt(payload => \%claims, alg => 'none', allow_none => 1), 'shared'), qr/malformed|algorithm_refused/, 'none');
is($refused->(Crypt::JWT::encode_jwt(payload => \%claims, key => $secret, alg => 'HS256', extra_headers => { crit => ['x'], x => 1 }), 'shared'), 'malformed', 'crit');
is($refused->(Crypt::JWT::encode_jwt(payload => \%claims, key => $secret, alg => 'HS256', zip => 'deflate'), 'shared'), 'claims_invalid', 'compressed payload');

$node->stop;
done_testing();
