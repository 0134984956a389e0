-- Thresholds of quotas: each crossing is recorded exactly once a period, in the transaction that
-- crosses it, and delivered at least once.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT (authmeter.user_create('notification-a@example.com')).user_id AS a \gset
SELECT authmeter.meter_create('notification.words');
SELECT * FROM authmeter.plan_publish('notification-small', '[{"feature": "words", "kind": "metered", "meter": "notification.words", "limit": 100, "enforcement": "soft", "thresholds": [50, 80, 100, 150]}]');
SELECT * FROM authmeter.plan_publish('notification-big', '[{"feature": "words", "kind": "metered", "meter": "notification.words", "limit": 1000, "thresholds": [80, 100]}]');
SELECT outcome FROM authmeter.subscription_start(:'a', 'notification-small', anchor => '2030-01-01', started_at => '2030-01-01');
SELECT extract(epoch FROM timestamptz '2030-01-10' - authmeter.clock()) AS january,
	extract(epoch FROM timestamptz '2030-02-10' - authmeter.clock()) AS february \gset
SET authmeter.clock_offset_s = :january;

SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 49);
SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 1, 'k');
SELECT outcome, used, replayed, crossed FROM authmeter.quota_consume(:'a', 'words', 1, 'k');
SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 1);
-- Given back and consumed again: not a second time.
SELECT outcome, used, crossed FROM authmeter.quota_release(:'a', 'words', 40);
SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 40);
-- A crossing that is rolled back has not happened.
BEGIN;
SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 40);
ROLLBACK;
SELECT count(*) FROM authmeter.notification WHERE user_id = :'a';
-- Several at once, one row each.
SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 60);
SELECT feature, period, period_start, threshold, used, allowance, state FROM authmeter.notification WHERE user_id = :'a' ORDER BY threshold;
-- A change of plan does not repeat what was recorded in the period; a smaller plan tells what is new.
SELECT outcome FROM authmeter.subscription_change(:'a', 'notification-big');
SELECT outcome, used, allowance, crossed FROM authmeter.quota_consume(:'a', 'words', 800);
SELECT outcome FROM authmeter.subscription_change(:'a', 'notification-small');
SELECT outcome, used, allowance, crossed FROM authmeter.quota_consume(:'a', 'words', 1);
SELECT outcome, used, allowance, crossed FROM authmeter.quota_consume(:'a', 'words', 1);
-- The next period is another one.
SET authmeter.clock_offset_s = :february;
SELECT outcome, used, crossed FROM authmeter.quota_consume(:'a', 'words', 85);

-- Claims: what is claimed is nobody else's until the lease ends.
SELECT * FROM authmeter.notification_claim(0);
SELECT * FROM authmeter.notification_claim(1, '1 day');
SELECT count(*) AS others FROM authmeter.notification WHERE user_id <> :'a';
CREATE TEMP TABLE claimed AS SELECT * FROM authmeter.notification_claim(3, '1 minute');
SELECT feature, meter, period, period_starts_at, threshold, used, allowance, attempt FROM claimed ORDER BY threshold, period_starts_at;
SELECT count(*) FROM authmeter.notification_claim(10, '1 minute');
SELECT count(*) FROM authmeter.notification_claim(10, '1 minute');
SELECT threshold, authmeter.notification_done(id, claim, CASE threshold WHEN 50 THEN 'delivered' WHEN 80 THEN 'deferred' ELSE 'rejected' END, 'no answer') FROM claimed ORDER BY threshold;
SELECT threshold, authmeter.notification_done(id, claim, 'deferred') FROM claimed ORDER BY threshold;
SELECT authmeter.notification_done(gen_random_uuid(), gen_random_uuid(), 'delivered');
SELECT authmeter.notification_done(NULL, NULL, 'lost');
SELECT threshold, state, attempts, error FROM authmeter.notification_list(:'a') ORDER BY period_start, threshold;
-- The lease of the others runs out: they are due again, and so is what was deferred.
SELECT :february + 61 AS later \gset
SET authmeter.clock_offset_s = :later;
SELECT threshold, attempt FROM authmeter.notification_claim(10, '1 minute') ORDER BY period_starts_at, threshold;
-- Delivered late is delivered.
SELECT authmeter.notification_done(n.id, gen_random_uuid(), 'delivered') FROM authmeter.notification n WHERE n.user_id = :'a' AND n.threshold = 150;
SELECT count(*) FROM authmeter.notification_list(:'a', 'delivered');
SELECT * FROM authmeter.notification_list(page_size => 0);
-- What is done is purged; the counter remembers what was recorded.
SELECT authmeter.notification_purge('1 hour');
SELECT authmeter.notification_purge('0', 1), authmeter.notification_purge('0');
SELECT authmeter.notification_purge(NULL);
SET authmeter.clock_offset_s = :january;
SELECT outcome, crossed FROM authmeter.quota_consume(:'a', 'words', 1);
RESET authmeter.clock_offset_s;
SELECT (authmeter.user_delete(:'a')).outcome;
SELECT count(*) FROM authmeter.notification WHERE user_id = :'a';
