/*
 * registration.c
 *
 * Pending registrations. They live outside the user pool: they block no address, and there may be
 * several for one, of different people who claim it. Which of them becomes the user is decided by
 * the proof of the mailbox, which names exactly one (the subject of a one-time code).
 *
 * registration_confirm locks all of the address in one order, makes the user through the unique
 * index of the pool, and drops them all: of parallel calls, for one registration or for several,
 * one creates. What loses against another API's user is told so again and again until it expires.
 */
#include "compat.h"

#include "access/htup_details.h"
#include "mb/pg_wchar.h"

#include "audit.h"
#include "clock.h"
#include "core/uuid7.h"
#include "id.h"
#include "password.h"
#include "registration.h"
#include "row.h"
#include "setting.h"
#include "spi.h"
#include "user.h"

#define LIFETIME_US    USECS_PER_DAY
#define API_BYTES_MAX  64
#define PENDING_OTHERS "9" /* kept of an address beside a new one */

/* Expired rows removed for each row made. */
#define PURGE_ROWS 2

PG_FUNCTION_INFO_V1(authmeter_registration_start);
PG_FUNCTION_INFO_V1(authmeter_registration_confirm);

static AmPlan purge_plan = {
	"DELETE FROM authmeter.registration d USING (SELECT o.id FROM authmeter.registration o "
	"WHERE o.expires_at" AM_LE "$1 ORDER BY o.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old "
	"WHERE d.id" AM_EQ "old.id",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};
static AmPlan excess_plan = {
	"DELETE FROM authmeter.registration d USING (SELECT o.id FROM authmeter.registration o "
	"WHERE o.email" AM_EQ "$1 ORDER BY o.created_at DESC, o.id DESC OFFSET " PENDING_OTHERS
	" FOR UPDATE SKIP LOCKED) old WHERE d.id" AM_EQ "old.id",
	1,
	{TEXTOID},
	NULL};
static AmPlan taken_plan = {
	"SELECT 1 FROM authmeter.user WHERE email" AM_EQ "$1", 1, {TEXTOID}, NULL};
static AmPlan store_plan = {
	"INSERT INTO authmeter.registration "
	"(id, email, api, password_hash, name, created_at, expires_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7)",
	7,
	{UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan email_plan = {
	"SELECT email FROM authmeter.registration WHERE id" AM_EQ "$1", 1, {UUIDOID}, NULL};
static AmPlan lock_plan = {"SELECT id, expires_at" AM_GT "$2 FROM authmeter.registration "
						   "WHERE email" AM_EQ "$1 ORDER BY id FOR UPDATE",
						   2,
						   {TEXTOID, TIMESTAMPTZOID},
						   NULL};
static AmPlan create_plan = {
	"INSERT INTO authmeter.user (id, email, email_verified_at, password_hash, name, created_at, "
	"updated_at) SELECT $2, r.email, $3, r.password_hash, r.name, $3, $3 "
	"FROM authmeter.registration r WHERE r.id" AM_EQ "$1 ON CONFLICT (email) DO NOTHING",
	3,
	{UUIDOID, UUIDOID, TIMESTAMPTZOID},
	NULL};
static AmPlan drop_plan = {
	"DELETE FROM authmeter.registration WHERE email" AM_EQ "$1", 1, {TEXTOID}, NULL};

/* A registration about to be made. */
typedef struct NewRegistration
{
	const char *email;
	const char *api;
	const char *password;
	size_t password_len;
	text *name; /* or NULL */
} NewRegistration;

int64
am_registration_purge(TimestampTz now, int64 rows_max)
{
	Datum values[2] = {TimestampTzGetDatum(now), Int64GetDatum(rows_max)};
	int64 purged;

	am_spi_begin();
	purged = (int64) am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return purged;
}

static pg_uuid_t
id_of_address(const char *email)
{
	return am_id_new((int) amc_partition_of(email, strlen(email)));
}

static void
registration_store(const NewRegistration *new, const pg_uuid_t *id, const char *hash)
{
	TimestampTz now = am_clock_now();
	Datum values[7] = {UUIDPGetDatum(id),
					   CStringGetTextDatum(new->email),
					   CStringGetTextDatum(new->api),
					   CStringGetTextDatum(hash),
					   PointerGetDatum(new->name),
					   TimestampTzGetDatum(now),
					   TimestampTzGetDatum(now + LIFETIME_US)};

	(void) am_registration_purge(now, PURGE_ROWS);
	am_spi_begin();
	am_spi_run(&excess_plan, &values[1], NULL, 0);
	am_spi_run(&store_plan, values, new->name == NULL ? "    n  " : NULL, 0);
	am_spi_end();
}

static bool
email_is_taken(const char *email)
{
	Datum arg = CStringGetTextDatum(email);
	bool taken;

	am_spi_begin();
	taken = am_spi_read_latest(&taken_plan, &arg, NULL, 1) == 1;
	am_spi_end();
	return taken;
}

static text *
name_argument(FunctionCallInfo fcinfo, int number)
{
	text *name = PG_ARGISNULL(number) ? NULL : PG_GETARG_TEXT_PP(number);
	int characters;

	if (name == NULL)
		return NULL;
	characters = pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (characters < 1 || characters > AM_USER_NAME_CHARACTERS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_USER_FIELD_INVALID),
				errmsg("name of a user must have 1 to %d characters", AM_USER_NAME_CHARACTERS_MAX),
				errhint("Pass NULL for a user without a name."));
	return name;
}

static char *
api_argument(FunctionCallInfo fcinfo, int number)
{
	Size len = PG_ARGISNULL(number) ? 0 : VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(number));

	if (len == 0 || len > API_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid API of a registration"),
				errhint("Name the API, such as autoverse, in 1 to %d bytes.", API_BYTES_MAX));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static AmPasswordOutcome
password_argument(FunctionCallInfo fcinfo, NewRegistration *new)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(4))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("password of a registration and its minimum length must not be null"));
	if (!am_password_argument(PG_GETARG_DATUM(1), &new->password, &new->password_len))
		return AM_PASSWORD_OUTCOME_TOO_LONG;
	return am_password_check(new->password, new->password_len, PG_GETARG_INT32(4));
}

static Datum
start_result(FunctionCallInfo fcinfo, const char *outcome, const pg_uuid_t *id)
{
	Datum row[2] = {CStringGetTextDatum(outcome), UUIDPGetDatum(id)};
	bool nulls[2] = {false, id == NULL};

	return am_row(fcinfo, row, nulls);
}

/* authmeter.registration_start(email, password, name, api, password_length_min) */
Datum
authmeter_registration_start(PG_FUNCTION_ARGS)
{
	NewRegistration new = {.email = PG_ARGISNULL(0) ? NULL : am_user_email(PG_GETARG_DATUM(0)),
						   .name = name_argument(fcinfo, 2),
						   .api = api_argument(fcinfo, 3)};
	AmAuditPair detail[2] = {{"email", new.email}, {"api", new.api}};
	AmAuditEvent event = {.action = "registration_start", .outcome = "created"};
	AmPasswordOutcome outcome = password_argument(fcinfo, &new);
	pg_uuid_t id;

	if (new.email == NULL)
		return start_result(fcinfo, "email_invalid", NULL);
	if (outcome != AM_PASSWORD_OUTCOME_OK)
		return start_result(fcinfo, psprintf("password_%s", am_password_outcome_name(outcome)),
							NULL);
	if (email_is_taken(new.email))
		return start_result(fcinfo, "email_taken", NULL);
	id = id_of_address(new.email);
	registration_store(&new, &id,
					   am_password_hash(new.password, new.password_len,
										(int) am_setting_int(AM_SETTING_BCRYPT_COST)));
	event.detail = am_audit_detail(detail, lengthof(detail));
	am_audit_append(&event);
	return start_result(fcinfo, "created", &id);
}

/* Locks all registrations of the address; false unless this one is among them and alive. */
static bool
registrations_lock(const pg_uuid_t *id, const char *email)
{
	Datum values[2] = {CStringGetTextDatum(email), TimestampTzGetDatum(am_clock_now())};
	uint64 count = am_spi_run(&lock_plan, values, NULL, 0);
	uint64 i;

	for (i = 0; i < count; i++)
	{
		pg_uuid_t found = am_spi_uuid(i, 1);

		if (memcmp(&found, id, sizeof(found)) == 0)
			return am_spi_bool(i, 2);
	}
	return false;
}

/* The outcome; *user_id is set with "created". */
static const char *
registration_decide(const pg_uuid_t *id, pg_uuid_t *user_id)
{
	Datum values[3] = {UUIDPGetDatum(id), UUIDPGetDatum(user_id)};
	Datum email_datum;
	char *email;

	if (am_spi_read_latest(&email_plan, values, NULL, 1) != 1)
		return "not_found";
	email = am_spi_text(0, 1, NULL);
	if (!registrations_lock(id, email))
		return "not_found";
	*user_id = *id; /* which the start has told the client */
	values[2] = TimestampTzGetDatum(am_clock_now());
	if (am_spi_run(&create_plan, values, NULL, 0) != 1)
		return "email_taken";
	email_datum = CStringGetTextDatum(email);
	am_spi_run(&drop_plan, &email_datum, NULL, 0);
	return "created";
}

/* authmeter.registration_confirm(registration_id) */
Datum
authmeter_registration_confirm(PG_FUNCTION_ARGS)
{
	pg_uuid_t user_id = {{0}};
	AmAuditEvent event = {.action = "registration_confirm", .user_id = &user_id};

	if (PG_ARGISNULL(0))
		return am_user_result(fcinfo, "not_found", NULL);
	am_spi_begin();
	event.outcome = registration_decide(PG_GETARG_UUID_P(0), &user_id);
	am_spi_end();
	if (strcmp(event.outcome, "created") != 0)
		return am_user_result(fcinfo, event.outcome, NULL);
	am_audit_append(&event);
	return am_user_result(fcinfo, "created", &user_id);
}
