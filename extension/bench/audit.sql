-- For make bench: events of the usual size, chained, and the time that audit_verify() takes for each.
DO $$
BEGIN
  PERFORM authmeter.audit_append('user_login', authmeter.id_new(), 'ok', '192.0.2.1', format('request-%s', n),
                                 '{"reason": "password"}')
     FROM generate_series(1, 50000) AS n;
  PERFORM authmeter.audit_chain_extend(100000);
END $$;
ANALYZE authmeter.audit_event, authmeter.audit_chain;

-- verify_ns: nanoseconds an event. A violation fails.
CREATE FUNCTION bench.verify_ns() RETURNS numeric
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  begun timestamptz := clock_timestamp();
  checked bigint;
  violations bigint;
BEGIN
  SELECT detail ->> 'checked', detail ->> 'violations' INTO checked, violations
    FROM authmeter.audit_verify() WHERE kind = 'summary';
  ASSERT violations = 0 AND checked >= 50000, 'the trail does not verify';
  RETURN extract(epoch FROM clock_timestamp() - begun) * 1e9 / checked;
END $$;
