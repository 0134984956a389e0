# The jobpsych API over HTTP, row by row of its contract, in both policies: upload quota, token checks,
# files, system routes, and what the gateway answers by itself. Status, headers, whole bodies, and the
# state left behind. All bodies in both error styles are in sql/api_jobpsych.sql.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Authmeter::Jobpsych;
use Authmeter::Load;
use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP;
use Test::More;

use constant { CALLS => 64, FILE_MAX => 10_485_760 };

my $s = Authmeter::Jobpsych->new('jobpsych_upload', shim_conf => "write_queue_wait_ms = 20000\nwrite_deadline_ms = 30000");
sub set { return $s->set(@_) }

my $letters = "\xc3\xa9 \xc2\xa9 \xe2\x84\xa2 \xf0\x9f\x98\x80";
my %person = (password => 'p', company_name => 'C');
my $ana = access($s->post('/api/auth/register', body(%person, name => 'Ana', email => 'ana@example.com')));
my $registered = $s->post('/api/auth/register', qq({"name":"$letters","email":"bob\@example.com","password":"p","company_name":"C"}));
my %secret = %{ $s->{rings} };
my ($bob, $refresh) = (access($registered), refresh_of($registered));
my $reset_token = $s->sql("SELECT authmeter.create_service_token('reset', '{jobpsych:reset}', '1 hour')");
my $upload_token = $s->sql("SELECT authmeter.create_service_token('uploads', '{jobpsych:uploads}', '1 hour')");

# ---- upload quota -----------------------------------------------------------------------------------------------------

sub uploads { my ($email, %headers) = @_; return $s->request('GET', "/api/auth/user-uploads/$email", \%headers) }
sub increment { my ($email, %headers) = @_; return $s->post('/api/auth/increment-upload', body(email => $email), \%headers) }
sub quota { my ($email, $files, $limit) = @_; $limit //= 10; return qq("email":"$email","filesUploaded":$files,"limit":$limit,"remaining":) . ($files > $limit ? 0 : $limit - $files) }
sub shown { return '{"success":true,' . quota(@_) . ',"message":"Upload statistics retrieved successfully"}' }
sub counted { return '{"success":true,"message":"Upload count incremented successfully",' . quota(@_) . '}' }
sub full { return refusal('Upload limit reached', 'UPLOAD_LIMIT_REACHED', ',' . quota(@_)) }

answer('user-uploads', uploads('Bob%40Example.com'), 200, shown('bob@example.com', 0));
answer('user-uploads: unknown', uploads('no@example.com'), 404, $no{nobody});
answer("user-uploads: $_", uploads($_), 400, $no{format}) for 'nobody', '%zz', 'a%20b@example.com';
answer('increment', increment('BOB@example.com'), 200, counted('bob@example.com', 1));
answer('increment: unknown', increment('no@example.com'), 404, $no{user});
answer("increment: $_", $s->post('/api/auth/increment-upload', $_), 400, $no{email}) for '', '{}', '{"email":""}', '{"email":5}';
answer('increment: no address', increment('nobody'), 400, $no{format});
increment('bob@example.com') for 2 .. 9;
answer('increment: to the limit', increment('bob@example.com'), 200, counted('bob@example.com', 10));
answer('increment: past the limit', increment('bob@example.com'), 200, counted('bob@example.com', 11));
answer('user-uploads: never below 0', uploads('bob@example.com'), 200, shown('bob@example.com', 11));
answer('upload-stats', $s->request('GET', '/api/auth/upload-stats', { bearer($bob) }), 200,
	qq({"success":true,"stats":{"email":"bob\@example.com","name":"$letters","totalUploads":11,"limit":10,"remaining":0,"percentage":100,"canUpload":false}}));
set('jobpsych.enforce_upload_limit', 'on');
answer('increment: enforced', increment('bob@example.com'), 429, full('bob@example.com', 11));
set('jobpsych.upload_limit', '30');
answer('upload-stats: at most two decimals', $s->request('GET', '/api/auth/upload-stats', { bearer($bob) }), 200,
	qq({"success":true,"stats":{"email":"bob\@example.com","name":"$letters","totalUploads":11,"limit":30,"remaining":19,"percentage":36.67,"canUpload":true}}));
{
	my $body = body(email => 'bob@example.com');
	my $bytes = "POST /api/auth/increment-upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	my $sum = Authmeter::Load::finish(Authmeter::Load::start(CALLS, sub { return { Authmeter::Load::client($s->{port})->send($bytes) => 1 } }));
	is_deeply($sum, { 200 => 19, 429 => CALLS - 19 }, 'parallel increments with 19 left: exactly 19 pass');
	answer('and are counted', uploads('bob@example.com'), 200, shown('bob@example.com', 30, 30));
}
set('jobpsych.enforce_upload_limit');
set('jobpsych.upload_limit');

set('jobpsych.upload_routes', 'strict');
for my $call ([ 'user-uploads', \&uploads, shown('bob@example.com', 30), $no{nobody} ], [ 'increment', \&increment, undef, $no{user} ])
{
	my ($name, $code, $body, $unknown) = @$call;
	answer("strict $name: field checks first", $code->('nobody'), 400, $no{format});
	answer("strict $name: nothing", $code->('bob@example.com'), 401, $no{bearer});
	answer("strict $name: bad token", $code->('bob@example.com', bearer('abc')), 401, $no{access});
	answer("strict $name: token of another user", $code->('bob@example.com', bearer($ana)), 404, $no{nobody});
	answer("strict $name: unknown address", $code->('no@example.com', bearer($ana)), 404, $no{nobody});
	answer("strict $name: service token of another scope", $code->('bob@example.com', 'X-Service-Token' => $reset_token), 401, $no{bearer});
	answer("strict $name: own token", $code->('bob@example.com', bearer($bob)), 200, $body);
	answer("strict $name: service token, unknown address", $code->('no@example.com', 'X-Service-Token' => $upload_token), 404, $unknown);
}
answer('strict user-uploads: service token', uploads('bob@example.com', 'X-Service-Token' => $upload_token), 200, shown('bob@example.com', 31));
set('jobpsych.trusted_networks', '127.0.0.0/8');
answer('strict increment: trusted network', increment('bob@example.com'), 200, counted('bob@example.com', 32));
set('jobpsych.trusted_networks');
set('jobpsych.upload_routes');

# ---- token checks --------------------------------------------------------------------------------------------------------

sub verify { return $s->post('/api/auth/verify-token', $_[0]) }
my $decoded = '"decoded":{"userId":"2","email":"bob@example.com","iat":' . claims($bob)->{iat} . ',"exp":' . claims($bob)->{exp} . '}';
sub valid { return qq({"success":true,"message":"Token is valid",$decoded,"tokenInfo":{"algorithm":"HS256","expiresIn":"15m","secretLength":$_[0]}}) }
answer('verify-token', verify(body(token => $bob)), 200, valid(48));
answer("verify-token: $_", verify($_), 400, $no{token_required}) for '', '{}', map { qq({"token":$_}) } qw(null "" false 0 0.0);
answer("verify-token: $_", verify(qq({"token":$_})), 401, $no{token}) for '"abc"', '" "', '1', 'true', '[]', '{}', qq("$refresh");
sub info
{
	my ($length, $first, $last) = @_;
	return qq({"success":true,"message":"JWT configuration information","jwtInfo":{"algorithm":"HS256","accessTokenExpiry":"15m","refreshTokenExpiry":"7d","secretLength":$length,)
	  . qq("secretFirstChars":"$first","secretLastChars":"$last","environment":"development","timestamp":"<time>"},"note":"Share this info with FastAPI team to ensure JWT secrets match"});
}
answer('jwt-info', $s->request('GET', '/api/auth/jwt-info'), 200, info(48, 'kT9vN2qLrW', 'ych-access'));
set('jobpsych.jwt_info', 'strict');
set('jobpsych.verify_token', 'strict');
my $fingerprint = hmac_sha256_hex('authmeter jwt-info', $secret{jobpsych});
answer('jwt-info: strict', $s->request('GET', '/api/auth/jwt-info'), 200, info(64, substr($fingerprint, 0, 10), substr($fingerprint, -10)));
answer('verify-token: strict', verify(body(token => $bob)), 200, valid(64));
{
	my $client = Authmeter::Load::client($s->{port});
	my %seen;
	$seen{ $client->send("POST /api/auth/verify-token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") }++ for 1 .. 121;
	is_deeply(\%seen, { 400 => 119, 429 => 2 }, 'strict verify-token: 120 a minute');
	my $reply = answer('strict verify-token: limited', verify(body(token => $bob)), 429, $no{limit});
	like($reply->{headers}{'retry-after'}[0], qr/^(?:[1-9]|[1-5]\d|60)$/, 'Retry-After within the minute');
}
set('jobpsych.jwt_info');
set('jobpsych.verify_token');

# ---- files ------------------------------------------------------------------------------------------------------------------

sub part
{
	my ($disposition, $data, $type) = @_;
	return "--XX\r\nContent-Disposition: form-data; $disposition\r\n" . (defined $type ? "Content-Type: $type\r\n" : '') . "\r\n$data\r\n";
}

sub upload
{
	my ($body, %option) = @_;
	return $s->request('POST', $option{path} // '/api/files/upload',
		{ 'Content-Type' => 'multipart/form-data; boundary=XX', bearer($option{token} // $ana) }, "$body--XX--\r\n");
}

sub file { my ($name, $data, $type) = @_; return part(qq(name="file"; filename="$name"), $data, $type // 'text/plain') }
sub processed
{
	my ($id, $name, $size, $type, $words, $lines, $characters) = @_;
	return qq({"success":true,"message":"File processed successfully","data":{"fileId":$id,"filename":"$name","size":$size,"mimeType":"$type",)
	  . qq("statistics":{"words":$words,"lines":$lines,"characters":$characters}}});
}
sub files { return $s->sql("SELECT i.files_uploaded, (SELECT count(*) FROM authmeter.jobpsych_files f WHERE f.user_id = i.number) FROM authmeter.jobpsych_user_info i WHERE i.email = '$_[0]'") }

answer('files/stats: nothing yet', $s->request('GET', '/api/files/stats', { bearer($ana) }), 200,
	'{"success":true,"message":"Upload statistics retrieved successfully","data":{"totalFiles":0,"totalWords":0,"totalLines":0,"totalCharacters":0,"totalSize":0,"recentFiles":[]}}');
answer('upload', upload(file('cv.txt', "Ana  Ruiz\n\xc3\xa9crivain \xf0\x9f\x98\x80\n")), 200, processed(1, 'cv.txt', 25, 'text/plain', 4, 3, 21));
answer('count: the same under another name', upload(part('name="note"', 'hello') . file('a.txt', ''), path => '/api/files/count'),
	200, processed(2, 'a.txt', 0, 'text/plain', 0, 1, 0));
answer('upload: the last component, without control characters',
	upload(file("C:\\dir\\..\\r\xc3\xa9sum\xc3\xa9\x01\x1b\x7f.PDF", "%PDF\n\0\xff", 'application/pdf; x=y')), 200, processed(3, "r\xc3\xa9sum\xc3\xa9.PDF", 7, 'application/pdf', 0, 0, 0));
answer('upload: at most 255 characters', upload(file('../' . "\xc3\xbc" x 300, '1', 'image/png')), 200, processed(4, "\xc3\xbc" x 255, 1, 'image/png', 0, 0, 0));
my $before = files('ana@example.com');
is($before, '4|4', 'four are counted and stored');
my @refused = (
	[ 'no part', '', 400, $no{no_file} ],
	[ 'a part of another name', part('name="doc"; filename="a.txt"', '1', 'text/plain'), 400, $no{no_file} ],
	[ 'two files', file('a.txt', '1') x 2, 400, $no{no_file} ],
	[ 'a field, not a file', part('name="file"', '1'), 400, $no{no_file} ],
	[ 'another type', file('a.zip', '1', 'application/zip'), 400, $no{type} ],
	[ 'a type that only begins well', file('a.txt', '1', 'text/plainx'), 400, $no{type} ],
	[ 'a byte too large', file('a.txt', 'x' x (FILE_MAX + 1)), 413, $no{file_large} ],
	[ 'larger than the envelope', file('a.txt', 'x' x (FILE_MAX + 70_000)), 413, $no{file_large} ],
);
answer("upload: $_->[0]", upload($_->[1]), $_->[2], $_->[3]) for @refused;
answer('upload: no end', $s->request('POST', '/api/files/upload', { 'Content-Type' => 'multipart/form-data; boundary=XX', bearer($ana) }, file('a.txt', '1')), 400, $no{no_file});
answer('upload: not multipart', $s->post('/api/files/upload', '{"file":"x"}', { bearer($ana) }), 400, $no{no_file});
answer('upload: no body', $s->request('POST', '/api/files/upload', { bearer($ana) }, ''), 400, $no{no_file});
answer('upload: no token', upload(file('a.txt', '1'), token => ''), 401, $no{bearer});
is(files('ana@example.com'), $before, 'refused uploads count and store nothing');
answer('upload: exactly the limit', upload(file('a.txt', 'x' x FILE_MAX)), 200, processed(5, 'a.txt', FILE_MAX, 'text/plain', 1, 1, FILE_MAX));
{
	my $body = file('p.txt', 'a b') . "--XX--\r\n";
	my $bytes = "POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $ana\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: "
	  . length($body) . "\r\n\r\n$body";
	my $sum = Authmeter::Load::finish(Authmeter::Load::start(CALLS, sub { return { Authmeter::Load::client($s->{port})->send($bytes) => 1 } }));
	is_deeply($sum, { 200 => 5, 429 => CALLS - 5 }, 'parallel uploads with 5 left: exactly 5 pass');
	is(files('ana@example.com'), '10|10', 'and as many are stored');
}
answer('upload: at the limit', upload(file('a.txt', '1')), 429, $no{quota});
my $stats = $s->request('GET', '/api/files/stats', { bearer($ana) });
my $data = decode_json(answer('files/stats', $stats, 200, undef)->{body})->{data};
is(join(' ', map { $data->{$_} } qw(totalFiles totalWords totalLines totalCharacters totalSize)), join(' ', 10, 15, 10, 21 + FILE_MAX + 15, 25 + 7 + 1 + FILE_MAX + 15), 'totals');
is_deeply([ map { $_->{id} } @{ $data->{recentFiles} } ], [ reverse 1 .. 10 ], 'the newest first');
like($stats->{body}, qr/"recentFiles":\[\{"id":10,"filename":"p\.txt","uploadedAt":"[\d-]{10}T[\d:.]{12}Z","statistics":\{"words":2,"lines":1,"characters":3,"size":3\}\},/, 'one of them, to the letter');
answer("files/stats: another user's", $s->request('GET', '/api/files/stats', { bearer($bob) }), 200, undef);
like($s->request('GET', '/api/files/stats', { bearer($bob) })->{body}, qr/"recentFiles":\[\]/, 'shows none of them');

# ---- system routes ------------------------------------------------------------------------------------------------------------

my $features = join ',', map { qq("$_":"active") } qw(authentication rateLimiting fileUploads fastapiIntegration);
my $healthy = qq({"status":"OK","service":"jobpsych-auth-api","uptime":<s>,"timestamp":"<time>","version":"2.0.0","environment":"development","database":"connected","features":{$features}});
answer('health', $s->request('GET', '/health'), 200, $healthy);
answer('info', $s->request('GET', '/api/auth/info'), 200,
	'{"api":"JobPsych Auth API","version":"2.0.0","status":"Server is running","timestamp":"<time>","environment":"development","uptime":<s>}');
answer('rate-limit-info', $s->request('GET', '/api/auth/rate-limit-info'), 200,
	'{"success":true,"uploadLimit":10,"message":"Rate limit info endpoint","timestamp":"<time>","features":{"userUploadTracking":true,"rateLimiting":true,"fastapiIntegration":true}}');
my $root = decode_json(answer('root', $s->request('GET', '/'), 200, undef)->{body});
is_deeply([ @$root{qw(api version status environment)} ], [ 'JobPsych Auth API', '2.0.0', 'Server is running', 'development' ], 'what it is');
is_deeply([ grep { ref } @{ $root->{features} } ], [], 'features are strings');
is(scalar @{ $root->{endpoints} }, 21, 'every route');
is_deeply([ sort keys %{ $root->{endpoints}[0] } ], [qw(authentication category description method path)], 'with these members');

# ---- what the gateway answers by itself ------------------------------------------------------------------------------------------

my $type = { 'Content-Type' => 'application/json' };
answer('unknown path', $s->request('GET', '/api/auth/nosuch?x=1'), 404,
	'{"success":false,"message":"Route /api/auth/nosuch not found","error":"Not Found","code":"ROUTE_NOT_FOUND"}');
answer('wrong method', $s->request('PATCH', '/api/auth/login'), 405, $no{method}, allow => ['POST']);
answer('body too large', $s->post('/api/auth/login', '{"email":"' . 'x' x 102_400 . '"}'), 413, $no{large});
answer('malformed JSON', $s->post('/api/auth/login', '{"email":'), 400, $no{validation});
answer('doubled keys', $s->post('/api/auth/register', '{"name":"a","name":"b"}'), 400, $no{validation});
answer('form body counts as empty', $s->request('POST', '/api/auth/verify-token', { 'Content-Type' => 'application/x-www-form-urlencoded' }, 'token=x'), 400, $no{token_required});
answer('trailing slash', $s->request('GET', '/api/auth/profile/', { bearer($ana) }), 200, undef);
is($s->request('HEAD', '/health')->{status}, 200, 'HEAD works where GET does');
is($s->request('GET', '/api/auth/Profile')->{status}, 404, 'paths are case-sensitive');
like($s->shim_log, qr/weak behaviour active: $_ = documented/, "warned: $_") for map { "jobpsych.$_" } qw(reset_password upload_routes jwt_info verify_token refresh_reuse);

# Below a prefix: the same, and the cookie's path.
my @below = map { s{Path=/}{Path=/s/jobpsych/}r } @cookie;
answer('below a prefix: login', $s->post('/s/jobpsych/api/auth/login', '{"email":"ana@example.com","password":"p"}'), 200, undef, 'set-cookie' => \@below);
answer('below a prefix: logout', $s->request('POST', '/s/jobpsych/api/auth/logout'), 200, undef, 'set-cookie' => [ map { s{Path=/}{Path=/s/jobpsych/}r } @cleared ]);
answer('below a prefix: unknown path', $s->request('GET', '/s/jobpsych/nosuch'), 404, undef);

# Origins: those of the documentation in development, those configured besides.
for (qw(http://localhost:3000 http://localhost:8000))
{
	my $reply = $s->request('GET', '/health', { Origin => $_ });
	is_deeply([ @{ $reply->{headers} }{qw(access-control-allow-origin access-control-allow-credentials vary)} ], [ [$_], ['true'], ['Origin'] ], "may call: $_");
}
ok(!exists $s->request('GET', '/health', { Origin => 'http://localhost:5173' })->{headers}{'access-control-allow-origin'}, 'others may not');

# A fault changes nothing, and shows nothing of itself.
$s->sql('ALTER TABLE authmeter.jobpsych_file RENAME COLUMN mime_type TO other; UPDATE authmeter.jobpsych_profile SET files_uploaded = 0');
my $fault = refusal('Internal Server Error', 'SERVER_ERROR');
answer('fault', upload(file('a.txt', '1')), 500, $fault);
is(files('ana@example.com'), '0|10', 'nothing is counted of it');
set('jobpsych.error_style', 'text');
$fault =~ s/"error":"SERVER_ERROR"/"error":"An unexpected error occurred"/;
ok($s->poll(sub { upload(file('a.txt', '1'))->{body} eq $fault }, 'the shim has the other style'), 'fault, error_style text: a changed setting reaches the shim');
set('jobpsych.error_style');
$s->sql('ALTER TABLE authmeter.jobpsych_file RENAME COLUMN other TO mime_type');
ok($s->poll(sub { upload(file('a.txt', '1'))->{status} == 200 }, 'uploads work'), 'and then it works again');

# The database is away.
$s->{node}->stop('fast');
my $down = refusal('Service unavailable', 'SERVICE_UNAVAILABLE');
answer('database away', $s->post('/api/auth/login', '{"email":"ana@example.com","password":"p"}'), 503, $down, 'retry-after' => ['1']);
$features =~ s/active/inactive/g;
answer('database away: health', $s->request('GET', '/health'), 503,
	qq({"status":"ERROR","service":"jobpsych-auth-api","uptime":<s>,"timestamp":"<time>","version":"2.0.0","environment":"development","database":"disconnected","features":{$features}}));
$s->{node}->start;
ok($s->poll(sub { $s->request('GET', '/health')->{status} == 200 }, 'the database is back'), 'and back');

is($s->stop_shim, 0, 'the shim stops cleanly');
unlike($s->shim_log, qr/\Q$_\E/, 'nothing secret in its log') for $ana, $refresh, $upload_token, $reset_token, values %secret;
done_testing();
