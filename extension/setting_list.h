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
 *                SAMESITE  lax | strict | none
 *                ERROR_STYLE code | text
 *                DOMAIN    a host name in lower case, or empty
 *                NETWORKS  comma-separated addresses and CIDR networks
 *                ORIGINS   comma-separated web origins, * refused
 *                LINE      one line of text, shown to people
 *                URL       http or https address of a page, or empty; {token} may stand in it once
 *   default      value in production; development: value in development, or NULL for the same
 */
#ifndef AM_SETTING_LIST_H
#define AM_SETTING_LIST_H

/* clang-format off */
#define AM_SETTINGS(X) \
	X(AUDIT_RETENTION_MONTHS, "authmeter.audit_retention_months", INT, "24", NULL, 0, 1200, \
	  "Whole past months of the audit trail that are kept; 0 keeps them for ever") \
	X(BCRYPT_COST, "authmeter.bcrypt_cost", INT, "12", NULL, 4, 15, \
	  "bcrypt cost of new password hashes, 10 to 15 (from 4 in development); an older hash of lower cost is renewed at the next login") \
	X(CLOCK_OFFSET_S, "authmeter.clock_offset_s", SERVER, "0", NULL, 0, 0, \
	  "Seconds added to the clock, for tests; superuser only.") \
	X(COOKIE_SECURE, "authmeter.cookie_secure", BOOL, "on", NULL, 0, 0, \
	  "Secure attribute of all cookies; off counts in development only") \
	X(ENVIRONMENT, "authmeter.environment", ENVIRONMENT, "production", NULL, 0, 0, \
	  "Environment: decides what the policy value auto means") \
	X(HOUSEKEEPING_INTERVAL_S, "authmeter.housekeeping_interval_s", SERVER, "60", NULL, 0, 0, \
	  "Seconds between two rounds of housekeeping in each database, by a background worker when the library is preloaded; 0 switches it off.") \
	X(IDEMPOTENCY_RETENTION, "authmeter.idempotency_retention", DURATION, "7d", NULL, 3600000, 31536000000, \
	  "How long an idempotency key is remembered") \
	X(LOGIN_FAILURES, "authmeter.login_failures", RATE, "20/15m", NULL, 0, 0, \
	  "Failed logins per account and client address before further attempts are refused") \
	X(MAIL_APP, "authmeter.mail_app", LINE, "authmeter", NULL, 0, 0, \
	  "What mails call the service they come from: {{app}} in mail templates") \
	X(MAIL_RETENTION, "authmeter.mail_retention", DURATION, "7d", NULL, 3600000, 31536000000, \
	  "How long a mail that could not be delivered stays in the outbox after its expiry, without what it said") \
	X(MAIL_RETRY_MAX, "authmeter.mail_retry_max", DURATION, "30m", NULL, 100, 86400000, \
	  "Longest pause before a deferred mail is tried again") \
	X(MAIL_RETRY_MIN, "authmeter.mail_retry_min", DURATION, "5s", NULL, 100, 3600000, \
	  "Pause before a deferred mail is tried again; it doubles with each attempt up to authmeter.mail_retry_max, and up to half of it is left out at random") \
	X(MASTER_KEY_FILE, "authmeter.master_key_file", SERVER, "", NULL, 0, 0, \
	  "Path of the master key file that seals signing keys and stored secrets; mode 0600, owned by the server's account.") \
	X(RATE_SLOTS, "authmeter.rate_slots", SERVER, "65536", NULL, 0, 0, \
	  "Number of rate-limit keys kept in shared memory when the library is preloaded.") \
	X(SLOW_LANE_NICE, "authmeter.slow_lane_nice", INT, "10", NULL, 0, 19, \
	  "Nice value of the database sessions that hash passwords for the gateway, so that logins give way to metering; sessions take it over when they connect") \
	X(TRUSTED_PROXIES, "authmeter.trusted_proxies", NETWORKS, "", NULL, 0, 0, \
	  "Proxies whose X-Forwarded-For is believed") \
	X(TWO_FACTOR_FAILURES, "authmeter.two_factor_failures", RATE, "10/15m", NULL, 0, 0, \
	  "Wrong two-factor codes per user before further ones are refused") \
	X(AUTOVERSE_ACCESS_TTL, "autoverse.access_ttl", DURATION, "15m", NULL, 1000, 86400000, \
	  "Lifetime of an autoverse access token") \
	X(AUTOVERSE_COOKIE_DOMAIN, "autoverse.cookie_domain", DOMAIN, "", NULL, 0, 0, \
	  "Domain attribute of the autoverse cookies; empty: none") \
	X(AUTOVERSE_COOKIE_SAMESITE, "autoverse.cookie_samesite", SAMESITE, "lax", NULL, 0, 0, \
	  "SameSite attribute of the autoverse cookies") \
	X(AUTOVERSE_CORS_ORIGINS, "autoverse.cors_origins", ORIGINS, "", "http://localhost:5173,http://localhost:3000,http://localhost:5174,http://localhost:3002", 0, 0, \
	  "Web origins that may call the autoverse API with credentials") \
	X(AUTOVERSE_DELETE_ACCOUNT, "autoverse.delete_account", POLICY, "auto", NULL, 0, 0, \
	  "an access token alone deletes the account") \
	X(AUTOVERSE_LOGIN_LIMIT, "autoverse.login_limit", RATE, "10/1h", NULL, 0, 0, \
	  "autoverse login attempts per client address") \
	X(AUTOVERSE_OTP_LIMIT, "autoverse.otp_limit", RATE, "5/1h", NULL, 0, 0, \
	  "autoverse one-time codes per e-mail address") \
	X(AUTOVERSE_REDIRECT_ORIGINS, "autoverse.redirect_origins", ORIGINS, "", NULL, 0, 0, \
	  "Web origins that a secure session may lead to when autoverse.session_redirect is strict") \
	X(AUTOVERSE_REFRESH_TTL, "autoverse.refresh_ttl", DURATION, "7d", NULL, 1000, 315360000000, \
	  "Lifetime of an autoverse refresh token") \
	X(AUTOVERSE_SESSION_REDIRECT, "autoverse.session_redirect", POLICY, "auto", NULL, 0, 0, \
	  "a secure session may lead to any web origin") \
	X(AUTOVERSE_SILENT_REFRESH, "autoverse.silent_refresh", BOOL, "on", NULL, 0, 0, \
	  "A request with an expired access cookie and a good refresh cookie goes on, and gets a new access cookie") \
	X(AUTOVERSE_TWO_FACTOR, "autoverse.two_factor", POLICY, "auto", NULL, 0, 0, \
	  "the two-factor switch is stored but a password alone still logs in") \
	X(JOBPSYCH_ACCESS_TTL, "jobpsych.access_ttl", DURATION, "15m", NULL, 1000, 86400000, \
	  "Lifetime of a jobpsych access token") \
	X(JOBPSYCH_CORS_ORIGINS, "jobpsych.cors_origins", ORIGINS, "", "http://localhost:3000,http://localhost:8000", 0, 0, \
	  "Web origins that may call the jobpsych API with credentials") \
	X(JOBPSYCH_ENFORCE_UPLOAD_LIMIT, "jobpsych.enforce_upload_limit", BOOL, "off", NULL, 0, 0, \
	  "Whether increment-upload refuses at the upload limit") \
	X(JOBPSYCH_ERROR_STYLE, "jobpsych.error_style", ERROR_STYLE, "code", NULL, 0, 0, \
	  "Whether error in jobpsych answers is a code or a sentence") \
	X(JOBPSYCH_JWT_INFO, "jobpsych.jwt_info", POLICY, "auto", NULL, 0, 0, \
	  "anyone sees the first and last 10 characters and the length of the access secret") \
	X(JOBPSYCH_LOGIN_LIMIT, "jobpsych.login_limit", RATE, "off", NULL, 0, 0, \
	  "jobpsych logins per client address") \
	X(JOBPSYCH_PASSWORD_MIN_LENGTH, "jobpsych.password_min_length", INT, "1", NULL, 1, 72, \
	  "Fewest characters of a password at jobpsych registration") \
	X(JOBPSYCH_REFRESH_REUSE, "jobpsych.refresh_reuse", POLICY, "auto", NULL, 0, 0, \
	  "a stolen refresh token that was rotated does not end the session") \
	X(JOBPSYCH_REFRESH_TTL, "jobpsych.refresh_ttl", DURATION, "7d", NULL, 1000, 315360000000, \
	  "Lifetime of a jobpsych refresh token") \
	X(JOBPSYCH_REGISTER_LIMIT, "jobpsych.register_limit", RATE, "off", NULL, 0, 0, \
	  "jobpsych registrations per client address") \
	X(JOBPSYCH_RESET_PASSWORD, "jobpsych.reset_password", POLICY, "auto", NULL, 0, 0, \
	  "anyone who knows an e-mail address can set that user's password") \
	X(JOBPSYCH_RESET_URL, "jobpsych.reset_url", URL, "", NULL, 0, 0, \
	  "Page that a mailed reset link leads to; {token} in it becomes the token, without it token=... is added to the query; empty: the mail shows the token itself") \
	X(JOBPSYCH_TRUSTED_NETWORKS, "jobpsych.trusted_networks", NETWORKS, "", NULL, 0, 0, \
	  "Networks whose calls to the upload counters need no other proof") \
	X(JOBPSYCH_UPLOAD_LIMIT, "jobpsych.upload_limit", INT, "10", NULL, 0, 2147483647, \
	  "Files a jobpsych user may upload") \
	X(JOBPSYCH_UPLOAD_ROUTES, "jobpsych.upload_routes", POLICY, "auto", NULL, 0, 0, \
	  "anyone can read and raise the upload count of any e-mail address") \
	X(JOBPSYCH_VERIFY_TOKEN, "jobpsych.verify_token", POLICY, "auto", NULL, 0, 0, \
	  "verify-token has no limit and tells the length of the access secret") \
	X(QUIZZER_AUTH_LIMIT, "quizzer.auth_limit", RATE, "10/15m", NULL, 0, 0, \
	  "quizzer registrations and logins together per client address") \
	X(QUIZZER_BCRYPT_ROUNDS, "quizzer.bcrypt_rounds", INT, "12", NULL, 4, 15, \
	  "bcrypt cost of passwords set through quizzer, 10 to 15 (from 4 in development)") \
	X(QUIZZER_CORS_ORIGINS, "quizzer.cors_origins", ORIGINS, "", "http://localhost:3000,http://localhost:3001", 0, 0, \
	  "Web origins that may call the quizzer API with credentials") \
	X(QUIZZER_DELETE_ACCOUNT, "quizzer.delete_account", POLICY, "auto", NULL, 0, 0, \
	  "a bearer token alone deletes the account") \
	X(QUIZZER_GENERAL_LIMIT, "quizzer.general_limit", RATE, "100/15m", NULL, 0, 0, \
	  "Calls of the other quizzer routes per client address") \
	X(QUIZZER_PASSWORD_MIN_LENGTH, "quizzer.password_min_length", INT, "6", NULL, 1, 72, \
	  "Fewest characters of a quizzer password") \
	X(QUIZZER_TOKEN_TTL, "quizzer.token_ttl", DURATION, "7d", NULL, 1000, 315360000000, \
	  "Lifetime of a quizzer token") \
	X(QUIZZER_UPDATE_LIMIT, "quizzer.update_limit", RATE, "50/15m", NULL, 0, 0, \
	  "quizzer profile updates per client address") \
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
