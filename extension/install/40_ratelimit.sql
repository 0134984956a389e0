-- Rate limits: counters in shared memory, or rows when the library is not preloaded.

CREATE TABLE authmeter.rate_window (
	key_hash bytea PRIMARY KEY,
	start_ms bigint NOT NULL,
	end_ms bigint NOT NULL,
	count bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX rate_window_end_ms_idx ON authmeter.rate_window (end_ms);
COMMENT ON TABLE authmeter.rate_window IS
	'Counters of rate limits on a server that did not preload the library; else they are in shared memory and this stays empty. The key is a hash of the limit''s name and of what is limited; times are milliseconds since 1970. Rows whose window has ended are removed as new ones come. State, not data: it is not dumped.';

CREATE FUNCTION authmeter.rate_take(
	policy text, key text, rate text, cost bigint DEFAULT 1,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_rate_take';
COMMENT ON FUNCTION authmeter.rate_take(text, text, text, bigint) IS
	'Counts cost units (1 or more) against a limit if they fit into its window, and says so. policy is the limit''s name (1 to 63 bytes), key what is limited (1 to 512 bytes: an e-mail, a user, the result of rate_address_key), rate count/window such as 10/15m, or off. The window is fixed and starts with the first counted call; a refused call counts nothing and does not extend it; a cost above the count can never fit. remaining: units left (NULL: off); retry_after_ms: 0, or the time until the window ends. With the library preloaded the count survives the caller''s rollback and is exact across connections; without, the call raises MA008 (transaction_block) inside an explicit transaction block or a subtransaction. Raises MA006 (limit_exceeded), MA007 (argument_invalid).';

CREATE FUNCTION authmeter.rate_peek(
	policy text, key text, rate text,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_rate_peek';
COMMENT ON FUNCTION authmeter.rate_peek(text, text, text) IS
	'What rate_take would answer for one unit, without counting it. Allowed in any transaction. A promise to nobody: the next caller may take the unit.';

CREATE FUNCTION authmeter.rate_address_key(address text) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_rate_address_key';
COMMENT ON FUNCTION authmeter.rate_address_key(text) IS
	'The key under which a client address is counted: an IPv4 address itself, an IPv6 address by its /64, and the one word unknown for NULL or anything that is no address.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'rate_take'),
	('service', 'function', 'authmeter', 'rate_peek'),
	('service', 'function', 'authmeter', 'rate_address_key');
