/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  What a failed call or group means (see verdict.h).
 *
 *-------------------------------------------------------------------------
 */
#include "verdict.h"

#include <stddef.h>
#include <string.h>

#include "sqlstate.h"

typedef struct SqlstateRule
{
	const char *prefix;
	AmSqlstateKind kind;
} SqlstateRule;

/* The first row whose prefix fits decides. */
static const SqlstateRule sqlstate_rules[] = {
	{"40001", AM_SQLSTATE_RETRY},
	{"40P01", AM_SQLSTATE_RETRY},
	{"55P03", AM_SQLSTATE_LOCKED},
	{"0A000", AM_SQLSTATE_STALE}, /* cached plan must not change result type */
	{"26000", AM_SQLSTATE_STALE}, /* prepared statement does not exist */
	{"57014", AM_SQLSTATE_UNAVAILABLE},
	{"57P0", AM_SQLSTATE_UNAVAILABLE},
	{"25006", AM_SQLSTATE_UNAVAILABLE}, /* read-only: the server became a standby */
	{"08", AM_SQLSTATE_UNAVAILABLE},
	{"53", AM_SQLSTATE_UNAVAILABLE},
};

/* Codes of class MA that stand for a database that cannot serve (503 in the SQLSTATE table). */
#define UNAVAILABLE_CODE(name, d3, d4, d5, http, public, meaning)               \
	if ((http) == 503 && code[0] == (d3) && code[1] == (d4) && code[2] == (d5)) \
		return true;

static bool
own_code_unavailable(const char *code)
{
	AM_SQLSTATES(UNAVAILABLE_CODE)
	return false;
}

AmSqlstateKind
am_sqlstate_kind(const char *sqlstate)
{
	if (sqlstate == NULL || strlen(sqlstate) != 5)
		return AM_SQLSTATE_FAULT;
	for (size_t i = 0; i < sizeof(sqlstate_rules) / sizeof(sqlstate_rules[0]); i++)
	{
		const char *prefix = sqlstate_rules[i].prefix;

		if (strncmp(sqlstate, prefix, strlen(prefix)) == 0)
			return sqlstate_rules[i].kind;
	}
	if (strncmp(sqlstate, "MA", 2) == 0 && own_code_unavailable(sqlstate + 2))
		return AM_SQLSTATE_UNAVAILABLE;
	return AM_SQLSTATE_FAULT;
}

AmRetryCause
am_sqlstate_cause(const char *sqlstate)
{
	switch (am_sqlstate_kind(sqlstate))
	{
		case AM_SQLSTATE_LOCKED:
			return AM_RETRY_LOCK_TIMEOUT;
		case AM_SQLSTATE_STALE:
			return AM_RETRY_PLAN_CHANGED;
		case AM_SQLSTATE_RETRY:
			return strcmp(sqlstate, "40P01") == 0 ? AM_RETRY_DEADLOCK : AM_RETRY_SERIALIZATION;
		case AM_SQLSTATE_FAULT:
		case AM_SQLSTATE_UNAVAILABLE:
			break;
	}
	return AM_RETRY_GROUP_ABORTED;
}

static AmVerdict
raised_verdict(const char *sqlstate, bool alone, int tries)
{
	AmSqlstateKind kind = am_sqlstate_kind(sqlstate);

	if (kind == AM_SQLSTATE_UNAVAILABLE)
		return AM_VERDICT_UNAVAILABLE;
	if (kind == AM_SQLSTATE_FAULT)
		return alone ? AM_VERDICT_FAULT : AM_VERDICT_AGAIN;
	if (tries >= AM_CALL_TRIES_MAX)
		return kind == AM_SQLSTATE_STALE ? AM_VERDICT_FAULT : AM_VERDICT_UNAVAILABLE;
	return kind == AM_SQLSTATE_LOCKED ? AM_VERDICT_ASIDE : AM_VERDICT_AGAIN;
}

AmVerdict
am_call_verdict(AmCallState state, const char *sqlstate, bool failed, bool alone, int tries)
{
	if (state == AM_CALL_RAISED)
		return raised_verdict(sqlstate, alone, tries);
	if (!failed)
		return state == AM_CALL_DONE ? AM_VERDICT_ANSWER : AM_VERDICT_FAULT;
	/* a call alone that said DONE and yet failed: its commit did (sqlstate is the commit's) */
	if (alone && state == AM_CALL_DONE)
		return raised_verdict(sqlstate, true, tries);
	return AM_VERDICT_AGAIN;
}
