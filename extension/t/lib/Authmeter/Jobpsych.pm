# Authmeter::Jobpsych: a service of the jobpsych API, and what its tests expect of every answer.
#
#   my $s = Authmeter::Jobpsych->new('name');
#   answer('no token', $s->request('GET', '/api/auth/profile'), 401, $no{bearer});
package Authmeter::Jobpsych;

use strict;
use warnings;

use parent -norequire, 'Authmeter::Service';
use parent 'Exporter';

use Authmeter::Service;
use JSON::PP;
use MIME::Base64 qw(decode_base64url);
use Test::More;

our @EXPORT = qw(%no @cookie @cleared answer refusal user_json bearer access refresh_of claims body);

# new NAME, OPTIONS: as Authmeter::Service, served at / and at /s/jobpsych, in development, with cheap
# passwords. The secrets come from the variables that a deployment has; without a shim (start_shim 0)
# they are imported.
sub new
{
	my ($class, $name, %option) = @_;
	my %secret = ('jobpsych' => 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-jobpsych-access',
		'jobpsych-refresh' => 'pQ4mX7wErT1yUi9oPa2sDf5gHj8kLz3xC-jobpsych-refresh');
	local @ENV{qw(JOBPSYCH_JWT_ACCESS_SECRET JOBPSYCH_JWT_REFRESH_SECRET)} = @secret{qw(jobpsych jobpsych-refresh)};
	my $with_shim = $option{start_shim} // 1;
	my $self = $class->SUPER::new($name, environment => 'development', mounts => [ '=jobpsych', '/s/jobpsych=jobpsych' ],
		rings => $with_shim ? {} : \%secret, %option, start_shim => 0);

	$self->{rings} = \%secret;
	$self->sql("SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4')");
	$self->start_shim if $with_shim;
	return $self;
}

# set NAME [, VALUE]: a setting, or its default.
sub set
{
	my ($self, $name, $value) = @_;
	$self->sql("SELECT authmeter.setting_set('$name', " . (defined $value ? "'$value'" : 'NULL') . ')');
	return;
}

sub sign_in
{
	my ($self, $email, $password) = @_;
	return $self->post('/api/auth/login', body(email => $email, password => $password));
}

# What differs from call to call, by a name.
sub masked
{
	my ($text) = @_;
	$text =~ s/[\w-]{8,}\.[\w-]{8,}\.[\w-]{20,}/<jwt>/g;
	$text =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/<time>/g;
	$text =~ s/"uptime":\d+(?:\.\d{1,3})?/"uptime":<s>/g;
	return $text;
}

# answer NAME, REPLY, STATUS, BODY, HEADERS: also what every answer has (contract A1, A3). A Set-Cookie
# that is not among HEADERS must not come.
sub answer
{
	my ($name, $reply, $status, $body, %headers) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	subtest $name => sub {
		my $h = $reply->{headers};
		is($reply->{status}, $status, 'status');
		is(masked($reply->{body}), $body, 'body') if defined $body;
		is_deeply($h->{'content-type'}, ['application/json; charset=utf-8'], 'content type');
		is_deeply($h->{'x-content-type-options'}, ['nosniff'], 'nosniff');
		is_deeply($h->{'cache-control'}, ['no-store'], 'no-store');
		ok(!exists $h->{'x-powered-by'}, 'no x-powered-by');
		unlike($h->{server}[0] // '', qr/\d/, 'no server version');
		my @cookies = map { masked($_) } @{ $h->{'set-cookie'} // [] };
		is_deeply(\@cookies, $headers{'set-cookie'} // [], 'cookies');
		delete $headers{'set-cookie'};
		is_deeply($h->{$_}, $headers{$_}, $_) for sort keys %headers;
	};
	return $reply;
}

sub refusal
{
	my ($message, $code, $more) = @_;
	return qq({"success":false,"message":"$message","error":"$code","code":"$code") . ($more // '') . '}';
}

our %no = (
	validation => refusal('Validation Error', 'VALIDATION_ERROR'),
	lower => refusal('Validation error', 'VALIDATION_ERROR'),
	taken => refusal('User already exists', 'USER_EXISTS'),
	credentials => refusal('Invalid credentials', 'INVALID_CREDENTIALS'),
	cookie => refusal('Refresh token required', 'UNAUTHORIZED'),
	refresh => refusal('Invalid refresh token', 'TOKEN_VERIFICATION_FAILED'),
	bearer => refusal('Access token is required', 'UNAUTHORIZED'),
	access => refusal('Invalid or expired access token', 'TOKEN_VERIFICATION_FAILED'),
	user => refusal('User not found', 'USER_NOT_FOUND'),
	nobody => refusal('User not found', 'USER_NOT_FOUND', ',"filesUploaded":0'),
	current => refusal('Invalid current password', 'INVALID_CREDENTIALS'),
	reset_required => refusal('Reset token required', 'RESET_TOKEN_REQUIRED'),
	reset_token => refusal('Invalid or expired reset token', 'INVALID_RESET_TOKEN'),
	email => refusal('Email is required', 'VALIDATION_ERROR'),
	format => refusal('Invalid email format', 'VALIDATION_ERROR'),
	token_required => refusal('Token is required', 'VALIDATION_ERROR'),
	token => refusal('Invalid or expired token', 'TOKEN_VERIFICATION_FAILED'),
	no_file => refusal('No file provided', 'VALIDATION_ERROR'),
	type => refusal('Invalid file type. Only PDF, DOC, DOCX, TXT, and image files are allowed.', 'VALIDATION_ERROR'),
	file_large => refusal('File too large', 'PAYLOAD_TOO_LARGE'),
	large => refusal('Request body too large', 'PAYLOAD_TOO_LARGE'),
	quota => refusal('Upload limit reached', 'UPLOAD_LIMIT_REACHED'),
	limit => refusal('Too many requests', 'RATE_LIMITED'),
	method => refusal('Method not allowed', 'METHOD_NOT_ALLOWED'),
);

our @cookie = ('refreshToken=<jwt>; HttpOnly; Secure; SameSite=Strict; Max-Age=604800; Path=/api/auth');
our @cleared = ('refreshToken=; HttpOnly; Secure; SameSite=Strict; Max-Age=0; Path=/api/auth');

sub bearer { return (Authorization => "Bearer $_[0]") }
sub access { return decode_json($_[0]->{body})->{accessToken} }
sub refresh_of { return $_[0]->{headers}{'set-cookie'}[0] =~ /^refreshToken=([^;]+)/ ? $1 : undef }
sub claims { return decode_json(decode_base64url((split /\./, $_[0])[1])) }
sub body { return encode_json({@_}) }

sub user_json
{
	my ($id, $name, $email, $company, $files, $more) = @_;
	return qq({"id":"$id","name":"$name","email":"$email","company_name":"$company","filesUploaded":$files) . ($more // '') . '}';
}

1;
