/*
 * mail.c
 *
 * The mail outbox. A row is written in the transaction that wants the mail, so a mail is never sent
 * for something that was rolled back, and the request never waits for delivery.
 *
 * What a mail says beyond its template (codes, links) is sealed with the row's id as additional
 * data: it is in clear neither in the table, nor in a dump, nor in the WAL, and one mail's content
 * cannot be moved into another.
 */
#include "compat.h"

#include "utils/jsonb.h"

#include "clock.h"
#include "core/uuid7.h"
#include "crypto/secret.h"
#include "id.h"
#include "mail.h"
#include "seal.h"
#include "spi.h"

/* Rows removed for each row made, once they are this long past their use. */
#define PURGE_ROWS   "2"
#define PURGE_AGE_MS INT64CONST(3600000)

PG_FUNCTION_INFO_V1(authmeter_mail_params);

static AmPlan purge_plan = {
	"DELETE FROM authmeter.mail_outbox m USING (SELECT o.id FROM authmeter.mail_outbox o "
	"WHERE o.expires_at" AM_LE "$1 ORDER BY o.expires_at LIMIT " PURGE_ROWS
	" FOR UPDATE SKIP LOCKED) old "
	"WHERE m.id" AM_EQ "old.id",
	1,
	{TIMESTAMPTZOID},
	NULL};
static AmPlan enqueue_plan = {
	"INSERT INTO authmeter.mail_outbox "
	"(id, user_id, recipient, template, params, state, created_at, expires_at, next_attempt_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7)",
	8,
	{UUIDOID, UUIDOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan params_plan = {
	"SELECT params FROM authmeter.mail_outbox WHERE id" AM_EQ "$1", 1, {UUIDOID}, NULL};

/* The mail's id is owner and object at once; text is where its 36 characters stand. */
static AmSealName
seal_name(const pg_uuid_t *id, char text[AMC_UUID_TEXT_BYTES + 1])
{
	amc_uuid_format(id->data, text);
	text[AMC_UUID_TEXT_BYTES] = '\0';
	return (AmSealName){"mail", text, "params"};
}

static bytea *
params_seal(const AmMail *mail, const pg_uuid_t *id)
{
	char text[AMC_UUID_TEXT_BYTES + 1];
	AmSealName name = seal_name(id, text);
	Size len = strlen(mail->params);

	if (len > AM_MAIL_PARAMS_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("parameters of a mail are longer than %d bytes", AM_MAIL_PARAMS_BYTES_MAX));
	return am_seal(&name, mail->params, len);
}

void
am_mail_enqueue(const AmMail *mail)
{
	TimestampTz now = am_clock_now();
	pg_uuid_t id = am_id_new(amc_partition_of(mail->recipient, strlen(mail->recipient)));
	Datum old = TimestampTzGetDatum(now - PURGE_AGE_MS * 1000);
	Datum values[8] = {UUIDPGetDatum(&id),
					   UUIDPGetDatum(mail->user_id),
					   CStringGetTextDatum(mail->recipient),
					   CStringGetTextDatum(mail->template),
					   PointerGetDatum(params_seal(mail, &id)),
					   CStringGetTextDatum(mail->decoy ? "decoy" : "queued"),
					   TimestampTzGetDatum(now),
					   TimestampTzGetDatum(now + mail->lifetime_ms * 1000)};

	am_spi_begin();
	am_spi_run(&purge_plan, &old, NULL, 0);
	am_spi_run(&enqueue_plan, values, mail->user_id == NULL ? " n      " : NULL, 0);
	am_spi_end();
}

/* authmeter.mail_params(id) opens what a mail says. */
Datum
authmeter_mail_params(PG_FUNCTION_ARGS)
{
	char text[AMC_UUID_TEXT_BYTES + 1];
	AmSealName name = seal_name(PG_GETARG_UUID_P(0), text);
	Datum values[1] = {PG_GETARG_DATUM(0)};
	bytea *sealed = NULL;
	MemoryContext cxt = CurrentMemoryContext;
	uint8 *params;
	Datum result;
	Size len;

	am_spi_begin();
	if (am_spi_run(&params_plan, values, NULL, 1) == 1)
		sealed = am_spi_bytea(0, 1, cxt);
	am_spi_end();
	if (sealed == NULL)
		PG_RETURN_NULL();
	params = am_unseal(&name, sealed, &len);
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum((char *) params));
	am_secret_wipe(params, len);
	PG_RETURN_DATUM(result);
}
