#!/usr/bin/env bash
# ready.sh
#
# Health check of the shim image: status 0 when GET /ready of the admin listener answers 200.
set -u

exec 3<>/dev/tcp/127.0.0.1/"${ADMIN_PORT:-9464}" || exit 1
printf 'GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[ "${status:-}" = 200 ]
