/*
 * setting_list.h
 *
 * Every setting of the extension, written once and in alphabetical order. The documentation, the
 * type and range checks and authmeter.setting_list() all read this table. The shim's own settings
 * (listeners, lanes, limits) stand in shim/config.
 *
 * AM_SETTINGS(X) calls X(ID, name, type, default, development, minimum, maximum, meaning):
 *   type         SERVER    a PostgreSQL setting (postgresql.conf), listed here for its meaning
 *                BOOL      on | off
 *                INT       integer from minimum to maximum
 *                DURATION  text such as 30d, 15m, 10s, 250ms; minimum and maximum in milliseconds
 *                RATE      count/window such as 10/15m, off, or auto where the default is auto
 *                POLICY    documented | strict | auto; auto = documented in development, strict in
 *                          production; the meaning of such a row is the consequence of documented
 *                ENVIRONMENT production | development
 *                NETWORKS  comma-separated addresses and CIDR networks
 *                ORIGINS   comma-separated web origins, * refused
 *   default      value in production; development: value in development, or NULL for the same
 */
#ifndef AM_SETTING_LIST_H
#define AM_SETTING_LIST_H

/* clang-format off */
#define AM_SETTINGS(X) \
	X(BCRYPT_COST, "authmeter.bcrypt_cost", INT, "12", NULL, 4, 15, \
	  "bcrypt cost of new password hashes, 10 to 15 (from 4 in development); an older hash of lower cost is renewed at the next login") \
	X(CLOCK_OFFSET_S, "authmeter.clock_offset_s", SERVER, "0", NULL, 0, 0, \
	  "Seconds added to the clock, for tests; superuser only.") \
	X(ENVIRONMENT, "authmeter.environment", ENVIRONMENT, "production", NULL, 0, 0, \
	  "Environment: decides what the policy value auto means") \
	X(IDEMPOTENCY_RETENTION, "authmeter.idempotency_retention", DURATION, "7d", NULL, 3600000, 31536000000, \
	  "How long an idempotency key is remembered") \
	X(LOGIN_FAILURES, "authmeter.login_failures", RATE, "20/15m", NULL, 0, 0, \
	  "Failed logins per account and client address before further attempts are refused") \
	X(MASTER_KEY_FILE, "authmeter.master_key_file", SERVER, "", NULL, 0, 0, \
	  "Path of the master key file that seals signing keys and stored secrets; mode 0600, owned by the server's account.") \
	X(RATE_SLOTS, "authmeter.rate_slots", SERVER, "65536", NULL, 0, 0, \
	  "Number of rate-limit keys kept in shared memory when the library is preloaded.") \
	X(TRUSTED_PROXIES, "authmeter.trusted_proxies", NETWORKS, "", NULL, 0, 0, \
	  "Proxies whose X-Forwarded-For is believed") \
	X(VSPLUGIN_API_KEY_CLAIM, "vsplugin.api_key_claim", POLICY, "auto", NULL, 0, 0, \
	  "session tokens carry the user's own API key in clear text") \
	X(VSPLUGIN_CORS_ORIGINS, "vsplugin.cors_origins", ORIGINS, "", NULL, 0, 0, \
	  "Web origins that may call the vsplugin API with credentials") \
	X(VSPLUGIN_MAX_INCREMENT, "vsplugin.max_increment", INT, "2147483647", NULL, 1, 9007199254740991, \
	  "Largest usage or tokenCount of one call; anything larger counts as 0") \
	X(VSPLUGIN_SIGNUP_LIMIT, "vsplugin.signup_limit", RATE, "auto", NULL, 0, 0, \
	  "Sign-up calls per address; auto = off with vsplugin.signup_proof documented, 30/15m with strict") \
	X(VSPLUGIN_SIGNUP_PROOF, "vsplugin.signup_proof", POLICY, "auto", NULL, 0, 0, \
	  "anyone who knows an e-mail address gets that user's session token") \
	X(VSPLUGIN_THRESHOLD, "vsplugin.threshold", INT, "10", NULL, 0, 9007199254740991, \
	  "Prompt count reported as threshold; informative") \
	X(VSPLUGIN_TOKEN_TTL, "vsplugin.token_ttl", DURATION, "30d", NULL, 1000, 315360000000, \
	  "Lifetime of a vsplugin session token") \
	X(VSPLUGIN_TRUSTED_NETWORKS, "vsplugin.trusted_networks", NETWORKS, "", NULL, 0, 0, \
	  "Networks whose calls to /signup need no other proof")
/* clang-format on */

#endif
