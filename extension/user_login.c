/*
 * user_login.c
 *
 * The login by e-mail address and password.
 *
 * What the client may learn is one word, refused, after one amount of work. Each refusal (unknown
 * address, wrong password, no password, disabled) takes the same reads, the work of exactly one
 * bcrypt of the same cost, one audit row and one count. That cost is the setting's, or that of the
 * dearest stored hash if there is a dearer one; a cheaper stored hash is topped up (password.c).
 * The audit row alone has the true reason.
 *
 * An address without a user may have pending registrations: the password of the newest is compared
 * in the user's stead, and who knows it is told "unverified". To anybody else the address is like
 * an unknown one.
 *
 * Guesses: failures are counted for (address of the account, address of the client), whether or not
 * the account exists; where accounts have another name, too, one that nobody has stands in for the
 * address. The count is looked at before the work and again before the verdict, so that
 * of many parallel guesses no more verdicts are told than the limit allows. A failure is counted as
 * soon as it is known, before the work that hides which one it is: a caller who cancels in that
 * time has learnt something. A success counts nothing and never waits for another.
 *
 * A password change or a disabling that commits during the work wins: the success is decided by a
 * statement that finds the same hash again and locks the row against both until the transaction
 * ends.
 */
#include "compat.h"

#include "access/htup_details.h"

#include "audit.h"
#include "clock.h"
#include "password.h"
#include "ratelimit.h"
#include "row.h"
#include "setting.h"
#include "spi.h"
#include "user.h"

#define LIMIT_POLICY "authmeter.login_failures"

PG_FUNCTION_INFO_V1(authmeter_user_login);

static AmPlan find_plan = {
	"SELECT id, password_hash, disabled_at IS NOT NULL FROM authmeter.user WHERE email" AM_EQ "$1",
	1,
	{TEXTOID},
	NULL};
static AmPlan pending_plan = {"SELECT password_hash FROM authmeter.registration "
							  "WHERE email" AM_EQ "$1 AND expires_at" AM_GT "$2 "
							  "ORDER BY created_at DESC, id DESC LIMIT 1",
							  2,
							  {TEXTOID, TIMESTAMPTZOID},
							  NULL};
/* Served by the indexes user_password_cost_idx and registration_password_cost_idx. */
static AmPlan dearest_plan = {
	"SELECT pg_catalog.substr(password_hash, 5, 2)::integer FROM authmeter.user "
	"WHERE password_hash IS NOT NULL ORDER BY pg_catalog.substr(password_hash, 5, 2) DESC LIMIT 1",
	0,
	{0},
	NULL};
static AmPlan dearest_pending_plan = {
	"SELECT pg_catalog.substr(password_hash, 5, 2)::integer FROM authmeter.registration "
	"ORDER BY pg_catalog.substr(password_hash, 5, 2) DESC LIMIT 1",
	0,
	{0},
	NULL};
static AmPlan confirm_plan = {"SELECT 1 FROM authmeter.user WHERE id" AM_EQ "$1 "
							  "AND password_hash" AM_EQ "$2 AND disabled_at IS NULL FOR SHARE",
							  2,
							  {UUIDOID, TEXTOID},
							  NULL};
static AmPlan rehash_plan = {"UPDATE authmeter.user SET password_hash = $3 WHERE id" AM_EQ "$1 "
							 "AND password_hash" AM_EQ "$2 AND disabled_at IS NULL",
							 3,
							 {UUIDOID, TEXTOID, TEXTOID},
							 NULL};

/* One attempt to log in, from its arguments to its outcome. */
typedef struct Login
{
	const char *email; /* canonical; NULL = no address, which is like an unknown one */
	const char *name;  /* what was typed where no address belongs to it; NULL = nothing */
	const char *password;
	size_t password_len;
	const char *address;
	const char *request_id;

	amc_rate rate; /* of failures; count 0 = off */
	const char *rate_key;
	int64 retry_after_ms; /* set when the limit is reached */

	bool known; /* a user was found; the members below are its */
	pg_uuid_t id;
	bool disabled;
	char *hash;   /* NULL = no password */
	bool pending; /* no user: hash is that of a pending registration */
} Login;

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static Datum
login_result(FunctionCallInfo fcinfo, const char *outcome, const Login *login)
{
	bool ok = strcmp(outcome, "ok") == 0;
	bool limited = login->retry_after_ms > 0;
	Datum row[3] = {CStringGetTextDatum(outcome), (Datum) 0, (Datum) 0};
	bool nulls[3] = {false, !ok, !limited};

	if (ok)
		row[1] = UUIDPGetDatum(&login->id);
	if (limited)
		row[2] = Int64GetDatum(amc_rate_retry_after_s(login->retry_after_ms));
	return am_row(fcinfo, row, nulls);
}

/*
 * The address tried is kept in the event as far as it is one: an administrator must be able to see
 * who was looked for, but not a password typed into the wrong field.
 */
static void
login_audit(const Login *login, const char *outcome)
{
	AmAuditPair email = {"email", login->email};
	AmAuditEvent event = {.action = "user_login",
						  .outcome = outcome,
						  .user_id = login->known ? &login->id : NULL,
						  .address = login->address,
						  .request_id = login->request_id,
						  .detail = am_audit_detail(&email, 1)};

	am_audit_append(&event);
}

static void
limit_prepare(Login *login)
{
	char address[AMC_NET_KEY_BYTES];

	(void) am_setting_rate(AM_SETTING_LOGIN_FAILURES, &login->rate);
	am_ratelimit_address_key(login->address, address);
	/* A name that belongs to nobody has a count of its own, as the account would have. */
	login->rate_key = psprintf("%s %s", address,
							   login->email != NULL  ? login->email
							   : login->name != NULL ? login->name
													 : "");
	if (login->rate.count > 0)
		am_ratelimit_require_countable();
}

/* Counts cost failures (0 = looks only); false when the limit is reached. */
static bool
limit_allows(Login *login, int64 cost)
{
	AmRateVerdict verdict = am_ratelimit_take(LIMIT_POLICY, login->rate_key, &login->rate, cost);

	login->retry_after_ms = verdict.allowed ? 0 : verdict.retry_after_ms;
	return verdict.allowed;
}

static void
row_read(Login *login, MemoryContext cxt)
{
	Datum values[2] = {CStringGetTextDatum(login->email), TimestampTzGetDatum(am_clock_now())};

	if (am_spi_read_latest(&find_plan, values, NULL, 1) == 1)
	{
		login->known = true;
		login->id = am_spi_uuid(0, 1);
		if (!am_spi_null(0, 2))
			login->hash = am_spi_text(0, 2, cxt);
		login->disabled = am_spi_bool(0, 3);
	}
	if (am_spi_read_latest(&pending_plan, values, NULL, 1) == 1 && !login->known)
	{
		login->pending = true;
		login->hash = am_spi_text(0, 1, cxt);
	}
}

static int
dearest_cost(AmPlan *plan)
{
	return am_spi_read_latest(plan, NULL, NULL, 1) == 1 ? am_spi_int32(0, 1) : 0;
}

/* Reads the row and returns the cost whose work every refusal takes. */
static int
user_read(Login *login)
{
	MemoryContext caller = CurrentMemoryContext;
	int work = (int) am_setting_int(AM_SETTING_BCRYPT_COST);

	am_spi_begin();
	if (login->email != NULL)
		row_read(login, caller);
	work = Max(work, dearest_cost(&dearest_plan));
	work = Max(work, dearest_cost(&dearest_pending_plan));
	am_spi_end();
	return Min(work, AM_PASSWORD_COST_MAX);
}

static const char *
refusal_reason(const Login *login)
{
	if (login->pending)
		return "unverified_password_wrong";
	if (!login->known)
		return "user_unknown";
	if (login->disabled)
		return "user_disabled";
	return login->hash == NULL ? "password_unset" : "password_wrong";
}

/*
 * Counts first: from the comparison to the count nothing can be cancelled, so who breaks the call
 * off during the rest of the work has used up the guess all the same.
 */
static Datum
login_refuse(FunctionCallInfo fcinfo, Login *login, const char *reason, int work)
{
	bool told = limit_allows(login, 1);

	am_password_level(login->password, login->password_len, login->hash, work);
	login_audit(login, reason);
	return login_result(fcinfo, told ? "refused" : "rate_limited", login);
}

/* Renews a hash that is cheaper than the setting. False: password or state changed meanwhile. */
static bool
password_confirm(const Login *login)
{
	int cost = (int) am_setting_int(AM_SETTING_BCRYPT_COST);
	Datum values[3] = {UUIDPGetDatum(&login->id), CStringGetTextDatum(login->hash), (Datum) 0};
	bool renew = am_password_hash_cost(login->hash, strlen(login->hash), NULL) < cost;
	bool unchanged;

	if (renew)
		values[2] =
			CStringGetTextDatum(am_password_hash(login->password, login->password_len, cost));
	am_spi_begin();
	unchanged = am_spi_run(renew ? &rehash_plan : &confirm_plan, values, NULL, 1) == 1;
	am_spi_end();
	return unchanged;
}

/* The right password of a pending registration: costs no count, and opens nothing. */
static Datum
login_unverified(FunctionCallInfo fcinfo, const Login *login, int work)
{
	am_password_level(login->password, login->password_len, login->hash, work);
	login_audit(login, "unverified");
	return login_result(fcinfo, "unverified", login);
}

static Datum
login_decide(FunctionCallInfo fcinfo, Login *login)
{
	int work = user_read(login);

	if (!am_password_matches(login->password, login->password_len, login->hash) || login->disabled)
		return login_refuse(fcinfo, login, refusal_reason(login), work);
	/* The right password after the limit was reached meanwhile is answered like a wrong one. */
	if (!limit_allows(login, 0))
	{
		am_password_level(login->password, login->password_len, login->hash, work);
		return login_result(fcinfo, "rate_limited", login);
	}
	if (login->pending)
		return login_unverified(fcinfo, login, work);
	if (!password_confirm(login))
		return login_refuse(fcinfo, login, "user_changed", work);
	login_audit(login, "ok");
	return login_result(fcinfo, "ok", login);
}

/* authmeter.user_login(email, password, address, request_id, name) */
Datum
authmeter_user_login(PG_FUNCTION_ARGS)
{
	Login login = {.email = PG_ARGISNULL(0) ? NULL : am_user_email(PG_GETARG_DATUM(0)),
				   .password = "",
				   .address = text_argument(fcinfo, 2),
				   .request_id = text_argument(fcinfo, 3),
				   .name = text_argument(fcinfo, 4)};

	if (!PG_ARGISNULL(1) &&
		!am_password_argument(PG_GETARG_DATUM(1), &login.password, &login.password_len))
	{
		login_audit(&login, "password_too_long");
		return login_result(fcinfo, "password_too_long", &login);
	}
	limit_prepare(&login);
	if (!limit_allows(&login, 0))
		return login_result(fcinfo, "rate_limited", &login);
	return login_decide(fcinfo, &login);
}
