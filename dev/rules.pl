#!/usr/bin/perl
# rules.pl
#
# The rules of the house that no tool knows: the direction of dependence, sizes, error codes, comments.
# Runs in the top directory over all files of the checkout. One rule is one result; each violation is
# told as "file:line: what". Ends with "rules: N passed, N failed".
use strict;
use warnings;

use File::Find;

use constant {
	FUNCTION_LINES_MAX => 70,
	FILE_LINES_MAX => 700,
	COLUMNS_MAX => 100,
	TAB_COLUMNS => 4,
};

my %text;    # path => content
my %code;    # path => content of a C file without comments and strings, line numbers kept

sub load
{
	find(
		{
			no_chdir => 1,
			wanted => sub {
				my $path = s{^\./}{}r;
				return $File::Find::prune = 1
				  if -d && $path =~ m{^(?:\.git|build|\.run|results|tmp_check|output_iso)$|node_modules$};
				return unless -f && !-l && $path =~ /^\.?[\w.\/-]+$/;
				return if $path =~ /\.(?:o|d|so|bc|diffs)$|^authmeter--.*\.sql$|^regression\./;
				return if -B;
				open my $file, '<:raw', $path or die "$path: $!";
				$text{$path} = do { local $/ = undef; <$file> };
				close $file or die "$path: $!";
			},
		},
		'.');
	$code{$_} = without_comments($text{$_}) for grep { /\.[ch]$/ } keys %text;
	return;
}

# Comments become blanks, strings keep their quotes; every newline stays.
sub without_comments
{
	my ($c) = @_;
	$c =~ s{(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}
		{ defined $1 ? $1 =~ s/[^\n]/ /gr : substr($2, 0, 1) . ' ' x (length($2) - 2) . substr($2, -1) }gse;
	return $c;
}

sub line_of
{
	my ($content, $position) = @_;
	return 1 + (substr($content, 0, $position) =~ tr/\n//);
}

# found PATTERN, PATHS: "file:line" of each match in the C code of the paths.
sub found
{
	my ($pattern, @paths) = @_;
	my @where;
	for my $path (@paths)
	{
		while ($code{$path} =~ /$pattern/g)
		{
			push @where, [$path, line_of($code{$path}, $-[0])];
		}
	}
	return @where;
}

sub c_files
{
	my ($pattern) = @_;
	return grep { $_ =~ $pattern } sort keys %code;
}

# quoted includes of a file: [line, name]
sub includes
{
	my ($path) = @_;
	my ($line, @list) = (0);
	for (split /\n/, $text{$path})
	{
		$line++;
		push @list, [$line, $1] if /^\s*#\s*include\s+"([^"]+)"/;
	}
	return @list;
}

# include_rule PATHS, ALLOWED, WHAT: every quoted include of the paths matches ALLOWED.
sub include_rule
{
	my ($paths, $allowed, $what) = @_;
	my @bad;
	for my $path (c_files($paths))
	{
		for my $include (includes($path))
		{
			my ($line, $name) = @$include;
			push @bad, "$path:$line: $what, not \"$name\"" unless $name =~ $allowed;
		}
	}
	return @bad;
}

# only_in HOME, PATTERN, WHAT: within shim/ only files of HOME match PATTERN.
sub only_in
{
	my ($home, $pattern, $what) = @_;
	return map { "$_->[0]:$_->[1]: $what" }
	  found($pattern, grep { $_ !~ $home } c_files(qr{^shim/(?!test/)}));
}

# ---- direction of dependence -------------------------------------------------------------------

sub core_is_pure
{
	return (
		include_rule(
			qr{^extension/core/(?!test/)},
			qr{^(?:core/)?[\w]+\.h$(?<!postgres\.h)(?<!compat\.h)},
			'core/ includes only core/'),
		map { "$_->[0]:$_->[1]: core/ knows nothing of PostgreSQL" }
		  found(qr/\b(?:ereport|elog|palloc|pfree|Datum|MemoryContext)\b/,
			c_files(qr{^extension/core/(?!test/)})),
	);
}

sub core_includes_exist
{
	my @bad;
	for my $path (c_files(qr{^extension/core/(?!test/)}))
	{
		for my $include (includes($path))
		{
			my $name = $include->[1] =~ s{^core/}{}r;
			push @bad, "$path:$include->[0]: \"$name\" is not in core/"
			  unless exists $text{"extension/core/$name"};
		}
	}
	return @bad;
}

sub crypto_knows_core_and_base
{
	my $base = qr/(?:compat|sqlstate|clock|spi|cache|setting|setting_list|shmem|guc)\.h/;
	return include_rule(
		qr{^extension/crypto/},
		qr{^(?:$base|core/\w+\.h|crypto/\w+\.h|(?:utils|common|port|lib|nodes|mb|storage|access|catalog)/\w+\.h|\w+\.h)$},
		'crypto/ includes only core/ and the base');
}

sub crypto_knows_no_noun
{
	my $noun = qr/^(?:authmeter|jwt|ring|password|user|session|otp|usage|meter|ledger|plan|audit|mail|http|ratelimit|vault)\w*\.h$/;
	my @bad;
	for my $path (c_files(qr{^extension/crypto/}))
	{
		push @bad, map { "$path:$_->[0]: crypto/ stands below \"$_->[1]\"" }
		  grep { $_->[1] =~ $noun } includes($path);
	}
	return @bad;
}

sub shim_knows_core_and_sqlstate
{
	my @bad;
	for my $path (c_files(qr{^shim/(?!test/)}))
	{
		for my $include (includes($path))
		{
			my ($line, $name) = @$include;
			next if exists $text{"shim/$name"};
			next if $name =~ m{^(?:\.\./extension/)?(?:core/\w+|sqlstate)\.h$};
			push @bad, "$path:$line: the shim includes only its own headers, core/ and sqlstate.h, not \"$name\"";
		}
	}
	return @bad;
}

sub only_loop_knows_epoll
{
	return only_in(qr{^shim/loop\w*\.[ch]$}, qr/(?<!->)\bepoll_\w+|<sys\/epoll\.h>/, 'only loop.c knows epoll');
}

sub only_http_knows_microhttpd
{
	return only_in(qr{^shim/http\w*\.[ch]$}, qr/(?<!struct )\bMHD_\w+|<microhttpd\.h>/, 'only http*.c knows libmicrohttpd');
}

sub only_lanes_know_libpq
{
	return only_in(
		qr{^shim/(?:(?:lanes?|pgconn|pgpipe|catalog)\w*|mailer_database)\.[ch]$},
		qr/\bPQ[a-z]\w+\s*\(|\bPG(?:conn|result)\b|<libpq-fe\.h>/,
		'only lanes, pgconn, catalog and mailer_database know libpq');
}

sub only_mailer_smtp_knows_libcurl
{
	return only_in(qr{^shim/mailer_smtp\.c$}, qr/\bcurl_[a-z]\w+\s*\(|\bCURL[A-Z_]*\b|<curl\/curl\.h>/, 'only mailer_smtp.c knows libcurl');
}

# The schema is made in 00_*, served from 5?_* and opened in 9?_*; nobody else knows of HTTP.
sub sql_knows_no_http
{
	my @bad;
	for my $path (sort grep { m{^extension/install/} } keys %text)
	{
		next if $path =~ m{/(?:00|5\d|9\d)_};
		my $line = 0;
		for (split /\n/, $text{$path})
		{
			$line++;
			push @bad, "$path:$line: SQL outside authmeter_http does not mention it"
			  if s/--.*//r =~ /\bauthmeter_http\b/;
		}
	}
	return @bad;
}

# ---- sizes and form ----------------------------------------------------------------------------

sub functions_are_short
{
	my @bad;
	for my $path (sort grep { /\.(?:[ch]|sh)$/ } keys %text)
	{
		my ($line, $begin, $name, $last) = (0, 0, '', '');
		for (split /\n/, $text{$path})
		{
			$line++;
			if (/^\{/) { ($begin, $name) = ($line, $last); }
			elsif (/^\}/ && $begin)
			{
				my $lines = $line - $begin - 1;
				push @bad, "$path:$begin: $lines lines in one function: $name"
				  if $name =~ /\)/ && $lines > FUNCTION_LINES_MAX;
				$begin = 0;
			}
			$last = $_ if /\S/;
		}
	}
	return @bad;
}

sub files_are_short
{
	my @bad;
	for my $path (sort grep { /\.(?:[ch]|sh|pl|pm|sql|mk)$|Makefile$/ } keys %text)
	{
		next if $path =~ m{^(?:sql|extension/bench/peers)/};
		my $lines = $text{$path} =~ tr/\n//;
		push @bad, "$path:$lines: longer than ${\ FILE_LINES_MAX} lines" if $lines > FILE_LINES_MAX;
	}
	return @bad;
}

# A line that holds a string may be longer: messages stay whole.
sub lines_are_short
{
	my @bad;
	for my $path (c_files(qr/./))
	{
		my $line = 0;
		for (split /\n/, $text{$path})
		{
			$line++;
			my $columns = 0;
			$columns += $_ eq "\t" ? TAB_COLUMNS - $columns % TAB_COLUMNS : 1
			  for split //, s/[\x80-\xbf]//gr;
			push @bad, "$path:$line: $columns columns" if $columns > COLUMNS_MAX && !/"/;
		}
	}
	return @bad;
}

sub files_are_clean
{
	my @bad;
	for my $path (sort keys %text)
	{
		next if $path =~ m{(?:^|/)expected/|/corpus/|package-lock\.json$|\.tsv$};
		push @bad, "$path:1: carriage returns" if $text{$path} =~ /\r\n/;
		push @bad, "$path:1: no newline at the end" if length $text{$path} && $text{$path} !~ /\n\z/;
		while ($text{$path} =~ /[ \t]+$/mg)
		{
			push @bad, "$path:" . line_of($text{$path}, $-[0]) . ': blanks at the end of the line';
		}
	}
	return @bad;
}

sub files_have_banners
{
	my @bad;
	for my $path (c_files(qr/./))
	{
		push @bad, "$path:1: no banner that tells what the file is" if $text{$path} !~ m{^/\*};
		push @bad, "$path:1: no include guard"
		  if $path =~ /\.h$/ && $code{$path} !~ /^\s*#\s*ifndef\s+(\w+)\s+#\s*define\s+\1\b/;
	}
	push @bad, map { "$_:1: no comment that tells what the script is" }
	  sort grep { /\.sh$/ && $text{$_} !~ /\A(?:#!.*\n)?(?:# shellcheck.*\n)?# \w/ } keys %text;
	return @bad;
}

# ---- errors and comments -----------------------------------------------------------------------

sub ereports_have_codes
{
	my @bad;
	for my $path (c_files(qr{^extension/(?!core/|fuzz/|bench/)}))
	{
		my $code = $code{$path};
		while ($code =~ /\bereport\s*(\((?:[^()]++|(?1))*\))/g)
		{
			my ($call, $at) = ($1, $-[0]);
			push @bad, "$path:" . line_of($code, $at) . ': ereport without errcode'
			  unless $call =~ /\berrcode(?:_for_\w+)?\s*\(/ || $call =~ /\bam_err\w*\s*\(/;
		}
	}
	return @bad;
}

sub errors_keep_the_message_style
{
	my @bad;
	for my $path (c_files(qr{^extension/(?!core/|fuzz/|bench/)}))
	{
		while ($text{$path} =~ /\berrmsg(?:_internal)?\s*\(\s*"((?:\\.|[^"\\])*)"/g)
		{
			my ($message, $at) = ($1, line_of($text{$path}, $-[0]));
			push @bad, "$path:$at: a primary message has no period and begins in lower case: $message"
			  if $message =~ /[.!]$/ || $message =~ /^[A-Z][a-z]+ [a-z]/;
		}
	}
	return @bad;
}

sub sql_objects_have_comments
{
	my @bad;
	my $all = join "\n", map { $text{$_} } grep { m{^extension/install/} } keys %text;
	for my $path (sort grep { m{^extension/(?:install|upgrade)/.*\.sql$} } keys %text)
	{
		while ($text{$path} =~ /^CREATE (FUNCTION|TABLE|VIEW|TYPE|SEQUENCE|AGGREGATE)\s+([\w.]+)/mg)
		{
			my ($kind, $name, $at) = ($1, $2, line_of($text{$path}, $-[0]));
			push @bad, "$path:$at: no COMMENT ON $kind $name"
			  unless $all =~ /^\s*COMMENT ON $kind\s+\Q$name\E\b/m;
		}
		push @bad, "$path:" . line_of($text{$path}, $-[0]) . ': CREATE only: OR REPLACE and IF NOT EXISTS adopt planted objects'
		  while $text{$path} =~ /^CREATE (?:OR REPLACE|\w+ IF NOT EXISTS)/mg;
	}
	return @bad;
}

# ---- the repository ----------------------------------------------------------------------------

# Written so that this file does not hold what it looks for.
sub no_foreign_words
{
	my $words = qr{
		/wor[k]/(?:main|scratch|shared|\.library)
		| \bTOD[O]\b | \bFIXM[E]\b | \bXX[X]\b
		| \bdeb\.debian\.or[g] | registry\.npmjs\.or[g] | deb\.nodesource\.co[m]
		| \b(?:claud[e]|anthropi[c]|chatgp[t]|copilo[t])\b | \bsub-?agen[t]\b
	}xi;
	my @bad;
	for my $path (sort keys %text)
	{
		while ($text{$path} =~ /($words)/g)
		{
			push @bad, "$path:" . line_of($text{$path}, $-[0]) . ": \"$1\" does not belong here";
		}
	}
	return @bad;
}

sub tests_are_listed
{
	my @bad;
	my %listed = map { $_ => 1 } split ' ', `make -s --no-print-directory -f extension.mk print-REGRESS`;
	for my $path (sort grep { m{^sql/[^/]+\.sql$} } keys %text)
	{
		my ($name) = $path =~ m{([^/]+)\.sql$};
		push @bad, "$path:1: not in REGRESS of extension.mk" unless delete $listed{$name};
		push @bad, "$path:1: no expected/$name.out" unless exists $text{"expected/$name.out"};
	}
	push @bad, map { "extension.mk:1: REGRESS names $_, but there is no sql/$_.sql" } sort keys %listed;
	for my $path (sort grep { m{^extension/isolation/specs/[^/]+\.spec$} } keys %text)
	{
		my ($name) = $path =~ m{([^/]+)\.spec$};
		push @bad, "$path:1: no extension/isolation/expected/$name.out"
		  unless exists $text{"extension/isolation/expected/$name.out"};
	}
	return @bad;
}

# What no engine checks here: each source of a COPY exists, each stage named is defined.
sub docker_files_fit
{
	my (@bad, %stage);
	for my $path (sort grep { m{^docker/(?:.*\.)?Dockerfile} } keys %text)
	{
		my $line = 0;
		for (split /\n/, $text{$path} =~ s/\\\n/ /gr)
		{
			$line++;
			$stage{$1} = 1 if /^FROM\s+\S+\s+AS\s+(\S+)/i;
			next unless /^(?:COPY|ADD)\s+(.*)/;
			my @words = split ' ', $1;
			my $from;
			while (@words && $words[0] =~ /^--(\w+)=(\S+)/)
			{
				$from = $2 if $1 eq 'from';
				shift @words;
			}
			pop @words;
			push @bad, "$path:$line: no stage \"$from\"" if defined $from && !$stage{$from};
			next if defined $from;
			push @bad, map { "$path:$line: COPY of \"$_\", which is not there" } grep { !grep { -e } glob } @words;
		}
	}
	return @bad;
}

# As much of the compose file's grammar as this one uses: two blanks a level, "key:" and "- item".
sub compose_names_fit
{
	my ($path, @bad, @path, %defined, @used) = ('docker/compose.yaml');
	return ("$path:1: is not there") unless exists $text{$path};
	my $dockerfile = $text{'docker/Dockerfile'} // '';
	my $line = 0;
	for (split /\n/, $text{$path})
	{
		$line++;
		next if /^\s*(?:#.*)?$/;
		my ($blanks, $key, $rest) = /^( *)(?:- )?([^:]*)(?::(?: (.*))?)?$/ or next;
		push @bad, "$path:$line: odd indentation or a tab" if length($blanks) % 2 || /\t/;
		splice @path, length($blanks) / 2;
		push @path, $key;
		my $depth = @path;
		$defined{"$path[0]/$key"} = 1 if $depth == 2;
		push @used, [$line, "$path[2]/$key"]
		  if $depth == 4 && $path[0] eq 'services' && $path[2] =~ /^(?:secrets|networks)$/;
		push @used, [$line, "volumes/$key"] if $depth == 4 && $path[2] eq 'volumes' && $key =~ /^\w/;
		push @used, [$line, "services/$key"] if $depth == 4 && $path[2] eq 'depends_on';
		push @bad, "$path:$line: no such file" if $key eq 'dockerfile' && !exists $text{$rest};
		push @bad, "$path:$line: no such stage" if $key eq 'target' && $dockerfile !~ /^FROM .* AS \Q$rest\E$/m;
	}
	push @bad, map { "$path:$_->[0]: $_->[1] is not defined" } grep { !$defined{$_->[1]} } @used;
	return @bad;
}

my @rules = (
	\&core_is_pure, 'core/ is pure C',
	\&core_includes_exist, 'core/ includes only core/',
	\&crypto_knows_core_and_base, 'crypto/ includes only core/ and the base',
	\&crypto_knows_no_noun, 'crypto/ knows no noun',
	\&shim_knows_core_and_sqlstate, 'shim/ includes of extension/ only core/ and sqlstate.h',
	\&only_loop_knows_epoll, 'only loop knows epoll',
	\&only_http_knows_microhttpd, 'only http knows libmicrohttpd',
	\&only_lanes_know_libpq, 'only lanes, pgconn, catalog and mailer_database know libpq',
	\&only_mailer_smtp_knows_libcurl, 'only mailer_smtp knows libcurl',
	\&sql_knows_no_http, 'SQL outside authmeter_http knows no HTTP',
	\&functions_are_short, 'functions of 70 lines at most',
	\&files_are_short, 'files of 700 lines at most',
	\&lines_are_short, 'lines of 100 columns at most',
	\&files_are_clean, 'no blanks at ends, no carriage returns',
	\&files_have_banners, 'every source tells what it is',
	\&ereports_have_codes, 'every ereport has an errcode',
	\&errors_keep_the_message_style, 'messages keep the style of PostgreSQL',
	\&sql_objects_have_comments, 'every SQL object has a comment',
	\&no_foreign_words, 'no foreign words',
	\&tests_are_listed, 'every test is listed and has expected output',
	\&docker_files_fit, 'the Dockerfile names only what is there',
	\&compose_names_fit, 'the compose file names only what is there',
);

load();
my ($passed, $failed) = (0, 0);
while (my ($rule, $name) = splice @rules, 0, 2)
{
	my @bad = $rule->();
	if (@bad)
	{
		$failed++;
		print "$_\n" for @bad;
		printf "FAILED  %s: %d\n", $name, scalar @bad;
	}
	else { $passed++; }
}
print "rules: $passed passed, $failed failed\n";
exit($failed ? 1 : 0);
