#!/usr/bin/env bash
# mailer.sh
#
# Entry point of the mailer image. Started as root, it hands the secrets over to the unprivileged
# account and becomes the mailer; arguments are passed on to it.
#
#   SECRETS_DIR (/run/secrets)            mailer_password, and smtp_password when SMTP_USER is given
#   STATE_DIR (/run/authmeter)            a tmpfs
#   DATABASE_HOST (database), DATABASE_PORT (5432)
#   SMTP_HOST, SMTP_USER, MAIL_FROM ...   see authmeter-mailer --help
set -euo pipefail
umask 077

secrets=${SECRETS_DIR:-/run/secrets}
state=${STATE_DIR:-/run/authmeter}
host=${DATABASE_HOST:-database}
port=${DATABASE_PORT:-5432}
account=authmeter

fail()
{
  echo "authmeter-mail: $*" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "start it as root; it runs the mailer as $account"
[ -r "$secrets/mailer_password" ] || fail "no secret $secrets/mailer_password; docker/secrets.sh makes it"

# libpq takes a password file only when nobody else can read it.
install -d -m 0711 "$state"
printf '%s:%s:authmeter:authmeter_mailer:%s\n' "$host" "$port" "$(cat "$secrets/mailer_password")" \
  >"$state/pgpass"
chown "$account:$account" "$state/pgpass"
if [ -n "${SMTP_USER:-}" ] && [ -z "${SMTP_PASS:-}" ]; then
  [ -s "$secrets/smtp_password" ] || fail "SMTP_USER is given, but $secrets/smtp_password is empty"
  install -m 0600 -o "$account" -g "$account" "$secrets/smtp_password" "$state/smtp_password"
  export SMTP_PASS_FILE="$state/smtp_password"
fi

export DATABASE_URL="host=$host port=$port dbname=authmeter user=authmeter_mailer passfile=$state/pgpass"
exec setpriv --reuid="$account" --regid="$account" --init-groups --no-new-privs authmeter-mailer "$@"
