/*
 * sqlstate.h
 *
 * Every error code of authmeter, written once: class MA. This header is pure preprocessor text, so
 * that the shim and the documentation read the same table as the extension.
 *
 * AM_SQLSTATES(X) calls X(NAME, d3, d4, d5, http, public, meaning) for each code, where
 *   NAME     ERRCODE_AM_<NAME> in C, lower case in SQL and documents
 *   d3..d5   the last three characters of the code
 *   http     status the shim answers with when an endpoint raises it
 *   public   1 when message and hint may be shown to a client, else 0
 *   meaning  one sentence for the reference
 *
 * An expected refusal (wrong password, expired token, over quota) is never raised: it is an outcome
 * value. These codes are for misuse and faults.
 */
#ifndef AM_SQLSTATE_H
#define AM_SQLSTATE_H

/* clang-format off */
#define AM_SQLSTATES(X)                                                                            \
	X(NOT_INSTALLED, '0', '0', '1', 503, 0, "The extension is not installed in this database.")   \
	X(SETTING_UNKNOWN, '0', '0', '2', 400, 1, "No setting has this name.")                        \
	X(SETTING_INVALID, '0', '0', '3', 400, 1, "The value does not fit the setting's type or range.") \
	X(SETTING_FIXED, '0', '0', '4', 400, 1, "The setting is a server setting, not a row.")        \
	X(ACCESS_LEVEL_UNKNOWN, '0', '0', '5', 400, 1, "grant_access knows no such level.")           \
	X(LIMIT_EXCEEDED, '0', '0', '6', 400, 1, "An argument is larger than its named limit.")       \
	X(ARGUMENT_INVALID, '0', '0', '7', 400, 1, "An argument is NULL, empty or malformed.")        \
	X(TRANSACTION_BLOCK, '0', '0', '8', 503, 0,                                                   \
	  "The library is not preloaded, so a guess cannot be counted inside a transaction block.")   \
	X(MASTER_KEY_MISSING, '0', '1', '0', 503, 0, "No master key file is configured or readable.") \
	X(MASTER_KEY_INVALID, '0', '1', '1', 503, 0, "The master key file is malformed or open to others.") \
	X(SEAL_BROKEN, '0', '1', '2', 500, 0, "A sealed secret does not open under the master key.")  \
	X(CRYPTO_FAILED, '0', '1', '3', 500, 0, "OpenSSL or pgcrypto reported a failure.")            \
	X(KEY_UNKNOWN, '0', '2', '0', 503, 0, "No usable signing key has this ring or id.")           \
	X(KEY_REFUSED, '0', '2', '1', 400, 1, "The key is weak, malformed or a published example.")   \
	X(KEY_STATE, '0', '2', '2', 409, 1, "The key's state does not allow this step.")              \
	X(CLAIMS_INVALID, '0', '2', '3', 400, 1, "The claims to sign are malformed.")                 \
	X(PASSWORD_HASH_INVALID, '0', '3', '0', 400, 1, "The text is no bcrypt hash authmeter accepts.") \
	X(PASSWORD_INVALID, '0', '3', '1', 400, 1, "The password breaks the length or character rules.") \
	X(USER_FIELD_INVALID, '0', '3', '2', 400, 1, "A field of the user breaks its rule.")          \
	X(METER_INVALID, '0', '5', '1', 400, 1, "The meter's definition breaks a rule.")              \
	X(PLAN_INVALID, '0', '5', '2', 400, 1, "The plan's definition breaks a rule.")                \
	X(PLAN_FIXED, '0', '5', '3', 409, 1, "A published version of a plan cannot be changed.")      \
	X(LEDGER_APPEND_ONLY, '0', '5', '5', 409, 1, "Rows of the books are never changed or deleted.") \
	X(UNIT_INVALID, '0', '5', '6', 400, 1, "The unit's definition breaks a rule.")                \
	X(PRICE_INVALID, '0', '6', '0', 400, 1, "A price, its book or the quantities to be priced break a rule.") \
	X(PAYMENT_INVALID, '0', '6', '1', 400, 1, "A provider, secret, order or event of payments breaks a rule.") \
	X(PRICE_FIXED, '0', '6', '2', 409, 1, "Prices are added, never changed.")                     \
	X(OTP_INVALID, '0', '7', '0', 400, 1, "A purpose or address of a one-time code is malformed.") \
	X(SERVICE_TOKEN_INVALID, '0', '7', '1', 400, 1, "The name, scope or lifetime of a service token is malformed.") \
	X(API_KEY_INVALID, '0', '7', '2', 400, 1, "A field of an API key, or the cost of a call, breaks its rule.") \
	X(REQUEST_INVALID, '0', '8', '0', 500, 0, "The request value of an endpoint is malformed.") \
	X(MAIL_INVALID, '0', '9', '0', 400, 1, "A mail, its template or a value in it breaks a rule.") \
	X(AUDIT_APPEND_ONLY, '1', '0', '0', 500, 0, "The audit trail can only be appended to.")       \
	X(AUDIT_BROKEN, '1', '0', '1', 500, 0, "The chain of the audit trail does not verify.")
/* clang-format on */

/* What ereport wants: PostgreSQL's MAKE_SQLSTATE of the five characters. */
#define AM_SQLSTATE(d3, d4, d5) MAKE_SQLSTATE('M', 'A', d3, d4, d5)

#endif
