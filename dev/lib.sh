# shellcheck shell=bash
# lib.sh
#
# What the scripts of dev/ share: messages, the unprivileged account, and the private server tree.
#
# The account. PostgreSQL refuses to run as root. A script started as root runs the server, the shim
# and the TAP tests as $AM_ACCOUNT (default postgres); any other user is that account itself.
#
# The private server tree. PostgreSQL 15 finds an extension only in its own share directory. But its
# programs look for lib/ and share/ relative to where they stand, so a tree that holds copies of the
# programs and links to everything else is a complete server into which an extension can be installed
# without touching the system, without root, and without two checkouts getting in each other's way.

set -euo pipefail
umask 022

AM_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PG_CONFIG=${PG_CONFIG:-pg_config}

# What the caller's shell says about other databases, shims and mail servers is not meant for ours.
for am_variable in ${!PG@} ${!AUTHMETER_@} ${!SMTP_@} ${!MAIL_@} DATABASE_URL LISTEN ADMIN MAKEFLAGS MAKELEVEL MFLAGS; do
  case $am_variable in
    PG_CONFIG | PG_MAJOR) ;;
    *) unset "$am_variable" ;;
  esac
done

say()
{
  printf 'authmeter: %s\n' "$*"
}

die()
{
  printf 'authmeter: error: %s\n' "$*" >&2
  exit 1
}

is_root()
{
  [ "$(id -u)" -eq 0 ]
}

# account_name: the account that runs servers; made when root has none to use.
account_name()
{
  local name
  if ! is_root; then
    id -un
    return
  fi
  name=${AM_ACCOUNT:-postgres}
  if ! getent passwd "$name" >/dev/null; then
    useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "$name" >&2 ||
      die "could not create the account $name"
  fi
  printf '%s\n' "$name"
}

# as_account COMMAND...: runs it as the unprivileged account, in place of this process's rights.
as_account()
{
  if is_root; then
    setpriv --reuid="$AM_ACCOUNT" --regid="$(id -gn "$AM_ACCOUNT")" --init-groups \
      env HOME=/nonexistent USER="$AM_ACCOUNT" LOGNAME="$AM_ACCOUNT" "$@"
  else
    "$@"
  fi
}

# account_can_enter DIR: the account may pass through DIR, or through its nearest parent that exists.
account_can_enter()
{
  local dir=$1
  while [ ! -d "$dir" ]; do
    dir=$(dirname "$dir")
  done
  as_account test -x "$dir" && (as_account env -C "$dir" true) 2>/dev/null
}

# own_dir MODE DIR: makes DIR (not its parents) the account's.
own_dir()
{
  mkdir -p "$2"
  chmod "$1" "$2"
  if is_root; then
    chown "$AM_ACCOUNT:$(id -gn "$AM_ACCOUNT")" "$2"
  fi
}

# own_file MODE FILE: writes standard input into FILE, readable by nobody else before it is done.
own_file()
{
  (umask 077 && cat >"$2.new")
  chmod "$1" "$2.new"
  if is_root; then
    chown "$AM_ACCOUNT:$(id -gn "$AM_ACCOUNT")" "$2.new"
  fi
  mv "$2.new" "$2"
}

# random_hex BYTES
random_hex()
{
  od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

# port_is_free ADDRESS PORT: nobody listens there and we may.
port_is_free()
{
  local status=0
  perl -MSocket=:DEFAULT,inet_pton -e '
    my ($address, $port) = @ARGV;
    my $v6 = $address =~ /:/;
    my $packed = inet_pton($v6 ? AF_INET6 : AF_INET, $address) or exit 3;
    socket(my $s, $v6 ? PF_INET6 : PF_INET, SOCK_STREAM, 0) or exit 4;
    setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) or exit 4;
    bind($s, $v6 ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed)) or exit 1;
    listen($s, 1) or exit 1;' "$1" "$2" || status=$?
  case $status in
    0 | 1) return $status ;;
    3) die "\"$1\" is no numeric address" ;;
    *) die "could not look for a free port" ;;
  esac
}

# free_port FIRST: prints the first free loopback port at or above FIRST.
free_port()
{
  local port
  for ((port = $1; port < $1 + 200; port++)); do
    if port_is_free 127.0.0.1 "$port"; then
      printf '%s\n' "$port"
      return
    fi
  done
  die "no free port between $1 and $(($1 + 200))"
}

# link_all FROM TO [EXCEPT]: a link in TO for each entry of FROM; what TO has already stays.
link_all()
{
  local entry name
  mkdir -p "$2"
  for entry in "$1"/*; do
    name=$(basename "$entry")
    if [ "$name" != "${3:-}" ] && [ ! -e "$2/$name" ]; then
      ln -s "$entry" "$2/$name"
    fi
  done
}

# server_tree DIR [CHECKOUT [VARIABLE=VALUE...]]: makes or renews the private server tree DIR and
# installs the build of the checkout into it; the variables are those it was built with. DIR/pgbin is
# a link to the directory of the programs.
server_tree()
{
  local tree=$1 checkout=${2:-$AM_TOP} real_bin real_lib real_share prefix stamp bin
  real_bin=$("$PG_CONFIG" --bindir)
  real_lib=$("$PG_CONFIG" --pkglibdir)
  real_share=$("$PG_CONFIG" --sharedir)
  # The directories must have a common parent, from which the programs find their way.
  prefix=$real_bin
  while [ "$prefix" != / ] && { [ "${real_lib#"$prefix"/}" = "$real_lib" ] ||
    [ "${real_share#"$prefix"/}" = "$real_share" ]; }; do
    prefix=$(dirname "$prefix")
  done
  bin=$tree/${real_bin#"$prefix"/}
  stamp="$("$PG_CONFIG" --version) $(stat -c '%Y %s' "$real_bin/postgres") $prefix"
  if [ "$(cat "$tree/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$tree"
    mkdir -p "$bin"
    cp -p "$real_bin"/* "$bin/"
    link_all "$real_lib" "$tree/${real_lib#"$prefix"/}"
    link_all "$real_share" "$tree/${real_share#"$prefix"/}" extension
    link_all "$real_share/extension" "$tree/${real_share#"$prefix"/}/extension"
    mkdir -p "$tree/include"
    link_all "$prefix/include" "$tree/include"
    ln -s "$bin" "$tree/pgbin"
    printf '%s\n' "$stamp" >"$tree/stamp"
  fi
  # An installed copy of the extension must not shine through: a link would be written through.
  find "$tree" -type l -name 'authmeter*' -delete
  make -s --no-print-directory -C "$checkout" install PG_CONFIG="$bin/pg_config" PREFIX="$tree" "${@:3}" \
    >"$tree/install.log" 2>&1 || {
    cat "$tree/install.log" >&2
    die "could not install the extension into $tree"
  }
}
