# Authmeter::Load: parallel clients of a service, each a process of its own.
package Authmeter::Load;

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

# start CLIENTS, CODE: forks that many processes; each calls CODE->(number) and reports the hash that
# CODE returns. Returns a handle for finish.
sub start
{
	my ($clients, $code) = @_;
	my @children;

	for my $number (1 .. $clients)
	{
		pipe my $read, my $write or die "pipe: $!";
		my $pid = fork // die "fork: $!";
		if ($pid == 0)
		{
			close $read;
			local $SIG{PIPE} = 'IGNORE';
			my $result = eval { $code->($number) } // { died => 1 };
			warn $@ if $@;
			print $write map { "$_ $result->{$_}\n" } keys %$result;
			close $write;
			require POSIX;
			POSIX::_exit(0);
		}
		close $write;
		push @children, { pid => $pid, read => $read };
	}
	return \@children;
}

# finish HANDLE: waits for all of them and returns the sums of what they reported.
sub finish
{
	my ($children) = @_;
	my %sum;

	for my $child (@$children)
	{
		my $read = $child->{read};
		while (my $line = <$read>)
		{
			my ($name, $value) = split ' ', $line;
			$sum{$name} += $value;
		}
		waitpid $child->{pid}, 0;
	}
	return \%sum;
}

# client PORT: a keep-alive connection; ->send(bytes) returns the status of the reply, or 0 when the
# connection was lost before one came (the next send connects anew).
sub client
{
	my ($port) = @_;
	return bless { port => $port }, 'Authmeter::Load::Client';
}

package Authmeter::Load::Client;

use strict;
use warnings;

sub send
{
	my ($self, $bytes) = @_;
	my ($reply, $want) = ('', undef);

	$self->{socket} //= IO::Socket::INET->new(
		PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 10) or return -1;
	defined syswrite($self->{socket}, $bytes) or return $self->lost;
	while (1)
	{
		sysread($self->{socket}, $reply, 65536, length $reply) or return $self->lost;
		if (!defined $want && $reply =~ /\r\n\r\n/)
		{
			my ($length) = $reply =~ /^content-length: *(\d+)/mi;
			$want = $+[0] + ($length // 0);
		}
		last if defined $want && length $reply >= $want;
	}
	$self->{last} = $reply;
	delete $self->{socket} if $reply =~ /^connection: *close/mi;
	return $reply =~ m{^HTTP/1\.1 (\d{3})} ? $1 : 0;
}

sub lost
{
	my ($self) = @_;
	delete $self->{socket};
	return 0;
}

1;
