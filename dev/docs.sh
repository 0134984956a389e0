#!/usr/bin/env bash
# docs.sh write|check
#
# Writes the generated parts of README.md and docs/ from the code that runs: functions and settings
# from a database that has the extension (libpq variables say which), the settings of shim and
# mailer from their binaries. With check it changes nothing and fails when a file differs from what it would write.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
mode=${1:-write}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

query() # one statement on standard input, bare rows
{
  psql -XAtq -v ON_ERROR_STOP=1
}

routes()
{
  printf '| Method, path | Function | Lane | Body limit (bytes) |\n|---|---|---|---|\n'
  query <<'SQL'
SELECT format('| %s %s%s | `authmeter_http.%s` | %s | %s |', r.method,
	r.path, CASE WHEN count(*) OVER (PARTITION BY method, path) > 1 THEN ' (' || r.api || ')' ELSE '' END,
	r.function, r.lane, r.body_bytes_max)
FROM authmeter_http.route r ORDER BY r.api, r.path, r.method;
SQL
}

functions()
{
  printf '| Function | Level | What it does |\n|---|---|---|\n'
  query <<'SQL'
SELECT format('| `%s(%s)` | %s | %s |', p.proname,
	(SELECT string_agg(n, ', ' ORDER BY i) FROM unnest(p.proargnames) WITH ORDINALITY AS a (n, i)
		WHERE p.proargmodes IS NULL OR p.proargmodes[i] IN ('i', 'b', 'v')),
	coalesce((SELECT string_agg(DISTINCT r.level, ', ') FROM authmeter.access_rule r
		WHERE r.kind = 'function' AND r.schema_name = 'authmeter' AND r.object_name = p.proname), 'owner'),
	substring(replace(d.description, '|', '\|') from '^.*?\.(?= [A-Z0-9]|$)'))
FROM pg_proc p JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
WHERE p.pronamespace = 'authmeter'::regnamespace AND p.prorettype <> 'trigger'::regtype
	AND (p.proname = 'grant_access' OR EXISTS (SELECT FROM authmeter.access_rule r
		WHERE r.kind = 'function' AND r.schema_name = 'authmeter' AND r.object_name = p.proname))
ORDER BY p.proname COLLATE "C", p.pronargs, p.oid;
SQL
}

settings()
{
  printf '| Setting | Type | Default | Meaning |\n|---|---|---|---|\n'
  query <<'SQL'
SELECT format('| `%s` | %s%s | %s | %s |', name, type,
	CASE WHEN type = 'integer' THEN format(' %s to %s', minimum, maximum) ELSE '' END,
	coalesce(nullif(default_value, ''), '(empty)') ||
	CASE WHEN development_value IS NOT NULL THEN format(' (development: %s)', development_value) ELSE '' END,
	rtrim(CASE type WHEN 'policy' THEN 'documented: ' ELSE '' END || meaning, '.') || '.')
FROM authmeter.setting_list() ORDER BY name COLLATE "C";
SQL
}

sqlstates()
{
  printf '| Code | Name | HTTP status | Meaning |\n|---|---|---|---|\n'
  printf '#include "sqlstate.h"\n#define X(n, a, b, c, http, pub, m) ROW n a b c http m\nAM_SQLSTATES(X)\n' |
    cc -E -P -I"$top/extension" - |
    grep -o "ROW [A-Z_]* '.' '.' '.' [0-9]* \"[^\"]*\"" |
    sed "s/ROW \([A-Z_]*\) '\(.\)' '\(.\)' '\(.\)' \([0-9]*\) \"\([^\"]*\)\"/| MA\2\3\4 | \L\1\E | \5 | \6 |/"
}

reference_functions()
{
  query <<'SQL'
SELECT E'\n### ' || p.proname || E'\n\n```sql\n' || p.pronamespace::regnamespace || '.' || p.proname || '(' ||
	pg_get_function_arguments(p.oid) || ') RETURNS ' || pg_get_function_result(p.oid) || E'\n```\n\n' || d.description
FROM pg_proc p JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND p.prorettype <> 'trigger'::regtype
ORDER BY p.pronamespace::regnamespace::text, p.proname COLLATE "C", p.pronargs, p.oid;
SQL
}

reference_types()
{
  query <<'SQL'
SELECT E'\n### ' || t.typnamespace::regnamespace || '.' || t.typname || E'\n\n' || string_agg(
	format('`%s` %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) ||
	E'\n\n' || obj_description(t.oid, 'pg_type')
FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE t.typnamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
GROUP BY t.oid, t.typnamespace, t.typname ORDER BY t.typnamespace::regnamespace::text, t.typname COLLATE "C";
SQL
}

reference_relations()
{
  printf '| Relation | Kind | What it holds |\n|---|---|---|\n'
  query <<'SQL'
SELECT format('| `%s.%s` | %s | %s |', c.relnamespace::regnamespace, c.relname,
	CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, replace(obj_description(c.oid, 'pg_class'), '|', '\|'))
FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v')
	AND c.relnamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
ORDER BY c.relnamespace::regnamespace::text, c.relname COLLATE "C";
SQL
}

reference()
{
  cat <<'MD'
# Reference

Generated from the code by `dev/docs.sh write`; do not edit.

## Error codes

An expected refusal is an outcome, never an error. These codes are for misuse and faults.

MD
  sqlstates
  printf '\n## Tables and views\n\nRoles reach tables only through functions and views.\n\n'
  reference_relations
  printf '\n## Composite types\n'
  reference_types
  printf '\n## Functions\n'
  reference_functions
}

# fill NAME: replaces what stands between the markers of NAME in the file on standard input.
fill()
{
  awk -v name="$1" -v part="$work/$1" '
    $0 == "<!-- begin:" name " -->" { print; while ((getline line < part) > 0) print line; skip = 1; next }
    $0 == "<!-- end:" name " -->" { skip = 0 }
    !skip { print }'
}

publish() # publish FILE: standard input becomes the file, or must equal it
{
  cat >"$work/new"
  if [ "$mode" = write ]; then
    cat "$work/new" >"$top/$1"
  elif ! diff -u "$top/$1" "$work/new"; then
    printf '%s is not what the code says; run dev/docs.sh write\n' "$1" >&2
    failed=1
  fi
}

failed=0
routes >"$work/routes"
functions >"$work/functions"
settings >"$work/settings"
fill routes <"$top/README.md" | fill functions | fill settings >"$work/readme"
publish README.md <"$work/readme"
reference >"$work/reference"
publish docs/reference.md <"$work/reference"
"$top/build/authmeter-shim" --settings-markdown >"$work/shim"
publish docs/shim.md <"$work/shim"
"$top/build/authmeter-mailer" --settings-markdown >"$work/mailer"
publish docs/mailer.md <"$work/mailer"
exit "$failed"
