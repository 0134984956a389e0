-- Ids: UUID version 7 whose rand_a bits are the user's partition (RFC 9562 section 5.7).

CREATE FUNCTION authmeter.id_new(user_id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_id_new';
COMMENT ON FUNCTION authmeter.id_new(uuid) IS
	'A new UUIDv7 for something that belongs to the user: it carries the partition of the user''s id, so that it is found where the user lives. Without a user, or with an id that is no UUIDv7, the partition is random.';

CREATE FUNCTION authmeter.id_partition(id uuid) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_id_partition';
COMMENT ON FUNCTION authmeter.id_partition(uuid) IS
	'The partition, 0 to 4095, that an id of authmeter carries; NULL for an id that is no UUIDv7. Meaningful for ids of authmeter only.';

CREATE FUNCTION authmeter.id_from(at timestamptz, shift_ms integer DEFAULT 0) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (lpad(to_hex(least(greatest(floor(extract(epoch FROM at) * 1000 + shift_ms), 0), 281474976710655)::bigint), 12, '0')
	|| '70008000000000000000')::uuid;
COMMENT ON FUNCTION authmeter.id_from(timestamptz, integer) IS
	'The least id of the millisecond that lies shift_ms after a time: every id made then or later is equal or greater. For authmeter''s own statements.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'id_new'),
	('service', 'function', 'authmeter', 'id_partition'),
	('reader', 'function', 'authmeter', 'id_partition');
