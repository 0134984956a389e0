/*
 * user.c
 *
 * Users: making them, importing them, and setting their password. What only moves columns about
 * (update, disable, enable, delete, list) is PL/pgSQL in install/33_user.sql; the login has a file
 * of its own.
 *
 * One address is one user whatever runs in parallel: the unique index on the canonical form
 * decides, through INSERT ... ON CONFLICT DO NOTHING, and nobody sees an error.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "mb/pg_wchar.h"

#include "audit.h"
#include "clock.h"
#include "core/uuid7.h"
#include "id.h"
#include "password.h"
#include "row.h"
#include "session.h"
#include "setting.h"
#include "spi.h"
#include "user.h"

/* Cheapest hash that may be asked for outside development (contract I3). */
#define COST_PRODUCTION_MIN 10

PG_FUNCTION_INFO_V1(authmeter_user_email_canonical);
PG_FUNCTION_INFO_V1(authmeter_user_create);
PG_FUNCTION_INFO_V1(authmeter_user_import);
PG_FUNCTION_INFO_V1(authmeter_user_password_set);

static AmPlan state_plan = {"SELECT token_version, disabled_at FROM authmeter.user WHERE id" AM_EQ
							"$1",
							1,
							{UUIDOID},
							NULL};
static AmPlan state_email_plan = {
	"SELECT token_version, disabled_at, email FROM authmeter.user WHERE id" AM_EQ "$1",
	1,
	{UUIDOID},
	NULL};
static AmPlan find_plan = {
	"SELECT 1 FROM authmeter.user WHERE email" AM_EQ "$1", 1, {TEXTOID}, NULL};
static AmPlan lock_plan = {
	"SELECT 1 FROM authmeter.user WHERE email" AM_EQ "$1 FOR NO KEY UPDATE", 1, {TEXTOID}, NULL};
static AmPlan insert_plan = {
	"INSERT INTO authmeter.user (id, email, email_verified_at, password_hash, name, created_at, "
	"updated_at) VALUES ($1, $2, CASE WHEN $3 THEN $7 END, $4, $5, $6, $7) "
	"ON CONFLICT (email) DO NOTHING",
	7,
	{UUIDOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan password_plan = {
	"UPDATE authmeter.user SET password_hash = $2, token_version = token_version" AM_PLUS "1, "
	"updated_at = $3 WHERE id" AM_EQ "$1 RETURNING token_version, email",
	3,
	{UUIDOID, TEXTOID, TIMESTAMPTZOID},
	NULL};
/* What else lets somebody in who knew the old password or read the old mails. */
static AmPlan pending_plans[] = {
	{"DELETE FROM authmeter.otp WHERE address" AM_EQ "$1", 1, {TEXTOID}, NULL},
	{"DELETE FROM authmeter.one_time_token WHERE address" AM_EQ "$1", 1, {TEXTOID}, NULL},
};

/* A user about to be made; password_hash and name may be NULL. */
typedef struct NewUser
{
	const char *email;
	const char *password_hash;
	text *name;
	bool email_verified;
	TimestampTz created_at; /* DT_NOBEGIN = now */
} NewUser;

static bool
state_read(AmPlan *plan, const pg_uuid_t *id, AmUserState *state)
{
	Datum arg = UUIDPGetDatum(id);

	if (am_spi_read_latest(plan, &arg, NULL, 1) != 1)
		return false;
	state->token_version = am_spi_int32(0, 1);
	state->disabled = !am_spi_null(0, 2);
	return true;
}

bool
am_user_state(const pg_uuid_t *id, AmUserState *state)
{
	bool found;

	am_spi_begin();
	found = state_read(&state_plan, id, state);
	am_spi_end();
	return found;
}

bool
am_user_state_email(const pg_uuid_t *id, AmUserState *state, char **email)
{
	MemoryContext caller = CurrentMemoryContext;
	bool found;

	am_spi_begin();
	found = state_read(&state_email_plan, id, state);
	if (found)
		*email = am_spi_text(0, 3, caller);
	am_spi_end();
	return found;
}

void
am_user_lock_address(const char *email)
{
	Datum arg = CStringGetTextDatum(email);

	am_spi_begin();
	am_spi_run(&lock_plan, &arg, NULL, 0);
	am_spi_end();
}

char *
am_user_email(Datum argument)
{
	char canonical[AMC_EMAIL_BYTES_MAX];
	size_t len = 0;
	text *value;
	amc_email_status status;

	if (toast_raw_datum_size(argument) - VARHDRSZ > AMC_EMAIL_INPUT_BYTES_MAX)
		return NULL;
	value = DatumGetTextPP(argument);
	status = amc_email_canonical(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), canonical, &len);
	if (status == AMC_EMAIL_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return status == AMC_EMAIL_OK ? pnstrdup(canonical, len) : NULL;
}

Datum
am_user_result(FunctionCallInfo fcinfo, const char *outcome, const pg_uuid_t *id)
{
	Datum row[2] = {CStringGetTextDatum(outcome), id != NULL ? UUIDPGetDatum(id) : (Datum) 0};
	bool nulls[2] = {false, id == NULL};

	return am_row(fcinfo, row, nulls);
}

static Datum
password_refusal(FunctionCallInfo fcinfo, AmPasswordOutcome outcome, const pg_uuid_t *id)
{
	return am_user_result(fcinfo, psprintf("password_%s", am_password_outcome_name(outcome)), id);
}

static AmPasswordOutcome
password_argument_check(FunctionCallInfo fcinfo, int number, int length_min_number,
						const char **password, size_t *len)
{
	if (PG_ARGISNULL(length_min_number))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("minimum length of a password must not be null"));
	if (!am_password_argument(PG_GETARG_DATUM(number), password, len))
		return AM_PASSWORD_OUTCOME_TOO_LONG;
	return am_password_check(*password, *len, PG_GETARG_INT32(length_min_number));
}

/* The cost asked for, or the setting's; the rules of the setting hold for both. */
static int
cost_argument(FunctionCallInfo fcinfo, int number)
{
	int cost;

	if (PG_ARGISNULL(number))
		return (int) am_setting_int(AM_SETTING_BCRYPT_COST);
	cost = PG_GETARG_INT32(number);
	if (cost > AM_PASSWORD_COST_MAX ||
		cost < (am_setting_development() ? AMC_BCRYPT_COST_MIN : COST_PRODUCTION_MIN))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("bcrypt cost is out of range"),
				errhint("Give %d to %d, from %d in development.", COST_PRODUCTION_MIN,
						AM_PASSWORD_COST_MAX, AMC_BCRYPT_COST_MIN));
	return cost;
}

static text *
name_argument(FunctionCallInfo fcinfo, int number)
{
	text *name;
	int characters;

	if (PG_ARGISNULL(number))
		return NULL;
	name = PG_GETARG_TEXT_PP(number);
	characters = pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (characters < 1 || characters > AM_USER_NAME_CHARACTERS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_USER_FIELD_INVALID),
				errmsg("name of a user must have 1 to %d characters", AM_USER_NAME_CHARACTERS_MAX),
				errhint("Pass NULL for a user without a name."));
	return name;
}

static bool
flag_argument(FunctionCallInfo fcinfo, int number)
{
	return !PG_ARGISNULL(number) && PG_GETARG_BOOL(number);
}

static bool
email_is_taken(const char *email)
{
	Datum arg = CStringGetTextDatum(email);
	bool taken;

	am_spi_begin();
	taken = am_spi_read_latest(&find_plan, &arg, NULL, 1) == 1;
	am_spi_end();
	return taken;
}

/* False when somebody else has the address by now. */
static bool
user_insert(const NewUser *user, const pg_uuid_t *id)
{
	TimestampTz now = am_clock_now();
	Datum values[7] = {UUIDPGetDatum(id)};
	char nulls[] = "       ";
	bool made;

	values[1] = CStringGetTextDatum(user->email);
	values[2] = BoolGetDatum(user->email_verified);
	if (user->password_hash != NULL)
		values[3] = CStringGetTextDatum(user->password_hash);
	else
		nulls[3] = 'n';
	if (user->name != NULL)
		values[4] = PointerGetDatum(user->name);
	else
		nulls[4] = 'n';
	values[5] =
		TimestampTzGetDatum(TIMESTAMP_IS_NOBEGIN(user->created_at) ? now : user->created_at);
	values[6] = TimestampTzGetDatum(now);

	am_spi_begin();
	made = am_spi_run(&insert_plan, values, nulls, 0) == 1;
	am_spi_end();
	return made;
}

/* The last step of create and import: one winner, one audit event. */
static Datum
user_make(FunctionCallInfo fcinfo, const char *action, const NewUser *user)
{
	pg_uuid_t id = am_id_new((int) amc_partition_of(user->email, strlen(user->email)));
	AmAuditEvent event = {.action = action, .outcome = "created", .user_id = &id};

	if (!user_insert(user, &id))
		return am_user_result(fcinfo, "email_taken", NULL);
	am_audit_append(&event);
	return am_user_result(fcinfo, "created", &id);
}

/* authmeter.user_email_canonical(email) returns the form that is stored, or NULL. */
Datum
authmeter_user_email_canonical(PG_FUNCTION_ARGS)
{
	char *email = am_user_email(PG_GETARG_DATUM(0));

	if (email == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(email));
}

/*
 * authmeter.user_create(email, password, name, email_verified, password_length_min, bcrypt_cost)
 */
Datum
authmeter_user_create(PG_FUNCTION_ARGS)
{
	NewUser user = {.email = PG_ARGISNULL(0) ? NULL : am_user_email(PG_GETARG_DATUM(0)),
					.name = name_argument(fcinfo, 2),
					.email_verified = flag_argument(fcinfo, 3),
					.created_at = DT_NOBEGIN};
	int cost = cost_argument(fcinfo, 5);
	const char *password = NULL;
	size_t len = 0;

	if (user.email == NULL)
		return am_user_result(fcinfo, "email_invalid", NULL);
	if (!PG_ARGISNULL(1))
	{
		AmPasswordOutcome outcome = password_argument_check(fcinfo, 1, 4, &password, &len);

		if (outcome != AM_PASSWORD_OUTCOME_OK)
			return password_refusal(fcinfo, outcome, NULL);
	}
	/* Saves the hash where the end is clear already; the insert decides. */
	if (email_is_taken(user.email))
		return am_user_result(fcinfo, "email_taken", NULL);
	if (password != NULL)
		user.password_hash = am_password_hash(password, len, cost);
	return user_make(fcinfo, "user_create", &user);
}

/* A hash from elsewhere in the spelling we store, or NULL when it is none we may evaluate. */
static char *
hash_import(text *given)
{
	char *hash;

	if (am_password_hash_cost(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), NULL) < 0)
		return NULL;
	hash = palloc0(AMC_BCRYPT_HASH_BYTES + 1);
	amc_bcrypt_to_storage(VARDATA_ANY(given), hash);
	return hash;
}

/* authmeter.user_import(email, password_hash, name, email_verified, created_at) */
Datum
authmeter_user_import(PG_FUNCTION_ARGS)
{
	NewUser user = {.email = PG_ARGISNULL(0) ? NULL : am_user_email(PG_GETARG_DATUM(0)),
					.name = name_argument(fcinfo, 2),
					.email_verified = flag_argument(fcinfo, 3),
					.created_at = PG_ARGISNULL(4) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(4)};

	if (!PG_ARGISNULL(4) && TIMESTAMP_NOT_FINITE(user.created_at))
		ereport(ERROR, errcode(ERRCODE_AM_USER_FIELD_INVALID),
				errmsg("time of creation of a user must be finite"));
	if (user.email == NULL)
		return am_user_result(fcinfo, "email_invalid", NULL);
	if (!PG_ARGISNULL(1))
	{
		user.password_hash = hash_import(PG_GETARG_TEXT_PP(1));
		if (user.password_hash == NULL)
			return am_user_result(fcinfo, "password_hash_invalid", NULL);
	}
	return user_make(fcinfo, "user_import", &user);
}

/*
 * Stores the hash and takes back what the old password may have given away: every token, every
 * session but one, every pending code and one-time token. The user's row is locked first, as by
 * whoever starts a session or redeems a code.
 */
static bool
password_store(const pg_uuid_t *id, const char *hash, const pg_uuid_t *keep_session)
{
	Datum values[3] = {UUIDPGetDatum(id), CStringGetTextDatum(hash),
					   TimestampTzGetDatum(am_clock_now())};
	int32 version;
	Datum email;
	int i;

	am_spi_begin();
	if (am_spi_run(&password_plan, values, NULL, 0) != 1)
	{
		am_spi_end();
		return false;
	}
	version = am_spi_int32(0, 1);
	email = CStringGetTextDatum(am_spi_text(0, 2, NULL));
	for (i = 0; i < (int) lengthof(pending_plans); i++)
		am_spi_run_newest(&pending_plans[i], &email, NULL);
	am_session_end_all(id, keep_session, "password_changed");
	if (keep_session != NULL)
		am_session_keep(id, keep_session, version);
	am_spi_end();
	return true;
}

/*
 * authmeter.user_password_set(user_id, password, password_length_min, keep_session, bcrypt_cost)
 */
Datum
authmeter_user_password_set(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0);
	AmAuditEvent event = {.action = "user_password_set", .outcome = "password_set", .user_id = id};
	int cost = cost_argument(fcinfo, 4);
	AmPasswordOutcome outcome;
	AmUserState state;
	const char *password;
	size_t len;

	if (PG_ARGISNULL(1))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("password must not be null"));
	outcome = password_argument_check(fcinfo, 1, 2, &password, &len);
	if (outcome != AM_PASSWORD_OUTCOME_OK)
		return password_refusal(fcinfo, outcome, id);
	if (id == NULL || !am_user_state(id, &state) ||
		!password_store(id, am_password_hash(password, len, cost),
						PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3)))
		return am_user_result(fcinfo, "not_found", NULL);
	am_audit_append(&event);
	return am_user_result(fcinfo, "password_set", id);
}
