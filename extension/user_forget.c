/*
 * user_forget.c
 *
 * What goes with a deleted user from the tables that every metered call writes. They have no
 * foreign key to authmeter.user: PostgreSQL checks one again at each update of a row that its own
 * transaction has written before, and calls that share a transaction do that all the time. What
 * the key would do is done here and by the inserts: they take the user's row FOR KEY SHARE, so a
 * row cannot appear behind the back of a deletion.
 *
 * The ledger is books and stays: a deleted user's accounts are closed, which refuses every further
 * booking, and the free text beside the entries goes. What is left is a pseudonym, the user's id.
 *
 * Like a cascading key, the deletion sees the newest rows whatever the isolation level, and raises
 * a serialization failure when the transaction's own snapshot could not have seen one of them.
 */
#include "compat.h"

#include "commands/trigger.h"
#include "utils/rel.h"

#include "spi.h"

PG_FUNCTION_INFO_V1(authmeter_user_forget);

static AmPlan forget_plans[] = {
	{"DELETE FROM authmeter.usage_counter WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	{"DELETE FROM authmeter.quota_counter WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	/* After the counters: whoever writes one of these holds the lock of its counter. */
	{"DELETE FROM authmeter.meter_rollup WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	{"DELETE FROM authmeter.meter_unique WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	{"DELETE FROM authmeter.meter_event WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	{"DELETE FROM authmeter.notification WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	{"DELETE FROM authmeter.idempotency WHERE user_id" AM_EQ "$1", 1, {UUIDOID}, NULL},
	{"UPDATE authmeter.account SET closed_at = authmeter.clock() WHERE user_id" AM_EQ "$1",
	 1,
	 {UUIDOID},
	 NULL},
	{"DELETE FROM authmeter.entry_note n USING authmeter.account a WHERE a.user_id" AM_EQ
	 "$1 AND n.account_id" AM_EQ "a.id",
	 1,
	 {UUIDOID},
	 NULL},
};

static Datum
deleted_user(const TriggerData *trigger)
{
	bool isnull;

	return heap_getattr(trigger->tg_trigtuple, SPI_fnumber(trigger->tg_relation->rd_att, "id"),
						trigger->tg_relation->rd_att, &isnull);
}

/* authmeter.user_forget() is the row trigger after a deletion from authmeter.user. */
Datum
authmeter_user_forget(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Datum user;
	int i;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function \"user_forget\" is for row triggers after a deletion only"));
	am_spi_begin();
	user = deleted_user(trigger);
	for (i = 0; i < (int) lengthof(forget_plans); i++)
		am_spi_run_newest(&forget_plans[i], &user, NULL);
	am_spi_end();
	return PointerGetDatum(NULL);
}
