-- Status: what works, what does not, and why.

CREATE FUNCTION authmeter.status(
	OUT component text, OUT state text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_status';
COMMENT ON FUNCTION authmeter.status() IS
	'One row a component (version, preload, master_key, signing_keys, encoding, clock, environment, housekeeping): state ok or degraded, what that means, and a hint what to do.';
INSERT INTO authmeter.access_rule VALUES
	('reader', 'function', 'authmeter', 'status'),
	('service', 'function', 'authmeter', 'status');
