#!/usr/bin/env bash
# deps.sh SET...
#
# The one list of Debian packages. Installs what is missing of the sets named (build, check, bench,
# peers) as root or through a sudo that asks for nothing; else prints the one line to type and fails.
# Says nothing and takes no time when nothing is missing. A PostgreSQL cluster of the distribution is
# neither needed nor touched.
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

# The release of Debian decides the major version, unless one with its headers is there already.
pg_major()
{
  local dir
  for dir in /usr/lib/postgresql/*/lib/pgxs; do
    if [ -d "$dir" ]; then
      basename "${dir%/lib/pgxs}"
    fi
  done | sort -n | tail -n 1
}

PG_MAJOR=${PG_MAJOR:-$(pg_major)}
PG_MAJOR=${PG_MAJOR:-15}

# package, or package:command where any provider of the command will do
packages_of()
{
  case $1 in
    build)
      echo "gcc:gcc make:make libc6-dev perl-base:perl curl:curl pkg-config:pkg-config" \
        "postgresql-$PG_MAJOR postgresql-server-dev-$PG_MAJOR" \
        "libmicrohttpd-dev libjansson-dev libpq-dev libcurl4-openssl-dev libssl-dev libunistring-dev" \
        "libidn2-dev"
      ;;
    check)
      echo "clang:clang clang-format:clang-format clang-tidy:clang-tidy libclang-rt-dev" \
        "cppcheck:cppcheck shellcheck:shellcheck perl:prove libipc-run-perl libdbd-pg-perl libcrypt-jwt-perl jose:jose groff:groff" \
        "python3-aiosmtpd openssl:openssl"
      ;;
    bench)
      echo "wrk:wrk clang:clang libcrypt-dev"
      ;;
    peers)
      echo "nodejs:node npm:npm redis-server:redis-server"
      ;;
    *)
      die "dev/deps.sh knows the sets build, check, bench and peers, not \"$1\""
      ;;
  esac
}

missing_of()
{
  local entry package
  local -a ask=()
  for entry in "$@"; do
    package=${entry%%:*}
    if [ "$package" = "$entry" ]; then
      ask+=("$package")
    elif ! command -v "${entry#*:}" >/dev/null; then
      echo "$package"
    fi
  done
  if [ ${#ask[@]} -gt 0 ]; then
    # A package that dpkg never heard of is reported on standard error only.
    comm -23 <(printf '%s\n' "${ask[@]}" | sort) \
      <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${ask[@]}" 2>/dev/null |
        sed -n 's/^installed //p' | sort)
  fi
}

run_apt()
{
  local -a sudo=("$@")
  local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  say "installing: ${missing[*]}"
  # Package lists may be absent (fresh image) or stale (404): only then are they fetched.
  if ! "${sudo[@]}" "${apt[@]}" install "${missing[@]}" >"$log" 2>&1 </dev/null; then
    if ! { "${sudo[@]}" "${apt[@]}" update && "${sudo[@]}" "${apt[@]}" install "${missing[@]}"; } \
      >>"$log" 2>&1 </dev/null; then
      tail -n 20 "$log" >&2
      die "could not install packages (whole output above); try: apt-get update && apt-get install ${missing[*]}"
    fi
  fi
}

main()
{
  local set
  local -a wanted=()
  [ $# -gt 0 ] || set -- build
  for set in "$@"; do
    # shellcheck disable=SC2207 # package names hold no blanks
    wanted+=($(packages_of "$set"))
  done
  command -v dpkg-query >/dev/null || {
    say "this is no Debian: make sure that these (or their like) are installed: ${wanted[*]%%:*}" >&2
    return 0
  }
  mapfile -t missing < <(missing_of "${wanted[@]}" | sort -u)
  [ ${#missing[@]} -gt 0 ] || return 0

  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if is_root; then
    run_apt
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    run_apt sudo -n
  else
    say "packages are missing; type this once, then try again:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
}

missing=()
log=
main "$@"
