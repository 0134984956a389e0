#!/usr/bin/env bash
# secrets.sh [DIR]
#
# Makes the secrets of the compose file: DIR (default: docker/secrets, mode 0700) with the files
# master_key, shim_password, mailer_password and the secrets that the APIs sign with (mode 0600), and
# an empty smtp_password, into which the password at the mail server goes. A file that exists stays
# as it is.
# Keep a copy of master_key: without it no signing key and no sealed secret of the database opens.
set -euo pipefail

dir=${1:-$(cd "$(dirname "$0")" && pwd)/secrets}

random_hex()
{
  od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

# make NAME PREFIX: 256 random bits.
make()
{
  if [ -e "$dir/$1" ]; then
    echo "$dir/$1 is there already"
  else
    printf '%s%s\n' "$2" "$(random_hex 32)" >"$dir/$1.new"
    mv "$dir/$1.new" "$dir/$1"
    echo "$dir/$1 made"
  fi
}

umask 077
mkdir -p "$dir"
make master_key '1 '
make shim_password ''
make mailer_password ''
for name in vsplugin_jwt autoverse_jwt autoverse_jwt_refresh quizzer_jwt jobpsych_jwt_access \
  jobpsych_jwt_refresh; do
  make "${name}_secret" ''
done
[ -e "$dir/smtp_password" ] || : >"$dir/smtp_password"
