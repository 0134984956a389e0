/*
 * mail.c
 *
 * The mail outbox. A row is written in the transaction that wants the mail, so a mail is never sent
 * for something that was rolled back, and the request never waits for delivery. Its commit wakes
 * the programs that send (channel authmeter_mail); decoys wake them, too, because they shall not
 * be told apart by what they cost.
 *
 * What a mail says beyond its template (codes, links) is sealed with the row's id as additional
 * data: it is in clear neither in the table, nor in a dump, nor in the WAL, and one mail's content
 * cannot be moved into another. It is forgotten as soon as the mail is sent or has expired.
 *
 * A row that was sent stays an hour past its expiry, one that could not be delivered for
 * authmeter.mail_retention, so that somebody can see it.
 */
#include "compat.h"

#include "commands/async.h"
#include "utils/jsonb.h"

#include "clock.h"
#include "core/uuid7.h"
#include "crypto/secret.h"
#include "id.h"
#include "interval.h"
#include "mail.h"
#include "seal.h"
#include "setting.h"
#include "spi.h"
#include "user.h"

/* Rows removed for each row made. */
#define PURGE_ROWS     2
#define PURGE_ROWS_MAX INT64CONST(100000)

/* A decoy goes this long past its expiry, as a mail that was sent does. */
#define DECOY_AGE_MS INT64CONST(3600000)

#define LIFETIME_MIN_US (INT64CONST(60) * USECS_PER_SEC)
#define LIFETIME_MAX_US (INT64CONST(30) * USECS_PER_DAY)

#define CHANNEL "authmeter_mail"

PG_FUNCTION_INFO_V1(authmeter_mail_enqueue);
PG_FUNCTION_INFO_V1(authmeter_mail_params);
PG_FUNCTION_INFO_V1(authmeter_mail_purge);

static AmPlan purge_plan = {
	"DELETE FROM authmeter.mail_outbox m USING (SELECT o.id FROM authmeter.mail_outbox o "
	"WHERE o.purge_at" AM_LE "$1 ORDER BY o.purge_at LIMIT $2 FOR UPDATE SKIP LOCKED) old "
	"WHERE m.id" AM_EQ "old.id",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};
/* A dead letter stays what it is, but can be tried again no more. */
static AmPlan expire_plan = {
	"UPDATE authmeter.mail_outbox m SET params = NULL, "
	"state = CASE WHEN m.state" AM_EQ "'failed' THEN 'failed' ELSE 'expired' END FROM "
	"(SELECT o.id FROM authmeter.mail_outbox o WHERE o.params IS NOT NULL "
	"AND o.state" AM_NE "'decoy' AND o.expires_at" AM_LE "$1 "
	"ORDER BY o.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old WHERE m.id" AM_EQ "old.id",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};
static AmPlan enqueue_plan = {
	"INSERT INTO authmeter.mail_outbox (id, user_id, recipient, template, params, state, "
	"created_at, expires_at, purge_at, next_attempt_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $7)",
	9,
	{UUIDOID, UUIDOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	 TIMESTAMPTZOID},
	NULL};
static AmPlan params_plan = {
	"SELECT params FROM authmeter.mail_outbox WHERE id" AM_EQ "$1", 1, {UUIDOID}, NULL};
static AmPlan template_plan = {
	"SELECT 1 FROM authmeter.mail_template WHERE name" AM_EQ "$1", 1, {TEXTOID}, NULL};

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

/* Until somebody sends it, a mail counts as one that could not be delivered. */
static int64
retention_ms(const AmMail *mail)
{
	return mail->decoy ? DECOY_AGE_MS : am_setting_int(AM_SETTING_MAIL_RETENTION);
}

pg_uuid_t
am_mail_enqueue(const AmMail *mail)
{
	TimestampTz now = am_clock_now();
	TimestampTz expires_at = now + mail->lifetime_ms * 1000;
	pg_uuid_t id = am_id_new(amc_partition_of(mail->recipient, strlen(mail->recipient)));
	Datum old[2] = {TimestampTzGetDatum(now), Int64GetDatum(PURGE_ROWS)};
	Datum values[9] = {UUIDPGetDatum(&id),
					   UUIDPGetDatum(mail->user_id),
					   CStringGetTextDatum(mail->recipient),
					   CStringGetTextDatum(mail->template),
					   PointerGetDatum(params_seal(mail, &id)),
					   CStringGetTextDatum(mail->decoy ? "decoy" : "queued"),
					   TimestampTzGetDatum(now),
					   TimestampTzGetDatum(expires_at),
					   TimestampTzGetDatum(expires_at + retention_ms(mail) * 1000)};

	am_spi_begin();
	am_spi_run(&purge_plan, old, NULL, 0);
	am_spi_run(&enqueue_plan, values, mail->user_id == NULL ? " n       " : NULL, 0);
	am_spi_end();
	Async_Notify(CHANNEL, "");
	return id;
}

uint64
am_mail_purge(int64 rows_max)
{
	Datum values[2] = {TimestampTzGetDatum(am_clock_now()), Int64GetDatum(rows_max)};
	uint64 rows;

	am_spi_begin();
	rows = am_spi_run(&expire_plan, values, NULL, 0);
	rows += am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return rows;
}

/* authmeter.mail_purge(rows_max): housekeeping, see am_mail_purge. */
Datum
authmeter_mail_purge(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > PURGE_ROWS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("number of mails to purge is out of range"),
				errhint("Ask for 1 to " INT64_FORMAT " rows.", PURGE_ROWS_MAX));
	PG_RETURN_INT64((int64) am_mail_purge(PG_GETARG_INT32(0)));
}

char *
am_mail_params(const pg_uuid_t *id, Size *len)
{
	char text[AMC_UUID_TEXT_BYTES + 1];
	AmSealName name = seal_name(id, text);
	Datum values[1] = {UUIDPGetDatum(id)};
	MemoryContext cxt = CurrentMemoryContext;
	bytea *sealed = NULL;

	am_spi_begin();
	if (am_spi_run(&params_plan, values, NULL, 1) == 1 && !am_spi_null(0, 1))
		sealed = am_spi_bytea(0, 1, cxt);
	am_spi_end();
	return sealed != NULL ? (char *) am_unseal(&name, sealed, len) : NULL;
}

/* authmeter.mail_params(id) opens what a mail says. */
Datum
authmeter_mail_params(PG_FUNCTION_ARGS)
{
	Datum result;
	Size len = 0;
	char *params = am_mail_params(PG_GETARG_UUID_P(0), &len);

	if (params == NULL)
		PG_RETURN_NULL();
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum(params));
	am_secret_wipe(params, len);
	PG_RETURN_DATUM(result);
}

/* ---- mail by services ---- */

static _Noreturn void
order_refuse(const char *what, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_MAIL_INVALID), errmsg("%s", what), errhint("%s", hint));
}

static const char *
template_argument(FunctionCallInfo fcinfo, int number)
{
	Datum value = PG_ARGISNULL(number) ? CStringGetTextDatum("") : PG_GETARG_DATUM(number);
	bool known;

	am_spi_begin();
	known = am_spi_read(&template_plan, &value, NULL, 1) == 1;
	am_spi_end();
	if (!known)
		order_refuse("mail template does not exist",
					 "authmeter.mail_template_list() shows all templates.");
	return TextDatumGetCString(value);
}

/* What a service wants said, as compact JSON. A link leads to the web and nowhere else. */
static const char *
params_argument(FunctionCallInfo fcinfo, int number)
{
	Jsonb *params = PG_ARGISNULL(number) ? NULL : PG_GETARG_JSONB_P(number);
	char *text = params == NULL ? "{}" : JsonbToCString(NULL, &params->root, VARSIZE(params));
	const char *why = NULL;
	AmMailValues values;
	amc_span link;

	if (!am_mail_values_read(text, strlen(text), &values, &why))
		order_refuse("invalid parameters of a mail", why);
	link = values.value[AM_MAIL_VALUE_LINK].value;
	if (link.len > 0 && !(link.len > 8 && strncmp(link.ptr, "https://", 8) == 0) &&
		!(link.len > 7 && strncmp(link.ptr, "http://", 7) == 0))
		order_refuse("invalid link of a mail", "A link begins with https:// or http://.");
	return text;
}

static int64
lifetime_argument(FunctionCallInfo fcinfo, int number)
{
	TimestampTz now = am_clock_now();
	TimestampTz end;

	if (PG_ARGISNULL(number) ||
		!am_interval_end(now, PG_GETARG_INTERVAL_P(number), LIFETIME_MIN_US, LIFETIME_MAX_US, &end))
		order_refuse("invalid lifetime of a mail", "Give an interval from 1 minute to 30 days.");
	return (end - now) / 1000;
}

/* authmeter.mail_enqueue(template, recipient, params, user_id, lifetime, decoy) */
Datum
authmeter_mail_enqueue(PG_FUNCTION_ARGS)
{
	AmMail mail = {.template = template_argument(fcinfo, 0)};
	pg_uuid_t *id = palloc(sizeof(*id));

	mail.recipient = PG_ARGISNULL(1) ? NULL : am_user_email(PG_GETARG_DATUM(1));
	if (mail.recipient == NULL)
		order_refuse("a mail needs an e-mail address", "For example ana@example.com.");
	mail.params = params_argument(fcinfo, 2);
	mail.user_id = PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3);
	mail.lifetime_ms = lifetime_argument(fcinfo, 4);
	mail.decoy = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	*id = am_mail_enqueue(&mail);
	PG_RETURN_UUID_P(id);
}
